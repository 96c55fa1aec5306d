//! The sequence at a global index: source, epoch, row. A function of seed, sources, weights
//! and index; it reads nothing.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::LoaderError;
use crate::ids::{GlobalIndex, SampleIndex};
use crate::mixture::Mixture;
use crate::order::{OrderKey, Permutation};

/// The sequence at one global index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleRef {
    /// Index of the source, in order of name.
    pub source: usize,
    /// How many earlier global indices went to this source.
    pub turn: u64,
    /// How many times the source was gone through before.
    pub epoch: u64,
    /// The sequence, as a row of the packing index.
    pub row: SampleIndex,
}

/// The rows of the packing index that belong to one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceRows {
    pub(crate) name: String,
    pub(crate) first_row: u64,
    pub(crate) num_rows: u64,
}

/// The order of a whole run.
#[derive(Debug, Clone)]
pub(crate) struct SampleOrder {
    seed: u64,
    sources: Vec<SourceRows>,
    source_hashes: Vec<u64>,
    mixture: Mixture,
}

impl SampleOrder {
    /// Orders the sequences of `sources`. Without `weights` a source weighs as many as it has
    /// sequences, so that all sources finish an epoch together.
    ///
    /// # Errors
    /// [`LoaderError::Weights`] if the weights name other sources, or give one without
    /// sequences a share, or cannot be mixed.
    pub(crate) fn new(
        seed: u64,
        sources: Vec<SourceRows>,
        weights: Option<&BTreeMap<String, u64>>,
    ) -> Result<Self, LoaderError> {
        let weights = match weights {
            Some(weights) => checked_weights(&sources, weights)?,
            None => sources.iter().map(|source| source.num_rows).collect(),
        };
        Ok(Self {
            seed,
            source_hashes: sources.iter().map(|s| xxh3_64(s.name.as_bytes())).collect(),
            mixture: Mixture::new(&weights)?,
            sources,
        })
    }

    /// The sequence at `global`.
    pub(crate) fn sample(&self, global: GlobalIndex) -> SampleRef {
        let turn = self.mixture.turn(global.0);
        let source = &self.sources[turn.source];
        let epoch = turn.turn / source.num_rows;
        let key = OrderKey {
            seed: self.seed,
            source: self.source_hashes[turn.source],
            epoch,
        };
        let place = turn.turn % source.num_rows;
        let row = source.first_row + Permutation::new(key, source.num_rows).apply(place);
        SampleRef {
            source: turn.source,
            turn: turn.turn,
            epoch,
            row: SampleIndex(row),
        }
    }

    pub(crate) fn sources(&self) -> &[SourceRows] {
        &self.sources
    }
}

/// The weight of each source, in the order of `sources`.
fn checked_weights(sources: &[SourceRows], weights: &BTreeMap<String, u64>) -> Result<Vec<u64>, LoaderError> {
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    if let Some(unknown) = weights.keys().find(|name| !names.contains(&name.as_str())) {
        return Err(LoaderError::Weights {
            problem: format!("the corpus has no source \"{unknown}\", it has {names:?}"),
        });
    }
    let weight_of = |source: &SourceRows| match weights.get(&source.name) {
        None => Err(LoaderError::Weights {
            problem: format!(
                "source \"{}\" of the corpus has none (0 leaves it out)",
                source.name
            ),
        }),
        Some(&weight) if weight > 0 && source.num_rows == 0 => Err(LoaderError::Weights {
            problem: format!("source \"{}\" has no sequences to take a share", source.name),
        }),
        Some(&weight) => Ok(weight),
    };
    sources.iter().map(weight_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn sources(sizes: &[(&str, u64)]) -> Vec<SourceRows> {
        let mut first_row = 0;
        let rows = |&(name, num_rows): &(&str, u64)| {
            let source = SourceRows {
                name: name.to_owned(),
                first_row,
                num_rows,
            };
            first_row += num_rows;
            source
        };
        sizes.iter().map(rows).collect()
    }

    fn weights(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs
            .iter()
            .map(|&(name, weight)| (name.to_owned(), weight))
            .collect()
    }

    #[test]
    fn an_epoch_takes_every_sequence_of_every_source_exactly_once() {
        let order = SampleOrder::new(3, sources(&[("10-K", 97), ("10-Q", 31), ("wiki", 1)]), None);
        let order = order.unwrap();
        for epoch in 0..4 {
            let samples: Vec<SampleRef> = (epoch * 129..(epoch + 1) * 129)
                .map(|global| order.sample(GlobalIndex(global)))
                .collect();
            let rows: BTreeSet<u64> = samples.iter().map(|sample| sample.row.0).collect();
            assert_eq!(rows, (0..129).collect());
            assert!(samples.iter().all(|sample| sample.epoch == epoch));
        }
    }

    #[test]
    fn with_weights_every_source_goes_through_its_own_epochs() {
        let rows = sources(&[("a", 10), ("b", 7), ("c", 5)]);
        let weights = weights(&[("a", 1), ("b", 3), ("c", 0)]);
        let order = SampleOrder::new(3, rows, Some(&weights)).unwrap();
        let samples: Vec<SampleRef> = (0..400).map(|g| order.sample(GlobalIndex(g))).collect();
        for (source, first, size, num) in [(0, 0, 10, 100), (1, 10, 7, 300)] {
            let own: Vec<&SampleRef> = samples.iter().filter(|s| s.source == source).collect();
            assert_eq!(own.len(), num);
            for (epoch, chunk) in own.chunks_exact(size).enumerate() {
                assert!(chunk.iter().all(|sample| sample.epoch == epoch as u64));
                let rows: BTreeSet<u64> = chunk.iter().map(|sample| sample.row.0).collect();
                assert_eq!(rows, (first..first + size as u64).collect());
            }
        }
    }

    #[test]
    fn epochs_and_seeds_order_differently() {
        let rows = || sources(&[("a", 50)]);
        let take = |seed: u64, from: u64| -> Vec<u64> {
            let order = SampleOrder::new(seed, rows(), None).unwrap();
            (from..from + 50)
                .map(|g| order.sample(GlobalIndex(g)).row.0)
                .collect()
        };
        assert_ne!(take(1, 0), take(1, 50));
        assert_ne!(take(1, 0), take(2, 0));
        assert_eq!(take(1, 0), take(1, 0));
    }

    #[test]
    fn weights_that_do_not_fit_the_corpus_are_refused() {
        let rows = || sources(&[("a", 10), ("empty", 0)]);
        for (given, word) in [
            (weights(&[("a", 1), ("empty", 0), ("b", 1)]), "no source \"b\""),
            (weights(&[("a", 1)]), "\"empty\" of the corpus has none"),
            (weights(&[("a", 1), ("empty", 2)]), "no sequences"),
            (weights(&[("a", 0), ("empty", 0)]), "weight 0"),
        ] {
            let text = SampleOrder::new(1, rows(), Some(&given)).unwrap_err().to_string();
            assert!(text.contains(word) && text.contains("data.weights"), "{text}");
        }
        assert!(SampleOrder::new(1, rows(), None).is_ok());
    }
}

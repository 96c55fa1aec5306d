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
    /// Index of the phase; the last one is the run's own.
    pub phase: usize,
    /// Index of the source, in order of name.
    pub source: usize,
    /// How many earlier global indices went to this source at this sequence length.
    pub turn: u64,
    /// How many times the source was gone through before at this sequence length.
    pub epoch: u64,
    /// The sequence, as a row of the packing index of the phase.
    pub row: SampleIndex,
}

/// The rows of the packing index that belong to one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceRows {
    pub(crate) name: String,
    pub(crate) first_row: u64,
    pub(crate) num_rows: u64,
}

/// What is drawn in a phase.
#[derive(Debug, Clone)]
pub(crate) struct PhaseRows<'a> {
    /// The global index at which the next phase begins; the last phase has none.
    pub(crate) end: Option<u64>,
    pub(crate) weights: Option<&'a BTreeMap<String, u64>>,
    pub(crate) sources: Vec<SourceRows>,
    /// Phases of equal length have the same rows and go on where the earlier one stopped.
    pub(crate) sequence_length: usize,
}

/// The order of a whole run.
#[derive(Debug, Clone)]
pub(crate) struct SampleOrder {
    seed: u64,
    source_hashes: Vec<u64>,
    phases: Vec<PhaseOrder>,
}

/// The order within one phase.
#[derive(Debug, Clone)]
struct PhaseOrder {
    first: u64,
    mixture: Mixture,
    sources: Vec<SourceRows>,
    /// Turns that each source had in earlier phases of the same length.
    earlier_turns: Vec<u64>,
}

impl SampleOrder {
    /// Orders the sequences of `phases`, the run's own last. Without weights a source weighs as
    /// many as it has sequences, so that all sources finish an epoch together.
    ///
    /// # Errors
    /// [`LoaderError::Weights`] if the weights name other sources, or give one without
    /// sequences a share, or cannot be mixed; [`LoaderError::NoSequences`] for an empty corpus.
    pub(crate) fn new(seed: u64, phases: Vec<PhaseRows<'_>>) -> Result<Self, LoaderError> {
        let Some(names) = phases.first().map(|phase| &phase.sources) else {
            return Err(LoaderError::NoSequences);
        };
        let source_hashes: Vec<u64> = names.iter().map(|s| xxh3_64(s.name.as_bytes())).collect();
        let mut turns: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        let (mut orders, mut first) = (Vec::new(), 0);
        for phase in phases {
            let mixture = Mixture::new(&phase.weights()?)?;
            let none = || vec![0; source_hashes.len()];
            let turns = turns.entry(phase.sequence_length).or_insert_with(none);
            let earlier_turns = turns.clone();
            let next = phase.end.unwrap_or(u64::MAX);
            for (source, turns) in turns.iter_mut().enumerate() {
                *turns += mixture.num_turns(source, next - first);
            }
            orders.push(PhaseOrder {
                first,
                mixture,
                sources: phase.sources,
                earlier_turns,
            });
            first = next;
        }
        Ok(Self {
            seed,
            source_hashes,
            phases: orders,
        })
    }

    /// The phase that `global` falls into.
    pub(crate) fn phase_of(&self, global: GlobalIndex) -> usize {
        self.phases.partition_point(|phase| phase.first <= global.0) - 1
    }

    /// The sequence at `global`.
    pub(crate) fn sample(&self, global: GlobalIndex) -> SampleRef {
        let phase_index = self.phase_of(global);
        let phase = &self.phases[phase_index];
        let in_phase = phase.mixture.turn(global.0 - phase.first);
        let source = &phase.sources[in_phase.source];
        let turn = in_phase.turn + phase.earlier_turns[in_phase.source];
        let epoch = turn / source.num_rows;
        let key = OrderKey {
            seed: self.seed,
            source: self.source_hashes[in_phase.source],
            epoch,
        };
        let place = turn % source.num_rows;
        let row = source.first_row + Permutation::new(key, source.num_rows).apply(place);
        SampleRef {
            phase: phase_index,
            source: in_phase.source,
            turn,
            epoch,
            row: SampleIndex(row),
        }
    }

    /// The sources with their rows after the last phase.
    pub(crate) fn sources(&self) -> &[SourceRows] {
        self.phases.last().map_or(&[], |phase| &phase.sources)
    }
}

impl PhaseRows<'_> {
    fn weights(&self) -> Result<Vec<u64>, LoaderError> {
        if self.sources.iter().all(|source| source.num_rows == 0) {
            return Err(LoaderError::NoSequences);
        }
        match self.weights {
            Some(weights) => checked_weights(&self.sources, weights),
            None => Ok(self.sources.iter().map(|source| source.num_rows).collect()),
        }
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

    /// The order of a run without phases.
    fn order(
        seed: u64,
        sources: Vec<SourceRows>,
        weights: Option<&BTreeMap<String, u64>>,
    ) -> Result<SampleOrder, LoaderError> {
        SampleOrder::new(seed, vec![phase(None, 512, sources, weights)])
    }

    fn phase(
        end: Option<u64>,
        sequence_length: usize,
        sources: Vec<SourceRows>,
        weights: Option<&BTreeMap<String, u64>>,
    ) -> PhaseRows<'_> {
        PhaseRows {
            end,
            weights,
            sources,
            sequence_length,
        }
    }

    fn weights(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs
            .iter()
            .map(|&(name, weight)| (name.to_owned(), weight))
            .collect()
    }

    #[test]
    fn an_epoch_takes_every_sequence_of_every_source_exactly_once() {
        let order = order(3, sources(&[("10-K", 97), ("10-Q", 31), ("wiki", 1)]), None);
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
        let order = order(3, rows, Some(&weights)).unwrap();
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
            let order = order(seed, rows(), None).unwrap();
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
            let text = order(1, rows(), Some(&given)).unwrap_err().to_string();
            assert!(text.contains(word) && text.contains("data.weights"), "{text}");
        }
        assert!(order(1, rows(), None).is_ok());
    }

    #[test]
    fn a_phase_draws_by_its_own_weights_and_the_next_goes_on_where_it_stopped() {
        let rows = || sources(&[("10-K", 40), ("wiki", 30)]);
        let (wiki, both) = (
            weights(&[("10-K", 0), ("wiki", 1)]),
            weights(&[("10-K", 1), ("wiki", 1)]),
        );
        let phases = vec![
            phase(Some(20), 512, rows(), Some(&wiki)),
            phase(Some(50), 512, rows(), Some(&both)),
            phase(None, 512, rows(), Some(&wiki)),
        ];
        let order = SampleOrder::new(5, phases).unwrap();
        let samples: Vec<SampleRef> = (0..110).map(|g| order.sample(GlobalIndex(g))).collect();
        let phase_of = |range: std::ops::Range<usize>| -> BTreeSet<usize> {
            samples[range].iter().map(|sample| sample.phase).collect()
        };
        assert_eq!(phase_of(0..20), [0].into());
        assert_eq!(phase_of(20..50), [1].into());
        assert_eq!(phase_of(50..110), [2].into());
        let wiki: Vec<&SampleRef> = samples.iter().filter(|sample| sample.source == 1).collect();
        assert_eq!(wiki.len(), 20 + 15 + 60);
        for (turn, sample) in (0..).zip(&wiki) {
            assert_eq!((sample.turn, sample.epoch), (turn, turn / 30));
        }
        for epoch in wiki.chunks_exact(30) {
            let rows: BTreeSet<u64> = epoch.iter().map(|sample| sample.row.0).collect();
            assert_eq!(
                rows,
                (40..70).collect(),
                "nothing twice over the phases of an epoch"
            );
        }
    }

    #[test]
    fn phases_of_another_length_count_their_own_epochs() {
        let short = || sources(&[("a", 90)]);
        let long = || sources(&[("a", 30)]);
        let phases = vec![
            phase(Some(20), 128, short(), None),
            phase(Some(30), 512, long(), None),
            phase(Some(40), 128, short(), None),
            phase(None, 512, long(), None),
        ];
        let order = SampleOrder::new(5, phases).unwrap();
        let turns = |range: std::ops::Range<u64>| -> Vec<u64> {
            range.map(|g| order.sample(GlobalIndex(g)).turn).collect()
        };
        assert_eq!(turns(0..20), (0..20).collect::<Vec<_>>());
        assert_eq!(turns(20..30), (0..10).collect::<Vec<_>>());
        assert_eq!(turns(30..40), (20..30).collect::<Vec<_>>());
        assert_eq!(turns(40..60), (10..30).collect::<Vec<_>>());
    }

    #[test]
    fn one_phase_that_is_like_the_run_changes_nothing() {
        let rows = || sources(&[("a", 40), ("b", 30)]);
        let plain = order(5, rows(), None).unwrap();
        let phases = vec![phase(Some(70), 512, rows(), None), phase(None, 512, rows(), None)];
        let phased = SampleOrder::new(5, phases).unwrap();
        for global in (0..300).map(GlobalIndex) {
            let (plain, phased) = (plain.sample(global), phased.sample(global));
            assert_eq!((plain.row, plain.epoch), (phased.row, phased.epoch), "{global}");
        }
    }
}

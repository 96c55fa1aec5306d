//! The unigram baseline: what predicting every token by its frequency alone would cost.
//!
//! A masked-language model that does not beat it has learned nothing from context. Counts come
//! from the training shards, with one added to every entry of the vocabulary.

use collectives::Collective;
use shards::Corpus;

use crate::{error::TrainError, ranks::agree::agree};

/// Costs of tokens by their frequency in the training shards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unigram {
    costs: Vec<f64>,
}

impl Unigram {
    /// Counts the corpus, each rank its share of the shards. All ranks must call it.
    ///
    /// # Errors
    /// When a shard cannot be read.
    pub(crate) fn count(
        collective: &mut dyn Collective,
        corpus: &Corpus,
        vocab_size: usize,
    ) -> Result<Self, TrainError> {
        let (rank, world_size) = (collective.rank().0 as usize, collective.world_size() as usize);
        let counted = count_shards(corpus, vocab_size, rank, world_size);
        let mut counts = agree(collective, counted)?;
        collective.all_reduce_sum_u64(&mut counts)?;
        Ok(Self::from_counts(&counts))
    }

    fn from_counts(counts: &[u64]) -> Self {
        let total: u64 = counts.iter().map(|count| count + 1).sum();
        let cost = |count: &u64| (total as f64).ln() - ((count + 1) as f64).ln();
        Self {
            costs: counts.iter().map(cost).collect(),
        }
    }

    /// The cost of one token in nats.
    pub(crate) fn cost(&self, token: i64) -> f64 {
        usize::try_from(token)
            .ok()
            .and_then(|token| self.costs.get(token))
            .copied()
            .unwrap_or(f64::INFINITY)
    }
}

fn count_shards(
    corpus: &Corpus,
    vocab_size: usize,
    rank: usize,
    world_size: usize,
) -> Result<Vec<u64>, TrainError> {
    let mut counts = vec![0_u64; vocab_size];
    let mut tokens = Vec::new();
    for shard in corpus.shards().skip(rank).step_by(world_size) {
        let shard = shard?;
        for index in 0..shard.num_blocks() {
            let block = shard.block(index)?;
            tokens.clear();
            block.copy_into(&mut tokens, 0..block.len());
            for &token in &tokens {
                if let Some(count) = counts.get_mut(token as usize) {
                    *count += 1;
                }
            }
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_those_of_add_one_frequencies() {
        let unigram = Unigram::from_counts(&[0, 1, 5]);
        let expected = [9.0_f64.ln(), (9.0_f64 / 2.0).ln(), (9.0_f64 / 6.0).ln()];
        assert!(
            (0..3)
                .zip(expected)
                .all(|(token, cost)| (unigram.cost(token) - cost).abs() < 1e-12)
        );
        let probabilities: f64 = (0..3).map(|token| (-unigram.cost(token)).exp()).sum();
        assert!((probabilities - 1.0).abs() < 1e-12);
        assert!(unigram.cost(3).is_infinite() && unigram.cost(-1).is_infinite());
    }
}

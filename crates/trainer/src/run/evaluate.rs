//! How well a model predicts the masked tokens of held-out text, by source.
//!
//! The masks are the same at every evaluation, and in every run whatever its seed. Ranks share the micro-batches, sums are added
//! over ranks, so the figures do not depend on their number beyond rounding.

use std::collections::BTreeMap;

use collectives::Collective;
use loader::{Evaluation, Loader, MicroBatch};
use model::{RobertaForMaskedLm, token_losses};
use serde::Serialize;
use tch::{Kind, Tensor};

use crate::{
    error::TrainError,
    ranks::agree::agree,
    run::{data::unigram::Unigram, session::Session},
    step::masked_lm::tensors_of,
};

/// The figures of some masked tokens.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// Its exponential.
    pub perplexity: f64,
    /// Share of the tokens that the model ranks first. A tie counts against it: the rank is the
    /// number of entries whose logit is not below the true token's, that one included.
    pub top1_accuracy: f64,
    /// Share of the tokens that the model ranks among its first five, ties as above.
    pub top5_accuracy: f64,
    /// Mean cross-entropy of the same tokens by their frequency in the training shards.
    pub unigram_loss: f64,
    /// Masked tokens.
    pub masked_tokens: u64,
    /// Sequences.
    pub sequences: u64,
}

/// An evaluation: over all masked tokens, and by source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct EvaluationRecord {
    /// Over the masked tokens of all sources.
    #[serde(flatten)]
    pub total: Figures,
    /// Seed of the masks.
    pub mask_seed: u64,
    /// By source.
    pub sources: BTreeMap<String, Figures>,
}

/// Sums in the order loss, top 1, top 5, unigram loss, masked tokens, sequences.
type SourceSums = [f64; 6];

/// The held-out text of a corpus, ready to be evaluated again and again.
#[derive(Debug)]
pub(crate) struct Evaluator {
    held_out: Vec<Evaluation>,
    mask_seed: u64,
    unigram: Unigram,
}

/// Which held-out tokens are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EvaluationOptions {
    /// At most so many sequences a source.
    pub max_sequences: Option<u64>,
    /// Seed of the masks.
    pub mask_seed: u64,
}

impl Evaluator {
    /// Opens the held-out files of a run's corpus, and counts the baseline. All ranks must call it.
    ///
    /// # Errors
    /// [`TrainError::NothingHeldOut`] for a corpus without any; others when it cannot be read, on all
    /// ranks.
    pub(crate) fn open(
        session: &Session,
        collective: &mut dyn Collective,
        evaluated: EvaluationOptions,
    ) -> Result<Self, TrainError> {
        let text = &session.text;
        let unigram = Unigram::count(collective, &text.corpus, text.tokenizer.vocab_size())?;
        agree(collective, Self::new(&session.loader, unigram, evaluated))
    }

    fn new(loader: &Loader, unigram: Unigram, evaluated: EvaluationOptions) -> Result<Self, TrainError> {
        let mask_seed = evaluated.mask_seed;
        let held_out = loader.held_out(evaluated.max_sequences, mask_seed)?;
        if held_out.iter().all(|source| source.num_sequences() == 0) {
            return Err(TrainError::NothingHeldOut);
        }
        Ok(Self {
            held_out,
            mask_seed,
            unigram,
        })
    }

    /// Evaluates `model`. All ranks must call it and get the same answer.
    ///
    /// # Errors
    /// When the held-out text, libtorch or a rank fails.
    pub(crate) fn evaluate(
        &self,
        model: &RobertaForMaskedLm,
        collective: &mut dyn Collective,
    ) -> Result<EvaluationRecord, TrainError> {
        let (rank, world_size) = (collective.rank().0, collective.world_size());
        let own = self.own_sums(model, rank, world_size);
        let mut sums = agree(collective, own)?.concat();
        collective.all_reduce_sum_f64(&mut sums)?;
        Ok(self.record(&sums))
    }

    fn own_sums(
        &self,
        model: &RobertaForMaskedLm,
        rank: u32,
        world_size: u32,
    ) -> Result<Vec<SourceSums>, TrainError> {
        let _no_grad = tch::no_grad_guard();
        let mut all = Vec::with_capacity(self.held_out.len());
        for source in &self.held_out {
            let mut sums = SourceSums::default();
            for index in source.micro_batches_of_rank(rank, world_size) {
                let part = self.sums_of(model, &source.micro_batch(index)?)?;
                sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
            all.push(sums);
        }
        Ok(all)
    }

    fn sums_of(&self, model: &RobertaForMaskedLm, batch: &MicroBatch) -> Result<SourceSums, TrainError> {
        let tensors = tensors_of(batch, model)?;
        let logits = model.masked_logits(&tensors)?; // [M, V]
        let losses = token_losses(&logits, &tensors.labels, model.config().vocab_size)?; // [M]
        let ranks = strict_ranks(&logits, &tensors.labels)?; // [M]
        let used = tensors.weights.f_to_kind(Kind::Double)?;
        let sum = |values: &Tensor| -> Result<f64, TrainError> {
            let weighted = values.f_to_kind(Kind::Double)?.f_mul(&used)?;
            Ok(weighted.f_sum(Kind::Double)?.f_double_value(&[])?)
        };
        let labels = batch
            .labels
            .iter()
            .zip(&batch.weights)
            .filter(|(_, weight)| **weight > 0.0);
        Ok([
            sum(&losses)?,
            sum(&ranks.f_less_equal(1)?)?,
            sum(&ranks.f_less_equal(5)?)?,
            labels.map(|(label, _)| self.unigram.cost(*label)).sum(),
            batch.masked_tokens as f64,
            batch.sequences as f64,
        ])
    }

    fn record(&self, sums: &[f64]) -> EvaluationRecord {
        let mut total = SourceSums::default();
        let mut sources = BTreeMap::new();
        for (source, part) in self.held_out.iter().zip(sums.chunks_exact(total.len())) {
            total.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            if part[4] > 0.0 {
                sources.insert(source.source().to_owned(), figures(part));
            }
        }
        EvaluationRecord {
            total: figures(&total),
            mask_seed: self.mask_seed,
            sources,
        }
    }
}

/// How many entries are not below the label's logit, the label's own included: 1 is first. What
/// is equal, or not a number, counts against the label. `logits`: [M, V]; `labels`: [M], i64 ->
/// [M], i64.
fn strict_ranks(logits: &Tensor, labels: &Tensor) -> Result<Tensor, TrainError> {
    let label_logits = logits.f_gather(-1, &labels.f_unsqueeze(-1)?, false)?; // [M, 1]
    let not_below = logits.f_less_tensor(&label_logits)?.f_logical_not()?; // [M, V]
    Ok(not_below.f_sum_dim_intlist(-1, false, Kind::Int64)?)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts far below 2^53, summed exactly"
)]
fn figures(sums: &[f64]) -> Figures {
    let mean = |sum: f64| sum / sums[4].max(1.0);
    Figures {
        loss: mean(sums[0]),
        perplexity: mean(sums[0]).exp(),
        top1_accuracy: mean(sums[1]),
        top5_accuracy: mean(sums[2]),
        unigram_loss: mean(sums[3]),
        masked_tokens: sums[4] as u64,
        sequences: sums[5] as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_and_what_is_no_number_count_against_the_model() {
        let rows = [
            [0.0_f32, 3.0, 1.0, 2.0],
            [5.0, 5.0, 5.0, 5.0],
            [1.0, f32::NAN, 2.0, 0.0],
            [1.0, 2.0, f32::NAN, 0.0],
        ];
        let logits = Tensor::from_slice(&rows.concat()).view([4, 4]);
        let labels = Tensor::from_slice(&[1_i64, 0, 2, 2]);
        let ranks = strict_ranks(&logits, &labels).unwrap();
        assert_eq!(Vec::<i64>::try_from(&ranks).unwrap(), [1, 4, 2, 4]);
    }

    #[test]
    fn figures_are_means_over_masked_tokens() {
        let figures = figures(&[8.0, 1.0, 2.0, 12.0, 4.0, 3.0]);
        let means = [
            figures.loss,
            figures.top1_accuracy,
            figures.top5_accuracy,
            figures.unigram_loss,
        ];
        assert!(
            means
                .iter()
                .zip([2.0, 0.25, 0.5, 3.0])
                .all(|(mean, expected)| (mean - expected).abs() < 1e-12)
        );
        assert_eq!((figures.masked_tokens, figures.sequences), (4, 3));
    }
}

//! The published rates that the constants are fitted on and checked against: BERT-large,
//! pre-training, NVIDIA `DeepLearningExamples`, PyTorch/LanguageModeling/BERT (2024-04).
//!
//! One row of each device fixes its rate; one row of length 512 fixes how many of the 512
//! positions of a sequence were computed. It has to be fewer than all: counted whole, the FP32
//! row of a V100 (19 a second) would be 19.4 TFLOPS, above the device's peak of 15.7.

use model::{HiddenAct, PositionEmbedding, RobertaConfig};

use super::{
    device::BesideProducts,
    network::{NETWORKS, Network},
    step_time::{GradientSchedule, PlannedStep, StepTime},
};
use crate::run::plan::work;

/// A published rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PublishedRow {
    /// Device and arithmetic.
    pub device: &'static str,
    /// Number of devices, 8 a node.
    pub num_devices: u64,
    /// Positions of a sequence.
    pub length: usize,
    /// Sequences a second.
    pub sequences_per_second: f64,
}

const fn row(
    device: &'static str,
    num_devices: u64,
    length: usize,
    sequences_per_second: f64,
) -> PublishedRow {
    PublishedRow {
        device,
        num_devices,
        length,
        sequences_per_second,
    }
}

/// The rows; the first of each device is the one that its rate is fitted on.
pub(crate) const ROWS: [PublishedRow; 26] = [
    row("V100 FP32", 1, 128, 50.0),
    row("V100 FP32", 1, 512, 19.0),
    row("V100 FP32", 8, 128, 387.0),
    row("V100 FP32", 8, 512, 149.6),
    row("V100 FP16", 1, 128, 224.0),
    row("V100 FP16", 1, 512, 75.0),
    row("V100 FP16", 8, 128, 1_746.0),
    row("V100 FP16", 8, 512, 586.0),
    row("A100 TF32", 1, 128, 317.0),
    row("A100 TF32", 1, 512, 110.0),
    row("A100 TF32", 8, 128, 2_505.0),
    row("A100 TF32", 8, 512, 860.0),
    row("A100 FP16", 1, 128, 580.0),
    row("A100 FP16", 1, 512, 210.0),
    row("A100 FP16", 8, 128, 4_591.0),
    row("A100 FP16", 8, 512, 1_657.0),
    row("A100 FP16", 16, 128, 9_191.0),
    row("A100 FP16", 32, 128, 18_119.0),
    row("A100 FP16", 64, 128, 35_774.0),
    row("A100 FP16", 128, 128, 70_555.0),
    row("A100 FP16", 256, 128, 138_294.0),
    row("A100 FP16", 16, 512, 3_291.0),
    row("A100 FP16", 32, 512, 6_464.0),
    row("A100 FP16", 64, 512, 13_005.0),
    row("A100 FP16", 128, 512, 25_570.0),
    row("A100 FP16", 256, 512, 49_663.0),
];

/// The row that fixes how much of a sequence of 512 positions was computed.
const LENGTH_ROW: PublishedRow = row("V100 FP16", 1, 512, 75.0);

/// A row, and what the fitted constants say of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Residual {
    /// The row.
    pub row: PublishedRow,
    /// Predicted sequences a second.
    pub predicted: f64,
    /// Whether the row is one that a constant was fitted on.
    pub fitted: bool,
}

impl Residual {
    /// Predicted over published, less 1.
    pub(crate) fn relative(&self) -> f64 {
        self.predicted / self.row.sequences_per_second - 1.0
    }
}

/// BERT-large: as RoBERTa-large but for the tables.
fn bert_large() -> RobertaConfig {
    RobertaConfig {
        architectures: Vec::new(),
        model_type: "roberta".to_owned(),
        vocab_size: 30_528,
        hidden_size: 1024,
        num_hidden_layers: 24,
        num_attention_heads: 16,
        intermediate_size: 4096,
        hidden_act: HiddenAct::Gelu,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        max_position_embeddings: 512,
        type_vocab_size: 2,
        initializer_range: 0.02,
        layer_norm_eps: 1e-12,
        pad_token_id: 0,
        bos_token_id: 0,
        eos_token_id: 2,
        position_embedding_type: PositionEmbedding::Absolute,
        tie_word_embeddings: true,
    }
}

/// Predictions a sequence in these runs: 20 of 128 positions, 80 of 512.
fn rows_of(length: usize) -> usize {
    if length > 128 { 80 } else { 20 }
}

fn sequence_flops(model: &RobertaConfig, length: usize) -> f64 {
    work::flops_per_token(model, length, rows_of(length)) * length as f64
}

fn fitted_row(device: &str) -> PublishedRow {
    let of_device = |row: &&PublishedRow| row.device == device;
    ROWS.iter().find(of_device).copied().unwrap_or(ROWS[0])
}

/// FLOPs a second that the device's own row says it reaches.
pub(crate) fn fitted_rate(device: &str) -> f64 {
    fitted_row(device).sequences_per_second * sequence_flops(&bert_large(), 128)
}

/// The share of a sequence of 512 positions that was computed.
pub(crate) fn computed_share() -> f64 {
    let whole = LENGTH_ROW.sequences_per_second * sequence_flops(&bert_large(), 512);
    fitted_rate(LENGTH_ROW.device) / whole
}

/// `NVLink` inside a node; the clusters of these rows have more links between nodes than any of
/// [`NETWORKS`], so the fastest is taken.
fn network() -> Network {
    NETWORKS
        .into_iter()
        .filter(|network| !network.is_one_host())
        .max_by(|one, other| {
            one.between_bytes_per_second
                .total_cmp(&other.between_bytes_per_second)
        })
        .unwrap_or(NETWORKS[0])
}

/// Every row with its prediction.
pub(crate) fn residuals() -> Vec<Residual> {
    let model = bert_large();
    let predict = |row: &PublishedRow| {
        let share = if row.length > 128 { computed_share() } else { 1.0 };
        // Batches of 65,536 and 32,768 sequences, as accumulated there.
        let (batch, micro_batch) = if row.length > 128 {
            (32_768, 8)
        } else {
            (65_536, 64)
        };
        let step = PlannedStep {
            model: &model,
            length: row.length,
            rows: rows_of(row.length),
            flops_per_sequence: sequence_flops(&model, row.length) * share,
            batch,
            micro_batch,
            gradient_schedule: GradientSchedule::Overlapped,
            through_host: false,
            recomputes: false,
            wire_bytes: if row.device.ends_with("FP16") { 2.0 } else { 4.0 },
        };
        let rate = (fitted_rate(row.device), &BesideProducts::IN_THE_RATE);
        let time = StepTime::new(&step, &network(), row.num_devices, rate);
        let is_own = |other: &PublishedRow| {
            (other.device, other.num_devices, other.length) == (row.device, row.num_devices, row.length)
        };
        Residual {
            row: *row,
            predicted: batch as f64 / time.seconds(),
            fitted: is_own(&fitted_row(row.device)) || is_own(&LENGTH_ROW),
        }
    };
    ROWS.iter().map(predict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_fitted_on_one_row_predict_all_others_within_20_percent() {
        let residuals = residuals();
        assert_eq!(residuals.iter().filter(|residual| residual.fitted).count(), 5);
        for residual in residuals {
            let bound = if residual.fitted { 1e-9 } else { 0.20 };
            assert!(
                residual.relative().abs() <= bound,
                "{residual:?}: {:+.3}",
                residual.relative()
            );
        }
    }

    #[test]
    fn a_v100_cannot_have_computed_every_position_of_its_fp32_row() {
        const PEAK: f64 = 15.7e12;
        let whole = 19.0 * sequence_flops(&bert_large(), 512);
        assert!(whole > PEAK && whole * computed_share() < PEAK);
    }
}

//! Devices: memory, peak, and the rates that were reached with them.

use std::borrow::Cow;

use model::{Precision, RobertaConfig};

/// An accelerator, or a rank of a CPU.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Its name on the command line.
    pub name: &'static str,
    /// Memory, in bytes.
    pub memory_bytes: f64,
    /// Dense peak of its 16-bit matrix units, FLOPs a second (data sheet).
    pub peak_flops_per_second: f64,
    /// Reached by BERT-large, 16-bit, length 128, on one device.
    pub reached_flops_per_second: f64,
    /// Where that comes from.
    pub source: &'static str,
    /// Rates for the range of hours, FLOPs a second, each with its source; from high to low.
    pub rates: Cow<'static, [(f64, &'static str)]>,
    /// Beside products; nothing where the rates have it in them.
    pub beside_products: BesideProducts,
    /// What a CPU computes in; `None` for accelerators, which compute in 16 bits.
    pub cpu_precision: Option<Precision>,
}

/// What a step takes beside matrix products.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BesideProducts {
    /// Seconds of a position, layer and unit of width, forward and backward.
    pub seconds_per_element: f64,
    /// Seconds of a logit of a masked position: softmax, loss and their gradient.
    pub seconds_per_logit: f64,
    /// Seconds of the optimizer for a parameter.
    pub seconds_per_parameter: f64,
}

impl BesideProducts {
    /// Of rates of whole steps.
    pub const IN_THE_RATE: Self = Self {
        seconds_per_element: 0.0,
        seconds_per_logit: 0.0,
        seconds_per_parameter: 0.0,
    };
}

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// Fitted on 580 sequences of length 128 a second, as [`super::published`] does it again.
const A100_REACHED: f64 = 139.8e12;
/// Fitted on 224 sequences of length 128 a second.
const V100_REACHED: f64 = 54.0e12;

/// The accelerators that can be planned for.
pub static DEVICES: [Device; 3] = [
    Device {
        name: "v100-sxm2-32gb",
        memory_bytes: 32.0 * GIB,
        peak_flops_per_second: 125e12,
        reached_flops_per_second: V100_REACHED,
        source: "fitted on NVIDIA DeepLearningExamples, BERT-large, 1 V100, FP16, length 128",
        rates: Cow::Borrowed(&[
            (77e12, "NVIDIA, BERT-large, length 512, padding counted as work"),
            (53e12, "DeepSpeed (2020), BERT-large, length 512"),
            (41e12, "DeepSpeed's comparison: NVIDIA's BERT of 2020 (53 / 1.28)"),
            (
                33e12,
                "DeepSpeed's comparison: Hugging Face's BERT of 2020 (53 / 1.62)",
            ),
        ]),
        beside_products: BesideProducts::IN_THE_RATE,
        cpu_precision: None,
    },
    Device {
        name: "a100",
        memory_bytes: 80.0 * GIB,
        peak_flops_per_second: 312e12,
        reached_flops_per_second: A100_REACHED,
        source: "fitted on NVIDIA DeepLearningExamples, BERT-large, 1 A100 80 GB, FP16, length 128",
        rates: Cow::Borrowed(&[
            (A100_REACHED, "NVIDIA, BERT-large, length 128"),
            (
                A100_REACHED * 33.0 / 53.0,
                "assumed: as far below it as Hugging Face's BERT was below DeepSpeed's on V100",
            ),
        ]),
        beside_products: BesideProducts::IN_THE_RATE,
        cpu_precision: None,
    },
    Device {
        name: "h100",
        memory_bytes: 80.0 * GIB,
        peak_flops_per_second: 989e12,
        reached_flops_per_second: A100_REACHED * 989.0 / 312.0,
        source: "assumed: the A100's share of the peak; no published row",
        rates: Cow::Borrowed(&[
            (
                A100_REACHED * 989.0 / 312.0,
                "assumed: the A100's share of the peak",
            ),
            (
                A100_REACHED * 989.0 / 312.0 / 3.0,
                "assumed: a third of it, no faster than an A100, where narrow matrices starve it",
            ),
        ]),
        beside_products: BesideProducts::IN_THE_RATE,
        cpu_precision: None,
    },
];

impl Device {
    /// The device with this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        DEVICES.iter().find(|device| device.name == name)
    }

    /// FLOPs of a sequence of `length` with `rows` masked positions, forward and backward. On the CPU
    /// only masked rows go on behind the last attention; published rates count all of them.
    pub fn flops_per_sequence(&self, model: &RobertaConfig, length: usize, rows: usize) -> f64 {
        let (length, rows) = (length as u64, rows as u64);
        let skipped = if self.cpu_precision.is_some() {
            model.skipped_flops(length, rows)
        } else {
            0
        };
        (model.training_flops(length, rows) - skipped) as f64
    }
}

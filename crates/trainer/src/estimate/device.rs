//! Devices: memory, and the rates that were reached with them in each precision.

use std::borrow::Cow;

use model::{Precision, RobertaConfig};

use crate::{
    config::RunConfig, error::TrainError, estimate::error::EstimateError, ranks::processor::Processor,
    step::precision,
};

/// FLOPs a second, and where that comes from.
pub(crate) type Rate = (f64, &'static str);

/// The device's name on the command line.
pub(crate) const CPU: &str = "cpu";

/// An accelerator, or a rank of a CPU, in one precision.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Device {
    /// Its name on the command line.
    pub name: &'static str,
    /// Memory, in bytes.
    pub memory_bytes: f64,
    /// What it computes in.
    pub precision: Precision,
    /// Rates for the range of hours, from high to low.
    pub rates: Cow<'static, [Rate]>,
    /// Beside products; nothing where the rates have it in them.
    pub beside_products: BesideProducts,
}

/// An accelerator that can be planned for.
#[derive(Debug)]
pub(crate) struct Accelerator {
    /// Its name on the command line.
    pub name: &'static str,
    memory_bytes: f64,
    has_bf16: bool,
    /// In fp16 and bf16.
    rates_of_16_bits: &'static [Rate],
    rates_of_f32: &'static [Rate],
}

/// What a step takes beside matrix products.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::struct_field_names, reason = "the unit stands in the name")]
pub(crate) struct BesideProducts {
    /// Seconds of a position, layer and unit of width, forward and backward.
    pub seconds_per_element: f64,
    /// The same of the layers' forward pass alone, which comes once more where activations are not kept.
    pub seconds_per_element_again: f64,
    /// Seconds of a logit of a masked position: softmax, loss and their gradient.
    pub seconds_per_logit: f64,
    /// Seconds of the optimizer for a parameter.
    pub seconds_per_parameter: f64,
}

impl BesideProducts {
    /// Of rates of whole steps.
    pub(crate) const IN_THE_RATE: Self = Self {
        seconds_per_element: 0.0,
        seconds_per_element_again: 0.0,
        seconds_per_logit: 0.0,
        seconds_per_parameter: 0.0,
    };

    /// Where everything takes so many times as long.
    #[must_use]
    pub(crate) fn times(self, factor: f64) -> Self {
        Self {
            seconds_per_element: self.seconds_per_element * factor,
            seconds_per_element_again: self.seconds_per_element_again * factor,
            seconds_per_logit: self.seconds_per_logit * factor,
            seconds_per_parameter: self.seconds_per_parameter * factor,
        }
    }
}

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// Fitted on 580 sequences of length 128 a second, as [`super::published`] does it again.
const A100_REACHED: f64 = 139.8e12;
/// Fitted on 50 sequences of length 128 a second.
const V100_REACHED_IN_F32: f64 = 12.05e12;
/// The H100's peak with 16 bits over the A100's (data sheets, dense).
const H100_OVER_A100: f64 = 989.0 / 312.0;
/// Peaks in f32 without TF32, which a run in f32 does not use, over the V100's (data sheets).
const A100_OVER_V100_IN_F32: f64 = 19.5 / 15.7;
const H100_OVER_V100_IN_F32: f64 = 66.9 / 15.7;
/// Hugging Face's BERT over `DeepSpeed`'s on V100, in 16 bits.
const SLOWEST_OVER_FASTEST: f64 = 33.0 / 53.0;

/// Sources of rates that nobody published.
const F32_BY_PEAK: &str = "assumed: the V100's share of the peak in f32, without TF32";
const AS_ON_V100: &str = "assumed: as far below it as Hugging Face's BERT was below DeepSpeed's on V100";

/// The accelerators that can be planned for.
pub(crate) static ACCELERATORS: [Accelerator; 3] = [
    Accelerator {
        name: "v100-sxm2-32gb",
        memory_bytes: 32.0 * GIB,
        has_bf16: false,
        rates_of_16_bits: &[
            (77e12, "NVIDIA, BERT-large, length 512, padding counted as work"),
            (53e12, "DeepSpeed (2020), BERT-large, length 512"),
            (41e12, "DeepSpeed's comparison: NVIDIA's BERT of 2020 (53 / 1.28)"),
            (
                33e12,
                "DeepSpeed's comparison: Hugging Face's BERT of 2020 (53 / 1.62)",
            ),
        ],
        rates_of_f32: &[
            (V100_REACHED_IN_F32, "NVIDIA, BERT-large, length 128, FP32"),
            (V100_REACHED_IN_F32 * SLOWEST_OVER_FASTEST, AS_ON_V100),
        ],
    },
    Accelerator {
        name: "a100",
        memory_bytes: 80.0 * GIB,
        has_bf16: true,
        rates_of_16_bits: &[
            (A100_REACHED, "NVIDIA, BERT-large, length 128"),
            (A100_REACHED * SLOWEST_OVER_FASTEST, AS_ON_V100),
        ],
        rates_of_f32: &[
            (V100_REACHED_IN_F32 * A100_OVER_V100_IN_F32, F32_BY_PEAK),
            (
                V100_REACHED_IN_F32 * A100_OVER_V100_IN_F32 * SLOWEST_OVER_FASTEST,
                AS_ON_V100,
            ),
        ],
    },
    Accelerator {
        name: "h100",
        memory_bytes: 80.0 * GIB,
        has_bf16: true,
        rates_of_16_bits: &[
            (
                A100_REACHED * H100_OVER_A100,
                "assumed: the A100's share of the peak",
            ),
            (
                A100_REACHED * H100_OVER_A100 / 3.0,
                "assumed: a third of it, no faster than an A100, where narrow matrices starve it",
            ),
        ],
        rates_of_f32: &[
            (V100_REACHED_IN_F32 * H100_OVER_V100_IN_F32, F32_BY_PEAK),
            (
                V100_REACHED_IN_F32 * H100_OVER_V100_IN_F32 * SLOWEST_OVER_FASTEST,
                AS_ON_V100,
            ),
        ],
    },
];

impl Accelerator {
    /// The accelerator with this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        ACCELERATORS.iter().find(|accelerator| accelerator.name == name)
    }

    /// In the precision that a run of `config` would choose on it.
    ///
    /// # Errors
    /// [`DeviceError::SlowPrecision`] as the run itself; [`EstimateError::NoPublishedRate`] for f64.
    pub(crate) fn device(&self, config: &RunConfig) -> Result<Device, TrainError> {
        let processor = Processor {
            name: self.name.to_owned(),
            has_bf16: self.has_bf16,
            has_fp16: true,
            is_gpu: true,
        };
        let precision = precision::on_processors(config, &[processor])?;
        let rates = match precision {
            Precision::F64 => {
                return Err(EstimateError::NoPublishedRate {
                    device: self.name,
                    precision: precision::name(precision),
                }
                .into());
            }
            Precision::F32 => self.rates_of_f32,
            Precision::Bf16 | Precision::Fp16 => self.rates_of_16_bits,
        };
        Ok(Device {
            name: self.name,
            memory_bytes: self.memory_bytes,
            precision,
            rates: Cow::Borrowed(rates),
            beside_products: BesideProducts::IN_THE_RATE,
        })
    }
}

impl Device {
    /// Whether it is a rank of a CPU.
    pub(crate) fn is_cpu(&self) -> bool {
        self.name == CPU
    }

    /// What libtorch would call it, of whatever number.
    pub(crate) fn of_libtorch(&self) -> tch::Device {
        if self.is_cpu() {
            tch::Device::Cpu
        } else {
            tch::Device::Cuda(0)
        }
    }

    /// FLOPs of a sequence of `length` with `rows` masked positions, forward and backward. On the CPU
    /// only masked rows go on behind the last attention; published rates count all of them.
    /// `recomputes`: `model.checkpoint_activations`.
    pub(crate) fn flops_per_sequence(
        &self,
        model: &RobertaConfig,
        (length, rows): (usize, usize),
        recomputes: bool,
    ) -> f64 {
        let (length, rows) = (length as u64, rows as u64);
        let skipped = if self.is_cpu() {
            model.skipped_flops(length, rows)
        } else {
            0
        };
        let again = if recomputes {
            model.recomputed_flops(length, rows)
        } else {
            0
        };
        (model.training_flops(length, rows) - skipped + again) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::device_error::DeviceError;
    use crate::{config::tests::tiny, estimate::published::fitted_rate};

    #[test]
    fn the_rates_are_those_that_are_fitted_on_published_rows() {
        for (rate, row) in [(A100_REACHED, "A100 FP16"), (V100_REACHED_IN_F32, "V100 FP32")] {
            let ratio = rate / fitted_rate(row);
            assert!((ratio - 1.0).abs() < 0.01, "{row}: {ratio}");
        }
        for accelerator in &ACCELERATORS {
            for rates in [accelerator.rates_of_16_bits, accelerator.rates_of_f32] {
                assert!(rates.is_sorted_by(|(one, _), (other, _)| one > other));
            }
        }
    }

    #[test]
    fn a_device_computes_in_what_the_run_would_choose_on_it() {
        let device = |name: &str, precision: &str| {
            let config = tiny(&[&format!("training.precision='{precision}'")]);
            Accelerator::find(name).unwrap().device(&config)
        };
        for (name, choice, precision) in [
            ("v100-sxm2-32gb", "auto", Precision::Fp16),
            ("v100-sxm2-32gb", "fp16", Precision::Fp16),
            ("v100-sxm2-32gb", "f32", Precision::F32),
            ("a100", "auto", Precision::Bf16),
            ("h100", "f32", Precision::F32),
        ] {
            assert_eq!(
                device(name, choice).unwrap().precision,
                precision,
                "{name} {choice}"
            );
        }
        let (f32, fp16) = (device("a100", "f32").unwrap(), device("a100", "fp16").unwrap());
        assert!(f32.rates[0].0 < fp16.rates[0].0 / 5.0);
        assert!(matches!(
            device("v100-sxm2-32gb", "bf16"),
            Err(TrainError::Device(DeviceError::SlowPrecision {
                precision: "bf16",
                ..
            }))
        ));
        assert!(matches!(
            device("h100", "f64"),
            Err(TrainError::Estimate(EstimateError::NoPublishedRate {
                device: "h100",
                ..
            }))
        ));
    }
}

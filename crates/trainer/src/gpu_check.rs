//! `tenk-pretrain gpu-check`: whether this machine's GPU computes what the CPU computes, and how
//! fast it trains. Needs no corpus: its micro-batches are made of random tokens.

use std::time::{Duration, Instant};

use collectives::{
    Bucket, CollectiveError, Gpu, GpuRuntime, GpuSums, NcclError, NcclLibrary, NcclTimes, Single,
};
use model::{DropoutKey, Precision, RobertaConfig, RobertaForMaskedLm};
use serde_json::json;
use tch::{Device, Kind, Tensor};

use crate::{
    error::{TrainError, chain},
    loss_scale::LossScale,
    overlap::numbers_of,
    precision,
    step::tensors_of,
    trainee::{SEED, Trainee, micro_batch},
};

/// Steps that warm a GPU up, and those that are timed.
const WARM_UP_STEPS: u64 = 5;
const TIMED_STEPS: u64 = 20;
/// A scale at which the first gradients overflow.
const TOO_LARGE_A_SCALE: f64 = 16_777_216.0;

/// One line of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What was checked.
    pub what: String,
    /// What was found.
    pub found: String,
    /// Whether it is as it has to be.
    pub passed: bool,
}

/// Checks the first GPU; one finding that says so where there is none.
///
/// # Errors
/// When libtorch fails.
pub fn gpu_check() -> Result<Vec<Finding>, TrainError> {
    if torch_native::num_gpus() == 0 {
        let version = torch_native::libtorch_version();
        return Ok(vec![Finding {
            what: "GPU".to_owned(),
            found: format!(
                "there is none that libtorch {version} can use: nothing was checked. On a machine with a \
                 GPU, put the folder of a CUDA build of libtorch {version} first on LD_LIBRARY_PATH"
            ),
            passed: true,
        }]);
    }
    let capability = torch_native::compute_capability(0)?;
    let mut findings = vec![Finding {
        what: "GPU".to_owned(),
        found: format!(
            "compute capability {}.{}, libtorch {}",
            capability.0,
            capability.1,
            torch_native::libtorch_version()
        ),
        passed: true,
    }];
    let mut half = vec![Precision::Fp16];
    half.extend((capability.0 >= 8).then_some(Precision::Bf16));
    let check = Check {
        device: Device::Cuda(0),
        config: model_of(256, 4, 5003)?,
        shape: (4, 128),
    };
    findings.extend(check.correctness(&half)?);
    findings.push(nccl_of_one_rank()?);
    let base = model_of(768, 12, 50_265)?;
    for precision in [vec![Precision::F32], half].concat() {
        for micro_batch_size in [8, 32] {
            findings.push(throughput(Device::Cuda(0), &base, precision, micro_batch_size)?);
        }
    }
    // Last, because it holds for the rest of the process.
    torch_native::use_deterministic_algorithms()?;
    findings.push(check.steps_repeat()?);
    Ok(findings)
}

/// The set-up of NCCL, a sum of one rank alone and the end, which is all that one GPU can show.
fn nccl_of_one_rank() -> Result<Finding, TrainError> {
    let numbers = Tensor::f_arange(1 << 20, (Kind::Float, Device::Cuda(0)))?;
    let open = || {
        Ok::<_, NcclError>((
            NcclLibrary::open(None)?,
            Gpu::open(&GpuRuntime::of_process()?, 0)?,
        ))
    };
    let summed = open()
        .map_err(|error| CollectiveError::from(error).into())
        .and_then(|(library, gpu)| sum_of_one_rank(library, gpu, &numbers));
    let (passed, found) = summed.unwrap_or_else(|error| (false, chain(&error)));
    Ok(Finding {
        what: "NCCL, one rank".to_owned(),
        found,
        passed,
    })
}

/// Whether the sum of one rank is its numbers, and which NCCL says so.
fn sum_of_one_rank(library: NcclLibrary, gpu: Gpu, numbers: &Tensor) -> Result<(bool, String), TrainError> {
    let times = NcclTimes {
        call: Duration::from_mins(1),
        abort: Duration::from_secs(5),
    };
    let library_name = format!("NCCL {} ({})", library.version(), library.name());
    let expected = numbers.f_detach_copy()?;
    let mut sums = GpuSums::connect(&mut Single::new(), library, gpu, times)?;
    sums.start(numbers_of(numbers)?, Bucket { number: 1, of: 1 })?;
    sums.finish()?;
    sums.leave()?;
    let equal = numbers.f_equal(&expected)?;
    let found = if equal {
        "set up, summed and left"
    } else {
        "the sum of one rank is not its numbers"
    };
    Ok((equal, format!("{library_name}: {found}")))
}

/// Width, layers and vocabulary; the rest as RoBERTa has it.
fn model_of(hidden_size: usize, layers: usize, vocab_size: usize) -> Result<RobertaConfig, TrainError> {
    let config = json!({
        "model_type": "roberta", "vocab_size": vocab_size, "hidden_size": hidden_size,
        "num_hidden_layers": layers, "num_attention_heads": hidden_size / 64,
        "intermediate_size": 4 * hidden_size, "max_position_embeddings": 514, "type_vocab_size": 1,
    });
    Ok(RobertaConfig::from_json(&config.to_string())?)
}

/// A device, and the model and micro-batch (sequences and their length) that it is checked with.
struct Check {
    device: Device,
    config: RobertaConfig,
    shape: (usize, usize),
}

impl Check {
    /// Everything that does not depend on speed.
    fn correctness(&self, half: &[Precision]) -> Result<Vec<Finding>, TrainError> {
        // Sums of a few thousand products, each rounded to 24 bits (f64: 53); cuBLAS adds in another
        // order. The half precisions keep 8 and 11 bits, some ten operations deep.
        let mut findings = vec![
            self.parity(Precision::F64, 1e-12)?,
            self.parity(Precision::F32, 1e-5)?,
        ];
        for &precision in half {
            let tolerance = if precision == Precision::Fp16 { 0.01 } else { 0.08 };
            findings.push(self.parity(precision, tolerance)?);
        }
        findings.push(self.dropout_repeats()?);
        if half.contains(&Precision::Fp16) {
            findings.push(self.overflow_is_skipped()?);
        }
        Ok(findings)
    }

    /// Loss a masked token and gradient of a model's first micro-batch, in f64 on the CPU.
    fn gradient(
        &self,
        device: Device,
        precision: Precision,
        dropout: Option<&DropoutKey>,
    ) -> Result<(f64, Tensor), TrainError> {
        let mut model = RobertaForMaskedLm::new(&self.config, precision, device)?;
        model.initialize(SEED)?;
        let batch = micro_batch(model.config(), self.shape, 0);
        let loss = model.loss_sum(&tensors_of(&batch, &model)?, dropout)?;
        let scale = if precision == Precision::Fp16 { 1024.0 } else { 1.0 };
        let mean = 1.0 / batch.masked_tokens as f64;
        loss.f_mul_scalar(scale * mean)?.f_backward()?;
        let gradient = model.parameters().grad().f_to_device(Device::Cpu)?;
        let gradient = gradient.f_to_kind(Kind::Double)?.f_div_scalar(scale)?;
        Ok((loss.f_double_value(&[])? * mean, gradient))
    }

    /// Loss and gradient against the CPU's: in the same precision, the half ones against f32.
    fn parity(&self, precision: Precision, tolerance: f64) -> Result<Finding, TrainError> {
        let reference = if precision == Precision::F64 {
            Precision::F64
        } else {
            Precision::F32
        };
        let (expected_loss, expected) = self.gradient(Device::Cpu, reference, None)?;
        let (loss, found) = self.gradient(self.device, precision, None)?;
        let loss_error = (loss - expected_loss).abs() / expected_loss;
        let error = relative_error(&found, &expected)?;
        Ok(Finding {
            what: format!(
                "{} against the CPU in {}",
                precision::name(precision),
                precision::name(reference)
            ),
            found: format!("loss {loss_error:.1e}, gradient {error:.1e} relative (at most {tolerance:.0e})"),
            passed: loss_error <= tolerance && error <= tolerance,
        })
    }

    /// Dropout is a function of its key: equal keys give equal losses, another one another.
    fn dropout_repeats(&self) -> Result<Finding, TrainError> {
        let loss = |step| -> Result<f64, TrainError> {
            let key = DropoutKey {
                seed: SEED,
                step,
                micro_batch: 0,
            };
            Ok(self.gradient(self.device, Precision::F32, Some(&key))?.0)
        };
        let (first, again, other) = (loss(1)?, loss(1)?, loss(2)?);
        Ok(Finding {
            what: "dropout by its key".to_owned(),
            found: format!("losses {first:.7}, again {again:.7}, with another key {other:.7}"),
            passed: (first - again).abs() <= 1e-6 * first && (first - other).abs() > 1e-6 * first,
        })
    }

    /// Two trainings of a few steps end in the same bits.
    fn steps_repeat(&self) -> Result<Finding, TrainError> {
        let weights = || -> Result<Tensor, TrainError> {
            let mut trainee = Trainee::new(self.device, &self.config, Precision::F32, self.shape)?;
            (0..3).try_for_each(|_| trainee.step().map(drop))?;
            Ok(trainee.learner.model.parameters().flat().copy())
        };
        let passed = weights()?.f_equal(&weights()?)?;
        Ok(Finding {
            what: "parallel.deterministic".to_owned(),
            found: format!(
                "three steps, twice: the bits are {}",
                if passed { "equal" } else { "not equal" }
            ),
            passed,
        })
    }

    /// From a scale that is far too large, fp16 has to come to one at which it learns.
    fn overflow_is_skipped(&self) -> Result<Finding, TrainError> {
        let mut trainee = Trainee::new(self.device, &self.config, Precision::Fp16, self.shape)?;
        trainee.learner.loss_scale = Some(LossScale {
            scale: TOO_LARGE_A_SCALE,
            ..LossScale::default()
        });
        let records = (0..25).map(|_| trainee.step()).collect::<Result<Vec<_>, _>>()?;
        let num_skipped = records.iter().filter(|record| record.skipped_update).count();
        let scale = trainee.learner.loss_scale.unwrap_or_default().scale;
        let last = &records[records.len() - 1];
        Ok(Finding {
            what: "fp16 overflow".to_owned(),
            found: format!(
                "{num_skipped} steps skipped from a scale of 2^24 to {scale}, then a loss of {:.4}",
                last.loss
            ),
            passed: num_skipped > 0 && !last.skipped_update && last.loss.is_finite(),
        })
    }
}

/// Frobenius norm of the difference, relative to the expected one.
fn relative_error(found: &Tensor, expected: &Tensor) -> Result<f64, TrainError> {
    let norm = |tensor: &Tensor| tensor.f_norm()?.f_double_value(&[]);
    Ok(norm(&found.f_sub(expected)?)? / norm(expected)?)
}

/// Tokens a second of whole steps, dropout on, sequence 512.
fn throughput(
    device: Device,
    config: &RobertaConfig,
    precision: Precision,
    micro_batch_size: usize,
) -> Result<Finding, TrainError> {
    let what = format!(
        "{}, micro-batch {micro_batch_size} x 512",
        precision::name(precision)
    );
    let timed = Trainee::new(device, config, precision, (micro_batch_size, 512)).and_then(|mut trainee| {
        (0..WARM_UP_STEPS).try_for_each(|_| trainee.step().map(drop))?;
        let begun = Instant::now();
        // A step ends with the loss on the host, so that nothing is left in flight.
        let tokens = (0..TIMED_STEPS)
            .map(|_| Ok(trainee.step()?.tokens))
            .sum::<Result<u64, TrainError>>()?;
        Ok(tokens as f64 / begun.elapsed().as_secs_f64())
    });
    Ok(match timed {
        Ok(rate) => Finding {
            what,
            found: format!("{rate:.0} tokens/s"),
            passed: true,
        },
        // Smaller GPUs lack the memory for the larger micro-batch, which is no fault.
        Err(error) if chain(&error).contains("out of memory") => Finding {
            what,
            found: "out of memory".to_owned(),
            passed: true,
        },
        Err(error) => return Err(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nccl_stand_in::StandIn;

    fn check() -> Check {
        Check {
            device: Device::Cpu,
            config: model_of(64, 1, 507).unwrap(),
            shape: (4, 32),
        }
    }

    #[test]
    fn the_checks_pass_where_the_cpu_is_checked_against_itself() {
        let findings = check().correctness(&[Precision::Fp16, Precision::Bf16]).unwrap();
        assert_eq!(findings.len(), 6);
        assert!(findings.iter().all(|finding| finding.passed), "{findings:#?}");
    }

    #[test]
    fn a_result_that_is_off_does_not_pass() {
        assert!(!check().parity(Precision::Fp16, 1e-7).unwrap().passed);
    }

    /// NCCL and the GPU are a stand-in's.
    #[test]
    fn the_sum_of_one_rank_over_a_stand_in_passes() {
        let stand_in = StandIn::load();
        let number = stand_in.gpus(1).start;
        let library = NcclLibrary::open(Some(stand_in.path())).unwrap();
        let gpu = Gpu::open(&GpuRuntime::of_file(stand_in.path()).unwrap(), number).unwrap();
        let numbers = Tensor::arange(1000, (Kind::Float, Device::Cpu));
        stand_in.adopt(number, numbers.data_ptr().addr(), 4000);
        let (passed, found) = sum_of_one_rank(library, gpu, &numbers).unwrap();
        assert!(passed && found.contains("NCCL 2.28.9"), "{found}");
        assert!(stand_in.trace(number).contains(&"sum 1000".to_owned()));
    }

    #[test]
    fn without_a_gpu_the_one_finding_says_so() {
        if torch_native::num_gpus() == 0 {
            let findings = gpu_check().unwrap();
            assert!(
                findings.len() == 1 && findings[0].found.contains("nothing was checked"),
                "{findings:?}"
            );
        }
    }
}

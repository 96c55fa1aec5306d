//! Which arithmetic a run computes in: decided once, by rank 0, and the same for ever after.

use std::time::{Duration, Instant};

use collectives::{Collective, Rank};
use model::Precision;
use tch::{Device, Kind, Tensor};

use crate::{
    config::{KeyPlace, PrecisionChoice, RunConfig},
    error::TrainError,
    ranks::{agree::on_first_rank, processor::Processor},
    step::device_error::DeviceError,
};

/// bf16 rounds every product, so it has to be worth it: this much faster at least.
const WORTH_IT: f64 = 1.2;

const ALL: [Precision; 4] = [Precision::F64, Precision::F32, Precision::Bf16, Precision::Fp16];

/// Decides the precision of a new run for the processors of all ranks, because the slowest
/// one sets the pace. All ranks must call it and get the same answer.
///
/// # Errors
/// [`DeviceError::SlowPrecision`] for bf16 and fp16 where a rank has no instructions for it.
pub(crate) fn decide(
    collective: &mut dyn Collective,
    config: &RunConfig,
    processors: &[Processor],
) -> Result<Precision, TrainError> {
    let decided = on_first_rank(collective, || on_processors(config, processors))?;
    let mut bytes = decided.map(name).unwrap_or_default().as_bytes().to_vec();
    collective.broadcast(Rank(0), &mut bytes)?;
    parse(&String::from_utf8_lossy(&bytes)).ok_or_else(|| TrainError::Agreed {
        message: "rank 0 decided for no known precision".to_owned(),
    })
}

/// The precision of a run of `config` on these processors.
///
/// # Errors
/// As [`decide`].
pub(crate) fn on_processors(config: &RunConfig, processors: &[Processor]) -> Result<Precision, TrainError> {
    with_speed(config, processors).map(|(precision, _)| precision)
}

/// The same, and how many times as fast as f32 products those in bf16 are, where the choice hung on it.
///
/// # Errors
/// As [`decide`].
pub(crate) fn with_speed(
    config: &RunConfig,
    processors: &[Processor],
) -> Result<(Precision, Option<f64>), TrainError> {
    let mut speed = None;
    let chosen = choose(config.training.precision, processors, || {
        let measured = bf16_speed(config)?;
        speed = Some(measured);
        Ok(measured)
    });
    let precision = chosen.map_err(|error| with_place(error, config))?;
    Ok((precision, speed))
}

/// A refused precision with the place of its key.
fn with_place(mut error: TrainError, config: &RunConfig) -> TrainError {
    if let TrainError::Device(DeviceError::SlowPrecision { place, .. }) = &mut error {
        *place = KeyPlace::of(&config.places, "training.precision");
    }
    error
}

/// Processor features first; `bf16_speed` (bf16 against f32) only where they leave it open.
fn choose(
    choice: PrecisionChoice,
    processors: &[Processor],
    bf16_speed: impl FnOnce() -> Result<f64, TrainError>,
) -> Result<Precision, TrainError> {
    match choice {
        PrecisionChoice::F64 => Ok(Precision::F64),
        PrecisionChoice::F32 => Ok(Precision::F32),
        PrecisionChoice::Bf16 => require(Precision::Bf16, processors, |processor| processor.has_bf16),
        PrecisionChoice::Fp16 => require(Precision::Fp16, processors, |processor| processor.has_fp16),
        PrecisionChoice::Auto => choose_best(processors, bf16_speed),
    }
}

/// `precision`, unless a rank is slow in it.
fn require(
    precision: Precision,
    processors: &[Processor],
    is_fast: impl Fn(&Processor) -> bool,
) -> Result<Precision, TrainError> {
    match processors.iter().position(|processor| !is_fast(processor)) {
        None => Ok(precision),
        Some(rank) => Err(DeviceError::SlowPrecision {
            place: KeyPlace::default(),
            precision: name(precision),
            rank,
            processor: processors[rank].name.clone(),
        }
        .into()),
    }
}

fn choose_best(
    processors: &[Processor],
    bf16_speed: impl FnOnce() -> Result<f64, TrainError>,
) -> Result<Precision, TrainError> {
    let Some((rank, processor)) = processors.iter().enumerate().find(|(_, one)| !one.has_bf16) else {
        if processors.iter().all(|processor| processor.is_gpu) {
            tracing::info!("precision bf16: every rank has a GPU that is fast in it");
            return Ok(Precision::Bf16);
        }
        let speed = bf16_speed()?;
        let precision = if speed >= WORTH_IT {
            Precision::Bf16
        } else {
            Precision::F32
        };
        tracing::info!(
            "precision {}: bf16 products are {speed:.2} times as fast as f32",
            name(precision)
        );
        return Ok(precision);
    };
    let precision = if processors.iter().all(|processor| processor.has_fp16) {
        Precision::Fp16
    } else {
        Precision::F32
    };
    tracing::info!(
        rank,
        processor = processor.name,
        "precision {}: the processor has no bf16 instructions",
        name(precision)
    );
    Ok(precision)
}

/// How much faster this run's feed-forward product is in bf16 than in f32.
fn bf16_speed(config: &RunConfig) -> Result<f64, TrainError> {
    let model = &config.model.config;
    let micro_batch_size = usize::try_from(config.training.micro_batch_size).unwrap_or(usize::MAX);
    let rows = micro_batch_size
        .saturating_mul(config.data.sequence_length)
        .min(4096);
    let time = |kind: Kind| -> Result<Duration, TrainError> {
        let ones = |rows: usize, columns: usize| -> Result<Tensor, TrainError> {
            let size = [rows, columns].map(|size| i64::try_from(size).unwrap_or(i64::MAX));
            Ok(Tensor::f_ones(size, (Kind::Float, Device::Cpu))?.f_to_kind(kind)?)
        };
        let left = ones(rows, model.hidden_size)?;
        let right = ones(model.hidden_size, model.intermediate_size)?;
        let mut best = Duration::MAX;
        for _ in 0..6 {
            let begun = Instant::now();
            let _product = left.f_matmul(&right)?;
            best = best.min(begun.elapsed());
        }
        Ok(best)
    };
    Ok(time(Kind::Float)?.as_secs_f64() / time(Kind::BFloat16)?.as_secs_f64().max(1e-9))
}

/// The precision as configurations and checkpoints spell it.
pub(crate) fn name(precision: Precision) -> &'static str {
    match precision {
        Precision::F64 => "f64",
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
        Precision::Fp16 => "fp16",
    }
}

/// The precision with this name.
pub(crate) fn parse(name_of: &str) -> Option<Precision> {
    ALL.into_iter().find(|&precision| name(precision) == name_of)
}

/// Whether a run that asked for `choice` may go on in `precision`.
pub(crate) fn fits(choice: PrecisionChoice, precision: Precision) -> bool {
    choice == PrecisionChoice::Auto || choice == precision.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processors(has_bf16: &[bool]) -> Vec<Processor> {
        let processor = |(rank, &has_bf16)| Processor {
            name: format!("processor {rank}"),
            has_bf16,
            ..Processor::default()
        };
        has_bf16.iter().enumerate().map(processor).collect()
    }

    #[test]
    fn without_instructions_auto_is_f32_unmeasured() {
        for ranks in [&[false][..], &[true, false]] {
            let chosen = choose(PrecisionChoice::Auto, &processors(ranks), || {
                panic!("not to be measured")
            });
            assert_eq!(chosen.unwrap(), Precision::F32);
        }
    }

    #[test]
    fn with_instructions_the_measurement_decides() {
        let auto = |speed| choose(PrecisionChoice::Auto, &processors(&[true, true]), || Ok(speed)).unwrap();
        assert_eq!((auto(2.5), auto(1.1)), (Precision::Bf16, Precision::F32));
    }

    #[test]
    fn a_precision_that_the_device_lacks_is_refused_with_the_line_of_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        let text = format!("{}precision = \"bf16\"\n", crate::config::tests::TINY);
        durable::commit_bytes(&durable::DISK, &path, text.as_bytes()).unwrap();
        let (mut config, places): (RunConfig, _) = config_file::load_with_places(&path, &[]).unwrap();
        config.places = places;
        let decided = decide(&mut collectives::Single::new(), &config, &processors(&[false]));
        let start = format!(
            "{}, line {}, column 1: training.precision = \"bf16\": rank 0 (processor 0)",
            path.display(),
            text.lines().count()
        );
        let message = decided.unwrap_err().to_string();
        assert!(message.starts_with(&start), "{message}");
    }

    #[test]
    fn gpus_decide_by_what_all_of_them_have_and_are_not_measured() {
        let gpu = |has_bf16| Processor {
            has_bf16,
            has_fp16: true,
            is_gpu: true,
            ..Processor::default()
        };
        let auto = |gpus: &[Processor]| {
            choose(PrecisionChoice::Auto, gpus, || panic!("not to be measured")).unwrap()
        };
        assert_eq!(auto(&[gpu(true), gpu(true)]), Precision::Bf16);
        assert_eq!(auto(&[gpu(true), gpu(false)]), Precision::Fp16);
        let error = choose(PrecisionChoice::Fp16, &processors(&[true]), || Ok(1.0)).unwrap_err();
        assert!(
            error.to_string().starts_with("training.precision = \"fp16\""),
            "{error}"
        );
    }

    #[test]
    fn bf16_without_instructions_is_refused_with_the_key_and_the_rank() {
        let error = choose(PrecisionChoice::Bf16, &processors(&[true, false]), || Ok(1.0))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("training.precision = \"bf16\"") && error.contains("rank 1 (processor 1)"),
            "{error}"
        );
    }

    #[test]
    fn names_read_back_and_auto_fits_what_was_decided() {
        for precision in ALL {
            assert_eq!(parse(name(precision)), Some(precision));
            assert!(fits(PrecisionChoice::Auto, precision));
        }
        assert!(!fits(PrecisionChoice::F32, Precision::Bf16));
    }
}

//! A device against the CPU: loss, gradient, and dropout by its key.

use std::fmt;

use model::{DropoutKey, Precision, RobertaConfig, RobertaForMaskedLm};
use tch::{Device, Kind, Tensor};

use super::finding::Found;
use crate::{
    error::TrainError,
    run::synthetic::{self, BatchShape, SEED, SyntheticRun},
    step::{masked_lm::tensors_of, precision},
};

/// Whether sequences are of one length. Where they are not, attention has a mask, and on a GPU another
/// kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Padding {
    Some,
    None,
}

impl fmt::Display for Padding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Some => "padded",
            Self::None => "not padded",
        })
    }
}

/// A device, and the model and micro-batch (sequences and their length) that it is checked with.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) device: Device,
    pub(super) config: RobertaConfig,
    pub(super) shape: BatchShape,
}

/// Sums of a few thousand products, each rounded to 24 bits (f64: 53); cuBLAS adds in another order.
/// The half precisions keep 8 and 11 bits, some ten operations deep.
pub(super) fn tolerance(precision: Precision) -> f64 {
    match precision {
        Precision::F64 => 1e-12,
        Precision::F32 => 1e-5,
        Precision::Fp16 => 0.01,
        Precision::Bf16 => 0.08,
    }
}

impl Checked {
    pub(super) fn synthetic(&self, precision: Precision) -> Result<SyntheticRun, TrainError> {
        SyntheticRun::new(self.device, &self.config, precision, self.shape)
    }

    /// Loss a masked token and gradient of a model's first micro-batch, in f64 on the CPU.
    fn gradient(
        &self,
        (device, precision): (Device, Precision),
        padding: Padding,
        dropout: Option<&DropoutKey>,
    ) -> Result<(f64, Tensor), TrainError> {
        let mut model = RobertaForMaskedLm::new(&self.config, precision, device)?;
        model.initialize(SEED)?;
        let is_padded = padding == Padding::Some;
        let batch = synthetic::micro_batch(model.config(), self.shape, is_padded, 0);
        let loss = model.loss_sum(&tensors_of(&batch, &model)?, dropout)?;
        let scale = if precision == Precision::Fp16 { 1024.0 } else { 1.0 };
        let mean = 1.0 / batch.masked_tokens as f64;
        loss.f_mul_scalar(scale * mean)?.f_backward()?;
        let gradient = model.parameters().grad().f_to_device(Device::Cpu)?;
        let gradient = gradient.f_to_kind(Kind::Double)?.f_div_scalar(scale)?;
        Ok((loss.f_double_value(&[])? * mean, gradient))
    }

    /// Loss and gradient against the CPU's: in the same precision, the half ones against f32.
    pub(super) fn parity(&self, precision: Precision, padding: Padding, tolerance: f64) -> Found {
        let reference = if precision == Precision::F64 {
            Precision::F64
        } else {
            Precision::F32
        };
        let (expected_loss, expected) = self.gradient((Device::Cpu, reference), padding, None)?;
        let (loss, found) = self.gradient((self.device, precision), padding, None)?;
        let loss_error = (loss - expected_loss).abs() / expected_loss;
        let error = relative_error(&found, &expected)?;
        let text = format!(
            "of {}: loss {loss_error:.1e}, gradient {error:.1e} relative (at most {tolerance:.0e})",
            precision::name(reference)
        );
        Ok((loss_error <= tolerance && error <= tolerance, text))
    }

    /// Dropout is a function of its key: equal keys give equal losses, another one another.
    pub(super) fn dropout_repeats(&self) -> Found {
        let loss = |step| -> Result<f64, TrainError> {
            let key = DropoutKey {
                seed: SEED,
                step,
                micro_batch: 0,
            };
            let on = (self.device, Precision::F32);
            Ok(self.gradient(on, Padding::Some, Some(&key))?.0)
        };
        let (first, again, other) = (loss(1)?, loss(1)?, loss(2)?);
        Ok((
            (first - again).abs() <= 1e-6 * first && (first - other).abs() > 1e-6 * first,
            format!("losses {first:.7}, again {again:.7}, with another key {other:.7}"),
        ))
    }
}

/// Frobenius norm of the difference, relative to the expected one.
pub(super) fn relative_error(found: &Tensor, expected: &Tensor) -> Result<f64, TrainError> {
    let norm = |tensor: &Tensor| tensor.f_norm()?.f_double_value(&[]);
    Ok(norm(&found.f_sub(expected)?)? / norm(expected)?)
}

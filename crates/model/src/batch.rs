//! A micro-batch as tensors, checked.
//!
//! B sequences, T positions, C masked slots a sequence, M = B C.

use tch::{Device, Kind, Tensor};
use torch_native::{has_own_kernels, pin_memory};

use crate::packing::Packing;
use crate::{ModelError, RobertaConfig};

/// A micro-batch as the loader hands it over.
#[derive(Debug, Clone, Copy)]
pub struct BatchSlices<'a> {
    /// B.
    pub sequences: usize,
    /// T.
    pub sequence_length: usize,
    /// [B T], padded with the padding id.
    pub input_ids: &'a [i64],
    /// `[B]`: tokens of each sequence that are no padding.
    pub lengths: &'a [u32],
    /// [B C]: flat indices into B T; empty where no loss is asked for.
    pub masked_positions: &'a [i64],
    /// [B C].
    pub labels: &'a [i64],
    /// [B C]: 1 for a used slot, 0 for an unused one.
    pub weights: &'a [f32],
}

/// A micro-batch on the model's device, or on its way there in host memory.
#[derive(Debug)]
pub struct BatchTensors {
    /// [B, T], i64.
    pub input_ids: Tensor,
    /// [B, T], bool, true for tokens; `None` when no sequence is padded.
    pub attention_mask: Option<Tensor>,
    /// `[M]`, i64, flat indices into B T.
    pub masked_positions: Tensor,
    /// `[M]`, i64.
    pub labels: Tensor,
    /// `[M]`, f32.
    pub weights: Tensor,
    /// How padding is left out; `None` without padding, and on a GPU, where shapes stay the same.
    pub(crate) packing: Option<Packing>,
}

impl BatchTensors {
    /// Checks the slices against each other and the configuration and makes tensors of them.
    ///
    /// # Errors
    /// [`ModelError::Batch`] with the slice, the index and the value;
    /// [`ModelError::Config`] when the sequences are longer than the position table.
    pub fn from_slices(
        slices: &BatchSlices<'_>,
        config: &RobertaConfig,
        device: Device,
    ) -> Result<Self, ModelError> {
        Self::on_host(slices, config, device)?.to_device(device)
    }

    /// [`BatchTensors::from_slices`] as far as the host can do it beside the device's work, on any
    /// thread: in host memory, pinned where the device is a GPU.
    ///
    /// # Errors
    /// Those of [`BatchTensors::from_slices`].
    pub fn on_host(
        slices: &BatchSlices<'_>,
        config: &RobertaConfig,
        device: Device,
    ) -> Result<Self, ModelError> {
        config.validate_sequence_length(slices.sequence_length)?;
        check(slices, config)?;
        let shape = [dimension(slices.sequences), dimension(slices.sequence_length)];
        let (lengths, length) = (slices.lengths, slices.sequence_length);
        let is_padded = lengths.iter().any(|&tokens| (tokens as usize) < length);
        let packing = (has_own_kernels(device) && is_padded)
            .then(|| Packing::new(lengths, length, slices.masked_positions));
        let tensor = |values: &[i64]| pinned(Tensor::f_from_slice(values)?, device);
        Ok(Self {
            input_ids: tensor(slices.input_ids)?.f_view(shape)?,
            attention_mask: attention_mask(slices, shape, device)?,
            masked_positions: tensor(slices.masked_positions)?,
            labels: tensor(slices.labels)?,
            weights: pinned(Tensor::f_from_slice(slices.weights)?, device)?,
            packing: packing.transpose()?,
        })
    }

    /// The same micro-batch on `device`. From pinned memory to a GPU the copies run beside what is
    /// computed there.
    ///
    /// # Errors
    /// [`ModelError::OutOfMemory`], or [`ModelError::Torch`] when libtorch fails otherwise.
    pub fn to_device(&self, device: Device) -> Result<Self, ModelError> {
        let (non_blocking, copy) = (true, false);
        let there = |tensor: &Tensor| {
            if has_own_kernels(device) {
                return Ok(tensor.shallow_clone());
            }
            tensor.f_to_device_(device, tensor.f_kind()?, non_blocking, copy)
        };
        Ok(Self {
            input_ids: there(&self.input_ids)?,
            attention_mask: self.attention_mask.as_ref().map(there).transpose()?,
            masked_positions: there(&self.masked_positions)?,
            labels: there(&self.labels)?,
            weights: there(&self.weights)?,
            packing: self.packing.as_ref().map(Packing::share),
        })
    }
}

/// `tensor`, from which a GPU can copy by itself.
fn pinned(tensor: Tensor, device: Device) -> Result<Tensor, ModelError> {
    if device.is_cuda() {
        Ok(pin_memory(&tensor)?)
    } else {
        Ok(tensor)
    }
}

fn dimension(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn attention_mask(
    slices: &BatchSlices<'_>,
    shape: [i64; 2],
    device: Device,
) -> Result<Option<Tensor>, ModelError> {
    let length = slices.sequence_length;
    if slices.lengths.iter().all(|&tokens| tokens as usize == length) {
        return Ok(None);
    }
    let mask: Vec<bool> = slices
        .lengths
        .iter()
        .flat_map(|&tokens| (0..length).map(move |position| position < tokens as usize))
        .collect();
    let mask = Tensor::f_from_slice(&mask)?
        .f_to_kind(Kind::Bool)?
        .f_view(shape)?;
    Ok(Some(pinned(mask, device)?))
}

fn check(slices: &BatchSlices<'_>, config: &RobertaConfig) -> Result<(), ModelError> {
    let positions = slices.sequences * slices.sequence_length;
    let slots = slices.masked_positions.len();
    for (what, found, expected) in [
        (
            "the number of sequences",
            slices.sequences,
            slices.sequences.max(1),
        ),
        ("the length of input_ids", slices.input_ids.len(), positions),
        ("the length of lengths", slices.lengths.len(), slices.sequences),
        ("the length of labels", slices.labels.len(), slots),
        ("the length of weights", slices.weights.len(), slots),
    ] {
        if found != expected {
            return Err(ModelError::Batch {
                what,
                index: 0,
                value: dimension(found),
                expected: expected.to_string(),
            });
        }
    }
    let lengths: Vec<i64> = slices.lengths.iter().map(|&length| i64::from(length)).collect();
    check_range("lengths", &lengths, 1..dimension(slices.sequence_length) + 1)?;
    check_range(
        "input_ids (a token id)",
        slices.input_ids,
        0..dimension(config.vocab_size),
    )?;
    check_range(
        "labels (a token id)",
        slices.labels,
        0..dimension(config.vocab_size),
    )?;
    check_range(
        "masked_positions",
        slices.masked_positions,
        0..dimension(positions),
    )
}

fn check_range(what: &'static str, values: &[i64], range: std::ops::Range<i64>) -> Result<(), ModelError> {
    match values.iter().position(|value| !range.contains(value)) {
        None => Ok(()),
        Some(index) => {
            let expected = format!("at least {} and below {}", range.start, range.end);
            Err(ModelError::Batch {
                what,
                index,
                value: values[index],
                expected,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::tiny_config;

    const GOOD: BatchSlices<'_> = BatchSlices {
        sequences: 2,
        sequence_length: 4,
        input_ids: &[0, 5, 2, 1, 0, 7, 9, 2],
        lengths: &[3, 4],
        masked_positions: &[1, 6],
        labels: &[5, 9],
        weights: &[1.0, 1.0],
    };

    fn problem(slices: &BatchSlices<'_>) -> Option<(&'static str, usize, i64)> {
        match BatchTensors::from_slices(slices, &tiny_config(), Device::Cpu) {
            Err(ModelError::Batch {
                what, index, value, ..
            }) => Some((what, index, value)),
            _ => None,
        }
    }

    #[test]
    fn the_mask_marks_tokens_and_is_absent_without_padding() {
        let batch = BatchTensors::from_slices(&GOOD, &tiny_config(), Device::Cpu).unwrap();
        let expected = Tensor::from_slice(&[true, true, true, false, true, true, true, true]).view([2, 4]);
        assert_eq!(batch.attention_mask, Some(expected));
        let full = BatchSlices {
            lengths: &[4, 4],
            ..GOOD
        };
        assert!(
            BatchTensors::from_slices(&full, &tiny_config(), Device::Cpu)
                .unwrap()
                .attention_mask
                .is_none()
        );
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_index_and_value() {
        assert_eq!(problem(&GOOD), None);
        let cases = [
            (
                BatchSlices {
                    input_ids: &[0, 5, 2, 1, 0, 100, 9, 2],
                    ..GOOD
                },
                ("input_ids (a token id)", 5, 100),
            ),
            (
                BatchSlices {
                    input_ids: &[-1, 5, 2, 1, 0, 7, 9, 2],
                    ..GOOD
                },
                ("input_ids (a token id)", 0, -1),
            ),
            (
                BatchSlices {
                    labels: &[5, 100],
                    ..GOOD
                },
                ("labels (a token id)", 1, 100),
            ),
            (
                BatchSlices {
                    lengths: &[0, 4],
                    ..GOOD
                },
                ("lengths", 0, 0),
            ),
            (
                BatchSlices {
                    lengths: &[3, 5],
                    ..GOOD
                },
                ("lengths", 1, 5),
            ),
            (
                BatchSlices {
                    masked_positions: &[1, 8],
                    ..GOOD
                },
                ("masked_positions", 1, 8),
            ),
        ];
        for (slices, expected) in cases {
            assert_eq!(problem(&slices), Some(expected));
        }
    }

    #[test]
    fn slices_and_sequences_of_a_wrong_length_are_named() {
        let few_weights = BatchSlices {
            weights: &[1.0],
            ..GOOD
        };
        let few_lengths = BatchSlices {
            lengths: &[4],
            ..GOOD
        };
        assert_eq!(problem(&few_weights), Some(("the length of weights", 0, 1)));
        assert_eq!(problem(&few_lengths), Some(("the length of lengths", 0, 1)));
        let long = BatchSlices {
            sequence_length: 40,
            ..GOOD
        };
        let error = BatchTensors::from_slices(&long, &tiny_config(), Device::Cpu);
        assert!(matches!(error, Err(ModelError::Config { .. })));
    }
}

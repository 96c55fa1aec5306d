//! How the rows of hidden states make sequences: padded to one length, or packed, one sequence
//! after the other without padding, which on the CPU saves the products of all padding.
//!
//! B sequences, T positions, D hidden, M masked positions.

use tch::{Device, Tensor};
use torch_native::Sequences;

use crate::ModelError;

/// The sequences of a pass.
#[derive(Debug)]
pub(crate) enum Rows {
    /// [B, T, ..]; the mask is [B, 1, 1, T], bool, true where a token may be attended to, `None`
    /// without padding.
    Padded(Option<Tensor>),
    /// [rows, ..].
    Packed(Packing),
}

/// Sequences without their padding, and the way between both orders.
#[derive(Debug)]
pub(crate) struct Packing {
    /// `[B]`.
    lengths: Vec<usize>,
    /// T.
    positions: usize,
    /// `[rows]`, i64: flat indices into B T.
    indices: Tensor,
    /// `[M]`, i64: the masked positions as rows.
    pub(crate) masked_rows: Tensor,
}

impl Packing {
    /// `masked_positions`: flat indices into B T of tokens.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when libtorch fails.
    pub(crate) fn new(
        lengths: &[u32],
        positions: usize,
        masked_positions: &[i64],
    ) -> Result<Self, ModelError> {
        let lengths: Vec<usize> = lengths.iter().map(|&length| length as usize).collect();
        let number = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
        let (mut indices, mut row_of) = (Vec::new(), Vec::with_capacity(lengths.len() * positions));
        for (sequence, &length) in lengths.iter().enumerate() {
            for position in 0..positions {
                // Padding is never asked for; it would be the row of the last token before it.
                if position < length {
                    indices.push(number(sequence * positions + position));
                }
                row_of.push(number(indices.len() - 1));
            }
        }
        let row = |&position: &i64| usize::try_from(position).ok().and_then(|index| row_of.get(index));
        let masked_rows: Vec<i64> = masked_positions.iter().filter_map(row).copied().collect();
        Ok(Self {
            lengths,
            positions,
            indices: Tensor::f_from_slice(&indices)?,
            masked_rows: Tensor::f_from_slice(&masked_rows)?,
        })
    }

    /// `padded`: [B, T] -> `[rows]`.
    pub(crate) fn pack_ids(&self, padded: &Tensor) -> Result<Tensor, ModelError> {
        Ok(padded.f_reshape([-1])?.f_index_select(0, &self.indices)?)
    }

    /// The same, for a computation that outlives the batch.
    pub(crate) fn share(&self) -> Self {
        Self {
            lengths: self.lengths.clone(),
            positions: self.positions,
            indices: self.indices.shallow_clone(),
            masked_rows: self.masked_rows.shallow_clone(),
        }
    }

    /// [B, 1, 1, T], bool.
    fn mask(&self) -> Result<Tensor, ModelError> {
        let is_token = self
            .lengths
            .iter()
            .flat_map(|&length| (0..self.positions).map(move |position| position < length));
        let mask = Tensor::f_from_slice(&is_token.collect::<Vec<bool>>())?;
        Ok(mask.f_view([self.num_sequences(), 1, 1, -1])?)
    }

    fn num_sequences(&self) -> i64 {
        i64::try_from(self.lengths.len()).unwrap_or(i64::MAX)
    }
}

impl Rows {
    /// The same rows, for a computation that outlives the pass.
    pub(crate) fn share(&self) -> Self {
        match self {
            Self::Padded(mask) => Self::Padded(mask.as_ref().map(Tensor::shallow_clone)),
            Self::Packed(packing) => Self::Packed(packing.share()),
        }
    }

    /// As the fused kernel takes them.
    pub(crate) fn sequences(&self) -> Sequences<'_> {
        match self {
            Self::Padded(mask) => Sequences::Padded(mask.as_ref()),
            Self::Packed(packing) => Sequences::Packed {
                lengths: &packing.lengths,
                positions: packing.positions,
            },
        }
    }

    /// `states`: hidden states in this order -> [B, T, X], and the mask of their padding.
    pub(crate) fn padded(&self, states: &Tensor) -> Result<(Tensor, Option<Tensor>), ModelError> {
        let packing = match self {
            Self::Padded(mask) => {
                return Ok((states.shallow_clone(), mask.as_ref().map(Tensor::shallow_clone)));
            }
            Self::Packed(packing) => packing,
        };
        let (_, width) = states.size2()?;
        let (sequences, kind) = (packing.num_sequences(), states.f_kind()?);
        let positions = i64::try_from(packing.positions).unwrap_or(i64::MAX);
        let zeros = Tensor::f_zeros([sequences * positions, width], (kind, Device::Cpu))?;
        let padded = zeros.f_index_copy(0, &packing.indices, states)?;
        Ok((
            padded.f_view([sequences, positions, width])?,
            Some(packing.mask()?),
        ))
    }

    /// `padded`: [B, T, X] -> in this order.
    pub(crate) fn pack(&self, padded: Tensor) -> Result<Tensor, ModelError> {
        let Self::Packed(packing) = self else {
            return Ok(padded);
        };
        let (_, _, width) = padded.size3()?;
        Ok(padded
            .f_reshape([-1, width])?
            .f_index_select(0, &packing.indices)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_rows_come_back_in_their_places() {
        let packing = Packing::new(&[2, 3], 3, &[1, 3, 5]).unwrap();
        assert_eq!(packing.masked_rows, Tensor::from_slice(&[1_i64, 2, 4]));
        let ids = Tensor::from_slice2(&[[7_i64, 8, 1], [4, 5, 6]]);
        assert_eq!(
            packing.pack_ids(&ids).unwrap(),
            Tensor::from_slice(&[7_i64, 8, 4, 5, 6])
        );
        let rows = Rows::Packed(packing);
        let states = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0]).view([5, 1]);
        let (padded, mask) = rows.padded(&states).unwrap();
        assert_eq!(
            padded.view([-1]),
            Tensor::from_slice(&[1.0_f32, 2.0, 0.0, 3.0, 4.0, 5.0])
        );
        let mask = Vec::<bool>::try_from(mask.unwrap().reshape([-1])).unwrap();
        assert_eq!(mask, [true, true, false, true, true, true]);
        assert_eq!(rows.pack(padded).unwrap(), states);
    }
}

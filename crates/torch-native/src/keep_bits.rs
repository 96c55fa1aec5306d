//! Which elements of a block of rows dropout keeps, one bit an element.
//!
//! The bits are those of [`crate::dropout()`] on the whole tensor, whatever the block.

#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::ops::Range;

use crate::dropout_mask::{MAX_ELEMENTS, Stream};
use crate::instructions::Instructions;
use crate::lanes::WIDTH;
use crate::{Dropout, DropoutRate, TorchError};

/// The stream of bits of a call and the scale of what is kept; `None` without dropout.
///
/// # Errors
/// [`TorchError::OutOfRange`] for a probability outside [0, 1) or more `elements` than the
/// counter has.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the scale in the kernels' precision"
)]
pub(crate) fn keep_stream(
    dropout: Option<Dropout<'_>>,
    elements: usize,
) -> Result<Option<(Stream, f32)>, TorchError> {
    let Some(Dropout {
        probability,
        key,
        site,
    }) = dropout
    else {
        return Ok(None);
    };
    if elements > MAX_ELEMENTS {
        return Err(TorchError::OutOfRange {
            name: "dropout elements",
            value: elements as f64,
            expected: "at most 34,359,738,240",
        });
    }
    let rate = DropoutRate::quantize(probability)?;
    Ok(rate.map(|rate| (Stream::new(key, site, rate), rate.scale() as f32)))
}

/// The bits of a block of rows.
pub(crate) struct KeepBits {
    bytes: Vec<u8>,
    first_bit: usize,
    row_length: usize,
}

impl KeepBits {
    /// Room for `num_rows` rows.
    pub(crate) fn new(num_rows: usize, row_length: usize) -> Self {
        let bits = num_rows * row_length;
        // A group more at each end, and a word that is read beyond.
        let bytes = vec![0; (bits / Stream::GROUP + 2) * (Stream::GROUP / 8) + size_of::<u32>()];
        Self {
            bytes,
            first_bit: 0,
            row_length,
        }
    }

    /// Makes the bits of the rows `rows` of the tensor.
    pub(crate) fn fill(&mut self, stream: Stream, rows: &Range<usize>) {
        let (start, end) = (rows.start * self.row_length, rows.end * self.row_length);
        let groups = start / Stream::GROUP..end.div_ceil(Stream::GROUP);
        self.first_bit = start % Stream::GROUP;
        stream.keep_bits(Instructions::detect(), groups, &mut self.bytes);
    }

    /// The bits of row `row` of the block from element `first` on, a multiple of 8: bytes that
    /// are read as words at every byte, and the bit of the first byte that is the element's.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize, first: usize) -> (&[u8], u32) {
        let bit = self.first_bit + row * self.row_length + first;
        #[expect(clippy::cast_possible_truncation, reason = "below 8")]
        let shift = (bit % WIDTH) as u32;
        (&self.bytes[bit / WIDTH..], shift)
    }
}

/// The word that holds the bits of the chunk `chunk` of a row of bits.
#[inline(always)]
pub(crate) fn word(bytes: &[u8], chunk: usize) -> u32 {
    match bytes.get(chunk..chunk + size_of::<u32>()) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
        // Beyond the last row: elements that do not exist.
        _ => 0,
    }
}

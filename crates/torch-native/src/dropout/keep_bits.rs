//! Which elements of a block of rows dropout keeps, one bit an element.
//!
//! The bits are those of [`crate::dropout()`] on the whole tensor, whatever the block.

#![expect(unsafe_code, reason = "calls a copy once the processor was seen to have it")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::keep_bits_avx512;
use super::rate::{Dropout, DropoutRate};
use super::stream::{GROUP, MAX_ELEMENTS, Stream};
use crate::TorchError;
use crate::instructions::Instructions;
#[cfg(target_arch = "x86_64")]
use crate::lanes::Avx2;
use crate::lanes::{Lanes, Portable, WIDTH};
use crate::philox::{LANES, philox_lanes};

/// The bits of an operation's dropout, and what it multiplies kept elements by.
#[derive(Clone, Copy)]
pub(crate) struct KeepStream {
    pub(crate) stream: Stream,
    pub(crate) scale: f32,
}

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
) -> Result<Option<KeepStream>, TorchError> {
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
    Ok(rate.map(|rate| KeepStream {
        stream: Stream::new(key, site, rate),
        scale: rate.scale() as f32,
    }))
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
        let bytes = vec![0; (bits / GROUP + 2) * (GROUP / 8) + size_of::<u32>()];
        Self {
            bytes,
            first_bit: 0,
            row_length,
        }
    }

    /// Makes the bits of the rows `rows` of the tensor.
    pub(crate) fn fill(&mut self, stream: Stream, rows: &Range<usize>) {
        let (start, end) = (rows.start * self.row_length, rows.end * self.row_length);
        let groups = start / GROUP..end.div_ceil(GROUP);
        self.first_bit = start % GROUP;
        stream.keep_bits(Instructions::detect(), groups, &mut self.bytes);
    }

    /// The bits of row `row` of the block from element `first` on, a multiple of 8.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize, first: usize) -> RowBits<'_> {
        let bit = self.first_bit + row * self.row_length + first;
        #[expect(clippy::cast_possible_truncation, reason = "below 8")]
        let shift = (bit % WIDTH) as u32;
        RowBits {
            bytes: &self.bytes[bit / WIDTH..],
            shift,
        }
    }
}

/// The bits of a row from one of its elements on.
#[derive(Clone, Copy)]
pub(crate) struct RowBits<'a> {
    /// Read as words at every byte.
    bytes: &'a [u8],
    /// The bit of the first byte that is the element's.
    pub(crate) shift: u32,
}

impl RowBits<'_> {
    /// The word that holds the bits of the chunk `chunk` of eight elements, from bit `shift` on.
    #[inline(always)]
    pub(crate) fn word(self, chunk: usize) -> u32 {
        match self.bytes.get(chunk..chunk + size_of::<u32>()) {
            Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
            // Beyond the last row: elements that do not exist.
            _ => 0,
        }
    }
}

impl Stream {
    /// One bit an element, set where it is kept, in the order of elements, for whole groups. Every copy
    /// gives the same.
    pub(crate) fn keep_bits(self, instructions: Instructions, groups: Range<usize>, bytes: &mut [u8]) {
        match instructions {
            Instructions::Portable => self.keep_bits_by::<Portable>(groups, bytes),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `detect` saw AVX2 and FMA.
            Instructions::Avx2 => unsafe { self.keep_bits_avx2(groups, bytes) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `detect` saw these features of AVX-512.
            Instructions::Avx512 => unsafe { keep_bits_avx512::keep_bits(self, groups, bytes) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn keep_bits_avx2(self, groups: Range<usize>, bytes: &mut [u8]) {
        self.keep_bits_by::<Avx2>(groups, bytes);
    }

    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "callers keep to `MAX_ELEMENTS`: blocks are numbered in 32 bits"
    )]
    fn keep_bits_by<L: Lanes>(self, groups: Range<usize>, bytes: &mut [u8]) {
        for (group, bytes) in groups.zip(bytes.as_chunks_mut::<{ GROUP / 8 }>().0) {
            let words = philox_lanes((group * LANES) as u32, self.rest, self.key);
            for (words, bytes) in words.iter().zip(bytes.as_chunks_mut::<4>().0) {
                *bytes = L::halves_below(words, self.threshold).to_le_bytes();
            }
        }
    }
}

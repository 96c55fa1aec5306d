//! What an attention call reads and writes, and which part of it is whose head's.
//!
//! B sequences, T positions, D hidden, N heads, H per head.

use std::ops::Range;

use super::operands::PANEL;
use crate::dropout::keep_bits::KeepStream;
use crate::parallel::SharedSlice;

/// Queries handled together. A multiple of the rows and columns of a tile, as all blocks: no block but
/// the last has padding.
pub(super) const QUERY_BLOCK: usize = 96;
/// Buffers of a head hold whole multiples of this many positions: of the rows and columns of a tile.
pub(super) const POSITION_UNIT: usize = 48;
/// Buffers start at a cache line.
const ALIGNMENT_BYTES: usize = 64;
/// Added to the scores of keys that do not exist or are masked: `exp` of it is 0, and unlike
/// infinity it has a difference with itself.
pub(super) const MASKED: f32 = -1e30;

/// Which of the three parts of the fused projection.
#[derive(Clone, Copy)]
pub(super) enum Projection {
    Query,
    Key,
    Value,
}

/// B, T, N, H.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(super) sequences: usize,
    pub(super) positions: usize,
    pub(super) heads: usize,
    pub(super) head_size: usize,
}

impl Shape {
    /// D.
    pub(super) fn width(self) -> usize {
        self.heads * self.head_size
    }

    /// H in whole panels.
    pub(super) fn padded_head(self) -> usize {
        self.head_size.next_multiple_of(PANEL)
    }

    /// T in whole units.
    pub(super) fn padded_positions(self) -> usize {
        self.positions.next_multiple_of(POSITION_UNIT)
    }

    /// What scores are multiplied by.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the scale in the kernel's precision"
    )]
    pub(super) fn scale(self) -> f32 {
        (1.0 / (self.head_size as f64).sqrt()) as f32
    }
}

/// What both passes read.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a, T> {
    pub(super) shape: Shape,
    /// [B + 1]: the first row of each sequence, and the end of the last.
    pub(super) starts: &'a [usize],
    /// [rows, 3D].
    pub(super) query_key_value: &'a [T],
    /// [B, T padded]: 0 or [`MASKED`], added to scores.
    pub(super) bias: &'a [f32],
    pub(super) dropout: Option<KeepStream>,
}

impl<'a, T> Inputs<'a, T> {
    /// Rows of the sequence of head `head` (of B N): its positions that are there.
    pub(super) fn length(&self, head: usize) -> usize {
        let sequence = head / self.shape.heads;
        self.starts[sequence + 1] - self.starts[sequence]
    }

    fn row(&self, head: usize, position: usize) -> usize {
        self.starts[head / self.shape.heads] + position
    }

    /// Elements of [rows, 3D] that belong to a part of head `head` (of B N).
    pub(super) fn part_range(&self, head: usize, position: usize, part: Projection) -> Range<usize> {
        let shape = self.shape;
        let row = self.row(head, position) * 3 * shape.width();
        let start = row + part as usize * shape.width() + head % shape.heads * shape.head_size;
        start..start + shape.head_size
    }

    /// Elements of [rows, D] that belong to head `head` (of B N).
    pub(super) fn context_range(&self, head: usize, position: usize) -> Range<usize> {
        let shape = self.shape;
        let start = self.row(head, position) * shape.width() + head % shape.heads * shape.head_size;
        start..start + shape.head_size
    }

    pub(super) fn part(&self, head: usize, position: usize, part: Projection) -> &'a [T] {
        &self.query_key_value[self.part_range(head, position, part)]
    }

    /// Rows of [B, N, T] that are the queries `positions` of head `head` (of B N).
    pub(super) fn query_rows(&self, head: usize, positions: &Range<usize>) -> Range<usize> {
        let first = head * self.shape.positions;
        first + positions.start..first + positions.end
    }

    /// Bias of the keys of `head`'s sequence.
    pub(super) fn bias(&self, head: usize) -> &'a [f32] {
        let padded = self.shape.padded_positions();
        &self.bias[head / self.shape.heads * padded..][..padded]
    }

    /// What kept probabilities are multiplied by.
    pub(super) fn dropout_scale(&self) -> f32 {
        self.dropout.map_or(1.0, |dropout| dropout.scale)
    }

    /// Blocks of keys of `head`, up to the last that is not masked, in whole units: a strip of
    /// keys that is not full lies beyond the last position.
    pub(super) fn key_blocks(&self, head: usize, size: usize) -> impl Iterator<Item = Range<usize>> + use<T> {
        let used = self.bias(head).iter().rposition(|&bias| bias == 0.0);
        let used = used.map_or(0, |last| (last + 1).next_multiple_of(POSITION_UNIT));
        blocks(used.min(self.length(head)), size)
    }
}

/// What the forward pass writes.
pub(crate) struct Outputs<'a, T> {
    /// [rows, D].
    pub(super) context: SharedSlice<'a, T>,
    /// [B, N, T]: logarithm of the sum of the exponentials of a row's scores, to the base that the
    /// kernel's backward pass reads.
    pub(super) log_sums: SharedSlice<'a, f32>,
}

/// What the forward pass left and what comes back through it.
#[derive(Clone, Copy)]
pub(crate) struct SavedAttention<'a, T> {
    /// [rows, D].
    pub(super) context: &'a [T],
    /// [rows, D].
    pub(super) context_gradient: &'a [T],
    /// [B, N, T].
    pub(super) log_sums: &'a [f32],
}

/// One part of one head (of B N).
#[derive(Clone, Copy)]
pub(super) struct HeadPart {
    pub(super) head: usize,
    pub(super) part: Projection,
}

/// `0..count` in blocks of `size`; the last may be short.
pub(super) fn blocks(count: usize, size: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    (0..count)
        .step_by(size)
        .map(move |start| start..(start + size).min(count))
}

/// A buffer of zeros that starts at a cache line.
pub(super) struct Buffer<T> {
    memory: Vec<T>,
    start: usize,
}

impl<T: Copy + Default> Buffer<T> {
    pub(super) fn new(len: usize) -> Self {
        let slack = ALIGNMENT_BYTES / size_of::<T>();
        let memory = vec![T::default(); len + slack];
        let start = memory.as_ptr().align_offset(ALIGNMENT_BYTES).min(slack);
        Self { memory, start }
    }

    pub(super) fn values(&self) -> &[T] {
        &self.memory[self.start..]
    }

    pub(super) fn values_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..]
    }
}

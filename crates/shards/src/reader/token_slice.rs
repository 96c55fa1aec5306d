//! The tokens of a block as they lie in the file, two or four bytes each.

use std::borrow::Cow;
use std::ops::Range;

use crate::format::TokenWidth;

// tokens are used as they lie in the mapped file
const _: () = assert!(
    cfg!(target_endian = "little"),
    "shards are read on little-endian machines only"
);

/// The tokens of a block, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSlice<'a> {
    /// Two bytes a token.
    U16(Cow<'a, [u16]>),
    /// Four bytes a token.
    I32(Cow<'a, [i32]>),
}

impl<'a> TokenSlice<'a> {
    pub(super) fn new(width: TokenWidth, bytes: Cow<'a, [u8]>) -> Self {
        match width {
            TokenWidth::U16 => Self::U16(cast(bytes, u16::from_le_bytes)),
            TokenWidth::I32 => Self::I32(cast(bytes, i32::from_le_bytes)),
        }
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        match self {
            Self::U16(tokens) => tokens.len(),
            Self::I32(tokens) => tokens.len(),
        }
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The token at `index`.
    ///
    /// # Panics
    /// If there is no such token, as indexing a slice does.
    pub fn get(&self, index: usize) -> u32 {
        match self {
            Self::U16(tokens) => tokens[index].into(),
            Self::I32(tokens) => tokens[index].cast_unsigned(),
        }
    }

    /// Appends the tokens of `range` to `out`.
    ///
    /// # Panics
    /// If the range goes beyond the block, as slicing does.
    pub fn copy_into(&self, out: &mut Vec<u32>, range: Range<usize>) {
        match self {
            Self::U16(tokens) => out.extend(tokens[range].iter().map(|&token| u32::from(token))),
            Self::I32(tokens) => out.extend(tokens[range].iter().map(|token| token.cast_unsigned())),
        }
    }

    /// All tokens.
    pub fn to_vec(&self) -> Vec<u32> {
        let mut tokens = Vec::with_capacity(self.len());
        self.copy_into(&mut tokens, 0..self.len());
        tokens
    }
}

/// Bytes as numbers: in place where they are aligned (a mapping begins on a page and blocks on
/// multiples of the width), copied by `decode` where they are not.
fn cast<T: bytemuck::Pod, const N: usize>(bytes: Cow<'_, [u8]>, decode: fn([u8; N]) -> T) -> Cow<'_, [T]> {
    let copy = |bytes: &[u8]| bytes.as_chunks().0.iter().map(|chunk| decode(*chunk)).collect();
    match bytes {
        Cow::Borrowed(bytes) => match bytemuck::try_cast_slice(bytes) {
            Ok(numbers) => Cow::Borrowed(numbers),
            Err(_) => Cow::Owned(copy(bytes)),
        },
        Cow::Owned(bytes) => Cow::Owned(copy(&bytes)),
    }
}

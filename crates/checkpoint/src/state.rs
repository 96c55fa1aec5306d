//! Training state as names, shapes and bytes.

use std::borrow::Cow;
use std::fmt;

/// The element type of a saved tensor: master weights and optimizer state are not kept lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
}

impl Dtype {
    /// Bytes of one element.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// A tensor by name; its bytes may be borrowed from where they are computed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTensor<'a> {
    /// Unique in its file.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Lengths of the dimensions; empty for a single number.
    pub shape: Vec<usize>,
    /// Elements in row-major order, little-endian.
    pub bytes: Cow<'a, [u8]>,
}

/// What [`crate::restore`] gives back.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Optimizer steps that were finished.
    pub step: u64,
    /// Weights, sorted by name.
    pub model: Vec<NamedTensor<'static>>,
    /// The optimizer's tensors, sorted by name.
    pub optimizer: Vec<NamedTensor<'static>>,
    /// The trainer's own state, with `step` in it.
    pub trainer: serde_json::Value,
}

/// What [`crate::restore_model`] gives back.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedModel {
    /// Optimizer steps that were finished.
    pub step: u64,
    /// Weights, sorted by name.
    pub model: Vec<NamedTensor<'static>>,
    /// The trainer's own state, with `step` in it.
    pub trainer: serde_json::Value,
}

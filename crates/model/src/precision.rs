//! The kinds that a precision stores and computes in.

use serde::{Deserialize, Serialize};
use tch::Kind;

/// Arithmetic of the matrix products. Parameters and gradients are stored in f32 (f64 for
/// [`Precision::F64`]); `LayerNorm`, softmax and loss are never below f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// f64 throughout: for proofs.
    F64,
    /// f32 throughout.
    F32,
    /// Matrix products in bf16: each pass casts the f32 parameters, and adds their gradients up in f32.
    Bf16,
    /// Matrix products in fp16, otherwise as bf16. Its range is so narrow that the loss has to be
    /// scaled before the backward pass, which the trainer does.
    Fp16,
}

impl Precision {
    /// Kind of parameters, gradients, softmax and loss.
    pub fn storage(self) -> Kind {
        match self {
            Self::F64 => Kind::Double,
            Self::F32 | Self::Bf16 | Self::Fp16 => Kind::Float,
        }
    }

    /// Kind of hidden states and matrix products.
    pub fn compute(self) -> Kind {
        match self {
            Self::F64 => Kind::Double,
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
            Self::Fp16 => Kind::Half,
        }
    }
}

//! The two modules that everything is built from: a linear map and `LayerNorm`.

use tch::{Kind, Tensor};

use crate::{ModelError, Parameters};

/// `x W^T + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Tensor,
    pub(crate) bias: Tensor,
}

/// The leaf in the kind of the computation; the cast is part of the graph, so the gradient
/// comes back in the leaf's kind.
pub(crate) fn cast(leaf: &Tensor, kind: Kind) -> Result<Tensor, ModelError> {
    Ok(if leaf.f_kind()? == kind {
        leaf.shallow_clone()
    } else {
        leaf.f_to_kind(kind)?
    })
}

impl Linear {
    pub(crate) fn new(parameters: &Parameters, module: &str) -> Result<Self, ModelError> {
        let leaf = |suffix: &str| parameters.leaf(&format!("{module}.{suffix}"));
        Ok(Self {
            weight: leaf("weight")?,
            bias: leaf("bias")?,
        })
    }

    /// `input`: [.., inputs] -> [.., outputs], both in the kind of `input`.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        let kind = input.f_kind()?;
        Ok(input.f_linear(&cast(&self.weight, kind)?, Some(&cast(&self.bias, kind)?))?)
    }
}

/// `LayerNorm` over the last dimension. A bf16 input is normalised in f32: the statistics, and
/// the weights, which stay f32.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

impl LayerNorm {
    pub(crate) fn new(parameters: &Parameters, module: &str, epsilon: f64) -> Result<Self, ModelError> {
        let leaf = |suffix: &str| parameters.leaf(&format!("{module}.{suffix}"));
        Ok(Self {
            weight: leaf("weight")?,
            bias: leaf("bias")?,
            epsilon,
        })
    }

    /// `input`: [.., D] -> [.., D] in the same kind.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        let width = self.weight.size();
        Ok(input.f_layer_norm(
            &width[..],
            Some(&self.weight),
            Some(&self.bias),
            self.epsilon,
            false,
        )?)
    }
}

//! The two modules that everything is built from: a linear map and `LayerNorm`, each also in
//! the forms that are fused with what stands beside it.

use tch::Tensor;
use torch_native::{
    Dropout, LayerNormWeights, ResidualInputs, bias_gelu, layer_norm, linear, residual_layer_norm,
};

use crate::hidden_act::HiddenAct;
use crate::{ModelError, Parameters};

/// `x W^T + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Tensor,
    pub(crate) bias: Tensor,
}

impl Linear {
    pub(crate) fn new(parameters: &Parameters, module: &str) -> Result<Self, ModelError> {
        let leaf = |suffix: &str| parameters.leaf(&format!("{module}.{suffix}"));
        Ok(Self {
            weight: leaf("weight")?,
            bias: leaf("bias")?,
        })
    }

    /// The same map, over the same leaves.
    pub(crate) fn share(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
            bias: self.bias.shallow_clone(),
        }
    }

    /// `input`: [.., inputs] -> [.., outputs], both in the kind of `input`.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        Ok(linear(input, &self.weight, Some(&self.bias))?)
    }

    /// The map without its bias, which the kernel that comes next adds.
    pub(crate) fn product(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        Ok(linear(input, &self.weight, None)?)
    }

    /// The activation of the map.
    pub(crate) fn forward_activated(&self, input: &Tensor, act: HiddenAct) -> Result<Tensor, ModelError> {
        match act {
            HiddenAct::Gelu => self.forward_gelu(input),
            HiddenAct::GeluNew => Ok(self.forward(input)?.f_gelu("tanh")?),
            HiddenAct::Relu => Ok(self.forward(input)?.f_relu()?),
        }
    }

    /// GELU of the map, whose kernel adds the bias.
    pub(crate) fn forward_gelu(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        Ok(bias_gelu(&self.product(input)?, &self.bias)?)
    }
}

/// `LayerNorm` over the last dimension. A bf16 or fp16 input is normalized in f32: the statistics, and
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

    /// The same norm, over the same leaves.
    pub(crate) fn share(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
            bias: self.bias.shallow_clone(),
            epsilon: self.epsilon,
        }
    }

    /// `input`: [.., D] -> [.., D] in the same kind.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        Ok(layer_norm(input, self.weights())?)
    }

    fn weights(&self) -> LayerNormWeights<'_> {
        LayerNormWeights {
            weight: &self.weight,
            bias: &self.bias,
            epsilon: self.epsilon,
        }
    }

    /// `LayerNorm(residual + dropout(product + bias))`: what stands behind both halves of a layer.
    /// `product`, `residual`: [.., D]; `bias`: `[D]` -> [.., D] in the kind of the product.
    pub(crate) fn forward_residual(
        &self,
        (product, bias): (&Tensor, &Tensor),
        residual: &Tensor,
        dropout: Option<Dropout<'_>>,
    ) -> Result<Tensor, ModelError> {
        let inputs = ResidualInputs {
            input: product,
            bias,
            residual,
        };
        Ok(residual_layer_norm(inputs, self.weights(), dropout)?)
    }
}

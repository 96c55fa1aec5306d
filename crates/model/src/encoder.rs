//! The stack of layers: attention, then feed-forward, each with dropout, residual sum and
//! `LayerNorm` after it.
//!
//! B sequences, T positions, D hidden.

use tch::Tensor;
use torch_native::recomputed;

use crate::attention::{Pass, SelfAttention};
use crate::dropout_site::DropoutSite;
use crate::modules::{LayerNorm, Linear};
use crate::names::layer_module;
use crate::{ModelError, Parameters, RobertaConfig};

#[derive(Debug)]
struct Layer {
    attention: SelfAttention,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
    dropout_probability: f64,
    index: u32,
}

impl Layer {
    fn new(parameters: &Parameters, config: &RobertaConfig, layer: usize) -> Result<Self, ModelError> {
        let linear = |module: &str| Linear::new(parameters, &layer_module(layer, module));
        let norm =
            |module: &str| LayerNorm::new(parameters, &layer_module(layer, module), config.layer_norm_eps);
        Ok(Self {
            attention: SelfAttention::new(parameters, config, layer)?,
            attention_norm: norm("attention.output.LayerNorm")?,
            intermediate: linear("intermediate.dense")?,
            output: linear("output.dense")?,
            output_norm: norm("output.LayerNorm")?,
            dropout_probability: config.hidden_dropout_prob,
            index: u32::try_from(layer).unwrap_or(u32::MAX),
        })
    }

    /// The same layer, over the same leaves.
    fn share(&self) -> Self {
        Self {
            attention: self.attention.share(),
            attention_norm: self.attention_norm.share(),
            intermediate: self.intermediate.share(),
            output: self.output.share(),
            output_norm: self.output_norm.share(),
            ..*self
        }
    }

    /// [`Layer::forward`], which keeps nothing but `hidden` for the backward pass.
    fn forward_recomputed(&self, hidden: &Tensor, pass: &Pass) -> Result<Tensor, ModelError> {
        let (layer, pass) = (self.share(), pass.share());
        recomputed(hidden, move |hidden| layer.forward(hidden, &pass))
    }

    /// `hidden`: [B, T, D] -> [B, T, D].
    fn forward(&self, hidden: &Tensor, pass: &Pass) -> Result<Tensor, ModelError> {
        let layer = self.index;
        let attended = self.attention.forward(hidden, pass)?;
        let hidden = self.attention_norm.forward_residual(
            (&attended, self.attention.output_bias()),
            hidden,
            DropoutSite::AttentionOutput { layer }.dropout(self.dropout_probability, pass.dropout.as_ref()),
        )?;
        let inner = self.intermediate.forward_gelu(&hidden)?; // [B, T, intermediate]
        let outer = self.output.product(&inner)?; // [B, T, D]
        self.output_norm.forward_residual(
            (&outer, &self.output.bias),
            &hidden,
            DropoutSite::FeedForwardOutput { layer }.dropout(self.dropout_probability, pass.dropout.as_ref()),
        )
    }
}

#[derive(Debug)]
pub(crate) struct Encoder {
    layers: Vec<Layer>,
}

impl Encoder {
    pub(crate) fn new(parameters: &Parameters, config: &RobertaConfig) -> Result<Self, ModelError> {
        let layers = (0..config.num_hidden_layers).map(|layer| Layer::new(parameters, config, layer));
        Ok(Self {
            layers: layers.collect::<Result<_, _>>()?,
        })
    }

    /// `hidden`: [B, T, D] -> [B, T, D]. With `recompute` only the layers' inputs are kept for the
    /// backward pass.
    pub(crate) fn forward(&self, hidden: Tensor, pass: &Pass, recompute: bool) -> Result<Tensor, ModelError> {
        self.layers.iter().try_fold(hidden, |hidden, layer| {
            if recompute {
                layer.forward_recomputed(&hidden, pass)
            } else {
                layer.forward(&hidden, pass)
            }
        })
    }
}

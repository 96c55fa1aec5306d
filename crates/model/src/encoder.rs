//! The stack of layers: attention, then feed-forward, each with dropout, residual sum and
//! `LayerNorm` after it.
//!
//! B sequences, T positions, D hidden.

use tch::Tensor;
use torch_native::recomputed;

use crate::attention::{Pass, SelfAttention};
use crate::dropout_site::DropoutSite;
use crate::hidden_act::HiddenAct;
use crate::modules::{LayerNorm, Linear};
use crate::names::layer_module;
use crate::{ModelError, Parameters, RobertaConfig};

#[derive(Debug)]
struct Layer {
    attention: SelfAttention,
    attention_norm: LayerNorm,
    intermediate: Linear,
    hidden_act: HiddenAct,
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
            hidden_act: config.hidden_act,
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
    fn forward_recomputed(
        &self,
        hidden: &Tensor,
        pass: &Pass,
        wanted: Option<&Tensor>,
    ) -> Result<Tensor, ModelError> {
        let (layer, pass) = (self.share(), pass.share());
        let wanted = wanted.map(Tensor::shallow_clone);
        recomputed(hidden, move |hidden| {
            layer.forward(hidden, &pass, wanted.as_ref())
        })
    }

    /// `hidden`: [.., D] -> [.., D], or [M, D] of the `wanted` rows `[M]`.
    fn forward(&self, hidden: &Tensor, pass: &Pass, wanted: Option<&Tensor>) -> Result<Tensor, ModelError> {
        let layer = self.index;
        let context = self.attention.context(hidden, pass)?;
        // From here on every row is on its own.
        let (context, hidden) = match wanted {
            Some(wanted) => (gather_rows(&context, wanted)?, gather_rows(hidden, wanted)?),
            None => (context, hidden.shallow_clone()),
        };
        let attended = self.attention.output(&context)?;
        let hidden = self.attention_norm.forward_residual(
            (&attended, self.attention.output_bias()),
            &hidden,
            DropoutSite::AttentionOutput { layer }.dropout(self.dropout_probability, pass.dropout.as_ref()),
        )?;
        let inner = self.intermediate.forward_activated(&hidden, self.hidden_act)?; // [.., intermediate]
        let outer = self.output.product(&inner)?; // [.., D]
        self.output_norm.forward_residual(
            (&outer, &self.output.bias),
            &hidden,
            DropoutSite::FeedForwardOutput { layer }.dropout(self.dropout_probability, pass.dropout.as_ref()),
        )
    }
}

/// The rows `[M]`, i64, of `hidden` [.., D] -> [M, D].
fn gather_rows(hidden: &Tensor, rows: &Tensor) -> Result<Tensor, ModelError> {
    let width = hidden.size().last().copied().unwrap_or(1);
    Ok(hidden.f_reshape([-1, width])?.f_index_select(0, rows)?)
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

    /// `hidden`: [.., D] -> [.., D]. Where only the rows `wanted` `[M]` are asked for the last layer
    /// computes no others behind its attention -> [M, D]. With `recompute` only the layers' inputs
    /// are kept for the backward pass.
    pub(crate) fn forward(
        &self,
        hidden: Tensor,
        pass: &Pass,
        wanted: Option<&Tensor>,
        recompute: bool,
    ) -> Result<Tensor, ModelError> {
        let last = self.layers.len().saturating_sub(1);
        self.layers
            .iter()
            .enumerate()
            .try_fold(hidden, |hidden, (index, layer)| {
                let wanted = wanted.filter(|_| index == last);
                if recompute {
                    layer.forward_recomputed(&hidden, pass, wanted)
                } else {
                    layer.forward(&hidden, pass, wanted)
                }
            })
    }
}

//! `RobertaForMaskedLM`: embeddings, encoder and masked-LM head over one flat buffer.
//!
//! B sequences, T positions, D hidden, V vocabulary, M masked positions.

use tch::{Device, Kind, Tensor};
use torch_native::{DropoutKey, use_exact_kernels};

use crate::attention::{Pass, permutation_key};
use crate::embeddings::Embeddings;
use crate::encoder::Encoder;
use crate::initialize::initialize;
use crate::loss::summed_loss;
use crate::mlm_head::MlmHead;
use crate::packing::{Packing, Rows};
use crate::{BatchTensors, ModelError, Parameters, Precision, RobertaConfig};

/// RoBERTa with its masked-LM head.
///
/// Forward passes record gradients unless they run inside `tch::no_grad`; backward passes add
/// to [`Parameters::grad`].
#[derive(Debug)]
pub struct RobertaForMaskedLm {
    config: RobertaConfig,
    precision: Precision,
    device: Device,
    parameters: Parameters,
    embeddings: Embeddings,
    encoder: Encoder,
    head: MlmHead,
    attention_permutation: Option<u64>,
    checkpoint_activations: bool,
}

/// What goes through the encoder.
struct Tokens<'a> {
    /// [B, T], i64.
    input_ids: &'a Tensor,
    /// [B, T] of any kind, non-zero for tokens.
    attention_mask: Option<&'a Tensor>,
    /// Leaves the padding out.
    packing: Option<&'a Packing>,
}

impl Tokens<'_> {
    fn rows(&self) -> Result<Rows, ModelError> {
        if let Some(packing) = self.packing {
            return Ok(Rows::Packed(packing.share()));
        }
        Ok(Rows::Padded(match self.attention_mask {
            Some(mask) => Some(mask.f_to_kind(Kind::Bool)?.f_unsqueeze(1)?.f_unsqueeze(1)?), // [B, 1, 1, T]
            None => None,
        }))
    }
}

impl RobertaForMaskedLm {
    /// A model whose parameters are all zero: [`RobertaForMaskedLm::initialize`] or
    /// [`RobertaForMaskedLm::load_tensors`] comes next. Every model begins here, so that none computes
    /// with kernels that [`use_exact_kernels`] turns off.
    ///
    /// # Errors
    /// [`ModelError::Config`] for a configuration that no model can have,
    /// [`ModelError::OutOfMemory`] when the memory is not there.
    pub fn new(config: &RobertaConfig, precision: Precision, device: Device) -> Result<Self, ModelError> {
        config.validate()?;
        use_exact_kernels()?;
        let parameters = Parameters::new(config, precision.storage(), device)?;
        Ok(Self {
            embeddings: Embeddings::new(&parameters, config, precision)?,
            encoder: Encoder::new(&parameters, config)?,
            head: MlmHead::new(&parameters, config)?,
            config: config.clone(),
            precision,
            device,
            parameters,
            attention_permutation: None,
            checkpoint_activations: false,
        })
    }

    /// Fills the parameters with their initial values: normal from Philox(seed, name), biases
    /// 0, `LayerNorm` 1, padding rows 0.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when libtorch fails.
    pub fn initialize(&mut self, seed: u64) -> Result<(), ModelError> {
        initialize(&self.parameters, &self.config, seed)
    }

    /// Turns the control experiment on: the outputs of attention are permuted over all
    /// positions of the micro-batch, so that only what needs no context can be learned. It is
    /// no part of the configuration and never reaches an exported model.
    pub fn set_attention_permutation(&mut self, seed: Option<u64>) {
        self.attention_permutation = seed;
    }

    /// Whether a pass keeps nothing but the inputs of the layers, which its backward pass then
    /// computes a second time: less memory, a third more work, and the same bits (on a GPU where all
    /// algorithms are deterministic).
    pub fn set_checkpoint_activations(&mut self, checkpoint: bool) {
        self.checkpoint_activations = checkpoint;
    }

    /// The configuration.
    pub fn config(&self) -> &RobertaConfig {
        &self.config
    }

    /// The precision of the matrix products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The device of the parameters.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The flat buffers and what lies where.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Fills the parameters from tensors by Hugging Face name, of any float kind.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`] and [`ModelError::TensorShape`].
    pub fn load_tensors(&mut self, lookup: impl FnMut(&str) -> Option<Tensor>) -> Result<(), ModelError> {
        self.parameters.load_into(self.parameters.flat(), lookup)
    }

    /// The parameters as views without padding, sorted by Hugging Face name.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when libtorch fails.
    pub fn named_tensors(&self) -> Result<Vec<(String, Tensor)>, ModelError> {
        self.parameters.views_of(self.parameters.flat())
    }

    /// Summed loss of the used rows of a micro-batch, a scalar in f32 (f64). `dropout`: the
    /// key of this micro-batch, or `None` for none. Call `f_backward` on it, divided by the
    /// global count of masked tokens.
    ///
    /// # Errors
    /// [`ModelError::OutOfMemory`], or [`ModelError::Torch`] when libtorch fails otherwise.
    pub fn loss_sum(&self, batch: &BatchTensors, dropout: Option<&DropoutKey>) -> Result<Tensor, ModelError> {
        let logits = self.logits_of_masked(batch, dropout)?;
        summed_loss(&logits, &batch.labels, &batch.weights, self.config.vocab_size)
    }

    /// Logits of the masked rows, without dropout: [M, V] in f32 (f64).
    ///
    /// # Errors
    /// [`ModelError::Torch`] when libtorch fails.
    pub fn masked_logits(&self, batch: &BatchTensors) -> Result<Tensor, ModelError> {
        let logits = self.logits_of_masked(batch, None)?;
        self.to_storage(&self.head.without_padding(&logits)?)
    }

    /// The last layer's hidden states, without dropout. `input_ids`: [B, T], i64, padded with
    /// the padding id; `attention_mask`: [B, T] of any kind, non-zero for tokens, `None` when
    /// nothing is padded -> [B, T, D] in f32 (f64).
    ///
    /// # Errors
    /// [`ModelError::Torch`] when the shapes do not fit or an id is outside the vocabulary;
    /// [`ModelError::Config`] when T is longer than the position table.
    pub fn hidden_states(
        &self,
        input_ids: &Tensor,
        attention_mask: Option<&Tensor>,
    ) -> Result<Tensor, ModelError> {
        self.to_storage(&self.encode_padded(input_ids, attention_mask)?)
    }

    /// Logits of every position, without dropout: arguments as
    /// [`RobertaForMaskedLm::hidden_states`] -> [B, T, V] in f32 (f64).
    ///
    /// # Errors
    /// As [`RobertaForMaskedLm::hidden_states`].
    pub fn logits(&self, input_ids: &Tensor, attention_mask: Option<&Tensor>) -> Result<Tensor, ModelError> {
        let word = self.embeddings.word()?;
        let hidden = self.encode_padded(input_ids, attention_mask)?;
        self.to_storage(&self.head.forward(&hidden, word)?)
    }

    fn encode_padded(
        &self,
        input_ids: &Tensor,
        attention_mask: Option<&Tensor>,
    ) -> Result<Tensor, ModelError> {
        let tokens = Tokens {
            input_ids,
            attention_mask,
            packing: None,
        };
        self.encode(&tokens, None, None)
    }

    /// Of every layer but the last all rows are computed, padding left out where that saves
    /// something; behind the last attention only the masked ones. -> [M, V padded]
    fn logits_of_masked(
        &self,
        batch: &BatchTensors,
        dropout: Option<&DropoutKey>,
    ) -> Result<Tensor, ModelError> {
        let masked_rows = match &batch.packing {
            Some(packing) => &packing.masked_rows,
            None => &batch.masked_positions,
        };
        let tokens = Tokens {
            input_ids: &batch.input_ids,
            attention_mask: batch.attention_mask.as_ref(),
            packing: batch.packing.as_ref(),
        };
        let word = self.embeddings.word()?;
        let rows = self.encode(&tokens, Some(masked_rows), dropout)?; // [M, D]
        self.head.forward_padded(&rows, word)
    }

    /// -> [.., D] in the order of `tokens`, or [M, D] of the rows `wanted` `[M]`.
    fn encode(
        &self,
        tokens: &Tokens<'_>,
        wanted: Option<&Tensor>,
        dropout: Option<&DropoutKey>,
    ) -> Result<Tensor, ModelError> {
        let (_, length) = tokens.input_ids.size2()?;
        self.config
            .validate_sequence_length(usize::try_from(length).unwrap_or(0))?;
        let permutation = match self.attention_permutation {
            Some(seed) => Some(permutation_key(seed, tokens.input_ids)?),
            None => None,
        };
        let pass = Pass {
            rows: tokens.rows()?,
            dropout: dropout.copied(),
            permutation,
        };
        let positions = self.embeddings.position_ids(tokens.input_ids)?;
        let (input_ids, positions) = match tokens.packing {
            Some(packing) => (packing.pack_ids(tokens.input_ids)?, packing.pack_ids(&positions)?),
            None => (tokens.input_ids.shallow_clone(), positions),
        };
        let hidden = self.embeddings.forward(&input_ids, &positions, dropout)?;
        self.encoder
            .forward(hidden, &pass, wanted, self.checkpoint_activations)
    }

    fn to_storage(&self, tensor: &Tensor) -> Result<Tensor, ModelError> {
        Ok(tensor.f_to_kind(self.precision.storage())?)
    }
}

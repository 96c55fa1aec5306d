//! Texts to vectors, in batches by length.
//!
//! B sequences, T positions, D hidden.

use tch::{Kind, Tensor};

use crate::batching::plan_batches;
use crate::error::EmbeddingError;
use crate::load::EmbeddingModel;
use crate::pooling::{normalize, pool};
use crate::sequence::Sequence;

/// How texts are embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Tokens that go through the model together, padding included.
    pub max_batch_tokens: usize,
}

impl Default for EncodeOptions {
    /// 4,096 tokens, which bounds the activations of a base model to about
    /// 100 MB and is long enough for full matrix speed.
    fn default() -> Self {
        Self {
            max_batch_tokens: 4096,
        }
    }
}

/// The vectors of some texts, in the order of the texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// `[texts * dimension]`, row-major.
    pub values: Vec<f32>,
    /// Length of a vector.
    pub dimension: usize,
    /// Texts that were cut because the model takes no more tokens.
    pub num_truncated: usize,
    /// Tokens that went through the model, without padding.
    pub num_tokens: usize,
}

impl Embeddings {
    /// The vectors, one a text.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.dimension)
    }
}

impl EmbeddingModel {
    /// The vectors of `texts`. A text alone gives the vector that it gives among others, to
    /// rounding. An empty text is the vector of `<s></s>`.
    ///
    /// # Errors
    /// [`EmbeddingError::Torch`] or [`EmbeddingError::Model`] when the computation fails;
    /// [`EmbeddingError::Tokenizer`] for a text that cannot be encoded.
    pub fn encode(&self, texts: &[&str], options: EncodeOptions) -> Result<Embeddings, EmbeddingError> {
        let sequences = self.sequencer().sequences(texts)?;
        let borrowed: Vec<&Sequence> = sequences.iter().collect();
        Ok(Embeddings {
            values: self.encode_sequences(&borrowed, options)?,
            dimension: self.dimension(),
            num_truncated: sequences
                .iter()
                .filter(|sequence| sequence.is_truncated())
                .count(),
            num_tokens: sequences.iter().map(Sequence::num_tokens).sum(),
        })
    }

    /// The vectors of `sequences`, in their order: `[sequences * dimension]`, row-major.
    ///
    /// # Errors
    /// As [`EmbeddingModel::encode`].
    pub fn encode_sequences(
        &self,
        sequences: &[&Sequence],
        options: EncodeOptions,
    ) -> Result<Vec<f32>, EmbeddingError> {
        let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.num_tokens()).collect();
        let dimension = self.dimension();
        let mut values = vec![0.0; sequences.len() * dimension];
        for batch in plan_batches(&lengths, options.max_batch_tokens) {
            let batch_sequences: Vec<&Sequence> = batch.iter().map(|&index| sequences[index]).collect();
            let vectors = self.encode_batch(&batch_sequences)?;
            for (&index, vector) in batch.iter().zip(vectors.chunks_exact(dimension)) {
                values[index * dimension..(index + 1) * dimension].copy_from_slice(vector);
            }
        }
        Ok(values)
    }

    fn encode_batch(&self, sequences: &[&Sequence]) -> Result<Vec<f32>, EmbeddingError> {
        let (input_ids, attention_mask) = self.padded(sequences)?;
        let _no_grad = tch::no_grad_guard();
        let hidden = self.model.hidden_states(&input_ids, Some(&attention_mask))?; // [B, T, D]
        let mut vectors = pool(&self.pooling, &hidden, &attention_mask)?; // [B, dimension]
        if self.sentence.normalize {
            vectors = normalize(&vectors)?;
        }
        let mut values = vec![0.0_f32; sequences.len() * self.dimension()];
        vectors
            .f_contiguous()?
            .f_copy_data(&mut values, sequences.len() * self.dimension())?;
        Ok(values)
    }

    /// Sequences padded to the longest -> `input_ids: [B, T], i64`; `attention_mask: [B, T], bool`.
    fn padded(&self, sequences: &[&Sequence]) -> Result<(Tensor, Tensor), EmbeddingError> {
        let longest = sequences
            .iter()
            .map(|sequence| sequence.input_ids.len())
            .max()
            .unwrap_or(0);
        let pad = i64::from(self.config().pad_token_id);
        let mut input_ids = Vec::with_capacity(sequences.len() * longest);
        let mut attention_mask = Vec::with_capacity(sequences.len() * longest);
        for (row, sequence) in (1..).zip(sequences) {
            input_ids.extend(sequence.input_ids.iter().map(|&id| i64::from(id)));
            attention_mask.resize(input_ids.len(), true);
            input_ids.resize(row * longest, pad);
            attention_mask.resize(row * longest, false);
        }
        let shape = [dimension(sequences.len()), dimension(longest)];
        let input_ids = Tensor::f_from_slice(&input_ids)?.f_view(shape)?;
        let attention_mask = Tensor::f_from_slice(&attention_mask)?
            .f_to_kind(Kind::Bool)?
            .f_view(shape)?;
        Ok((input_ids, attention_mask))
    }
}

pub(crate) fn dimension(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

//! The likeliest tokens at masked places of a text.

use model::{BatchSlices, BatchTensors};
use tch::{Kind, Tensor};

use crate::encode::dimension;
use crate::error::EmbeddingError;
use crate::load::EmbeddingModel;
use crate::sequence::Sequence;

/// What stands for a masked word in a text.
pub const MASK: &str = "<mask>";

/// One token that may stand at a masked place.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskPrediction {
    /// Its id.
    pub token: u32,
    /// Its text; a leading space says that a word begins with it.
    pub text: String,
    /// Its probability, of all tokens of the vocabulary.
    pub probability: f64,
}

impl EmbeddingModel {
    /// For every [`MASK`] in each of `texts` the `top` likeliest tokens, likeliest first.
    ///
    /// # Errors
    /// [`EmbeddingError::NoMaskedLmHead`] where the folder has none;
    /// [`EmbeddingError::NoMaskToken`] where its tokenizer has no mask;
    /// [`EmbeddingError::NoMask`] for a text without a mask among the tokens that fit;
    /// [`EmbeddingError::Tokenizer`] for one that cannot be encoded.
    pub fn fill_mask(
        &self,
        texts: &[&str],
        top: usize,
    ) -> Result<Vec<Vec<Vec<MaskPrediction>>>, EmbeddingError> {
        if !self.has_masked_lm_head {
            return Err(EmbeddingError::NoMaskedLmHead {
                folder: self.folder.clone(),
            });
        }
        let mask = self.mask_text().ok_or_else(|| EmbeddingError::NoMaskToken {
            folder: self.folder.clone(),
        })?;
        let mut encoder = self.tokenizer.text_encoder();
        let mut filled = Vec::with_capacity(texts.len());
        for (text_index, text) in texts.iter().enumerate() {
            let mut content = Vec::new();
            encoder.encode_into(&text.replace(MASK, mask), &mut content)?;
            let sequence = Sequence::new(&self.tokenizer, &content, self.max_sequence_length);
            filled.push(self.fill_sequence(&sequence, top, text_index)?);
        }
        Ok(filled)
    }

    /// What the folder itself calls the mask, which [`MASK`] stands for in a text as well.
    pub fn mask_text(&self) -> Option<&str> {
        self.tokenizer.token(self.tokenizer.mask()?)
    }

    fn fill_sequence(
        &self,
        sequence: &Sequence,
        top: usize,
        text_index: usize,
    ) -> Result<Vec<Vec<MaskPrediction>>, EmbeddingError> {
        let mask = self.tokenizer.special().mask;
        let masked_positions: Vec<i64> = (0..)
            .zip(&sequence.input_ids)
            .filter(|(_, id)| **id == mask)
            .map(|(position, _)| position)
            .collect();
        if masked_positions.is_empty() {
            return Err(EmbeddingError::NoMask {
                text_index,
                max_sequence_length: self.max_sequence_length,
            });
        }
        let logits = self.masked_logits(sequence, &masked_positions)?; // [M, V]
        let tokens = logits.f_narrow(1, 0, dimension(self.tokenizer.vocab_size()))?;
        let probabilities =
            logits
                .f_softmax(-1, Kind::Double)?
                .f_narrow(1, 0, dimension(self.tokenizer.vocab_size()))?;
        let top = top.min(self.tokenizer.vocab_size());
        let (_, best) = tokens.f_topk(dimension(top), -1, true, true)?; // [M, top]
        let chances = probabilities.f_gather(1, &best, false)?;
        let best: Vec<i64> = to_vec(&best)?;
        let chances: Vec<f64> = to_vec(&chances)?;
        let predictions: Vec<MaskPrediction> = best
            .iter()
            .zip(&chances)
            .map(|(&token, &probability)| self.prediction(token, probability))
            .collect();
        Ok(predictions
            .chunks(top.max(1))
            .map(<[MaskPrediction]>::to_vec)
            .collect())
    }

    fn masked_logits(&self, sequence: &Sequence, masked_positions: &[i64]) -> Result<Tensor, EmbeddingError> {
        let input_ids: Vec<i64> = sequence.input_ids.iter().map(|&id| i64::from(id)).collect();
        let slices = BatchSlices {
            sequences: 1,
            sequence_length: input_ids.len(),
            input_ids: &input_ids,
            lengths: &[u32::try_from(input_ids.len()).unwrap_or(u32::MAX)],
            masked_positions,
            labels: &vec![0; masked_positions.len()],
            weights: &vec![1.0; masked_positions.len()],
        };
        let batch = BatchTensors::from_slices(&slices, self.config(), self.model.device())?;
        let _no_grad = tch::no_grad_guard();
        Ok(self.model.masked_logits(&batch)?)
    }

    fn prediction(&self, token: i64, probability: f64) -> MaskPrediction {
        // An index into the vocabulary, whose size is below 2^32.
        let token = u32::try_from(token).unwrap_or(u32::MAX);
        MaskPrediction {
            token,
            text: self.tokenizer.decode(&[token]),
            probability,
        }
    }
}

fn to_vec<T: tch::kind::Element + Copy + Default>(tensor: &Tensor) -> Result<Vec<T>, tch::TchError> {
    let mut values = vec![T::default(); tensor.numel()];
    tensor.f_contiguous()?.f_copy_data(&mut values, tensor.numel())?;
    Ok(values)
}

#[cfg(test)]
mod tests;

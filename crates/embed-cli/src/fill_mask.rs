//! Masked words of a file, filled in.

use std::path::Path;

use anyhow::Result;
use embedding::{EmbeddingError, EmbeddingModel, MASK, MaskPrediction};

use crate::lines::read_lines;
use crate::masked_word::mask_a_word;

/// One line with its masks filled.
#[derive(Debug, Clone, PartialEq)]
pub struct FilledLine {
    /// Number of the line, from 1.
    pub line: usize,
    /// The line as the model saw it.
    pub text: String,
    /// The word that was masked, where the line came without a mask.
    pub word: Option<String>,
    /// The likeliest tokens of each mask, likeliest first; none for a line without a word.
    pub masks: Vec<Vec<MaskPrediction>>,
}

/// Fills the masks of every line of `input`. In a line without `<mask>` one word, chosen by a
/// hash of the line, is masked first.
///
/// # Errors
/// If the file cannot be read, a mask lies beyond the model's longest sequence, or the model
/// has no masked-LM head.
pub fn fill_file(model: &EmbeddingModel, input: &Path, top: usize) -> Result<Vec<FilledLine>> {
    let mut encoder = model.tokenizer().text_encoder();
    let mut ids = Vec::new();
    let mut num_tokens = |text: &str| {
        ids.clear();
        encoder.encode_into(text, &mut ids)?;
        Ok::<usize, EmbeddingError>(ids.len())
    };
    let ends = model.tokenizer().ends();
    let max_tokens = model
        .max_sequence_length()
        .saturating_sub(ends.before.len() + ends.after.len());
    let mut filled = Vec::new();
    for (line, text) in (1..).zip(read_lines(input)?) {
        let text = text?;
        let has_mask = text.contains(MASK) || model.mask_text().is_some_and(|mask| text.contains(mask));
        let (text, word) = if has_mask {
            (text, None)
        } else if let Some(masked) = mask_a_word(&text, max_tokens, &mut num_tokens)? {
            (masked.text, Some(masked.word))
        } else {
            filled.push(FilledLine {
                line,
                text,
                word: None,
                masks: Vec::new(),
            });
            continue;
        };
        let mut masks = model.fill_mask(&[&text], top).map_err(|error| {
            anyhow::Error::from(error).context(format!("{}, line {line}", input.display()))
        })?;
        filled.push(FilledLine {
            line,
            text,
            word,
            masks: masks.pop().unwrap_or_default(),
        });
    }
    Ok(filled)
}

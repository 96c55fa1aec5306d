//! Writes a Hugging Face folder from a checkpoint.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use checkpoint::{NamedTensor, SavedModel};
use durable::{StagedDir, Storage, commit_dir};
use model::RobertaConfig;
use safetensors::tensor::{Dtype, View};
use serde_json::{Value, json};
use tokenizer::Tokenizer;

use crate::error::HfFolderError;
use crate::files::{
    CONFIG_JSON, MODEL_SAFETENSORS, MODULES_JSON, POOLING_CONFIG_JSON, POOLING_FOLDER, README_MD,
    SENTENCE_BERT_CONFIG_JSON, TEXT_DATES_JSON, modules, pooling, pretty, sentence_bert_config,
};
use crate::model_card::ModelCard;
use crate::text_dates::TextDates;

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportReport {
    /// Step of the checkpoint.
    pub step: u64,
    /// Tensors written.
    pub num_tensors: usize,
    /// Parameters in them.
    pub num_parameters: usize,
}

/// Writes the model of `checkpoint_dir` with its tokenizer into a new folder `out`, which
/// appears whole or not at all.
///
/// # Errors
/// [`HfFolderError::ControlExperiment`] for a checkpoint that is no RoBERTa;
/// [`HfFolderError::OtherTokenizer`] for a tokenizer that it was not trained with;
/// [`HfFolderError::TrainerState`] where its `trainer.json` lacks what is needed;
/// [`HfFolderError::Checkpoint`] and [`HfFolderError::Durable`] where files cannot be read or
/// written (`out` must not exist).
pub fn export(
    storage: &dyn Storage,
    checkpoint_dir: &Path,
    tokenizer: &Tokenizer,
    out: &Path,
    card: &ModelCard,
) -> Result<ExportReport, HfFolderError> {
    let checkpoint = checkpoint::restore_model(checkpoint_dir)?;
    let config = exportable_config(checkpoint_dir, &checkpoint.trainer, tokenizer)?;
    let num_parameters = check_tensors(checkpoint_dir, &checkpoint.model)?;
    commit_dir(storage, out, |folder| {
        write_bytes(folder, CONFIG_JSON, format!("{}\n", config.to_json()?).as_bytes())?;
        write_model(folder, checkpoint_dir, &checkpoint.model)?;
        for (name, bytes) in tokenizer.files(config.max_sequence_length())? {
            write_bytes(folder, name, &bytes)?;
        }
        write_bytes(folder, MODULES_JSON, &pretty(&modules()))?;
        folder.create_dir(POOLING_FOLDER)?;
        write_bytes(folder, POOLING_CONFIG_JSON, &pretty(&pooling(config.hidden_size)))?;
        let sentence_bert = sentence_bert_config(config.max_sequence_length());
        write_bytes(folder, SENTENCE_BERT_CONFIG_JSON, &pretty(&sentence_bert))?;
        if let Some(dates) = TextDates::of_trainer(&checkpoint.trainer) {
            write_bytes(folder, TEXT_DATES_JSON, &pretty(&json!(dates)))?;
        }
        write_bytes(
            folder,
            README_MD,
            card.render(&config, &checkpoint.trainer).as_bytes(),
        )
    })?;
    Ok(report(&checkpoint, num_parameters))
}

fn report(checkpoint: &SavedModel, num_parameters: usize) -> ExportReport {
    ExportReport {
        step: checkpoint.step,
        num_tensors: checkpoint.model.len(),
        num_parameters,
    }
}

/// The model's configuration, if checkpoint and tokenizer can make a Hugging Face folder.
fn exportable_config(
    checkpoint_dir: &Path,
    trainer: &Value,
    tokenizer: &Tokenizer,
) -> Result<RobertaConfig, HfFolderError> {
    if !trainer["attention_permutation"].is_null() {
        return Err(HfFolderError::ControlExperiment {
            checkpoint: checkpoint_dir.to_owned(),
        });
    }
    let lacks = |field| HfFolderError::TrainerState {
        checkpoint: checkpoint_dir.to_owned(),
        field,
    };
    let trained_with = trainer.pointer("/hashes/tokenizer").and_then(Value::as_str);
    let trained_with = trained_with.ok_or_else(|| lacks("hashes.tokenizer"))?;
    if trained_with != tokenizer.hash() {
        return Err(HfFolderError::OtherTokenizer {
            checkpoint: trained_with.to_owned(),
            given: tokenizer.hash().to_owned(),
        });
    }
    let config = trainer.get("model_config").ok_or_else(|| lacks("model_config"))?;
    let mut config = RobertaConfig::from_json(&config.to_string())?;
    config.architectures = vec!["RobertaForMaskedLM".to_owned()];
    if tokenizer.vocab_size() > config.vocab_size {
        return Err(HfFolderError::Vocabulary {
            folder: checkpoint_dir.to_owned(),
            tokenizer: tokenizer.vocab_size(),
            model: config.vocab_size,
        });
    }
    Ok(config)
}

/// The number of parameters; an error for a tensor that is not f32.
fn check_tensors(checkpoint_dir: &Path, tensors: &[NamedTensor<'_>]) -> Result<usize, HfFolderError> {
    let mut num_parameters = 0;
    for tensor in tensors {
        if tensor.dtype != checkpoint::Dtype::F32 {
            return Err(HfFolderError::Tensor {
                path: checkpoint_dir.to_owned(),
                name: tensor.name.clone(),
                problem: format!(
                    "is of type {}, the folder holds f32: train in f32 or bf16",
                    tensor.dtype
                ),
            });
        }
        num_parameters += tensor.shape.iter().product::<usize>();
    }
    Ok(num_parameters)
}

/// A checkpoint's tensor as `safetensors` writes it.
struct F32View<'a>(&'a NamedTensor<'a>);

impl View for F32View<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0.bytes)
    }

    fn data_len(&self) -> usize {
        self.0.bytes.len()
    }
}

fn write_model(
    folder: &StagedDir<'_>,
    checkpoint_dir: &Path,
    tensors: &[NamedTensor<'_>],
) -> Result<(), HfFolderError> {
    let views = tensors
        .iter()
        .map(|tensor| (tensor.name.as_str(), F32View(tensor)));
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes =
        safetensors::serialize(views, Some(metadata)).map_err(|source| HfFolderError::Safetensors {
            path: checkpoint_dir.to_owned(),
            source,
        })?;
    write_bytes(folder, MODEL_SAFETENSORS, &bytes)
}

fn write_bytes(folder: &StagedDir<'_>, name: &str, bytes: &[u8]) -> Result<(), HfFolderError> {
    folder.write_file(name, |file| file.write_all(bytes))?;
    Ok(())
}

#[cfg(test)]
mod tests;

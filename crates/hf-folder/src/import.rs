//! Opens a Hugging Face folder with a RoBERTa encoder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use model::{ModelError, Precision, RobertaConfig, RobertaForMaskedLm};
use serde_json::Value;
use tch::{Device, Tensor};
use tokenizer::Tokenizer;

use crate::error::HfFolderError;
use crate::files::{CONFIG_JSON, MODEL_SAFETENSORS, SENTENCE_BERT_CONFIG_JSON};
use crate::tensors::ModelTensors;

/// An opened folder: configuration, tokenizer and tensors that fit each other.
#[derive(Debug)]
pub struct HfModel {
    /// The folder.
    pub folder: PathBuf,
    /// `config.json`.
    pub config: RobertaConfig,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// `model.safetensors`.
    pub tensors: ModelTensors,
    /// The longest sequence, `<s>` and `</s>` included: the position table's, or less where
    /// `sentence_bert_config.json` says so.
    pub max_sequence_length: usize,
}

impl HfModel {
    /// Opens a folder of `RobertaForMaskedLM` or `RobertaModel`, of ours or anybody's.
    ///
    /// # Errors
    /// [`HfFolderError::Missing`] names the file that lacks; [`HfFolderError::Config`] a model
    /// of another kind; [`HfFolderError::Vocabulary`] and [`HfFolderError::SpecialToken`] a
    /// tokenizer of another model; the others a file that is damaged.
    pub fn open(folder: &Path) -> Result<Self, HfFolderError> {
        let config = Self::read_config(folder)?;
        let tokenizer = Tokenizer::open(folder)?;
        check_tokenizer(folder, &tokenizer, &config)?;
        let path = folder.join(MODEL_SAFETENSORS);
        if !path.is_file() {
            return Err(missing(
                folder,
                MODEL_SAFETENSORS,
                "save the model with safetensors, as one file",
            ));
        }
        Ok(Self {
            folder: folder.to_owned(),
            tokenizer,
            tensors: ModelTensors::read(&path)?,
            max_sequence_length: max_sequence_length(folder, &config)?,
            config,
        })
    }

    /// Reads `config.json` alone.
    ///
    /// # Errors
    /// [`HfFolderError::Missing`] and [`HfFolderError::Config`].
    pub fn read_config(folder: &Path) -> Result<RobertaConfig, HfFolderError> {
        let path = folder.join(CONFIG_JSON);
        if !folder.is_dir() {
            return Err(missing(folder, CONFIG_JSON, "there is no such folder"));
        }
        if !path.is_file() {
            return Err(missing(
                folder,
                CONFIG_JSON,
                "give the folder of a Hugging Face RoBERTa model",
            ));
        }
        let text = read_text(path.clone())?;
        RobertaConfig::from_json(&text).map_err(|source| HfFolderError::Config { path, source })
    }

    /// The model. Where the folder has no masked-LM head, the head's tensors are zero.
    ///
    /// # Errors
    /// [`HfFolderError::Model`] names a tensor that lacks or has another shape;
    /// [`HfFolderError::Tensor`] one of the encoder's or the head's that such a model has not.
    pub fn build(&self, precision: Precision, device: Device) -> Result<RobertaForMaskedLm, HfFolderError> {
        let mut model = RobertaForMaskedLm::new(&self.config, precision, device)?;
        // zero so far; the head stays so where the folder has none
        self.load_into(&mut model)?;
        Ok(model)
    }

    /// Puts the tensors into `model`, bit for bit where they are f32. Where the folder has no
    /// masked-LM head, the head's tensors stay what they are.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn load_into(&self, model: &mut RobertaForMaskedLm) -> Result<(), HfFolderError> {
        let infos = model.parameters().infos();
        let is_parameter = |name: &str| infos.iter().any(|info| info.name == name);
        if let Some(name) = self.tensors.first_without_place(is_parameter) {
            let problem = format!(
                "has no place in the model that {CONFIG_JSON} describes ({} layers): \
                 the two files belong to different models",
                self.config.num_hidden_layers
            );
            return Err(self.tensors.problem(name, problem));
        }
        let mut head = HashMap::new();
        if !self.tensors.has_masked_lm_head() {
            for (name, tensor) in model.named_tensors()? {
                if name.starts_with("lm_head.") {
                    head.insert(name, tensor.f_detach_copy().map_err(ModelError::from)?);
                }
            }
        }
        model.load_tensors(|name| {
            let tensor = self.tensors.get(name).or_else(|| head.get(name));
            tensor.map(Tensor::shallow_clone)
        })?;
        Ok(())
    }
}

fn missing(folder: &Path, file: &'static str, way_out: &'static str) -> HfFolderError {
    HfFolderError::Missing {
        folder: folder.to_owned(),
        file,
        way_out,
    }
}

fn read_text(path: PathBuf) -> Result<String, HfFolderError> {
    std::fs::read_to_string(&path).map_err(|source| HfFolderError::Read { path, source })
}

fn check_tokenizer(
    folder: &Path,
    tokenizer: &Tokenizer,
    config: &RobertaConfig,
) -> Result<(), HfFolderError> {
    if tokenizer.vocab_size() > config.vocab_size {
        return Err(HfFolderError::Vocabulary {
            folder: folder.to_owned(),
            tokenizer: tokenizer.vocab_size(),
            model: config.vocab_size,
        });
    }
    let special = tokenizer.special();
    for (key, tokenizer, model) in [
        ("bos_token_id", special.bos, config.bos_token_id),
        ("pad_token_id", special.pad, config.pad_token_id),
        ("eos_token_id", special.eos, config.eos_token_id),
    ] {
        if tokenizer != model {
            return Err(HfFolderError::SpecialToken {
                folder: folder.to_owned(),
                key,
                tokenizer,
                model,
            });
        }
    }
    Ok(())
}

fn max_sequence_length(folder: &Path, config: &RobertaConfig) -> Result<usize, HfFolderError> {
    let positions = config.max_sequence_length();
    let path = folder.join(SENTENCE_BERT_CONFIG_JSON);
    if !path.is_file() {
        return Ok(positions);
    }
    let text = read_text(path.clone())?;
    let json: Value = serde_json::from_str(&text).map_err(|source| HfFolderError::Json { path, source })?;
    let stated = json["max_seq_length"]
        .as_u64()
        .and_then(|length| usize::try_from(length).ok());
    Ok(stated.map_or(positions, |stated| stated.clamp(2, positions.max(2))))
}

#[cfg(test)]
mod tests;

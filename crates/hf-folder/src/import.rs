//! Opens a Hugging Face folder with a RoBERTa encoder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use model::{ModelError, Precision, RobertaConfig, RobertaForMaskedLm};
use serde_json::Value;
use tch::{Device, Tensor};
use tokenizer::Tokenizer;

use crate::error::HfFolderError;
use crate::files::{CONFIG_JSON, TOKENIZER_CONFIG_JSON};
use crate::sentence::{self, SentenceModules};
use crate::tensors::ModelTensors;
use crate::weights::WeightFiles;

/// An opened folder: configuration, tokenizer and tensors that fit each other.
#[derive(Debug)]
pub struct HfModel {
    /// The folder.
    pub folder: PathBuf,
    /// `config.json`.
    pub config: RobertaConfig,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// The tensors.
    pub tensors: ModelTensors,
    /// The files that they are in.
    pub weights: WeightFiles,
    /// What the folder says about texts before the encoder and vectors after it.
    pub sentence: SentenceModules,
    /// The longest sequence, `<s>` and `</s>` included: the position table's, or less where
    /// `sentence_bert_config.json` or, without it, `tokenizer_config.json` says so.
    pub max_sequence_length: usize,
    /// What a user should hear once about files that change nothing.
    pub notes: Vec<String>,
}

impl HfModel {
    /// Opens a folder of `RobertaForMaskedLM` or `RobertaModel`, of ours or anybody's.
    ///
    /// # Errors
    /// [`HfFolderError::Missing`] names the file that lacks; [`HfFolderError::Config`] a model
    /// of another kind; [`HfFolderError::Vocabulary`] and [`HfFolderError::SpecialToken`] a
    /// tokenizer of another model; [`HfFolderError::Unsupported`] and [`HfFolderError::Pickled`] what
    /// cannot be computed or read; the others a file that is damaged.
    pub fn open(folder: &Path) -> Result<Self, HfFolderError> {
        let sentence = SentenceModules::read(folder)?;
        let encoder = &sentence.encoder;
        let config = Self::read_config(encoder)?;
        let tokenizer = Tokenizer::open_for_text(encoder)?;
        check_tokenizer(encoder, &tokenizer, &config)?;
        let weights = WeightFiles::find(encoder)?;
        let unused_rows = note_unused_rows(&tokenizer, &config);
        Ok(Self {
            folder: folder.to_owned(),
            tokenizer,
            tensors: ModelTensors::read(&weights)?,
            weights,
            max_sequence_length: max_sequence_length(&sentence, &config)?,
            notes: sentence.notes.iter().cloned().chain(unused_rows).collect(),
            sentence,
            config,
        })
    }

    /// Whether there is such a folder, by its small files: what costs nothing to say first.
    ///
    /// # Errors
    /// As [`Self::open`], for the files that put encoder and pooling together and for `config.json`.
    pub fn check(folder: &Path) -> Result<(), HfFolderError> {
        let sentence = SentenceModules::read(folder)?;
        Self::read_config(&sentence.encoder).map(drop)
    }

    /// Reads `config.json` alone.
    ///
    /// # Errors
    /// [`HfFolderError::Missing`], [`HfFolderError::TrainingState`] and [`HfFolderError::Config`].
    pub fn read_config(folder: &Path) -> Result<RobertaConfig, HfFolderError> {
        let path = folder.join(CONFIG_JSON);
        if !folder.is_dir() {
            return Err(missing(folder, CONFIG_JSON, "there is no such folder"));
        }
        if !path.exists() {
            if let Some(error) = training_state(folder) {
                return Err(error);
            }
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

/// What a folder without `config.json` is, where training wrote it.
fn training_state(folder: &Path) -> Option<HfFolderError> {
    let is_run = folder.join("config.toml").exists() && folder.join("checkpoints").exists();
    let is_checkpoint = folder.join("trainer.json").exists();
    let (what, run, checkpoint) = if is_run {
        (
            "the folder of a training run",
            folder.display().to_string(),
            String::new(),
        )
    } else if is_checkpoint {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let run = folder.parent().and_then(Path::parent);
        let run = run.filter(|run| !run.as_os_str().is_empty());
        let run = run.map_or_else(|| "RUN".to_owned(), |run| run.display().to_string());
        ("a checkpoint", run, format!(" --checkpoint {name}"))
    } else {
        return None;
    };
    Some(HfFolderError::TrainingState {
        folder: folder.to_owned(),
        what,
        command: format!("tenk-pretrain export --run {run}{checkpoint} --out DIR"),
    })
}

/// Rows of the embedding table beyond the tokenizer that padding for speed does not explain.
const MOST_UNUSED_ROWS: usize = 1024;

/// What to say of a model whose vocabulary is far larger than its tokenizer's: perhaps the tokenizer is
/// that of another model.
fn note_unused_rows(tokenizer: &Tokenizer, config: &RobertaConfig) -> Option<String> {
    let (known, rows) = (tokenizer.vocab_size(), config.vocab_size);
    let unused = rows.saturating_sub(known);
    (unused > MOST_UNUSED_ROWS).then(|| {
        format!(
            "{CONFIG_JSON} says vocab_size = {rows}, but the tokenizer has {known} tokens: no text uses the \
             other {unused} rows; check that the tokenizer is the model's own"
        )
    })
}

fn read_text(path: PathBuf) -> Result<String, HfFolderError> {
    durable::read_text(&path, durable::MOST_JSON_BYTES).map_err(|source| HfFolderError::Read { path, source })
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
    let ends = tokenizer.ends().before.len() + tokenizer.ends().after.len();
    if ends > config.max_sequence_length() {
        return Err(HfFolderError::Unsupported {
            path: folder.to_owned(),
            problem: format!(
                "its tokenizer puts {ends} tokens around a text, and the model has {} positions",
                config.max_sequence_length()
            ),
        });
    }
    if tokenizer.encodes_by_library() {
        // what it puts around a text is what the folder says, whatever the model calls it
        return Ok(());
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

/// As `sentence-transformers`: `max_seq_length`, or without it the tokenizer's `model_max_length`;
/// never more than there are positions.
fn max_sequence_length(sentence: &SentenceModules, config: &RobertaConfig) -> Result<usize, HfFolderError> {
    let positions = config.max_sequence_length();
    let stated = match sentence.max_length {
        Some(length) => Some(length),
        None => model_max_length(&sentence.encoder)?,
    };
    if let Some(length @ 0..=2) = stated {
        return Err(HfFolderError::Unsupported {
            path: sentence.encoder.clone(),
            problem: format!(
                "its longest sequence is {length} tokens (max_seq_length or model_max_length), so that every \
                 text would be cut to nothing: state the model's own length"
            ),
        });
    }
    Ok(stated.map_or(positions, |stated| stated.min(positions)))
}

/// `model_max_length` of the tokenizer, which some folders give as 1e30 for "any".
fn model_max_length(encoder: &Path) -> Result<Option<usize>, HfFolderError> {
    let path = encoder.join(TOKENIZER_CONFIG_JSON);
    let config = sentence::object(&path)?.unwrap_or_default();
    let stated = config.get("model_max_length").or_else(|| config.get("max_len"));
    let Some(length) = stated.and_then(Value::as_f64).filter(|length| *length >= 0.0) else {
        return Ok(None);
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and a larger number becomes the largest"
    )]
    Ok(Some(length as usize))
}

#[cfg(test)]
mod tests;

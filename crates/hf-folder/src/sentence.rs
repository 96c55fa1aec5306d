//! How a folder of `sentence-transformers` makes the vector of a text: `modules.json` and the files
//! that it names, obeyed as that library does (6.2). What cannot be computed is refused by name.
//!
//! A folder without `modules.json` is a plain encoder: the mean over all tokens, as there.

use std::path::{Path, PathBuf};

use durable::{FileName, MOST_JSON_BYTES, read_file};
use serde_json::{Map, Value};

use crate::error::HfFolderError;
use crate::files::{CONFIG_JSON, MODULES_JSON, POOLING_FOLDER};
use crate::pooling::Pooling;

/// Files with the settings of the encoder, the first that is there counts.
const ENCODER_SETTINGS: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];
const MODEL_SETTINGS: &str = "config_sentence_transformers.json";

/// What a folder says about texts before the encoder and vectors after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentenceModules {
    /// Where `config.json`, tokenizer and tensors are.
    pub(crate) encoder: PathBuf,
    /// How the tokens' hidden states become one vector, or why that cannot be computed.
    pooling: Result<Pooling, (PathBuf, String)>,
    /// Whether vectors are scaled to length 1.
    pub normalize: bool,
    /// Whether texts are written in lower case first.
    pub lower_case: bool,
    /// What stands before every text; mostly nothing.
    pub prompt: String,
    /// `max_seq_length`, where the folder states it.
    pub(crate) max_length: Option<usize>,
    /// What a user should hear once.
    pub(crate) notes: Vec<String>,
}

impl SentenceModules {
    /// Reads what `folder` says.
    ///
    /// # Errors
    /// [`HfFolderError::Unsupported`] names a module or setting that cannot be computed; the others a
    /// file that lacks or is damaged.
    pub fn read(folder: &Path) -> Result<Self, HfFolderError> {
        let mut read = Self {
            encoder: folder.to_owned(),
            pooling: Ok(Pooling::default()),
            normalize: false,
            lower_case: false,
            prompt: String::new(),
            max_length: None,
            notes: Vec::new(),
        };
        let path = folder.join(MODULES_JSON);
        let Some(modules) = json(&path)? else {
            read.note_what_nobody_names(folder);
            return Ok(read);
        };
        read.take_modules(folder, &path, &modules)?;
        read.take_encoder_settings()?;
        Ok(read)
    }

    /// How the tokens' hidden states become one vector.
    ///
    /// # Errors
    /// [`HfFolderError::Unsupported`] for a pooling of the folder that cannot be computed.
    pub fn pooling(&self) -> Result<&Pooling, HfFolderError> {
        let pooling = self.pooling.as_ref();
        pooling.map_err(|(path, problem)| {
            unsupported(path, format!("{problem}; --pooling chooses one that can be"))
        })
    }

    fn note_what_nobody_names(&mut self, folder: &Path) {
        let unnamed = [POOLING_FOLDER, ENCODER_SETTINGS[0]];
        for file in unnamed.into_iter().filter(|file| folder.join(file).exists()) {
            self.notes.push(format!(
                "{file} is not used: the folder has no {MODULES_JSON}, without which sentence-transformers \
                 does not read it either"
            ));
        }
    }

    /// Encoder, pooling, and then what leaves directions as they are.
    fn take_modules(&mut self, folder: &Path, path: &Path, modules: &Value) -> Result<(), HfFolderError> {
        let modules: Vec<Module> = Module::all(modules).map_err(|problem| unsupported(path, problem))?;
        let kinds: Vec<Kind> = modules.iter().map(|module| module.kind).collect();
        if let Some(module) = modules.iter().find(|module| module.kind == Kind::Other) {
            return Err(unsupported(
                path,
                format!(
                    "the module {} ({}) cannot be computed; a folder may have Transformer, Pooling, Normalize \
                     and Dropout",
                    module.path, module.class
                ),
            ));
        }
        let (Some((Kind::Encoder, rest)), Some(Kind::Pooling)) = (kinds.split_first(), kinds.get(1)) else {
            let problem = "its modules have to be Transformer, then Pooling".to_owned();
            return Err(unsupported(path, problem));
        };
        if rest[1..]
            .iter()
            .any(|kind| matches!(kind, Kind::Encoder | Kind::Pooling))
        {
            let problem = "it has a second Transformer or Pooling, which cannot be computed".to_owned();
            return Err(unsupported(path, problem));
        }
        self.encoder = modules[0].folder(folder);
        let include_prompt = self.take_pooling(&modules[1].folder(folder))?;
        for module in &modules[2..] {
            self.normalize |= module.kind == Kind::Normalize;
            module.refuse_other_input(folder)?;
        }
        self.take_model_settings(&folder.join(MODEL_SETTINGS), include_prompt)
    }

    /// Returns whether the tokens of a prompt are pooled too.
    fn take_pooling(&mut self, folder: &Path) -> Result<bool, HfFolderError> {
        let path = folder.join(CONFIG_JSON);
        let config = object(&path)?.ok_or_else(|| HfFolderError::Missing {
            folder: folder.to_owned(),
            file: CONFIG_JSON,
            way_out: "modules.json names the folder of a Pooling; copy it too",
        })?;
        self.pooling = Pooling::from_config(&config).map_err(|problem| (path, problem));
        Ok(config.get("include_prompt") != Some(&Value::Bool(false)))
    }

    fn take_model_settings(&mut self, path: &Path, include_prompt: bool) -> Result<(), HfFolderError> {
        let Some(settings) = object(path)? else {
            return Ok(());
        };
        if let Some(kind) = settings
            .get("model_type")
            .filter(|kind| *kind != "SentenceTransformer")
        {
            let problem = format!("model_type = {kind}: only a SentenceTransformer makes one vector a text");
            return Err(unsupported(path, problem));
        }
        let Some(name) = settings.get("default_prompt_name").and_then(Value::as_str) else {
            return Ok(());
        };
        let prompt = settings.get("prompts").and_then(|prompts| prompts.get(name));
        self.prompt = match prompt {
            Some(Value::String(prompt)) => prompt.clone(),
            Some(Value::Null) => String::new(),
            _ => {
                return Err(unsupported(
                    path,
                    format!("default_prompt_name is {name:?}, which prompts lacks"),
                ));
            }
        };
        if !self.prompt.is_empty() && !include_prompt {
            let problem = format!(
                "the prompt {name:?} goes before every text and include_prompt of the pooling is false: \
                 vectors without the prompt's tokens cannot be computed"
            );
            return Err(unsupported(path, problem));
        }
        Ok(())
    }

    fn take_encoder_settings(&mut self) -> Result<(), HfFolderError> {
        for file in ENCODER_SETTINGS {
            let path = self.encoder.join(file);
            let Some(settings) = object(&path)?.filter(|settings| !settings.is_empty()) else {
                continue;
            };
            refuse_other_settings(&path, &settings)?;
            self.lower_case = settings.get("do_lower_case") == Some(&Value::Bool(true));
            self.max_length = match settings.get("max_seq_length") {
                None | Some(Value::Null) => None,
                Some(length) => {
                    let number = length.as_u64().and_then(|length| usize::try_from(length).ok());
                    let problem = || format!("max_seq_length = {length} is not a number of tokens");
                    Some(number.ok_or_else(|| unsupported(&path, problem()))?)
                }
            };
            return Ok(());
        }
        Ok(())
    }
}

/// Refuses settings of the encoder that would change vectors and are not computed here.
fn refuse_other_settings(path: &Path, settings: &Map<String, Value>) -> Result<(), HfFolderError> {
    let is_empty = |value: &Value| match value {
        Value::Object(map) => map.is_empty(),
        value => value.is_null(),
    };
    let output = settings
        .get("modality_config")
        .and_then(|config| config.pointer("/text/method_output_name"));
    let usual = |key: &str, value: &Value| match key {
        "transformer_task" => value == "feature-extraction",
        "module_output_name" => value == "token_embeddings",
        "do_lower_case" => value.is_boolean() || value.is_null(),
        "tokenizer_name_or_path"
        | "processing_kwargs"
        | "tokenizer_args"
        | "processor_kwargs"
        | "config_args"
        | "config_kwargs" => is_empty(value),
        _ => true,
    };
    let strange = settings.iter().find(|(key, value)| !usual(key, value));
    let strange = strange.map(|(key, value)| (key.as_str(), value));
    let output = output.filter(|output| *output != "last_hidden_state");
    match strange.or(output.map(|output| ("method_output_name", output))) {
        None => Ok(()),
        Some((key, value)) => Err(unsupported(path, format!("{key} = {value} cannot be computed"))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Encoder,
    Pooling,
    Normalize,
    Dropout,
    Other,
}

/// One entry of `modules.json`.
struct Module {
    class: String,
    path: String,
    kind: Kind,
}

impl Module {
    fn all(modules: &Value) -> Result<Vec<Self>, String> {
        let list = modules.as_array().ok_or("it has to be a list of modules")?;
        list.iter().map(Self::read).collect()
    }

    fn read(module: &Value) -> Result<Self, String> {
        let text = |key: &str| {
            let value = module.get(key).and_then(Value::as_str);
            value.ok_or_else(|| format!("a module has no {key}"))
        };
        let (class, path) = (text("type")?, text("path")?);
        if !path.is_empty() && FileName::new(path).is_err() {
            return Err(format!(
                "the path {path:?} of a module is not one folder of this folder"
            ));
        }
        let name = class
            .rsplit('.')
            .next()
            .filter(|_| class.starts_with("sentence_transformers."));
        let kind = match name {
            Some("Transformer" | "RoBERTa") => Kind::Encoder,
            Some("Pooling") => Kind::Pooling,
            Some("Normalize") => Kind::Normalize,
            Some("Dropout") => Kind::Dropout,
            _ => Kind::Other,
        };
        Ok(Self {
            class: class.to_owned(),
            path: path.to_owned(),
            kind,
        })
    }

    fn folder(&self, folder: &Path) -> PathBuf {
        match self.path.as_str() {
            "" => folder.to_owned(),
            path => folder.join(path),
        }
    }

    /// `Normalize` may be told to work on something else than the text's vector.
    fn refuse_other_input(&self, folder: &Path) -> Result<(), HfFolderError> {
        let path = self.folder(folder).join(CONFIG_JSON);
        if self.kind != Kind::Normalize || self.path.is_empty() {
            return Ok(());
        }
        for (key, value) in object(&path)?.unwrap_or_default() {
            let other = ["module_input_name", "module_output_name"].contains(&key.as_str());
            if other && !value.is_null() && value != "sentence_embedding" {
                return Err(unsupported(&path, format!("{key} = {value} cannot be computed")));
            }
        }
        Ok(())
    }
}

fn unsupported(path: &Path, problem: String) -> HfFolderError {
    HfFolderError::Unsupported {
        path: path.to_owned(),
        problem,
    }
}

/// The JSON of a file; none if there is no such file.
pub(crate) fn json(path: &Path) -> Result<Option<Value>, HfFolderError> {
    let path = path.to_owned();
    match read_file(&path, MOST_JSON_BYTES) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(HfFolderError::Read { path, source }),
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(source) => Err(HfFolderError::Json { path, source }),
        },
    }
}

/// As [`json`], for a file that holds an object.
pub(crate) fn object(path: &Path) -> Result<Option<Map<String, Value>>, HfFolderError> {
    match json(path)? {
        None => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(unsupported(
            path,
            "it has to be a JSON object; copy the folder again".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests;

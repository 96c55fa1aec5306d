//! The tensors of a folder, under the names of `RobertaForMaskedLM` whatever they are called there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

use crate::error::HfFolderError;
use crate::weights::{Index, WeightFiles};

/// The tensors that a RoBERTa encoder and its masked-LM head use, read from their files.
#[derive(Debug)]
pub struct ModelTensors {
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
    unknown: Vec<String>,
}

/// Most bytes of a tensor file, which is read whole: 16 billion parameters in f32. A larger model is cut
/// into several files.
const MOST_FILE_BYTES: u64 = 64 << 30;

/// Prefix of the encoder's tensors, which a bare `RobertaModel` leaves out.
const ENCODER_PREFIX: &str = "roberta.";
/// Parts of the model that are not used: the pooler, heads of fine-tuned models and buffers.
const UNUSED: [&str; 8] = [
    "roberta.pooler.",
    "roberta.embeddings.position_ids",
    "roberta.embeddings.token_type_ids",
    "embeddings.position_ids",
    "embeddings.token_type_ids",
    "classifier.",
    "qa_outputs.",
    "pooler.",
];
/// Second names of two tensors: a file may hold either, or both if they are equal.
const TIED: [(&str, &str); 2] = [
    (
        "lm_head.decoder.weight",
        "roberta.embeddings.word_embeddings.weight",
    ),
    ("lm_head.decoder.bias", "lm_head.bias"),
];
/// What `LayerNorm` called its parameters in files of the first BERT.
const OLD_ENDINGS: [(&str, &str); 2] = [("gamma", "weight"), ("beta", "bias")];

impl ModelTensors {
    /// Reads the tensor files of a folder.
    ///
    /// # Errors
    /// [`HfFolderError::Read`], [`HfFolderError::Safetensors`]; [`HfFolderError::Tensor`] for
    /// a tensor that is not of a float type, has values that are not finite, comes twice, is tied to
    /// one that it does not equal, or is not in the file that the index names.
    pub fn read(files: &WeightFiles) -> Result<Self, HfFolderError> {
        let mut read = Self {
            path: PathBuf::new(),
            tensors: BTreeMap::new(),
            unknown: Vec::new(),
        };
        for file in files.files() {
            read.path.clone_from(file);
            read.add_file(files.index.as_ref())?;
        }
        for (alias, name) in TIED {
            read.tie(alias, name)?;
        }
        read.unknown.sort();
        Ok(read)
    }

    /// Adds the tensors of the file `self.path`.
    fn add_file(&mut self, index: Option<&Index>) -> Result<(), HfFolderError> {
        let bytes =
            durable::read_file(&self.path, MOST_FILE_BYTES).map_err(|source| HfFolderError::Read {
                path: self.path.clone(),
                source,
            })?;
        let file = SafeTensors::deserialize(&bytes).map_err(|source| HfFolderError::Safetensors {
            path: self.path.clone(),
            source,
        })?;
        if let Some(index) = index {
            self.check_index(index, &file)?;
        }
        let mut tensors = file.tensors();
        tensors.sort_by(|(left, _), (right, _)| left.cmp(right));
        for (name, view) in tensors {
            self.add(&name, &view)?;
        }
        Ok(())
    }

    /// The file must hold the tensors that the index says, and none that is said of another file.
    fn check_index(&self, index: &Index, file: &SafeTensors<'_>) -> Result<(), HfFolderError> {
        let own = self.path.file_name().unwrap_or_default().to_string_lossy();
        let wrong = |name: &str, what: String| {
            let index = index.path.file_name().unwrap_or_default().to_string_lossy();
            Err(self.problem(name, format!("{what} by {index}; copy the folder again")))
        };
        for (name, said) in &index.file_of {
            if *said == *own && file.tensor(name).is_err() {
                return wrong(name, "is not in this file, where it is".to_owned());
            }
        }
        for name in file.names() {
            match index.file_of.get(name) {
                Some(said) if *said != *own => {
                    return wrong(name, format!("is here and in {said}, which is said"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, view: &TensorView<'_>) -> Result<(), HfFolderError> {
        if is_unused(name) {
            return Ok(());
        }
        let Some(model_name) = model_name(name) else {
            self.unknown.push(name.to_owned());
            return Ok(());
        };
        let tensor = float_tensor(view).map_err(|problem| self.problem(name, problem))?;
        refuse_not_finite(&tensor).map_err(|problem| self.problem(name, problem))?;
        if self.tensors.insert(model_name.clone(), tensor).is_some() {
            let problem = format!("comes twice, as two spellings of {model_name}: leave one of them out");
            return Err(self.problem(name, problem));
        }
        Ok(())
    }

    /// `alias` is another name of `name`.
    fn tie(&mut self, alias: &str, name: &str) -> Result<(), HfFolderError> {
        let Some(tensor) = self.tensors.remove(alias) else {
            return Ok(());
        };
        match self.tensors.get(name) {
            None => {
                self.tensors.insert(name.to_owned(), tensor);
            }
            Some(other) if are_equal(&tensor, other) => {}
            Some(_) => {
                let problem = format!(
                    "differs from {name}, and a model whose decoder is not tied is not supported: \
                     leave out the one that is not the model's"
                );
                return Err(self.problem(alias, problem));
            }
        }
        Ok(())
    }

    /// The tensor of that name of `RobertaForMaskedLM`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// Names of tensors that belong to no part of a RoBERTa that is known here, sorted.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// The first tensor of the encoder or the masked-LM head that is none of a model's.
    pub(crate) fn first_without_place(&self, is_parameter: impl Fn(&str) -> bool) -> Option<&str> {
        self.tensors
            .keys()
            .map(String::as_str)
            .find(|name| !is_parameter(name))
    }

    /// Whether the masked-LM head is there.
    pub fn has_masked_lm_head(&self) -> bool {
        self.tensors.keys().any(|name| name.starts_with("lm_head."))
    }

    pub(crate) fn problem(&self, name: &str, problem: String) -> HfFolderError {
        HfFolderError::Tensor {
            path: self.path.clone(),
            name: name.to_owned(),
            problem,
        }
    }
}

/// Whether the tensor belongs to a part that is left out on purpose.
fn is_unused(name: &str) -> bool {
    UNUSED.iter().any(|unused| name.starts_with(unused))
}

/// The name in `RobertaForMaskedLM` (or a second name of [`TIED`]), or none for a tensor that is no
/// part of one.
fn model_name(name: &str) -> Option<String> {
    let name = with_new_ending(name);
    if name.starts_with(ENCODER_PREFIX) || name.starts_with("lm_head.") {
        return Some(name);
    }
    let bare = name.starts_with("embeddings.") || name.starts_with("encoder.");
    bare.then(|| format!("{ENCODER_PREFIX}{name}"))
}

fn with_new_ending(name: &str) -> String {
    for (old, new) in OLD_ENDINGS {
        for layer_norm in ["LayerNorm.", "layer_norm."] {
            if let Some(stem) = name.strip_suffix(old).filter(|stem| stem.ends_with(layer_norm)) {
                return format!("{stem}{new}");
            }
        }
    }
    name.to_owned()
}

fn are_equal(left: &Tensor, right: &Tensor) -> bool {
    let equal = || {
        let (left, right) = (left.f_to_kind(Kind::Double)?, right.f_to_kind(Kind::Double)?);
        left.f_equal(&right)
    };
    left.size() == right.size() && equal().unwrap_or(false)
}

/// One value that is not a number makes every vector of the model that.
fn refuse_not_finite(tensor: &Tensor) -> Result<(), String> {
    let failed = |error: tch::TchError| format!("cannot be looked through: {error}");
    let count = || -> Result<i64, tch::TchError> {
        let values = match tensor.kind() {
            Kind::Double => tensor.f_to_kind(Kind::Float)?,
            _ => tensor.shallow_clone(),
        };
        let finite = values.f_isfinite()?.f_sum(Kind::Int64)?;
        Ok(i64::try_from(tensor.numel()).unwrap_or(i64::MAX) - finite.f_int64_value(&[])?)
    };
    match count().map_err(failed)? {
        0 => Ok(()),
        bad => Err(format!(
            "has {bad} values that are not finite (NaN, infinite or too large for f32): the model is \
             damaged, copy it again or take an earlier checkpoint"
        )),
    }
}

fn float_tensor(view: &TensorView<'_>) -> Result<Tensor, String> {
    let kind = match view.dtype() {
        Dtype::F64 => Kind::Double,
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        other => {
            return Err(format!(
                "is of type {other:?}; F32, F16, BF16 and F64 can be read"
            ));
        }
    };
    let shape: Vec<i64> = view
        .shape()
        .iter()
        .map(|&size| i64::try_from(size).unwrap_or(i64::MAX))
        .collect();
    Tensor::f_from_data_size(view.data(), &shape, kind).map_err(|error| format!("cannot be loaded: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_the_prefix_mean_the_same() {
        let name = "encoder.layer.0.output.dense.weight";
        let full = format!("roberta.{name}");
        assert_eq!(model_name(name), Some(full.clone()));
        assert_eq!(model_name(&full), Some(full));
        assert_eq!(model_name("lm_head.bias").as_deref(), Some("lm_head.bias"));
    }

    #[test]
    fn layer_norms_of_old_files_have_their_new_names() {
        for (old, new) in [
            (
                "embeddings.LayerNorm.gamma",
                "roberta.embeddings.LayerNorm.weight",
            ),
            (
                "roberta.encoder.layer.0.output.LayerNorm.beta",
                "roberta.encoder.layer.0.output.LayerNorm.bias",
            ),
            ("lm_head.layer_norm.beta", "lm_head.layer_norm.bias"),
            ("lm_head.gamma", "lm_head.gamma"),
        ] {
            assert_eq!(model_name(old).as_deref(), Some(new));
        }
    }

    #[test]
    fn what_the_model_does_not_use_is_left_out() {
        for name in [
            "roberta.pooler.dense.weight",
            "pooler.dense.bias",
            "embeddings.position_ids",
            "roberta.embeddings.position_ids",
            "classifier.dense.weight",
        ] {
            assert!(is_unused(name), "{name}");
        }
        assert!(!is_unused("something.else"));
        assert_eq!(model_name("something.else"), None);
    }
}

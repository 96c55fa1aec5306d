//! The tensors of a `model.safetensors`, under the names of `RobertaForMaskedLM`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

use crate::error::HfFolderError;

/// The tensors that a RoBERTa encoder and its masked-LM head use, read from a file.
#[derive(Debug)]
pub struct ModelTensors {
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
    unknown: Vec<String>,
}

/// Prefix of the encoder's tensors, which a bare `RobertaModel` leaves out.
const ENCODER_PREFIX: &str = "roberta.";
/// Parts of the model that are not used: the pooler, heads of fine-tuned models, buffers,
/// and the decoder, which is tied to the word embeddings.
const UNUSED: [&str; 9] = [
    "roberta.pooler.",
    "roberta.embeddings.position_ids",
    "roberta.embeddings.token_type_ids",
    "embeddings.position_ids",
    "embeddings.token_type_ids",
    "lm_head.decoder.",
    "classifier.",
    "qa_outputs.",
    "pooler.",
];

impl ModelTensors {
    /// Reads a safetensors file.
    ///
    /// # Errors
    /// [`HfFolderError::Read`], [`HfFolderError::Safetensors`]; [`HfFolderError::Tensor`] for
    /// a tensor that is not of a float type or comes twice.
    pub fn read(path: &Path) -> Result<Self, HfFolderError> {
        let bytes = std::fs::read(path).map_err(|source| HfFolderError::Read {
            path: path.to_owned(),
            source,
        })?;
        let file = SafeTensors::deserialize(&bytes).map_err(|source| HfFolderError::Safetensors {
            path: path.to_owned(),
            source,
        })?;
        let mut read = Self {
            path: path.to_owned(),
            tensors: BTreeMap::new(),
            unknown: Vec::new(),
        };
        for (name, view) in file.tensors() {
            if is_unused(&name) {
                continue;
            }
            let Some(model_name) = model_name(&name) else {
                read.unknown.push(name);
                continue;
            };
            let tensor = float_tensor(&view).map_err(|problem| read.problem(&name, problem))?;
            if read.tensors.insert(model_name, tensor).is_some() {
                return Err(read.problem(&name, "comes with and without the prefix \"roberta.\"".to_owned()));
            }
        }
        read.unknown.sort();
        Ok(read)
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

/// The name in `RobertaForMaskedLM`, or none for a tensor that is no part of one.
fn model_name(name: &str) -> Option<String> {
    if name.starts_with(ENCODER_PREFIX) || name.starts_with("lm_head.") {
        return Some(name.to_owned());
    }
    let bare = name.starts_with("embeddings.") || name.starts_with("encoder.");
    bare.then(|| format!("{ENCODER_PREFIX}{name}"))
}

fn float_tensor(view: &safetensors::tensor::TensorView<'_>) -> Result<Tensor, String> {
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
    fn what_the_model_does_not_use_is_left_out() {
        for name in [
            "roberta.pooler.dense.weight",
            "pooler.dense.bias",
            "embeddings.position_ids",
            "roberta.embeddings.position_ids",
            "lm_head.decoder.weight",
            "classifier.dense.weight",
        ] {
            assert!(is_unused(name), "{name}");
        }
        assert!(!is_unused("something.else"));
        assert_eq!(model_name("something.else"), None);
    }
}

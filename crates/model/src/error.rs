//! The crate's error type.

use torch_native::TorchError;

/// What can go wrong when a model is configured, filled or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A configuration that no model can have; every problem is listed, one a line, each
    /// beginning with its key.
    #[error("the model's configuration is wrong:\n{}", problems.join("\n"))]
    Config {
        /// The problems.
        problems: Vec<String>,
    },
    /// `config.json` is not JSON, or a field has the wrong type.
    #[error("config.json cannot be read; write it as transformers does for RobertaForMaskedLM")]
    ConfigJson(#[source] serde_json::Error),
    /// A tensor that the model needs is not there.
    #[error("the tensor {name} is missing; the file is not a RobertaForMaskedLM of this configuration")]
    MissingTensor {
        /// Hugging Face name.
        name: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("the tensor {name} has shape {found:?}, but the configuration needs {expected:?}")]
    TensorShape {
        /// Hugging Face name.
        name: String,
        /// Shape by the configuration.
        expected: Vec<i64>,
        /// Shape of the tensor given.
        found: Vec<i64>,
    },
    /// A flat buffer of another length than the model's.
    #[error("a flat buffer holds {found} elements, but the model's holds {expected}")]
    FlatLength {
        /// The model's number of elements.
        expected: usize,
        /// The buffer's number of elements.
        found: usize,
    },
    /// A micro-batch whose slices do not fit together or the configuration.
    #[error("micro-batch: {what} at index {index} is {value}, but it must be {expected}")]
    Batch {
        /// Which slice or number.
        what: &'static str,
        /// Where in it.
        index: usize,
        /// What stands there.
        value: i64,
        /// What would be right.
        expected: String,
    },
    /// libtorch could not get the memory that the model or a pass needs.
    #[error("out of memory; lower training.micro_batch_size, data.sequence_length or the sizes of [model]")]
    OutOfMemory(#[source] TorchError),
    /// A libtorch operation failed.
    #[error("the model failed in libtorch")]
    Torch(#[source] TorchError),
}

impl From<TorchError> for ModelError {
    fn from(error: TorchError) -> Self {
        // The texts of libtorch's CPU and CUDA allocators; it has no error code for it.
        let text = error.to_string();
        let is_memory = text.contains("can't allocate memory") || text.contains("out of memory");
        if is_memory {
            Self::OutOfMemory(error)
        } else {
            Self::Torch(error)
        }
    }
}

impl From<tch::TchError> for ModelError {
    fn from(error: tch::TchError) -> Self {
        TorchError::from(error).into()
    }
}

//! Why a Hugging Face folder cannot be written or read.

use std::path::PathBuf;

use checkpoint::CheckpointError;
use durable::DurableError;
use model::ModelError;
use tokenizer::TokenizerError;

/// What is wrong with a folder, a checkpoint or one of their files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HfFolderError {
    /// A file that the folder needs is not there.
    #[error("{folder} has no {file}: {way_out}")]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The file that lacks.
        file: &'static str,
        /// What to do.
        way_out: &'static str,
    },
    /// The folder is a run of training, or a checkpoint of one.
    #[error("{folder} is {what}, not a model's folder; write one with `{command}` and give that")]
    TrainingState {
        /// The folder.
        folder: PathBuf,
        /// What it is instead.
        what: &'static str,
        /// The command that writes a model's folder from it.
        command: String,
    },
    /// A file cannot be read.
    #[error("cannot read {path}; check that it exists and that you may read it")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A JSON file holds something else.
    #[error("{path} is not the JSON that is expected; copy the folder again")]
    Json {
        /// The file.
        path: PathBuf,
        /// Place and reason.
        #[source]
        source: serde_json::Error,
    },
    /// `config.json` describes a model that is not supported.
    #[error("{path} describes a model that cannot be used")]
    Config {
        /// The file.
        path: PathBuf,
        /// Which keys, and why.
        #[source]
        source: ModelError,
    },
    /// A tensor file is damaged or holds something else.
    #[error("{path} is not a whole safetensors file; copy or export it again")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// The weights are pickled, which only Python reads.
    #[error(
        "the weights of {folder} are in {file}. Opening it can run code, so tenk does not read it; \
         convert it once:\n{command}"
    )]
    Pickled {
        /// The folder.
        folder: PathBuf,
        /// The pickled file.
        file: &'static str,
        /// The shell line that writes `model.safetensors`.
        command: String,
    },
    /// A file asks for something that is not computed here.
    #[error("{path}: {problem}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it asks for, and the way out.
        problem: String,
    },
    /// A tensor cannot be used.
    #[error("{path}: tensor {name} {problem}")]
    Tensor {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The tokenizer has ids that the model lacks.
    #[error(
        "{folder}: the tokenizer has {tokenizer} tokens, but config.json says vocab_size = {model}: \
         they belong to different models"
    )]
    Vocabulary {
        /// The folder.
        folder: PathBuf,
        /// Size of the tokenizer's vocabulary.
        tokenizer: usize,
        /// Size of the model's.
        model: usize,
    },
    /// A special token has one id in the tokenizer and another in the configuration.
    #[error(
        "{folder}: {key} is {model} in config.json and {tokenizer} in the tokenizer: they belong to different models"
    )]
    SpecialToken {
        /// The folder.
        folder: PathBuf,
        /// Key of `config.json`.
        key: &'static str,
        /// The tokenizer's id.
        tokenizer: u32,
        /// The configuration's id.
        model: u32,
    },
    /// The checkpoint was trained with another tokenizer.
    #[error(
        "the checkpoint was trained with tokenizer {checkpoint}, but the given one is {given}: \
         use --tokenizer DIR to name the folder that the corpus was built with"
    )]
    OtherTokenizer {
        /// Hash in the checkpoint.
        checkpoint: String,
        /// Hash of the tokenizer that was given.
        given: String,
    },
    /// `trainer.json` lacks a field.
    #[error("{checkpoint}: trainer.json has no usable {field}; was it written by another version of tenk?")]
    TrainerState {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// The field.
        field: &'static str,
    },
    /// The checkpoint belongs to a control experiment.
    #[error(
        "{checkpoint} was trained with its attention outputs permuted over positions (a control \
         experiment): it is not a RoBERTa, so it is not exported"
    )]
    ControlExperiment {
        /// The checkpoint.
        checkpoint: PathBuf,
    },
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The model refuses the tensors.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tokenizer's files cannot be read or made.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The folder cannot be written.
    #[error(transparent)]
    Durable(#[from] DurableError),
}

//! Why texts cannot be embedded.

use hf_folder::HfFolderError;
use model::ModelError;

/// What is wrong with a folder, a text or the computation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddingError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] HfFolderError),
    /// The folder's tokenizer cannot encode a text.
    #[error(transparent)]
    Tokenizer(#[from] tokenizer::TokenizerError),
    /// The model refuses its input.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A libtorch operation failed.
    #[error("libtorch failed while embedding; if memory ran out, embed fewer tokens a batch")]
    Torch(#[from] tch::TchError),
    /// The folder has no masked-LM head.
    #[error(
        "{folder} has no masked-LM head (lm_head.*): this model cannot fill in words, but it can embed texts"
    )]
    NoMaskedLmHead {
        /// The folder.
        folder: std::path::PathBuf,
    },
    /// The folder's tokenizer has no mask token.
    #[error(
        "the tokenizer of {folder} has no mask token: this model cannot fill in words, but it can embed texts"
    )]
    NoMaskToken {
        /// The folder.
        folder: std::path::PathBuf,
    },
    /// A text without a mask to fill.
    #[error("text {text_index} (counted from 0) has no <mask> within its first {max_sequence_length} tokens")]
    NoMask {
        /// Which of the texts.
        text_index: usize,
        /// Longest sequence of the model.
        max_sequence_length: usize,
    },
    /// bf16 on a processor without instructions for it.
    #[error(
        "this processor has no bf16 instructions, and bf16 would be a hundred times slower than f32: \
         use precision f32, or auto, which uses bf16 only where it is fast"
    )]
    SlowPrecision,
    /// More threads than libtorch takes, or none.
    #[error("{threads} threads cannot be used: give a number from 1 to 1024")]
    Threads {
        /// The number given.
        threads: usize,
    },
}

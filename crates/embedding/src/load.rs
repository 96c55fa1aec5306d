//! Opens a folder for embedding.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hf_folder::{HfModel, Pooling, SentenceModules, TextDates, WeightFiles};
use model::{Precision, RobertaConfig, RobertaForMaskedLm};
use tch::Device;
use tokenizer::Tokenizer;

use crate::error::EmbeddingError;
use crate::precision::{self, PrecisionChoice};
use crate::sequence::Sequencer;

/// A model that is ready to embed, on the CPU.
#[derive(Debug)]
pub struct EmbeddingModel {
    pub(crate) folder: PathBuf,
    pub(crate) model: RobertaForMaskedLm,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) max_sequence_length: usize,
    pub(crate) has_masked_lm_head: bool,
    pub(crate) pooling: Pooling,
    pub(crate) sentence: SentenceModules,
    weights: WeightFiles,
    notes: Vec<String>,
    unknown_tensors: Vec<String>,
    text_dates: Option<TextDates>,
}

const MAX_THREADS: usize = 1024;

impl EmbeddingModel {
    /// Opens any Hugging Face folder with a RoBERTa encoder and lets libtorch use `threads`
    /// threads, in all of the process. Vectors are made as the folder says, with `pooling` instead of
    /// its own where one is given.
    ///
    /// # Errors
    /// [`EmbeddingError::Folder`] where the folder is incomplete or holds another model;
    /// [`EmbeddingError::Threads`] for a number of threads that makes no sense;
    /// [`EmbeddingError::SlowPrecision`] for a precision that the processor lacks.
    pub fn open(
        folder: &Path,
        threads: usize,
        precision: PrecisionChoice,
        pooling: Option<Pooling>,
    ) -> Result<Self, EmbeddingError> {
        Self::open_in(folder, threads, precision.decide()?, pooling)
    }

    /// Whether there is such a folder, by its small files alone.
    ///
    /// # Errors
    /// [`EmbeddingError::Folder`].
    pub fn check(folder: &Path) -> Result<(), EmbeddingError> {
        Ok(HfModel::check(folder)?)
    }

    pub(crate) fn open_in(
        folder: &Path,
        threads: usize,
        precision: Precision,
        pooling: Option<Pooling>,
    ) -> Result<Self, EmbeddingError> {
        let num_threads = i32::try_from(threads)
            .ok()
            .filter(|_| (1..=MAX_THREADS).contains(&threads));
        tch::set_num_threads(num_threads.ok_or(EmbeddingError::Threads { threads })?);
        let opened = HfModel::open(folder)?;
        let pooling = match pooling {
            Some(chosen) => chosen,
            None => opened.sentence.pooling()?.clone(),
        };
        let model = opened.build(precision, Device::Cpu)?;
        let tokenizer_notes = opened.tokenizer.notes().to_vec();
        Ok(Self {
            text_dates: TextDates::read(folder)?,
            folder: opened.folder,
            model,
            has_masked_lm_head: opened.tensors.has_masked_lm_head(),
            unknown_tensors: opened.tensors.unknown().to_vec(),
            tokenizer: Arc::new(opened.tokenizer),
            max_sequence_length: opened.max_sequence_length,
            pooling,
            sentence: opened.sentence,
            weights: opened.weights,
            notes: opened.notes.into_iter().chain(tokenizer_notes).collect(),
        })
    }

    /// The model's configuration.
    pub fn config(&self) -> &RobertaConfig {
        self.model.config()
    }

    /// The folder that it was opened from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `f32` or `bf16`.
    pub fn precision(&self) -> &'static str {
        precision::name(self.model.precision())
    }

    /// Up to which day model and tokenizer have seen text, as the folder records it; `None` where it
    /// does not, as folders of others.
    pub fn text_dates(&self) -> Option<&TextDates> {
        self.text_dates.as_ref()
    }

    /// Makes the sequences of this model in any thread.
    pub fn sequencer(&self) -> Sequencer {
        Sequencer::new(
            Arc::clone(&self.tokenizer),
            self.max_sequence_length,
            &self.sentence,
        )
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Names of tensors in the folder that are no part of the encoder or its masked-LM head, such
    /// as the head of a fine-tuned model: they have no part in the vectors.
    pub fn unknown_tensors(&self) -> &[String] {
        &self.unknown_tensors
    }

    /// Length of a vector.
    pub fn dimension(&self) -> usize {
        self.config().hidden_size * self.pooling.modes().len()
    }

    /// How tokens become a vector.
    pub fn pooling(&self) -> &Pooling {
        &self.pooling
    }

    /// What the folder says about texts before the encoder and vectors after it.
    pub fn sentence(&self) -> &SentenceModules {
        &self.sentence
    }

    /// What a user should hear once about the folder's files.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// SHA-256 in hex of the tensors' files.
    ///
    /// # Errors
    /// [`EmbeddingError::Folder`] where they cannot be read any more.
    pub fn weights_sha256(&self) -> Result<String, EmbeddingError> {
        Ok(self.weights.sha256()?)
    }

    /// Tokens of the longest sequence, `<s>` and `</s>` included; longer texts are cut.
    pub fn max_sequence_length(&self) -> usize {
        self.max_sequence_length
    }
}

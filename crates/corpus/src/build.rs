//! From documents to shards: the pipeline, and the manifest that describes its result.
//!
//! Two passes: documents become tokens in a spool on disk, then the spool is written out in the
//! order of the shards. In memory stays a fixed 48 bytes a document. The bytes of the result
//! depend on the documents, the tokenizer and the options, not on threads or order.

use std::path::{Path, PathBuf};

use durable::{DISK, StagedDir, commit_dir};
use shards::{Corpus, Manifest, Packing, PackingMode, packing_name};
use tokenizer::Tokenizer;

use crate::describe::describe;
use crate::error::CorpusError;
use crate::place::{Placement, place_documents};
use crate::progress::Progress;
use crate::shard_files::write_files;
use crate::split::refuse_fraction;
use crate::tokenise::tokenise_documents;
use crate::tokenizer_sample::MODEL_MAX_LENGTH;
use crate::workplace::{Workplace, worker_threads};

/// Where a corpus keeps the tokenizer that it was built with.
pub(crate) const TOKENIZER_FOLDER: &str = "tokenizer";

/// Five digits of a shard's number in its file name.
const MOST_SHARDS: u32 = 99_999;

/// What to build and where.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The documents folder.
    pub docs: PathBuf,
    /// The tokenizer folder.
    pub tokenizer: PathBuf,
    /// The corpus folder to make.
    pub out: PathBuf,
    /// How many shards.
    pub num_shards: u32,
    /// Share of the filers that is held out.
    pub held_out_fraction: f64,
    /// Packing indices to write with it.
    pub packings: Vec<PackingChoice>,
    /// Worker threads; 0 means one a core.
    pub threads: usize,
}

/// A packing index: how blocks are put into sequences, and how long those are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackingChoice {
    /// How.
    pub mode: PackingMode,
    /// Sequence length in tokens, `<s>` and `</s>` included.
    pub max_length: u32,
}

impl std::str::FromStr for PackingChoice {
    type Err = String;

    /// Reads `full-sentences:512`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = || format!("{text} is not MODE:LENGTH; give for example full-sentences:512");
        let (mode, length) = text.split_once(':').ok_or_else(expected)?;
        if mode != PackingMode::FullSentences.name() {
            return Err(format!("there is no packing mode {mode}; there is full-sentences"));
        }
        let max_length = length.parse().ok().filter(|length| *length >= 3).ok_or_else(expected)?;
        Ok(Self { mode: PackingMode::FullSentences, max_length })
    }
}

/// Builds a corpus folder from a documents folder, whole or not at all.
///
/// # Errors
/// When the documents, the tokenizer or the options do not fit, when nothing is left to train on,
/// when the folder exists or is being built, or when it cannot be written.
pub fn build_shards(options: &BuildOptions, progress: &dyn Progress) -> Result<Manifest, CorpusError> {
    options.check()?;
    let tokenizer = Tokenizer::open(&options.tokenizer)?;
    let workplace = Workplace::enter(&options.out, "tenk-corpus build")?;
    let (pool, spool) = (worker_threads(options.threads)?, workplace.scratch("spool")?);
    let mut tokenised = tokenise_documents(&options.docs, &tokenizer, &spool, &pool, progress)?;
    let filers = std::mem::take(&mut tokenised.filers);
    let placement = place_documents(&tokenised.documents, filers, options.held_out_fraction, options.num_shards)?;
    refuse_nothing_to_train_on(&placement, options)?;
    commit_dir(&DISK, &options.out, |staged: &StagedDir<'_>| {
        let files = write_files(staged, &tokenised, &placement, &pool, progress)?;
        copy_tokenizer(staged, &tokenizer)?;
        describe(options, &tokenizer, &tokenised, &placement, files)?.write(staged.storage(), staged.path())?;
        write_packings(staged, &options.packings)
    })?;
    Ok(Manifest::read(&options.out)?)
}

impl BuildOptions {
    fn check(&self) -> Result<(), CorpusError> {
        if !(1..=MOST_SHARDS).contains(&self.num_shards) {
            return Err(CorpusError::NumShards { found: self.num_shards });
        }
        refuse_fraction(self.held_out_fraction)
    }
}

fn refuse_nothing_to_train_on(placement: &Placement, options: &BuildOptions) -> Result<(), CorpusError> {
    if placement.largest_document_tokens == 0 {
        return Err(CorpusError::NothingToTrainOn { docs: options.docs.clone() });
    }
    Ok(())
}

fn copy_tokenizer(staged: &StagedDir<'_>, tokenizer: &Tokenizer) -> Result<(), CorpusError> {
    staged.create_dir(TOKENIZER_FOLDER)?;
    for (name, content) in tokenizer.files(MODEL_MAX_LENGTH)? {
        staged.write_file(Path::new(TOKENIZER_FOLDER).join(name), |file| file.write_all(&content))?;
    }
    Ok(())
}

fn write_packings(staged: &StagedDir<'_>, packings: &[PackingChoice]) -> Result<(), CorpusError> {
    if packings.is_empty() {
        return Ok(());
    }
    let corpus = Corpus::open(staged.path())?;
    for choice in packings {
        let path = staged.path().join(packing_name(choice.mode, choice.max_length));
        Packing::build(&corpus, choice.mode, choice.max_length)?.write(staged.storage(), &path)?;
    }
    Ok(())
}

//! From documents to shards: the pipeline, and the manifest that describes its result.
//!
//! Two passes: documents become tokens on disk, segment by segment, then these are written out in
//! the order of the shards. A killed build goes on with the segments that it has. The bytes of
//! the result depend on the documents, the tokenizer and the options: not on threads, on the
//! order of documents, on parts or on kills.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use documents::Progress;
use durable::{DISK, FileName, StagedDir, commit_dir};
use shards::{Corpus, Manifest, Packing, PackingMode, TOKENIZER_FOLDER, packing_name};
use tokenizer::Tokenizer;

use crate::describe::{Assembled, describe, refuse_later_tokenizer};
use crate::dropped::DropReason;
use crate::duplicates::{DuplicateRule, DuplicateSearch, drop_duplicates};
use crate::error::CorpusError;
use crate::exclude::Excluded;
use crate::place::{Placement, place_documents};
use crate::scratch::Trust;
use crate::segments::{Part, PartReport};
use crate::shard_files::write_files;
use crate::split::refuse_fraction;
use crate::spool::Segment;
use crate::tokenise::TokeniseJob;
use crate::tokenised::Tokenised;
use crate::tokenizer_sample::MODEL_MAX_LENGTH;
use crate::window::DateWindow;
use crate::workplace::{Workplace, parts_folder, worker_threads};

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
    /// Which days documents may have.
    pub window: DateWindow,
    /// Which documents are duplicates and leave; `None` keeps all.
    pub duplicates: Option<DuplicateRule>,
    /// A file of document ids to leave out, one a line.
    pub exclude: Option<PathBuf>,
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
        let mode = PackingMode::from_name(mode).ok_or_else(|| {
            let known = PackingMode::ALL.map(PackingMode::name).join(", ");
            format!("there is no packing mode {mode}; there are {known}")
        })?;
        let max_length = length
            .parse()
            .ok()
            .filter(|length| *length >= 3)
            .ok_or_else(expected)?;
        Ok(Self { mode, max_length })
    }
}

/// Builds a corpus folder from a documents folder, whole or not at all. After a kill the same call
/// goes on where it was.
///
/// # Errors
/// When the documents, the tokenizer or the options do not fit, when nothing is left to train on,
/// when the folder exists or is being built, or when it cannot be written.
pub fn build_shards(options: &BuildOptions, progress: &dyn Progress) -> Result<Manifest, CorpusError> {
    let tokenizer = options.open_tokenizer(progress)?;
    let workplace = Workplace::enter(&options.out, "tenk-corpus build")?;
    let pool = worker_threads(options.threads)?;
    let job = TokeniseJob::new(&options.docs, &tokenizer, options.window, workplace.segments())?;
    job.run(Part::WHOLE, &pool, progress)?;
    let segments = job.open_all(Trust::Known)?;
    let made = assemble(options, (&job, segments), &workplace, &pool, progress);
    workplace.leave(made)
}

/// Does a part of the first pass of a build, on one of several machines, and keeps it in the
/// folder `OUT.parts` beside the output. After a kill the same call goes on where it was.
///
/// # Errors
/// As [`build_shards`], or when this part is being built already.
pub fn build_part(
    options: &BuildOptions,
    part: Part,
    progress: &dyn Progress,
) -> Result<PartReport, CorpusError> {
    let tokenizer = options.open_tokenizer(progress)?;
    let folder = parts_folder(&options.out)?;
    let _workplace = Workplace::enter_part(&options.out, part, "tenk-corpus build --part")?;
    let pool = worker_threads(options.threads)?;
    let job = TokeniseJob::new(&options.docs, &tokenizer, options.window, folder.clone())?;
    job.run(part, &pool, progress)?;
    let (segments, all_segments) = job.num_segments(part);
    Ok(PartReport {
        part: part.to_string(),
        folder,
        segments,
        all_segments,
        undivided: Vec::new(),
    })
}

/// Makes the corpus of all parts, the same that [`build_shards`] makes. `OUT.parts` stays.
///
/// # Errors
/// [`CorpusError::MissingParts`], or as [`build_shards`].
pub fn merge_parts(options: &BuildOptions, progress: &dyn Progress) -> Result<Manifest, CorpusError> {
    let tokenizer = options.open_tokenizer(progress)?;
    let workplace = Workplace::enter(&options.out, "tenk-corpus build --merge")?;
    let pool = worker_threads(options.threads)?;
    let parts = parts_folder(&options.out)?;
    let job = TokeniseJob::new(&options.docs, &tokenizer, options.window, parts)?;
    let segments = job.open_all(Trust::Found)?;
    let made = assemble(options, (&job, segments), &workplace, &pool, progress);
    workplace.leave(made)
}

/// The second pass: from all segments to the corpus folder.
fn assemble(
    options: &BuildOptions,
    (job, segments): (&TokeniseJob<'_>, Vec<Segment>),
    workplace: &Workplace,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<Manifest, CorpusError> {
    let excluded = Excluded::read(options.exclude.as_deref())?;
    let tokenizer = job.tokenizer;
    let (mut tokenised, filers) = Tokenised::gather(segments, job.width, options.window, &options.docs)?;
    let held_out = filers.hold_out(options.held_out_fraction)?;
    let unknown_ids = excluded.len() - num_excluded(&tokenised, &excluded);
    if let Some(rule) = options.duplicates {
        let search = DuplicateSearch {
            rule,
            tokenizer,
            workplace,
            pool,
            progress,
        };
        drop_duplicates(&mut tokenised, &held_out, &search)?;
    }
    tokenised.sort();
    let mut placement = place_documents(&tokenised, &held_out, options.window, options.num_shards);
    drop(held_out);
    // Last, so that all others are where they would be with them.
    for _ in 0..num_excluded(&tokenised, &excluded) {
        tokenised.dropped.add(DropReason::Excluded);
    }
    placement.leave_out(&tokenised, |document| excluded.contains(document.id_hash()));
    refuse_nothing_to_train_on(&placement, options)?;
    commit_dir(&DISK, &options.out, |staged: &StagedDir<'_>| {
        let files = write_files(staged, &tokenised, &placement, pool, progress)?;
        let tokenizer_files = copy_tokenizer(staged, tokenizer)?;
        let assembled = Assembled {
            tokenised: &tokenised,
            placement: &placement,
            files,
            tokenizer_files,
            unknown_ids,
        };
        describe(options, tokenizer, assembled)?.write(staged.storage(), staged.path())?;
        write_packings(staged, &options.packings)
    })?;
    Ok(Manifest::read(&options.out)?)
}

fn num_excluded(tokenised: &Tokenised, excluded: &Excluded) -> u64 {
    let documents = tokenised.documents.iter();
    documents
        .filter(|document| excluded.contains(document.id_hash()))
        .count() as u64
}

impl BuildOptions {
    /// [`Self::check`], and tells what is to be known of the tokenizer.
    fn open_tokenizer(&self, progress: &dyn Progress) -> Result<Tokenizer, CorpusError> {
        let tokenizer = self.check()?;
        for note in tokenizer.notes() {
            progress.note(&format!("{}: {note}", self.tokenizer.display()));
        }
        Ok(tokenizer)
    }

    /// Refuses what cannot be, before any work; opens the tokenizer.
    fn check(&self) -> Result<Tokenizer, CorpusError> {
        if !(1..=MOST_SHARDS).contains(&self.num_shards) {
            return Err(CorpusError::NumShards {
                found: self.num_shards,
            });
        }
        refuse_fraction(self.held_out_fraction)?;
        self.window.check()?;
        self.duplicates.map_or(Ok(()), |rule| rule.check())?;
        Excluded::read(self.exclude.as_deref())?;
        let tokenizer = Tokenizer::open(&self.tokenizer)?;
        refuse_later_tokenizer(&self.tokenizer, self.window)?;
        Ok(tokenizer)
    }
}

fn refuse_nothing_to_train_on(placement: &Placement, options: &BuildOptions) -> Result<(), CorpusError> {
    if placement.largest_document_tokens == 0 {
        return Err(CorpusError::NothingToTrainOn {
            docs: options.docs.clone(),
        });
    }
    Ok(())
}

/// Writes the tokenizer's files; returns the hash of each by name.
fn copy_tokenizer(
    staged: &StagedDir<'_>,
    tokenizer: &Tokenizer,
) -> Result<BTreeMap<FileName, String>, CorpusError> {
    staged.create_dir(TOKENIZER_FOLDER)?;
    let mut hashes = BTreeMap::new();
    for (name, content) in tokenizer.files(MODEL_MAX_LENGTH)? {
        staged.write_file(Path::new(TOKENIZER_FOLDER).join(name), |file| {
            file.write_all(&content)
        })?;
        hashes.insert(FileName::new(name)?, durable::sha256_hex(&content));
    }
    Ok(hashes)
}

fn write_packings(staged: &StagedDir<'_>, packings: &[PackingChoice]) -> Result<(), CorpusError> {
    if packings.is_empty() {
        return Ok(());
    }
    let corpus = Corpus::open(staged.path())?;
    for choice in packings {
        let path = staged.path().join(packing_name(choice.mode, choice.max_length));
        let choice = (choice.mode, choice.max_length);
        Packing::write(staged.storage(), &corpus, choice, &path)?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;

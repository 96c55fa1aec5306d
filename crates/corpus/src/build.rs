//! From documents to shards: the pipeline, and the manifest that describes its result.
//!
//! Two passes: documents become tokens on disk, segment by segment, then these are written out in
//! the order of the shards. A killed build goes on with the segments that it has. The bytes of
//! the result depend on the documents, the tokenizer and the options: not on threads, on the
//! order of documents, on parts or on kills.

mod assign;
pub(crate) mod duplicate_rule;
mod duplicates;
mod fingerprint;
mod manifest;
mod minhash;
pub(crate) mod options;
mod place;
mod shard_files;
mod spool;
mod token_store;
mod tokenize_pass;

use std::collections::BTreeMap;
use std::path::Path;

use documents::Progress;
use durable::{DISK, FileName, StagedDir, commit_dir};
use shards::{Corpus, Manifest, Packing, TOKENIZER_FOLDER, packing_name};
use tokenizer::Tokenizer;

use crate::build::duplicates::{DuplicateSearch, drop_duplicates};
use crate::build::manifest::{Assembled, describe, refuse_later_tokenizer};
use crate::build::options::{BuildOptions, PackingChoice};
use crate::build::place::{Placement, place_documents};
use crate::build::shard_files::write_files;
use crate::build::spool::Segment;
use crate::build::token_store::TokenStore;
use crate::build::tokenize_pass::TokenizeJob;
use crate::error::CorpusError;
use crate::selection::drop_reason::DropReason;
use crate::selection::exclude::Excluded;
use crate::selection::held_out::refuse_fraction;
use crate::tokenizer_sample::MODEL_MAX_LENGTH;
use crate::work::scratch::Trust;
use crate::work::segments::{Part, PartReport};
use crate::work::threads::worker_threads;
use crate::work::work_dir::{WorkDir, parts_folder};

/// Five digits of a shard's number in its file name.
const MOST_SHARDS: u32 = 99_999;

/// Builds a corpus folder from a documents folder, whole or not at all. After a kill the same call
/// goes on where it was.
///
/// # Errors
/// When the documents, the tokenizer or the options do not fit, when nothing is left to train on,
/// when the folder exists or is being built, or when it cannot be written.
pub fn build_shards(options: &BuildOptions, progress: &dyn Progress) -> Result<Manifest, CorpusError> {
    let tokenizer = open_tokenizer(options, progress)?;
    let work_dir = WorkDir::enter(&options.out, "tenk-corpus build")?;
    let pool = worker_threads(options.threads)?;
    let job = TokenizeJob::new(options, &tokenizer, work_dir.segments())?;
    job.run(Part::WHOLE, &pool, progress)?;
    let segments = job.open_all(Trust::Known)?;
    let made = assemble(options, (&job, segments), &work_dir, &pool, progress);
    work_dir.leave(made)
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
    let tokenizer = open_tokenizer(options, progress)?;
    let folder = parts_folder(&options.out)?;
    let _work_dir = WorkDir::enter_part(&options.out, part, "tenk-corpus build --part")?;
    let pool = worker_threads(options.threads)?;
    let job = TokenizeJob::new(options, &tokenizer, folder.clone())?;
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
    let tokenizer = open_tokenizer(options, progress)?;
    let work_dir = WorkDir::enter(&options.out, "tenk-corpus build --merge")?;
    let pool = worker_threads(options.threads)?;
    let parts = parts_folder(&options.out)?;
    let job = TokenizeJob::new(options, &tokenizer, parts)?;
    let segments = job.open_all(Trust::Found)?;
    let made = assemble(options, (&job, segments), &work_dir, &pool, progress);
    work_dir.leave(made)
}

/// The second pass: from all segments to the corpus folder.
fn assemble(
    options: &BuildOptions,
    (job, segments): (&TokenizeJob<'_>, Vec<Segment>),
    work_dir: &WorkDir,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<Manifest, CorpusError> {
    let excluded = Excluded::read(options.exclude.as_deref())?;
    let tokenizer = job.tokenizer;
    let (mut store, filers) = TokenStore::gather(segments, job.width, options.window, &options.docs)?;
    let held_out = filers.hold_out(options.held_out_fraction)?;
    let unknown_ids = excluded.len() - num_excluded(&store, &excluded);
    if let Some(rule) = options.duplicates {
        let search = DuplicateSearch {
            rule,
            tokenizer,
            work_dir,
            pool,
            progress,
        };
        drop_duplicates(&mut store, &held_out, &search)?;
    }
    store.sort();
    let mut placement = place_documents(&store, &held_out, options.window, options.num_shards);
    drop(held_out);
    // Last, so that all others are where they would be with them.
    for _ in 0..num_excluded(&store, &excluded) {
        store.dropped.add(DropReason::Excluded);
    }
    placement.leave_out(&store, |document| excluded.contains(document.id_hash()));
    refuse_nothing_to_train_on(&placement, options)?;
    commit_dir(&DISK, &options.out, |staged: &StagedDir<'_>| {
        let files = write_files(staged, &store, &placement, pool, progress)?;
        let tokenizer_files = copy_tokenizer(staged, tokenizer)?;
        let assembled = Assembled {
            store: &store,
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

fn num_excluded(store: &TokenStore, excluded: &Excluded) -> u64 {
    let documents = store.documents.iter();
    documents
        .filter(|document| excluded.contains(document.id_hash()))
        .count() as u64
}

/// Refuses what cannot be, before any work; opens the tokenizer and tells what is to be known of it.
fn open_tokenizer(options: &BuildOptions, progress: &dyn Progress) -> Result<Tokenizer, CorpusError> {
    if !(1..=MOST_SHARDS).contains(&options.num_shards) {
        return Err(CorpusError::NumShards {
            found: options.num_shards,
        });
    }
    refuse_fraction(options.held_out_fraction)?;
    options.window.check()?;
    options.duplicates.map_or(Ok(()), |rule| rule.check())?;
    Excluded::read(options.exclude.as_deref())?;
    options.subset.of_folder(&options.docs)?;
    let tokenizer = Tokenizer::open(&options.tokenizer)?;
    refuse_later_tokenizer(&options.tokenizer, options.window)?;
    for note in tokenizer.notes() {
        progress.note(&format!("{}: {note}", options.tokenizer.display()));
    }
    Ok(tokenizer)
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

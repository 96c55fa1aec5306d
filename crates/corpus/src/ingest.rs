//! From the inputs of all sources to a documents folder. It finds no text itself: the readers do.
//!
//! Two passes: inputs become entries on disk, segment by segment, then these are written out as
//! documents files, all but those whose id was there before. A killed command goes on with the
//! segments that it has. The bytes of the result depend on the inputs and the options: not on
//! threads, on parts or on kills; memory does not grow with what the inputs hold.

mod inputs;
mod job;
mod piece_file;
mod read;
mod repeats;
mod source_names;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use documents::{DocsManifest, DocsWriter, LeftOut, Progress};
use durable::{DISK, StagedDir, commit_dir};
use edgar::Exhibits;

use crate::error::CorpusError;
use crate::sources::Source;
use crate::work::scratch::Trust;
use crate::work::segments::{Part, PartReport};
use crate::work::threads::worker_threads;
use crate::work::work_dir::{WorkDir, parts_folder};
use inputs::{Input, find_inputs};
use job::Job;
use piece_file::{Entry, PieceReader, StoredDocument};
use read::read_part;
use repeats::{Repeat, Repeats};
use source_names::SourceNames;

/// Entries that are read ahead while others are written.
const AHEAD_BYTES: usize = 1 << 20;

/// What to read and where to write.
#[derive(Debug, Clone, Default)]
pub struct IngestOptions {
    /// Files of each source, or folders of them.
    pub inputs: BTreeMap<Source, Vec<PathBuf>>,
    /// Which exhibits of reports become documents too.
    pub exhibits: Exhibits,
    /// The documents folder to make.
    pub out: PathBuf,
    /// Worker threads; 0 means one a core.
    pub threads: usize,
}

/// What is to be read.
struct AllInputs {
    /// Source by source.
    inputs: Vec<Input>,
    /// What lies beside the inputs of each source, in the order in which it is listed.
    left_out: Vec<LeftOutInputs>,
}

/// What lies beside the inputs of a source.
struct LeftOutInputs {
    skipped: Vec<LeftOut>,
    rejected: Vec<LeftOut>,
}

type StoredEntry = Entry<StoredDocument>;

/// Reads inputs and writes a documents folder, whole or not at all. After a kill the
/// same call goes on where it was.
///
/// # Errors
/// When an input is missing or a dump is damaged, when texts name too many sources, when nothing became
/// a document, when the folder exists or cannot be written. A single bad filing or page is listed in `rejected.jsonl` instead.
pub fn ingest(options: &IngestOptions, progress: &dyn Progress) -> Result<DocsManifest, CorpusError> {
    let all = AllInputs::find(options)?;
    let work_dir = WorkDir::enter(&options.out, "tenk-corpus ingest")?;
    let job = all.job(options, work_dir.segments())?;
    let pool = worker_threads(options.threads)?;
    read_part(&job, Part::WHOLE, options.exhibits, &pool, progress)?;
    let num_pieces = job.num_pieces(Trust::Known)?;
    let made = assemble(options, &all, (&job, &num_pieces), &work_dir, progress);
    work_dir.leave(made)
}

/// Reads a part of the inputs, on one of several machines, and keeps what they hold in the folder
/// `OUT.parts` beside the output. After a kill the same call goes on where it was.
///
/// # Errors
/// As [`ingest`], or when this part is being read already.
pub fn ingest_part(
    options: &IngestOptions,
    part: Part,
    progress: &dyn Progress,
) -> Result<PartReport, CorpusError> {
    let all = AllInputs::find(options)?;
    let _work_dir = WorkDir::enter_part(&options.out, part, "tenk-corpus ingest --part")?;
    let job = all.job(options, parts_folder(&options.out)?)?;
    let pool = worker_threads(options.threads)?;
    read_part(&job, part, options.exhibits, &pool, progress)?;
    let count = |segments: usize| u32::try_from(segments).unwrap_or(u32::MAX);
    Ok(PartReport {
        part: part.to_string(),
        segments: count(job.of_part(part).len()),
        all_segments: count(job.segments.len()),
        undivided: job.undivided().map(|dump| dump.path.clone()).collect(),
        folder: job.folder,
    })
}

/// Makes the documents folder of all parts, the same that [`ingest`] makes. `OUT.parts` stays.
///
/// # Errors
/// [`CorpusError::MissingParts`], or as [`ingest`].
pub fn merge_ingested_parts(
    options: &IngestOptions,
    progress: &dyn Progress,
) -> Result<DocsManifest, CorpusError> {
    let all = AllInputs::find(options)?;
    let work_dir = WorkDir::enter(&options.out, "tenk-corpus ingest --merge")?;
    let job = all.job(options, parts_folder(&options.out)?)?;
    let num_pieces = job.num_pieces(Trust::Found)?;
    let made = assemble(options, &all, (&job, &num_pieces), &work_dir, progress);
    work_dir.leave(made)
}

impl AllInputs {
    fn find(options: &IngestOptions) -> Result<Self, CorpusError> {
        let (mut inputs, mut left_out) = (Vec::new(), Vec::new());
        for (source, given) in &options.inputs {
            let found = find_inputs(given, *source)?;
            inputs.extend(found.inputs);
            left_out.push(LeftOutInputs {
                skipped: found.ignored,
                rejected: found.unreadable,
            });
        }
        for input in &inputs {
            input.source.check(&input.path)?;
        }
        Ok(Self { inputs, left_out })
    }

    /// The work, of which finished segments are kept in `folder`.
    fn job(&self, options: &IngestOptions, folder: PathBuf) -> Result<Job<'_>, CorpusError> {
        Job::new(&self.inputs, options.exhibits, folder, |input, bytes| {
            input.source.cut(&input.path, bytes)
        })
    }
}

/// The second pass: from all segments, which have so many pieces each, to the documents folder.
fn assemble(
    options: &IngestOptions,
    all: &AllInputs,
    (job, num_pieces): (&Job<'_>, &[u32]),
    work_dir: &WorkDir,
    progress: &dyn Progress,
) -> Result<DocsManifest, CorpusError> {
    let repeats = Repeats::find(job, num_pieces, work_dir)?;
    progress.start("writing documents", None);
    commit_dir(
        &DISK,
        &options.out,
        |staged: &StagedDir<'_>| -> Result<(), CorpusError> {
            let mut docs = DocsWriter::create(staged)?;
            for LeftOutInputs { skipped, rejected } in &all.left_out {
                skipped.iter().try_for_each(|left_out| docs.skip(left_out))?;
                rejected.iter().try_for_each(|left_out| docs.reject(left_out))?;
            }
            let mut assembly = Assembly {
                job,
                docs,
                repeats,
                source_names: SourceNames::default(),
                num_documents: 0,
                num_inputs: 0,
            };
            for_each_entry(job, num_pieces, |segment, entry| {
                progress.advance(1);
                assembly.take(segment, entry)
            })?;
            Ok(assembly.docs.finish()?)
        },
    )?;
    progress.finish();
    Ok(DocsManifest::open(&options.out)?)
}

/// Writes entries out.
struct Assembly<'a> {
    job: &'a Job<'a>,
    docs: DocsWriter<'a>,
    repeats: Repeats,
    /// Of all documents met.
    source_names: SourceNames,
    /// Documents met, written or not.
    num_documents: u64,
    /// Inputs that have begun.
    num_inputs: usize,
}

impl Assembly<'_> {
    fn take(&mut self, segment: usize, entry: StoredEntry) -> Result<(), CorpusError> {
        let first_input = self.job.segments[segment].inputs.start;
        let series = self.job.inputs[first_input].source.series();
        match entry {
            Entry::Input(input) => {
                self.num_inputs += 1;
                Ok(self.docs.input(&input)?)
            }
            Entry::Skipped(left_out) => Ok(self.docs.skip(&left_out)?),
            Entry::Rejected(left_out) => Ok(self.docs.reject(&left_out)?),
            Entry::Document((head, json)) => {
                let repeat = self.repeats.of(self.num_documents)?;
                self.num_documents += 1;
                let path = || path_of(self.job, self.num_inputs.saturating_sub(1));
                self.source_names.add(&head, path)?;
                match repeat {
                    None => {
                        self.docs.leave_out_markup(&head.markup_left_out);
                        Ok(self.docs.write(series, &head.source, &json)?)
                    }
                    Some(repeat) => self.leave_out(head.id, repeat),
                }
            }
        }
    }

    /// Lists a document whose id was there before: as a duplicate, or as rejected when its
    /// content differs.
    fn leave_out(&mut self, id: String, repeat: Repeat) -> Result<(), CorpusError> {
        let this = path_of(self.job, self.num_inputs.saturating_sub(1));
        let first = path_of(self.job, repeat.first_input);
        let left_out = |reason: &str| LeftOut {
            part: Some(id),
            other: Some(first),
            ..LeftOut::new(this, reason)
        };
        if repeat.is_same {
            let reason = "duplicate: the same document was read before";
            Ok(self.docs.skip(&left_out(reason))?)
        } else {
            let reason = "another document with this id but different content was read before";
            Ok(self.docs.reject(&left_out(reason))?)
        }
    }
}

fn path_of(job: &Job<'_>, input: usize) -> String {
    let input = job.inputs.get(input);
    input.map_or_else(String::new, |input| input.path.to_string_lossy().into_owned())
}

/// Calls `take` with every entry of every segment in order; the next ones are read meanwhile.
fn for_each_entry(
    job: &Job<'_>,
    num_pieces: &[u32],
    mut take: impl FnMut(usize, StoredEntry) -> Result<(), CorpusError>,
) -> Result<(), CorpusError> {
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(1);
        let reader = scope.spawn(move || read_entries(job, num_pieces, &send));
        let taken = take_entries(&receive, &mut take);
        drop(receive);
        let read = reader
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken.and(read)
    })
}

type Ahead = (usize, Vec<StoredEntry>);

fn take_entries(
    receive: &Receiver<Ahead>,
    take: &mut impl FnMut(usize, StoredEntry) -> Result<(), CorpusError>,
) -> Result<(), CorpusError> {
    for (segment, entries) in receive {
        for entry in entries {
            take(segment, entry)?;
        }
    }
    Ok(())
}

fn read_entries(job: &Job<'_>, num_pieces: &[u32], send: &SyncSender<Ahead>) -> Result<(), CorpusError> {
    for (segment, num_pieces) in num_pieces.iter().enumerate() {
        for piece in 0..*num_pieces {
            let mut reader = PieceReader::open(&job.piece(segment, piece))?;
            loop {
                let (mut ahead, mut bytes) = (Vec::new(), 0);
                while bytes < AHEAD_BYTES {
                    let Some((entry, entry_bytes)) = reader.next()? else {
                        break;
                    };
                    ahead.push(entry);
                    bytes += entry_bytes;
                }
                // A failed send means that the other side has ended with an error.
                if ahead.is_empty() || send.send((segment, ahead)).is_err() {
                    break;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

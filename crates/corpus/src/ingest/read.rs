//! The first pass of `ingest`: every input to entries on disk, segment by segment in the order of
//! the inputs. Segments that are there already are kept.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;

use documents::{InputFile, LeftOut, MOST_DOCUMENT_BYTES, MOST_INPUT_BYTES, Outcome, Progress};
use durable::{DISK, DurableError, Operation, Storage, read_file, sha256_file, sha256_hex};
use edgar::Exhibits;
use rayon::prelude::*;

use super::job::{Job, ReadMode, State, StreamPart};
use super::piece_file::{Entry, PieceWriter, PreparedDocument};
use super::source_names::SourceNames;
use crate::error::CorpusError;
use crate::ingest::inputs::{Input, cannot_be_read};
use crate::sources::stream::{Stream, StreamEvent, StreamItem};
use crate::sources::{ReadWhole, StreamPlace};
use crate::work::scratch::Trust;
use crate::work::segments::Part;

/// Raw input that is in memory at once (one larger file is read alone).
const WINDOW_BYTES: u64 = 64 << 20;

/// Inputs that are in memory at once: small ones have more beside them than they hold.
const WINDOW_INPUTS: usize = 1024;

type Prepared = Entry<PreparedDocument>;

/// Reads the segments of a part that are not there yet.
pub(super) fn read_part(
    job: &Job<'_>,
    part: Part,
    exhibits: Exhibits,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<(), CorpusError> {
    DISK.create_dir_all(&job.folder)
        .map_err(|source| DurableError::new(Operation::Create, &job.folder, source))?;
    let mut files = Vec::new();
    let mut streams = Vec::new();
    for segment in job.of_part(part) {
        if let State::Partial(piece, from) = job.state(segment, Trust::Found)? {
            match &job.segments[segment].read_mode {
                ReadMode::Whole(read) => files.extend(files_of(job, segment, *read)),
                ReadMode::Stream(part) => streams.push(UnfinishedStream {
                    segment,
                    part,
                    piece,
                    from: from.unwrap_or_else(|| part.from.clone()),
                }),
            }
        }
    }
    read_files(job, &files, exhibits, pool, progress)?;
    // Counted here too, so that too many are refused before hours of work.
    let mut names = SourceNames::default();
    for begun in streams {
        read_stream(job, begun, &mut names, pool, progress)?;
    }
    Ok(())
}

/// An input that is read whole.
#[derive(Debug, Clone, Copy)]
struct File<'a> {
    segment: usize,
    input: &'a Input,
    read: ReadWhole,
}

/// A segment of a stream that is read on from here, in its next piece.
struct UnfinishedStream<'a> {
    segment: usize,
    part: &'a StreamPart,
    piece: u32,
    from: StreamPlace,
}

fn files_of<'a>(job: &Job<'a>, segment: usize, read: ReadWhole) -> impl Iterator<Item = File<'a>> {
    let inputs = &job.inputs[job.segments[segment].inputs.clone()];
    let file = move |input| File { segment, input, read };
    inputs.iter().map(file)
}

/// Reads files window by window; what one held is written while the next one is read.
fn read_files(
    job: &Job<'_>,
    files: &[File<'_>],
    exhibits: Exhibits,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<(), CorpusError> {
    if files.is_empty() {
        return Ok(());
    }
    let all_bytes = files.iter().map(|file| file.input.bytes).sum();
    progress.start("reading filings", Some(all_bytes));
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(1);
        scope.spawn(move || {
            for window in windows(files) {
                let read = |file: &File<'_>| read_file_whole(file, exhibits);
                let read: Vec<_> = pool.install(|| window.par_iter().map(read).collect());
                // A failed send means that the other side has ended with an error.
                if send.send((window, read)).is_err() {
                    return;
                }
            }
        });
        let mut writer = SegmentsWriter { job, open: None };
        for (window, read) in receive {
            for (file, entries) in window.iter().zip(read) {
                writer.add(file.segment, &entries?)?;
                progress.advance(file.input.bytes);
            }
        }
        writer.close()
    })?;
    progress.finish();
    Ok(())
}

/// Writes segments of files one after the other.
struct SegmentsWriter<'a> {
    job: &'a Job<'a>,
    open: Option<(usize, PieceWriter)>,
}

impl SegmentsWriter<'_> {
    fn add(&mut self, segment: usize, entries: &[Prepared]) -> Result<(), CorpusError> {
        if self.open.as_ref().is_some_and(|(open, _)| *open != segment) {
            self.close()?;
        }
        let writer = match self.open.take() {
            Some((_, writer)) => writer,
            None => create(self.job, segment, 0, 0)?,
        };
        let (_, writer) = self.open.insert((segment, writer));
        entries.iter().try_for_each(|entry| writer.add(entry))
    }

    fn close(&mut self) -> Result<(), CorpusError> {
        match self.open.take() {
            Some((_, writer)) => writer.finish(None),
            None => Ok(()),
        }
    }
}

/// Begins a piece that begins at this byte of its stream.
fn create(job: &Job<'_>, segment: usize, piece: u32, from: u64) -> Result<PieceWriter, CorpusError> {
    let (folder, origin) = (job.piece(segment, piece), &job.segments[segment].origin);
    // The entry of a stream itself is in its very first piece.
    PieceWriter::create(&folder, origin, from, u32::from(from > 0))
}

/// Runs of at most [`WINDOW_INPUTS`] inputs that fit into [`WINDOW_BYTES`] together, each at least
/// one.
fn windows<'a, 'b>(files: &'a [File<'b>]) -> Vec<&'a [File<'b>]> {
    let mut windows = Vec::new();
    let (mut first, mut bytes) = (0, 0);
    for (index, file) in files.iter().enumerate() {
        let is_full = bytes + file.input.bytes > WINDOW_BYTES || index - first == WINDOW_INPUTS;
        if index > first && is_full {
            windows.push(&files[first..index]);
            (first, bytes) = (index, 0);
        }
        bytes += file.input.bytes;
    }
    windows.push(&files[first..]);
    windows
}

fn read_file_whole(file: &File<'_>, exhibits: Exhibits) -> Result<Vec<Prepared>, CorpusError> {
    let File { input, read, .. } = file;
    let path = input.path.to_string_lossy().into_owned();
    let bytes = match read_file(&input.path, MOST_INPUT_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            let file = InputFile {
                path: path.clone(),
                bytes: input.bytes,
                sha256: String::new(),
            };
            let rejected = Entry::Rejected(LeftOut::new(path, cannot_be_read(&error)));
            return Ok(vec![Entry::Input(file), rejected]);
        }
    };
    let file = InputFile {
        path: path.clone(),
        bytes: bytes.len() as u64,
        sha256: sha256_hex(&bytes),
    };
    let outcomes = read(&input.name, &bytes, &file.sha256, exhibits);
    let mut entries = vec![Entry::Input(file)];
    for outcome in outcomes {
        entries.push(prepare(&path, None, outcome)?);
    }
    Ok(entries)
}

fn prepare(path: &str, part: Option<String>, outcome: Outcome) -> Result<Prepared, CorpusError> {
    prepare_up_to(MOST_DOCUMENT_BYTES, path, part, outcome)
}

/// A document of more JSON would be refused by every reader of the folder.
fn prepare_up_to(
    most_bytes: u64,
    path: &str,
    part: Option<String>,
    outcome: Outcome,
) -> Result<Prepared, CorpusError> {
    Ok(match outcome {
        Outcome::Document(document) => {
            let prepared = PreparedDocument::new(&document)?;
            if prepared.json_bytes() > most_bytes {
                let reason = format!("the document has more than {most_bytes} bytes as JSON");
                return Ok(Entry::Rejected(LeftOut {
                    part: part.or(Some(document.id)),
                    ..LeftOut::new(path, reason)
                }));
            }
            Entry::Document(prepared)
        }
        Outcome::Skipped { form, reason } => Entry::Skipped(LeftOut {
            part,
            form,
            ..LeftOut::new(path, reason)
        }),
        Outcome::Rejected { reason } => Entry::Rejected(LeftOut {
            part,
            ..LeftOut::new(path, reason)
        }),
    })
}

/// Reads a part of a stream on all threads, from where a piece begins to the end.
fn read_stream(
    job: &Job<'_>,
    begun: UnfinishedStream<'_>,
    names: &mut SourceNames,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<(), CorpusError> {
    let UnfinishedStream {
        segment,
        part,
        mut piece,
        from,
    } = begun;
    let input = &job.inputs[job.segments[segment].inputs.start];
    let path = input.path.to_string_lossy().into_owned();
    let stream = Stream {
        name: &input.name,
        path: &input.path,
        until: part.until,
        places_every: job.piece_bytes,
    };
    progress.start(&format!("reading {} of {}", from.unit(), stream.name), None);
    let mut writer = Some(create_first(job, segment, piece, from.offset())?);
    let mut take = |event: StreamEvent<Result<Prepared, CorpusError>, StreamPlace>| match event {
        StreamEvent::Item(entry) => {
            progress.advance(1);
            let entry = entry?;
            if let Entry::Document(document) = &entry {
                names.add(document.head(), || path.clone())?;
            }
            writer.as_mut().map_or(Ok(()), |writer| writer.add(&entry))
        }
        StreamEvent::Place(place) => {
            piece += 1;
            let next = create(job, segment, piece, place.offset())?;
            let ended = writer.replace(next);
            ended.map_or(Ok(()), |writer| writer.finish(Some(place)))
        }
    };
    let mut taken = Ok(());
    let sink = |event| {
        taken = take(event);
        if taken.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    let prepare = |item: StreamItem| {
        let mut entry = prepare(&path, item.part, item.outcome)?;
        if let Entry::Document(document) = &mut entry {
            document.leaves_out(item.markup_left_out);
        }
        Ok(entry)
    };
    from.read(&stream, pool, prepare, sink)?;
    taken?;
    progress.finish();
    writer.map_or(Ok(()), |writer| writer.finish(None))
}

/// Begins the first piece that is written of a stream; at the stream's beginning with its input.
fn create_first(job: &Job<'_>, segment: usize, piece: u32, from: u64) -> Result<PieceWriter, CorpusError> {
    let input = &job.inputs[job.segments[segment].inputs.start];
    let mut writer = create(job, segment, piece, from)?;
    if from == 0 {
        writer.add(&Entry::Input(InputFile {
            path: input.path.to_string_lossy().into_owned(),
            bytes: input.bytes,
            sha256: sha256_file(&input.path)?,
        }))?;
    }
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use documents::Document;

    use super::*;

    const READ: ReadWhole = |_, _, _, _| Vec::new();

    fn file(input: &Input) -> File<'_> {
        File {
            segment: 0,
            input,
            read: READ,
        }
    }

    #[test]
    fn a_document_that_readers_would_refuse_is_rejected_by_its_id() {
        let document = || {
            Outcome::Document(Box::new(Document {
                id: "a:1".into(),
                ..Document::default()
            }))
        };
        let Entry::Document(taken) = prepare("a.txt", None, document()).unwrap() else {
            panic!("it is short")
        };
        let bytes = taken.json_bytes();
        let prepare = |most_bytes| prepare_up_to(most_bytes, "a.txt", None, document()).unwrap();
        assert!(matches!(prepare(bytes), Entry::Document(_)));
        let Entry::Rejected(left_out) = prepare(bytes - 1) else {
            panic!("it is too long")
        };
        assert_eq!(
            (left_out.path.as_str(), left_out.part.as_deref()),
            ("a.txt", Some("a:1"))
        );
        assert!(left_out.reason.contains("more than"), "{}", left_out.reason);
    }

    #[test]
    fn a_filing_that_is_a_pipe_by_now_or_too_large_is_rejected_at_once() {
        use std::fs::OpenOptions;

        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.txt");
        durable::testing::lay_pipe(&pipe).unwrap();
        let large = folder.path().join("large.txt");
        let sparse = OpenOptions::new().write(true).create_new(true).open(&large);
        sparse.unwrap().set_len(1 << 40).unwrap();
        for (path, reason) in [
            (pipe, "cannot be read: invalid data"),
            (large, "cannot be read: file too large"),
        ] {
            let input = Input {
                path,
                ..Input::filing()
            };
            let read = move || read_file_whole(&file(&input), Exhibits::default());
            let entries = durable::testing::within_a_minute(read).unwrap();
            let [Entry::Input(_), Entry::Rejected(left_out)] = &entries[..] else {
                panic!("{entries:?}")
            };
            assert_eq!(left_out.reason, reason);
        }
    }

    #[test]
    fn windows_hold_every_input_once_in_order_and_are_bounded() {
        let sizes = [
            1,
            WINDOW_BYTES - 1,
            1,
            3 * WINDOW_BYTES,
            0,
            2,
            WINDOW_BYTES,
            WINDOW_BYTES,
        ];
        let many = vec![7; 2 * WINDOW_INPUTS + 1];
        let inputs: Vec<Input> = sizes
            .iter()
            .chain(&many)
            .enumerate()
            .map(|(index, bytes)| Input {
                name: format!("{index:03}.txt"),
                bytes: *bytes,
                ..Input::filing()
            })
            .collect();
        let files: Vec<File<'_>> = inputs.iter().map(file).collect();
        let windows = windows(&files);
        let in_windows = windows.concat().into_iter().map(|file| file.input);
        assert!(in_windows.eq(&inputs));
        for window in windows {
            let bytes: u64 = window.iter().map(|file| file.input.bytes).sum();
            assert!(window.len() == 1 || bytes <= WINDOW_BYTES, "{window:?}");
            assert!(window.len() <= WINDOW_INPUTS);
        }
    }
}

//! The first pass of `ingest`: every input to entries on disk, segment by segment in the order of
//! the inputs. Segments that are there already are kept.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;

use documents::{InputFile, LeftOut, MOST_DOCUMENT_BYTES, MOST_INPUT_BYTES, Outcome, Progress};
use durable::{DISK, DurableError, Operation, Storage, read_file, sha256_file, sha256_hex};
use edgar::{Exhibits, read_hashed_filing};
use rayon::prelude::*;
use wikipedia::{DumpEvent, DumpPlace, PageResult, Reading, read_dump_on};

use super::job::{DumpPart, Job, State};
use super::piece_file::{Entry, PieceWriter, PreparedDocument};
use crate::error::CorpusError;
use crate::ingest::inputs::{Input, cannot_be_read};
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
    let mut filings = Vec::new();
    let mut dumps = Vec::new();
    for segment in job.of_part(part) {
        match job.state(segment, Trust::Found)? {
            State::Whole(_) => {}
            State::Begun(piece, from) => match &job.segments[segment].dump {
                Some(part) => dumps.push((segment, part, piece, from)),
                None => filings.push(segment),
            },
        }
    }
    read_filings(job, &filings, exhibits, pool, progress)?;
    for (segment, part, piece, from) in dumps {
        read_dump(job, (segment, part), (piece, from), pool, progress)?;
    }
    Ok(())
}

/// Reads filings window by window; what one held is written while the next one is read.
fn read_filings(
    job: &Job<'_>,
    segments: &[usize],
    exhibits: Exhibits,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<(), CorpusError> {
    if segments.is_empty() {
        return Ok(());
    }
    let inputs: Vec<(usize, &Input)> = segments
        .iter()
        .flat_map(|segment| {
            let inputs = &job.inputs[job.segments[*segment].inputs.clone()];
            inputs.iter().map(move |input| (*segment, input))
        })
        .collect();
    let all_bytes = inputs.iter().map(|(_, input)| input.bytes).sum();
    progress.start("reading filings", Some(all_bytes));
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(1);
        let inputs = &inputs;
        scope.spawn(move || {
            for window in windows(inputs) {
                let read = |(_, input): &(usize, &Input)| read_input(input, exhibits);
                let read: Vec<_> = pool.install(|| window.par_iter().map(read).collect());
                // A failed send means that the other side has ended with an error.
                if send.send((window, read)).is_err() {
                    return;
                }
            }
        });
        let mut writer = SegmentsWriter { job, open: None };
        for (window, read) in receive {
            for ((segment, input), entries) in window.iter().zip(read) {
                writer.add(*segment, &entries?)?;
                progress.advance(input.bytes);
            }
        }
        writer.close()
    })?;
    progress.finish();
    Ok(())
}

/// Writes segments of filings one after the other.
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
            None => create(self.job, segment, 0, &DumpPlace::default())?,
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

fn create(job: &Job<'_>, segment: usize, piece: u32, from: &DumpPlace) -> Result<PieceWriter, CorpusError> {
    let (folder, key) = (job.piece(segment, piece), &job.segments[segment].key);
    // The entry of a dump itself is in its very first piece.
    PieceWriter::create(&folder, key, from, u32::from(from.offset > 0))
}

/// Runs of at most [`WINDOW_INPUTS`] inputs that fit into [`WINDOW_BYTES`] together, each at least
/// one.
fn windows<'a, 'b>(inputs: &'a [(usize, &'b Input)]) -> Vec<&'a [(usize, &'b Input)]> {
    let mut windows = Vec::new();
    let (mut first, mut bytes) = (0, 0);
    for (index, (_, input)) in inputs.iter().enumerate() {
        let is_full = bytes + input.bytes > WINDOW_BYTES || index - first == WINDOW_INPUTS;
        if index > first && is_full {
            windows.push(&inputs[first..index]);
            (first, bytes) = (index, 0);
        }
        bytes += input.bytes;
    }
    windows.push(&inputs[first..]);
    windows
}

fn read_input(input: &Input, exhibits: Exhibits) -> Result<Vec<Prepared>, CorpusError> {
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
    let results = read_hashed_filing(&input.name, &bytes, &file.sha256, exhibits);
    let mut entries = vec![Entry::Input(file)];
    for result in results {
        entries.push(prepare(&path, None, result.outcome)?);
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

/// Reads a part of a dump on all threads, from where a piece begins to the end.
fn read_dump(
    job: &Job<'_>,
    (segment, part): (usize, &DumpPart),
    (mut piece, from): (u32, DumpPlace),
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<(), CorpusError> {
    let input = &job.inputs[job.segments[segment].inputs.start];
    let path = input.path.to_string_lossy().into_owned();
    progress.start(&format!("reading pages of {}", input.name), None);
    let mut writer = create(job, segment, piece, &from)?;
    if from.offset == 0 {
        writer.add(&Entry::Input(InputFile {
            path: path.clone(),
            bytes: input.bytes,
            sha256: sha256_file(&input.path)?,
        }))?;
    }
    let mut writer = Some(writer);
    let mut take = |event: DumpEvent<Result<Prepared, CorpusError>>| match event {
        DumpEvent::Page(page) => {
            progress.advance(1);
            writer.as_mut().map_or(Ok(()), |writer| writer.add(&page?))
        }
        DumpEvent::Place(place) => {
            piece += 1;
            let next = create(job, segment, piece, &place)?;
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
    let reading = Reading {
        from,
        until: part.until,
        places_every: job.piece_bytes,
    };
    let prepare = |page: PageResult| prepare(&path, Some(page.title), page.outcome);
    read_dump_on(&input.path, reading, pool, prepare, sink)?;
    taken?;
    progress.finish();
    writer.map_or(Ok(()), |writer| writer.finish(None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use documents::Document;

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
        let file = OpenOptions::new().write(true).create_new(true).open(&large);
        file.unwrap().set_len(1 << 40).unwrap();
        for (path, reason) in [
            (pipe, "cannot be read: invalid data"),
            (large, "cannot be read: file too large"),
        ] {
            let input = Input {
                path,
                ..Input::default()
            };
            let read = move || read_input(&input, Exhibits::default());
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
                ..Input::default()
            })
            .collect();
        let inputs: Vec<(usize, &Input)> = inputs.iter().map(|input| (0, input)).collect();
        let windows = windows(&inputs);
        assert_eq!(windows.concat(), inputs);
        for window in windows {
            let bytes: u64 = window.iter().map(|(_, input)| input.bytes).sum();
            assert!(window.len() == 1 || bytes <= WINDOW_BYTES, "{window:?}");
            assert!(window.len() <= WINDOW_INPUTS);
        }
    }
}

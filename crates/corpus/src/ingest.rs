//! From filings and dumps to a documents folder. It finds no text itself: the readers do.
//!
//! Files are read in windows on all threads and written in the order of their names, so that the
//! result does not depend on the number of threads, and memory not on the number of files.

use std::ops::ControlFlow;
use std::path::PathBuf;

use durable::{DISK, StagedDir, commit_dir, sha256_file, sha256_hex};
use rayon::prelude::*;

use crate::docs_manifest::{DocsManifest, InputFile};
use crate::docs_writer::{DocsWriter, LeftOut, PreparedDocument};
use crate::dump_end::check_dump;
use crate::edgar::{Exhibits, read_filing_with};
use crate::error::CorpusError;
use crate::inputs::{Input, Kind, cannot_be_read, find_inputs};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::wikipedia::{PageResult, read_dump};
use crate::workplace::{Workplace, worker_threads};

/// Raw input that is in memory at once (one larger file is read alone).
const WINDOW_BYTES: u64 = 64 << 20;

/// What to read and where to write.
#[derive(Debug, Clone, Default)]
pub struct IngestOptions {
    /// Filings: files, or folders of them.
    pub filings: Vec<PathBuf>,
    /// Wikipedia dumps: files, or folders of them.
    pub wiki: Vec<PathBuf>,
    /// Which exhibits of reports become documents too.
    pub exhibits: Exhibits,
    /// The documents folder to make.
    pub out: PathBuf,
    /// Worker threads; 0 means one a core.
    pub threads: usize,
}

/// What became of one part of an input, ready to be written.
enum Prepared {
    Document(PreparedDocument),
    Skipped(LeftOut),
    Rejected(LeftOut),
}

/// Reads filings and dumps and writes a documents folder, whole or not at all.
///
/// # Errors
/// When an input is missing or a dump is damaged, when nothing became a document, when the folder
/// exists or cannot be written. A single bad filing or page is listed in `rejected.jsonl` instead.
pub fn ingest(options: &IngestOptions, progress: &dyn Progress) -> Result<DocsManifest, CorpusError> {
    let filings = find_inputs(&options.filings, Kind::Filings)?;
    let wiki = find_inputs(&options.wiki, Kind::Wiki)?;
    wiki.inputs.iter().try_for_each(|input| check_dump(&input.path))?;
    let _workplace = Workplace::enter(&options.out, "tenk-corpus ingest")?;
    let pool = worker_threads(options.threads)?;
    commit_dir(&DISK, &options.out, |staged: &StagedDir<'_>| {
        let mut docs = DocsWriter::create(staged)?;
        for found in [&filings, &wiki] {
            found
                .ignored
                .iter()
                .try_for_each(|left_out| docs.skip(left_out))?;
            found
                .unreadable
                .iter()
                .try_for_each(|left_out| docs.reject(left_out))?;
        }
        read_filings(&filings.inputs, options.exhibits, &pool, &mut docs, progress)?;
        read_wiki(&wiki.inputs, &pool, &mut docs, progress)?;
        docs.finish()
    })?;
    DocsManifest::open(&options.out)
}

fn read_filings(
    inputs: &[Input],
    exhibits: Exhibits,
    pool: &rayon::ThreadPool,
    docs: &mut DocsWriter<'_>,
    progress: &dyn Progress,
) -> Result<(), CorpusError> {
    if inputs.is_empty() {
        return Ok(());
    }
    progress.start(
        "reading filings",
        Some(inputs.iter().map(|input| input.bytes).sum()),
    );
    for window in windows(inputs) {
        let read: Vec<_> = pool.install(|| {
            window
                .par_iter()
                .map(|input| read_input(input, exhibits))
                .collect()
        });
        for (input, parts) in window.iter().zip(read) {
            let (file, parts) = parts?;
            docs.begin_input(file);
            for part in parts {
                write_part(docs, "filings", part)?;
            }
            progress.advance(input.bytes);
        }
    }
    progress.finish();
    Ok(())
}

/// Runs of inputs that fit into [`WINDOW_BYTES`] together, each at least one file.
fn windows(inputs: &[Input]) -> Vec<&[Input]> {
    let mut windows = Vec::new();
    let (mut first, mut bytes) = (0, 0);
    for (index, input) in inputs.iter().enumerate() {
        if index > first && bytes + input.bytes > WINDOW_BYTES {
            windows.push(&inputs[first..index]);
            (first, bytes) = (index, 0);
        }
        bytes += input.bytes;
    }
    windows.push(&inputs[first..]);
    windows
}

fn read_input(input: &Input, exhibits: Exhibits) -> Result<(InputFile, Vec<Prepared>), CorpusError> {
    let path = input.path.to_string_lossy().into_owned();
    let bytes = match std::fs::read(&input.path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let file = InputFile {
                path: path.clone(),
                bytes: input.bytes,
                sha256: String::new(),
            };
            let rejected = Prepared::Rejected(LeftOut::new(path, cannot_be_read(&error)));
            return Ok((file, vec![rejected]));
        }
    };
    let file = InputFile {
        path: path.clone(),
        bytes: bytes.len() as u64,
        sha256: sha256_hex(&bytes),
    };
    let parts = read_filing_with(&input.name, &bytes, exhibits)
        .into_iter()
        .map(|result| prepare(&path, None, result.outcome))
        .collect::<Result<_, _>>()?;
    Ok((file, parts))
}

fn prepare(path: &str, part: Option<String>, outcome: Outcome) -> Result<Prepared, CorpusError> {
    Ok(match outcome {
        Outcome::Document(document) => Prepared::Document(PreparedDocument::new(&document)?),
        Outcome::Skipped { form, reason } => Prepared::Skipped(LeftOut {
            part,
            form,
            ..LeftOut::new(path, reason)
        }),
        Outcome::Rejected { reason } => Prepared::Rejected(LeftOut {
            part,
            ..LeftOut::new(path, reason)
        }),
    })
}

fn write_part(docs: &mut DocsWriter<'_>, series: &'static str, part: Prepared) -> Result<(), CorpusError> {
    match part {
        Prepared::Document(document) => docs.write(series, &document),
        Prepared::Skipped(left_out) => docs.skip(&left_out),
        Prepared::Rejected(left_out) => docs.reject(&left_out),
    }
}

/// Reads dumps one after the other: each is read on all threads by itself.
fn read_wiki(
    inputs: &[Input],
    pool: &rayon::ThreadPool,
    docs: &mut DocsWriter<'_>,
    progress: &dyn Progress,
) -> Result<(), CorpusError> {
    for input in inputs {
        let path = input.path.to_string_lossy().into_owned();
        progress.start(&format!("reading pages of {}", input.name), None);
        docs.begin_input(InputFile {
            path: path.clone(),
            bytes: input.bytes,
            sha256: sha256_file(&input.path)?,
        });
        let mut written = Ok(());
        let prepare = |page: PageResult| prepare(&path, Some(page.title), page.outcome);
        let sink = |part: Result<Prepared, CorpusError>| {
            progress.advance(1);
            written = part.and_then(|part| write_part(docs, "wiki", part));
            if written.is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        read_dump(&input.path, pool, prepare, sink)?;
        written?;
        progress.finish();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(index: usize, bytes: u64) -> Input {
        Input {
            name: format!("{index:03}.txt"),
            path: PathBuf::new(),
            bytes,
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
        let inputs: Vec<Input> = sizes
            .iter()
            .enumerate()
            .map(|(index, bytes)| input(index, *bytes))
            .collect();
        let windows = windows(&inputs);
        assert_eq!(windows.concat(), inputs);
        for window in windows {
            let bytes: u64 = window.iter().map(|input| input.bytes).sum();
            assert!(window.len() == 1 || bytes <= WINDOW_BYTES, "{window:?}");
        }
    }

    /// Reading is not allowed to begin.
    struct NothingIsRead;

    impl Progress for NothingIsRead {
        fn start(&self, what: &str, _: Option<u64>) {
            panic!("started {what}");
        }
        fn advance(&self, _: u64) {}
        fn finish(&self) {}
    }

    #[test]
    fn a_cut_dump_ends_the_command_before_any_filing_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            durable::commit_bytes(&DISK, &path, bytes).unwrap();
            vec![path]
        };
        let options = IngestOptions {
            filings: put("a.htm", b"<p>FORM 10-K</p><p>Oak.</p>"),
            wiki: put("cut.xml", b"<mediawiki><page><title>Oak</title>"),
            exhibits: Exhibits::default(),
            out: folder.path().join("docs"),
            threads: 1,
        };
        let error = ingest(&options, &NothingIsRead).unwrap_err();
        assert!(matches!(error, CorpusError::CutDump { .. }), "{error:?}");
        assert!(!options.out.exists());
    }

    #[test]
    fn stray_files_beside_a_dump_are_rejected_by_name_and_the_dump_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let wiki = folder.path().join("wiki");
        std::fs::create_dir(&wiki).unwrap();
        let dump = "<mediawiki><page><title>Oak</title><ns>0</ns><id>1</id><revision><id>2</id>\
            <text>Oak is wood.</text></revision></page></mediawiki>";
        let extract = "\n<doc id=\"3\" url=\"\" title=\"Ash\">\nAsh\n\nAsh is wood, too.\n</doc>\n";
        for (name, text) in [
            ("dump.xml", dump),
            ("stray.xml", "<settings></settings>"),
            ("wiki_00", ""),
            ("wiki_01", &format!("\u{feff}{extract}")),
        ] {
            durable::commit_bytes(&DISK, &wiki.join(name), text.as_bytes()).unwrap();
        }
        let options = IngestOptions {
            wiki: vec![wiki],
            out: folder.path().join("docs"),
            threads: 1,
            ..IngestOptions::default()
        };
        ingest(&options, &crate::progress::NoProgress).unwrap();
        let rejected = std::fs::read_to_string(options.out.join("rejected.jsonl")).unwrap();
        assert_eq!(rejected.lines().count(), 2, "{rejected}");
        assert!(
            rejected.contains("stray.xml") && rejected.contains("wiki_00"),
            "{rejected}"
        );
        let ids: Vec<String> = crate::DocumentReader::open(&options.out)
            .unwrap()
            .map(|document| document.unwrap().id)
            .collect();
        assert_eq!(ids, ["wiki:1:2", "wiki:3:0"]);
    }
}

//! Documents folders as somebody else may have written them.

use durable::DISK;
use durable::testing::{lay_pipe, within_a_minute};

use super::*;
use crate::manifest::DOCS_MANIFEST;
use crate::testing::{FORGED_FILE as NAME, forge, put_manifest};

fn lines_of(number: usize) -> Vec<u8> {
    let document = Document {
        id: "a:1".into(),
        source: "10-K".into(),
        ..Document::default()
    };
    let line = serde_json::to_string(&document).unwrap() + "\n";
    line.repeat(number).into_bytes()
}

/// Reads all documents, none of more JSON than `most_line_bytes`.
fn read(docs: &Path, most_line_bytes: u64) -> Result<usize, DocumentsError> {
    let mut reader = DocumentReader::open(docs)?;
    reader.most_line_bytes = most_line_bytes;
    reader.try_fold(0, |number, document| {
        Ok(number + usize::from(document?.id == "a:1"))
    })
}

/// File, line and reason of a refusal.
fn damage(result: Result<usize, DocumentsError>) -> (String, u64, String) {
    match result {
        Err(DocumentsError::DamagedDocs { path, line, source }) => {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, line, source.to_string())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_document_has_a_bound_however_well_it_was_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let docs = folder.path().join("docs");
    let line_bytes = lines_of(1).len() as u64;
    forge(&docs, &lines_of(3), 3 * line_bytes);
    assert_eq!(read(&docs, line_bytes).unwrap(), 3);
    let (name, line, reason) = damage(read(&docs, line_bytes - 1));
    assert_eq!((name.as_str(), line), (NAME, 1));
    assert!(
        reason.contains(&format!("more than {} bytes", line_bytes - 1)),
        "{reason}"
    );

    // A line of 64 MiB, of which the reader takes one.
    let long = [lines_of(1), vec![b' '; 64 << 20]].concat();
    forge(&docs, &long, 1 << 40);
    assert!(docs.join(NAME).metadata().unwrap().len() < 100_000);
    let (name, line, reason) = damage(read(&docs, 1 << 20));
    assert_eq!((name.as_str(), line), (NAME, 2));
    assert!(reason.contains("more than 1048576 bytes"), "{reason}");
}

#[test]
fn a_file_has_the_json_that_its_manifest_says_no_more_and_no_less() {
    let folder = tempfile::tempdir().unwrap();
    let docs = folder.path().join("docs");
    let line_bytes = lines_of(1).len() as u64;
    for (stated, line, found) in [
        (3 * line_bytes - 1, 3, "more"),
        (line_bytes, 2, "more"),
        (1, 1, "more"),
        (3 * line_bytes + 1, 4, "less"),
        (1 << 50, 4, "less"),
    ] {
        forge(&docs, &lines_of(3), stated);
        let (name, at, reason) = damage(read(&docs, MOST_DOCUMENT_BYTES));
        assert_eq!((name.as_str(), at), (NAME, line), "{stated}: {reason}");
        let expected = format!("it has {found} than the {stated} bytes of JSON");
        assert!(reason.contains(&expected), "{stated}: {reason}");
    }
}

#[test]
fn a_manifest_that_states_no_json_or_more_than_there_can_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let docs = folder.path().join("docs");
    for (stated, expected) in [
        (0, "holds nothing"),
        ((1 << 50) + 1, "more than the 1125899906842624"),
        (u64::MAX, "more than the 1125899906842624"),
    ] {
        forge(&docs, &lines_of(3), stated);
        let message = DocumentReader::open(&docs).unwrap_err().to_string();
        assert!(message.contains(expected), "{stated}: {message}");
    }
}

#[test]
fn a_pipe_under_the_name_of_a_file_of_the_folder_is_refused_at_once() {
    for (name, packed_bytes) in [(DOCS_MANIFEST, 1), (NAME, 0), (NAME, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let docs = folder.path().join("docs");
        forge(&docs, &lines_of(1), 1);
        put_manifest(&docs, 1, packed_bytes);
        lay_pipe(&docs.join(name)).unwrap();
        let error = within_a_minute(move || read(&docs, MOST_DOCUMENT_BYTES)).unwrap_err();
        let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
        let message = format!("{error}: {cause}");
        // Its length is looked at before it is opened.
        let expected = if packed_bytes == 1 && name == NAME {
            "has 0 bytes"
        } else {
            "it is a pipe"
        };
        assert!(
            message.contains(name) && message.contains(expected),
            "{name}: {message}"
        );
    }
}

#[test]
fn a_manifest_of_a_tebibyte_is_refused_before_memory_is_taken_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let docs = folder.path().join("docs");
    forge(&docs, &lines_of(1), 1);
    let manifest = std::fs::OpenOptions::new()
        .write(true)
        .open(docs.join(DOCS_MANIFEST));
    manifest.unwrap().set_len(1 << 40).unwrap();
    let message = DocumentReader::open(&docs).unwrap_err().to_string();
    assert!(
        message.contains(DOCS_MANIFEST) && message.contains("at most 67108864"),
        "{message}"
    );
}

#[test]
fn reasons_beyond_a_number_are_counted_together() {
    use crate::left_out::LeftOut;
    use crate::writer::{DocsWriter, json_line};

    let folder = tempfile::tempdir().unwrap();
    let docs = folder.path().join("docs");
    durable::commit_dir(&DISK, &docs, |staged: &durable::StagedDir<'_>| {
        let mut writer = DocsWriter::create(staged)?;
        for number in 0..10_010 {
            writer.reject(&LeftOut::new("a.txt", format!("document {number} holds no text")))?;
        }
        let document = Document {
            source: "10-K".into(),
            ..Document::default()
        };
        writer.write("filings", "10-K", &json_line(&document)?)?;
        writer.finish()
    })
    .unwrap();
    let rejected = DocsManifest::open(&docs).unwrap().rejected;
    assert_eq!((rejected.len(), rejected.values().sum::<u64>()), (10_001, 10_010));
    assert_eq!(rejected["other reasons, as they are listed"], 10);
}

//! Lists of inputs as somebody else may have written them: any line may name any path.

use std::fs::OpenOptions;
use std::path::PathBuf;

use documents::testing::forge;
use documents::{INPUTS_LIST, InputFile};
use durable::testing::{lay_pipe, within_a_minute};
use durable::{DISK, commit_bytes, sha256_hex};

use super::*;

const FILING: &[u8] = b"<p>FORM 10-K</p><p>Oak is wood.</p>";

/// A documents folder whose list of inputs is this.
fn docs_of(folder: &Path, list: &[u8]) -> PathBuf {
    let docs = folder.join("docs");
    forge(&docs, b"\n", 1);
    commit_bytes(&DISK, &docs.join(INPUTS_LIST), list).unwrap();
    docs
}

fn line(path: &Path, bytes: u64, sha256: &str) -> Vec<u8> {
    let path = path.to_string_lossy().into_owned();
    let sha256 = sha256.to_owned();
    documents::json_line(&InputFile { path, bytes, sha256 }).unwrap()
}

/// The document that the filing became.
fn document() -> Document {
    let sha256 = sha256_hex(FILING);
    Document {
        id: format!("file:{}", &sha256[..16]),
        sha256,
        ..Document::default()
    }
}

/// Why the raw text of a document is missing.
fn missing(docs: PathBuf, document: Document) -> String {
    match within_a_minute(move || raw_text(&docs, &document)).unwrap() {
        RawText::Missing(reason) => reason,
        RawText::Found(text) => panic!("{text}"),
    }
}

#[test]
fn a_filing_is_read_when_it_is_the_file_that_the_list_says_and_no_larger() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let sha256 = sha256_hex(FILING);
    commit_bytes(&DISK, &at("a.htm"), FILING).unwrap();
    let bytes = FILING.len() as u64;
    let docs = docs_of(folder.path(), &line(&at("a.htm"), bytes, &sha256));
    let found = raw_text(&docs, &document()).unwrap();
    assert!(
        matches!(&found, RawText::Found(text) if text.contains("Oak")),
        "{found:?}"
    );

    let docs = docs_of(folder.path(), &line(&at("a.htm"), bytes - 1, &sha256));
    let reason = missing(docs, document());
    assert!(reason.contains("a.htm") && reason.contains("at most"), "{reason}");
}

#[test]
fn no_pipe_no_device_and_no_endless_file_is_read_for_a_filing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    lay_pipe(&at("pipe")).unwrap();
    let sparse = OpenOptions::new().write(true).create_new(true).open(at("sparse"));
    sparse.unwrap().set_len(1 << 40).unwrap();
    for (path, expected) in [
        (at("pipe"), "it is a pipe"),
        ("/dev/zero".into(), "it is a device"),
        (folder.path().to_path_buf(), "it is a folder"),
        (at("sparse"), "at most 2147483648"),
    ] {
        let docs = docs_of(folder.path(), &line(&path, u64::MAX, &sha256_hex(FILING)));
        let reason = missing(docs, document());
        assert!(
            reason.contains(&path.display().to_string()) && reason.contains(expected),
            "{reason}"
        );
    }
}

#[test]
fn a_page_is_looked_for_in_regular_files_of_the_listed_length_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let dump = "<mediawiki><page><title>Oak</title><ns>0</ns><id>1</id><revision><id>2</id>\
        <text>Oak is wood.</text></revision></page></mediawiki>";
    let page = || Document {
        id: "wiki:1:2".into(),
        ..Document::default()
    };
    commit_bytes(&DISK, &at("dump.xml"), dump.as_bytes()).unwrap();
    let bytes = dump.len() as u64;
    let docs = docs_of(folder.path(), &line(&at("dump.xml"), bytes, ""));
    let found = raw_text(&docs, &page()).unwrap();
    assert_eq!(found, RawText::Found("Oak is wood.".to_owned()));

    let docs = docs_of(folder.path(), &line(&at("dump.xml"), bytes + 1, ""));
    let reason = missing(docs, page());
    assert!(reason.contains("dump.xml has changed"), "{reason}");
    lay_pipe(&at("pipe.xml")).unwrap();
    let docs = docs_of(folder.path(), &line(&at("pipe.xml"), 0, ""));
    let reason = missing(docs, page());
    assert!(
        reason.contains("pipe.xml") && reason.contains("it is a pipe"),
        "{reason}"
    );
}

#[test]
fn the_list_itself_is_read_line_by_line_and_its_lines_have_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let message = |docs: PathBuf| {
        let error = within_a_minute(move || raw_text(&docs, &document())).unwrap_err();
        error.to_string()
    };
    let endless = docs_of(folder.path(), b"");
    let list = OpenOptions::new().write(true).open(endless.join(INPUTS_LIST));
    list.unwrap().set_len(1 << 40).unwrap();
    let text = message(endless);
    assert!(
        text.contains(INPUTS_LIST) && text.contains("more than 65536 bytes"),
        "{text}"
    );

    let docs = docs_of(folder.path(), b"{\"path\": 1}\n");
    assert!(message(docs).contains(INPUTS_LIST));
    let docs = docs_of(folder.path(), b"");
    lay_pipe(&docs.join(INPUTS_LIST)).unwrap();
    let text = message(docs);
    assert!(
        text.contains(INPUTS_LIST) && text.contains("it is a pipe"),
        "{text}"
    );
}

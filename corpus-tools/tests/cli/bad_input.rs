//! One way each in which inputs can be bad: a message that names the thing, nothing half-written.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::programs::{contents, fail, finished, message, names, run, tenk_corpus, text};

fn put(path: &Path, bytes: &[u8]) -> String {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
    path.to_str().unwrap().to_owned()
}

fn a_filing() -> PathBuf {
    let filings = finished().at("sample/filings");
    filings.join(&names(&filings)[0])
}

/// Binary without a line of text.
fn noise() -> Vec<u8> {
    (0..40_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[2])
        .collect()
}

#[test]
fn an_empty_folder_is_named() {
    let root = tempfile::tempdir().unwrap();
    let (empty, out) = (root.path().join("empty"), root.path().join("docs"));
    fs::create_dir(&empty).unwrap();
    let said = fail(["ingest", "--filings", &text(&empty), "--out", &text(&out)]);
    assert!(
        said.contains(&text(&empty)) && said.contains("no input file"),
        "{said}"
    );
    assert_eq!(names(root.path()), ["empty"]);
}

#[test]
fn a_missing_input_is_named() {
    let root = tempfile::tempdir().unwrap();
    let missing = text(&root.path().join("nowhere"));
    let said = fail([
        "ingest",
        "--filings",
        &missing,
        "--out",
        &text(&root.path().join("docs")),
    ]);
    assert!(said.contains(&missing), "{said}");
}

#[test]
fn thousands_of_threads_are_refused_before_any_starts() {
    for command in ["ingest", "fetch"] {
        let output = tenk_corpus([command, "--threads", "5000"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = message(&output);
        assert!(
            said.contains("'5000' for '--threads <N>'") && said.contains("use at most"),
            "{said}"
        );
    }
}

#[test]
fn a_truncated_dump_is_named_and_nothing_is_written() {
    let root = tempfile::tempdir().unwrap();
    let wiki = finished().at("sample/wiki");
    let whole = fs::read(wiki.join(&names(&wiki)[0])).unwrap();
    let cut = put(&root.path().join("cut.xml.bz2"), &whole[..whole.len() * 2 / 3]);
    let said = fail([
        "ingest",
        "--filings",
        &text(&a_filing()),
        "--wiki",
        &cut,
        "--out",
        &text(&root.path().join("docs")),
    ]);
    assert!(said.contains("cut.xml.bz2"), "{said}");
    assert_eq!(names(root.path()), ["cut.xml.bz2"]);
}

#[test]
fn a_binary_file_and_an_empty_one_are_listed_and_the_rest_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let (filings, docs) = (root.path().join("filings"), root.path().join("docs"));
    fs::create_dir(&filings).unwrap();
    put(&filings.join("noise.html"), &noise());
    put(&filings.join("nothing.txt"), b"");
    put(&filings.join("SOURCES.tsv"), b"file\n");
    fs::copy(a_filing(), filings.join("good.txt")).unwrap();
    let said = run(["ingest", "--filings", &text(&filings), "--out", &text(&docs)]);
    assert!(said.contains("rejected: 2"), "{said}");
    let rejected = fs::read_to_string(docs.join("rejected.jsonl")).unwrap();
    for line in rejected.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            row["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
            "{row}"
        );
    }
    assert!(
        rejected.contains("noise.html") && rejected.contains("nothing.txt"),
        "{rejected}"
    );
    assert!(
        fs::read_to_string(docs.join("skipped.jsonl"))
            .unwrap()
            .contains("SOURCES.tsv")
    );
}

#[test]
fn inputs_without_a_single_document_are_an_error_with_the_reasons() {
    let root = tempfile::tempdir().unwrap();
    let other_form = "<SEC-DOCUMENT>0000000000-24-000001.txt : 20240102\n<SEC-HEADER>0000000000-24-000001.hdr.sgml : 20240102\n\
        ACCESSION NUMBER:\t\t0000000000-24-000001\nCONFORMED SUBMISSION TYPE:\t8-K\n</SEC-HEADER>\n<DOCUMENT>\n<TYPE>8-K\n\
        <SEQUENCE>1\n<FILENAME>a.htm\n<TEXT>\n<html><body><p>Something happened on that day.</p></body></html>\n</TEXT>\n</DOCUMENT>\n</SEC-DOCUMENT>\n";
    let path = put(&root.path().join("8k.txt"), other_form.as_bytes());
    let said = fail([
        "ingest",
        "--filings",
        &path,
        "--out",
        &text(&root.path().join("docs")),
    ]);
    assert!(said.contains("1 skipped") && said.contains("8-K"), "{said}");
    assert_eq!(names(root.path()), ["8k.txt"]);
}

#[test]
fn one_filing_under_two_names_is_one_document_and_the_second_is_listed() {
    let root = tempfile::tempdir().unwrap();
    let filings = root.path().join("filings");
    fs::create_dir(&filings).unwrap();
    for name in ["one.txt", "two.txt"] {
        fs::copy(a_filing(), filings.join(name)).unwrap();
    }
    let docs = root.path().join("docs");
    run(["ingest", "--filings", &text(&filings), "--out", &text(&docs)]);
    let skipped = fs::read_to_string(docs.join("skipped.jsonl")).unwrap();
    assert!(
        skipped.contains("duplicate") && skipped.contains("two.txt") && skipped.contains("one.txt"),
        "{skipped}"
    );
}

#[test]
fn an_output_that_exists_is_refused_and_left_alone() {
    let corpus = text(&finished().at("corpus"));
    let (docs, tokenizer) = (text(&finished().at("docs")), text(&finished().at("tokenizer")));
    let filings = text(&finished().at("sample/filings"));
    for arguments in [
        vec!["ingest", "--filings", &filings, "--out", &corpus],
        vec!["tokenizer", "--docs", &docs, "--out", &corpus],
        vec![
            "build",
            "--docs",
            &docs,
            "--tokenizer",
            &tokenizer,
            "--out",
            &corpus,
        ],
    ] {
        let said = fail(arguments);
        assert!(
            said.contains("already exists") && said.contains("remove it"),
            "{said}"
        );
    }
}

#[test]
fn folders_of_another_kind_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let (docs, tokenizer) = (text(&finished().at("docs")), text(&finished().at("tokenizer")));
    let out = text(&root.path().join("corpus"));
    let said = fail([
        "build",
        "--docs",
        &tokenizer,
        "--tokenizer",
        &tokenizer,
        "--out",
        &out,
    ]);
    assert!(said.contains("not a documents folder"), "{said}");
    fail(["build", "--docs", &docs, "--tokenizer", &docs, "--out", &out]);
    fail(["verify", "--corpus", &docs]);
    let said = fail([
        "build",
        "--docs",
        &docs,
        "--tokenizer",
        &tokenizer,
        "--shards",
        "0",
        "--out",
        &out,
    ]);
    assert!(said.contains("0 shards"), "{said}");
    assert!(names(root.path()).is_empty());
}

#[test]
fn a_damaged_shard_is_named_with_its_document() {
    let root = tempfile::tempdir().unwrap();
    let corpus = root.path().join("corpus");
    for (name, bytes) in contents(&finished().at("corpus")) {
        fs::create_dir_all(corpus.join(&name).parent().unwrap()).unwrap();
        let mut bytes = bytes;
        if name.to_str() == Some("shard-00003-of-00008.bin") {
            bytes[100] ^= 1;
        }
        put(&corpus.join(name), &bytes);
    }
    let said = fail(["verify", "--corpus", &text(&corpus)]);
    assert!(
        said.contains("shard-00003-of-00008.bin is damaged from byte"),
        "{said}"
    );
    assert!(said.contains("in document "), "{said}");
}

#[test]
fn a_folder_of_the_wrong_kind_is_called_by_its_name() {
    let [docs, corpus, tokenizer] = ["docs", "corpus", "tokenizer"].map(|name| text(&finished().at(name)));
    for command in [vec!["stats"], vec!["inspect", "--id", "x"]] {
        let with = |option: &str, folder: &str| {
            let mut arguments = command.clone();
            arguments.extend([option, folder]);
            fail(arguments)
        };
        let said = with("--docs", &corpus);
        assert!(said.contains("is a corpus: give it with --corpus"), "{said}");
        let said = with("--corpus", &docs);
        assert!(
            said.contains("is a documents folder: give it with --docs"),
            "{said}"
        );
        let said = with("--docs", &tokenizer);
        assert!(said.contains("is a tokenizer folder"), "{said}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        vec!["ingest", "--out", "x"],
        vec!["stats"],
        vec!["bild"],
        vec!["build", "--shards", "many"],
    ] {
        let output = tenk_corpus(&arguments).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            message(&output)
        );
    }
}

#[test]
fn an_unknown_document_and_an_unknown_source_are_named() {
    let (docs, corpus) = (text(&finished().at("docs")), text(&finished().at("corpus")));
    let said = fail(["inspect", "--docs", &docs, "--id", "no-such-id"]);
    assert!(said.contains("no-such-id"), "{said}");
    let said = fail([
        "inspect",
        "--corpus",
        &corpus,
        "--held-out",
        "20-F",
        "--sentences",
        "3",
    ]);
    assert!(said.contains("20-F") && said.contains("10-K"), "{said}");
}

use std::collections::BTreeMap;
use std::path::PathBuf;

use documents::{BlockKind, DocsManifest, DocumentReader, LeftOut, NoProgress, Section};
use durable::{DISK, commit_bytes};
use proptest::prelude::*;

use super::*;
use crate::ingest::{IngestOptions, ingest, ingest_part, merge_ingested_parts};
use crate::inspect::raw_input::raw_text as raw_text_of;
use crate::sources::Source;
use crate::work::threads::worker_threads;

fn read_line(line: &str) -> Result<Document, String> {
    match outcome_of(&Line::Text(line.as_bytes().to_vec()), "a.jsonl") {
        Outcome::Document(document) => Ok(*document),
        Outcome::Rejected { reason } => Err(reason),
        other @ Outcome::Skipped { .. } => panic!("{other:?}"),
    }
}

#[test]
fn a_line_becomes_the_document_that_its_fields_state() {
    let line = r#"{"id": "9-10-K-2018-7", "company": "Oak  Mills\nInc.", "cik": "1800", "ticker": "OAK",
        "form": "10-K", "year": 2018, "filed": "2018-02-16", "section": "7", "pages": [1, {"a": null}],
        "text": "ITEM 7.\n\n Sales of  oak rose.\r\nThey fell before. "}"#;
    let document = read_line(&line.replace('\n', " ")).unwrap();
    let texts: Vec<&str> = document.blocks.iter().map(|block| block.text.as_str()).collect();
    assert_eq!(texts, ["ITEM 7.", "Sales of oak rose.", "They fell before."]);
    assert!(
        document
            .blocks
            .iter()
            .all(|block| block.kind == BlockKind::Paragraph)
    );
    let section = Section {
        item: "7".into(),
        status: documents::SectionStatus::Stated,
        with: Vec::new(),
        first_block: 0,
        end_block: 3,
        evidence: None,
    };
    let expected = Document {
        id: "text:9-10-K-2018-7".into(),
        source: "10-K".into(),
        cik: Some("0000001800".into()),
        company: Some("Oak Mills Inc.".into()),
        tickers: vec!["OAK".into()],
        filed: Some("2018-02-16".into()),
        fiscal_year: Some(2018),
        path: Some("a.jsonl".into()),
        sha256: durable::sha256_hex(line.replace('\n', " ").as_bytes()),
        blocks: document.blocks.clone(),
        sections: vec![section],
        ..Document::default()
    };
    assert_eq!(document, expected);
}

#[test]
fn the_source_is_what_the_line_says_else_its_form_else_text() {
    for (fields, source) in [
        (r#""source": "calls", "form": "10-K""#, "calls"),
        (r#""source": "", "form": " 10-K ""#, "10-K"),
        (r#""source": null, "form": null"#, "text"),
        (r#""company": "Oak""#, "text"),
    ] {
        let line = format!(r#"{{"id": "a", "text": "Oak.", {fields}}}"#);
        assert_eq!(read_line(&line).unwrap().source, source, "{fields}");
    }
}

#[test]
fn null_and_empty_fields_say_nothing_and_numbers_may_be_written_as_text() {
    let line = r#"{"id": 17, "text": "Oak.", "filed": "", "cik": "", "ticker": " ", "company": null, "section": "",
        "year": ""}"#;
    let document = read_line(&line.replace('\n', " ")).unwrap();
    let expected = Document {
        id: "text:17".into(),
        source: "text".into(),
        path: document.path.clone(),
        sha256: document.sha256.clone(),
        blocks: document.blocks.clone(),
        ..Document::default()
    };
    assert_eq!(document, expected);

    let line = r#"{"id": "a", "text": "Oak.", "cik": 1800, "year": "2018", "section": 7}"#;
    let document = read_line(line).unwrap();
    assert_eq!(document.cik.as_deref(), Some("0000001800"));
    assert_eq!(
        (document.fiscal_year, document.sections[0].item.as_str()),
        (Some(2018), "7")
    );
    let line = r#"{"id": "a", "text": "Oak.", "cik": 1800.0, "year": 2018.0}"#;
    let document = read_line(line).unwrap();
    assert_eq!(
        (document.cik.as_deref(), document.fiscal_year),
        (Some("0000001800"), Some(2018))
    );
}

#[test]
fn numbers_of_tables_are_taken_as_numbers_and_as_text_in_every_field() {
    let line = r#"{"id": 12.0, "text": "Oak.", "cik": "320193.0", "year": "2018.0", "section": 7.0}"#;
    let document = read_line(line).unwrap();
    assert_eq!(document.id, "text:12");
    assert_eq!(
        (document.cik.as_deref(), document.fiscal_year),
        (Some("0000320193"), Some(2018))
    );
    assert_eq!(document.sections[0].item, "7");
    let line = r#"{"id": -3, "text": "Oak.", "cik": "00000001800", "section": 7.5}"#;
    let document = read_line(line).unwrap();
    assert_eq!(
        (document.id.as_str(), document.cik.as_deref()),
        ("text:-3", Some("0000001800"))
    );
    assert_eq!(document.sections[0].item, "7.5");
    // Beyond 2^53 a floating-point number may be another than the file says.
    for id in ["9007199254740993.0", "12345678901234567890123"] {
        let refused = read_line(&format!(r#"{{"id": {id}, "text": "Oak."}}"#)).unwrap_err();
        assert!(refused.contains("whole number"), "{refused}");
    }
}

#[test]
fn what_stands_where_there_is_no_name_is_no_name() {
    for none in ["nan", "NaN", "None", "NULL", "n/a", "NA", "Unknown", "-", " nan "] {
        let line = format!(r#"{{"id": 1, "text": "Oak.", "company": "{none}", "ticker": "{none}"}}"#);
        let document = read_line(&line).unwrap();
        assert_eq!((document.company, document.tickers.len()), (None, 0), "{none}");
    }
    let line = r#"{"id": 1, "text": "Oak.", "company": "Nan Mills", "ticker": "NANX"}"#;
    let document = read_line(line).unwrap();
    assert_eq!(document.company.as_deref(), Some("Nan Mills"));
    assert_eq!(document.tickers, ["NANX"]);
}

#[test]
fn what_lists_and_objects_hold_is_passed_over_wherever_they_stand() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for value in [r#"[{"":0},{"":0}]"#, r#"{"a": [1, {"b": null}]}"#, &deep] {
        let line = format!(r#"{{"id": 1, "text": "Oak.", "other": {value}}}"#);
        assert!(read_line(&line).is_ok(), "{line:.80}");
        for name in [
            "text", "source", "company", "ticker", "filed", "section", "cik", "year",
        ] {
            let line = format!(r#"{{"id": 1, "text": "Oak.", "{name}": {value}}}"#);
            let line = line.replace(r#""text": "Oak.", "text""#, r#""text""#);
            let refused = read_line(&line).unwrap_err();
            assert!(refused.starts_with(&format!("`{name}` is n")), "{refused}");
        }
    }
}

#[test]
fn a_line_that_is_no_text_is_refused_with_its_reason() {
    let of = |fields: &str| format!(r#"{{"id": "a", "text": "Oak.", {fields}}}"#);
    for (line, reason) in [
        ("oak".to_owned(), "the line is not a JSON object"),
        (r#"["a", "Oak."]"#.to_owned(), "the line is not a JSON object"),
        (r#"{"id": "a", "#.to_owned(), "the line is not JSON: EOF"),
        (
            r#"{"id": "a", "text": "Oak.", "year": NaN}"#.to_owned(),
            "the line is not JSON",
        ),
        (
            r#"{"id": "a", "text": "Oak."} {}"#.to_owned(),
            "the line is not JSON: trailing",
        ),
        (
            r#"{"id": "a", "id": "b", "text": "Oak."}"#.to_owned(),
            "a field twice",
        ),
        (r#"{"text": "Oak."}"#.to_owned(), "`id` is missing"),
        (r#"{"id": null, "text": "Oak."}"#.to_owned(), "`id` is missing"),
        (r#"{"id": " ", "text": "Oak."}"#.to_owned(), "`id` is empty"),
        (r#"{"id": [1], "text": "Oak."}"#.to_owned(), "`id` is neither"),
        (r#"{"id": 1.5, "text": "Oak."}"#.to_owned(), "`id` is neither"),
        (
            r#"{"id": "a\nb", "text": "Oak."}"#.to_owned(),
            "`id` has a line break",
        ),
        (
            format!(r#"{{"id": "{}", "text": "Oak."}}"#, "a".repeat(513)),
            "`id` has more than 512",
        ),
        (
            r#"{"id": "a\u2028b", "text": "Oak."}"#.to_owned(),
            "another invisible character",
        ),
        (
            r#"{"id": "a\u202eb", "text": "Oak."}"#.to_owned(),
            "another invisible character",
        ),
        (
            r#"{"id": "a\u200bb", "text": "Oak."}"#.to_owned(),
            "another invisible character",
        ),
        (r#"{"id": "a"}"#.to_owned(), "`text` is missing"),
        (r#"{"id": "a", "text": 5}"#.to_owned(), "`text` is not text"),
        (
            r#"{"id": "a", "text": " \n\u00a0\n"}"#.to_owned(),
            "`text` is empty",
        ),
        (of(r#""source": 5"#), "`source` is not text"),
        (of(r#""source": "10-K@2019-01-01""#), "has an @"),
        (of(r#""form": "wiki""#), "is wiki"),
        (
            of(&format!(r#""company": "{}""#, "a".repeat(513))),
            "`company` has more than 512 bytes",
        ),
        (
            of(&format!(r#""ticker": "{}""#, "a".repeat(513))),
            "`ticker` has more than 512 bytes",
        ),
        (
            of(&format!(r#""section": "{}""#, "a".repeat(513))),
            "`section` has more than 512 bytes",
        ),
        (
            of(&format!(r#""form": "{}""#, "a".repeat(129))),
            "more than 128 bytes",
        ),
        (of(r#""company": {}"#), "`company` is not text"),
        (of(r#""ticker": ["OAK"]"#), "`ticker` is not text"),
        (of(r#""cik": true"#), "`cik` is neither"),
        (of(r#""cik": "A1""#), "`cik` is not a whole number"),
        (of(r#""cik": -5"#), "`cik` is not a whole number"),
        (of(r#""cik": 12345678901"#), "`cik` has more than 10"),
        (of(r#""cik": 0"#), "`cik` is 0"),
        (of(r#""year": 2018.5"#), "`year` is not a whole number"),
        (of(r#""year": 20180"#), "`year` is not a year"),
        (of(r#""filed": "16 Feb 2018""#), "`filed` is not a date"),
        (of(r#""filed": "2018-02-30""#), "`filed` is not a date"),
        (of(r#""filed": "-2019-1-01""#), "`filed` is not a date"),
        (of(r#""filed": "2019- 1- 1""#), "`filed` is not a date"),
        (of(r#""section": []"#), "`section` is not text"),
    ] {
        let found = read_line(&line).unwrap_err();
        assert!(found.contains(reason), "{line}: {found}");
        assert!(!found.contains(" at line "), "{found}");
    }
    let not_utf8 = Line::Text(b"{\"id\": \"a\", \"text\": \"\xff\"}".to_vec());
    let Outcome::Rejected { reason } = outcome_of(&not_utf8, "a.jsonl") else {
        panic!("it is read")
    };
    assert_eq!(reason, "the line is not UTF-8");
}

proptest! {
    #[test]
    fn any_line_gives_a_document_or_a_reason(
        line in "\\PC*|\\{\"id\": ?[0-9a\"]*, \"text\": ?\"[a-z\\\\n ]*\"(, \"[a-z]{2,8}\": ?[-0-9\"a-z.\\[\\]]*)*\\}"
    ) {
        match outcome_of(&Line::Text(line.into_bytes()), "a.jsonl") {
            Outcome::Document(document) => {
                prop_assert!(document.id.starts_with("text:") && !document.blocks.is_empty());
                prop_assert!(document.blocks.iter().all(|block| !block.text.is_empty()));
            }
            Outcome::Rejected { reason } => prop_assert!(!reason.is_empty()),
            Outcome::Skipped { reason, .. } => prop_assert!(reason.is_empty(), "{}", reason),
        }
    }
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    commit_bytes(&DISK, &path, bytes).unwrap();
    path
}

fn lines_of(path: &Path, most_bytes: u64) -> Vec<(u64, Line)> {
    let mut lines = Lines::open(path, &TextsPlace::default())
        .unwrap()
        .up_to(most_bytes);
    std::iter::from_fn(|| lines.next().unwrap()).collect()
}

#[test]
fn lines_have_their_numbers_blank_ones_counted_and_long_ones_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"\xef\xbb\xbfab\n\n  \r\nabcde\nabcdef\nabc\r\nabcdefghijkl";
    let packed = zstd::encode_all(&text[..], 1).unwrap();
    for (name, bytes) in [("a.jsonl", &text[..]), ("b.zst", &packed)] {
        let path = put(folder.path(), name, bytes);
        let line = |text: &str| Line::Text(text.as_bytes().to_vec());
        let expected = [
            (1, line("ab")),
            (4, line("abcde")),
            (5, Line::TooLong),
            (6, line("abc\r")),
            (7, Line::TooLong),
        ];
        assert_eq!(lines_of(&path, 5), expected, "{name}");
    }
}

#[test]
fn several_frames_of_zstd_are_one_file_and_those_without_text_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let frame = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
    let skippable = [&b"\x5a\x2a\x4d\x18\x05\0\0\0"[..], b"hello"].concat();
    let text = |text: &str| Line::Text(text.as_bytes().to_vec());
    for frames in [
        vec![frame(b"one\ntw"), frame(b"o\n")],
        vec![
            skippable.clone(),
            frame(b"one\n"),
            skippable.clone(),
            frame(b"two\n"),
            skippable,
        ],
    ] {
        for name in ["a.zst", "a.jsonl"] {
            let path = put(folder.path(), name, &frames.concat());
            assert_eq!(lines_of(&path, 100), [(1, text("one")), (2, text("two"))]);
        }
    }
}

#[test]
fn a_file_that_its_name_or_its_letters_do_not_fit_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let line = r#"{"id": "a", "text": "Oak."}"#;
    let low: Vec<u8> = line.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let high: Vec<u8> = line.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let with_mark = |mark: &[u8], text: &[u8]| [mark, text].concat();
    for (name, bytes, problem) in [
        ("a.jsonl.zst", line.as_bytes().to_vec(), "named .zst"),
        ("b.jsonl.ZST", Vec::new(), "named .zst"),
        ("c.jsonl", low.clone(), "UTF-16"),
        ("d.jsonl", high.clone(), "UTF-16"),
        ("e.jsonl", with_mark(b"\xff\xfe", &low), "UTF-16"),
        ("f.jsonl", with_mark(b"\xfe\xff", &high), "UTF-16"),
        ("g.jsonl.zst", zstd::encode_all(&low[..], 1).unwrap(), "UTF-16"),
    ] {
        let path = put(folder.path(), name, &bytes);
        let error = check(&path).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            error.to_string().contains(name) && source.contains(problem),
            "{error}: {source}"
        );
    }
}

#[test]
fn from_every_place_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..50)
        .map(|number| format!("line {number}\n\n"))
        .collect::<Vec<_>>()
        .concat();
    let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
    for (name, bytes) in [("a.jsonl", text.as_bytes()), ("b.zst", &packed)] {
        let path = put(folder.path(), name, bytes);
        let all = lines_of(&path, 100);
        let mut lines = Lines::open(&path, &TextsPlace::default()).unwrap();
        for behind in 1..=all.len() {
            lines.next().unwrap();
            let mut rest = Lines::open(&path, lines.place()).unwrap();
            let rest: Vec<_> = std::iter::from_fn(|| rest.next().unwrap()).collect();
            assert_eq!(rest, all[behind..], "{name}");
        }
    }
}

/// Documents folders made of one folder of texts.
struct Desk {
    root: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("texts")).unwrap();
        Self { root }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn put(&self, name: &str, text: &[u8]) {
        put(&self.at("texts"), name, text);
    }

    fn options(&self, out: &str, threads: usize) -> IngestOptions {
        IngestOptions {
            inputs: BTreeMap::from([(Source::Texts, vec![self.at("texts")])]),
            out: self.at(out),
            threads,
            ..IngestOptions::default()
        }
    }

    fn documents(&self, docs: &str) -> Vec<Document> {
        let reader = DocumentReader::open(&self.at(docs)).unwrap();
        reader.collect::<Result<_, _>>().unwrap()
    }

    fn left_out(&self, docs: &str, list: &str) -> Vec<LeftOut> {
        let text = std::fs::read_to_string(self.at(docs).join(list)).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn bytes(&self, docs: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = std::fs::read_dir(self.at(docs))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().into(), std::fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    }
}

fn text_line(number: usize, words: usize) -> String {
    let text = format!("oak {number} ").repeat(words);
    format!(
        "{{\"id\": \"{number:06}\", \"cik\": {}, \"text\": \"{text}\"}}\n",
        number / 3 + 1
    )
}

#[test]
fn bad_lines_are_listed_by_number_and_the_rest_is_read() {
    let desk = Desk::new();
    let mut text = text_line(1, 2).into_bytes();
    text.extend(b"\nno JSON\n{\"id\": \"b\"}\n{\"id\": \"c\", \"text\": \"\xff\"}\n");
    text.extend(text_line(2, 2).as_bytes());
    text.extend(text_line(1, 2).as_bytes());
    text.extend(text_line(2, 3).trim_end().as_bytes());
    desk.put("a.jsonl", &text);
    desk.put("empty.jsonl", b"\n \n");
    desk.put("notes.md", b"not texts");
    ingest(&desk.options("docs", 1), &NoProgress).unwrap();
    let ids: Vec<String> = desk
        .documents("docs")
        .into_iter()
        .map(|document| document.id)
        .collect();
    assert_eq!(ids, ["text:000001", "text:000002"]);
    let rejected = desk.left_out("docs", "rejected.jsonl");
    let found: Vec<(Option<&str>, &str)> = rejected
        .iter()
        .map(|left_out| (left_out.part.as_deref(), left_out.reason.as_str()))
        .collect();
    let other = "another document with this id but different content was read before";
    assert_eq!(
        found,
        [
            (Some("line 3"), "the line is not a JSON object"),
            (Some("line 4"), "`text` is missing"),
            (Some("line 5"), "the line is not UTF-8"),
            (Some("text:000002"), other),
            (None, "the file has no lines"),
        ]
    );
    let paths = ["a", "a", "a", "a", "empty"].map(|name| format!("texts/{name}.jsonl"));
    let found = rejected.iter().map(|left_out| &left_out.path);
    assert!(found.zip(&paths).all(|(path, expected)| path.ends_with(expected)));
    let skipped = desk.left_out("docs", "skipped.jsonl");
    assert!(skipped[0].path.ends_with("notes.md") && skipped[0].reason.contains(".jsonl"));
    assert_eq!(
        (skipped[1].part.as_deref(), skipped[1].reason.as_str()),
        (
            Some("text:000001"),
            "duplicate: the same document was read before"
        )
    );
    let manifest = DocsManifest::open(&desk.at("docs")).unwrap();
    assert_eq!(manifest.documents, BTreeMap::from([("text".to_owned(), 2)]));
    assert_eq!(manifest.files[0].name.as_str(), "texts-00000.jsonl.zst");
}

#[test]
fn threads_parts_and_lost_pieces_do_not_change_what_texts_become() {
    let desk = Desk::new();
    let text: String = (0..600).map(|number| text_line(number, 4_000)).collect();
    desk.put("a.jsonl", text.as_bytes());
    let text: String = (600..1_200).map(|number| text_line(number, 4_000)).collect();
    desk.put("b.jsonl.zst", &zstd::encode_all(text.as_bytes(), 1).unwrap());
    ingest(&desk.options("one", 1), &NoProgress).unwrap();
    assert_eq!(desk.documents("one").len(), 1_200);
    ingest(&desk.options("many", 4), &NoProgress).unwrap();
    assert!(desk.bytes("one") == desk.bytes("many"));

    let options = desk.options("merged", 2);
    for part in ["2/2", "1/2"] {
        ingest_part(&options, part.parse().unwrap(), &NoProgress).unwrap();
    }
    // The last piece of each file gets lost, as when the command was killed in it.
    let parts = desk.at("merged.parts");
    for segment in ["segment-00000", "segment-00001"] {
        let pieces = (1..).map(|piece| parts.join(format!("{segment}.{piece:05}")));
        let last = pieces.take_while(|piece| piece.exists()).last();
        std::fs::remove_dir_all(last.expect("several pieces")).unwrap();
    }
    for part in ["1/2", "2/2"] {
        ingest_part(&options, part.parse().unwrap(), &NoProgress).unwrap();
    }
    merge_ingested_parts(&options, &NoProgress).unwrap();
    assert!(desk.bytes("one") == desk.bytes("merged"));
}

#[test]
fn a_cut_file_and_one_of_another_packer_end_the_command_with_the_line() {
    let desk = Desk::new();
    let text: String = (0..600).map(|number| text_line(number, 100)).collect();
    let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
    desk.put("a.jsonl.zst", &packed[..packed.len() / 2]);
    let error = ingest(&desk.options("docs", 1), &NoProgress).unwrap_err();
    assert!(
        matches!(&error, CorpusError::DamagedTexts { path, line, .. } if path.ends_with("a.jsonl.zst") && *line > 0),
        "{error:?}"
    );
    assert!(!desk.at("docs").exists());

    let desk = Desk::new();
    desk.put("a.jsonl", b"\x1f\x8b\x08\x00\x00");
    let error = ingest(&desk.options("docs", 1), &NoProgress).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("a gzip stream") && source.contains("zstd"),
        "{source}"
    );
}

#[test]
fn more_sources_than_can_be_told_apart_end_the_command_with_one_of_them_and_the_way_out() {
    let desk = Desk::new();
    let lines = |sources: std::ops::Range<usize>| {
        let line = |n| format!("{{\"id\": {n}, \"source\": \"s{n}\", \"text\": \"Oak.\"}}\n");
        sources.map(line).collect::<Vec<_>>().concat()
    };
    desk.put("a.jsonl", lines(0..MOST_SOURCES).as_bytes());
    ingest(&desk.options("docs", 1), &NoProgress).unwrap();
    // Parts count for themselves, the merge counts all.
    desk.put("b.jsonl", lines(MOST_SOURCES..MOST_SOURCES + 1).as_bytes());
    let options = desk.options("many", 1);
    for part in ["1/2", "2/2"] {
        ingest_part(&options, part.parse().unwrap(), &NoProgress).unwrap();
    }
    let merged = merge_ingested_parts(&options, &NoProgress).unwrap_err();
    let whole = ingest(&desk.options("whole", 1), &NoProgress).unwrap_err();
    for error in [merged, whole] {
        let said = error.to_string();
        for part in ["256", "`source`", "s256", "b.jsonl", "10-K"] {
            assert!(said.contains(part), "{said}");
        }
    }
    assert!(!desk.at("many").exists() && !desk.at("whole").exists());
}

#[test]
fn windows_of_lines_are_bounded_and_every_thread_hands_on_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..2 * WINDOW_LINES + 7)
        .map(|number| text_line(number, 1))
        .collect();
    let path = put(folder.path(), "a.jsonl", text.as_bytes());
    let mut lines = Lines::open(&path, &TextsPlace::default()).unwrap();
    let sizes: Vec<usize> = std::iter::repeat_with(|| next_window(&mut lines).unwrap().lines.len())
        .take_while(|size| *size > 0)
        .collect();
    assert_eq!(sizes, [WINDOW_LINES, WINDOW_LINES, 7]);

    let stream = Stream {
        name: "a.jsonl",
        path: &path,
        until: None,
        places_every: 1,
    };
    let (mut parts, mut places) = (Vec::new(), 0);
    let pool = worker_threads(3).unwrap();
    read(
        &stream,
        &TextsPlace::default(),
        &pool,
        |item| item.part.unwrap(),
        |event| {
            match event {
                StreamEvent::Item(part) => parts.push(part),
                StreamEvent::Place(_) => places += 1,
            }
            ControlFlow::Continue(())
        },
    )
    .unwrap();
    let expected = (1..=2 * WINDOW_LINES + 7).map(|number| format!("line {number}"));
    assert!(parts.into_iter().eq(expected));
    // None behind the last line.
    assert_eq!(places, 2);
}

#[test]
fn the_raw_text_of_a_document_comes_back_from_its_line() {
    let desk = Desk::new();
    let line = r#"{"id": "b", "text": "Oak\n  is wood."}"#;
    let text = format!("{}no JSON\n{line}\r\n", text_line(1, 3));
    desk.put("a.jsonl.zst", &zstd::encode_all(text.as_bytes(), 1).unwrap());
    ingest(&desk.options("docs", 1), &NoProgress).unwrap();
    let document = desk.documents("docs").pop().unwrap();
    let raw = || raw_text_of(&desk.at("docs"), &document).unwrap();
    assert_eq!(raw(), RawText::Found("Oak\n  is wood.".to_owned()));

    std::fs::remove_file(desk.at("texts/a.jsonl.zst")).unwrap();
    desk.put("a.jsonl.zst", b"{}\n");
    let RawText::Missing(reason) = raw() else {
        panic!("it has changed")
    };
    assert!(reason.contains("a.jsonl.zst has changed"), "{reason}");
}

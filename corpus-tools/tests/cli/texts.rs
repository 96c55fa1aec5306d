//! Texts as JSON lines: from the command line to the counts of a corpus, and all of the real ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use documents::{DocsManifest, DocumentReader};
use serde_json::{Value, json};

use crate::programs::{build, fail, run, text};

/// Forty reports of twenty companies, two pieces of their calls each, and ten texts of nobody.
fn lines() -> String {
    let mut lines = String::new();
    let mut push = |line: Value| lines += &(line.to_string() + "\n");
    for company in 0..20 {
        let cik = format!("{}", 1_000 + company);
        for year in [2018, 2019] {
            let id = format!("{cik}-10-K-{year}");
            push(
                json!({ "id": id, "company": format!("Oak {company} Inc."), "cik": cik, "form": "10-K",
                "year": year, "filed": format!("{year}-02-16"), "section": "7",
                "text": format!("Item 7.\nSales of oak {company} rose in {year}.\nThe mill saws number {}.", company * year) }),
            );
        }
        push(
            json!({ "id": format!("{cik}-call"), "source": "calls", "cik": cik, "filed": "",
            "text": format!("Good morning from mill {company}.\nWe sawed {} logs.", company * 37) }),
        );
    }
    for number in 0..10 {
        push(json!({ "id": number, "text": format!("A note on tree {number}.") }));
    }
    lines
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    durable::commit_bytes(&durable::DISK, &path, bytes).unwrap();
    text(&path)
}

#[test]
fn texts_become_a_corpus_with_their_counts_by_source_and_no_company_on_both_sides() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&root.path().join(name));
    let lines = lines();
    let end = lines.match_indices('\n').nth(29).unwrap().0;
    let (first, second) = lines.split_at(end + 1);
    let plain = put(root.path(), "a.jsonl", format!("{first}not JSON\n").as_bytes());
    let packed = put(
        root.path(),
        "b.jsonl.zst",
        &zstd::encode_all(second.as_bytes(), 1).unwrap(),
    );
    let said = run([
        "ingest",
        "--texts",
        &plain,
        "--texts",
        &packed,
        "--out",
        &at("docs"),
    ]);
    assert!(said.contains("calls") && said.contains("rejected"), "{said}");
    let docs = DocsManifest::open(&root.path().join("docs")).unwrap();
    let expected =
        [("10-K", 40), ("calls", 20), ("text", 10)].map(|(source, count)| (source.to_owned(), count));
    assert_eq!(docs.documents, BTreeMap::from(expected));
    let rejected = std::fs::read_to_string(root.path().join("docs/rejected.jsonl")).unwrap();
    let rejected: Value = serde_json::from_str(rejected.trim_end()).unwrap();
    assert_eq!(rejected["part"], "line 31");
    assert_eq!(rejected["path"], plain.as_str());

    run([
        "tokenizer",
        "--docs",
        &at("docs"),
        "--vocab-size",
        "400",
        "--out",
        &at("tokenizer"),
    ]);
    build(
        &at("docs"),
        &at("tokenizer"),
        &at("corpus"),
        &["--keep-duplicates"],
    );
    let stats = run(["stats", "--corpus", &at("corpus"), "--json"]);
    let stats: Value = serde_json::from_str(&stats).unwrap();
    for (source, count) in [("10-K", 40), ("calls", 20), ("text", 10)] {
        let counts = &stats["sources"][source];
        let [trained, held_out] =
            ["documents", "held_out_documents"].map(|name| counts[name].as_u64().unwrap());
        assert_eq!(trained + held_out, count, "{source}: {counts}");
        assert!(trained > 0 && held_out > 0, "{source}: {counts}");
    }
    let mut sides = BTreeMap::<String, BTreeSet<bool>>::new();
    let file = std::fs::File::open(root.path().join("corpus/documents.jsonl.zst")).unwrap();
    let rows = String::from_utf8(zstd::decode_all(file).unwrap()).unwrap();
    for row in rows
        .lines()
        .map(|row| serde_json::from_str::<Value>(row).unwrap())
    {
        if let Some(cik) = row["cik"].as_str() {
            let side = sides.entry(cik.to_owned()).or_default();
            side.insert(row["shard"].is_null());
        }
    }
    assert_eq!(sides.len(), 20);
    assert!(sides.values().all(|side| side.len() == 1), "{sides:?}");

    let shown = run([
        "inspect",
        "--docs",
        &at("docs"),
        "--id",
        "text:1012-call",
        "--json",
    ]);
    assert!(shown.contains("We sawed 444 logs."), "{shown}");
}

#[test]
fn a_file_that_holds_no_text_at_all_ends_the_command_with_the_reasons() {
    let root = tempfile::tempdir().unwrap();
    let file = put(root.path(), "a.jsonl", b"{\"id\": \"a\"}\n{\"id\": \"b\"}\n");
    let said = fail([
        "ingest",
        "--texts",
        &file,
        "--out",
        &text(&root.path().join("docs")),
    ]);
    assert!(
        said.contains("2 x `text` is missing") && said.contains("2 rejected"),
        "{said}"
    );
    assert!(!root.path().join("docs").exists());
}

#[test]
fn the_item_texts_of_570_companies_are_read_whole() {
    let Some(folder) = test_data::find("filings-text") else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let docs = root.path().join("docs");
    run(["ingest", "--texts", &text(&folder), "--out", &text(&docs)]);
    let manifest = DocsManifest::open(&docs).unwrap();
    assert_eq!(manifest.documents, BTreeMap::from([("10-K".to_owned(), 1_124)]));
    assert_eq!((manifest.inputs.files, manifest.rejected), (5, BTreeMap::new()));
    let (mut companies, mut undated, mut items) = (BTreeSet::new(), 0, BTreeMap::<String, u32>::new());
    let mut text_bytes = 0;
    for document in DocumentReader::open(&docs).unwrap() {
        let document = document.unwrap();
        undated += u32::from(document.filed.is_none());
        companies.extend(document.cik);
        assert!(document.fiscal_year.is_some() && document.tickers.len() == 1);
        let [section] = &document.sections[..] else {
            panic!("{}: {:?}", document.id, document.sections)
        };
        *items.entry(section.item.clone()).or_default() += 1;
        assert_eq!(section.end_block as usize, document.blocks.len());
        text_bytes += document
            .blocks
            .iter()
            .map(|block| block.text.len())
            .sum::<usize>();
    }
    assert_eq!((companies.len(), undated), (570, 466));
    let expected =
        [("1", 107), ("1A", 300), ("7", 628), ("7A", 89)].map(|(item, count)| (item.to_owned(), count));
    assert_eq!(items, BTreeMap::from(expected));
    assert!(text_bytes > 80_000_000, "{text_bytes} bytes of text");
}

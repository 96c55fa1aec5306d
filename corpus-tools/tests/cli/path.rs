//! The whole path, and that it does not depend on threads or order.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::programs::{build, contents, finished, names, run};

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&run(arguments)).unwrap()
}

fn rows(corpus: &Path) -> Vec<Value> {
    let file = std::fs::File::open(corpus.join("documents.jsonl.zst")).unwrap();
    let lines = std::io::BufReader::new(zstd::Decoder::new(file).unwrap()).lines();
    lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}

#[test]
fn the_sample_becomes_a_corpus_that_verifies() {
    let corpus = finished().at("corpus");
    let corpus = corpus.to_str().unwrap();
    run(["verify", "--corpus", corpus]);
    let stats = json(&["stats", "--corpus", corpus, "--json"]);
    for source in ["10-K", "10-Q", "wiki"] {
        let counts = &stats["sources"][source];
        assert!(counts["documents"].as_u64().unwrap() > 0, "{source}: {stats}");
        assert!(
            counts["held_out_documents"].as_u64().unwrap() > 0,
            "{source}: {stats}"
        );
    }
    let sources = run(["stats", "--corpus", corpus, "--held-out-sources"]);
    assert!(sources.lines().any(|line| line == "10-K"), "{sources}");
    assert_eq!(
        names(finished().root.path()),
        ["corpus", "docs", "sample", "tokenizer"]
    );
}

#[test]
fn the_page_of_a_corpus_shows_its_counts_and_leaves_both_folders_alone() {
    let root = tempfile::tempdir().unwrap();
    for (option, folder) in [("--docs", "docs"), ("--corpus", "corpus")] {
        let folder = finished().at(folder);
        let before = contents(&folder);
        let page = root.path().join("page.html");
        let folder_name = folder.to_str().unwrap();
        run(["stats", option, folder_name, "--html", page.to_str().unwrap()]);
        let text = std::fs::read_to_string(&page).unwrap();
        let stats = json(&["stats", option, folder_name, "--json"]);
        let total: u64 = stats["sources"]
            .as_object()
            .unwrap()
            .values()
            .map(|counts| {
                let held_out = counts["held_out_documents"].as_u64().unwrap_or(0);
                counts["documents"].as_u64().unwrap() + held_out
            })
            .sum();
        assert!(
            text.contains(&format!("<dt>Documents</dt><dd>{total}</dd>")),
            "{total}"
        );
        assert_eq!(text.contains("Fertility"), option == "--corpus");
        assert!(before == contents(&folder));
    }
}

#[test]
fn no_company_and_no_page_is_on_both_sides() {
    let mut sides = BTreeMap::<String, Vec<bool>>::new();
    for row in rows(&finished().at("corpus")) {
        let id = row["id"].as_str().unwrap();
        let wiki = id
            .strip_prefix("wiki:")
            .map(|id| id.split(':').next().unwrap().to_owned());
        let filer = wiki.or_else(|| row["cik"].as_str().map(String::from));
        let filer = filer
            .or_else(|| row["company"].as_str().map(str::to_lowercase))
            .unwrap_or(id.to_owned());
        sides.entry(filer).or_default().push(row["shard"].is_null());
    }
    assert!(
        sides.values().any(|held_out| held_out.len() > 1),
        "some company has several filings"
    );
    for (filer, held_out) in &sides {
        assert!(
            held_out.iter().all(|side| side == &held_out[0]),
            "{filer} is on both sides"
        );
    }
    assert!(sides.values().any(|held_out| held_out[0]));
}

#[test]
fn equal_documents_give_equal_bytes_at_any_thread_count_and_input_order() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
    for part in ["a", "b"] {
        std::fs::create_dir(at(part)).unwrap();
    }
    let filings = finished().at("sample/filings");
    for (index, name) in names(&filings).iter().enumerate() {
        std::fs::copy(
            filings.join(name),
            Path::new(&at(["a", "b"][index % 2])).join(name),
        )
        .unwrap();
    }
    let wiki = finished().at("sample/wiki");
    let wiki = wiki.to_str().unwrap();
    for (run_name, first, second, threads) in [("1", "a", "b", "1"), ("2", "b", "a", "3")] {
        let docs = at(&format!("docs{run_name}"));
        let (tokenizer, corpus) = (
            at(&format!("tokenizer{run_name}")),
            at(&format!("corpus{run_name}")),
        );
        let (first, second) = (at(first), at(second));
        run([
            "ingest",
            "--threads",
            threads,
            "--filings",
            &first,
            "--wiki",
            wiki,
            "--filings",
            &second,
            "--out",
            &docs,
        ]);
        run([
            "tokenizer",
            "--threads",
            threads,
            "--docs",
            &docs,
            "--vocab-size",
            "1000",
            "--out",
            &tokenizer,
        ]);
        build(
            &docs,
            &tokenizer,
            &corpus,
            &["--threads", threads, "--pack", "full-sentences:128"],
        );
    }
    for step in ["docs", "tokenizer", "corpus"] {
        let (one, two) = (
            contents(Path::new(&at(&format!("{step}1")))),
            contents(Path::new(&at(&format!("{step}2")))),
        );
        assert!(!one.is_empty());
        for ((name, first), (other_name, second)) in one.iter().zip(&two) {
            assert_eq!(name, other_name);
            assert!(first == second, "{step}/{} differs", name.display());
        }
        assert_eq!(one.len(), two.len());
    }
}

#[test]
fn a_tokenizer_of_another_held_out_fraction_is_said_aloud() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("corpus");
    let [docs, tokenizer] = ["docs", "tokenizer"].map(|name| finished().at(name));
    let said = run([
        "build".as_ref(),
        "--docs".as_ref(),
        docs.as_os_str(),
        "--tokenizer".as_ref(),
        tokenizer.as_os_str(),
        "--held-out-fraction".as_ref(),
        "0.3".as_ref(),
        "--shards".as_ref(),
        "2".as_ref(),
        "--out".as_ref(),
        out.as_os_str(),
    ]);
    assert!(
        said.contains("held-out fraction of 0.05") && said.contains("built with 0.3"),
        "{said}"
    );
}

#[test]
fn held_out_sentences_come_one_a_line_as_plain_text() {
    let corpus = finished().at("corpus");
    let text = run([
        "inspect",
        "--corpus",
        corpus.to_str().unwrap(),
        "--held-out",
        "10-K",
        "--sentences",
        "20",
    ]);
    assert_eq!(text.lines().count(), 20, "{text}");
    assert!(
        text.lines()
            .all(|line| !line.is_empty() && !line.contains("</s>")),
        "{text}"
    );
    let again = run([
        "inspect",
        "--corpus",
        corpus.to_str().unwrap(),
        "--held-out",
        "10-K",
        "--sentences",
        "20",
    ]);
    assert_eq!(text, again);
}

#[test]
fn a_document_is_the_same_by_id_by_position_and_in_the_documents_folder() {
    let (corpus, docs) = (finished().at("corpus"), finished().at("docs"));
    let (corpus, docs) = (corpus.to_str().unwrap(), docs.to_str().unwrap());
    let by_place = json(&[
        "inspect",
        "--corpus",
        corpus,
        "--shard",
        "3",
        "--document",
        "1",
        "--json",
    ]);
    let id = by_place["row"]["id"].as_str().unwrap();
    assert_eq!(
        json(&["inspect", "--corpus", corpus, "--id", id, "--json"]),
        by_place
    );
    let token = (by_place["row"]["token_offset"].as_u64().unwrap() + 1).to_string();
    assert_eq!(
        json(&[
            "inspect", "--corpus", corpus, "--shard", "3", "--token", &token, "--json"
        ]),
        by_place
    );
    let document = json(&["inspect", "--docs", docs, "--id", id, "--json"]);
    let visible = document["document"]["blocks"].as_array().unwrap().iter();
    let visible: Vec<&Value> = visible
        .filter(|block| block["kind"] != "page_furniture")
        .map(|block| &block["text"])
        .collect();
    let decoded: Vec<&Value> = by_place["blocks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| &block["text"])
        .collect();
    assert_eq!(visible, decoded);
    let shown = run([
        "inspect",
        "--docs",
        docs,
        "--id",
        id,
        "--tokenizer",
        finished().at("tokenizer").to_str().unwrap(),
    ]);
    assert!(shown.contains(id) && shown.contains("tokens"), "{shown}");
}

#[test]
fn a_document_is_shown_raw_cleaned_and_tokenized_side_by_side() {
    let (docs, tokenizer) = (finished().at("docs"), finished().at("tokenizer"));
    let show = |id: &str, width: &str| {
        run([
            "inspect",
            "--docs",
            docs.to_str().unwrap(),
            "--id",
            id,
            "--tokenizer",
            tokenizer.to_str().unwrap(),
            "--width",
            width,
        ])
    };
    for source in ["10-K", "wiki"] {
        let id = documents::DocumentReader::open(&docs)
            .unwrap()
            .map(Result::unwrap)
            .find(|document| document.source == source)
            .unwrap()
            .id;
        let text = show(&id, "150");
        let head = text.lines().find(|line| line.starts_with("raw ")).unwrap();
        let columns: Vec<&str> = head.split('\u{2502}').map(str::trim).collect();
        assert_eq!(columns, ["raw", "cleaned", "tokens"]);
        assert!(text.contains('\u{2423}'), "{text}");
        let num_blocks = text.matches(" tokens\n").count();
        let not_found = text.matches("(not found").count();
        // An article's title stands outside its text.
        assert!(
            not_found * 10 <= num_blocks,
            "{source}: {not_found} of {num_blocks}"
        );
        let longest = text.lines().skip_while(|line| !line.starts_with("raw "));
        assert!(longest.map(|line| line.chars().count()).max().unwrap() <= 150);
    }
}

#[test]
fn a_document_whose_input_is_gone_is_shown_without_it_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (input, docs) = (folder.path().join("a.htm"), folder.path().join("docs"));
    durable::commit_bytes(
        &durable::DISK,
        &input,
        b"<p>FORM 10-K</p><p>Oak <b>sells</b>.</p>",
    )
    .unwrap();
    let paths = [&input, &docs].map(|path| path.to_str().unwrap());
    run(["ingest", "--filings", paths[0], "--out", paths[1]]);
    let id = documents::DocumentReader::open(&docs)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .id;
    let shown = run(["inspect", "--docs", paths[1], "--id", &id]);
    assert!(shown.contains("<p>Oak <b>sells"), "{shown}");
    durable::commit_bytes(&durable::DISK, &input, b"<p>FORM 10-K</p><p>Ash.</p>").unwrap();
    let shown = run(["inspect", "--docs", paths[1], "--id", &id]);
    assert!(shown.contains("a.htm has changed since it was read"), "{shown}");
    std::fs::remove_file(&input).unwrap();
    let shown = run(["inspect", "--docs", paths[1], "--id", &id]);
    assert!(
        shown.contains("raw: not shown") && shown.contains("a.htm"),
        "{shown}"
    );
    assert!(shown.contains("Oak sells."), "{shown}");
}

#[test]
fn the_unigram_cross_entropy_lies_between_nothing_and_a_uniform_guess() {
    let corpus = finished().at("corpus");
    let stats = json(&[
        "stats",
        "--corpus",
        corpus.to_str().unwrap(),
        "--unigram",
        "--json",
    ]);
    let total = stats["unigram"]["total"]["cross_entropy_nats"].as_f64().unwrap();
    assert!(total > 1.0 && total < 2000_f64.ln(), "{stats}");
    let text = run(["stats", "--corpus", corpus.to_str().unwrap(), "--unigram"]);
    assert!(text.contains("nats"), "{text}");
}

#[test]
fn a_reader_that_stops_early_is_no_error() {
    let program = assert_cmd::cargo::cargo_bin("tenk-corpus");
    let mut child = Command::new(program)
        .args([
            "inspect",
            "--corpus",
            finished().at("corpus").to_str().unwrap(),
            "--shard",
            "0",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.stderr.is_empty());
}

//! How well documents agree with what a reader of the real filings sees: words against a browser
//! and against raw text. Prints its figures (`cargo test -p edgar agreement -- --nocapture`, with
//! `--ignored` for every HTML filing).

use std::path::Path;

use test_data::agreement::{Agreement, browser_text, era, filings, page, raw_parts, without_sgml_tags};

use super::real_filings::data_folder;
use super::*;

/// What the issue of a filing must reach: words, and runs of five words.
const WORDS: f64 = 0.9995;
const FIVE_WORDS: f64 = 0.998;
/// HTML filings up to this size run through the browser in every test run.
const SMALL_BYTES: usize = 450_000;

pub(crate) fn documents(path: &Path, bytes: &[u8]) -> Vec<Document> {
    read_filing(&path.to_string_lossy(), bytes)
        .into_iter()
        .filter_map(|result| result.outcome.document())
        .collect()
}

fn text_of(document: &Document) -> String {
    let lines: Vec<&str> = document.blocks.iter().map(|block| block.text.as_str()).collect();
    lines.join("\n")
}

/// The worst of each era so far: its figures and its file.
type Worst = std::collections::BTreeMap<&'static str, (Agreement, String)>;

fn compare(worst: &mut Worst, document: &Document, reference: &str, name: String) {
    let agreement = Agreement::new(reference, &text_of(document));
    let Agreement {
        kept,
        right,
        five_kept,
        five_right,
    } = agreement;
    assert!(
        kept.min(right) >= WORDS && five_kept.min(five_right) >= FIVE_WORDS,
        "{name}: {agreement:?}"
    );
    let entry = worst.entry(era(document.period.as_deref()));
    let entry = entry.or_insert((agreement, name.clone()));
    if agreement.lowest() < entry.0.lowest() {
        *entry = (agreement, name);
    }
}

fn print_worst(worst: &Worst) {
    for (era, (agreement, name)) in worst {
        println!("{era}: {agreement:?} ({name})");
    }
}

fn html_filings_agree_with_the_browser(largest: usize) {
    let Some(folder) = data_folder() else { return };
    if browser_text(b"<p>oak</p>").is_none() {
        println!("skipped: no chromium to compare with");
        return;
    }
    let mut worst = Worst::new();
    for path in filings(&folder) {
        let bytes = std::fs::read(&path).unwrap();
        let Some(document) = documents(&path, &bytes).into_iter().next() else {
            continue;
        };
        let body = page(&bytes);
        if bytes.len() <= largest && is_html("", &String::from_utf8_lossy(body)) {
            let name = path.strip_prefix(&folder).unwrap().display().to_string();
            compare(&mut worst, &document, &browser_text(body).unwrap(), name);
        }
    }
    print_worst(&worst);
    assert_eq!(worst.len(), 3, "a filing of each era");
}

#[test]
fn small_html_filings_of_every_era_keep_what_a_browser_shows_and_nothing_else() {
    html_filings_agree_with_the_browser(SMALL_BYTES);
}

#[test]
#[ignore = "runs a browser on seventy filings, minutes"]
fn every_html_filing_keeps_what_a_browser_shows_and_nothing_else() {
    html_filings_agree_with_the_browser(usize::MAX);
}

#[test]
fn plain_text_filings_keep_the_words_of_their_raw_text_and_nothing_else() {
    let Some(folder) = data_folder() else { return };
    let mut worst = Worst::new();
    let mut compared = 0;
    for path in filings(&folder) {
        let bytes = std::fs::read(&path).unwrap();
        let text = decode(&bytes).unwrap();
        let documents = documents(&path, &bytes);
        let parts = raw_parts(&text);
        for (document, part) in documents.iter().zip(parts).filter(|(_, part)| !is_html("", part)) {
            let name = format!(
                "{} {}",
                path.strip_prefix(&folder).unwrap().display(),
                document.source
            );
            compare(&mut worst, document, &without_sgml_tags(part), name);
            compared += 1;
        }
    }
    print_worst(&worst);
    assert!(compared >= 6, "{compared}");
}

//! How well documents agree with what a reader of the real filings sees: words against a browser
//! and against raw text, page furniture against labels set by hand. Prints its figures
//! (`cargo test -p corpus agreement -- --nocapture`, with `--ignored` for every HTML filing).

use super::real_filings::data_folder;
use super::*;
use crate::document::BlockKind;

use regex::Regex;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the issue of a filing must reach: words, and runs of five words.
const WORDS: f64 = 0.9995;
const FIVE_WORDS: f64 = 0.998;
const FURNITURE: f64 = 0.98;
/// HTML filings up to this size run through the browser in every test run.
const SMALL_BYTES: usize = 450_000;
const FOLDERS: [&str; 3] = ["filings", "filings-older", "sections"];

/// A file, a page furniture label a line: the file's path under the data folder, then the words
/// of the document that are furniture, as `FIRST+COUNT` by their positions among all its words.
const LABELS: &str = include_str!("page_furniture.tsv");

/// Maximal runs of letters and digits.
fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Share of the reference's runs of `length` words that were kept, and of ours that are right.
fn agreement(reference: &[&str], ours: &[&str], length: usize) -> (f64, f64) {
    let mut counts: HashMap<&[&str], (usize, usize)> = HashMap::new();
    for run in reference.windows(length) {
        counts.entry(run).or_default().0 += 1;
    }
    for run in ours.windows(length) {
        counts.entry(run).or_default().1 += 1;
    }
    let common: usize = counts.values().map(|(a, b)| a.min(b)).sum();
    let share = |words: &[&str]| common as f64 / (words.len() + 1).saturating_sub(length).max(1) as f64;
    (share(reference), share(ours))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|name| folder.join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let extension = path
                .extension()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if extension != "tsv" && extension != "json" {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn documents(path: &Path, bytes: &[u8]) -> Vec<Document> {
    read_filing(&path.to_string_lossy(), bytes)
        .into_iter()
        .filter_map(|result| match result.outcome {
            Outcome::Document(document) => Some(*document),
            _ => None,
        })
        .collect()
}

fn text_of(document: &Document) -> String {
    let lines: Vec<&str> = document.blocks.iter().map(|block| block.text.as_str()).collect();
    lines.join("\n")
}

/// The raw text of the reports and annual reports of a file, in order.
fn raw_parts(text: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split("<DOCUMENT>").collect();
    if parts.len() == 1 {
        return parts;
    }
    parts.remove(0);
    let is_kept = |part: &&str| {
        let kind = part.split("<TYPE>").nth(1).unwrap_or_default().trim_start();
        ["10-K", "10-Q", "EX-13"]
            .iter()
            .any(|form| kind.starts_with(form))
    };
    let body = |part| {
        let text: &str = str::split_once(part, "<TEXT>").map_or("", |(_, text)| text);
        text.rsplit_once("</TEXT>").map_or(text, |(text, _)| text)
    };
    parts.into_iter().filter(is_kept).map(body).collect()
}

/// By the year of the period; without one the filing is of these years.
fn era(document: &Document) -> &'static str {
    let year = document
        .period
        .as_ref()
        .and_then(|period| period[..4].parse().ok());
    match year.unwrap_or(2019) {
        ..=2008 => "to 2008",
        2009..=2018 => "2009-2018",
        _ => "2019 on",
    }
}

/// `document.body.innerText` of a page in headless Chromium; `None` without a browser.
fn browser_text(html: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let script = "<script>addEventListener('load',()=>{const t=document.body.innerText;\
        document.documentElement.innerHTML='<body><pre id=t></pre></body>';document.getElementById('t').textContent=t;});</script>";
    let charset = if std::str::from_utf8(html).is_ok() {
        "utf-8"
    } else {
        "windows-1252"
    };
    let page = [
        format!("<meta charset=\"{charset}\">").as_bytes(),
        html,
        script.as_bytes(),
    ]
    .concat();
    let path = folder.path().join("page.html");
    durable::commit_bytes(&durable::DISK, &path, &page).unwrap();
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--dump-dom",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
        ])
        .args([
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--virtual-time-budget=60000",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!("file://{}", path.display()))
        .output();
    let dom = String::from_utf8_lossy(&output.ok()?.stdout).into_owned();
    let text = dom.split_once("<pre id=\"t\">")?.1.rsplit_once("</pre>")?.0;
    Some(htmlize::unescape(text).into_owned())
}

/// The worst of each era so far: its figures and its file.
type Worst = std::collections::BTreeMap<&'static str, ([f64; 4], String)>;

fn compare(worst: &mut Worst, document: &Document, reference: &str, name: String) {
    let ours = text_of(document);
    let (reference, ours) = (words(reference), words(&ours));
    let ((kept, right), (kept5, right5)) = (agreement(&reference, &ours, 1), agreement(&reference, &ours, 5));
    let figures = [kept, right, kept5, right5];
    assert!(
        kept.min(right) >= WORDS && kept5.min(right5) >= FIVE_WORDS,
        "{name}: words kept/right, five words kept/right: {figures:?}"
    );
    let lowest = |figures: &[f64; 4]| figures.iter().copied().fold(1.0, f64::min);
    let entry = worst.entry(era(document)).or_insert(([1.0; 4], name.clone()));
    if lowest(&figures) < lowest(&entry.0) {
        *entry = (figures, name);
    }
}

fn print_worst(worst: &Worst) {
    for (era, ([kept, right, kept5, right5], name)) in worst {
        println!("{era}: words {kept:.5}/{right:.5}, five words {kept5:.5}/{right5:.5} ({name})");
    }
}

fn html_filings_agree_with_the_browser(largest: usize) {
    let Some(folder) = data_folder() else { return };
    if browser_text(b"<p>oak</p>").is_none() {
        println!("skipped: no chromium to compare with");
        return;
    }
    let mut worst = Worst::new();
    for path in files(&folder) {
        let bytes = std::fs::read(&path).unwrap();
        let Some(document) = documents(&path, &bytes).into_iter().next() else {
            continue;
        };
        let start = memchr::memmem::find(&bytes, b"<TEXT>").map_or(0, |at| at + 6);
        let body = &bytes[start..];
        let body = &body[..memchr::memmem::find(body, b"</TEXT>").unwrap_or(body.len())];
        // XHTML is served as HTML by EDGAR's viewer.
        let body = match memchr::memmem::find(body, b"?>") {
            Some(end) if body.trim_ascii_start().starts_with(b"<?xml") => &body[end + 2..],
            _ => body,
        };
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
    let tag = Regex::new("</?[A-Z][A-Z0-9-]*>").unwrap();
    let mut worst = Worst::new();
    let mut compared = 0;
    for path in files(&folder) {
        let bytes = std::fs::read(&path).unwrap();
        let text = decode(&bytes);
        let documents = documents(&path, &bytes);
        let parts = raw_parts(&text);
        for (document, part) in documents.iter().zip(parts).filter(|(_, part)| !is_html("", part)) {
            let name = format!(
                "{} {}",
                path.strip_prefix(&folder).unwrap().display(),
                document.source
            );
            let reference = tag.replace_all(part, " ");
            compare(&mut worst, document, &htmlize::unescape(&*reference), name);
            compared += 1;
        }
    }
    print_worst(&worst);
    assert!(compared >= 6, "{compared}");
}

/// For each word of a document, whether its block is page furniture.
fn furniture_words(document: &Document) -> Vec<bool> {
    let of_block = |block: &crate::document::Block| {
        vec![block.kind == BlockKind::PageFurniture; words(&block.text).len()]
    };
    document.blocks.iter().flat_map(of_block).collect()
}

#[test]
fn page_furniture_is_what_a_person_labelled() {
    let Some(folder) = data_folder() else { return };
    let (mut all_marked, mut all_labelled, mut all_right) = (0usize, 0usize, 0usize);
    for line in LABELS.lines().filter(|line| !line.starts_with('#')) {
        let (file, ranges) = line.split_once('\t').unwrap();
        let path = folder.join(file);
        let document = documents(&path, &std::fs::read(&path).unwrap()).remove(0);
        let marked = furniture_words(&document);
        let mut labelled = vec![false; marked.len()];
        for range in ranges.split(' ') {
            let (first, count) = range.split_once('+').unwrap();
            let first: usize = first.parse().unwrap();
            labelled[first..first + count.parse::<usize>().unwrap()].fill(true);
        }
        // Blocks, not words: a page number counts as much as a long header.
        let (mut num_marked, mut num_labelled, mut num_right, mut word) = (0, 0, 0, 0);
        for block in &document.blocks {
            let length = words(&block.text).len();
            let is_labelled = labelled[word..word + length].iter().all(|&is| is);
            let is_marked = block.kind == BlockKind::PageFurniture;
            num_marked += usize::from(is_marked);
            num_labelled += usize::from(is_labelled);
            num_right += usize::from(is_marked && is_labelled);
            if is_marked != is_labelled {
                println!("{file}: word {word}: marked {is_marked}: {:.60}", block.text);
            }
            word += length;
        }
        println!("{file}: {num_right} of {num_marked} marked are right, {num_right} of {num_labelled} found");
        all_marked += num_marked;
        all_labelled += num_labelled;
        all_right += num_right;
    }
    let (precision, recall) = (
        all_right as f64 / all_marked as f64,
        all_right as f64 / all_labelled as f64,
    );
    println!(
        "{precision:.4} of the furniture is furniture, {recall:.4} of it is found ({all_labelled} blocks)"
    );
    assert!(
        precision >= FURNITURE && recall >= FURNITURE,
        "{precision} {recall}"
    );
}

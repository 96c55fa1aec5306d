//! What is kept of the filings: the words of each era's worst file beside a browser's, ours and
//! lxml's; those of plain text beside its raw text; page furniture beside labels set by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use documents::{BlockKind, Document};
use rayon::prelude::*;
use test_data::agreement::{Agreement, browser_text, era, filings, page, raw_parts, without_sgml_tags};
use test_data::furniture_labels::{FurnitureCounts, MarkedBlock, furniture_labels};

use crate::contest::succeed;

/// The worst agreement of each era, and whose it is.
type Worst = BTreeMap<&'static str, (Agreement, String)>;

/// A page of which a browser told what it shows.
struct Shown {
    era: &'static str,
    name: String,
    reference: String,
    ours: String,
    page: Vec<u8>,
}

/// The section `agreement` of the page of benchmarks.
pub(crate) fn table(python: &Path) -> Result<String> {
    let data = test_data::root();
    if !data.join("filings").exists() {
        return Ok("Not measured: the real filings are not there (set `TENK_DATA`).\n".to_owned());
    }
    if browser_text(b"<p>oak</p>").is_none() {
        return Ok("Not measured: there is no Chromium to tell what a reader sees.\n".to_owned());
    }
    let files = filings(&data);
    let shown: Vec<Shown> = files
        .par_iter()
        .filter_map(|path| shown(&data, path).transpose())
        .collect::<Result<_>>()?;
    let ours = worst(shown.iter().map(|file| (file, file.ours.as_str())));
    let texts = lxml(python, &shown)?;
    let peer = worst(shown.iter().zip(&texts).map(|(file, text)| (file, text.as_str())));
    let mut text = format!(
        "Shares of words kept / kept words that are right, then of runs of five words; the worst file of each \
         era of {} HTML filings beside what Chromium shows of them, and of plain text beside itself.\n\n\
         | agreement | at least | ours | worst file | lxml |\n|---|---|---|---|---|\n",
        shown.len()
    );
    for (era, (agreement, name)) in &ours {
        let lxml = peer
            .get(era)
            .map(|(agreement, _)| shares(agreement))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "| HTML, {era} | 0.9995, 0.998 | {} | {name} | {lxml} |",
            shares(agreement)
        );
    }
    for (era, (agreement, name)) in &plain_text(&data, &files)? {
        let _ = writeln!(
            text,
            "| plain text, {era} | 0.9995, 0.998 | {} | {name} | |",
            shares(agreement)
        );
    }
    let (counts, num_files) = furniture(&data)?;
    let _ = writeln!(
        text,
        "| page furniture: right of what is marked / found, {num_files} files, {} blocks | 0.995 / 0.98 | {:.4} / {:.4} | | |",
        counts.right + counts.misses,
        counts.precision(),
        counts.recall()
    );
    Ok(text)
}

fn shares(agreement: &Agreement) -> String {
    let Agreement {
        kept,
        right,
        five_kept,
        five_right,
    } = agreement;
    format!("{kept:.5} / {right:.5}, {five_kept:.5} / {five_right:.5}")
}

fn worst<'a>(files: impl Iterator<Item = (&'a Shown, &'a str)>) -> Worst {
    let mut worst = Worst::new();
    for (file, text) in files {
        enter(
            &mut worst,
            file.era,
            Agreement::new(&file.reference, text),
            &file.name,
        );
    }
    worst
}

fn enter(worst: &mut Worst, era: &'static str, agreement: Agreement, name: &str) {
    let entry = worst.entry(era).or_insert_with(|| (agreement, name.to_owned()));
    if agreement.lowest() < entry.0.lowest() {
        *entry = (agreement, name.to_owned());
    }
}

/// The first document of an HTML filing beside the browser; `None` for plain text.
fn shown(data: &Path, path: &Path) -> Result<Option<Shown>> {
    let bytes = read(path)?;
    let Some(document) = documents(path, &bytes).into_iter().next() else {
        return Ok(None);
    };
    let page = page(&bytes);
    if !is_html(page) {
        return Ok(None);
    }
    let reference =
        browser_text(page).with_context(|| format!("Chromium shows nothing of {}", path.display()))?;
    Ok(Some(Shown {
        era: era(document.period.as_deref()),
        name: below(data, path),
        reference,
        ours: text_of(&document),
        page: page.to_vec(),
    }))
}

fn is_html(page: &[u8]) -> bool {
    edgar::decode(page).is_ok_and(|text| edgar::is_html("", &text))
}

/// The text that lxml takes out of the same pages.
fn lxml(python: &Path, shown: &[Shown]) -> Result<Vec<String>> {
    let scratch = tempfile::tempdir()?;
    let files: Vec<PathBuf> = (0..shown.len())
        .map(|index| scratch.path().join(format!("{index}.html")))
        .collect();
    for (path, file) in files.iter().zip(shown) {
        durable::commit_bytes(&durable::DISK, path, &file.page)?;
    }
    let mut command = Command::new(python);
    succeed(command.arg("benches/peers/html_texts.py").args(&files))?;
    let text = |path: &PathBuf| {
        let path = path.with_extension("txt");
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    files.iter().map(text).collect()
}

/// Every plain-text document beside its raw text without SGML tags.
fn plain_text(data: &Path, files: &[PathBuf]) -> Result<Worst> {
    let mut worst = Worst::new();
    for path in files {
        let bytes = read(path)?;
        let text =
            edgar::decode(&bytes).map_err(|at| anyhow!("{}: byte {at} is no UTF-16", path.display()))?;
        for (document, part) in documents(path, &bytes).iter().zip(raw_parts(&text)) {
            if !is_html(part.as_bytes()) {
                let reference = without_sgml_tags(part);
                let agreement = Agreement::new(&reference, &text_of(document));
                enter(
                    &mut worst,
                    era(document.period.as_deref()),
                    agreement,
                    &below(data, path),
                );
            }
        }
    }
    Ok(worst)
}

/// What is marked in the filings whose labels are open, beside these.
fn furniture(data: &Path) -> Result<(FurnitureCounts, usize)> {
    let mut all = FurnitureCounts::default();
    let labels = ["first", "blind", "open"].map(furniture_labels).concat();
    for file in &labels {
        let path = data.join(&file.path);
        let documents = documents(&path, &read(&path)?);
        let document = documents
            .iter()
            .find(|document| file.are_of(&document.id))
            .with_context(|| format!("no such document in {}", path.display()))?;
        let marked = document.blocks.iter().map(|block| MarkedBlock {
            is_marked: block.kind == BlockKind::PageFurniture,
            text: &block.text,
        });
        all.add(file.judge(&marked.collect::<Vec<_>>()).1);
    }
    ensure!(all.right > 0, "no page furniture is labeled");
    Ok((all, labels.len()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn below(data: &Path, path: &Path) -> String {
    path.strip_prefix(data).unwrap_or(path).display().to_string()
}

fn documents(path: &Path, bytes: &[u8]) -> Vec<Document> {
    edgar::read_filing(&path.to_string_lossy(), bytes)
        .into_iter()
        .filter_map(|result| result.outcome.document())
        .collect()
}

fn text_of(document: &Document) -> String {
    let lines: Vec<&str> = document.blocks.iter().map(|block| block.text.as_str()).collect();
    lines.join("\n")
}

//! The items of filings beside labels set by hand, ours and those of edgartools, over texts alone:
//! the peer gives neither places nor statuses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use documents::{Document, Outcome, SectionStatus};
use rayon::prelude::*;
use test_data::items::{
    GivenText, Half, ItemLabels, LabeledText, TextCounts, count_texts, item_labels, with_document_tags,
};

use crate::contest::succeed;

/// A labeled report, read.
struct Report {
    labels: ItemLabels,
    document: Document,
    text: LabeledText,
    /// The document as it stands in its submission.
    raw: String,
}

/// The section `items` of the page of benchmarks.
pub(crate) fn table(python: &Path) -> Result<String> {
    let data = test_data::root();
    if !data.join("filings-many").exists() {
        return Ok("Not measured: the real filings are not there (set `TENK_DATA`).\n".to_owned());
    }
    let reports: Vec<Report> = item_labels(Half::Open)
        .into_par_iter()
        .filter_map(|labels| report(&data, labels).transpose())
        .collect::<Result<_>>()?;
    let mut text = format!(
        "Texts of items of {} reports beside labels set by hand, by words: items whose text has an F1 of at \
         least 0.95, mean F1 of items 1, 1A, 3, 7 and 8 (10-Q: their like), and texts that are for the greater \
         part not the item's.\n\n| items | right | F1 | wrong text |\n|---|---|---|---|\n",
        reports.len()
    );
    let ours = count(&reports, reports.iter().map(ours).collect());
    let _ = writeln!(text, "| ours | {} |", figures(&ours));
    match edgartools(python, &reports) {
        Ok(given) => {
            let peer = count(&reports, given);
            let _ = writeln!(text, "| edgartools | {} |", figures(&peer));
        }
        Err(error) => {
            let reason = format!("{error:#}");
            let reason = reason.lines().last().unwrap_or_default();
            let _ = writeln!(text, "| edgartools | not measured: {reason} | | |");
        }
    }
    Ok(text)
}

fn figures(counts: &TextCounts) -> String {
    let TextCounts {
        labeled,
        right,
        given,
        wrong,
        ..
    } = counts;
    format!(
        "{right} of {labeled} | {:.4} | {wrong} of {given}",
        counts.macro_f1()
    )
}

fn count(reports: &[Report], given: Vec<Vec<GivenText>>) -> TextCounts {
    let mut counts = TextCounts::default();
    for (report, given) in reports.iter().zip(given) {
        count_texts(
            &report.labels,
            &report.document.source,
            &report.text,
            &given,
            &mut counts,
        );
    }
    counts
}

/// The first report of a labeled filing.
fn report(data: &Path, labels: ItemLabels) -> Result<Option<Report>> {
    let path = data.join(&labels.path);
    let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let bytes = with_document_tags(&bytes);
    let mut results = edgar::read_filing(&labels.path, &bytes).into_iter();
    let document = results.find_map(|result| match result.outcome {
        Outcome::Document(document) => Some(*document),
        _ => None,
    });
    let report = document.map(|document| Report {
        text: LabeledText::new(document.blocks.iter().map(|block| block.text.as_str())),
        raw: edgar::raw_text(&bytes, &document.id).unwrap_or_default(),
        document,
        labels,
    });
    Ok(report)
}

fn ours(report: &Report) -> Vec<GivenText> {
    let is_given = |status| !matches!(status, SectionStatus::Uncertain | SectionStatus::NotFound);
    let sections = report.document.sections.iter();
    sections
        .filter(|section| is_given(section.status))
        .map(|section| GivenText {
            item: section.item.clone(),
            text: report.text.blocks_text(&section.blocks()),
        })
        .collect()
}

/// What the peer gives of the same documents: a JSON object of items beside each file.
fn edgartools(python: &Path, reports: &[Report]) -> Result<Vec<Vec<GivenText>>> {
    let scratch = tempfile::tempdir()?;
    let files: Vec<PathBuf> = (0..reports.len())
        .map(|index| {
            let form = reports[index].document.source.replace('/', "_");
            scratch.path().join(format!("{index}.{form}.html"))
        })
        .collect();
    for (path, report) in files.iter().zip(reports) {
        durable::commit_bytes(&durable::DISK, path, report.raw.as_bytes())?;
    }
    let mut command = Command::new(python);
    succeed(command.arg("benches/peers/filing_items.py").args(&files))?;
    files
        .iter()
        .map(|path| {
            let path = path.with_extension("json");
            let text =
                std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let items: BTreeMap<String, String> = serde_json::from_str(&text)?;
            Ok(items
                .into_iter()
                .map(|(item, text)| GivenText { item, text })
                .collect())
        })
        .collect()
}

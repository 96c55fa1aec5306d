//! Every real filing at hand, read in place: each annual or quarterly report gives a document
//! with the right form and accession number, every other form is skipped by name. What is right
//! comes from patterns in the raw bytes, and from a person's reading where the bytes do not say.

use super::*;
use regex::Regex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Forms that only the cover page states, read by a person.
const FORMS_BY_EYE: [(&str, &str); 2] = [
    ("0000950153-99-001234.html", "10-K"),
    ("0001376474-16-000635.html", "10-K"),
];

/// The folder of real data, or `None` (the test says that it is skipped) when it is not there.
pub(super) fn data_folder() -> Option<PathBuf> {
    test_data::find("")
}

fn filings(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut filings = BTreeMap::new();
    for part in ["filings", "filings-older", "filings-other"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension != "tsv") {
                filings.insert(
                    path.file_name().unwrap().to_string_lossy().into_owned(),
                    std::fs::read(&path).unwrap(),
                );
            }
        }
    }
    filings
}

/// The form that the raw bytes state: header, else first `<TYPE>`, else inline fact.
fn stated_form(name: &str, text: &str) -> String {
    let patterns = [
        r"CONFORMED SUBMISSION TYPE:\s*(\S[^\r\n]*)",
        r"(?s)\A\s*(?:<SUBMISSION>.*?|<DOCUMENT>\s*)<TYPE>([^\r\n<]+)",
        r#"(?s)name="dei:DocumentType"[^>]*>(?:<[^>]*>)*([^<]+)"#,
    ];
    let stated = patterns
        .iter()
        .find_map(|pattern| Some(Regex::new(pattern).unwrap().captures(text)?[1].trim().to_owned()));
    let by_eye = FORMS_BY_EYE
        .iter()
        .find(|(file, _)| *file == name)
        .map(|(_, form)| (*form).to_owned());
    by_eye
        .or(stated)
        .unwrap_or_else(|| panic!("{name}: read it and add it to FORMS_BY_EYE"))
}

fn stated_accession(text: &str) -> Option<String> {
    let pattern =
        Regex::new(r"(?m)^\s*(?:ACCESSION NUMBER:\s*|<ACCESSION-NUMBER>)(\d{10}-\d\d-\d{6})").unwrap();
    Some(pattern.captures(text)?[1].to_owned())
}

#[test]
fn every_real_filing_has_the_outcome_that_its_bytes_state() {
    let Some(folder) = data_folder() else { return };
    let filings = filings(&folder);
    let mut num_documents = 0;
    for (name, bytes) in &filings {
        let text = String::from_utf8_lossy(bytes);
        let form = stated_form(name, &text);
        let results = read_filing_with(name, bytes, Exhibits::None);
        let is_report = form.starts_with("10-K") || form.starts_with("10-Q");
        assert_eq!(results.len(), 1, "{name}");
        match &results[0].outcome {
            Outcome::Document(document) => {
                assert!(is_report, "{name} is a {form}");
                assert_eq!(document.source, form, "{name}");
                let accession = document
                    .id
                    .split_once(':')
                    .map(|(head, _)| head.to_owned())
                    .filter(|head| head != "file");
                assert_eq!(accession, stated_accession(&text), "{name}");
                assert!(document.period.is_some(), "{name} has no period");
                num_documents += 1;
            }
            Outcome::Skipped {
                form: skipped,
                reason,
            } => {
                assert!(!is_report, "{name} is a {form}, skipped: {reason}");
                assert_eq!(skipped.as_deref(), Some(form.as_str()), "{name}");
                assert!(reason.contains(&form), "{name}: {reason}");
            }
            Outcome::Rejected { reason } => panic!("{name}: {reason}"),
        }
    }
    println!("{num_documents} documents of {} filings", filings.len());
    assert!(num_documents >= 40);
}

#[test]
fn real_filings_are_mostly_text_with_some_headings_rows_and_furniture() {
    use documents::BlockKind;
    let Some(folder) = data_folder() else { return };
    for (name, bytes) in filings(&folder) {
        for result in read_filing(&name, &bytes) {
            let Outcome::Document(document) = result.outcome else {
                continue;
            };
            // One filing sets even its tables as a paragraph a line.
            let markup = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
            let num_cells = markup.matches("<td").count() + markup.matches("<c>").count();
            if document.blocks.len() < 400 || num_cells < 20 {
                continue;
            }
            let share = |kind| {
                document.blocks.iter().filter(|block| block.kind == kind).count() as f64
                    / document.blocks.len() as f64
            };
            assert!(
                share(BlockKind::Heading) > 0.01 && share(BlockKind::Heading) < 0.4,
                "{name}: headings {}",
                share(BlockKind::Heading)
            );
            assert!(
                share(BlockKind::TableRow) > 0.05,
                "{name}: rows {}",
                share(BlockKind::TableRow)
            );
            assert!(
                share(BlockKind::PageFurniture) < 0.25,
                "{name}: furniture {}",
                share(BlockKind::PageFurniture)
            );
        }
    }
}

/// Pages without a frame, of which only the cover says what they are; the list beside them names it.
#[test]
fn every_lone_page_of_many_firms_has_the_form_that_its_list_names() {
    let Some(list) = test_data::find("filings-many/SOURCES.tsv") else {
        return;
    };
    let rows = std::fs::read_to_string(&list).unwrap();
    let mut rows = rows.lines().map(|row| row.split('\t').collect::<Vec<_>>());
    let columns = rows.next().unwrap();
    let column = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    let (file, form) = (column("file"), column("form"));
    let mut num_pages = 0;
    for row in rows {
        let bytes = std::fs::read(list.with_file_name(row[file])).unwrap();
        let has = |mark: &str| memchr::memmem::find(&bytes, mark.as_bytes()).is_some();
        // A submission, or one whose tags somebody has taken away.
        if has("<DOCUMENT>") || has("CONFORMED SUBMISSION TYPE:") {
            continue;
        }
        let outcome = &read_filing(row[file], &bytes)[0].outcome;
        let Outcome::Document(document) = outcome else {
            panic!("{}: {outcome:?}", row[file])
        };
        let base = form_type::without_amendment(&document.source);
        assert_eq!(base, form_type::without_amendment(row[form]), "{}", row[file]);
        num_pages += 1;
    }
    assert!(num_pages > 10, "{num_pages}");
}

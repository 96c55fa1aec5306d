//! How well what is marked as page furniture agrees with labels set by hand. Prints a table by
//! era, and each block that differs with its neighbors:
//! `cargo test -p edgar --lib furniture_ -- --nocapture`.

use std::collections::BTreeMap;

use documents::{BlockKind, Document};
use test_data::furniture_labels::{
    FurnitureCounts, FurnitureLabels, Judgment, MarkedBlock, furniture_labels,
};

use crate::agreement::documents;
use crate::real_filings::data_folder;

/// What the filings of a folder must reach together.
struct Bars {
    /// Of the blocks that are marked, the share that is furniture.
    right: f64,
    /// Of the blocks that are furniture, the share that is marked.
    found: f64,
    /// The share of the text's words that marked blocks may hold.
    lost: f64,
}

const BARS: Bars = Bars {
    right: 0.995,
    found: 0.98,
    lost: 1.0 / 20_000.0,
};

/// The years of filing that are counted together; one whose year nobody states is new.
fn era(document: &Document, path: &str) -> &'static str {
    match year_filed(document, path) {
        ..=2000 => "1994-2000",
        2001..=2005 => "2001-2005",
        2006..=2010 => "2006-2010",
        2011..=2018 => "2011-2018",
        _ => "2019 on",
    }
}

/// The year that the header states, else the file's name, else the period's.
fn year_filed(document: &Document, path: &str) -> u32 {
    let year = |text: &str| text.get(..4)?.parse().ok();
    let is_year = |year: &u32| (1994..=2030).contains(year);
    let in_name = || {
        path.split(|c: char| !c.is_ascii_digit())
            .filter(|part| part.len() == 4)
    };
    document
        .filed
        .as_deref()
        .and_then(year)
        .or_else(|| in_name().filter_map(year).find(is_year))
        .or_else(|| document.period.as_deref().and_then(year))
        .unwrap_or(u32::MAX)
}

/// Prints a block that differs from its labels, between those before and behind it.
fn print_difference(name: &str, blocks: &[MarkedBlock<'_>], index: usize, what: Judgment) {
    let around = index.saturating_sub(2)..blocks.len().min(index + 3);
    let shown = |at: usize| {
        let mark = if blocks[at].is_marked { "~" } else { " " };
        let here = if at == index { ">" } else { " " };
        format!("  {here}{mark} {:.70}", blocks[at].text)
    };
    let lines: Vec<String> = around.map(shown).collect();
    println!("{name} block {index}: {what:?}\n{}", lines.join("\n"));
}

fn count(labels: &FurnitureLabels, document: &Document) -> FurnitureCounts {
    let blocks: Vec<MarkedBlock<'_>> = document
        .blocks
        .iter()
        .map(|block| MarkedBlock {
            is_marked: block.kind == BlockKind::PageFurniture,
            text: &block.text,
        })
        .collect();
    let (judgments, counts) = labels.judge(&blocks);
    for (index, judgment) in judgments.into_iter().enumerate() {
        if matches!(judgment, Judgment::FalseMark | Judgment::Miss) {
            print_difference(&labels.path, &blocks, index, judgment);
        }
    }
    counts
}

fn print_counts(what: &str, counts: &FurnitureCounts) {
    println!(
        "| {what} | {:.4} | {:.4} | {} of {} | {counts:?}",
        counts.precision(),
        counts.recall(),
        counts.lost_words,
        counts.text_words
    );
}

/// Holds what is marked in the filings of these folders of labels against the bars.
fn agrees_with_labels(folders: &[&str], bars: &Bars) {
    let Some(data) = data_folder() else { return };
    let mut eras: BTreeMap<&str, FurnitureCounts> = BTreeMap::new();
    let mut all = FurnitureCounts::default();
    for labels in folders.iter().flat_map(|folder| furniture_labels(folder)) {
        let path = data.join(&labels.path);
        let mut documents = documents(&path, &std::fs::read(&path).unwrap()).into_iter();
        let document = documents.find(|document| labels.are_of(&document.id));
        let document = document.unwrap_or_else(|| panic!("no such document in {}", path.display()));
        let counts = count(&labels, &document);
        print_counts(&labels.path, &counts);
        eras.entry(era(&document, &labels.path)).or_default().add(counts);
        all.add(counts);
    }
    for (era, counts) in &eras {
        print_counts(era, counts);
    }
    print_counts("all", &all);
    assert!(
        all.precision() >= bars.right && all.recall() >= bars.found && all.lost() <= bars.lost,
        "{all:?}"
    );
}

#[test]
fn furniture_open_half_is_what_people_labeled() {
    agrees_with_labels(&["open"], &BARS);
}

#[test]
fn furniture_of_the_first_labels_is_what_people_labeled() {
    agrees_with_labels(&["first"], &BARS);
}

#[test]
fn furniture_of_the_blind_labels_is_what_people_labeled() {
    agrees_with_labels(&["blind"], &BARS);
}

#[test]
fn furniture_hard_open_half_is_what_people_labeled() {
    agrees_with_labels(&["hard/open"], &BARS);
}

#[test]
#[ignore = "kept apart: scored once, by somebody who does not write the marker"]
fn furniture_closed_half_is_what_people_labeled() {
    agrees_with_labels(&["closed"], &BARS);
}

#[test]
#[ignore = "kept apart: scored once, by somebody who does not write the marker"]
fn furniture_closed_hard_half_is_what_people_labeled() {
    agrees_with_labels(&["hard/closed"], &BARS);
}

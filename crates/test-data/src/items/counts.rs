//! Sections beside labels: status, place, text and wrong text.

use std::ops::{AddAssign, Range};

use super::labels::{ItemLabel, ItemLabels, LabeledText};
use super::ranges::{overlap, union};

/// Starts this near to the label's are right: a running head may stand between.
const NEAR_CHARACTERS: usize = 80;
/// Ranges that overlap this much are the same.
const SAME_PLACE: f64 = 0.95;
/// The items whose text is compared character by character: of a 10-K, and of a 10-Q the same by
/// content.
pub(super) const COMPARED: [&str; 9] = ["1", "1A", "3", "7", "8", "I.1", "I.2", "II.1", "II.1A"];
/// Pages that hold schedules only: the labels differ on whose they are.
const EITHER: [&str; 2] = [
    "filings/ibm-10-k-2025-02-25.html",
    "filings-many/BF-B-10-K-2019.txt",
];

/// A section that was found, by blocks.
#[derive(Debug, Clone)]
pub struct FoundItem {
    /// As a section names it.
    pub item: String,
    /// Name of its status.
    pub status: String,
    /// Its blocks.
    pub blocks: Range<usize>,
}

/// What is counted over labels and sections.
#[derive(Debug, Clone, Default)]
pub struct ItemCounts {
    /// Labeled items that exist.
    pub labeled: usize,
    /// Of these, found with the right status and place.
    pub right: usize,
    /// Sections given as found.
    pub given: usize,
    /// Of these, those whose text is for the greater part not the item's.
    pub wrong: usize,
    /// Character F1 of each compared item.
    pub f1: Vec<f64>,
}

impl AddAssign<&ItemCounts> for ItemCounts {
    fn add_assign(&mut self, other: &Self) {
        self.labeled += other.labeled;
        self.right += other.right;
        self.given += other.given;
        self.wrong += other.wrong;
        self.f1.extend(&other.f1);
    }
}

impl ItemCounts {
    /// Share of the items that exist that are found.
    pub fn recall(&self) -> f64 {
        self.right as f64 / self.labeled.max(1) as f64
    }

    /// Mean character F1 over items.
    pub fn macro_f1(&self) -> f64 {
        self.f1.iter().sum::<f64>() / self.f1.len().max(1) as f64
    }

    /// Share of what is given as found that is the wrong text.
    pub fn wrong_share(&self) -> f64 {
        self.wrong as f64 / self.given.max(1) as f64
    }

    /// Wilson's interval of [`Self::wrong_share`] at 95 %.
    pub fn wrong_interval(&self) -> (f64, f64) {
        let (n, share) = (self.given.max(1) as f64, self.wrong_share());
        let z = 1.96_f64;
        let middle = share + z * z / (2.0 * n);
        let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + z * z / n;
        (((middle - spread) / scale).max(0.0), (middle + spread) / scale)
    }
}

/// One failure, as a person reads it.
#[derive(Debug, Clone)]
pub struct Failure {
    /// `missing`, `status`, `place`, `wrong text`, `text`.
    pub kind: &'static str,
    /// The item.
    pub item: String,
    /// What is expected and what is there.
    pub detail: String,
}

/// Counts one document of a filing; `failed` gets what is not right.
pub fn count_items(
    labels: &ItemLabels,
    document: &str,
    text: &LabeledText,
    found: &[FoundItem],
    mut failed: impl FnMut(Failure),
) -> ItemCounts {
    let rows: Vec<&ItemLabel> = labels.rows.iter().filter(|row| row.is_of(document)).collect();
    let mut counts = ItemCounts::default();
    for row in rows.iter().filter(|row| is_scored(labels, row)) {
        let Some(range) = text.of_label(row) else { continue };
        counts.labeled += 1;
        match miss(row, &range, text, found) {
            None => counts.right += 1,
            Some(failure) => failed(failure),
        }
    }
    count_wrong(labels, &rows, text, found, &mut counts, &mut failed);
    for item in COMPARED {
        let of_item: Vec<&&ItemLabel> = rows.iter().filter(|row| row.item == item).collect();
        if of_item.iter().any(|row| row.status == "unsure") {
            continue;
        }
        let labeled = union(of_item.iter().filter_map(|row| text.of_label(row)));
        if labeled.is_empty() {
            continue;
        }
        let given = found
            .iter()
            .filter(|section| section.item == item && is_given(&section.status));
        let given = union(given.map(|section| text.of_blocks(&section.blocks)));
        let f1 = f1(&labeled, &given);
        if f1 < 0.985 {
            failed(Failure {
                kind: "text",
                item: item.to_owned(),
                detail: format!("F1 {f1:.4}"),
            });
        }
        counts.f1.push(f1);
    }
    counts
}

/// Whether a label counts: its item exists, and labels agree on whose it is.
fn is_scored(labels: &ItemLabels, row: &ItemLabel) -> bool {
    let exists = matches!(
        row.status.as_str(),
        "found" | "combined" | "incorporated_by_reference" | "omitted"
    );
    exists && !(row.with == "F-pages" && row.status == "found" && EITHER.contains(&labels.path.as_str()))
}

fn is_given(status: &str) -> bool {
    matches!(
        status,
        "found" | "combined" | "incorporated_by_reference" | "omitted"
    )
}

/// Why a label is not met by any section.
fn miss(row: &ItemLabel, range: &Range<usize>, text: &LabeledText, found: &[FoundItem]) -> Option<Failure> {
    let of_item: Vec<&FoundItem> = found.iter().filter(|section| section.item == row.item).collect();
    let in_place: Vec<&&FoundItem> = of_item
        .iter()
        .filter(|section| is_same_place(range, &text.of_blocks(&section.blocks)))
        .collect();
    if in_place.iter().any(|section| section.status == row.status) {
        return None;
    }
    let statuses = |sections: &[&str]| sections.join(", ");
    let all: Vec<&str> = of_item.iter().map(|section| section.status.as_str()).collect();
    let here: Vec<&str> = in_place.iter().map(|section| section.status.as_str()).collect();
    let kind = match (all.iter().all(|status| *status == "not_found"), here.is_empty()) {
        (true, _) => "missing",
        (false, true) => "place",
        (false, false) => "status",
    };
    Some(Failure {
        kind,
        item: row.item.clone(),
        detail: format!(
            "{} {} expected, {}",
            row.status,
            row.with,
            statuses(if here.is_empty() { &all } else { &here })
        ),
    })
}

fn is_same_place(label: &Range<usize>, given: &Range<usize>) -> bool {
    let both = overlap(label, given);
    let either = label.len() + given.len() - both;
    !given.is_empty()
        && (label.start.abs_diff(given.start) <= NEAR_CHARACTERS && both > 0
            || both as f64 >= SAME_PLACE * either as f64)
}

/// Counts sections given as found whose greater part is no text of their item.
fn count_wrong(
    labels: &ItemLabels,
    rows: &[&ItemLabel],
    text: &LabeledText,
    found: &[FoundItem],
    counts: &mut ItemCounts,
    failed: &mut impl FnMut(Failure),
) {
    let is_claimed = |section: &&FoundItem| matches!(section.status.as_str(), "found" | "combined");
    for section in found.iter().filter(is_claimed) {
        let of_item: Vec<&&ItemLabel> = rows.iter().filter(|row| row.item == section.item).collect();
        if of_item.iter().any(|row| row.status == "unsure") {
            continue;
        }
        let range = text.of_blocks(&section.blocks);
        let labeled = union(of_item.iter().filter_map(|row| text.of_label(row)));
        let right: usize = labeled.iter().map(|label| overlap(label, &range)).sum();
        counts.given += 1;
        if right * 2 < range.len() && !EITHER.contains(&labels.path.as_str()) {
            counts.wrong += 1;
            failed(Failure {
                kind: "wrong text",
                item: section.item.clone(),
                detail: format!("{right} of {} characters are the item's", range.len()),
            });
        }
    }
}

fn f1(labeled: &[Range<usize>], given: &[Range<usize>]) -> f64 {
    let total = |ranges: &[Range<usize>]| ranges.iter().map(ExactSizeIterator::len).sum::<usize>();
    let both: usize = labeled
        .iter()
        .flat_map(|label| given.iter().map(move |given| overlap(label, given)))
        .sum();
    2.0 * both as f64 / (total(labeled) + total(given)).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled_text::check_of;

    fn label(item: &str, status: &str, range: Range<usize>, text: &LabeledText) -> ItemLabel {
        ItemLabel {
            document: "10-K".into(),
            item: item.into(),
            status: status.into(),
            with: String::new(),
            check: check_of(&text.characters[range.start..]),
            range: Some(range),
        }
    }

    #[test]
    fn status_place_text_and_wrong_text_are_counted() {
        let text = LabeledText::new([
            "Item 1. Business",
            "We sell | oak.",
            "Item 2. Properties",
            "None.",
        ]);
        let labels = ItemLabels {
            path: "a".into(),
            group: "10-K".into(),
            is_financial: false,
            rows: vec![
                label("1", "found", 0..24, &text),
                label("2", "omitted", 24..46, &text),
            ],
        };
        let found = |item: &str, status: &str, blocks| FoundItem {
            item: item.into(),
            status: status.into(),
            blocks,
        };
        let right = [found("1", "found", 0..2), found("2", "omitted", 2..4)];
        let counts = count_items(&labels, "10-K", &text, &right, |failure| panic!("{failure:?}"));
        assert_eq!(
            (counts.labeled, counts.right, counts.given, counts.wrong),
            (2, 2, 1, 0)
        );
        assert!((counts.macro_f1() - 1.0).abs() < 1e-9);

        let wrong = [found("1", "found", 2..4), found("2", "found", 2..4)];
        let mut kinds = Vec::new();
        let counts = count_items(&labels, "10-K", &text, &wrong, |failure| kinds.push(failure.kind));
        assert_eq!((counts.right, counts.wrong), (0, 1));
        assert_eq!(kinds, ["place", "status", "wrong text", "text"]);
        let (low, high) = counts.wrong_interval();
        assert!(low > 0.05 && high < 0.95);
    }

    #[test]
    fn a_label_is_found_again_when_text_before_it_has_changed() {
        let before = LabeledText::new(["Oak", "Item 1. Business of mills and more mills and more"]);
        let label = label("1", "found", 3..40, &before);
        let after = LabeledText::new([
            "Oak and pine",
            "Item 1. Business of mills and more mills and more",
        ]);
        assert_eq!(after.of_label(&label).map(|range| range.start), Some(10));
    }
}

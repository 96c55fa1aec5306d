//! Texts beside labels, of programs that give neither places nor statuses.

use std::collections::BTreeSet;

use super::counts::COMPARED;
use super::labels::{ItemLabel, ItemLabels, LabeledText};
use super::ranges::union;
use crate::agreement::Agreement;

/// Text that somebody gives as an item, without a place.
#[derive(Debug, Clone)]
pub struct GivenText {
    /// As a section names it.
    pub item: String,
    /// All of it.
    pub text: String,
}

/// What is counted over texts alone: programs that give no places and no statuses can be counted so.
#[derive(Debug, Clone, Default)]
pub struct TextCounts {
    /// Labeled items with text of their own.
    pub labeled: usize,
    /// Of these, given with at least 95 % of F1 over words.
    pub right: usize,
    /// Texts that were given.
    pub given: usize,
    /// Of these, those of which less than half of the words are the item's.
    pub wrong: usize,
    /// F1 over words of each compared item.
    pub f1: Vec<f64>,
}

impl TextCounts {
    /// Mean F1 over words of the compared items.
    pub fn macro_f1(&self) -> f64 {
        self.f1.iter().sum::<f64>() / self.f1.len().max(1) as f64
    }
}

/// Counts the texts that are given as items of one document.
pub fn count_texts(
    labels: &ItemLabels,
    document: &str,
    text: &LabeledText,
    given: &[GivenText],
    counts: &mut TextCounts,
) {
    const RIGHT: f64 = 0.95;
    let mut items: Vec<&str> = labels.rows.iter().map(|row| row.item.as_str()).collect();
    items.dedup();
    for item in items.iter().copied().collect::<BTreeSet<&str>>() {
        let of_item = |row: &&ItemLabel| row.item == item && row.is_of(document);
        let rows: Vec<&ItemLabel> = labels.rows.iter().filter(of_item).collect();
        if rows.is_empty() || rows.iter().any(|row| row.status == "unsure") {
            continue;
        }
        let labeled = text.text_of(&union(rows.iter().filter_map(|row| text.of_label(row))));
        let given: Vec<&str> = given
            .iter()
            .filter(|given| given.item == item && !given.text.trim().is_empty())
            .map(|given| given.text.as_str())
            .collect();
        let agreement = Agreement::new(&labeled, &given.join("\n"));
        let f1 = 2.0 * agreement.kept * agreement.right / (agreement.kept + agreement.right).max(1e-9);
        let has_text = rows
            .iter()
            .any(|row| matches!(row.status.as_str(), "found" | "combined"));
        counts.labeled += usize::from(has_text);
        counts.right += usize::from(has_text && f1 >= RIGHT);
        if !given.is_empty() {
            counts.given += 1;
            counts.wrong += usize::from(agreement.right < 0.5);
        }
        if COMPARED.contains(&item) && !labeled.is_empty() {
            counts.f1.push(f1);
        }
    }
}

//! How well the items of filings are found: sections beside labels set by hand
//! (`tests/labels/items`). It counts; tests hold the bounds and `make bench` prints the figures.

mod counts;
mod labels;
mod ranges;
mod texts;

pub use counts::{Failure, FoundItem, ItemCounts, count_items};
pub use labels::{Half, ItemLabel, ItemLabels, LabeledText, item_labels, with_document_tags};
pub use texts::{GivenText, TextCounts, count_texts};

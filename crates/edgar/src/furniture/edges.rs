//! Where pages begin and end, and the blocks that stand there.

use std::collections::BTreeSet;

use documents::{Block, BlockKind};

use crate::page::Page;

/// How many blocks from a page's edge may be furniture.
const REACH: usize = 6;
/// Shorter text is a caption, a date or a signature, not prose.
const SHORTEST_PROSE_BYTES: usize = 40;
/// Text of this length is prose even if it does not end like a sentence.
const LONG_PROSE_BYTES: usize = 120;

/// Top or bottom of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Side {
    Top,
    Bottom,
}

/// One edge of a page.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) side: Side,
    /// The blocks from the edge on, nearest first.
    pub(super) blocks: Vec<usize>,
    /// The edge across the break, as an index into the list of edges.
    pub(super) across: Option<usize>,
}

/// The edges of all pages: at marked breaks, behind blocks that are known to end pages, and where
/// pages are marked at all at the document's own ends. In the order of the document.
pub(super) fn edges_of(page: &Page, ends_of_pages: &BTreeSet<usize>) -> Vec<Edge> {
    let length = page.blocks.len();
    let mut breaks: BTreeSet<usize> = ends_of_pages.iter().map(|index| index + 1).collect();
    breaks.extend(page.breaks.iter().copied());
    if !page.breaks.is_empty() {
        breaks.extend([0, length]);
    }
    let breaks: Vec<usize> = breaks.into_iter().collect();
    let mut edges = Vec::with_capacity(breaks.len() * 2);
    for (number, &at) in breaks.iter().enumerate() {
        let before = number.checked_sub(1).map_or(0, |before| breaks[before]);
        let behind = breaks.get(number + 1).copied().unwrap_or(length);
        let has_both = before < at && at < behind;
        if before < at {
            let blocks = (before.max(at.saturating_sub(REACH))..at).rev().collect();
            let across = has_both.then_some(edges.len() + 1);
            edges.push(Edge {
                side: Side::Bottom,
                blocks,
                across,
            });
        }
        if at < behind {
            let blocks = (at..behind.min(at + REACH)).collect();
            let across = has_both.then(|| edges.len() - 1);
            edges.push(Edge {
                side: Side::Top,
                blocks,
                across,
            });
        }
    }
    edges
}

/// Whether a block is running text.
pub(super) fn is_prose(block: &Block) -> bool {
    let text = &block.text[..];
    let is_text = matches!(block.kind, BlockKind::Paragraph | BlockKind::ListItem);
    let begins_like_note = text.starts_with(['(', '*', '[', '_']);
    let is_sentence = text.len() >= SHORTEST_PROSE_BYTES && text.ends_with(['.', ';', '!', '?', '\u{201d}']);
    is_text && !begins_like_note && (is_sentence || text.len() >= LONG_PROSE_BYTES || goes_on(block))
}

/// Whether the text of one page goes on on the next: its last block does not end, or the next
/// page's first begins in the middle of a sentence.
pub(super) fn runs_over(last: &Block, first: &Block) -> bool {
    let is_cut = is_prose(last) && !ends_sentence(&last.text) && matches!(first.kind, BlockKind::Paragraph);
    is_cut || is_prose(last) && goes_on(first)
}

/// Whether a break stands in the middle of a sentence, for certain: items of a list may begin in
/// lower case, but then the item before them ends.
pub(super) fn cuts_sentence(last: &Block, first: &Block) -> bool {
    let ends_item = [" and", " or", ","].iter().any(|end| last.text.ends_with(end));
    is_prose(last) && !ends_sentence(&last.text) && !ends_item && goes_on(first)
}

/// Begins in the middle of a sentence.
fn goes_on(block: &Block) -> bool {
    block.kind == BlockKind::Paragraph
        && block.text.starts_with(char::is_lowercase)
        && block.text.len() >= SHORTEST_PROSE_BYTES
}

fn ends_sentence(text: &str) -> bool {
    text.ends_with(['.', ':', ';', '!', '?', ')', '"', '\u{201d}', '\u{2019}'])
}

//! Page furniture: what the page carries, not the document. Page numbers, running headers and
//! footers, links back to the contents, remarks about the page. They keep their place in the
//! document; only their kind changes. `tests/labels/furniture/README.md` defines them kind by kind.
//!
//! A block is judged by its place (nothing but furniture stands between it and the page's edge) and
//! by what surrounds it. The rules, each a file or a function: numbers that count up from page to
//! page ([`page_numbers`]); words that only a page has ([`wording`]); heads that say in which
//! part, item or set of notes one is ([`section_heads`]); lines that come back over prose
//! ([`running_lines`]). What none of them knows is text.

#[cfg(test)]
mod agreement;
mod edges;
mod numbered_lines;
mod page_numbers;
mod running_lines;
mod section_heads;
#[cfg(test)]
mod tests;
mod wording;

use std::collections::BTreeSet;

use documents::BlockKind;

use super::page::Page;
use edges::{Edge, Side, edges_of};
use page_numbers::PageNumbers;
use running_lines::Known;

/// Changes the kind of every block that is page furniture.
pub(crate) fn mark_furniture(page: &mut Page) {
    let numbers = PageNumbers::of(page);
    let edges = edges_of(page, numbers.ends_of_pages());
    let mut furniture = numbers.ends_of_pages().clone();
    let by_themselves = by_themselves(page, &edges, &numbers.at_edges(page, &edges));
    let heads = section_heads::heads(page, &edges, &by_themselves);
    let known = Known {
        by_themselves: &by_themselves,
        heads: &heads,
    };
    furniture.extend(running_lines::furniture_at(page, &edges, known));
    for index in furniture {
        page.blocks[index].kind = BlockKind::PageFurniture;
    }
}

/// Blocks at edges that are furniture whatever stands beside them: page numbers, and words that
/// only a page has.
fn by_themselves(page: &Page, edges: &[Edge], numbers: &BTreeSet<usize>) -> BTreeSet<usize> {
    let links = wording::Links::of(page, edges);
    let mut found = BTreeSet::new();
    for edge in edges {
        // Nothing but page numbers and the like stands between the block and the edge.
        let mut is_at_edge = true;
        for &index in &edge.blocks {
            let block = &page.blocks[index];
            let is_of_page = links.contains(page, index)
                || numbers.contains(&index)
                || wording::is_remark_on_page(&block.text, is_at_edge && edge.side == Side::Bottom)
                || wording::is_code(block);
            if is_of_page {
                found.insert(index);
            }
            is_at_edge &= is_of_page;
        }
    }
    found
}

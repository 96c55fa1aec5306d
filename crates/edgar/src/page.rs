//! A document's text while it is read: its blocks and where its pages end.

use documents::{Block, BlockKind, TableRange, has_word};

/// Blocks in reading order.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) blocks: Vec<Block>,
    /// Index of the first block after each page break, ascending.
    pub(crate) breaks: Vec<usize>,
    /// The tables of data among the blocks, ascending.
    pub(crate) tables: Vec<TableRange>,
    /// Text of the `title` element.
    pub(crate) title: Option<String>,
}

impl Page {
    /// Appends a clean line; one without any letter or digit (a rule, a lone dash) is no text.
    pub(crate) fn push(&mut self, kind: BlockKind, text: &str, page_break_before: bool) {
        if page_break_before {
            self.mark_page_break();
        }
        if has_word(text) {
            self.blocks.push(Block::new(kind, text));
        }
    }

    /// Records that the blocks from `first_block` on are a table; without any there is none.
    pub(crate) fn mark_table(&mut self, first_block: usize) {
        let index = |block: usize| u32::try_from(block).unwrap_or(u32::MAX);
        if first_block < self.blocks.len() {
            self.tables.push(TableRange {
                first_block: index(first_block),
                end_block: index(self.blocks.len()),
            });
        }
    }

    /// Records that a page ended before the next block.
    pub(crate) fn mark_page_break(&mut self) {
        let next = self.blocks.len();
        if self.breaks.last() != Some(&next) {
            self.breaks.push(next);
        }
    }
}

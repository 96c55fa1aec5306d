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

    /// Records that the rows among the blocks from `first_block` on are one table.
    pub(crate) fn mark_table(&mut self, first_block: usize) {
        let is_row = |block: &Block| block.kind == BlockKind::TableRow;
        let blocks = &self.blocks[first_block..];
        let rows = blocks
            .iter()
            .position(is_row)
            .zip(blocks.iter().rposition(is_row));
        let index = |block: usize| u32::try_from(first_block + block).unwrap_or(u32::MAX);
        if let Some((first, last)) = rows {
            self.tables.push(TableRange {
                first_block: index(first),
                end_block: index(last + 1),
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

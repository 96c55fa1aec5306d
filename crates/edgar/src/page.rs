//! A document's text while it is read: its blocks and where its pages end.

use documents::{Block, BlockKind, has_word};

/// Blocks in reading order.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) blocks: Vec<Block>,
    /// Index of the first block after each page break, ascending.
    pub(crate) breaks: Vec<usize>,
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

    /// Records that a page ended before the next block.
    pub(crate) fn mark_page_break(&mut self) {
        let next = self.blocks.len();
        if self.breaks.last() != Some(&next) {
            self.breaks.push(next);
        }
    }
}

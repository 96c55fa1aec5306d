//! How much text stands between two blocks, page furniture and lines of a table of contents left
//! out. It keeps one number a block.

use documents::{Block, BlockKind};

use super::pages::ends_with_page;

/// Running totals of text.
#[derive(Debug)]
pub(crate) struct TextLengths {
    /// Before each block, in bytes; one more at the end.
    before: Vec<u64>,
}

impl TextLengths {
    pub(crate) fn of(blocks: &[Block]) -> Self {
        let mut before = Vec::with_capacity(blocks.len() + 1);
        let mut total = 0;
        before.push(0);
        for block in blocks {
            if block.kind != BlockKind::PageFurniture {
                total += block.text.len() as u64;
            }
            before.push(total);
        }
        Self { before }
    }

    /// Bytes of text in the blocks from `first` up to `end`.
    pub(crate) fn between(&self, first: usize, end: usize) -> u64 {
        let at = |index: usize| {
            self.before
                .get(index)
                .or(self.before.last())
                .copied()
                .unwrap_or(0)
        };
        at(end).saturating_sub(at(first))
    }
}

/// Whether a block between two headings is more than a line of a table of contents: running text,
/// or a short answer like `None.`
pub(crate) fn is_text(block: &Block) -> bool {
    const LONGEST_LINE_BYTES: usize = 160;
    const SHORTEST_SENTENCE_BYTES: usize = 25;
    let text = &block.text[..];
    if block.kind == BlockKind::PageFurniture || ends_with_page(text) {
        return false;
    }
    text.len() > LONGEST_LINE_BYTES
        || is_answer(text)
        || block.kind == BlockKind::Paragraph && text.ends_with('.') && text.len() >= SHORTEST_SENTENCE_BYTES
}

fn is_answer(text: &str) -> bool {
    let text = text.trim_matches(|c: char| !c.is_alphanumeric());
    [
        "none",
        "not applicable",
        "n/a",
        "omitted",
        "reserved",
        "not required",
    ]
    .iter()
    .any(|answer| text.eq_ignore_ascii_case(answer))
}

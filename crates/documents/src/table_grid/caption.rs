//! The lines before a table that say what it is.

use crate::document::{Block, BlockKind};

/// So far back a line may stand.
const REACH: usize = 6;
/// Of a longer paragraph its end.
const LONGEST_LINE_BYTES: usize = 500;

/// The nearest heading or paragraph, with the line before it where it is a remark in brackets
/// ("(In millions)"); outermost first. Another table ends the search.
pub(super) fn lines_before(blocks: &[Block]) -> Vec<String> {
    let mut lines = Vec::new();
    let of_text = blocks
        .iter()
        .rev()
        .filter(|block| block.kind != BlockKind::PageFurniture);
    for block in of_text.take(REACH) {
        if !matches!(block.kind, BlockKind::Heading | BlockKind::Paragraph) {
            break;
        }
        lines.push(end_of(&block.text).to_owned());
        if !block.text.starts_with('(') {
            break;
        }
    }
    lines.reverse();
    lines
}

/// The end of a text, from a word on.
fn end_of(text: &str) -> &str {
    if text.len() <= LONGEST_LINE_BYTES {
        return text;
    }
    let end = &text[text.ceil_char_boundary(text.len() - LONGEST_LINE_BYTES)..];
    end.split_once(' ').map_or(end, |(_, words)| words)
}

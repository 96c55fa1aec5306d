//! Cuts resolved text into blocks, line by line: headings, list items, table rows, paragraphs.

use documents::{Block, BlockKind, CELL_SEPARATOR};

use super::sentinel::{TABLE_CLOSE, TABLE_OPEN};
use super::tidy::tidied;
use super::work::looks_at;

/// The blocks of a page.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut writer = Writer::default();
    for line in text.split('\n') {
        writer.line(line);
    }
    writer.end_paragraph();
    while writer.rows.pop().map(|row| writer.write_row(&row)).is_some() {}
    without_empty_sections(writer.blocks)
}

/// A block and, for a heading, its level.
struct Leveled {
    block: Block,
    level: Option<usize>,
}

#[derive(Default)]
struct Writer {
    blocks: Vec<Leveled>,
    paragraph: String,
    /// The row being filled of each open table; the innermost is last.
    rows: Vec<Vec<String>>,
}

impl Writer {
    fn line(&mut self, line: &str) {
        looks_at(line.len());
        let trimmed = line.trim();
        if trimmed.starts_with(TABLE_OPEN) {
            self.end_paragraph();
            self.rows.push(Vec::new());
        } else if trimmed.starts_with(TABLE_CLOSE) {
            if let Some(row) = self.rows.pop() {
                self.write_row(&row);
            }
        } else if self.rows.is_empty() {
            self.text_line(line, trimmed);
        } else {
            self.table_line(trimmed);
        }
    }

    fn text_line(&mut self, line: &str, trimmed: &str) {
        if trimmed.is_empty() || trimmed.starts_with("----") {
            return self.end_paragraph();
        }
        if let Some((level, heading)) = heading(trimmed) {
            self.end_paragraph();
            return self.write(BlockKind::Heading, heading, Some(level));
        }
        let item = trimmed.trim_start_matches(['*', '#', ':', ';']);
        if item.len() < trimmed.len() {
            self.end_paragraph();
            let is_indented_only = trimmed[..trimmed.len() - item.len()]
                .bytes()
                .all(|byte| byte == b':');
            let kind = if is_indented_only {
                BlockKind::Paragraph
            } else {
                BlockKind::ListItem
            };
            return self.write(kind, item, None);
        }
        // A line that begins with a blank is shown as it stands, on its own.
        if line.starts_with(' ') {
            self.end_paragraph();
        }
        self.paragraph.push_str(trimmed);
        self.paragraph.push(' ');
    }

    fn table_line(&mut self, line: &str) {
        let Some(row) = self.rows.last_mut() else { return };
        if let Some(caption) = line.strip_prefix("|+") {
            let caption = without_attributes(caption).to_owned();
            return self.write(BlockKind::Paragraph, &caption, None);
        }
        if line.starts_with("|-") {
            let row = std::mem::take(row);
            return self.write_row(&row);
        }
        let (cells, marks): (&str, &[&str]) = if let Some(cells) = line.strip_prefix('|') {
            (cells, &["||"])
        } else if let Some(cells) = line.strip_prefix('!') {
            (cells, &["!!", "||"])
        } else {
            // A cell goes on over several lines.
            if let Some(cell) = row.last_mut() {
                cell.push(' ');
                cell.push_str(line.trim_start_matches(['*', '#', ':', ';']));
            }
            return;
        };
        push_cells(row, cells, marks);
    }

    fn end_paragraph(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        self.write(BlockKind::Paragraph, &paragraph, None);
        self.paragraph = paragraph;
        self.paragraph.clear();
    }

    fn write(&mut self, kind: BlockKind, text: &str, level: Option<usize>) {
        let text = tidied(text);
        if !text.is_empty() {
            self.blocks.push(Leveled {
                block: Block::new(kind, text),
                level,
            });
        }
    }

    fn write_row(&mut self, row: &[String]) {
        let cells: Vec<String> = row
            .iter()
            .map(|cell| tidied(cell))
            .filter(|cell| !cell.is_empty())
            .collect();
        if !cells.is_empty() {
            let text = super::tidy::without_residue(cells.join(CELL_SEPARATOR));
            self.blocks.push(Leveled {
                block: Block::new(BlockKind::TableRow, text),
                level: None,
            });
        }
    }
}

/// Level and text of a heading line.
fn heading(line: &str) -> Option<(usize, &str)> {
    let opening = line.bytes().take_while(|byte| *byte == b'=').count();
    let closing = line.bytes().rev().take_while(|byte| *byte == b'=').count();
    let level = opening.min(closing).min(6);
    if level == 0 || line.len() <= 2 * level {
        return None;
    }
    Some((level, &line[level..line.len() - level]))
}

fn push_cells(row: &mut Vec<String>, mut rest: &str, marks: &[&str]) {
    loop {
        let bytes = rest.as_bytes();
        let is_mark = |at: &usize| marks.iter().any(|mark| bytes[*at..].starts_with(mark.as_bytes()));
        let next = memchr::memchr2_iter(b'|', b'!', bytes).find(is_mark);
        looks_at(next.unwrap_or(rest.len()) + 2);
        let cell = next.map_or(rest, |at| &rest[..at]);
        row.push(without_attributes(cell).to_owned());
        let Some(at) = next else { return };
        rest = &rest[at + 2..];
    }
}

/// A cell may begin with attributes and one `|`.
fn without_attributes(cell: &str) -> &str {
    cell.split_once('|').map_or(cell, |(_, text)| text)
}

/// Headings whose text went with a template (`References`) go too.
fn without_empty_sections(blocks: Vec<Leveled>) -> Vec<Block> {
    let mut kept: Vec<Block> = Vec::with_capacity(blocks.len());
    // Walking backwards: the level of the nearest thing that follows; text is deeper than any.
    let mut following = 0;
    for leveled in blocks.into_iter().rev() {
        match leveled.level {
            Some(level) if following <= level => {}
            Some(level) => {
                following = level;
                kept.push(leveled.block);
            }
            None => {
                following = usize::MAX;
                kept.push(leveled.block);
            }
        }
    }
    kept.reverse();
    kept
}

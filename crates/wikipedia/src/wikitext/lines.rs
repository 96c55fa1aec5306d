//! Cuts resolved text into blocks, line by line: headings, list items, paragraphs, and the rows of
//! tables, which [`super::table`] makes.

use documents::{Block, BlockKind, TableRange};

use super::sentinel::{DROPPED, OPEN_TABLE_OPEN, TABLE_CLOSE, TABLE_OPEN};
use super::table::{Line, Table};
use super::tidy::tidied;
use super::work::looks_at;

/// The blocks of a page, and which of them are tables.
pub(super) fn blocks(text: &str) -> (Vec<Block>, Vec<TableRange>) {
    let mut writer = Writer::default();
    for line in text.split('\n') {
        writer.line(line);
    }
    writer.end_paragraph();
    while !writer.tables.is_empty() {
        writer.end_table();
    }
    without_empty_sections(writer.blocks)
}

/// A block, for a heading its level, for a row the table that it is of.
struct Leveled {
    block: Block,
    level: Option<usize>,
    table: Option<usize>,
}

#[derive(Default)]
struct Writer {
    blocks: Vec<Leveled>,
    paragraph: String,
    /// Open tables; the innermost is last.
    tables: Vec<Table>,
    /// Runs of rows that have been written.
    num_tables: usize,
}

impl Writer {
    fn line(&mut self, line: &str) {
        looks_at(line.len());
        // What has left nothing is no part of the line's markup.
        let trimmed = line.trim_start_matches(|letter: char| letter.is_whitespace() || letter == DROPPED);
        let trimmed = trimmed.trim_end();
        if trimmed.starts_with([TABLE_OPEN, OPEN_TABLE_OPEN]) {
            self.begin_table(trimmed.starts_with(TABLE_OPEN));
        } else if trimmed.starts_with(TABLE_CLOSE) {
            self.end_table();
        } else if self.tables.is_empty() {
            // A template began this table.
            if trimmed.starts_with("|-") {
                self.begin_table(false);
            } else {
                self.text_line(line, trimmed);
            }
        } else {
            self.table_line(line, trimmed);
        }
    }

    fn begin_table(&mut self, is_closed: bool) {
        self.end_paragraph();
        // What stands in the cell before a table in it comes before that.
        self.write_rows();
        self.tables.push(Table::new(is_closed));
    }

    fn end_table(&mut self) {
        self.end_paragraph();
        self.write_rows();
        self.tables.pop();
    }

    fn table_line(&mut self, line: &str, trimmed: &str) {
        let Some(table) = self.tables.last_mut() else {
            return;
        };
        let is_heading = trimmed.starts_with("==") && heading(trimmed).is_some();
        match table.line(trimmed, is_heading) {
            Line::Taken => self.end_paragraph(),
            Line::Text => {
                self.write_rows();
                self.text_line(line, trimmed);
            }
            Line::Ends => {
                self.end_table();
                self.line(line);
            }
        }
    }

    fn text_line(&mut self, line: &str, trimmed: &str) {
        if trimmed.is_empty() {
            return self.end_paragraph();
        }
        // A line that begins with a blank is shown as it stands, on its own.
        if line.starts_with(' ') {
            self.end_paragraph();
            return self.write(BlockKind::Paragraph, trimmed, None);
        }
        if trimmed.starts_with("----") {
            // A rule; what follows it in the line is text.
            self.end_paragraph();
            return self.push_paragraph(trimmed.trim_start_matches('-'));
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
        self.push_paragraph(trimmed);
    }

    fn push_paragraph(&mut self, text: &str) {
        self.paragraph.push_str(text);
        self.paragraph.push(' ');
    }

    fn end_paragraph(&mut self) {
        if self.paragraph.is_empty() {
            return;
        }
        let mut paragraph = std::mem::take(&mut self.paragraph);
        self.write(BlockKind::Paragraph, &paragraph, None);
        paragraph.clear();
        self.paragraph = paragraph;
    }

    fn write(&mut self, kind: BlockKind, text: &str, level: Option<usize>) {
        let text = tidied(text);
        if !text.is_empty() {
            self.blocks.push(Leveled {
                block: Block::new(kind, text),
                level,
                table: None,
            });
        }
    }

    /// Writes the rows that the innermost table has by now.
    fn write_rows(&mut self) {
        let Some(table) = self.tables.last_mut() else {
            return;
        };
        let (caption, rows) = table.take();
        if let Some(caption) = caption {
            self.write(BlockKind::Paragraph, &caption, None);
        }
        if rows.is_empty() {
            return;
        }
        let number = self.num_tables;
        self.num_tables += 1;
        self.blocks.extend(rows.into_iter().map(|row| Leveled {
            block: Block::new(BlockKind::TableRow, row),
            level: None,
            table: Some(number),
        }));
    }
}

/// Level and text of a heading line.
fn heading(line: &str) -> Option<(usize, &str)> {
    let line = line.trim_end_matches(|letter: char| letter.is_whitespace() || letter == DROPPED);
    let opening = line.bytes().take_while(|byte| *byte == b'=').count();
    let closing = line.bytes().rev().take_while(|byte| *byte == b'=').count();
    let level = opening.min(closing).min(6);
    if level == 0 || line.len() <= 2 * level {
        return None;
    }
    Some((level, &line[level..line.len() - level]))
}

/// Headings whose text went with a template (`References`) go too.
fn without_empty_sections(blocks: Vec<Leveled>) -> (Vec<Block>, Vec<TableRange>) {
    let mut kept: Vec<Leveled> = Vec::with_capacity(blocks.len());
    // Walking backwards: the level of the nearest thing that follows; text is deeper than any.
    let mut following = 0;
    for leveled in blocks.into_iter().rev() {
        match leveled.level {
            Some(level) if following <= level => {}
            Some(level) => {
                following = level;
                kept.push(leveled);
            }
            None => {
                following = usize::MAX;
                kept.push(leveled);
            }
        }
    }
    kept.reverse();
    let tables = table_ranges(&kept);
    (kept.into_iter().map(|leveled| leveled.block).collect(), tables)
}

/// The runs of blocks that are of one table.
fn table_ranges(blocks: &[Leveled]) -> Vec<TableRange> {
    let mut ranges = Vec::new();
    let mut first_block = 0;
    for run in blocks.chunk_by(|one, next| one.table == next.table) {
        let end_block = first_block + u32::try_from(run.len()).unwrap_or(u32::MAX);
        if run[0].table.is_some() {
            ranges.push(TableRange {
                first_block,
                end_block,
            });
        }
        first_block = end_block;
    }
    ranges
}

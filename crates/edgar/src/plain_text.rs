//! Filings of the 1990s: text set on a typewriter's grid, with `<PAGE>` between pages and
//! `<TABLE>`, `<S>`, `<C>` around tables. Paragraphs are reflowed, tables become rows of cells.
//! Every word is kept, in order; encoded files between them are not.

mod columns;
mod footers;
mod line;
mod lists;
mod paragraphs;
mod pieces;
mod running_text;
mod table;
mod tags;
#[cfg(test)]
mod tests;
mod uuencode;

use documents::{has_word, one_line};

use super::html::lines::is_item_heading;
use super::page::Page;
use line::{GridLine, Spacing, is_rule, set_tabs};
use paragraphs::LONGEST_HEADING_BYTES;
use table::Table;
use tags::{FoundTag, Tag, find_tag, resolve_entities};

/// Stands for a column mark until tabs are set; as a character of the text it has no width.
const COLUMN_MARK: char = '\x01';

/// The blocks of a plain-text document.
pub(crate) fn read_plain_text(text: &str) -> Page {
    let mut page = Page::default();
    let encoded = uuencode::encoded_ranges(text);
    let mut reader = Reader::new(&mut page, true);
    reader.footers = footers::footer_lines(lines(text, &encoded));
    lines(text, &encoded).for_each(|line| reader.line(line));
    reader.end();
    page
}

/// Appends the blocks of text without tags whose entities are decoded already.
pub(crate) fn read_into(text: &str, page: &mut Page) {
    let mut reader = Reader::new(page, false);
    reader.footers = footers::footer_lines(lines(text, &[]));
    lines(text, &[]).for_each(|line| reader.line(line));
    reader.end();
}

/// The lines of a text without what is encoded.
fn lines<'t>(text: &'t str, encoded: &'t [std::ops::Range<usize>]) -> impl Iterator<Item = &'t str> {
    let starts = std::iter::once(0).chain(encoded.iter().map(|range| range.end));
    let ends = encoded.iter().map(|range| range.start).chain([text.len()]);
    starts
        .zip(ends)
        .flat_map(move |(start, end)| text[start..end].split('\n'))
        // A carriage return ends a line too, but not a second one before a line feed.
        .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

struct Reader<'p> {
    page: &'p mut Page,
    /// Whether tags and entities are to be read.
    has_markup: bool,
    /// Lines of text since the last blank one, outside `<TABLE>`.
    group: Vec<GridLine>,
    /// The table between `<TABLE>` and `</TABLE>`, or the rows that were found last without such tags.
    table: Option<Table>,
    page_break_pending: bool,
    /// The lines that are footers, ascending, and the number of the next line.
    footers: Vec<usize>,
    next_line: usize,
    next_footer: usize,
}

impl<'p> Reader<'p> {
    fn new(page: &'p mut Page, has_markup: bool) -> Self {
        Self {
            page,
            has_markup,
            group: Vec::new(),
            table: None,
            page_break_pending: false,
            footers: Vec::new(),
            next_line: 0,
            next_footer: 0,
        }
    }
}

impl Reader<'_> {
    fn line(&mut self, line: &str) {
        let is_footer = self.footers.get(self.next_footer) == Some(&self.next_line);
        self.next_line += 1;
        self.next_footer += usize::from(is_footer);
        if is_footer {
            self.footer(line);
            return;
        }
        let mut rest = without_dash_escape(line);
        let mut text = LineText::default();
        while let Some(found) = find_tag(rest).filter(|_| self.has_markup) {
            text.push(found.before);
            self.tag(found, &mut text);
            rest = found.after;
        }
        if text.is_of_tags && !text.has_ink && rest.trim_ascii().is_empty() {
            // A line of tags that stand inside lines is none.
            return;
        }
        for (index, part) in rest.split('\x0c').enumerate() {
            if index > 0 {
                self.text_line(&std::mem::take(&mut text));
                self.page_break();
            }
            text.push(part);
        }
        self.text_line(&text);
    }

    fn tag(&mut self, found: FoundTag<'_>, text: &mut LineText) {
        match found.tag {
            Tag::Page => {
                self.text_line(&std::mem::take(text));
                self.page_break();
            }
            Tag::Table => {
                self.text_line(&std::mem::take(text));
                self.end_group();
                self.end_table();
                self.table = Some(Table::marked());
            }
            Tag::TableEnd => {
                self.text_line(&std::mem::take(text));
                self.end_group();
                self.end_table();
            }
            Tag::Column => text.push_mark(found.width, COLUMN_MARK),
            Tag::Caption => text.push_mark(found.width, ' '),
            Tag::Notes | Tag::Inline => text.owe(found.width),
        }
        text.is_of_tags = found.tag == Tag::Inline;
    }

    fn page_break(&mut self) {
        self.end_group();
        if self.marked_table().is_none() {
            self.end_table();
        }
        self.page_break_pending = true;
    }

    fn text_line(&mut self, text: &LineText) {
        let line = self.set(&text.text);
        let line = if text.has_marks {
            self.take_marks(&line)
        } else {
            line
        };
        if !has_word(&line) {
            self.line_without_words(line);
        } else if self.page_break_pending {
            // The first line of a page stands alone: most often it is a page number or a header.
            self.mark_page_break();
            let is_alone = line.trim().len() < LONGEST_HEADING_BYTES
                && !line.trim_end().ends_with(|c: char| c.is_ascii_lowercase());
            self.grid_line(line);
            if is_alone {
                self.end_group();
            }
        } else {
            self.grid_line(line);
        }
    }

    /// A line as it stands on the page.
    fn set(&self, text: &str) -> String {
        if self.has_markup {
            set_tabs(&resolve_entities(text))
        } else {
            set_tabs(text)
        }
    }

    /// The line without its column marks, whose places the table takes.
    fn take_marks(&mut self, line: &str) -> String {
        let places = line.chars().enumerate().filter(|&(_, c)| c == COLUMN_MARK);
        let marks: Vec<usize> = places.map(|(column, _)| column).collect();
        if let Some(table) = self.marked_table() {
            table.mark_columns(marks);
        }
        line.replace(COLUMN_MARK, " ")
    }

    fn mark_page_break(&mut self) {
        self.page_break_pending = false;
        match self.marked_table() {
            Some(table) => table.page_break(),
            None => self.page.mark_page_break(),
        }
    }

    fn line_without_words(&mut self, line: String) {
        if let Some(table) = self.marked_table() {
            table.line_without_words(line);
            self.spill_full_table();
            return;
        }
        let rule = match self.group.last_mut() {
            Some(last) if is_rule(&line) => last.underline(line),
            _ => Some(line),
        };
        if let Some(rule) = rule {
            self.end_group();
            if let Some(table) = &mut self.table {
                table.line_without_words(rule);
            }
        }
    }

    fn grid_line(&mut self, line: String) {
        let line = GridLine::new(line);
        match self.marked_table() {
            Some(table) => {
                table.line(line);
                self.spill_full_table();
            }
            None => self.group.push(line),
        }
    }

    /// The last line of a page.
    fn footer(&mut self, line: &str) {
        if self.page_break_pending {
            self.mark_page_break();
        }
        let line = GridLine::new(self.set(line));
        if let Some(table) = self.marked_table() {
            table.footer(line);
        } else {
            self.end_group();
            self.end_table();
            table::write_footer(&line, self.page);
        }
    }

    fn marked_table(&mut self) -> Option<&mut Table> {
        self.table.as_mut().filter(|table| table.is_marked)
    }

    fn end_table(&mut self) {
        if let Some(mut table) = self.table.take() {
            table.spill(self.page);
        }
    }

    fn spill_full_table(&mut self) {
        if let Some(table) = self.table.as_mut().filter(|table| table.is_full()) {
            table.spill(self.page);
        }
    }

    /// Decides what the lines since the last blank one are. Rows wait for more rows: columns show in
    /// all of a table.
    fn end_group(&mut self) {
        let group = std::mem::take(&mut self.group);
        if group.is_empty() {
            return;
        }
        if are_rows(&group) {
            let table = self.table.get_or_insert_default();
            for line in group {
                table.line(line);
            }
            table.end_group();
            self.spill_full_table();
        } else {
            self.end_table();
            paragraphs::write(&group, self.page);
        }
    }

    fn end(&mut self) {
        self.end_group();
        self.end_table();
    }
}

/// Whether lines without a blank one between are rows of a table, outside `<TABLE>`.
fn are_rows(group: &[GridLine]) -> bool {
    let Some(first) = group.first() else {
        return false;
    };
    let in_columns = group
        .iter()
        .filter(|line| line.spacing() == Spacing::Columns)
        .count();
    let is_heading = group.len() == 1 && is_item_heading(&one_line(&first.text));
    in_columns * 2 > group.len() && !is_heading && !lists::is_item(first.trimmed())
}

/// A line of a privacy-enhanced message that begins with a dash has `- ` before it.
fn without_dash_escape(line: &str) -> &str {
    let escaped = line.strip_prefix("- ");
    escaped.filter(|rest| rest.starts_with('-')).unwrap_or(line)
}

/// The text of a line while its tags are taken out.
#[derive(Default)]
struct LineText {
    text: String,
    has_marks: bool,
    has_ink: bool,
    /// Whether its last tag was one that stands inside lines.
    is_of_tags: bool,
    /// Columns that tags took up and the next gap makes up for.
    owed: usize,
}

impl LineText {
    fn push(&mut self, text: &str) {
        self.has_ink |= !text.trim_start().is_empty();
        if self.owed > 0
            && let Some(gap) = text.find("  ")
        {
            self.text.push_str(&text[..gap]);
            self.text.extend(std::iter::repeat_n(' ', self.owed));
            self.text.push_str(&text[gap..]);
            self.owed = 0;
        } else {
            self.text.push_str(text);
        }
    }

    /// A mark keeps its width so that what follows stays in its column.
    fn push_mark(&mut self, width: usize, mark: char) {
        self.text.push(mark);
        self.text.extend(std::iter::repeat_n(' ', width - 1));
        self.has_marks |= mark == COLUMN_MARK;
    }

    /// A tag inside a line leaves nothing where it stands.
    fn owe(&mut self, width: usize) {
        if self.has_ink {
            self.owed += width;
        }
    }
}

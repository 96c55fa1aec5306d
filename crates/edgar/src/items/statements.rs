//! Financial statements outside of their item: pages behind the signatures, among the exhibits, or
//! before the first heading of a quarterly report. It finds where they begin and end.

use std::ops::Range;

use documents::{Block, BlockKind, CELL_SEPARATOR};

use super::form::squeezed;
use super::pages::{ends_with_page, is_page};

/// Behind its index and the auditor's report, the first statement is this near.
const FARTHEST_STATEMENT: usize = 200;
/// Titles are shorter.
const LONGEST_TITLE_BYTES: usize = 160;

/// The first statements in these blocks, up to their end. Behind the signatures an index of
/// statements opens them, too; before these it is a list.
pub(crate) fn find_statements(
    blocks: &[Block],
    range: Range<usize>,
    is_behind_signatures: bool,
) -> Option<Range<usize>> {
    let end = range.end.min(blocks.len());
    let opening = (range.start..end).find(|index| opens(blocks, *index, end, is_behind_signatures))?;
    let start = with_heads(blocks, opening, range.start);
    let list = (opening + 1..end).find(|index| ends_statements(&blocks[*index]));
    Some(start..list.unwrap_or(end))
}

/// Whether statements stand in these blocks: a title of one with its figures.
pub(crate) fn has_statements(blocks: &[Block], range: Range<usize>) -> bool {
    let end = range.end.min(blocks.len());
    (range.start..end).any(|index| is_statement_title(&blocks[index]) && has_figures(blocks, index, end))
}

fn opens(blocks: &[Block], index: usize, end: usize, is_behind_signatures: bool) -> bool {
    let block = &blocks[index];
    if block.text.len() > LONGEST_TITLE_BYTES || ends_with_page(&block.text) {
        return false;
    }
    let title = squeezed(&block.text);
    if is_title_of_statement(&title) {
        return has_figures(blocks, index, end);
    }
    let is_opening = is_report_title(&title) && is_followed_by_text(blocks, index, end)
        || is_behind_signatures && is_index_title(&title);
    // The report on internal control has no statements behind it.
    is_opening && has_statements(blocks, index..end.min(index + FARTHEST_STATEMENT))
}

/// Whether a squeezed title is one of an auditor's report.
pub(crate) fn is_report_title(title: &str) -> bool {
    const MOST_LETTERS: usize = 90;
    title.len() <= MOST_LETTERS
        && [
            "reportofindependent",
            "independentauditorsreport",
            "independentauditorreport",
            "reportsofindependent",
            "reportoftheindependent",
            "auditorsreport",
            "independentaccountantsreport",
            "reportofregistered",
            "reportofauditors",
        ]
        .iter()
        .any(|words| title.starts_with(words))
}

/// Whether a block is the title of a statement, with its figures behind it.
pub(crate) fn is_statement_with_figures(blocks: &[Block], index: usize) -> bool {
    is_statement_title(&blocks[index]) && has_figures(blocks, index, blocks.len())
}

fn is_statement_title(block: &Block) -> bool {
    block.text.len() <= LONGEST_TITLE_BYTES
        && !ends_with_page(&block.text)
        && is_title_of_statement(&squeezed(&block.text))
}

fn is_title_of_statement(title: &str) -> bool {
    const STATEMENTS: [&str; 18] = [
        "balancesheet",
        "statementofincome",
        "statementsofincome",
        "statementofoperations",
        "statementsofoperations",
        "statementofearnings",
        "statementsofearnings",
        "statementoffinancial",
        "statementsoffinancial",
        "statementofconsolidated",
        "statementsofconsolidated",
        "statementofcomprehensive",
        "statementsofcomprehensive",
        "statementofcashflow",
        "statementsofcashflow",
        "statementofcondition",
        "incomestatement",
        "statementsofnetassets",
    ];
    let mut rest = title;
    while let Some(shorter) = [
        "condensed",
        "consolidated",
        "combined",
        "unaudited",
        "interim",
        "the",
    ]
    .iter()
    .find_map(|word| rest.strip_prefix(word))
    {
        rest = shorter;
    }
    STATEMENTS.iter().any(|words| rest.starts_with(words))
}

fn is_index_title(title: &str) -> bool {
    matches!(
        title,
        "financialstatements"
            | "consolidatedfinancialstatements"
            | "auditedfinancialstatements"
            | "index"
            | "financialreport"
            | "tableofcontentstoconsolidatedfinancialstatements"
    ) || [
        "indextofinancial",
        "indextoconsolidated",
        "indextothefinancial",
        "indextoaudited",
        "indexoffinancial",
    ]
    .iter()
    .any(|words| title.starts_with(words))
}

/// A report has text near its title.
fn is_followed_by_text(blocks: &[Block], index: usize, end: usize) -> bool {
    const NEAR: usize = 10;
    const SHORTEST_TEXT_BYTES: usize = 150;
    let near = &blocks[index + 1..end.min(index + NEAR).max(index + 1)];
    near.iter().any(|block| {
        block.kind != BlockKind::TableRow
            && block.text.len() >= SHORTEST_TEXT_BYTES
            && !block.text.starts_with('(')
    })
}

/// A statement has rows of figures near its title.
fn has_figures(blocks: &[Block], index: usize, end: usize) -> bool {
    const NEAR: usize = 25;
    const FEWEST_ROWS: usize = 4;
    let near = &blocks[index + 1..end.min(index + NEAR).max(index + 1)];
    near.iter().filter(|block| is_figure_row(block)).count() >= FEWEST_ROWS
}

fn is_figure_row(block: &Block) -> bool {
    let cells = block.text.split(CELL_SEPARATOR).skip(1);
    let has_figure = |cell: &&str| cell.bytes().any(|byte| byte.is_ascii_digit());
    block.kind == BlockKind::TableRow && cells.filter(has_figure).count() >= 2
}

/// The start with the running heads right above it: the firm's name on the page.
fn with_heads(blocks: &[Block], opening: usize, from: usize) -> usize {
    const MOST_HEADS: usize = 4;
    let mut start = opening;
    while start > from && opening - start < MOST_HEADS {
        let above = &blocks[start - 1];
        let text = above.text.trim_matches(|c: char| !c.is_alphanumeric());
        let is_head = above.kind == BlockKind::PageFurniture
            && !is_page(text)
            && !text.eq_ignore_ascii_case("table of contents");
        if !is_head {
            break;
        }
        start -= 1;
    }
    start
}

/// The list of exhibits that follows.
fn ends_statements(block: &Block) -> bool {
    const LONGEST_LINE_BYTES: usize = 60;
    block.text.len() <= LONGEST_LINE_BYTES
        && block.kind != BlockKind::PageFurniture
        && matches!(
            squeezed(&block.text).as_str(),
            "exhibitindex"
                | "indextoexhibits"
                | "listofexhibits"
                | "exhibits"
                | "aexhibits"
                | "bexhibits"
                | "indexofexhibits"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use documents::BlockKind::{Heading, PageFurniture, Paragraph, TableRow};

    fn blocks(lines: &[(BlockKind, &str)]) -> Vec<Block> {
        lines
            .iter()
            .map(|(kind, text)| Block::new(*kind, *text))
            .collect()
    }

    #[test]
    fn statements_begin_with_their_title_and_its_running_head_not_with_their_list() {
        let opinion = "We have audited the balance sheets of Alder Mills. ".repeat(5);
        let mut lines = vec![
            (TableRow, "Report of Independent Auditors | F-1"),
            (TableRow, "Consolidated Balance Sheets | F-2"),
            (PageFurniture, "41"),
            (PageFurniture, "ALDER MILLS, INC."),
            (Heading, "REPORT OF INDEPENDENT AUDITORS"),
            (Paragraph, &opinion),
            (Heading, "CONSOLIDATED BALANCE SHEETS"),
        ];
        lines.extend([(TableRow, "Oak | 1,200 | 1,300"); 4]);
        lines.extend([(Heading, "EXHIBIT INDEX"), (Paragraph, "3.1 Bylaws")]);
        let lines = blocks(&lines);
        assert_eq!(find_statements(&lines, 0..lines.len(), false), Some(3..11));
        // Without statements behind it, the report is one on internal control.
        assert_eq!(find_statements(&lines, 0..6, false), None);
    }

    #[test]
    fn a_title_without_figures_opens_nothing() {
        let lines = blocks(&[
            (Heading, "CONSOLIDATED BALANCE SHEETS"),
            (Paragraph, "See the annual report."),
        ]);
        assert_eq!(find_statements(&lines, 0..2, true), None);
        assert!(!has_statements(&lines, 0..2));
    }
}

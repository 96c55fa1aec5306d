//! The items of a 10-K inside its annual report to shareholders (`EX-13`), which has titles of its
//! own instead of numbers. It looks for selected data, management's discussion, market risk and the
//! statements; of single notes that a 10-K refers to it gives nothing.

use std::ops::Range;

use documents::{Block, BlockKind, Section, SectionEvidence, SectionStatus};

use super::form::squeezed;
use super::pages::ends_with_page;
use super::statements::{is_report_title, is_statement_with_figures};

/// What a title begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    Discussion,
    /// The statements, or the report of management or the auditor before them.
    Statements,
    Notes,
    Selected,
    MarketRisk,
    /// Something that is no item.
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Title {
    block: usize,
    begins: Begins,
}

/// The sections of these items, in the order of the form; `not_found` for each that has no title.
pub(crate) fn find_in_annual_report(wanted: &[String], blocks: &[Block]) -> Vec<Section> {
    let titles = titles(blocks);
    let mut sections = Vec::new();
    for item in ["6", "7", "7A", "8"] {
        if !wanted.iter().any(|wanted| wanted == item) {
            continue;
        }
        let ranges = match item {
            "6" => selected(&titles, blocks.len()),
            "7" => discussion(&titles, blocks.len()).into_iter().collect(),
            "7A" => market_risk(&titles, blocks).into_iter().collect(),
            _ => statements(&titles, blocks.len()),
        };
        let status = match item {
            // Where a part of the discussion ends, its titles do not say.
            "7A" => SectionStatus::Uncertain,
            _ => SectionStatus::Found,
        };
        sections.extend(ranges.iter().map(|range| section(item, range, status, blocks)));
        if ranges.is_empty() {
            sections.push(Section::new(item, SectionStatus::NotFound, 0..0));
        }
    }
    sections
}

fn titles(blocks: &[Block]) -> Vec<Title> {
    (0..blocks.len())
        .filter_map(|block| {
            let begins = begins(blocks, block)?;
            Some(Title { block, begins })
        })
        .collect()
}

fn begins(blocks: &[Block], index: usize) -> Option<Begins> {
    const LONGEST_TITLE_BYTES: usize = 110;
    let block = &blocks[index];
    let text = &block.text[..];
    let is_title = text.len() <= LONGEST_TITLE_BYTES
        && !matches!(block.kind, BlockKind::TableRow | BlockKind::ListItem)
        && !text.ends_with(['.', ',', ';'])
        && !ends_with_page(text);
    if !is_title {
        return None;
    }
    let title = squeezed(text);
    let named = |names: &[(Begins, &[&str])], is: fn(&str, &str) -> bool| {
        let found = names
            .iter()
            .find(|(_, words)| words.iter().any(|word| is(&title, word)));
        found.map(|(begins, _)| *begins)
    };
    let starts = |title: &str, word: &str| title.starts_with(word);
    let contains = |title: &str, word: &str| title.contains(word);
    let is_statement = || is_report_title(&title) || is_statement_with_figures(blocks, index);
    named(BEGINNINGS, starts)
        .or_else(|| (title == "marketrisk").then_some(Begins::MarketRisk))
        .or_else(|| is_statement().then_some(Begins::Statements))
        .or_else(|| named(OTHER_BEGINNINGS, starts))
        .or_else(|| named(CONTENTS, contains))
}

/// What titles begin with, without spaces, in lower case.
const BEGINNINGS: &[(Begins, &[&str])] = &[
    (
        Begins::Discussion,
        &[
            "managementsdiscussion",
            "managementdiscussion",
            "financialreview",
            "managementsfinancialreview",
        ],
    ),
    (Begins::MarketRisk, &["quantitativeandqualitative"]),
    (
        Begins::Notes,
        &["notestoconsolidated", "notestofinancial", "notestothe"],
    ),
    (
        Begins::Statements,
        &[
            "reportofmanagement",
            "managementsreport",
            "managementreport",
            "statementofmanagement",
        ],
    ),
];

/// The same, of those that a statement's title comes before.
const OTHER_BEGINNINGS: &[(Begins, &[&str])] = &[(
    Begins::Other,
    &[
        "stockholderinformation",
        "shareholderinformation",
        "investorinformation",
        "boardofdirectors",
        "corporateinformation",
        "directorsandofficers",
        "corporatedirectory",
        "shareownerinformation",
    ],
)];

/// What titles have in them.
const CONTENTS: &[(Begins, &[&str])] = &[
    (Begins::Other, &["quarterly", "stockprice", "marketprice"]),
    (
        Begins::Selected,
        &[
            "selectedfinancial",
            "selectedconsolidated",
            "yearcomparison",
            "yearsummary",
            "yearreview",
            "yearfinancial",
            "yearselected",
            "financialhighlights",
            "yearconsolidated",
        ],
    ),
];

/// From its first title to what follows its last: running heads repeat it.
fn discussion(titles: &[Title], num_blocks: usize) -> Option<Range<usize>> {
    let is_discussion = |title: &&Title| title.begins == Begins::Discussion;
    let first = titles.iter().find(is_discussion)?;
    let last = titles.iter().rev().find(is_discussion)?;
    let next = titles.iter().find(|title| {
        title.block > last.block && !matches!(title.begins, Begins::MarketRisk | Begins::Discussion)
    });
    Some(first.block..next.map_or(num_blocks, |next| next.block))
}

/// Before the discussion the reports, where they stand there; behind it the statements with their notes.
fn statements(titles: &[Title], num_blocks: usize) -> Vec<Range<usize>> {
    let discussion = discussion(titles, num_blocks);
    let notes = titles.iter().find(|title| title.begins == Begins::Notes);
    let Some(notes) = notes.map(|notes| notes.block) else {
        return Vec::new();
    };
    let is_statements = |title: &&Title| title.begins == Begins::Statements;
    let mut found = Vec::new();
    let mut from = 0;
    if let Some(discussion) = &discussion {
        let before = titles
            .iter()
            .find(|title| is_statements(title) && title.block < discussion.start);
        if let Some(before) = before.filter(|_| notes > discussion.start) {
            found.push(before.block..discussion.start);
        }
        from = if notes > discussion.start {
            discussion.end
        } else {
            0
        };
    }
    let first = titles
        .iter()
        .find(|title| is_statements(title) && title.block >= from);
    if let Some(first) = first.filter(|first| first.block < notes) {
        let next = titles.iter().find(|title| {
            title.block > notes
                && matches!(
                    title.begins,
                    Begins::Selected | Begins::Other | Begins::Discussion
                )
        });
        found.push(first.block..next.map_or(num_blocks, |next| next.block));
    }
    found
}

fn selected(titles: &[Title], num_blocks: usize) -> Vec<Range<usize>> {
    let at = titles.iter().rposition(|title| title.begins == Begins::Selected);
    let range = at.map(|at| {
        let next = titles[at + 1..]
            .iter()
            .find(|title| title.begins != Begins::Selected);
        titles[at].block..next.map_or(num_blocks, |next| next.block)
    });
    range.into_iter().collect()
}

fn market_risk(titles: &[Title], blocks: &[Block]) -> Option<Range<usize>> {
    let first = titles
        .iter()
        .find(|title| title.begins == Begins::MarketRisk)?
        .block;
    let behind = (first + 2).min(blocks.len());
    let next = blocks[behind..]
        .iter()
        .position(|block| block.kind == BlockKind::Heading);
    Some(first..next.map_or(blocks.len(), |next| behind + next))
}

fn section(item: &str, range: &Range<usize>, status: SectionStatus, blocks: &[Block]) -> Section {
    const BY_TITLE_PERCENT: u8 = 80;
    Section {
        evidence: Some(SectionEvidence::of(blocks, range.start, BY_TITLE_PERCENT)),
        ..Section::new(item, status, range.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use documents::BlockKind::{Heading, PageFurniture, Paragraph, TableRow};

    #[test]
    fn the_items_of_an_annual_report_stand_under_its_titles() {
        let figures = [(TableRow, "Oak | 1,200 | 1,300"); 4];
        let mut lines = vec![
            (TableRow, "Management's Discussion | 2"),
            (Heading, "Letter of the miller"),
            (Paragraph, "Oak sold well."),
            (Heading, "Report of Management"),
            (Paragraph, "We answer for what follows."),
            (PageFurniture, "Management's Discussion and Analysis"),
            (Paragraph, "Sales of oak rose."),
            (PageFurniture, "Management's Discussion and Analysis"),
            (Paragraph, "Sales of pine fell."),
            (Heading, "Consolidated Balance Sheets"),
        ];
        lines.extend(figures);
        lines.extend([
            (Heading, "Notes to Consolidated Financial Statements"),
            (Paragraph, "Oak is wood."),
            (Heading, "Five-Year Summary of Selected Financial Data"),
        ]);
        lines.extend(figures);
        lines.push((Heading, "Shareholder Information"));
        let blocks: Vec<Block> = lines
            .iter()
            .map(|(kind, text)| Block::new(*kind, *text))
            .collect();
        let wanted = ["6", "7", "8", "7A"].map(str::to_owned);
        let found: Vec<String> = find_in_annual_report(&wanted, &blocks)
            .into_iter()
            .map(|section| {
                let (first, end) = (section.first_block, section.end_block);
                format!("{} {} {first}..{end}", section.item, section.status.name())
            })
            .collect();
        assert_eq!(
            found,
            [
                "6 found 16..21",
                "7 found 5..9",
                "7A not_found 0..0",
                "8 found 3..5",
                "8 found 9..16",
            ]
        );
        assert!(find_in_annual_report(&["3".to_owned()], &blocks).is_empty());
    }
}

//! `tenk-corpus sections`.

use anyhow::Result;
use documents::{Document, DocumentReader, Section};
use serde::Serialize;

use crate::arguments::Sections;
use crate::folders::not_docs;
use crate::output::{print, push_line};

pub(crate) fn run(arguments: &Sections) -> Result<()> {
    of_docs(arguments).map_err(|error| not_docs(&arguments.docs, error))
}

/// A document after the other: the output grows with the folder, the memory does not.
fn of_docs(arguments: &Sections) -> Result<()> {
    let mut reader = DocumentReader::open(&arguments.docs)?;
    while let Some(line) = reader.next_line().transpose()? {
        let document: Document = line.parse()?;
        if arguments.id.as_ref().is_some_and(|id| *id != document.id) {
            continue;
        }
        let wanted: Vec<&Section> = document
            .sections
            .iter()
            .filter(|section| is_wanted(arguments, section))
            .collect();
        if wanted.is_empty() {
            continue;
        }
        if arguments.json {
            print(&json_lines(&document, &wanted)?)?;
        } else {
            print(&text(&document, &wanted))?;
        }
    }
    Ok(())
}

fn is_wanted(arguments: &Sections, section: &Section) -> bool {
    let is_item = |item: &String| item.eq_ignore_ascii_case(&section.item);
    (arguments.item.is_empty() || arguments.item.iter().any(is_item))
        && arguments.status.is_none_or(|status| status.0 == section.status)
}

/// One line of JSON a section.
#[derive(Serialize)]
struct Line<'d> {
    id: &'d str,
    source: &'d str,
    company: Option<&'d str>,
    period: Option<&'d str>,
    #[serde(flatten)]
    section: &'d Section,
    text_bytes: usize,
}

fn json_lines(document: &Document, sections: &[&Section]) -> Result<String> {
    let mut text = String::new();
    for section in sections {
        let line = Line {
            id: &document.id,
            source: &document.source,
            company: document.company.as_deref(),
            period: document.period.as_deref(),
            section,
            text_bytes: text_bytes(document, section),
        };
        push_line(&mut text, format_args!("{}", serde_json::to_string(&line)?));
    }
    Ok(text)
}

fn text_bytes(document: &Document, section: &Section) -> usize {
    let blocks = section.blocks();
    let blocks = document.blocks.get(blocks).unwrap_or_default();
    blocks.iter().map(|block| block.text.len()).sum()
}

fn text(document: &Document, sections: &[&Section]) -> String {
    let mut text = String::new();
    let facts = [
        Some(document.source.as_str()),
        document.company.as_deref(),
        document.period.as_deref(),
    ];
    let facts: Vec<&str> = facts.into_iter().flatten().collect();
    push_line(&mut text, format_args!("{}  {}", document.id, facts.join(", ")));
    for section in sections {
        let with = section.with.join(", ");
        let with = if with.is_empty() {
            with
        } else {
            format!(" ({with})")
        };
        let status = format!("{}{with}", section.status.name());
        let evidence = section.evidence.as_ref();
        let score = evidence.map_or(String::new(), |evidence| format!("{} %", evidence.score));
        let heading = evidence.map_or("", |evidence| evidence.heading.as_str());
        let blocks = format!("{}..{}", section.first_block, section.end_block);
        let line = format!(
            "  {:<6} {status:<32} {blocks:>13} {:>9} bytes {score:>5}  {}",
            section.item,
            text_bytes(document, section),
            visible(heading)
        );
        push_line(&mut text, format_args!("{}", line.trim_end()));
    }
    text
}

/// Control characters never reach the terminal.
fn visible(heading: &str) -> String {
    heading.chars().filter(|c| !c.is_control()).collect()
}

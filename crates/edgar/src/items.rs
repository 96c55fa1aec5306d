//! Where the items of a 10-K or 10-Q stand: every item of the form as a range of blocks with what
//! stands there. It sees blocks alone, after page furniture is marked; `docs/corpus.md` has what the
//! statuses mean. What is not sure is `uncertain`, never `found`.

mod annual_report;
mod candidates;
mod contents;
mod form;
mod heading;
mod index;
mod outline;
mod pages;
mod sections;
mod sequence;
mod statements;
mod text_lengths;
mod verdict;
mod wording;

#[cfg(test)]
mod tests;

use documents::{Block, Document, Section};

pub(crate) use annual_report::find_in_annual_report;

use candidates::candidates;
use contents::take_contents;
use form::Form;
use outline::outline;
use sections::Sections;

/// What is known of a report beside its blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report<'r> {
    /// The document's type (`10-K405/A`).
    pub(crate) form: &'r str,
    /// End of the period, or else the day of filing, `YYYY-MM-DD`: which items the form had.
    pub(crate) period: Option<&'r str>,
}

/// The items of a report in the order of its form; those of other documents are none. Linear in the blocks.
pub(crate) fn find_sections(report: Report<'_>, blocks: &[Block]) -> Vec<Section> {
    let Some(form) = Form::of(report.form) else {
        return Vec::new();
    };
    let period = report.period.unwrap_or_default();
    let (left, tables) = take_contents(candidates(form, blocks), blocks);
    let entries = outline(form, period, left, blocks);
    let mut sections = Sections::new(form, blocks, &entries, &tables);
    sections.judge_entries();
    sections.add_shared_parts(period);
    sections.add_statements();
    sections.add_indexed();
    sections.add_missing(period);
    sections.in_form_order()
}

/// The items that reports refer to their annual report to shareholders.
pub(crate) fn in_annual_report<'d>(reports: impl IntoIterator<Item = &'d Document>) -> Vec<String> {
    let sections = reports.into_iter().flat_map(|report| &report.sections);
    sections
        .filter(|section| section.with.iter().any(|with| with == ANNUAL_REPORT))
        .map(|section| section.item.clone())
        .collect()
}

/// How a section names the annual report to shareholders.
const ANNUAL_REPORT: &str = "EX-13";

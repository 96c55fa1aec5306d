//! The sections of a report from its headings: what stands under each, which share a text, and the
//! statements outside of their item. Which lines are headings is decided before.

mod elsewhere;

use std::ops::Range;

use documents::{Block, BlockKind, Section, SectionEvidence, SectionStatus};

use super::candidates::{Begins, title_of};
use super::contents::Contents;
use super::form::{Form, Item};
use super::outline::Entry;
use super::verdict::{Does, Target, Verdict, is_formula, judge};

/// Sections in the making.
#[derive(Debug)]
pub(crate) struct Sections<'b> {
    form: Form,
    blocks: &'b [Block],
    entries: &'b [Entry],
    tables: &'b [Contents],
    /// Each with its place in the form's order.
    found: Vec<Placed>,
}

#[derive(Debug)]
struct Placed {
    place: u16,
    section: Section,
}

/// Entries from this weight on are taken by themselves; others need their neighbors.
const SURE: i32 = 7;
/// Longer lines of headings have text behind the title.
const LONGEST_LINE_BYTES: usize = 300;

impl<'b> Sections<'b> {
    pub(crate) fn new(form: Form, blocks: &'b [Block], entries: &'b [Entry], tables: &'b [Contents]) -> Self {
        Self {
            form,
            blocks,
            entries,
            tables,
            found: Vec::new(),
        }
    }

    /// Sections of all headings.
    pub(crate) fn judge_entries(&mut self) {
        let entries = self.entries;
        let verdicts: Vec<Verdict> = entries.iter().map(|entry| self.verdict(entry)).collect();
        let mut index = 0;
        while index < entries.len() {
            let stack = index..index + self.stack_length(index, &verdicts);
            self.judge_stack(&entries[stack.clone()], &verdicts[stack.clone()]);
            index = stack.end;
        }
    }

    /// How many headings stand directly under one another, with their one text behind the last.
    fn stack_length(&self, index: usize, verdicts: &[Verdict]) -> usize {
        let is_item = |entry: &Entry| matches!(entry.candidate.begins, Begins::Items(_));
        let stack = self.entries[index..]
            .iter()
            .zip(&verdicts[index..])
            .take_while(|(entry, verdict)| {
                is_item(entry) && verdict.does == Does::Nothing && self.is_bare(entry)
            })
            .count();
        let last_joins = self.entries.get(index + stack).is_some_and(is_item);
        if stack == 0 {
            1
        } else {
            stack + usize::from(last_joins)
        }
    }

    /// Whether nothing stands between a heading and the next.
    fn is_bare(&self, entry: &Entry) -> bool {
        const LONGEST_TITLE_LINES_BYTES: usize = 120;
        let between = &self.blocks[entry.candidate.block + 1..entry.end];
        let bytes: usize = between
            .iter()
            .filter(|block| block.kind != BlockKind::PageFurniture)
            .map(|block| block.text.len())
            .sum();
        bytes <= LONGEST_TITLE_LINES_BYTES
            && self.blocks[entry.candidate.block].text.len() <= LONGEST_LINE_BYTES
    }

    fn verdict(&self, entry: &Entry) -> Verdict {
        judge(
            self.rest_of_line(entry),
            &self.blocks[entry.candidate.block + 1..entry.end],
        )
    }

    /// What stands behind the title in the line of a heading.
    fn rest_of_line(&self, entry: &Entry) -> &str {
        const LONGEST_TITLE_BYTES: usize = 230;
        // `and Related Member Matters` behind a title of the form.
        const LONGEST_REST_OF_TITLE_BYTES: usize = 60;
        let title = title_of(&entry.candidate, self.blocks);
        let Begins::Items(items) = &entry.candidate.begins else {
            return "";
        };
        let known = items
            .iter()
            .map(|item| self.form.items()[*item].title_length(title))
            .max()
            .unwrap_or(0);
        let rest = &title[known..];
        let is_text = if known > 0 {
            rest.len() > LONGEST_REST_OF_TITLE_BYTES || rest.starts_with(['.', ':']) || is_formula(rest)
        } else {
            title.len() > LONGEST_TITLE_BYTES || entry.candidate.is_sentence || is_formula(title)
        };
        if is_text { rest } else { "" }
    }

    /// Headings that share a text, or one heading with its own.
    fn judge_stack(&mut self, stack: &[Entry], verdicts: &[Verdict]) {
        if stack.len() > 1 && self.is_omitted_together(&stack[0]) {
            for (entry, verdict) in stack.iter().zip(verdicts) {
                let does = if verdict.does == Does::Nothing {
                    Does::Omits
                } else {
                    verdict.does
                };
                self.push(
                    entry,
                    entry.candidate.block..entry.end,
                    &Verdict {
                        does,
                        ..verdict.clone()
                    },
                    &[],
                );
            }
            return;
        }
        let last = stack.len() - 1;
        let (verdict, range) = (&verdicts[last], stack[0].candidate.block..stack[last].end);
        let all: Vec<usize> = stack.iter().flat_map(|entry| entry.items().to_vec()).collect();
        for entry in stack {
            match &entry.candidate.begins {
                Begins::Other(number) => self.push_other(entry, number, verdict),
                Begins::Items(_) => self.push(entry, range.clone(), verdict, &all),
                Begins::Part(_) | Begins::Signatures => {}
            }
        }
    }

    /// Whether a sentence above says that the following items are omitted.
    fn is_omitted_together(&self, first: &Entry) -> bool {
        const NEAR: usize = 3;
        let block = first.candidate.block;
        let above = &self.blocks[block.saturating_sub(NEAR)..block];
        above.iter().any(|block| {
            let lower = block.text.to_lowercase();
            lower.contains("omitted") && (lower.contains("items") || lower.contains("general instruction"))
        })
    }

    fn push(&mut self, entry: &Entry, range: Range<usize>, verdict: &Verdict, sharing: &[usize]) {
        for item in entry.items() {
            let others: Vec<String> = sharing
                .iter()
                .filter(|other| *other != item)
                .map(|other| self.form.items()[*other].name.to_owned())
                .collect();
            let status = self.status(entry, verdict, &others);
            let with = if status == SectionStatus::Combined {
                others
            } else {
                self.targets(verdict, *item)
            };
            let section = Section {
                with,
                evidence: Some(evidence(entry, self.blocks)),
                ..Section::new(self.form.items()[*item].name, status, range.clone())
            };
            self.found.push(Placed {
                place: Form::place(*item),
                section,
            });
        }
    }

    fn push_other(&mut self, entry: &Entry, number: &str, verdict: &Verdict) {
        let status = self.status(entry, verdict, &[]);
        let range = entry.candidate.block..entry.end;
        let with = self.targets(verdict, usize::MAX);
        let section = Section {
            with,
            evidence: Some(evidence(entry, self.blocks)),
            ..Section::new(number, status, range)
        };
        let place = match entry.candidate.first_place {
            // Of no place in the form: behind the item before it.
            0 => self.found.last().map_or(0, |placed| placed.place),
            place => place,
        };
        self.found.push(Placed { place, section });
    }

    fn status(&self, entry: &Entry, verdict: &Verdict, others: &[String]) -> SectionStatus {
        let is_sure = entry.candidate.score >= SURE || entry.is_framed;
        // The next headings of the form are nowhere, a formula goes on with other text in its line, or
        // a table of contents is inside: this may be the text of something else.
        let is_long = self.blocks[entry.candidate.block].text.len() > LONGEST_LINE_BYTES;
        let swallows = entry.missing_behind > 0 || verdict.is_mixed && is_long || self.has_contents(entry);
        match verdict.does {
            _ if !is_sure => SectionStatus::Uncertain,
            Does::Answers if swallows => SectionStatus::Uncertain,
            Does::Nothing if is_formula(title_of(&entry.candidate, self.blocks)) => SectionStatus::Omitted,
            Does::Nothing => SectionStatus::Uncertain,
            Does::Omits => SectionStatus::Omitted,
            Does::Refers => SectionStatus::IncorporatedByReference,
            Does::Answers if entry.candidate.is_sentence => SectionStatus::Uncertain,
            Does::Answers if others.is_empty() => SectionStatus::Found,
            Does::Answers => SectionStatus::Combined,
        }
    }

    fn has_contents(&self, entry: &Entry) -> bool {
        let mut lines = self.tables.iter().flat_map(|table| &table.lines);
        lines.any(|line| (entry.candidate.block..entry.end).contains(&line.block))
    }

    fn targets(&self, verdict: &Verdict, item: usize) -> Vec<String> {
        let own = self.form.items().get(item).map(|item| item.name);
        let mut names: Vec<String> = Vec::new();
        for target in &verdict.to {
            let name = match target {
                Target::AnnualReport => "EX-13".to_owned(),
                Target::Proxy => "proxy".to_owned(),
                Target::FinancialPages => "F-pages".to_owned(),
                Target::Statements => self.form.items()[self.form.statements()].name.to_owned(),
                Target::Item(part, number) => match self.item_name(*part, number) {
                    Some(name) => name,
                    None => continue,
                },
                Target::Elsewhere => "other".to_owned(),
            };
            if own != Some(name.as_str()) && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn item_name(&self, part: Option<u8>, number: &str) -> Option<String> {
        let items = self.form.items();
        let discussion = |item: &&Item| item.has_title("managementsdiscussionandanalysis");
        let fits = |item: &&Item| item.number == number && part.is_none_or(|part| part == item.part);
        let item = if number == "MD&A" {
            items.iter().find(discussion)
        } else {
            items.iter().find(fits)
        };
        item.map(|item| item.name.to_owned())
    }

    /// Items that the form of its time has and that are nowhere.
    pub(crate) fn add_missing(&mut self, period: &str) {
        for (item, entry) in self.form.items().iter().enumerate() {
            let is_there = self.found.iter().any(|placed| placed.section.item == entry.name);
            if !is_there && entry.is_asked(period) {
                self.found.push(Placed {
                    place: Form::place(item),
                    section: Section::new(entry.name, SectionStatus::NotFound, 0..0),
                });
            }
        }
    }

    pub(crate) fn in_form_order(mut self) -> Vec<Section> {
        self.found
            .sort_by_key(|placed| (placed.place, placed.section.first_block));
        self.found.into_iter().map(|placed| placed.section).collect()
    }
}

fn evidence(entry: &Entry, blocks: &[Block]) -> SectionEvidence {
    SectionEvidence::of(blocks, entry.candidate.block, percent(entry))
}

/// How sure a heading is: by its looks and its neighbors.
fn percent(entry: &Entry) -> u8 {
    let by_looks = match entry.candidate.score {
        10.. => 99,
        9 => 97,
        8 => 94,
        7 => 90,
        5 | 6 => 75,
        4 => 60,
        3 => 50,
        _ => 40,
    };
    if entry.is_framed {
        by_looks.max(80)
    } else {
        by_looks
    }
}

//! Items whose text does not stand under a heading of theirs: parts that one paragraph refers
//! elsewhere, statements behind the signatures, items that only a table of contents names.

use std::ops::Range;

use documents::{Section, SectionEvidence, SectionStatus};

use super::{Placed, Sections, evidence};
use crate::items::candidates::Begins;
use documents::form_type::ReportKind;

use crate::items::form::Form;
use crate::items::index::{Known, Says, indexed};
use crate::items::outline::Entry;
use crate::items::statements::{find_statements, has_statements};
use crate::items::verdict::{Does, Verdict, judge};

/// How sure statements outside of their item are.
const STATEMENTS_PERCENT: u8 = 90;
/// How sure an item is that only a table of contents names.
const INDEXED_PERCENT: u8 = 70;

impl Sections<'_> {
    /// The items of a part that one paragraph under its heading refers elsewhere.
    pub(crate) fn add_shared_parts(&mut self, period: &str) {
        let entries = self.entries;
        let parts = entries.iter().filter_map(|entry| match entry.candidate.begins {
            Begins::Part(part) => Some((part, entry)),
            _ => None,
        });
        for (part, entry) in parts {
            let items = self.form.items().iter().enumerate();
            let of_part: Vec<usize> = items
                .filter(|(_, item)| item.part == part && item.is_asked(period))
                .map(|(index, _)| index)
                .collect();
            let is_there = |item: &usize| entries.iter().any(|entry| entry.items().contains(item));
            // Until 2002 item 14 stood in the part behind.
            let (last, others) = (
                of_part.last().copied(),
                &of_part[..of_part.len().saturating_sub(1)],
            );
            if others.is_empty() || others.iter().any(is_there) {
                continue;
            }
            let of_part: Vec<usize> = others
                .iter()
                .copied()
                .chain(last.filter(|last| !is_there(last)))
                .collect();
            let first = entry.candidate.block + 1;
            let verdict = judge("", &self.blocks[first..entry.end]);
            if matches!(verdict.does, Does::Refers) {
                self.push_part(&of_part, entry, &verdict);
            }
        }
    }

    fn push_part(&mut self, items: &[usize], entry: &Entry, verdict: &Verdict) {
        for item in items {
            let status = SectionStatus::IncorporatedByReference;
            let with = self.targets(verdict, *item);
            let range = entry.candidate.block + 1..entry.end;
            let section = Section {
                with,
                evidence: Some(evidence(entry, self.blocks)),
                ..Section::new(self.form.items()[*item].name, status, range)
            };
            self.found.push(Placed {
                place: Form::place(*item),
                section,
            });
        }
    }

    /// Statements outside of their item.
    pub(crate) fn add_statements(&mut self) {
        let statements = self.form.statements();
        let name = self.form.items()[statements].name;
        let own = self
            .entries
            .iter()
            .position(|entry| entry.items().contains(&statements));
        let range = match own {
            Some(own) => self.statements_behind(own),
            None if self.form.kind == ReportKind::Quarterly => self.statements_before(),
            None => None,
        };
        let Some(range) = range else { return };
        self.cut_out(&range);
        let evidence = SectionEvidence::of(self.blocks, range.start, STATEMENTS_PERCENT);
        let section = Section {
            with: vec!["F-pages".to_owned()],
            evidence: Some(evidence),
            ..Section::new(name, SectionStatus::Found, range.clone())
        };
        self.found.push(Placed {
            place: Form::place(statements),
            section,
        });
    }

    /// Statements behind the heading of their item, where they do not stand under it.
    fn statements_behind(&self, own: usize) -> Option<Range<usize>> {
        let entry = &self.entries[own];
        if has_statements(self.blocks, entry.candidate.block..entry.end) {
            return None;
        }
        self.entries[own + 1..].iter().find_map(|entry| {
            let is_behind = entry.candidate.begins == Begins::Signatures;
            find_statements(self.blocks, entry.candidate.block + 1..entry.end, is_behind)
        })
    }

    /// Statements of a quarterly report that begin without a heading of their item.
    fn statements_before(&self) -> Option<Range<usize>> {
        let first = self.entries.iter().find(|entry| !entry.items().is_empty())?;
        find_statements(self.blocks, 0..first.candidate.block, false)
    }

    /// Takes the statements out of the sections that they stand in.
    fn cut_out(&mut self, range: &Range<usize>) {
        let index = |block: usize| u32::try_from(block).unwrap_or(u32::MAX);
        let (start, end) = (index(range.start), index(range.end));
        let mut rests = Vec::new();
        for placed in &mut self.found {
            let section = &mut placed.section;
            if !(section.first_block < start && section.end_block > start) {
                continue;
            }
            if section.end_block > end {
                let mut rest = section.clone();
                rest.first_block = end;
                rests.push(Placed {
                    place: placed.place,
                    section: rest,
                });
            }
            section.end_block = start;
        }
        self.found.extend(rests);
    }

    /// Items without a heading, by the tables of contents that name their pages.
    pub(crate) fn add_indexed(&mut self) {
        let known: Vec<Known> = self
            .found
            .iter()
            .filter_map(|placed| self.known(placed))
            .collect();
        for indexed in indexed(self.form, self.tables, &known, self.blocks) {
            let (range, status, with) = match indexed.says {
                Says::Text(range) => (range, SectionStatus::Found, vec!["index".to_owned()]),
                Says::Pages(range) => (range, SectionStatus::Uncertain, vec!["index".to_owned()]),
                Says::Answer(range, verdict) => {
                    let status = match verdict.does {
                        Does::Refers => SectionStatus::IncorporatedByReference,
                        _ => SectionStatus::Omitted,
                    };
                    (range, status, self.targets(&verdict, indexed.item))
                }
            };
            let evidence = SectionEvidence::of(self.blocks, range.start, INDEXED_PERCENT);
            self.found.push(Placed {
                place: Form::place(indexed.item),
                section: Section {
                    with,
                    evidence: Some(evidence),
                    ..Section::new(self.form.items()[indexed.item].name, status, range)
                },
            });
        }
    }

    fn known(&self, placed: &Placed) -> Option<Known> {
        let items = self.form.items();
        let item = items.iter().position(|item| item.name == placed.section.item)?;
        Some(Known {
            item,
            block: placed.section.first_block as usize,
        })
    }
}

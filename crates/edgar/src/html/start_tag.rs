//! A start tag while its attributes are read, and what they say of it.

use super::style::{Display, Style, StyleCache};
use super::table::Spans;
use super::tags::Tag;
use crate::inline_facts::FactCollector;

/// The attribute whose value comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Attribute {
    /// One that means nothing here, or one of a name that was there before: the first counts.
    #[default]
    Other,
    Style,
    Align,
    FactName,
    Colspan,
    Rowspan,
}

/// A start tag while its attributes are read.
#[derive(Debug)]
pub(super) struct StartTag {
    pub(super) tag: Tag,
    pub(super) style: Style,
    /// Of a cell.
    pub(super) spans: Spans,
    /// An inline-XBRL fact.
    pub(super) is_fact: bool,
    pub(super) is_title: bool,
    /// Its name has a namespace.
    pub(super) is_foreign: bool,
    attribute: Attribute,
    /// Which attributes were there, a bit each.
    seen: u8,
    /// Of `align`, which a style counts before.
    is_centered: Option<bool>,
    /// Of `hidden`, which a style counts before.
    hidden: Option<Display>,
}

impl StartTag {
    pub(super) fn of(name: &[u8]) -> Self {
        Self {
            tag: Tag::of(name),
            style: Style::default(),
            spans: Spans::ONE,
            is_fact: name == b"ix:nonnumeric",
            is_title: name == b"title",
            is_foreign: memchr::memchr(b':', name).is_some(),
            attribute: Attribute::Other,
            seen: 0,
            is_centered: None,
            hidden: None,
        }
    }

    pub(super) fn attribute_name(&mut self, name: &[u8]) {
        let attribute = match name {
            b"style" => Attribute::Style,
            b"align" => Attribute::Align,
            b"name" if self.is_fact => Attribute::FactName,
            b"colspan" => Attribute::Colspan,
            b"rowspan" => Attribute::Rowspan,
            _ => Attribute::Other,
        };
        let bit = 1 << attribute as u8;
        let is_repeated = self.seen & bit != 0;
        self.seen |= bit;
        self.attribute = if is_repeated { Attribute::Other } else { attribute };
        if name == b"hidden" {
            self.hidden = Some(Display::None);
        }
    }

    pub(super) fn attribute_value(
        &mut self,
        value: &[u8],
        styles: &mut StyleCache,
        facts: &mut FactCollector,
    ) {
        match self.attribute {
            Attribute::Style => self.style = styles.parse(value),
            Attribute::Align => self.is_centered = Some(value.eq_ignore_ascii_case(b"center")),
            Attribute::FactName => facts.announce(value),
            Attribute::Colspan => self.spans.set_columns(value),
            Attribute::Rowspan => self.spans.set_rows(value),
            Attribute::Other => {}
        }
    }

    /// All attributes are read.
    pub(super) fn finish(mut self) -> Self {
        self.style.centered = self.style.centered.or(self.is_centered);
        self.style.display = self.style.display.or(self.hidden);
        self
    }
}

//! A start tag while its attributes are read, and what they say of it.

use super::style::{Display, Style, StyleCache};
use super::table::Spans;
use super::tags::Tag;
use crate::inline_facts::FactCollector;

/// The attribute whose value comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Attribute {
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
        }
    }

    pub(super) fn attribute_name(&mut self, name: &[u8]) {
        self.attribute = match name {
            b"style" => Attribute::Style,
            b"align" => Attribute::Align,
            b"colspan" => Attribute::Colspan,
            b"rowspan" => Attribute::Rowspan,
            b"name" if self.is_fact => Attribute::FactName,
            _ => Attribute::Other,
        };
        if name == b"hidden" {
            self.style.display = Some(Display::None);
        }
    }

    pub(super) fn attribute_value(
        &mut self,
        value: &[u8],
        styles: &mut StyleCache,
        facts: &mut FactCollector,
    ) {
        match self.attribute {
            Attribute::Style => {
                let centered = self.style.centered;
                self.style = styles.parse(value);
                self.style.centered = self.style.centered.or(centered);
            }
            Attribute::Align => {
                let centered = value.eq_ignore_ascii_case(b"center");
                self.style.centered = self.style.centered.or(Some(centered));
            }
            Attribute::FactName => facts.announce(value),
            Attribute::Colspan => self.spans.set_columns(value),
            Attribute::Rowspan => self.spans.set_rows(value),
            Attribute::Other => {}
        }
    }
}

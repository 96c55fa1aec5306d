//! A filing's HTML to blocks in one pass, keeping what a browser shows and nothing else. A stack
//! of open elements, no tree: time is linear in the input however tags are nested.
//!
//! It does not choose the document inside a submission, find page furniture or name the form.

mod comment;
mod declarations;
mod elements;
mod letter_case;
pub(crate) mod lines;
mod quiet;
mod script;
mod start_tag;
mod style;
pub(crate) mod table;
mod tags;
#[cfg(test)]
mod tests;
mod written;

use std::convert::Infallible;

use documents::{LineBuffer, one_line};
use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

use super::inline_facts::{FactCollector, InlineFacts};
use super::page::Page;
use super::plain_text;
use comment::is_page_break;
use elements::{Effect, Element, Elements, State};
use lines::{Looks, kind_of_line};
use quiet::Quiet;
use start_tag::StartTag;
use style::{Display, Style, StyleCache};
use table::{Spans, Table};
use tags::{Role, Tag};
use written::Writer;

/// Titles are cut here; an unclosed `title` swallows the page.
const LONGEST_TITLE_BYTES: usize = 300;

/// The page's blocks and the inline-XBRL facts about the filing itself.
pub(crate) fn read_html(text: &str) -> (Page, InlineFacts) {
    let mut reader = Reader::default();
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| {
        reader.event(&event);
        None::<Infallible>
    });
    emitter.naively_switch_states(true);
    let Ok(()) = Tokenizer::new_with_emitter(text, Quiet(emitter)).finish();
    reader.finish()
}

#[derive(Debug, Default)]
struct Reader {
    page: Page,
    facts: FactCollector,
    elements: Elements,
    tables: Vec<Table>,
    styles: StyleCache,
    start_tag: Option<StartTag>,
    writer: Writer,
    line: LineBuffer,
    line_looks: Looks,
    preformatted: String,
    title: String,
    /// Length of the element stack inside an open `title`.
    title_depth: Option<usize>,
    page_break_pending: bool,
}

impl Reader {
    fn event(&mut self, event: &CallbackEvent<'_>) {
        match *event {
            CallbackEvent::String { value } => self.text(value),
            CallbackEvent::OpenStartTag { name } => self.start_tag = Some(StartTag::of(name)),
            CallbackEvent::AttributeName { name } => {
                if let Some(start_tag) = &mut self.start_tag {
                    start_tag.attribute_name(name);
                }
            }
            CallbackEvent::AttributeValue { value } => {
                if let Some(start_tag) = &mut self.start_tag {
                    start_tag.attribute_value(value, &mut self.styles, &mut self.facts);
                }
            }
            CallbackEvent::CloseStartTag { self_closing } => {
                if let Some(start_tag) = self.start_tag.take() {
                    self.start(&start_tag.finish(), self_closing);
                }
            }
            CallbackEvent::EndTag { name } => {
                self.start_tag = None;
                self.end(Tag::of(name));
            }
            CallbackEvent::Comment { value } => self.comment(value),
            CallbackEvent::Doctype { .. } | CallbackEvent::Error(_) => {}
        }
    }

    fn start(&mut self, start_tag: &StartTag, self_closing: bool) {
        let StartTag { tag, style, .. } = start_tag;
        if matches!(tag.role, Role::Document | Role::Void) || !self.shrink_for(tag.role) {
            self.facts.forget_announced();
            return;
        }
        let is_hidden = self.elements.state().has(State::HIDDEN) || style.display == Some(Display::None);
        match tag.role {
            Role::LineBreak | Role::Page | Role::Rule if is_hidden => return,
            Role::LineBreak if style.break_before => return self.page_break(),
            Role::LineBreak => return self.line_break(),
            Role::Page | Role::Rule => return self.page_break(),
            _ => {}
        }
        // A browser takes `<div/>` for `<div>`; what is empty by its writer's will must not hide
        // or capture what follows.
        if self_closing && (start_tag.is_foreign || is_hidden || tag.role == Role::Hidden) {
            self.facts.forget_announced();
            return;
        }
        let element = self.element(*tag, *style);
        if element.effect != Effect::None {
            self.open_box(element.effect, start_tag.spans);
        }
        if style.break_before && !is_hidden {
            self.page_break();
        }
        self.elements.push(element);
        if start_tag.is_fact {
            self.facts.open(self.elements.len());
        }
        if start_tag.is_title && self.page.title.is_none() {
            self.title_depth = Some(self.elements.len());
        }
    }

    /// Closes what the opening of `role` ends; false when the tag means nothing here.
    fn shrink_for(&mut self, role: Role) -> bool {
        let Some(length) = self.elements.length_before_opening(role) else {
            return false;
        };
        self.close_down_to(length);
        true
    }

    fn element(&self, tag: Tag, style: Style) -> Element {
        let mut element = Element::of(tag, style);
        if element.sets.has(State::HIDDEN) || self.elements.state().has(State::HIDDEN) {
            return element;
        }
        element.is_flex = style.display == Some(Display::Flex);
        element.page_break_after = style.break_after;
        element.effect = self.effect(tag.role, style);
        element
    }

    fn effect(&self, role: Role, style: Style) -> Effect {
        match role {
            Role::Cell => Effect::Cell,
            Role::Row => Effect::Row,
            Role::TableSection => Effect::TableSection,
            Role::Table => Effect::Table,
            Role::Preformatted => Effect::Preformatted,
            Role::Formatting | Role::Inline => {
                let parent_is_flex = self.elements.top().is_some_and(|element| element.is_flex);
                let is_block = matches!(style.display, Some(Display::Block | Display::Flex));
                if is_block || style.out_of_flow || parent_is_flex {
                    Effect::Line
                } else {
                    Effect::None
                }
            }
            _ if style.display == Some(Display::Inline) && !style.out_of_flow => Effect::None,
            _ => Effect::Line,
        }
    }

    fn open_box(&mut self, effect: Effect, spans: Spans) {
        match effect {
            Effect::None => {}
            Effect::Line => self.end_line(),
            Effect::TableSection | Effect::Row => {
                self.end_line();
                if let Some(table) = self.tables.last_mut() {
                    table.begin_row(effect == Effect::TableSection);
                }
            }
            Effect::Preformatted => {
                self.end_line();
                self.end_preformatted();
            }
            Effect::Cell => {
                self.end_line();
                if let Some(table) = self.tables.last_mut() {
                    table.begin_cell(spans);
                }
            }
            Effect::Table => {
                self.end_line();
                self.end_preformatted();
                self.spill_tables();
                self.tables.push(Table::default());
            }
        }
    }

    fn end(&mut self, tag: Tag) {
        let is_hidden = self.elements.state().has(State::HIDDEN);
        match (tag.role, self.elements.position_closed_by(tag)) {
            (Role::LineBreak | Role::Paragraph, None) if is_hidden => {}
            (Role::LineBreak, _) => self.line_break(),
            (Role::Paragraph, None) => self.end_line(),
            (Role::Formatting, Some(position)) if position + 1 < self.elements.len() => {
                self.elements.remove(position);
                self.facts.removed(position);
            }
            (_, Some(position)) => self.close_down_to(position),
            (_, None) => {}
        }
    }

    fn close_down_to(&mut self, length: usize) {
        while self.elements.len() > length {
            self.facts.close(self.elements.len());
            if self.title_depth == Some(self.elements.len()) {
                self.title_depth = None;
                self.page.title = Some(one_line(&self.title)).filter(|title| !title.is_empty());
            }
            if let Some(element) = self.elements.pop() {
                self.close_box(&element);
            }
        }
    }

    fn close_box(&mut self, element: &Element) {
        match element.effect {
            Effect::None => {}
            Effect::Line | Effect::TableSection => self.end_line(),
            Effect::Preformatted => self.end_preformatted(),
            Effect::Cell => {
                self.end_line();
                if let Some(table) = self.tables.last_mut() {
                    table.end_cell();
                }
            }
            Effect::Row => {
                self.end_line();
                if let Some(table) = self.tables.last_mut() {
                    table.end_row();
                }
            }
            Effect::Table => {
                self.end_line();
                self.spill_tables();
                self.tables.pop();
            }
        }
        if element.page_break_after {
            self.page_break();
        }
    }

    /// Writes out what the open tables hold, outermost first, so that what comes next follows.
    fn spill_tables(&mut self) {
        // Only the innermost table and the one around it can have taken text since a table opened.
        let first = self.tables.len().saturating_sub(2);
        for table in &mut self.tables[first..] {
            table.spill(&mut self.page);
        }
    }

    fn text(&mut self, value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        self.facts.text(&text);
        let state = self.elements.state();
        if state.has(State::HIDDEN) {
            if self.title_depth.is_some() && self.title.len() < LONGEST_TITLE_BYTES {
                self.title.extend(text.chars().take(LONGEST_TITLE_BYTES));
            }
            return;
        }
        if state.has(State::INVISIBLE) {
            return;
        }
        if state.has(State::PREFORMATTED) {
            self.writer.write(&mut self.preformatted, &text, state);
            return;
        }
        self.flowing_text(&text, state);
    }

    fn flowing_text(&mut self, text: &str, state: State) {
        let is_blank = text.trim_ascii().is_empty();
        if is_blank && self.tables.last().is_some_and(|table| !table.in_cell) {
            return;
        }
        if !is_blank {
            if self.line.is_empty() {
                self.line_looks = Looks {
                    bold: true,
                    emphasized: true,
                    centered: state.has(State::CENTERED),
                    heading: state.has(State::HEADING),
                    list_item: state.has(State::LIST_ITEM),
                    page_break_before: false,
                };
            }
            self.line_looks.bold &= state.has(State::BOLD);
            self.line_looks.emphasized &= state.has(State::BOLD.with(State::EMPHASIZED));
        }
        self.writer.write(&mut self.line, text, state);
    }

    fn line_break(&mut self) {
        if self.elements.state().has(State::PREFORMATTED) {
            self.preformatted.push('\n');
        } else {
            self.end_line();
        }
    }

    fn page_break(&mut self) {
        if self.elements.state().has(State::PREFORMATTED) {
            self.preformatted.push('\x0c');
        } else {
            self.end_line();
            self.page_break_pending = true;
        }
    }

    fn comment(&mut self, value: &[u8]) {
        let is_shown = !self.elements.state().has(State::HIDDEN);
        self.page_break_pending |= is_shown && is_page_break(value);
    }

    /// Ends the line and gives it to the innermost open cell, else to the page.
    fn end_line(&mut self) {
        self.writer.begin_line();
        if self.line.is_empty() {
            self.line.clear();
            return;
        }
        let mut looks = self.line_looks;
        looks.page_break_before = std::mem::take(&mut self.page_break_pending);
        let text = self.line.as_str();
        match self.tables.iter_mut().rev().find(|table| table.in_cell) {
            Some(table) => table.push_line(text, looks),
            None => self
                .page
                .push(kind_of_line(text, looks), text, looks.page_break_before),
        }
        self.line.clear();
    }

    fn end_preformatted(&mut self) {
        self.writer.begin_line();
        let text = std::mem::take(&mut self.preformatted);
        if text.trim_ascii().is_empty() {
            return;
        }
        if let Some(table) = self.tables.iter_mut().rev().find(|table| table.in_cell) {
            for line in text.lines().map(one_line).filter(|line| !line.is_empty()) {
                table.push_line(&line, Looks::default());
            }
        } else {
            plain_text::read_into(&text, &mut self.page);
        }
    }

    fn finish(mut self) -> (Page, InlineFacts) {
        self.close_down_to(0);
        self.end_line();
        self.end_preformatted();
        (self.page, self.facts.finish())
    }
}

//! The stack of open elements: which tags close which, and what the open ones together mean for
//! text that comes now. It follows the tree construction of the HTML standard as far as text can
//! tell: implied ends, misnested formatting, stray table tags.

use super::letter_case::LetterCase;
use super::script::{Place, Script};
use super::style::{Display, Style};
use super::tags::{NameId, Role, Tag};

/// How far up an end tag looks for its element. Browsers cap the depth of a page at the same
/// number, and it keeps a hundred thousand unclosed elements linear.
pub(super) const SEARCH_DEPTH: usize = 512;

/// Called for every open element that is looked at: tests count them.
#[inline]
fn visit() {
    #[cfg(test)]
    VISITS.set(VISITS.get() + 1);
}

#[cfg(test)]
thread_local! {
    /// Open elements that were looked at on this thread.
    pub(super) static VISITS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// What is true of text in an element, inherited by what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State(u16);

impl State {
    /// Not displayed; nothing inside can be.
    pub(super) const HIDDEN: Self = Self(1);
    /// `visibility: hidden`; an element inside may be visible again.
    pub(super) const INVISIBLE: Self = Self(2);
    pub(super) const BOLD: Self = Self(4);
    pub(super) const CENTERED: Self = Self(8);
    pub(super) const UPPERCASE: Self = Self(16);
    pub(super) const PREFORMATTED: Self = Self(32);
    pub(super) const HEADING: Self = Self(64);
    pub(super) const LIST_ITEM: Self = Self(128);
    /// Italic or underlined.
    pub(super) const EMPHASIZED: Self = Self(256);
    pub(super) const LOWERCASE: Self = Self(512);
    pub(super) const CAPITALIZED: Self = Self(1024);
    pub(super) const RAISED: Self = Self(2048);
    pub(super) const LOWERED: Self = Self(4096);
    const LETTER_CASES: Self = Self(Self::UPPERCASE.0 | Self::LOWERCASE.0 | Self::CAPITALIZED.0);
    const SCRIPTS: Self = Self(Self::RAISED.0 | Self::LOWERED.0);
    /// Text is not written as it stands in the page.
    pub(super) const RESHAPED: Self = Self(Self::LETTER_CASES.0 | Self::SCRIPTS.0);
    /// Tables begin afresh, as they do in pages without a document type.
    const BEGUN_AFRESH_IN_TABLES: Self = Self(
        Self::BOLD.0
            | Self::EMPHASIZED.0
            | Self::CENTERED.0
            | Self::PREFORMATTED.0
            | Self::HEADING.0
            | Self::SCRIPTS.0,
    );

    /// Whether any of the other's properties holds.
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn of_letter_case(case: LetterCase) -> Self {
        match case {
            LetterCase::AsWritten => Self::default(),
            LetterCase::Upper => Self::UPPERCASE,
            LetterCase::Lower => Self::LOWERCASE,
            LetterCase::Capitalized => Self::CAPITALIZED,
        }
    }

    pub(super) fn letter_case(self) -> LetterCase {
        if self.has(Self::UPPERCASE) {
            LetterCase::Upper
        } else if self.has(Self::LOWERCASE) {
            LetterCase::Lower
        } else if self.has(Self::CAPITALIZED) {
            LetterCase::Capitalized
        } else {
            LetterCase::AsWritten
        }
    }

    fn of_script(script: Script) -> Self {
        match script {
            Script::Raised => Self::RAISED,
            Script::Lowered => Self::LOWERED,
        }
    }

    pub(super) fn script(self) -> Option<Script> {
        if self.has(Self::RAISED) {
            Some(Script::Raised)
        } else {
            self.has(Self::LOWERED).then_some(Script::Lowered)
        }
    }
}

/// What happens to the flow of text where an element ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    Line,
    Cell,
    Row,
    TableSection,
    Table,
    Preformatted,
}

/// One open element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element {
    pub(super) name: NameId,
    pub(super) role: Role,
    pub(super) effect: Effect,
    /// Its children are blocks.
    pub(super) is_flex: bool,
    pub(super) page_break_after: bool,
    /// What it adds to and takes from the state around it.
    pub(super) sets: State,
    pub(super) clears: State,
    state: State,
}

impl Element {
    /// An element with what its name and its style say of the text in it.
    pub(super) fn of(tag: Tag, style: Style) -> Self {
        let mut element = Self {
            name: tag.name,
            role: tag.role,
            effect: Effect::None,
            is_flex: false,
            page_break_after: false,
            sets: State::default(),
            clears: State::default(),
            state: State::default(),
        };
        if tag.role == Role::Table {
            element.clears = State::BEGUN_AFRESH_IN_TABLES;
        }
        let is_hidden = tag.role == Role::Hidden || style.display == Some(Display::None);
        element.set(State::HIDDEN, is_hidden.then_some(true));
        element.set(State::INVISIBLE, style.visible.map(|visible| !visible));
        let of_tag = |is_so: bool| is_so.then_some(true);
        element.set(State::BOLD, style.bold.or(of_tag(tag.bold)));
        element.set(State::EMPHASIZED, style.emphasized.or(of_tag(tag.emphasized)));
        element.set(State::CENTERED, style.centered.or(of_tag(tag.centered)));
        element.set(State::PREFORMATTED, of_tag(tag.role == Role::Preformatted));
        element.set(State::HEADING, of_tag(tag.role == Role::Heading));
        let is_item = matches!(tag.role, Role::ListItem | Role::DefinitionItem);
        element.set(State::LIST_ITEM, of_tag(is_item));
        if let Some(case) = style.letter_case {
            element.set_one_of(State::LETTER_CASES, State::of_letter_case(case));
        }
        // Blocks stand on lines of their own.
        let script = match style.place {
            Some(Place::OffLine(script)) => Some(script),
            Some(Place::OnLine) => None,
            None => tag.script,
        };
        if let Some(script) = script.filter(|_| !tag.role.is_special()) {
            element.set_one_of(State::SCRIPTS, State::of_script(script));
        }
        element
    }

    fn set(&mut self, state: State, value: Option<bool>) {
        match value {
            Some(true) => self.sets = self.sets.with(state),
            Some(false) => self.clears = self.clears.with(state),
            None => {}
        }
    }

    /// Sets `state`, which excludes the others of its kind.
    fn set_one_of(&mut self, kind: State, state: State) {
        self.clears = self.clears.with(kind);
        self.sets = self.sets.with(state);
    }
}

/// The open elements, outermost first.
#[derive(Debug, Default)]
pub(super) struct Elements {
    stack: Vec<Element>,
    num_paragraphs: usize,
}

impl Elements {
    pub(super) fn len(&self) -> usize {
        self.stack.len()
    }

    pub(super) fn top(&self) -> Option<&Element> {
        self.stack.last()
    }

    /// The state of text that comes now.
    pub(super) fn state(&self) -> State {
        self.top().map_or(State::default(), |element| element.state)
    }

    pub(super) fn push(&mut self, mut element: Element) {
        element.state = self.state().without(element.clears).with(element.sets);
        self.num_paragraphs += usize::from(element.role == Role::Paragraph);
        self.stack.push(element);
    }

    pub(super) fn pop(&mut self) -> Option<Element> {
        let element = self.stack.pop()?;
        self.num_paragraphs -= usize::from(element.role == Role::Paragraph);
        Some(element)
    }

    /// Down to which length the stack shrinks before `role` opens, or `None` when a tag of this
    /// role means nothing here (a cell outside a table).
    pub(super) fn length_before_opening(&self, role: Role) -> Option<usize> {
        match role {
            Role::Cell => self.innermost(|role| role != Role::Cell && role.is_scope()),
            Role::Row => self.innermost(|role| matches!(role, Role::TableSection | Role::Table)),
            Role::TableSection => self.innermost(|role| role == Role::Table),
            Role::Table => Some(self.length_without_unfinished_table()),
            _ => {
                let mut length = self.len();
                if role.ends_paragraph() {
                    length = self.length_without_paragraph();
                }
                match role {
                    Role::Heading if self.role_at(length) == Some(Role::Heading) => Some(length - 1),
                    Role::ListItem | Role::DefinitionItem => Some(self.length_without_item(role, length)),
                    _ => Some(length),
                }
            }
        }
    }

    /// Length of the stack up to and with the innermost element of the table structure that
    /// `wanted` names, when no table starts between.
    fn innermost(&self, wanted: impl Fn(Role) -> bool) -> Option<usize> {
        for (index, element) in self.recent() {
            if wanted(element.role) {
                return Some(index + 1);
            }
            if element.role == Role::Table {
                return None;
            }
        }
        None
    }

    /// A table that opens where only rows or cells may stand ends the table around it.
    fn length_without_unfinished_table(&self) -> usize {
        let scope = self.recent().find(|(_, element)| element.role.is_scope());
        match scope {
            Some((_, element)) if element.role != Role::Cell => self
                .innermost(|role| role == Role::Table)
                .map_or(self.len(), |length| length - 1),
            _ => self.len(),
        }
    }

    fn length_without_paragraph(&self) -> usize {
        if self.num_paragraphs == 0 {
            return self.len();
        }
        self.recent()
            .take_while(|(_, element)| !element.role.is_scope())
            .find(|(_, element)| element.role == Role::Paragraph)
            .map_or(self.len(), |(index, _)| index)
    }

    /// Where the list item ends that the next one of its kind closes. Lists inside lists stand in
    /// `ul`, `ol` or `dl`, which stop the search.
    fn length_without_item(&self, item: Role, length: usize) -> usize {
        let is_passed = |role: Role| {
            !role.is_special() || role == item || matches!(role, Role::Paragraph | Role::Division)
        };
        self.recent()
            .skip(self.len() - length)
            .take_while(|(_, element)| is_passed(element.role))
            .find(|(_, element)| element.role == item)
            .map_or(length, |(index, _)| index)
    }

    fn role_at(&self, length: usize) -> Option<Role> {
        Some(self.stack.get(length.checked_sub(1)?)?.role)
    }

    /// The element that an end tag closes.
    pub(super) fn position_closed_by(&self, tag: Tag) -> Option<usize> {
        let same_name = |element: &Element| element.name == tag.name;
        let stops: fn(Role) -> bool = match tag.role {
            Role::Inline => Role::is_special,
            Role::Cell | Role::Row | Role::TableSection => |role| role == Role::Table,
            Role::Table => |_| false,
            _ => Role::is_scope,
        };
        for (index, element) in self.recent() {
            let is_heading_pair = tag.role == Role::Heading && element.role == Role::Heading;
            if same_name(element) || is_heading_pair {
                return Some(index);
            }
            if stops(element.role) {
                return None;
            }
        }
        None
    }

    /// Takes one element out of the middle; what it held stays open without its effects.
    pub(super) fn remove(&mut self, position: usize) {
        self.stack.remove(position);
        for index in position..self.stack.len() {
            visit();
            let around = index
                .checked_sub(1)
                .map_or(State::default(), |below| self.stack[below].state);
            let element = &mut self.stack[index];
            element.state = around.without(element.clears).with(element.sets);
        }
    }

    fn recent(&self) -> impl Iterator<Item = (usize, &Element)> {
        let recent = self.stack.iter().enumerate().rev().take(SEARCH_DEPTH);
        recent.inspect(|_| visit())
    }
}

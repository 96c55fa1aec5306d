//! The items of the forms 10-K, 10-KSB and 10-Q: their order, their titles in all the words that
//! filers use, and in which years a form had them. It does not look at filings.

mod tables;

use documents::form_type::ReportKind;

pub(crate) use tables::Item;
use tables::{ANNUAL, QUARTERLY, SMALL_ANNUAL};

/// The items of one form, in its order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) kind: ReportKind,
    items: &'static [Item],
}

/// Places in the order of a form are this far apart, so that numbers it does not know (`5C`) have one.
pub(crate) const STEP: u16 = 4;

/// Titles are compared by their beginnings: more than any title of a form has.
const LONGEST_TITLE_BYTES: usize = 220;

impl Form {
    /// The form of a document type, if its items are known.
    pub(crate) fn of(form: &str) -> Option<Self> {
        let kind = ReportKind::of(form)?;
        let items: &'static [Item] = match kind {
            ReportKind::Annual => ANNUAL,
            ReportKind::SmallAnnual => SMALL_ANNUAL,
            ReportKind::Quarterly => QUARTERLY,
        };
        Some(Self { kind, items })
    }

    /// The items in the form's order; [`Form::place`] gives the place of each by its index.
    pub(crate) fn items(self) -> &'static [Item] {
        self.items
    }

    /// The place of an item: places of parts are between those of items.
    pub(crate) fn place(index: usize) -> u16 {
        // The forms have fewer than 40 items.
        (u16::try_from(index).unwrap_or(u16::MAX / STEP - 2) + 1) * STEP
    }

    /// The places that a part's heading may have: right before its first item. Until 2002 the last
    /// part of a 10-K began with item 14.
    pub(crate) fn part_places(self, part: u8) -> impl Iterator<Item = u16> {
        let first = self.items.iter().position(|item| item.part == part);
        let is_last = self.kind == ReportKind::Annual && part == 4;
        let older = self.items.iter().position(|item| is_last && item.number == "14");
        first.into_iter().chain(older).map(|index| Self::place(index) - 1)
    }

    /// The place behind all items.
    pub(crate) fn end_place(self) -> u16 {
        Self::place(self.items.len())
    }

    /// The items of this number: of a 10-Q one of each part that has it.
    pub(crate) fn of_number(self, number: &str) -> impl Iterator<Item = usize> {
        let items = self.items.iter().enumerate();
        items
            .filter(move |(_, item)| item.number == number)
            .map(|(index, _)| index)
    }

    /// The place of a number that the form does not have (`5C`, `4A`): behind the last that it has
    /// with the same digits; `None` where there is none.
    pub(crate) fn place_beside(self, number: &str) -> Option<u16> {
        let digits = digits_of(number);
        let same = |item: &Item| digits_of(item.number) == digits && item.number < number;
        let index = self.items.iter().rposition(same)?;
        Some(Self::place(index) + 1)
    }

    /// Whether every report has the item in some way. Small companies leave out those with a letter,
    /// and quarterly reports those without news.
    pub(crate) fn is_never_left_out(self, item: &Item) -> bool {
        match self.kind {
            ReportKind::Quarterly => item.name == "I.2",
            ReportKind::Annual => matches!(
                item.number,
                "2" | "3" | "5" | "7" | "8" | "10" | "11" | "12" | "13"
            ),
            ReportKind::SmallAnnual => matches!(
                item.number,
                "2" | "3" | "5" | "6" | "7" | "9" | "10" | "11" | "12"
            ),
        }
    }

    /// The item that keeps the financial statements.
    pub(crate) fn statements(self) -> usize {
        let name = match self.kind {
            ReportKind::Annual => "8",
            ReportKind::SmallAnnual => "7",
            ReportKind::Quarterly => "I.1",
        };
        self.items.iter().position(|item| item.name == name).unwrap_or(0)
    }
}

fn digits_of(number: &str) -> &str {
    number.trim_end_matches(|c: char| c.is_ascii_uppercase())
}

impl Item {
    /// Whether the title is one of this item. `title` is [`squeezed`].
    pub(crate) fn has_title(&self, title: &str) -> bool {
        let has_all = |words: &&[&str]| words.iter().all(|word| title.contains(word));
        self.titles.iter().any(has_all)
    }

    /// How many bytes of a text are one of its whole titles, with which the text begins.
    pub(crate) fn title_length(&self, text: &str) -> usize {
        let lengths = self.alone.iter().filter_map(|title| beginning(text, title));
        lengths.max().unwrap_or(0)
    }

    /// Whether the form asked for it in a report on the period that ends on this day.
    pub(crate) fn is_asked(&self, period: &str) -> bool {
        period >= self.years.first && period < self.years.last
    }
}

/// The letters of a text's beginning, in lower case, without anything between them.
pub(crate) fn squeezed(text: &str) -> String {
    let beginning = &text[..text.floor_char_boundary(LONGEST_TITLE_BYTES)];
    beginning
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

/// How many bytes of a text its letters spell a squeezed title with, if it begins with it.
fn beginning(text: &str, title: &str) -> Option<usize> {
    let mut wanted = title.bytes();
    let mut next = wanted.next()?;
    for (at, byte) in text
        .bytes()
        .enumerate()
        .filter(|(_, byte)| byte.is_ascii_alphabetic())
    {
        if byte.to_ascii_lowercase() != next {
            return None;
        }
        match wanted.next() {
            Some(byte) => next = byte,
            None => return Some(at + 1),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_the_items_that_documents_name() {
        for form in ["10-K", "10-KSB", "10-Q"] {
            let mut own: Vec<&str> = Form::of(form)
                .unwrap()
                .items()
                .iter()
                .map(|item| item.name)
                .collect();
            let named = documents::Item::all().filter(|item| item.is_of_form(form));
            let mut named: Vec<&str> = named.map(documents::Item::name).collect();
            own.sort_unstable();
            named.sort_unstable();
            assert_eq!(own, named, "{form}");
        }
    }

    #[test]
    fn variants_and_amendments_have_the_items_of_their_form() {
        for (form, kind) in [
            ("10-K405/A", ReportKind::Annual),
            ("10-KT", ReportKind::Annual),
            ("10-KSB", ReportKind::SmallAnnual),
            ("10-QSB/A", ReportKind::Quarterly),
        ] {
            assert_eq!(Form::of(form).unwrap().kind, kind, "{form}");
        }
        assert!(Form::of("EX-13").is_none());
    }

    #[test]
    fn numbers_that_a_form_does_not_have_stand_beside_those_it_has() {
        let form = Form::of("10-K").unwrap();
        let four = Form::place(form.of_number("4").next().unwrap());
        assert_eq!(form.place_beside("4A"), Some(four + 1));
        assert_eq!(form.place_beside("1112"), None);
        assert!(form.part_places(2).all(|place| place > four + 1));
        assert_eq!(form.part_places(4).count(), 2);
    }

    #[test]
    fn a_quarterly_report_has_a_number_in_both_parts() {
        let form = Form::of("10-Q").unwrap();
        let names: Vec<&str> = form
            .of_number("2")
            .map(|index| form.items()[index].name)
            .collect();
        assert_eq!(names, ["I.2", "II.2"]);
    }

    #[test]
    fn items_are_asked_for_in_their_years() {
        let form = Form::of("10-K").unwrap();
        let asked = |number: &str, period: &str| {
            form.items()[form.of_number(number).next().unwrap()].is_asked(period)
        };
        assert!(!asked("1A", "2005-11-30") && asked("1A", "2005-12-31"));
        assert!(!asked("7A", "1996-12-31") && asked("1", "1993-12-31"));
    }
}

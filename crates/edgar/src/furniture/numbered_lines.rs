//! How lines are numbered: the number that a line consists of, or has at its end or beginning, and
//! in what form. It does not know whether the number is a page's.

use documents::CELL_SEPARATOR;

const LONGEST_LINE_BYTES: usize = 120;
const MOST_CELLS: usize = 4;
/// Before a number these words name what it counts: a part of the document, not a page.
const COUNTED_THINGS: [&str; 16] = [
    "note", "notes", "item", "items", "part", "schedule", "exhibit", "section", "article", "chapter",
    "table", "appendix", "figure", "step", "proposal", "no",
];

/// How a number stands in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `12`, `iv`.
    Bare,
    /// `- 12 -`, `F-12`, `Page 12 of 80`: nothing else looks so.
    SetApart,
    /// `(2)`, `1.`, `II`: so do markers and headings, which belong to what follows.
    Marker,
    /// `Alder Mills | Form 10-K | 12`.
    BesideWords,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    /// What stands beside the number: the same on every page.
    pub(super) words: String,
    pub(super) number: usize,
    pub(super) form: Form,
}

/// Whether a text is a number as pages have them.
pub(super) fn is_page_number(text: &str) -> bool {
    lone_number(text).is_some()
}

/// The number that a line may have of its page.
pub(super) fn numbered(text: &str) -> Option<Numbered> {
    if text.len() > LONGEST_LINE_BYTES {
        return None;
    }
    lone_number(text).or_else(|| number_beside_words(text))
}

/// The number that a line consists of: `12`, `- 12 -`, `Page 12 of 80`, `F-12`, `iv`.
pub(super) fn lone_number(text: &str) -> Option<Numbered> {
    const LONGEST_NUMBER_BYTES: usize = 32;
    if text.len() > LONGEST_NUMBER_BYTES {
        return None;
    }
    let bare = text.trim_matches([' ', '|']);
    let lower = bare.to_ascii_lowercase();
    let inner = lower.trim_matches(|c: char| {
        matches!(
            c,
            '-' | '\u{2013}' | '\u{2014}' | ' ' | '.' | '[' | ']' | '(' | ')' | '~'
        )
    });
    let is_dressed = inner.len() < bare.len();
    let inner = inner.strip_prefix("cover").unwrap_or(inner).trim();
    let number = inner.strip_prefix("page").map(str::trim);
    let (number, says_page) = (number.unwrap_or(inner), number.is_some());
    let is_marker = !says_page && (bare.starts_with(['(', '[']) || bare.ends_with(['.', ')', ']']));
    let (number, of) = number
        .split_once(" of ")
        .map_or((number, false), |(number, _)| (number.trim(), true));
    let (section, number) = match number.split_once('-') {
        Some((section, number)) if is_section(section.trim()) => (section.trim(), number.trim()),
        _ => ("", number),
    };
    let has_letters = section.bytes().any(|byte| byte.is_ascii_alphabetic());
    let roman = roman(number);
    // Headings are numbered in capitals.
    let is_heading = roman.is_some()
        && section.is_empty()
        && bare.contains(|c: char| c.is_ascii_uppercase())
        && !says_page;
    let form = if is_marker || is_heading {
        Form::Marker
    } else if is_dressed || says_page || of || has_letters {
        Form::SetApart
    } else {
        Form::Bare
    };
    let kind = if roman.is_some() { "i" } else { "" };
    Some(Numbered {
        words: format!("{section}{kind}"),
        number: roman.or_else(|| arabic(number))?,
        form,
    })
}

/// `F` of `F-12`, `10` of `10-3`.
fn is_section(text: &str) -> bool {
    const LONGEST_SECTION_BYTES: usize = 4;
    text.len() <= LONGEST_SECTION_BYTES && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn arabic(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number)?;
    // A year alone in a line is part of a table.
    (!(1900..=2100).contains(&number)).then_some(number)
}

fn roman(text: &str) -> Option<usize> {
    const NUMERALS: [&str; 30] = [
        "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv", "xvi",
        "xvii", "xviii", "xix", "xx", "xxi", "xxii", "xxiii", "xxiv", "xxv", "xxvi", "xxvii", "xxviii",
        "xxix", "xxx",
    ];
    (1..)
        .zip(NUMERALS)
        .find(|(_, numeral)| *numeral == text)
        .map(|(number, _)| number)
}

/// The number at the end or the beginning of a line of words.
fn number_beside_words(text: &str) -> Option<Numbered> {
    let cells: Vec<&str> = text
        .split(CELL_SEPARATOR.trim())
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect();
    if cells.len() > MOST_CELLS {
        return None;
    }
    let line = cells.join(" ").to_lowercase();
    let (before, last) = line.rsplit_once(' ')?;
    let (first, behind) = line.split_once(' ')?;
    let at_end = lone_number(last).map(|numbered| (before, numbered));
    let (words, numbered) = at_end
        .filter(|(words, _)| !counts_a_thing(words))
        .or_else(|| Some((behind, lone_number(first)?)))
        .filter(|(words, _)| words.contains(char::is_alphabetic))?;
    Some(Numbered {
        words: format!("{words} {}", numbered.words),
        number: numbered.number,
        // `1. Land` is a heading.
        form: (numbered.form != Form::Marker).then_some(Form::BesideWords)?,
    })
}

fn counts_a_thing(words: &str) -> bool {
    let word = words.rsplit(' ').next().unwrap_or_default();
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    COUNTED_THINGS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<usize> {
        lone_number(text).map(|numbered| numbered.number)
    }

    #[test]
    fn page_numbers_are_read_in_every_dress() {
        for (text, expected) in [
            ("12", 12),
            ("- 12 -", 12),
            ("Page 12 of 80", 12),
            ("[Cover page 1 of 2 pages]", 1),
            ("F-12", 12),
            ("F - 12", 12),
            ("xii", 12),
            ("12 | |", 12),
        ] {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        for text in ["2019", "12,000", "$ 12", "", "page", "12.5", "12345", "10-K"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn markers_and_headings_are_told_from_numbers_that_are_set_apart() {
        let form = |text| lone_number(text).map(|numbered| numbered.form);
        for text in ["(2)", "1.", "(ii)", "II", "3)", "(12)", "[2]"] {
            assert_eq!(form(text), Some(Form::Marker), "{text}");
        }
        for text in ["- 2 -", "F-2", "Page 2", "2 of 80", "[Page 2]"] {
            assert_eq!(form(text), Some(Form::SetApart), "{text}");
        }
        assert_eq!(form("ii"), Some(Form::Bare));
    }

    #[test]
    fn footers_have_their_number_at_an_end_and_headings_theirs_behind_what_they_count() {
        let read = |text| numbered(text).map(|numbered| (numbered.words, numbered.number));
        let footer = Some(("alder mills form 10-k ".to_owned(), 12));
        assert_eq!(read("Alder Mills | Form 10-K | 12"), footer);
        assert_eq!(read("12 | | Alder Mills | Form 10-K"), footer);
        assert_eq!(read("Part II | | 45"), Some(("part ii ".to_owned(), 45)));
        assert_eq!(read("2025 FORM 10-K 7"), Some(("2025 form 10-k ".to_owned(), 7)));
        assert_eq!(
            read("Exhibit 13, page 4"),
            Some(("exhibit 13, page ".to_owned(), 4))
        );
        for text in [
            "NOTE 2",
            "Item 7",
            "Exhibit 21",
            "Annual Report 2008",
            "1. Land",
            "Note 2. Debt",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

//! How a line that begins with an item's or a part's heading is read: `Item 1A. Risk Factors`,
//! `PART II, ITEM 7`, `ITEMS 1., 1A. and 2.`, `I T E M 3`, `Item 9A(T)`, `1 | Business`. It does not
//! know which items a form has.

/// The beginning of a line as a heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heading<'t> {
    /// The part that stands in the same line.
    pub(crate) part: Option<u8>,
    /// One number, or those of a heading that several items share; empty where the line is a part's
    /// heading.
    pub(crate) numbers: Vec<String>,
    /// All numbers between the first and the last are meant (`Items 10-14`).
    pub(crate) is_range: bool,
    /// The word `Item` is there.
    pub(crate) has_word: bool,
    /// What follows the number.
    pub(crate) title: &'t str,
    /// A comma parts number and title, as in mentions.
    pub(crate) has_comma: bool,
}

impl<'t> Heading<'t> {
    /// A title without a number.
    pub(crate) fn of_title(title: &'t str) -> Self {
        Self {
            part: None,
            numbers: Vec::new(),
            is_range: false,
            has_word: false,
            title,
            has_comma: false,
        }
    }
}

/// More numbers than this no heading has.
const MOST_NUMBERS: usize = 8;

/// Reads a line that begins with a part, the word `Item` or a number; `None` where it begins otherwise.
pub(crate) fn read_heading(text: &str) -> Option<Heading<'_>> {
    let (part, rest) = match read_part(text) {
        Some(part) => (Some(part.value), part.rest),
        None => (None, text),
    };
    if let Some(after_word) = word(rest, "item") {
        let after_word = word_end(after_word);
        let mut heading = read_numbers(after_word)?;
        heading.part = part;
        heading.has_word = true;
        return Some(heading);
    }
    if let Some(part) = part {
        return Some(Heading {
            part: Some(part),
            has_comma: rest.starts_with(','),
            ..Heading::of_title(without_separators(rest))
        });
    }
    text.starts_with(|c: char| c.is_ascii_digit())
        .then(|| read_numbers(text))?
}

/// `s` and `(s)` of `Items`, `No.` behind it.
fn word_end(rest: &str) -> &str {
    let rest = word(rest, "(s)").or_else(|| word(rest, "s")).unwrap_or(rest);
    word(rest, "no.").unwrap_or(rest)
}

/// Something read, and the text behind it.
struct Read<'t, V> {
    value: V,
    rest: &'t str,
}

/// The text behind a word, whose letters may be spaced out or stand in several cells.
fn word<'t>(text: &'t str, wanted: &str) -> Option<&'t str> {
    let mut rest = text;
    for letter in wanted.chars() {
        rest = rest.trim_start_matches([' ', '|']);
        let first = rest.chars().next()?;
        if !first.eq_ignore_ascii_case(&letter) {
            return None;
        }
        rest = &rest[first.len_utf8()..];
    }
    Some(rest)
}

fn read_part(text: &str) -> Option<Read<'_, u8>> {
    let rest = word(text, "part")?.trim_start_matches([' ', '|', '#']);
    let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let value = match rest[..length].to_ascii_uppercase().as_str() {
        "I" | "1" => 1,
        "II" | "2" => 2,
        "III" | "3" => 3,
        "IV" | "4" => 4,
        _ => return None,
    };
    let rest = &rest[length..];
    let rest = rest.trim_start_matches([' ', '|']);
    let behind = rest.trim_start_matches(['.', ',', ':', ';', '-', '\u{2013}', '\u{2014}', ' ', '|']);
    // `rest` keeps its comma for whoever asks; the word `Item` is looked for behind it.
    let rest = if word(behind, "item").is_some() {
        behind
    } else {
        rest
    };
    Some(Read { value, rest })
}

fn read_numbers(text: &str) -> Option<Heading<'_>> {
    let mut numbers = Vec::new();
    let mut is_range = false;
    let mut rest = text.trim_start_matches([' ', '|', '#', ':']);
    loop {
        let number = read_number(rest)?;
        numbers.push(number.value);
        rest = number.rest;
        let Some(next) = connected(rest).filter(|_| numbers.len() < MOST_NUMBERS) else {
            break;
        };
        is_range |= next.value;
        rest = next.rest;
    }
    let bare = rest.trim_start_matches([' ', '|']);
    Some(Heading {
        part: None,
        numbers,
        is_range,
        has_word: false,
        title: without_separators(rest),
        has_comma: bare.starts_with(','),
    })
}

/// `1`, `1A`, `9A(T)`, `1112(b)`, `X`; the letter in upper case.
fn read_number(text: &str) -> Option<Read<'_, String>> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return read_lone_letter(text);
    }
    if digits > 4 {
        return None;
    }
    let (mut value, mut rest) = (text[..digits].to_owned(), &text[digits..]);
    if digits <= 2 {
        if let Some(letter) = number_letter(rest) {
            value.push(letter);
            rest = &rest[1..];
        }
        rest = without_temporary_mark(rest);
    } else {
        // Of Regulation AB: with its letters in parentheses.
        while let Some(inner) = rest.strip_prefix('(') {
            let end = inner.bytes().take(3).position(|byte| byte == b')')?;
            value.push_str(&rest[..end + 2]);
            rest = &inner[end + 1..];
        }
    }
    // `1,234`, `2.5`, `10%`: numbers of a table.
    let digits_behind = |mark: char| {
        let behind = rest.strip_prefix(mark)?;
        Some(behind.bytes().take_while(u8::is_ascii_digit).count())
    };
    let is_figure = rest.starts_with(['%', '$', '/'])
        || digits_behind(',').is_some_and(|digits| digits >= 3)
        || digits_behind('.').is_some_and(|digits| digits > 0);
    (!is_figure).then_some(Read { value, rest })
}

/// The roman numerals and letters that stand for numbers in a few filings.
fn read_lone_letter(text: &str) -> Option<Read<'_, String>> {
    let length = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let value = match &text[..length] {
        "I" | "l" => "1",
        "II" => "2",
        "III" => "3",
        "IV" => "4",
        "lA" | "la" => "1A",
        "X" => "X",
        _ => return None,
    };
    Some(Read {
        value: value.to_owned(),
        rest: &text[length..],
    })
}

/// The letter of a number: right behind the digits, and no beginning of a word (`1Business`,
/// but `1ARisk`).
fn number_letter(rest: &str) -> Option<char> {
    let mut letters = rest.chars();
    let letter = letters.next().filter(char::is_ascii_alphabetic)?;
    let next = letters.next();
    let after = letters.next();
    let ends = next.is_none_or(|c| !c.is_alphanumeric());
    let glued = letter.is_ascii_uppercase()
        && next.is_some_and(|c| c.is_ascii_uppercase())
        && after.is_some_and(|c| c.is_ascii_lowercase());
    (ends || glued).then_some(letter.to_ascii_uppercase())
}

/// Without `(T)` and `T` of temporary items.
fn without_temporary_mark(rest: &str) -> &str {
    let trimmed = rest.trim_start();
    for mark in ["(T)", "(t)", "(I)"] {
        if let Some(rest) = trimmed.strip_prefix(mark) {
            return rest;
        }
    }
    rest
}

/// What stands before the next number of the same heading; whether all between are meant.
fn connected(rest: &str) -> Option<Read<'_, bool>> {
    let bare = rest.trim_start_matches(['.', ' ', '|', ':']);
    let comma = bare.trim_start_matches([',', ' ', ';']);
    let had_comma = comma.len() < bare.len();
    let (behind, is_range) = if let Some(behind) = comma
        .strip_prefix("and ")
        .or_else(|| comma.strip_prefix("AND "))
        .or_else(|| comma.strip_prefix("And "))
        .or_else(|| comma.strip_prefix('&'))
    {
        (behind, false)
    } else if let Some(behind) = ["through ", "THROUGH ", "Through ", "to ", "TO ", "thru "]
        .iter()
        .find_map(|range| comma.strip_prefix(range))
        .or_else(|| {
            rest.trim_start_matches(['.', ' '])
                .strip_prefix(['-', '\u{2013}', '\u{2014}'])
        })
    {
        (behind, true)
    } else if had_comma {
        (comma, false)
    } else {
        return None;
    };
    let behind = behind.trim_start();
    let behind = word(behind, "item").map_or(behind, word_end).trim_start();
    let is_number = read_number(behind).is_some_and(|next| next.value != "X")
        && behind.starts_with(|c: char| c.is_ascii_digit());
    is_number.then_some(Read {
        value: is_range,
        rest: behind,
    })
}

/// Without what stands between a number and its title.
pub(crate) fn without_separators(rest: &str) -> &str {
    rest.trim_start_matches(|c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '.' | ':' | ';' | ',' | '|' | '-' | '\u{2010}'
                    ..='\u{2015}' | ')' | '\u{b7}' | '\u{2022}' | '*' | '_' | '='
            )
    })
}

/// The heading with the letter that its title begins with as part of the number: `1 A. Risk`,
/// `1(a). Risk`.
pub(crate) fn with_letter<'t>(heading: &Heading<'t>) -> Option<Heading<'t>> {
    let [number] = &heading.numbers[..] else {
        return None;
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let title = heading.title;
    let inner = title.strip_prefix('(').unwrap_or(title);
    let letter = inner
        .chars()
        .next()
        .filter(|c| matches!(c, 'A'..='C' | 'a'..='c'))?;
    let rest = &inner[1..];
    let ends = if inner.len() < title.len() {
        rest.starts_with(')')
    } else {
        rest.starts_with(['.', ':', ' ', '-', '\u{2013}', '\u{2014}', '('])
    };
    ends.then(|| Heading {
        numbers: vec![format!("{number}{}", letter.to_ascii_uppercase())],
        title: without_separators(without_temporary_mark(rest)),
        ..heading.clone()
    })
}

/// The number of a second item inside a title: `Business and Item 2. Properties`.
pub(crate) fn second_number(title: &str) -> Option<String> {
    const LONGEST_SHARED_TITLE_BYTES: usize = 160;
    if title.len() > LONGEST_SHARED_TITLE_BYTES {
        return None;
    }
    let lower = title.to_ascii_lowercase();
    let at = ["and item", "& item", "/ item", "/item", "; item"]
        .iter()
        .find_map(|joint| lower.find(joint).map(|at| at + joint.len()))?;
    let number = read_number(word_end(&title[at..]).trim_start())?;
    number
        .value
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some(number.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers_and_title(text: &str) -> Option<String> {
        let heading = read_heading(text)?;
        Some(format!("{}: {}", heading.numbers.join(" "), heading.title))
    }

    #[test]
    fn headings_are_read_in_every_shape() {
        for (text, read) in [
            ("Item 1. Business", "1: Business"),
            ("ITEM 1A. RISK FACTORS", "1A: RISK FACTORS"),
            ("Item 1. | Business", "1: Business"),
            ("Item | 7a | Market risk", "7A: Market risk"),
            ("I T E M  3 . L E G A L", "3: L E G A L"),
            ("Item10.Directors", "10: Directors"),
            ("Item 1ARisk Factors", "1A: Risk Factors"),
            ("Item 1Business", "1: Business"),
            (
                "Item 9A(T).Controls and Procedures",
                "9A: Controls and Procedures",
            ),
            ("Item 4T. Controls", "4T: Controls"),
            ("ITEMS 1., 1A. and 2. BUSINESS", "1 1A 2: BUSINESS"),
            (
                "Items 1 & 2. Business and Properties",
                "1 2: Business and Properties",
            ),
            ("Item 7 and Item 7A. Analysis", "7 7A: Analysis"),
            ("Item 5\u{2014}Market", "5: Market"),
            ("PART II, ITEM 7. ANALYSIS", "7: ANALYSIS"),
            ("Item No. 3 Legal", "3: Legal"),
            ("Item l. Business", "1: Business"),
            ("Item 1112(b) of Regulation AB", "1112(b): of Regulation AB"),
            ("1. | Business", "1: Business"),
            ("Part I \u{2014} FINANCIAL INFORMATION", ": FINANCIAL INFORMATION"),
        ] {
            assert_eq!(numbers_and_title(text).as_deref(), Some(read), "{text}");
        }
    }

    #[test]
    fn ranges_say_so_and_parts_are_kept() {
        let heading = read_heading("ITEMS 10-14.").unwrap();
        assert!(heading.is_range && heading.numbers == ["10", "14"]);
        let heading = read_heading("Items 10 through 13 are").unwrap();
        assert!(heading.is_range && heading.title == "are");
        assert_eq!(read_heading("Part II Item 1. Legal").unwrap().part, Some(2));
        assert_eq!(read_heading("PART III").unwrap().part, Some(3));
    }

    #[test]
    fn other_lines_are_no_headings() {
        for text in [
            "Items",
            "Itemized",
            "Partners",
            "Part of",
            "1,234 | 5",
            "2.5 %",
            "10% of sales",
            "Item",
            "",
        ] {
            assert_eq!(read_heading(text), None, "{text}");
        }
    }

    #[test]
    fn letters_apart_from_the_digits_can_be_taken_for_the_number() {
        for (text, number, title) in [
            ("Item 1 A. Risk Factors", "1A", "Risk Factors"),
            ("Item 1(a). Risk Factors", "1A", "Risk Factors"),
            ("Item 9 A(T). Controls", "9A", "Controls"),
        ] {
            let heading = with_letter(&read_heading(text).unwrap()).unwrap();
            assert_eq!((&heading.numbers[0][..], heading.title), (number, title));
        }
        assert_eq!(with_letter(&read_heading("Item 1. Business").unwrap()), None);
        assert_eq!(second_number("Business and Item 2. Properties"), Some("2".into()));
    }
}

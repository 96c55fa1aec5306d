//! The number that a cell holds.

/// A number as it is printed.
#[derive(Debug, Clone, PartialEq)]
pub struct CellNumber {
    /// The number, below zero where it stands in brackets or behind a minus; not multiplied by the
    /// scale.
    pub value: f64,
    /// The power of ten that it is to be multiplied by: 3 for thousands, 6 for millions.
    pub scale: Option<u32>,
    /// `%`, or a sign of currency, as far as one is stated.
    pub unit: Option<String>,
}

/// Signs of currency, the longer ones first.
const CURRENCIES: [&str; 12] = [
    "US$", "HK$", "NT$", "C$", "A$", "R$", "$", "\u{20ac}", "\u{a3}", "\u{a5}", "\u{20a9}", "\u{20b9}",
];
/// Units behind a number.
const UNITS: [&str; 3] = ["%", "x", "bps"];
/// Words behind a number that scale it.
const SCALES: [(&str, u32); 6] = [
    ("thousand", 3),
    ("million", 6),
    ("billion", 9),
    ("trillion", 12),
    ("mm", 6),
    ("bn", 9),
];
/// A number has no more digits than this.
const MOST_DIGITS: usize = 40;
/// Marks of notes behind a number: so many at most.
const MOST_NOTES: usize = 3;

impl CellNumber {
    /// Whether it can be an amount that a scale goes with.
    pub(super) fn is_amount(&self) -> bool {
        !self.unit.as_deref().is_some_and(|unit| UNITS.contains(&unit))
    }
}

/// The number of a cell, which may have marks of notes behind it.
pub(super) fn parse(cell: &str) -> Option<CellNumber> {
    let mut text = cell;
    for _ in 0..=MOST_NOTES {
        if let Some(number) = parse_alone(text) {
            return Some(number);
        }
        text = without_note(text)?;
    }
    None
}

/// Whether a cell is a year, which heads columns.
pub(super) fn is_year(cell: &str) -> bool {
    let year = without_note(cell).unwrap_or(cell);
    year.len() == 4 && year.parse().is_ok_and(|year: u32| (1900..=2100).contains(&year))
}

/// Whether a cell says that there is no number.
pub(super) fn is_missing(cell: &str) -> bool {
    let text = cell.trim_end_matches(['%', ' ']);
    let text = CURRENCIES
        .iter()
        .find_map(|sign| text.strip_prefix(sign))
        .unwrap_or(text)
        .trim();
    let is_dash = |c: char| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    !text.is_empty() && text.chars().all(is_dash)
        || ["n/a", "na", "nm", "n/m", "n.m.", "*"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
}

/// The text without a mark of a note at its end: raised digits, a star, `(1)` or `(a)` behind a space.
fn without_note(text: &str) -> Option<&str> {
    let is_raised = |c: char| {
        matches!(
            c,
            '\u{b9}' | '\u{b2}' | '\u{b3}' | '\u{2070}' | '\u{2074}'..='\u{2079}'
        )
    };
    let is_mark = |c: char| is_raised(c) || matches!(c, '*' | '\u{2020}' | '\u{2021}');
    let rest = text.trim_end_matches(is_mark);
    if rest.len() < text.len() {
        // A power of ten is none with a note.
        let is_power = rest == "10" && text[rest.len()..].starts_with(is_raised);
        return (!is_power).then(|| rest.trim_end());
    }
    let (rest, mark) = text.rsplit_once(" (")?;
    let mark = mark.strip_suffix(')')?;
    let is_number = mark.len() <= 2 && mark.bytes().all(|byte| byte.is_ascii_digit());
    let is_letter = mark.len() == 1 && mark.bytes().all(|byte| byte.is_ascii_lowercase());
    // "$ (56)" is a number in brackets, "$ 12 (1)" one with a note.
    let is_note =
        (is_number || is_letter) && rest.ends_with(|c: char| c.is_ascii_digit() || matches!(c, ')' | '%'));
    is_note.then(|| rest.trim_end())
}

fn parse_alone(cell: &str) -> Option<CellNumber> {
    let mut number = CellNumber {
        value: 0.0,
        scale: None,
        unit: None,
    };
    let (mut opens, mut is_minus) = (false, false);
    let mut text = cell.trim();
    loop {
        let currency = CURRENCIES.iter().find(|sign| text.starts_with(**sign));
        if let Some(sign) = currency.filter(|_| number.unit.is_none()) {
            number.unit = Some((*sign).to_owned());
            text = &text[sign.len()..];
        } else if let Some(rest) = text.strip_prefix('(').filter(|_| !opens) {
            opens = true;
            text = rest;
        } else if let Some(rest) = text
            .strip_prefix(['-', '\u{2212}', '\u{2013}'])
            .filter(|_| !is_minus)
        {
            is_minus = true;
            text = rest;
        } else {
            break;
        }
        text = text.trim_start();
    }
    let mut closes = false;
    loop {
        let unit = UNITS.iter().find(|unit| text.ends_with(**unit));
        let is_word = text.ends_with(|c: char| c.is_ascii_alphabetic());
        let lower = if is_word {
            text.to_ascii_lowercase()
        } else {
            String::new()
        };
        let scale = SCALES.iter().find(|(word, _)| lower.ends_with(word));
        if let Some(unit) = unit.filter(|_| number.unit.is_none()) {
            number.unit = Some((*unit).to_owned());
            text = &text[..text.len() - unit.len()];
        } else if let Some((word, power)) = scale.filter(|_| number.scale.is_none()) {
            number.scale = Some(*power);
            text = &text[..text.len() - word.len()];
        } else if let Some(rest) = text.strip_suffix(')').filter(|_| !closes) {
            closes = true;
            text = rest;
        } else {
            break;
        }
        text = text.trim_end();
    }
    let value = magnitude(text).filter(|_| opens || !closes)?;
    let is_negative = (opens || is_minus) && value > 0.0;
    number.value = if is_negative { -value } else { value };
    Some(number)
}

/// The value of digits, with commas before each three, a point, or a fraction of a half to a 64th
/// as stock prices had it.
fn magnitude(text: &str) -> Option<f64> {
    if text.len() > MOST_DIGITS {
        return None;
    }
    let Some((whole, denominator)) = text.split_once('/') else {
        return decimal(text);
    };
    let (whole, numerator) = whole.rsplit_once([' ', '-']).unwrap_or(("0", whole));
    let (numerator, denominator): (u32, u32) = (numerator.parse().ok()?, denominator.parse().ok()?);
    let is_fraction = numerator < denominator && matches!(denominator, 2 | 4 | 8 | 16 | 32 | 64);
    is_fraction.then(|| Some(decimal(whole)? + f64::from(numerator) / f64::from(denominator)))?
}

fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = match text.split_once('.') {
        Some(parts) => parts,
        None if text.is_empty() => return None,
        None => (text, "0"),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let is_grouped = whole.contains(',');
    // "(000)" above a column says that its numbers are thousands.
    let is_padded = first.len() > 1 && first.starts_with('0');
    let is_whole = (is_digits(first) || whole.is_empty())
        && (!is_grouped || first.len() <= 3)
        && groups.all(|group| group.len() == 3 && is_digits(group));
    if !is_whole || is_padded || !is_digits(fraction) {
        return None;
    }
    format!("0{}.{fraction}", whole.replace(',', "")).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(f64, Option<String>)> {
        parse(text).map(|number| (number.value, number.unit))
    }

    #[test]
    fn numbers_have_signs_separators_and_units() {
        for (text, value, unit) in [
            ("1,234", 1234.0, None),
            ("$ 1,234.5", 1234.5, Some("$")),
            ("(56)", -56.0, None),
            ("$ (56)", -56.0, Some("$")),
            ("($56)", -56.0, Some("$")),
            ("(.12)", -0.12, None),
            ("-3", -3.0, None),
            ("\u{2212}3.5%", -3.5, Some("%")),
            ("(3.2)%", -3.2, Some("%")),
            ("(3.2%)", -3.2, Some("%")),
            ("US$5", 5.0, Some("US$")),
            ("\u{20ac} 7", 7.0, Some("\u{20ac}")),
            ("2.5x", 2.5, Some("x")),
            ("24 1/2", 24.5, None),
            ("3/8", 0.375, None),
            ("1234567", 1_234_567.0, None),
            ("(0)", 0.0, None),
            ("1,234 (1)", 1234.0, None),
            ("12.5% (a)", 12.5, Some("%")),
            ("1,234*", 1234.0, None),
            ("1,234\u{b2}", 1234.0, None),
        ] {
            assert_eq!(parsed(text), Some((value, unit.map(str::to_owned))), "{text}");
        }
        assert_eq!(parse("$1.2 million").unwrap().scale, Some(6));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            "\u{2014}",
            "$",
            "$ \u{2014}",
            "-",
            "12/31",
            "12-3456789",
            "1,23",
            "1,2345",
            "1.2.3",
            "56)",
            "Note 2",
            "1.",
            "12 months",
            "June 30",
            "(a)",
            "2023-24",
            "%",
            "()",
            "1 2",
            "e5",
            "1e5",
            "inf",
            "(000)",
            "10\u{2076}",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn years_and_signs_of_nothing_are_told() {
        assert!(is_year("2023") && is_year("1999 (1)") && !is_year("2,023") && !is_year("1234"));
        for text in ["\u{2014}", "--", "$ \u{2014}", "\u{2014}%", "N/A", "nm", "*"] {
            assert!(is_missing(text), "{text}");
        }
        assert!(!is_missing("") && !is_missing("Oak") && !is_missing("1"));
    }

    proptest::proptest! {
        #[test]
        fn any_cell_is_read_without_panic(cell in "[$(),.0-9%x \u{2013}/m\u{b2}*-]{0,12}|.{0,20}") {
            let _ = (is_year(&cell), is_missing(&cell));
            if let Some(number) = parse(&cell) {
                proptest::prop_assert!(number.value.is_finite());
            }
        }
    }
}

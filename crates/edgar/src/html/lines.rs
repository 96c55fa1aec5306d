//! What kind of block a line of a page is, from its own looks. Page furniture is decided later,
//! from its neighbors and repetitions.

use documents::BlockKind;

/// Longer lines are running text, however they look.
const LONGEST_HEADING_BYTES: usize = 200;
/// A centered, italic or underlined line that is not bold must be shorter.
const LONGEST_LIGHT_HEADING_BYTES: usize = 120;

/// How a line looks on the page.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each named where it is set"
)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Looks {
    /// Every character is bold.
    pub(crate) bold: bool,
    /// Every character is bold, italic or underlined.
    pub(crate) emphasized: bool,
    pub(crate) centered: bool,
    /// Stands in `h1` to `h6`.
    pub(crate) heading: bool,
    /// Stands in a list item.
    pub(crate) list_item: bool,
    /// A page ended before it.
    pub(crate) page_break_before: bool,
}

/// The kind of a line that stands outside data tables.
pub(crate) fn kind_of_line(text: &str, looks: Looks) -> BlockKind {
    if starts_with_marker(text) {
        return BlockKind::ListItem;
    }
    if is_heading(text, looks) {
        return BlockKind::Heading;
    }
    if looks.list_item {
        return BlockKind::ListItem;
    }
    BlockKind::Paragraph
}

fn is_heading(text: &str, looks: Looks) -> bool {
    if text.len() > LONGEST_HEADING_BYTES || !text.chars().any(char::is_alphabetic) {
        return false;
    }
    let is_short = text.len() <= LONGEST_LIGHT_HEADING_BYTES;
    let ends_like_text = text.ends_with(['.', ',', ';', ':']);
    if is_item_heading(text) {
        return is_short || !ends_like_text;
    }
    if looks.heading {
        return true;
    }
    // Bold parts of a form's cover, and sentences that go on from the line before.
    if text.starts_with(|c: char| c == '(' || c.is_lowercase()) {
        return false;
    }
    if looks.bold {
        return !text.ends_with([',', ';']);
    }
    (looks.centered || looks.emphasized) && is_short && !ends_like_text
}

/// `PART II`, `Item 7A. ...`: headings by the form's own scheme, however they look.
pub(crate) fn is_item_heading(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let (Some(first), Some(second)) = (words.next(), words.next()) else {
        return false;
    };
    let number = second.trim_end_matches(['.', ':', ',', '-', '\u{2013}', '\u{2014}']);
    let ends_number = number.len() < second.len();
    if first.eq_ignore_ascii_case("part") {
        return matches!(number, "I" | "II" | "III" | "IV") && (ends_number || words.next().is_none());
    }
    if !first.eq_ignore_ascii_case("item") {
        return false;
    }
    let digits = number.trim_end_matches(|c: char| matches!(c, 'A'..='C' | 'a'..='c'));
    !digits.is_empty()
        && digits.len() <= 2
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (ends_number
            || words
                .next()
                .is_none_or(|word| word.starts_with(char::is_uppercase)))
}

/// Whether a line begins with a bullet or a parenthesised number.
pub(crate) fn starts_with_marker(text: &str) -> bool {
    let first = text.split(' ').next().unwrap_or_default();
    first.len() < text.len() && is_marker(first) && !first.ends_with('.')
}

/// Whether a word is nothing but a list marker: a bullet, `(a)`, `(iv)`, `1.`, `b)`.
pub(crate) fn is_marker(word: &str) -> bool {
    if word.chars().count() == 1 {
        return word.starts_with([
            '\u{2022}', '\u{b7}', '\u{25cf}', '\u{25cb}', '\u{25aa}', '\u{25a0}', '\u{25a1}', '\u{2013}',
            '-', '*', '\u{2219}', '\u{25e6}', '\u{2043}', '\u{27a2}', '\u{f0b7}', '\u{f0a7}', '\u{a7}',
            '\u{2666}', '\u{25c6}', '\u{2023}', '\u{25ba}',
        ]);
    }
    let inner = word.strip_prefix('(').unwrap_or(word);
    let Some(inner) = inner.strip_suffix(')').or_else(|| inner.strip_suffix('.')) else {
        return false;
    };
    (1..=4).contains(&inner.len())
        && (inner.bytes().all(|byte| byte.is_ascii_digit())
            || inner.len() == 1 && inner.bytes().all(|byte| byte.is_ascii_alphabetic())
            || inner
                .bytes()
                .all(|byte| matches!(byte.to_ascii_lowercase(), b'i' | b'v' | b'x')))
        && (inner.len() <= 2 || !inner.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Looks = Looks {
        bold: false,
        emphasized: false,
        centered: false,
        heading: false,
        list_item: false,
        page_break_before: false,
    };

    #[test]
    fn items_and_parts_are_headings_however_they_look() {
        for text in [
            "PART I",
            "Part II.",
            "Item 1A. Risk Factors",
            "ITEM 7 Management",
            "Item 9B.",
        ] {
            assert_eq!(kind_of_line(text, PLAIN), BlockKind::Heading, "{text}");
        }
        for text in [
            "Part of our plan",
            "Item 7 of this report",
            "Items 1 and 2",
            "Item",
            "Item 402. of x, y and z;",
        ] {
            assert_eq!(kind_of_line(text, PLAIN), BlockKind::Paragraph, "{text}");
        }
    }

    #[test]
    fn bold_and_centered_lines_are_headings_until_they_are_long() {
        let bold = Looks { bold: true, ..PLAIN };
        let centered = Looks {
            centered: true,
            ..PLAIN
        };
        assert_eq!(kind_of_line("Liquidity", bold), BlockKind::Heading);
        assert_eq!(kind_of_line(&"Liquidity ".repeat(30), bold), BlockKind::Paragraph);
        assert_eq!(kind_of_line("NOTES TO STATEMENTS", centered), BlockKind::Heading);
        assert_eq!(
            kind_of_line("We are one company.", centered),
            BlockKind::Paragraph
        );
        for text in ["12", "or", "(Exact name of registrant)", "Oak, pine,"] {
            assert_eq!(kind_of_line(text, bold), BlockKind::Paragraph, "{text}");
        }
        let italic = Looks {
            emphasized: true,
            ..PLAIN
        };
        assert_eq!(kind_of_line("Cost of Sales", italic), BlockKind::Heading);
        assert_eq!(kind_of_line("We sell oak.", italic), BlockKind::Paragraph);
    }

    #[test]
    fn bullets_and_bracketed_numbers_are_list_items() {
        for text in ["\u{2022} wood", "(a) wood", "(iv) wood", "- wood", "\u{b7} wood"] {
            assert_eq!(kind_of_line(text, PLAIN), BlockKind::ListItem, "{text}");
        }
        for text in ["(wood)", "(2024) was dry", "-wood", "a wood", "(1)"] {
            assert_eq!(kind_of_line(text, PLAIN), BlockKind::Paragraph, "{text}");
        }
    }
}

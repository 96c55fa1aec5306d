//! Items of lists in plain text: also those whose bullet is the letter `o` or a double dash, as no
//! page of HTML would write it.

use crate::html::lines::starts_with_marker;

/// Bullets that are words elsewhere: text of letters must follow them.
const LETTER_BULLETS: [&str; 2] = ["o", "--"];

/// The bytes of a line's bullet or number and the blanks behind it; 0 where it is no item.
pub(super) fn marker_bytes(text: &str) -> usize {
    if !is_item(text) {
        return 0;
    }
    let marker = text.find(' ').unwrap_or(0);
    text.len() - text[marker..].trim_start().len()
}

/// Whether a trimmed line begins an item of a list.
pub(super) fn is_item(text: &str) -> bool {
    starts_with_marker(text) || has_letter_bullet(text)
}

/// Whether a trimmed line begins with a bullet that is told only by what follows.
pub(super) fn has_letter_bullet(text: &str) -> bool {
    let parts = text.split_once(' ');
    parts.is_some_and(|(first, rest)| is_letter_bullet(first, rest.trim_start()))
}

/// Whether a word is such a bullet of the text behind it.
pub(super) fn is_letter_bullet(word: &str, text: &str) -> bool {
    let begins_text = |c: char| {
        c.is_alphabetic() || word == "o" && (c.is_ascii_digit() || matches!(c, '"' | '(' | '\u{201c}' | '$'))
    };
    LETTER_BULLETS.contains(&word) && text.starts_with(begins_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bullets_and_numbers_with_text_behind_them_begin_items() {
        for (text, bytes) in [
            ("o    the price of oak", 5),
            ("o the price of oak", 2),
            ("o  $12 of oak", 3),
            ("-- pine", 3),
            ("- pine", 2),
            ("(a)   pine", 6),
            ("* pine", 2),
        ] {
            assert_eq!(marker_bytes(text), bytes, "{text}");
        }
        for text in [
            "o",
            "of oak",
            "oak",
            "--",
            "--   --   12",
            "-- 12",
            "O pine",
            "1. Oak",
            "",
            "o  | x",
        ] {
            assert_eq!(marker_bytes(text), 0, "{text}");
        }
    }
}

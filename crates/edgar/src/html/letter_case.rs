//! Capital and small letters by style (`text-transform`), as a browser shows them.

use std::borrow::Cow;

/// In which letters text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LetterCase {
    AsWritten,
    Upper,
    Lower,
    /// The first letter of each word is a capital, the others are as written.
    Capitalized,
}

impl LetterCase {
    /// What `text-transform` says; a value that CSS does not know leaves what was said `before`.
    pub(super) fn of_style(value: &[u8], before: Option<Self>) -> Option<Self> {
        Some(match value {
            b"uppercase" => Self::Upper,
            b"lowercase" => Self::Lower,
            b"capitalize" => Self::Capitalized,
            b"none" | b"initial" => Self::AsWritten,
            b"inherit" | b"unset" | b"revert" | b"revert-layer" => return None,
            _ => return before,
        })
    }

    /// The text in these letters, behind `before` (empty where a word begins anyway).
    pub(super) fn of_text<'t>(self, text: &'t str, before: &str) -> Cow<'t, str> {
        match self {
            Self::AsWritten => Cow::Borrowed(text),
            Self::Upper => Cow::Owned(text.to_uppercase()),
            Self::Lower => Cow::Owned(text.to_lowercase()),
            Self::Capitalized => Cow::Owned(capitalized(text, before)),
        }
    }
}

/// Words end where Chromium has them end: an apostrophe behind a letter ends none, a full stop does.
fn capitalized(text: &str, before: &str) -> String {
    let mut capitalized = String::with_capacity(text.len());
    let mut last_two = before.chars().rev();
    let mut last = last_two.next().unwrap_or(' ');
    let mut last_but_one = last_two.next().unwrap_or(' ');
    for character in text.chars() {
        let is_inside = last.is_alphanumeric()
            || last == '_'
            || matches!(last, '\'' | '\u{2019}') && last_but_one.is_alphabetic();
        if is_inside {
            capitalized.push(character);
        } else {
            capitalized.extend(character.to_uppercase());
        }
        (last_but_one, last) = (last, character);
    }
    capitalized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_first_letters_of_words_become_capitals() {
        for (text, before, expected) in [
            ("oak and ASH", "", "Oak And ASH"),
            (
                "the mill's 3rd oak-tree (new)",
                "",
                "The Mill's 3rd Oak-Tree (New)",
            ),
            ("u.s. law: the new_york", "", "U.S. Law: The New_york"),
            ("'oak' \u{201c}ash\u{201d}", "", "'Oak' \u{201c}Ash\u{201d}"),
            ("ak", "o", "ak"),
            ("s oak", "mill\u{2019}", "s Oak"),
            ("oak", "1. ", "Oak"),
            ("\u{e9}lan", "", "\u{c9}lan"),
        ] {
            assert_eq!(LetterCase::Capitalized.of_text(text, before), expected);
        }
    }

    #[test]
    fn values_are_those_of_css() {
        use LetterCase::{AsWritten, Capitalized, Lower, Upper};
        for (value, case) in [
            ("uppercase", Some(Upper)),
            ("lowercase", Some(Lower)),
            ("capitalize", Some(Capitalized)),
            ("none", Some(AsWritten)),
            ("inherit", None),
            ("oak", Some(Lower)),
        ] {
            assert_eq!(
                LetterCase::of_style(value.as_bytes(), Some(Lower)),
                case,
                "{value}"
            );
        }
        assert_eq!(Lower.of_text("OAK", ""), "oak");
        assert_eq!(Upper.of_text("oak", ""), "OAK");
        assert_eq!(AsWritten.of_text("oAk", ""), "oAk");
    }
}

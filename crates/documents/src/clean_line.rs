//! One clean line out of text as it stands in a page: white space of every kind becomes a single
//! space, characters without width or ink vanish. It keeps every word and changes none.

/// A line in the making: trimmed at its start, single spaces, never a line break.
#[derive(Debug, Default, Clone)]
pub struct LineBuffer {
    text: String,
    space_pending: bool,
}

impl LineBuffer {
    /// Appends text, joining it to what is there without a space unless white space is between.
    pub fn push(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut run_start = 0;
        let mut index = 0;
        while index < bytes.len() {
            let byte = bytes[index];
            if (0x21..0x7f).contains(&byte) {
                index += 1;
                continue;
            }
            let (length, class) = classify(&bytes[index..]);
            if class == Class::Ink {
                index += length;
                continue;
            }
            self.push_run(&text[run_start..index]);
            self.space_pending |= class == Class::Space;
            index += length;
            run_start = index;
        }
        self.push_run(&text[run_start..]);
    }

    fn push_run(&mut self, run: &str) {
        if run.is_empty() {
            return;
        }
        if self.space_pending && !self.text.is_empty() {
            self.text.push(' ');
        }
        self.space_pending = false;
        self.text.push_str(run);
    }

    /// What has been pushed, without white space at either end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether nothing has been pushed that is seen.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether what is pushed next stands apart from what is there: behind white space, or at the
    /// beginning.
    pub fn is_apart(&self) -> bool {
        self.space_pending || self.text.is_empty()
    }

    /// Puts `tail`, a piece of a clean line, in the place of what begins at this byte of [`Self::as_str`].
    pub fn replace_tail(&mut self, start: usize, tail: &str) {
        self.text.truncate(start);
        self.text.push_str(tail);
    }

    /// Begins a new line.
    pub fn clear(&mut self) {
        self.text.clear();
        self.space_pending = false;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Ink,
    Space,
    Nothing,
}

/// The length in bytes and the class of the first character of valid UTF-8 that is not
/// printable ASCII.
#[expect(
    clippy::match_same_arms,
    reason = "one arm for each group of characters, in code order"
)]
fn classify(bytes: &[u8]) -> (usize, Class) {
    match *bytes {
        [b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | b' ', ..] => (1, Class::Space),
        [0..=0x1f | 0x7f, ..] => (1, Class::Nothing),
        // no-break space; next line; soft hyphen
        [0xc2, 0xa0 | 0x85, ..] => (2, Class::Space),
        [0xc2, 0xad, ..] => (2, Class::Nothing),
        // C1 control characters
        [0xc2, 0x80..=0x9f, ..] => (2, Class::Nothing),
        // U+2000-200A spaces, 200B-200F zero width and direction marks, 2028-2029 separators,
        // 202A-202E direction, 202F narrow no-break space
        [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..] => (3, Class::Space),
        [0xe2, 0x80, 0x8b..=0x8f | 0xaa..=0xae, ..] => (3, Class::Nothing),
        // U+1680 ogham space
        [0xe1, 0x9a, 0x80, ..] => (3, Class::Space),
        // U+205F space, 2060-206F joiners
        [0xe2, 0x81, 0x9f, ..] | [0xe3, 0x80, 0x80, ..] => (3, Class::Space),
        [0xe2, 0x81, 0xa0..=0xaf, ..] | [0xef, 0xbb, 0xbf, ..] => (3, Class::Nothing),
        [0..=0x7f, ..] => (1, Class::Ink),
        [0xc0..=0xdf, ..] => (2, Class::Ink),
        [0xe0..=0xef, ..] => (3, Class::Ink),
        _ => (4, Class::Ink),
    }
}

/// The text as one clean line.
pub fn one_line(text: &str) -> String {
    let mut line = LineBuffer::default();
    line.push(text);
    line.text
}

/// Whether a line holds at least one letter or digit; rules of dashes and lone bullets do not.
pub fn has_word(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_alphanumeric())
        || (!text.is_ascii() && text.chars().any(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_space_of_every_kind_becomes_one_space() {
        assert_eq!(one_line(" a\r\n\t b\u{a0}\u{2003}c \u{3000}"), "a b c");
        assert_eq!(one_line("co\u{ad}op\u{200b}erate\u{feff}"), "cooperate");
        assert_eq!(one_line("\u{a0}"), "");
    }

    #[test]
    fn pieces_join_without_a_space_unless_one_is_between() {
        let mut line = LineBuffer::default();
        for piece in ["  Inte", "rest", " ", "", "rate ", " (", "5", ")"] {
            line.push(piece);
        }
        assert_eq!(line.as_str(), "Interest rate (5)");
    }

    #[test]
    fn what_is_pushed_next_stands_apart_behind_white_space_and_at_the_beginning() {
        let mut line = LineBuffer::default();
        assert!(line.is_apart());
        line.push("oak");
        assert!(!line.is_apart());
        line.replace_tail(1, "ne");
        line.push(" ");
        assert!(line.is_apart());
        line.push("two");
        assert_eq!((line.as_str(), line.is_apart()), ("one two", false));
    }

    #[test]
    fn rules_and_bullets_hold_no_word() {
        assert!(!has_word("----- * \u{2022} $ ___"));
        assert!(has_word("\u{e9}") && has_word("- 1 -"));
    }

    proptest! {
        #[test]
        fn a_line_is_clean_and_keeps_every_letter(text in "\\PC*|[ -~\\s\u{a0}\u{ad}\u{200b}]*") {
            let line = one_line(&text);
            prop_assert!(!line.contains("  ") && !line.contains('\n'));
            prop_assert_eq!(line.trim(), line.as_str());
            let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
            prop_assert_eq!(letters(&text), letters(&line));
        }
    }
}

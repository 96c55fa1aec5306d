//! Splits text into the words that BPE never merges across, as GPT-2's expression does.
//!
//! `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
//! (Radford et al. 2019). Written by hand: a character has one of four classes, and the class
//! tables come from the Unicode tables of `regex-syntax`, because `char::is_alphabetic` is not
//! `\p{L}`.

use std::sync::LazyLock;

use regex_syntax::hir::{Class as HirClass, HirKind};

const LETTER: u8 = 0;
const NUMBER: u8 = 1;
const SPACE: u8 = 2;
const OTHER: u8 = 3;

/// Class of each ASCII character.
const ASCII: [u8; 128] = {
    let mut classes = [OTHER; 128];
    let mut byte = 0u8;
    while byte < 128 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => NUMBER,
            b'\t'..=b'\r' | b' ' => SPACE,
            _ => OTHER,
        };
        byte += 1;
    }
    classes
};

const PAGE: usize = 256;
const NUM_PAGES: usize = 0x11_0000 / PAGE;

/// Class of every code point: pages of 256, equal pages stored once.
struct ClassTable {
    page_of: Vec<u16>,
    pages: Vec<[u8; PAGE]>,
}

static TABLE: LazyLock<ClassTable> = LazyLock::new(ClassTable::build);

impl ClassTable {
    fn build() -> Self {
        let mut flat = vec![OTHER; NUM_PAGES * PAGE];
        for (pattern, class) in [(r"\p{L}", LETTER), (r"\p{N}", NUMBER), (r"\s", SPACE)] {
            for (first, last) in ranges(pattern) {
                flat[first as usize..=last as usize].fill(class);
            }
        }
        let mut table = Self {
            page_of: Vec::with_capacity(NUM_PAGES),
            pages: Vec::new(),
        };
        for page in flat.as_chunks::<PAGE>().0 {
            let index = table
                .pages
                .iter()
                .rposition(|known| known == page)
                .unwrap_or_else(|| {
                    table.pages.push(*page);
                    table.pages.len() - 1
                });
            table.page_of.push(u16::try_from(index).unwrap_or(u16::MAX));
        }
        table
    }

    fn class(&self, code: u32) -> u8 {
        let code = code as usize;
        self.pages[usize::from(self.page_of[code / PAGE])][code % PAGE]
    }
}

/// The code points that a one-character pattern matches, as inclusive ranges.
fn ranges(pattern: &str) -> Vec<(u32, u32)> {
    let parsed = regex_syntax::parse(pattern).map(regex_syntax::hir::Hir::into_kind);
    let Ok(HirKind::Class(HirClass::Unicode(class))) = parsed else {
        unreachable!("{pattern} is a valid Unicode class");
    };
    class
        .ranges()
        .iter()
        .map(|r| (u32::from(r.start()), u32::from(r.end())))
        .collect()
}

/// Class and length in bytes of the character at `at`, which must be a character's start.
#[inline]
fn class_at(bytes: &[u8], at: usize) -> (u8, usize) {
    let first = bytes[at];
    if first < 128 {
        return (ASCII[usize::from(first)], 1);
    }
    let continuation = |k: usize| bytes.get(at + k).map_or(0, |b| u32::from(b & 0x3F));
    let (code, length) = match first {
        0..=0xDF => (u32::from(first & 0x1F) << 6 | continuation(1), 2),
        0xE0..=0xEF => (
            u32::from(first & 0x0F) << 12 | continuation(1) << 6 | continuation(2),
            3,
        ),
        _ => (
            u32::from(first & 0x07) << 18 | continuation(1) << 12 | continuation(2) << 6 | continuation(3),
            4,
        ),
    };
    (TABLE.class(code), length)
}

/// End of the run of characters of `class` that begins at `at`.
#[inline]
fn run_end(bytes: &[u8], mut at: usize, class: u8) -> usize {
    while let Some(&byte) = bytes.get(at) {
        if byte < 128 {
            if ASCII[usize::from(byte)] != class {
                return at;
            }
            at += 1;
        } else {
            let (found, length) = class_at(bytes, at);
            if found != class {
                return at;
            }
            at += length;
        }
    }
    at
}

/// Length of the contraction at an apostrophe (`'s`, `'re` ...), 0 if there is none.
#[inline]
fn contraction(bytes: &[u8], at: usize) -> usize {
    match (bytes.get(at + 1), bytes.get(at + 2)) {
        (Some(b's' | b't' | b'm' | b'd'), _) => 2,
        (Some(b'r' | b'v'), Some(b'e')) | (Some(b'l'), Some(b'l')) => 3,
        _ => 0,
    }
}

/// End of the word that begins at `at`; `bytes` is UTF-8 and `at` a character's start.
#[inline]
pub(crate) fn word_end(bytes: &[u8], at: usize) -> usize {
    let (class, length) = class_at(bytes, at);
    match class {
        SPACE => space_end(bytes, at, length),
        OTHER => match bytes[at] {
            b'\'' if contraction(bytes, at) > 0 => at + contraction(bytes, at),
            _ => run_end(bytes, at + length, OTHER),
        },
        _ => run_end(bytes, at + length, class),
    }
}

/// A word that begins with whitespace: a space with the run after it, or a run of whitespace
/// without its last character when something follows (which that character then begins).
#[inline]
fn space_end(bytes: &[u8], at: usize, length: usize) -> usize {
    let next = at + length;
    if next >= bytes.len() {
        return next;
    }
    let (class, next_length) = class_at(bytes, next);
    if class != SPACE {
        return match bytes[at] {
            b' ' => run_end(bytes, next + next_length, class),
            _ => next,
        };
    }
    let (mut last, mut end) = (next, next + next_length);
    while end < bytes.len() {
        let (class, length) = class_at(bytes, end);
        if class != SPACE {
            return last;
        }
        last = end;
        end += length;
    }
    end
}

/// Whether the first character of a token's bytes is whitespace. A token that begins with
/// only a part of a character does not count.
pub(crate) fn starts_with_whitespace(bytes: &[u8]) -> bool {
    let longest = bytes.len().min(4);
    (1..=longest)
        .find_map(|length| std::str::from_utf8(&bytes[..length]).ok())
        .is_some_and(|text| class_at(text.as_bytes(), 0).0 == SPACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let (mut at, mut words) = (0, Vec::new());
        while at < text.len() {
            let end = word_end(text.as_bytes(), at);
            words.push(&text[at..end]);
            at = end;
        }
        words
    }

    #[test]
    fn words_take_one_leading_space() {
        assert_eq!(
            words("net sales, $1,234"),
            ["net", " sales", ",", " $", "1", ",", "234"]
        );
    }

    #[test]
    fn the_last_whitespace_belongs_to_what_follows() {
        assert_eq!(words("a  b"), ["a", " ", " b"]);
        assert_eq!(words("a \n b"), ["a", " \n", " b"]);
        assert_eq!(words("a\n\nb"), ["a", "\n", "\n", "b"]);
        assert_eq!(words("a \u{a0}b"), ["a", " ", "\u{a0}", "b"]);
        assert_eq!(words("a  "), ["a", "  "]);
    }

    #[test]
    fn contractions_are_words_unless_a_space_comes_first() {
        assert_eq!(words("it's we'll"), ["it", "'s", " we", "'ll"]);
        assert_eq!(words(" 's 'S'"), [" '", "s", " '", "S", "'"]);
        assert_eq!(words("''s"), ["''", "s"]);
    }

    #[test]
    fn whitespace_is_recognized_in_tokens() {
        assert!(starts_with_whitespace(b" the"));
        assert!(starts_with_whitespace("\u{2003}x".as_bytes()));
        assert!(!starts_with_whitespace(&[0xE2, 0x80]));
        assert!(!starts_with_whitespace(b""));
    }
}

//! Finds the raw text that a block was made from, by its letters and digits: in order, in the raw
//! text without its tags and entities. For people to look at; nothing else uses it.
//!
//! A reader leaves things out and joins what stands apart, so this is a search, not a record: a
//! block is where its first and its last letters are, and one that is not found is said to be so.

use std::ops::Range;

use memchr::memmem;

use crate::document::Block;

/// Shorter blocks (page numbers, cells) are looked for only near the block before them.
const SHORT_LETTERS: usize = 16;
/// How near, in letters and digits.
const NEAR_LETTERS: usize = 2_000;
/// So many letters tell where a block begins or ends whose middle the reader has changed.
const ANCHOR_LETTERS: usize = 12;
/// Words that an anchor may begin behind the block's first, or end before its last.
const ANCHOR_WORDS: usize = 8;
/// Markup before a block that is shown with it.
const MOST_MARKUP_BYTES: usize = 300;

/// The raw text of each block with its markup; `None` where it is not found.
pub fn raw_of_blocks(raw: &str, blocks: &[Block]) -> Vec<Option<String>> {
    let letters = Letters::of(raw.as_bytes(), true);
    let (mut cursor, mut shown) = (0, 0);
    blocks
        .iter()
        .map(|block| {
            let found = letters.find(cursor, &block.text)?;
            cursor = found.end;
            let bytes = letters.with_markup(raw, &found, shown);
            shown = bytes.end;
            Some(raw[bytes].to_owned())
        })
        .collect()
}

/// The ASCII letters, as small ones, and digits of a text, and where each is.
struct Letters {
    letters: Vec<u8>,
    offsets: Vec<usize>,
}

impl Letters {
    /// Tags and entities are left out where the text `has_markup`.
    fn of(bytes: &[u8], has_markup: bool) -> Self {
        let (mut letters, mut offsets) = (Vec::new(), Vec::new());
        let mut index = 0;
        while index < bytes.len() {
            let byte = bytes[index];
            let skipped = match byte {
                b'<' if has_markup => tag_length(&bytes[index..]),
                b'&' if has_markup => entity_length(&bytes[index..]),
                _ => None,
            };
            if byte.is_ascii_alphanumeric() {
                letters.push(byte.to_ascii_lowercase());
                offsets.push(index);
            }
            index += skipped.unwrap_or(1);
        }
        Self { letters, offsets }
    }

    /// The letters of a block at or behind `cursor`.
    fn find(&self, cursor: usize, text: &str) -> Option<Range<usize>> {
        let wanted = Self::of(text.as_bytes(), false).letters;
        let near = self.letters.len().min(cursor + NEAR_LETTERS + wanted.len());
        let end = if wanted.len() < SHORT_LETTERS {
            near
        } else {
            self.letters.len()
        };
        let exact = |end: usize| self.position(cursor..end, &wanted);
        if let Some(start) = exact(near).or_else(|| exact(end)) {
            return Some(start..start + wanted.len());
        }
        self.find_by_ends(cursor, text, wanted.len())
    }

    /// Where a block begins and ends whose middle is another in the raw text. An anchor inside the
    /// block is moved out to the block's first or last word, where that is near.
    fn find_by_ends(&self, cursor: usize, text: &str, length: usize) -> Option<Range<usize>> {
        if length < 2 * ANCHOR_LETTERS {
            return None;
        }
        let letters_of = |words: &[&str]| Self::of(words.concat().as_bytes(), false).letters;
        let words: Vec<&str> = text.split(' ').collect();
        let num_tried = words.len().min(ANCHOR_WORDS);
        let (first, start) = (0..num_tried).find_map(|first| {
            let anchor = letters_of(&words[first..]);
            let start = self.position(cursor..self.letters.len(), anchor.get(..ANCHOR_LETTERS)?)?;
            Some((first, start))
        })?;
        let most = self.letters.len().min(start + 4 * length + NEAR_LETTERS);
        let (last, end) = (0..num_tried).find_map(|last| {
            let anchor = letters_of(&words[..words.len() - last]);
            let anchor = &anchor[anchor.len().checked_sub(ANCHOR_LETTERS)?..];
            Some((last, self.position(start..most, anchor)? + ANCHOR_LETTERS))
        })?;

        let (head, tail) = (
            letters_of(&words[..first]),
            letters_of(&words[words.len() - last..]),
        );
        let around = |letters: &[u8]| 2 * letters.len() + NEAR_LETTERS / 20;
        let before = start.saturating_sub(around(&head)).max(cursor)..start;
        let behind = end..self.letters.len().min(end + around(&tail));
        let first_word = letters_of(&words[..first.min(1)]);
        let last_word = letters_of(&words[words.len() - last.min(1)..]);
        let moved_start = memmem::rfind(&self.letters[before.clone()], &first_word).filter(|_| first > 0);
        let moved_end = self.position(behind, &last_word).filter(|_| last > 0);
        let start = moved_start.map_or(start, |at| before.start + at);
        Some(start..moved_end.map_or(end, |at| at + last_word.len()))
    }

    fn position(&self, within: Range<usize>, wanted: &[u8]) -> Option<usize> {
        let start = within.start;
        let found = memmem::find(self.letters.get(within)?, wanted).filter(|_| !wanted.is_empty())?;
        Some(start + found)
    }

    /// The bytes of the letters with the tags and punctuation around them, but nothing before
    /// `shown`.
    fn with_markup(&self, raw: &str, found: &Range<usize>, shown: usize) -> Range<usize> {
        let (first, last) = (self.offsets[found.start], self.offsets[found.end - 1] + 1);
        let before = found
            .start
            .checked_sub(1)
            .map_or(0, |index| self.offsets[index] + 1);
        let gap = &raw[shown.max(before).min(first)..first];
        let start = if gap.len() <= MOST_MARKUP_BYTES {
            first - gap.trim_start().len()
        } else {
            let markup = gap.floor_char_boundary(gap.len() - MOST_MARKUP_BYTES);
            first - gap[markup..].find('<').map_or(0, |tag| gap.len() - markup - tag)
        };
        let rest = &raw[last..];
        let is_next = |c: char| c == '<' || c == '\n' || c.is_alphanumeric();
        let end = last + rest.find(is_next).unwrap_or(rest.len());
        start..last + raw[last..end].trim_end().len()
    }
}

/// Length of the tag or comment at the beginning of `bytes`.
fn tag_length(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(b"<!--") {
        return memmem::find(bytes, b"-->").map(|end| end + 3);
    }
    let begins = bytes.get(1)?;
    let is_tag = begins.is_ascii_alphabetic() || matches!(begins, b'/' | b'!' | b'?');
    memchr::memchr(b'>', bytes).filter(|_| is_tag).map(|end| end + 1)
}

/// Length of the entity at the beginning of `bytes`.
fn entity_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().take(12).position(|byte| *byte == b';')?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
    bytes[1..end].iter().all(is_name).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::BlockKind;
    use proptest::prelude::*;

    fn blocks(texts: &[&str]) -> Vec<Block> {
        let block = |text: &&str| Block::new(BlockKind::Paragraph, *text);
        texts.iter().map(block).collect()
    }

    fn found(raw: &str, texts: &[&str]) -> Vec<Option<String>> {
        raw_of_blocks(raw, &blocks(texts))
    }

    fn all(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn each_block_is_found_with_its_markup_and_in_order() {
        let raw = "<p>Net <b>sales</b>&nbsp;rose.</p>\r\n<td>12</td><td>(3)</td><p>Net sales fell</p>";
        let expected = [
            "<p>Net <b>sales</b>&nbsp;rose.",
            "</p>\r\n<td>12</td><td>(3)",
            "</td><p>Net sales fell",
        ];
        assert_eq!(
            found(raw, &["Net sales rose.", "12 | (3)", "NET SALES FELL"]),
            all(&expected)
        );
    }

    #[test]
    fn what_is_not_there_is_none_and_the_rest_goes_on() {
        let raw = "a first line <!-- x > y -->of text with x < 5 and more";
        let texts = ["nowhere", "\u{2014}", "of text", "x < 5 and more"];
        let expected = [None, None, Some("<!-- x > y -->of text"), Some("x < 5 and more")];
        assert_eq!(found(raw, &texts), expected.map(|text| text.map(str::to_owned)));
    }

    #[test]
    fn a_paragraph_with_links_is_found_by_its_ends() {
        let raw = "Intro.\n\n'''Oak''' is a [[tree (botany)|tree]] whose wood{{efn|dense}} is sold by [[mill]]s.\n\nNext.";
        let texts = ["Intro.", "Oak is a tree whose wood is sold by mills.", "Next."];
        let found = found(raw, &texts);
        assert_eq!(
            found[1].as_deref(),
            Some("is a [[tree (botany)|tree]] whose wood{{efn|dense}} is sold by [[mill]]s.")
                .map(|rest| format!("'''Oak''' {rest}"))
                .as_deref()
        );
        assert!(found[2].is_some());
    }

    #[test]
    fn long_markup_before_a_block_is_cut_at_a_tag() {
        let raw = format!(
            "<i>hidden {}</i><p>Oak wood sells well here",
            "<u></u>".repeat(200)
        );
        let found = found(&raw, &["Oak wood sells well here"]);
        let found = found[0].as_deref().unwrap();
        assert!(found.starts_with("<u>") || found.starts_with("</u>"), "{found}");
        assert!(found.len() < 400);
    }

    proptest! {
        #[test]
        fn no_raw_text_and_no_block_panics(
            raw in "[a-c <>&;!#/\u{e9}\u{65e5}-]{0,200}",
            texts in prop::collection::vec("[a-c \u{e9}\u{65e5}.]{0,40}", 0..6),
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            prop_assert_eq!(found(&raw, &texts).len(), texts.len());
        }
    }
}

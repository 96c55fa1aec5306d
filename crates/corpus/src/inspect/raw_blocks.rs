//! Finds the raw text that a block was made from, by its letters and digits: in order, in the raw
//! text without its tags and entities. For people to look at; nothing else uses it.
//!
//! A reader leaves things out and joins what stands apart, so this is a search, not a record: where
//! the letters of a block do not stand in a row, it is where most of its words come in their order,
//! close together. A block that is not found is said to be so.

use std::ops::Range;

use documents::{Block, plain_digit};
use memchr::memmem;

/// Shorter blocks (page numbers, cells) are looked for only near the block before them; the first ones
/// anywhere, as what is not shown before them may be long.
const SHORT_LETTERS: usize = 16;
/// How near, in letters and digits.
const NEAR_LETTERS: usize = 2_000;
/// Blocks of fewer words are looked for word by word only near the block before them.
const SHORT_WORDS: usize = 8;
/// How near, in words; and how far a longer block may be behind what became no block.
const NEAR_WORDS: usize = 600;
const FAR_WORDS: usize = 20_000;
/// Words that the reader may have left out between two of a block: several footnotes in a row.
const GAP_WORDS: usize = 250;
/// Words of a block with which the search may begin.
const FIRST_WORDS: usize = 4;
/// Places that are looked at for each of them.
const MOST_PLACES: usize = 50;
/// Markup before a block that is shown with it.
const MOST_MARKUP_BYTES: usize = 300;

/// The raw text of each block with its markup; `None` where it is not found.
pub fn raw_of_blocks(raw: &str, blocks: &[Block]) -> Vec<Option<String>> {
    let letters = Searchable::of(raw, true);
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

/// The letters, as small ones, and digits of a text in UTF-8, and where each is.
#[derive(Default)]
struct Searchable {
    letters: Vec<u8>,
    /// Where the character is that each byte of `letters` comes from.
    offsets: Vec<Range<usize>>,
    /// Where in `letters` words begin.
    words: Vec<usize>,
}

impl Searchable {
    /// Tags are left out, and entities read, where the text `has_markup`.
    fn of(text: &str, has_markup: bool) -> Self {
        let mut of = Self::default();
        let (mut at, mut is_in_word) = (0, false);
        while let Some(letter) = text[at..].chars().next() {
            let rest = &text.as_bytes()[at..];
            let markup = match letter {
                '<' if has_markup => tag_length(rest),
                '&' if has_markup => entity_length(rest),
                _ => None,
            };
            let end = at + markup.unwrap_or(letter.len_utf8());
            let shown = match letter {
                '&' if markup.is_some() => htmlize::unescape(&text[at..end]).chars().next(),
                _ => Some(letter),
            };
            match shown.filter(|letter| letter.is_alphanumeric()) {
                Some(letter) => of.push(letter, at..end, !std::mem::replace(&mut is_in_word, true)),
                None => is_in_word = false,
            }
            at = end;
        }
        of
    }

    fn push(&mut self, letter: char, at: Range<usize>, begins_word: bool) {
        if begins_word {
            self.words.push(self.letters.len());
        }
        // Readers tell raised digits from the number before them.
        for small in plain_digit(letter).to_lowercase() {
            let mut bytes = [0; 4];
            self.letters
                .extend_from_slice(small.encode_utf8(&mut bytes).as_bytes());
        }
        self.offsets.resize(self.letters.len(), at);
    }

    /// The letters of a block at or behind `cursor`.
    fn find(&self, cursor: usize, text: &str) -> Option<Range<usize>> {
        let wanted = Self::of(text, false);
        let length = wanted.letters.len();
        let near = self.letters.len().min(cursor + NEAR_LETTERS + length);
        let end = if length < SHORT_LETTERS && cursor > 0 {
            near
        } else {
            self.letters.len()
        };
        let exact = |end: usize| self.position(cursor..end, &wanted.letters);
        if let Some(start) = exact(near).or_else(|| exact(end)) {
            return Some(start..start + length);
        }
        self.find_by_words(cursor, &wanted)
    }

    /// Where most words of a block come in their order, closest together.
    fn find_by_words(&self, cursor: usize, wanted: &Self) -> Option<Range<usize>> {
        let words: Vec<&[u8]> = wanted.each_word().collect();
        let reach = if words.len() < SHORT_WORDS {
            NEAR_WORDS
        } else {
            FAR_WORDS
        };
        let from = self.words.partition_point(|start| *start < cursor);
        let places = from..self.words.len().min(from + reach);
        let mut best: Option<(usize, Range<usize>)> = None;
        for first in 0..words.len().min(FIRST_WORDS) {
            let begins = |place: &usize| self.word_end(*place, words[first]).is_some();
            for place in places.clone().filter(begins).take(MOST_PLACES) {
                let (num_found, end) = self.follow(place, &words[first..], words.len() / 5);
                let span = self.words[place]..end;
                let is_better = best.as_ref().is_none_or(|(most, shortest)| {
                    num_found > *most || (num_found == *most && span.len() < shortest.len())
                });
                if is_better {
                    best = Some((num_found, span));
                }
            }
        }
        // Four in five, and never one word by itself.
        best.filter(|(num_found, _)| *num_found > 1 && 5 * num_found >= 4 * words.len())
            .map(|(_, span)| span)
    }

    /// How many of `words` come one behind the other from a place on, and where the last one ends;
    /// given up where more than `most_missing` do not come.
    fn follow(&self, place: usize, words: &[&[u8]], most_missing: usize) -> (usize, usize) {
        let (mut at, mut num_found, mut end) = (place, 0, 0);
        for (index, word) in words.iter().enumerate() {
            if index - num_found > most_missing {
                break;
            }
            let near = at..self.words.len().min(at + GAP_WORDS);
            let found = near
                .into_iter()
                .find_map(|at| Some((at, self.word_end(at, word)?)));
            if let Some((found, word_end)) = found {
                num_found += 1;
                end = word_end;
                at = found + self.words[found..].partition_point(|start| *start < word_end);
            }
        }
        (num_found, end)
    }

    /// Where `word` ends if it begins with a word of this text; it may have several of them.
    fn word_end(&self, place: usize, word: &[u8]) -> Option<usize> {
        let start = self.words[place];
        let end = start + word.len();
        let is_there = self.letters.get(start..end)? == word;
        let is_end = end == self.letters.len() || self.words.binary_search(&end).is_ok();
        (is_there && is_end).then_some(end)
    }

    fn each_word(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.words.iter().skip(1).copied().chain([self.letters.len()]);
        let words = self.words.iter().zip(ends);
        words.map(|(start, end)| &self.letters[*start..end])
    }

    fn position(&self, within: Range<usize>, wanted: &[u8]) -> Option<usize> {
        let start = within.start;
        let found = memmem::find(self.letters.get(within)?, wanted).filter(|_| !wanted.is_empty())?;
        Some(start + found)
    }

    /// The bytes of the letters with the tags and punctuation around them, but nothing before
    /// `shown`.
    fn with_markup(&self, raw: &str, found: &Range<usize>, shown: usize) -> Range<usize> {
        let (first, last) = (self.offsets[found.start].start, self.offsets[found.end - 1].end);
        let before = found
            .start
            .checked_sub(1)
            .map_or(0, |index| self.offsets[index].end);
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
    use documents::BlockKind;
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
    fn raised_digits_and_marks_that_readers_set_apart_are_found_as_digits() {
        let raw = "<p>Sales of 2023<sup>2</sup> fell.</p><p>We cut 10<sup>6</sup> tons in 2023<sup>a</sup> alone.</p>";
        let texts = [
            "Sales of 2023\u{b2} fell.",
            "We cut 10\u{2076} tons in 2023 a alone.",
        ];
        let expected = [
            "<p>Sales of 2023<sup>2</sup> fell.",
            "</p><p>We cut 10<sup>6</sup> tons in 2023<sup>a</sup> alone.",
        ];
        assert_eq!(found(raw, &texts), all(&expected));
    }

    #[test]
    fn a_short_first_block_is_found_behind_long_hidden_facts() {
        let hidden = "<ix:nonnumeric>fact</ix:nonnumeric>".repeat(2_000);
        let raw = format!("<ix:header>{hidden}</ix:header><p>UNITED STATES</p><p>of America</p>");
        let raws = found(&raw, &["UNITED STATES", "of America"]);
        assert!(
            raws[0]
                .as_ref()
                .is_some_and(|raw| raw.ends_with("<p>UNITED STATES"))
        );
        assert_eq!(raws[1].as_deref(), Some("</p><p>of America"));
    }

    #[test]
    fn what_is_not_there_is_none_and_the_rest_goes_on() {
        let raw = "a first line <!-- x > y -->of text with x < 5 and more";
        let texts = ["nowhere", "\u{2014}", "of text", "x < 5 and more"];
        let expected = [None, None, Some("<!-- x > y -->of text"), Some("x < 5 and more")];
        assert_eq!(found(raw, &texts), expected.map(|text| text.map(str::to_owned)));
    }

    #[test]
    fn a_paragraph_with_links_is_found_by_its_words() {
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
    fn letters_beyond_ascii_count_and_entities_stand_for_theirs() {
        let raw = "\u{41c}\u{430}\u{43b}\u{43a}\u{430} \u{440}\u{435}\u{43a}\u{430}.\n\nCaf&eacute; Gr&#252;n &amp; Co";
        let texts = [
            "\u{43c}\u{430}\u{43b}\u{43a}\u{430} \u{440}\u{435}\u{43a}\u{430}.",
            "CAF\u{c9} GR\u{dc}N & CO",
        ];
        let (first, second) = raw.split_once("\n\n").unwrap();
        let expected = [Some(first.to_owned()), Some(second.to_owned())];
        assert_eq!(found(raw, &texts), expected);
    }

    /// Nearly all: those of letters that templates write, as scores of a match, are not there.
    #[test]
    fn blocks_of_real_wikitext_are_found() {
        let Some(folder) = test_data::find("wikitext-pages") else {
            return;
        };
        let (mut num_found, mut num_blocks) = (0, 0);
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
            .collect();
        paths.sort();
        for path in paths {
            let raw = std::fs::read_to_string(&path).unwrap();
            let article = wikipedia::parse_wikitext(&raw, &wikipedia::SiteInfo::default());
            let found = raw_of_blocks(&raw, &article.blocks);
            let pairs = article.blocks.iter().zip(&found);
            for (block, found) in pairs.filter(|(block, _)| block.text.contains(char::is_alphanumeric)) {
                num_blocks += 1;
                num_found += usize::from(found.is_some());
                if found.is_none() {
                    println!("{}: {}", path.file_name().unwrap().display(), block.text);
                }
            }
        }
        assert!(num_blocks > 1000, "{num_blocks}");
        assert!(
            num_found * 1000 >= num_blocks * 995,
            "{num_found} of {num_blocks}"
        );
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

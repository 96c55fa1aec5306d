//! The characters that the positions of labels count, and where a label stands in a text that a
//! later reader reads a little otherwise.

use sha2::{Digest as _, Sha256};

/// Characters that a label's check covers.
const CHECKED_CHARACTERS: usize = 40;
const RAISED: &str = "\u{2070}\u{b9}\u{b2}\u{b3}\u{2074}\u{2075}\u{2076}\u{2077}\u{2078}\u{2079}";
const LOWERED: &str = "\u{2080}\u{2081}\u{2082}\u{2083}\u{2084}\u{2085}\u{2086}\u{2087}\u{2088}\u{2089}";

/// The characters that positions count: neither white space nor `|`. Raised and lowered digits are
/// digits, as they were read when the labels were made.
pub(crate) fn counted(text: &str) -> impl Iterator<Item = char> + '_ {
    let is_counted = |character: &char| !character.is_whitespace() && *character != '|';
    text.chars().filter(is_counted).map(on_the_line)
}

/// A raised or lowered digit as a digit; any other character is itself.
pub(crate) fn on_the_line(character: char) -> char {
    if character.is_ascii() {
        return character;
    }
    let value = [RAISED, LOWERED]
        .iter()
        .find_map(|forms| forms.chars().position(|form| form == character));
    value
        .and_then(|value| char::from_digit(u32::try_from(value).ok()?, 10))
        .unwrap_or(character)
}

/// The place nearest to `expected`, and no farther than `farthest`, where a label's check holds.
pub(crate) fn place(text: &[char], expected: usize, farthest: usize, check: &str) -> Option<usize> {
    (0..=farthest)
        .flat_map(|distance| [expected.checked_sub(distance), Some(expected + distance)])
        .flatten()
        .find(|&at| at < text.len() && check_of(&text[at..]) == check)
}

/// The check of a label that begins where `text` does.
pub(crate) fn check_of(text: &[char]) -> String {
    let covered: String = text.iter().take(CHECKED_CHARACTERS).collect();
    let hash = Sha256::digest(covered.as_bytes());
    format!("{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3])
}

//! Chooses the word of a line to mask: the same word at every call, by a hash of the line.

use embedding::MASK;
use xxhash_rust::xxh3::xxh3_64;

/// A line with one word masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedText {
    /// The line, the mask in place of the word.
    pub text: String,
    /// The word.
    pub word: String,
}

/// Masks one word of `line`, chosen by a hash of the line among words of letters and digits
/// that lie within the first `max_tokens` tokens. Words that are one token are preferred,
/// because one mask can hold no more. `num_tokens` counts the tokens of a piece of text.
/// None if there is no such word.
///
/// # Errors
/// Those of `num_tokens`.
pub fn mask_a_word<E>(
    line: &str,
    max_tokens: usize,
    mut num_tokens: impl FnMut(&str) -> Result<usize, E>,
) -> Result<Option<MaskedText>, E> {
    let words = words_that_fit(line, max_tokens, &mut num_tokens)?;
    let mut single = Vec::new();
    for &(start, end) in &words {
        if num_tokens(&line[with_space(line, start)..end])? == 1 {
            single.push((start, end));
        }
    }
    let candidates = if single.is_empty() { words } else { single };
    let choice = xxh3_64(line.as_bytes()).checked_rem(candidates.len() as u64);
    let chosen = choice.and_then(|choice| candidates.get(usize::try_from(choice).ok()?));
    Ok(chosen.map(|&(start, end)| MaskedText {
        text: format!("{}{MASK}{}", &line[..start], &line[end..]),
        word: line[start..end].to_owned(),
    }))
}

/// Start and end of the words of `line`, punctuation around them left out.
fn words_that_fit<E>(
    line: &str,
    max_tokens: usize,
    num_tokens: &mut impl FnMut(&str) -> Result<usize, E>,
) -> Result<Vec<(usize, usize)>, E> {
    let mut words = Vec::new();
    let mut tokens = 0;
    let mut previous_end = 0;
    for piece in line.split_whitespace() {
        // `split_whitespace` hands out parts of `line`.
        let start = piece.as_ptr() as usize - line.as_ptr() as usize;
        let end = start + piece.len();
        tokens += num_tokens(&line[previous_end..end])?;
        previous_end = end;
        if tokens > max_tokens {
            break;
        }
        let core_start = start + (piece.len() - piece.trim_start_matches(is_punctuation).len());
        let core_end = end - (piece.len() - piece.trim_end_matches(is_punctuation).len());
        if core_end > core_start && line[core_start..core_end].chars().any(char::is_alphabetic) {
            words.push((core_start, core_end));
        }
    }
    Ok(words)
}

fn is_punctuation(character: char) -> bool {
    !character.is_alphanumeric()
}

/// The start of a word with the space before it, which belongs to its token.
fn with_space(line: &str, start: usize) -> usize {
    if line[..start].ends_with(' ') {
        start - 1
    } else {
        start
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const LINE: &str = "The company's revenue (in 2019) rose, said \"Müller\".";

    /// A token a piece of at most four letters.
    #[expect(clippy::unnecessary_wraps, reason = "an encoder may fail")]
    fn num_tokens(text: &str) -> Result<usize, Infallible> {
        Ok(text.trim().chars().count().div_ceil(4))
    }

    fn masked(line: &str, max_tokens: usize) -> MaskedText {
        let one = |_: &str| Ok::<usize, Infallible>(1);
        let Ok(masked) = mask_a_word(line, max_tokens, one);
        masked.unwrap()
    }

    #[test]
    fn the_same_word_is_masked_at_every_call_and_put_beside() {
        let Ok(first) = mask_a_word(LINE, 100, num_tokens);
        assert_eq!(mask_a_word(LINE, 100, num_tokens), Ok(first.clone()));
        let first = first.unwrap();
        assert_eq!(first.text.replace(MASK, &first.word), LINE);
        assert_eq!(first.text.matches(MASK).count(), 1);
        assert!(
            ["The", "in", "rose", "said"].contains(&first.word.as_str()),
            "{first:?}"
        );
    }

    #[test]
    fn all_words_have_their_turn_and_punctuation_stays() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..200 {
            let line = format!("{LINE} {number}");
            let masked = masked(&line, 100);
            assert!(!masked.word.contains(['(', ',', '"', '.']), "{masked:?}");
            seen.insert(masked.word);
        }
        let all = ["Müller", "The", "company's", "in", "revenue", "rose", "said"];
        assert_eq!(seen, all.into_iter().map(str::to_owned).collect());
    }

    #[test]
    fn only_words_within_the_model_s_reach_are_masked() {
        for number in 0..50 {
            let line = format!("alpha beta gamma delta {number}");
            let masked = masked(&line, 2);
            assert!(["alpha", "beta"].contains(&masked.word.as_str()));
        }
    }

    #[test]
    fn a_line_without_words_has_none_to_mask() {
        for line in ["", "   ", "12 - 34 | $ 5"] {
            assert_eq!(mask_a_word(line, 100, num_tokens), Ok(None));
        }
    }
}

//! Two texts as multisets of words and of runs of five words.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::labeled_text::on_the_line;

/// The mark of a footnote behind a number: `a`, `aa`, `iv`.
const LONGEST_MARK_BYTES: usize = 4;

/// Shares of words and of runs of five words, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// The reference's words that were kept.
    pub kept: f64,
    /// Our words that the reference has.
    pub right: f64,
    /// The reference's runs of five words that were kept.
    pub five_kept: f64,
    /// Our runs of five words that the reference has.
    pub five_right: f64,
}

impl Agreement {
    /// Compares two texts as multisets of words and of runs of five. Raised and lowered digits count
    /// as digits, because a browser's `innerText` has them so, and what a reader set apart from a
    /// number (`2023 a` for a raised `a`) is joined to it where the reference has it so.
    pub fn new(reference: &str, ours: &str) -> Self {
        let plain = |text: &str| text.chars().map(on_the_line).collect::<String>();
        let (reference, ours) = (plain(reference), plain(ours));
        let reference = words(&reference);
        let ours = joined(&reference, &words(&ours));
        let ours: Vec<&str> = ours.iter().map(AsRef::as_ref).collect();
        let (kept, right) = shares(&reference, &ours, 1);
        let (five_kept, five_right) = shares(&reference, &ours, 5);
        Self {
            kept,
            right,
            five_kept,
            five_right,
        }
    }

    /// The lowest of the four shares, by which the worst file is found.
    pub fn lowest(&self) -> f64 {
        [self.kept, self.right, self.five_kept, self.five_right]
            .into_iter()
            .fold(1.0, f64::min)
    }
}

/// Maximal runs of letters and digits.
pub fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Our words, a mark of a footnote joined to the number before it where the reference has so many
/// more of the joined word than we have.
fn joined<'t>(reference: &[&'t str], ours: &[&'t str]) -> Vec<Cow<'t, str>> {
    let is_mark =
        |word: &str| word.len() <= LONGEST_MARK_BYTES && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_number = |word: &str| word.ends_with(|c: char| c.is_ascii_digit());
    let mut wanting: HashMap<&str, isize> = HashMap::new();
    for &word in reference {
        *wanting.entry(word).or_default() += 1;
    }
    for &word in ours {
        *wanting.entry(word).or_default() -= 1;
    }
    let mut joined: Vec<Cow<'t, str>> = Vec::with_capacity(ours.len());
    for &word in ours {
        let whole = joined
            .last()
            .filter(|before| is_number(before) && is_mark(word))
            .map(|before| format!("{before}{word}"));
        let wanted = whole
            .as_deref()
            .and_then(|whole| wanting.get_mut(whole))
            .filter(|count| **count > 0);
        match (wanted, whole) {
            (Some(count), Some(whole)) => {
                *count -= 1;
                joined.pop();
                joined.push(Cow::Owned(whole));
            }
            _ => joined.push(Cow::Borrowed(word)),
        }
    }
    joined
}

/// Share of the reference's runs of `length` words that were kept, and of ours that are right.
fn shares(reference: &[&str], ours: &[&str], length: usize) -> (f64, f64) {
    let mut counts: HashMap<&[&str], (usize, usize)> = HashMap::new();
    for run in reference.windows(length) {
        counts.entry(run).or_default().0 += 1;
    }
    for run in ours.windows(length) {
        counts.entry(run).or_default().1 += 1;
    }
    let common: usize = counts.values().map(|(a, b)| a.min(b)).sum();
    let share = |words: &[&str]| common as f64 / (words.len() + 1).saturating_sub(length).max(1) as f64;
    (share(reference), share(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raised_digits_and_marks_set_apart_count_as_a_browser_writes_them() {
        let whole = |reference, ours| Agreement::new(reference, ours).lowest() >= 1.0;
        assert!(whole(
            "of 20232 was 106 tons",
            "of 2023\u{b2} was 10\u{2076} tons"
        ));
        assert!(whole("of 2023(2) and 5a, 6b", "of 2023 (2) and 5 a, 6 b"));
        assert!(!whole("of 2023 2 it was more", "of 2023\u{b2} it was more"));
        assert!(!whole("5 MB and 6 are more", "5MB and 6 are more"));
        // Joined as often as the reference has it, and no more.
        assert!(!whole("5a and there are more", "5 a and 5 a there are more"));
        assert!(whole("5a and 5 a more", "5 a and 5 a more"));
    }
}

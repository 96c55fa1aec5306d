//! What a sentence under an item's heading says: a formula instead of an answer (`None.`), where the
//! answer is instead, or something of its own. It knows neither blocks nor items.

mod phrases;

use phrases::{
    DENIALS, EXCUSES, FORMULA_BEGINNINGS, OF_THE_FORM, PLACE_NAMES, PLACE_VERBS, REFERENCE_BEGINNINGS,
    UNCHANGED,
};

/// What one sentence does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wording {
    /// None, not applicable, reserved.
    Formula,
    /// Says where the text is.
    Reference,
    /// Neither text nor reference: a title, half a sentence, what is not incorporated.
    Neutral,
    /// Text of the item.
    Own,
}

/// Shorter pieces are titles and ends of abbreviations.
const SHORTEST_SENTENCE_BYTES: usize = 24;
const FEWEST_WORDS: usize = 4;
/// A line that leads to what follows it (`Security ownership of management:`) is shorter than this.
const LONGEST_LEAD_BYTES: usize = 90;
/// A formula with its reason is shorter than this.
const LONGEST_FORMULA_BYTES: usize = 330;

/// The sentences of a text, roughly: what ends with a period before a capital letter.
pub(crate) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text
            .match_indices(". ")
            .find(|(at, _)| {
                let before = text[..*at].rsplit(' ').next().unwrap_or_default();
                let goes_on = text[at + 2..].starts_with(|c: char| c.is_lowercase() || c.is_ascii_digit());
                !goes_on && before.len() > 3
            })
            .map(|(at, _)| at + 1);
        rest = end.map(|end| text[end..].trim_start());
        Some(end.map_or(text, |end| &text[..end]))
    })
    .filter(|sentence| !sentence.is_empty())
}

/// What a sentence does.
pub(crate) fn wording(sentence: &str) -> Wording {
    let lower = sentence.to_lowercase();
    let bare = without_markers(&lower);
    if bare.is_empty() {
        return Wording::Neutral;
    }
    if is_formula(bare) {
        return Wording::Formula;
    }
    if is_denial(bare) {
        return Wording::Neutral;
    }
    if is_unchanged(bare) {
        return Wording::Own;
    }
    if is_reference(bare) {
        return Wording::Reference;
    }
    let num_words = bare.split(' ').count();
    let is_title = bare.len() < SHORTEST_SENTENCE_BYTES && num_words < FEWEST_WORDS
        || sentence.ends_with(':') && sentence.len() < LONGEST_LEAD_BYTES;
    if is_title { Wording::Neutral } else { Wording::Own }
}

/// Without what surrounds a sentence, and without the markers of lists before it: `(a)(3) | `.
fn without_markers(lower: &str) -> &str {
    const MOST_MARKERS: usize = 4;
    let is_ink = |c: char| c.is_alphanumeric();
    let mut bare = lower.trim_matches(|c| !is_ink(c));
    for _ in 0..MOST_MARKERS {
        let length = bare.bytes().take(3).take_while(u8::is_ascii_alphanumeric).count();
        match bare[length..].strip_prefix(')') {
            Some(rest) if length > 0 => bare = rest.trim_start_matches(|c| !is_ink(c)),
            _ => break,
        }
    }
    bare
}

fn has_any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

fn starts_with_any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.starts_with(word))
}

/// `none`, `not applicable because ...`, `not required for smaller reporting companies`.
fn is_formula(bare: &str) -> bool {
    if bare.len() > LONGEST_FORMULA_BYTES {
        return false;
    }
    if let Some(rest) = bare.strip_prefix("none") {
        return rest.is_empty()
            || starts_with_any(rest, &[".", ",", ";", " ", "-"])
                && !starts_with_any(rest, &[" of ", " are ", " were ", " have "]);
    }
    if starts_with_any(bare, FORMULA_BEGINNINGS) {
        return true;
    }
    let is_excused = has_any(bare, EXCUSES);
    let is_of_the_form = has_any(bare, OF_THE_FORM);
    is_excused && is_of_the_form
}

/// What is said not to be a part of the report.
fn is_denial(bare: &str) -> bool {
    has_any(bare, DENIALS)
}

/// An answer although it names another report.
fn is_unchanged(bare: &str) -> bool {
    has_any(bare, UNCHANGED)
}

fn is_reference(bare: &str) -> bool {
    if has_any(bare, &["incorporated", "incorporate"]) && bare.contains("reference") {
        return true;
    }
    // When the other document was or will be filed.
    if bare.contains("proxy statement") && bare.contains("filed") {
        return true;
    }
    // The beginning is looked at first: most sentences end here.
    if !begins_as_reference(bare) {
        return false;
    }
    let says_where = has_any(bare, PLACE_VERBS);
    let names_a_place = has_any(bare, PLACE_NAMES);
    says_where && names_a_place
}

/// Subjects of sentences that only point.
fn begins_as_reference(bare: &str) -> bool {
    starts_with_any(bare, REFERENCE_BEGINNINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_told_from_answers() {
        for text in [
            "None.",
            "Not applicable",
            "NOT APPLICABLE",
            "[Reserved]",
            "(Removed and Reserved).",
            "Not applicable to smaller reporting companies.",
            "There are no items to report.",
            "As a smaller reporting company, we are not required to provide the information required by this Item.",
            "None in the fourth quarter.",
            "(a)(1) | Not applicable.",
        ] {
            assert_eq!(wording(text), Wording::Formula, "{text}");
        }
        for text in [
            "No matters were submitted to a vote of security holders.",
            "We are not a party to any proceedings.",
            "None of our mills burned down last year.",
            "No material transactions.",
            "Sales of oak rose.",
            "There have been no material changes from the risk factors in our annual report.",
        ] {
            assert_eq!(wording(text), Wording::Own, "{text}");
        }
    }

    #[test]
    fn references_are_told_from_text() {
        for text in [
            "The information required by this item is incorporated by reference to our proxy statement.",
            "See Note 7 to the financial statements.",
            "Refer to pages 5 through 7 of the proxy statement.",
            "Our financial statements begin on page F-1.",
            "(b) The exhibits are listed in the Exhibit Index.",
            "The Proxy Statement will be filed within 120 days.",
            "Leases, Page 3, of the Annual Report to Shareholders is incorporated herein by reference.",
        ] {
            assert_eq!(wording(text), Wording::Reference, "{text}");
        }
        assert_eq!(
            wording("The contents of our site are not incorporated by reference."),
            Wording::Neutral
        );
        assert_eq!(wording("Security ownership of management:"), Wording::Neutral);
        assert_eq!(
            wording("We own a mill in Ohio that is described on page 3."),
            Wording::Own
        );
    }

    #[test]
    fn sentences_end_before_capitals_but_not_behind_abbreviations() {
        let text = "We sell timber. Mr. Alder runs No. 3 mill. Pine is sold too.";
        let read: Vec<&str> = sentences(text).collect();
        assert_eq!(
            read,
            [
                "We sell timber.",
                "Mr. Alder runs No. 3 mill.",
                "Pine is sold too."
            ]
        );
    }
}

//! What a sentence under an item's heading says: a formula instead of an answer (`None.`), where the
//! answer is instead, or something of its own. It knows neither blocks nor items.

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
    if starts_with_any(
        bare,
        &[
            "not applicable",
            "not required",
            "n/a",
            "inapplicable",
            "nothing to report",
            "no items to report",
            "there are no items to report",
            "there is nothing to report",
            "there are none",
            "there were none",
            "reserved",
            "removed and reserved",
            "removed",
            "[reserved",
            "intentionally omitted",
            "omitted",
            "this item is not applicable",
            "this item is omitted",
            "item not applicable",
        ],
    ) {
        return true;
    }
    let is_excused = has_any(
        bare,
        &[
            "not required to provide",
            "not required to include",
            "not required to furnish",
            "not required for smaller",
            "not required for a smaller",
            "not required of smaller",
            "not required by smaller",
            "not required under",
            "is not applicable",
            "are not applicable",
            "not applicable to",
            "is not required",
            "are not required",
            "elected not to provide",
            "no information is required",
            "has been omitted",
            "have been omitted",
            "is omitted",
            "are omitted",
        ],
    );
    let is_of_the_form = has_any(
        bare,
        &[
            "smaller reporting compan",
            "this item",
            "general instruction",
            "by item",
            "regulation s-k",
            "disclosure is",
            "omitted",
        ],
    );
    is_excused && is_of_the_form
}

/// What is said not to be a part of the report.
fn is_denial(bare: &str) -> bool {
    has_any(
        bare,
        &[
            "not incorporated",
            "not be deemed",
            "shall not be",
            "not deemed",
            "not intended to be incorporated",
            "is not part of this",
            "is not a part of this",
        ],
    )
}

/// An answer although it names another report.
fn is_unchanged(bare: &str) -> bool {
    has_any(
        bare,
        &[
            "no material change",
            "no significant change",
            "not materially changed",
            "not changed materially",
            "not changed significantly",
            "no changes",
            "no change",
            "not differ materially",
        ],
    )
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
    let says_where = has_any(
        bare,
        &[
            "set forth",
            "included in",
            "included under",
            "included on",
            "included at",
            "is included",
            "are included",
            "will be included",
            "contained",
            "can be found",
            "be found",
            "is found",
            "are found",
            "appear",
            "located",
            "presented",
            "described",
            "discussed",
            "disclosed",
            "provided",
            "filed",
            "see ",
            "refer",
            "reported",
            "is in ",
            "are in ",
            "will be in ",
            "listed",
            "shown",
            "begin",
        ],
    );
    let names_a_place = has_any(
        bare,
        &[
            "proxy statement",
            "information statement",
            "annual report",
            "exhibit",
            "item ",
            "items ",
            "note ",
            "notes ",
            "page",
            "part i",
            "this report",
            "index",
            "elsewhere",
            "financial statements",
            "caption",
            "heading",
            "section",
            "10-k",
            "entitled",
            "titled",
            "below",
            "md&a",
            "discussion and analysis",
        ],
    );
    says_where && names_a_place
}

/// Subjects of sentences that only point.
fn begins_as_reference(bare: &str) -> bool {
    starts_with_any(
        bare,
        &[
            "information",
            "the information",
            "this information",
            "such information",
            "additional information",
            "further information",
            "certain information",
            "certain of the information",
            "the required information",
            "other information",
            "see ",
            "please see",
            "please refer",
            "also refer",
            "also see",
            "in addition, see",
            "reference is made",
            "refer",
            "for ",
            "the following information",
            "the following financial",
            "the following consolidated",
            "incorporated",
            "in accordance with general instruction",
            "pursuant to",
            "the response",
            "the material",
            "the section",
            "the discussion",
            "a discussion",
            "a description",
            "the description",
            "our financial statements",
            "our consolidated financial statements",
            "the consolidated financial statements",
            "the financial statements",
            "the company's financial statements",
            "the company\u{2019}s financial statements",
            "the company's consolidated financial statements",
            "the company\u{2019}s consolidated financial statements",
            "consolidated financial statements",
            "financial statements",
            "the report",
            "the index",
            "the list of",
            "the exhibits",
            "a list of",
            "an index",
            "you can find",
            "you should",
            "page",
            "appear",
            "the data",
            "the table",
            "the caption",
            "as described",
            "as discussed",
            "as set forth",
            "quantitative and qualitative",
            "selected financial data",
            "to the extent",
            "item",
            "note",
            "in response",
            "all information",
            "except",
            "each of",
            "the names",
            "the \u{201c}",
            "required information",
            "the management",
            "management",
        ],
    )
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

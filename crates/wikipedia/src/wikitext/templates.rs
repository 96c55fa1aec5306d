//! Templates whose words belong to the sentence, and those that mark a disambiguation page.

/// What stands in the text for a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Nothing,
    /// Its first parameter.
    First,
    /// Its second parameter.
    Second,
    /// Its first two parameters: a number and its unit.
    Measure,
    /// These characters.
    Text(&'static str),
}

const FIRST: [&str; 34] = [
    "nowrap",
    "small",
    "smaller",
    "big",
    "larger",
    "nobr",
    "nobold",
    "nobreak",
    "sc",
    "smallcaps",
    "sup",
    "sub",
    "em",
    "strong",
    "quote",
    "blockquote",
    "bq",
    "cquote",
    "quotation",
    "abbr",
    "tooltip",
    "angbr",
    "vr",
    "keypress",
    "kbd",
    "code",
    "mono",
    "var",
    "math",
    "nihongo",
    "as written",
    "center",
    "val",
    "unbulleted list",
];
const SECOND: [&str; 5] = ["lang", "transl", "transliteration", "script", "color"];
const TEXTS: [(&str, &str); 13] = [
    ("!", "|"),
    ("·", " · "),
    ("'s", "'s"),
    ("'", "'"),
    ("nbsp", " "),
    ("spaces", " "),
    ("snd", " – "),
    ("spnd", " – "),
    ("spaced ndash", " – "),
    ("ndash", "–"),
    ("mdash", "—"),
    ("•", " • "),
    ("=", "="),
];
const DISAMBIGUATION: [&str; 15] = [
    "disambig",
    "disamb",
    "dab",
    "hndis",
    "geodis",
    "numberdis",
    "schooldis",
    "dbig",
    "пояснение",
    "begriffsklärung",
    "homonymie",
    "desambiguación",
    "disambigua",
    "desambiguação",
    "неоднозначность",
];

/// What stands for the template with this name (trimmed, as written).
pub(super) fn standing(name: &str) -> Standing {
    let is_in = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    if name.eq_ignore_ascii_case("convert") || name.eq_ignore_ascii_case("cvt") {
        return Standing::Measure;
    }
    if let Some((_, text)) = TEXTS.iter().find(|(known, _)| *known == name) {
        return Standing::Text(text);
    }
    let is_language = name
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("lang-"));
    if is_language || is_in(&FIRST) {
        return Standing::First;
    }
    if is_in(&SECOND) {
        Standing::Second
    } else {
        Standing::Nothing
    }
}

/// Whether the template with this name marks a page that only lists meanings.
pub(super) fn is_disambiguation(name: &str) -> bool {
    // Names are short; a page cannot make this costly.
    if name.len() > 100 {
        return false;
    }
    let name = name.to_lowercase();
    name.ends_with("disambiguation") || DISAMBIGUATION.contains(&name.as_str())
}

//! Names of templates as they are written and as they are looked up, and the names that say
//! something of the page or of what stands around them.

/// Marks of footnotes: what they stand behind is whole without them.
const FOOTNOTES: [&str; 15] = [
    "efn",
    "refn",
    "#tag",
    "sfn",
    "sfnp",
    "r",
    "rp",
    "ref",
    "ref label",
    "note",
    "note label",
    "citation needed",
    "cn",
    "fact",
    "clarify",
];

/// End a table, as `|}` does.
const TABLE_ENDS: [&str; 5] = ["end", "table end", "tableend", "end table", "endtable"];

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

/// A longer name is no template's.
const MAX_NAME_BYTES: usize = 100;
/// Names are counted under this one when they are too long to be one.
const LONG_NAME: &str = "(a long name)";

/// A template's name as lists and counts have it: in lower case, single blanks, without what
/// follows a colon (`DEFAULTSORT:Oak`).
pub(super) fn normal_name(written: &str) -> String {
    if written.len() > MAX_NAME_BYTES {
        return LONG_NAME.to_owned();
    }
    let written = written.split("<!--").next().unwrap_or_default();
    let name = written.trim_start().strip_prefix("Template:").unwrap_or(written);
    let name = match name.find(':') {
        Some(colon) if colon > 0 => &name[..colon],
        _ => name,
    };
    let mut normal = String::with_capacity(name.len());
    for word in name.split(|letter: char| letter == '_' || letter.is_whitespace()) {
        if word.is_empty() {
            continue;
        }
        if !normal.is_empty() {
            normal.push(' ');
        }
        normal.extend(word.chars().flat_map(char::to_lowercase));
    }
    normal
}

/// Whether a template of this name, as written, stands for `|}`.
pub(super) fn is_table_end(written: &str) -> bool {
    let name = written.trim();
    TABLE_ENDS.iter().any(|end| end.eq_ignore_ascii_case(name))
}

/// Whether the template with this normal name is the mark of a footnote.
pub(super) fn is_footnote(name: &str) -> bool {
    FOOTNOTES.contains(&name)
}

/// Whether the template with this normal name marks a page that only lists meanings.
pub(super) fn is_disambiguation(name: &str) -> bool {
    name.ends_with("disambiguation") || DISAMBIGUATION.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_any_case_and_with_underscores() {
        for written in ["As of", " as_of\n", "AS  OF", "Template:As of"] {
            assert_eq!(normal_name(written), "as of");
        }
        assert_eq!(normal_name("DEFAULTSORT:Oak"), "defaultsort");
        assert_eq!(normal_name("Convert<!-- x -->"), "convert");
        assert_eq!(normal_name(&"x".repeat(200)), LONG_NAME);
    }
}

//! Which HTML and extension tags wikitext knows, and what becomes of each.

/// What becomes of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagKind {
    /// The element goes with all that is in it.
    Dropped(Opaque),
    /// The element's content is text in which no markup is read.
    Literal(Opaque),
    /// The tag goes, a space stands for it.
    Space,
    /// The tag goes, a line ends there.
    Break,
    /// The tag goes without a trace.
    Inline,
}

/// Index of an element whose content is not wikitext; its end tags are looked up by it.
pub(super) type Opaque = usize;

/// Elements whose content is not read, dropped ones first.
const OPAQUE: [&str; 23] = [
    "ref",
    "references",
    "gallery",
    "timeline",
    "score",
    "imagemap",
    "templatedata",
    "templatestyles",
    "graph",
    "mapframe",
    "maplink",
    "inputbox",
    "hiero",
    "indicator",
    "categorytree",
    "includeonly",
    "nowiki",
    "math",
    "chem",
    "ce",
    "pre",
    "source",
    "syntaxhighlight",
];
const FIRST_LITERAL: Opaque = 16;
/// How many elements [`opaque_of`] knows.
pub(super) const NUM_OPAQUE: usize = OPAQUE.len();

const SPACE: [&str; 4] = ["br", "td", "th", "wbr"];
const BREAK: [&str; 21] = [
    "p",
    "div",
    "center",
    "blockquote",
    "li",
    "ul",
    "ol",
    "dl",
    "dd",
    "dt",
    "table",
    "tr",
    "caption",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "poem",
];
const INLINE: [&str; 41] = [
    "b",
    "i",
    "u",
    "s",
    "sub",
    "sup",
    "small",
    "big",
    "span",
    "font",
    "code",
    "tt",
    "em",
    "strong",
    "cite",
    "del",
    "ins",
    "abbr",
    "q",
    "kbd",
    "var",
    "samp",
    "bdi",
    "bdo",
    "mark",
    "time",
    "data",
    "noinclude",
    "onlyinclude",
    "section",
    "ruby",
    "rt",
    "rp",
    "rb",
    "strike",
    "dfn",
    "nobr",
    "tbody",
    "thead",
    "link",
    "meta",
];

/// The index of an opaque element by its name in any case.
pub(super) fn opaque_of(name: &str) -> Option<Opaque> {
    OPAQUE.iter().position(|known| known.eq_ignore_ascii_case(name))
}

/// What becomes of the tag `name`; `None` when it is not a tag that wikitext knows.
pub(super) fn tag_kind(name: &str) -> Option<TagKind> {
    let is_in = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    if let Some(opaque) = opaque_of(name) {
        return Some(if opaque < FIRST_LITERAL {
            TagKind::Dropped(opaque)
        } else {
            TagKind::Literal(opaque)
        });
    }
    if is_in(&SPACE) {
        return Some(TagKind::Space);
    }
    if is_in(&BREAK) {
        return Some(TagKind::Break);
    }
    is_in(&INLINE).then_some(TagKind::Inline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_literal_element_is_nowiki() {
        assert_eq!(tag_kind("NoWiki"), Some(TagKind::Literal(FIRST_LITERAL)));
        assert!(matches!(tag_kind("ref"), Some(TagKind::Dropped(_))));
        assert_eq!(tag_kind("http"), None);
    }
}

//! Which HTML and extension tags wikitext knows, and what becomes of each.

use memchr::memmem;

use super::work::looks_at;

/// A tag or comment may be this long; a `<` without its `>` costs no more than that.
const MAX_TAG_BYTES: usize = 1_000;

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
    /// What is in the element is raised, or lowered.
    Shifted { is_above: bool },
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
const NUM_OPAQUE: usize = OPAQUE.len();

/// End tags of each opaque element as (start, end), and how many are behind the reader.
pub(super) type EndTags = [(Vec<(usize, usize)>, usize); NUM_OPAQUE];

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
const INLINE: [&str; 39] = [
    "b",
    "i",
    "u",
    "s",
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
fn opaque_of(name: &str) -> Option<Opaque> {
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
    if is_in(&["sup", "sub"]) {
        return Some(TagKind::Shifted {
            is_above: is_in(&["sup"]),
        });
    }
    is_in(&INLINE).then_some(TagKind::Inline)
}

/// All end tags of opaque elements, in order.
pub(super) fn end_tags(source: &str) -> EndTags {
    let mut found = EndTags::default();
    looks_at(source.len());
    for start in memmem::find_iter(source.as_bytes(), b"</") {
        let name = tag_name(source, start + 2);
        let Some(opaque) = opaque_of(name) else { continue };
        let after = start + 2 + name.len();
        if let Some(end) = tag_end(source.as_bytes(), after) {
            found[opaque].0.push((start, end));
        }
    }
    found
}

/// Where a tag ends whose name ends at `after`; `None` when another begins before that.
pub(super) fn tag_end(bytes: &[u8], after: usize) -> Option<usize> {
    let window = &bytes[after..bytes.len().min(after + MAX_TAG_BYTES)];
    let length = memchr::memchr2(b'>', b'<', window);
    looks_at(length.unwrap_or(window.len()));
    let length = length.filter(|length| window[*length] == b'>')?;
    Some(after + length + 1)
}

/// The letters and digits at `start`.
pub(super) fn tag_name(source: &str, start: usize) -> &str {
    let rest = &source[start..];
    let length = rest
        .bytes()
        .take(20)
        .take_while(u8::is_ascii_alphanumeric)
        .count();
    &rest[..length]
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

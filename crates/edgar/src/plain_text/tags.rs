//! The tags and entities of plain text. Structure (`<PAGE>`, `<TABLE>`, `<S>`, `<C>`) is told from
//! tags inside a line (`<R>`, `<B>`, `<F1>`), which leave nothing behind.

use std::borrow::Cow;

/// A longer word in angle brackets is no tag.
const LONGEST_TAG_BYTES: usize = 24;
/// `&CounterClockwiseContourIntegral;` is the longest name.
const LONGEST_ENTITY_BYTES: usize = 40;

/// What a tag does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    /// A page ends.
    Page,
    /// A table begins.
    Table,
    /// A table ends.
    TableEnd,
    /// Marks where a column begins.
    Column,
    /// Stands in a line of its own above the columns' heads.
    Caption,
    /// The notes of a table begin.
    Notes,
    /// Says how words look, or nothing at all.
    Inline,
}

/// A tag in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FoundTag<'l> {
    pub(super) before: &'l str,
    pub(super) tag: Tag,
    /// How many columns of the line the tag takes up.
    pub(super) width: usize,
    pub(super) after: &'l str,
}

/// The first tag of a line.
pub(super) fn find_tag(line: &str) -> Option<FoundTag<'_>> {
    let mut from = 0;
    while let Some(open) = line[from..].find('<').map(|at| from + at) {
        let rest = &line[open + 1..];
        let length = rest.bytes().take(LONGEST_TAG_BYTES).position(|byte| byte == b'>');
        if let Some(name) = length
            .map(|length| &rest[..length])
            .filter(|name| is_tag_name(name))
        {
            return Some(FoundTag {
                before: &line[..open],
                tag: tag(name),
                width: name.len() + 2,
                after: &rest[name.len() + 1..],
            });
        }
        from = open + 1;
    }
    None
}

fn tag(name: &str) -> Tag {
    match name {
        "PAGE" => Tag::Page,
        "TABLE" => Tag::Table,
        "/TABLE" => Tag::TableEnd,
        "S" | "C" => Tag::Column,
        "CAPTION" => Tag::Caption,
        "FN" => Tag::Notes,
        _ => Tag::Inline,
    }
}

fn is_tag_name(name: &str) -> bool {
    let name = name.strip_prefix('/').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The text with its entities resolved. One without its semicolon stays: `AT&T` and `R&D` are
/// names, and so may be `&copy`.
pub(super) fn resolve_entities(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find('&') else {
        return Cow::Borrowed(text);
    };
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    let mut next = Some(first);
    while let Some(at) = next {
        let length = entity_length(&rest[at..]).unwrap_or(0);
        resolved.push_str(&rest[..at]);
        if length == 0 {
            resolved.push('&');
            rest = &rest[at + 1..];
        } else {
            resolved.push_str(&htmlize::unescape(&rest[at..at + length]));
            rest = &rest[at + length..];
        }
        next = rest.find('&');
    }
    resolved.push_str(rest);
    Cow::Owned(resolved)
}

/// The bytes of `&name;` or `&#number;` at the beginning of a text.
fn entity_length(text: &str) -> Option<usize> {
    let name = text.bytes().skip(1).take(LONGEST_ENTITY_BYTES);
    let length = name
        .enumerate()
        .find(|&(index, byte)| !byte.is_ascii_alphanumeric() && (index > 0 || byte != b'#'));
    match length {
        Some((index, b';')) if index > 0 => Some(index + 2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structure_is_told_from_tags_inside_a_line() {
        for (line, tag) in [
            ("<PAGE>", Tag::Page),
            ("<TABLE>", Tag::Table),
            ("</TABLE>", Tag::TableEnd),
            ("<S>", Tag::Column),
            ("<CAPTION>", Tag::Caption),
            ("<R>", Tag::Inline),
            ("</B>", Tag::Inline),
            ("<FN>", Tag::Notes),
            ("<TOTAL-ASSETS>", Tag::Inline),
        ] {
            assert_eq!(find_tag(line).map(|found| found.tag), Some(tag), "{line}");
        }
        for line in [
            "a <b and c> d",
            "x<5",
            "<>",
            "<Page>",
            "< PAGE>",
            "<mask>",
            "</s>",
            "<",
        ] {
            assert_eq!(find_tag(line), None, "{line}");
        }
        let found = find_tag("x<5 <B>oak").unwrap();
        assert_eq!((found.before, found.width, found.after), ("x<5 ", 3, "oak"));
    }

    #[test]
    fn entities_end_with_a_semicolon() {
        for (text, resolved) in [
            ("AT&T and R&D;", "AT&T and R&D;"),
            ("AT&amp;T &lt;oak&gt;", "AT&T <oak>"),
            ("&copy 1999 &copy; 1999", "&copy 1999 \u{a9} 1999"),
            ("&#167;3 &#xa7; &#167 &#;", "\u{a7}3 \u{a7} &#167 &#;"),
            ("&amp;lt; & &; &", "&lt; & &; &"),
            ("a &nosuchname; b", "a &nosuchname; b"),
            ("&ampersand", "&ampersand"),
        ] {
            assert_eq!(resolve_entities(text), resolved);
        }
        assert!(matches!(resolve_entities("oak"), Cow::Borrowed(_)));
    }
}

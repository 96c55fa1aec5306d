//! What the tags are that cut a dump, or extracted text, into pages. It looks at one `<` at a time.

/// The longest mark that a `<` can begin, with what must follow it.
pub(super) const MARK_BYTES: usize = 16;

/// What a `<` begins.
pub(super) enum Mark {
    HeaderEnd,
    PageStart,
    PageEnd,
    Revision,
    DumpEnd,
    /// Text without tags until this.
    Until(&'static [u8]),
    Other,
}

/// What the `<` of an export begins that stands at `at`.
pub(super) fn export_mark(text: &[u8], at: usize) -> Mark {
    let is_tag = |name: &[u8]| {
        let rest = &text[at..];
        rest.starts_with(name)
            && rest
                .get(name.len())
                .is_none_or(|next| b" \t\r\n/>".contains(next))
    };
    match text.get(at + 1) {
        Some(b'p') if is_tag(b"<page") => Mark::PageStart,
        Some(b'r') if is_tag(b"<revision") => Mark::Revision,
        Some(b'/') if is_tag(b"</page") => Mark::PageEnd,
        Some(b'/') if is_tag(b"</siteinfo") => Mark::HeaderEnd,
        Some(b'/') if is_tag(b"</mediawiki") => Mark::DumpEnd,
        Some(b'!') if text[at..].starts_with(b"<![CDATA[") => Mark::Until(b"]]>"),
        Some(b'!') if text[at..].starts_with(b"<!--") => Mark::Until(b"-->"),
        _ => Mark::Other,
    }
}

/// `WikiExtractor` puts its tags on lines of their own.
pub(super) fn extract_mark(text: &[u8], at: usize) -> Mark {
    if at > 0 && text[at - 1] != b'\n' {
        return Mark::Other;
    }
    let rest = &text[at..];
    if rest.starts_with(b"<doc ") {
        Mark::PageStart
    } else if rest.starts_with(b"</doc>") {
        Mark::PageEnd
    } else {
        Mark::Other
    }
}

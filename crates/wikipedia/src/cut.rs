//! Cuts a dump's text into pages by the tags around them, in one pass over its `<`. It does not
//! look into pages, and holds no more of one than a page can have.

use memchr::{memchr, memmem};

use super::format::{Format, MAX_HEADER_BYTES, blank_bytes, detect};
use super::marks::{MARK_BYTES, Mark, export_mark, extract_mark};

/// How many bytes are held.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// A page that is longer with one of its revisions alone is refused.
    page: usize,
    /// What is kept of a refused page, for its title; no more than `page`.
    kept: usize,
    /// The header and what tells the format come within this.
    header: usize,
}

/// `MediaWiki` takes no page above 2 MiB of wikitext; as XML it has at most six times that.
const LIMITS: Limits = Limits {
    page: 16 << 20,
    kept: 1 << 10,
    header: MAX_HEADER_BYTES,
};

/// Part of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// What stands before the first page.
    Header(Vec<u8>),
    /// `<page>` to `</page>`; of several revisions the last.
    Page { position: u64, xml: Vec<u8> },
    /// `<doc ...>` to `</doc>`, as `WikiExtractor` writes it.
    Extract { position: u64, text: Vec<u8> },
    /// The beginning of a page that cannot be read, and why.
    Unusable {
        position: u64,
        start: Vec<u8>,
        reason: &'static str,
    },
}

/// A page whose end has not been found; indices into the buffer.
struct Open {
    start: usize,
    position: u64,
    /// Where the first revision and the last one begin.
    revisions: Option<(usize, usize)>,
    /// How a page begins that is longer than it may be.
    too_long: Option<Vec<u8>>,
}

impl Open {
    /// How long the page is up to `end` with its last revision alone.
    fn num_bytes(&self, end: usize) -> usize {
        end - self.start - self.revisions.map_or(0, |(first, last)| last - first)
    }

    /// The beginning of the page, which ends at `end`: nothing of its revisions, because earlier
    /// ones may be gone.
    fn beginning<'b>(&self, buffer: &'b [u8], end: usize, limits: Limits) -> &'b [u8] {
        let end = self.revisions.map_or(end, |(first, _)| first);
        &buffer[self.start..end.clamp(self.start, self.start + limits.kept)]
    }

    fn check_length(&mut self, buffer: &[u8], end: usize, limits: Limits) {
        if self.too_long.is_none() && self.num_bytes(end) > limits.page {
            self.too_long = Some(self.beginning(buffer, end, limits).to_vec());
        }
    }
}

/// Cuts text that arrives in chunks.
pub(super) struct Cutter {
    limits: Limits,
    format: Option<Format>,
    buffer: Vec<u8>,
    /// How far the buffer has been looked at.
    at: usize,
    /// Bytes of text so far.
    pub(super) num_bytes: u64,
    open: Option<Open>,
    until: Option<&'static [u8]>,
    has_header: bool,
    is_closed: bool,
}

impl Default for Cutter {
    fn default() -> Self {
        Self::new(LIMITS)
    }
}

impl Cutter {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            format: None,
            buffer: Vec::new(),
            at: 0,
            num_bytes: 0,
            open: None,
            until: None,
            has_header: false,
            is_closed: false,
        }
    }

    /// Goes on with an export behind `num_bytes` of its text, where a page may begin.
    pub(super) fn behind(num_bytes: u64) -> Self {
        Self {
            format: Some(Format::Export),
            num_bytes,
            has_header: true,
            ..Self::default()
        }
    }

    /// How much text of an export lies behind what has been given, or before a page that is open:
    /// the rest can be read by [`Self::behind`]. `None` where it cannot.
    pub(super) fn place(&self) -> Option<u64> {
        let is_between_pages =
            self.format == Some(Format::Export) && self.has_header && self.until.is_none() && !self.is_closed;
        let rest = (self.buffer.len() - self.at) as u64;
        let position = self.open.as_ref().map(|open| open.position);
        is_between_pages.then(|| position.unwrap_or(self.num_bytes - rest))
    }

    /// Takes text; [`Self::next_piece`] must have given all of the text before.
    pub(super) fn push(&mut self, text: &[u8]) {
        self.forget();
        self.buffer.extend_from_slice(text);
        self.num_bytes += text.len() as u64;
    }

    /// Begins anew behind text that is lost; gives what becomes of a page that went on there.
    pub(super) fn skip_lost(&mut self) -> Option<Piece> {
        let cut = self.cut_page("the page goes on in a damaged part of the dump");
        self.buffer.clear();
        (self.at, self.until) = (0, None);
        cut
    }

    /// Whether what follows makes no sense without what has not been met yet: what the dump says of
    /// its wiki.
    pub(super) fn needs_header(&self) -> bool {
        matches!(self.format, None | Some(Format::Export)) && !self.has_header
    }

    /// Whether the text is no export: its end, if it is cut, ends nothing else.
    pub(super) fn is_no_export(&self) -> bool {
        matches!(self.format, Some(Format::Extracted | Format::Unknown))
    }

    /// Whether nothing has been cut off at the end.
    pub(super) fn is_complete(&self) -> bool {
        match self.format {
            Some(Format::Export) => self.is_closed && self.open.is_none(),
            Some(Format::Extracted | Format::Unknown) => true,
            None => false,
        }
    }

    /// The next part; `None` when more text is needed. `is_last`: no more text comes.
    pub(super) fn next_piece(&mut self, is_last: bool) -> Option<Piece> {
        if self.format.is_none() {
            let head = &self.buffer[..self.buffer.len().min(self.limits.header)];
            self.format = detect(head, is_last || head.len() == self.limits.header);
            match self.format {
                Some(Format::Unknown) => return Some(self.unknown()),
                // Its tags stand where lines begin.
                Some(Format::Extracted) => drop(self.buffer.drain(..blank_bytes(&self.buffer))),
                Some(Format::Export) | None => {}
            }
        }
        match self.format? {
            Format::Export => self.next_of(is_last, export_mark),
            Format::Extracted => self
                .next_of(is_last, extract_mark)
                .or_else(|| is_last.then(|| self.cut_page("the document has no </doc>: the file is cut"))?),
            Format::Unknown => {
                self.at = self.buffer.len();
                None
            }
        }
    }

    fn unknown(&mut self) -> Piece {
        self.at = self.buffer.len();
        let reason = if self.buffer.is_empty() {
            "the file is empty"
        } else {
            "neither a MediaWiki dump nor text of WikiExtractor"
        };
        Piece::Unusable {
            position: 0,
            start: Vec::new(),
            reason,
        }
    }

    fn next_of(&mut self, is_last: bool, mark_at: fn(&[u8], usize) -> Mark) -> Option<Piece> {
        while self.at < self.buffer.len() {
            if let Some(end) = self.until {
                let Some(found) = memmem::find(&self.buffer[self.at..], end) else {
                    self.at = self.at.max(self.buffer.len().saturating_sub(end.len() - 1));
                    break;
                };
                self.at += found + end.len();
                self.until = None;
            }
            let Some(found) = memchr(b'<', &self.buffer[self.at..]) else {
                self.at = self.buffer.len();
                break;
            };
            self.at += found;
            let rest = &self.buffer[self.at..];
            // Nothing that follows makes another tag of this one.
            if rest.len() < MARK_BYTES && !is_last && !rest.starts_with(b"</page>") {
                break;
            }
            let (tag, mark) = (self.at, mark_at(&self.buffer, self.at));
            self.at += 1;
            match mark {
                Mark::HeaderEnd => {
                    if let Some(piece) = self.end_header(tag) {
                        return Some(piece);
                    }
                }
                Mark::PageStart => {
                    if let Some(piece) = self.start_page(tag) {
                        return Some(piece);
                    }
                }
                Mark::PageEnd => {
                    if let Some(piece) = self.end_page(tag) {
                        return Some(piece);
                    }
                }
                Mark::Revision => self.start_revision(tag),
                Mark::DumpEnd => self.is_closed = true,
                Mark::Until(end) => self.until = Some(end),
                Mark::Other => {}
            }
        }
        None
    }

    fn end_header(&mut self, end: usize) -> Option<Piece> {
        let is_first = !std::mem::replace(&mut self.has_header, true);
        // A longer one may be gone in part.
        let is_held = end < self.limits.header;
        (is_first && is_held).then(|| Piece::Header(self.buffer[..end].to_vec()))
    }

    /// Opens a page, or gives first what stands before it: the tag is then met again.
    fn start_page(&mut self, tag: usize) -> Option<Piece> {
        if let Some(header) = self.end_header(tag) {
            self.at = tag;
            return Some(header);
        }
        if self.open.is_some() {
            self.at = tag;
            return self.cut_page("the page has no end: another one begins in it");
        }
        self.is_closed = false;
        self.open = Some(Open {
            start: tag,
            position: self.num_bytes - (self.buffer.len() - tag) as u64,
            revisions: None,
            too_long: None,
        });
        None
    }

    fn end_page(&mut self, tag: usize) -> Option<Piece> {
        let mut open = self.open.take()?;
        let rest = &self.buffer[tag..self.buffer.len().min(tag + MARK_BYTES)];
        let end = tag + memchr(b'>', rest).map_or("</page".len(), |length| length + 1);
        self.at = end;
        open.check_length(&self.buffer, end, self.limits);
        if let Some(start) = open.too_long {
            return Some(Piece::Unusable {
                position: open.position,
                start,
                reason: "the page is longer than 16 MiB",
            });
        }
        let page = &self.buffer[open.start..end];
        let position = open.position;
        if self.format == Some(Format::Extracted) {
            return Some(Piece::Extract {
                position,
                text: page.to_vec(),
            });
        }
        let xml = match open.revisions {
            Some((first, last)) => [&self.buffer[open.start..first], &self.buffer[last..end]].concat(),
            None => page.to_vec(),
        };
        Some(Piece::Page { position, xml })
    }

    fn start_revision(&mut self, tag: usize) {
        if let Some(open) = &mut self.open {
            open.check_length(&self.buffer, tag, self.limits);
            let first = open.revisions.map_or(tag, |(first, _)| first);
            open.revisions = Some((first, tag));
        }
    }

    fn cut_page(&mut self, reason: &'static str) -> Option<Piece> {
        let open = self.open.take()?;
        let beginning = open.beginning(&self.buffer, self.at, self.limits).to_vec();
        Some(Piece::Unusable {
            position: open.position,
            start: open.too_long.unwrap_or(beginning),
            reason,
        })
    }

    /// Drops what has been looked at and belongs to no open page, and earlier revisions of that.
    fn forget(&mut self) {
        if self.format.is_none() || (!self.has_header && self.at < self.limits.header) {
            return;
        }
        // Without a page in all this, no header comes.
        self.has_header = true;
        if let Some(open) = &mut self.open {
            if let Some((first, last)) = open.revisions {
                self.buffer.drain(first..last);
                self.at -= last - first;
                open.revisions = Some((first, first));
            }
            open.check_length(&self.buffer, self.at.max(open.start), self.limits);
            if open.too_long.is_some() {
                // The revisions lie in what goes.
                (open.start, open.revisions) = (self.at, None);
            }
        }
        // The character before tells whether a line begins.
        let keep = self
            .open
            .as_ref()
            .map_or(self.at, |open| open.start)
            .saturating_sub(1);
        self.buffer.drain(..keep);
        self.at -= keep;
        if let Some(open) = &mut self.open {
            open.start -= keep;
            open.revisions = open.revisions.map(|(first, last)| (first - keep, last - keep));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The pieces of a text that arrives in the given chunks.
    fn pieces(chunks: &[&[u8]]) -> Vec<Piece> {
        pieces_within(LIMITS, chunks)
    }

    fn pieces_within(limits: Limits, chunks: &[&[u8]]) -> Vec<Piece> {
        let mut cutter = Cutter::new(limits);
        let mut pieces = Vec::new();
        for chunk in chunks {
            cutter.push(chunk);
            pieces.extend(std::iter::from_fn(|| cutter.next_piece(false)));
        }
        pieces.extend(std::iter::from_fn(|| cutter.next_piece(true)));
        pieces
    }

    #[test]
    fn tags_in_comments_and_character_data_are_text() {
        let text = b"<mediawiki><!-- <page> --><page><text><![CDATA[</page>]]></text></page></mediawiki>";
        let [Piece::Header(header), Piece::Page { position: 26, xml }] = &pieces(&[text])[..] else {
            panic!()
        };
        assert_eq!(header, b"<mediawiki><!-- <page> -->");
        assert_eq!(xml, b"<page><text><![CDATA[</page>]]></text></page>");
    }

    #[test]
    fn of_several_revisions_the_last_one_stays_and_earlier_ones_are_not_held() {
        let revision = format!("<revision>{}</revision>", "x".repeat(100_000));
        let mut cutter = Cutter::default();
        cutter.push(b"<mediawiki><page><title>T</title>");
        for _ in 0..1_000 {
            cutter.push(revision.as_bytes());
            while cutter.next_piece(false).is_some() {}
            assert!(cutter.buffer.len() < 500_000, "{}", cutter.buffer.len());
        }
        cutter.push(b"<revision>last</revision></page></mediawiki>");
        let Some(Piece::Page { xml, .. }) = cutter.next_piece(true) else {
            panic!()
        };
        assert_eq!(xml, b"<page><title>T</title><revision>last</revision></page>");
        assert!(cutter.next_piece(true).is_none() && cutter.is_complete());
    }

    #[test]
    fn a_page_beyond_the_limit_is_refused_by_name_before_it_is_buffered() {
        let mut cutter = Cutter::default();
        cutter.push(&[b"<mediawiki>".as_slice(), &b" ".repeat(MAX_HEADER_BYTES)].concat());
        cutter.push(b"<page><title>Long</title><revision><text>");
        while cutter.next_piece(false).is_some() {}
        let chunk = b"text &lt; ".repeat(100_000);
        for _ in 0..40 {
            cutter.push(&chunk);
            while cutter.next_piece(false).is_some() {}
            assert!(cutter.buffer.len() <= LIMITS.page + 2 * chunk.len());
        }
        cutter.push(b"</text></revision></page><page><title>Next</title></page></mediawiki>");
        let Some(Piece::Unusable { start, reason, .. }) = cutter.next_piece(true) else {
            panic!()
        };
        assert!(start.starts_with(b"<page><title>Long</title>") && reason.contains("16 MiB"));
        assert!(matches!(cutter.next_piece(true), Some(Piece::Page { .. })));
        assert!(cutter.next_piece(true).is_none() && cutter.is_complete());
    }

    #[test]
    fn text_of_another_kind_is_refused_once() {
        for text in ["<html><page></page></html>", "plain", "{}", ""] {
            let pieces = pieces(&[text.as_bytes()]);
            assert!(matches!(&pieces[..], [Piece::Unusable { .. }]), "{pieces:?}");
        }
    }

    #[test]
    fn the_first_document_behind_a_byte_order_mark_or_blanks_is_cut_like_any_other() {
        let document = b"<doc id=\"1\" title=\"A\">\nA\n</doc>";
        for blank in ["", "\u{feff}", "\n", " \r\n\t", "\u{feff}\n", "\n\u{feff} "] {
            let text = [blank.as_bytes(), document].concat();
            for cut in 0..text.len() {
                let pieces = pieces(&[&text[..cut], &text[cut..]]);
                let [Piece::Header(_), Piece::Extract { position, text }] = &pieces[..] else {
                    panic!("{blank:?}: {pieces:?}")
                };
                assert_eq!((*position, &text[..]), (blank.len() as u64, &document[..]));
            }
        }
    }

    #[test]
    fn whether_a_page_is_too_long_depends_on_each_revision_by_itself_and_on_no_chunk() {
        let limits = Limits {
            page: 200,
            kept: 100,
            ..LIMITS
        };
        let revision = |length: usize| format!("<revision>{}</revision>", "x".repeat(length));
        for (lengths, is_refused) in [
            ([120, 120, 120], false),
            ([120, 190, 1], true),
            ([1, 1, 190], true),
        ] {
            let revisions = lengths.map(revision).concat();
            let text = format!("<mediawiki><page><title>T</title>{revisions}</page></mediawiki>");
            for size in [1, 7, 50, text.len()] {
                let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
                let pieces = pieces_within(limits, &chunks);
                let refused =
                    matches!(&pieces[1], Piece::Unusable { start, .. } if start == b"<page><title>T</title>");
                assert_eq!(refused, is_refused, "{lengths:?} by {size}: {pieces:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn where_the_text_is_divided_does_not_matter(
            start in prop_oneof![
                Just("<mediawiki>"), Just("\u{feff}<mediawiki>"), Just("<doc id=\"1\">\n"), Just("\u{feff}\n<doc id=\"1\">\n"), Just(""),
            ],
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("<page>"), Just("</page>"), Just("<revision>"), Just("<!--"), Just("-->"), Just("<![CDATA["), Just("]]>"),
                    Just("</mediawiki>"), Just("<doc "), Just("</doc>"), Just("\n"), Just("<"), Just("text"), Just("</page"), Just("<pager>"),
                ],
                0..40,
            ),
            cuts in proptest::collection::vec(0usize..200, 0..6),
            page in 16usize..120,
            kept in 1usize..16,
            header in 8usize..80,
        ) {
            let text = start.to_owned() + &parts.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.push(text.len());
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&text.as_bytes()[from..cut]);
                from = cut;
            }
            for limits in [LIMITS, Limits { page, kept, header }] {
                prop_assert_eq!(pieces_within(limits, &chunks), pieces_within(limits, &[text.as_bytes()]));
            }
        }
    }
}

//! Cuts a dump's text into batches of pages and has the workers read them.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use rayon::Scope;

use super::cut::{Cutter, Piece};
use super::export::{parse_header, parse_page, title_of};
use super::extract::read_extract;
use super::marks::MARK_BYTES;
use super::page::{PageResult, rejected};
use super::pending::Pending;
use super::report::DumpReport;
use super::resume::{DumpPlace, Reading, text_place};
use super::site::SiteInfo;
use super::streams::{Chunk, LostBytes};
use super::text::DumpText;
use crate::error::DumpError;

/// Pages are given to workers in batches of about this many bytes.
const BATCH_BYTES: usize = 512 << 10;

/// How the next part of a divided dump begins, with all that is looked at behind a tag.
const NEXT_PAGE: &[u8] = b"<page>                ";
const _: () = assert!(NEXT_PAGE.len() >= MARK_BYTES, "a tag is told by what follows it");

/// What the pages of a batch became, and the count of it.
pub(super) type Batch<T> = (Vec<T>, DumpReport);

/// What comes next, in the dump's order.
pub(super) enum Sent<T> {
    Batch(Pending<Batch<T>>),
    /// Reading could begin here.
    Place(DumpPlace),
}

/// Makes the batches of one dump.
pub(super) struct Batches<'a, 'scope, P, T> {
    scope: &'a Scope<'scope>,
    sender: SyncSender<Sent<T>>,
    prepare: &'scope P,
    reading: Reading,
    /// Where in the file the next place may be.
    next_place: u64,
    site: Arc<SiteInfo>,
    items: Vec<Item>,
    num_bytes: usize,
}

/// What becomes one result.
enum Item {
    Piece(Piece),
    Lost(LostBytes),
}

/// Nobody takes results any more.
struct Unheard;

impl<'a, 'scope, P, T> Batches<'a, 'scope, P, T>
where
    P: Fn(PageResult) -> T + Sync,
    T: Send + 'scope,
{
    pub(super) fn new(
        scope: &'a Scope<'scope>,
        sender: SyncSender<Sent<T>>,
        prepare: &'scope P,
        reading: Reading,
    ) -> Self {
        Self {
            scope,
            sender,
            prepare,
            next_place: reading.from.offset.saturating_add(reading.places_every),
            site: Arc::new(reading.from.site.clone()),
            reading,
            items: Vec::new(),
            num_bytes: 0,
        }
    }

    /// Cuts `text` until it ends, fails, or nobody takes the results.
    pub(super) fn cut(mut self, mut text: DumpText<'_, 'scope>) -> Result<(), DumpError> {
        let mut cutter = match &self.reading.from {
            start if start.offset == 0 => Cutter::default(),
            place => Cutter::behind(place.text_bytes),
        };
        let ended = loop {
            let is_heard = match text.next_chunk() {
                Ok(Some(Chunk::Text(chunk))) => {
                    cutter.push(&chunk);
                    let added = self.add_pieces(&mut cutter, false);
                    added.and_then(|()| self.add_place(&cutter, &text))
                }
                Ok(Some(Chunk::Lost(lost))) if cutter.needs_header() => {
                    break Err(text.damaged(lost.offset));
                }
                Ok(Some(Chunk::Lost(lost))) => self.add_lost(&mut cutter, lost),
                Ok(None) if self.reading.until.is_some() => {
                    // A page that is open ends where the next part begins, as it does in one reading.
                    cutter.push(NEXT_PAGE);
                    let _ = self.add_pieces(&mut cutter, false);
                    break Ok(());
                }
                Ok(None) => {
                    let is_heard = self.add_pieces(&mut cutter, true);
                    break if is_heard.is_err() || cutter.is_complete() {
                        Ok(())
                    } else {
                        Err(text.cut(&self.reading.from, cutter.num_bytes))
                    };
                }
                Err(DumpError::Truncated { .. } | DumpError::Damaged { .. }) if cutter.is_no_export() => {
                    let _ = self.add_cut(&mut cutter);
                    break Ok(());
                }
                Err(DumpError::Truncated { .. }) => {
                    break Err(text.cut(&self.reading.from, cutter.num_bytes));
                }
                Err(error) => break Err(error),
            };
            if is_heard.is_err() {
                return Ok(());
            }
        };
        // What was whole before the end, good or bad, is handed on.
        let _ = self.send();
        ended
    }

    fn add_pieces(&mut self, cutter: &mut Cutter, is_last: bool) -> Result<(), Unheard> {
        while let Some(piece) = cutter.next_piece(is_last) {
            match piece {
                Piece::Header(xml) => self.site = Arc::new(parse_header(&xml)),
                piece => {
                    let num_bytes = piece.num_bytes();
                    self.add(Item::Piece(piece), num_bytes)?;
                }
            }
        }
        Ok(())
    }

    /// Tells where reading could begin, if it is far enough behind the last such place.
    fn add_place(&mut self, cutter: &Cutter, text: &DumpText<'_, 'scope>) -> Result<(), Unheard> {
        let place = cutter.place().and_then(|position| {
            let offset = text.offset_at(position, cutter.num_bytes)?;
            // Where the part ends, no other piece of it begins.
            let goes_on = self.reading.until.is_none_or(|until| offset < until);
            (offset >= self.next_place && goes_on).then_some((offset, position))
        });
        let Some((offset, text_bytes)) = place else {
            return Ok(());
        };
        self.next_place = offset.saturating_add(self.reading.places_every);
        self.send()?;
        let place = DumpPlace {
            offset,
            part_offset: self.reading.from.part_offset,
            text_bytes,
            site: self.site.as_ref().clone(),
        };
        self.sender.send(Sent::Place(place)).map_err(|_| Unheard)
    }

    fn add_lost(&mut self, cutter: &mut Cutter, lost: LostBytes) -> Result<(), Unheard> {
        self.add_pieces(cutter, true)?;
        if let Some(cut) = cutter.skip_lost() {
            self.add(Item::Piece(cut), 0)?;
        }
        self.add(Item::Lost(lost), 0)
    }

    /// Other text than an export goes as far as it can be read.
    fn add_cut(&mut self, cutter: &mut Cutter) -> Result<(), Unheard> {
        self.add_pieces(cutter, true)?;
        let cut = Piece::Unusable {
            position: cutter.num_bytes,
            start: Vec::new(),
            reason: "the file is cut or damaged: it can be read no further",
        };
        self.add(Item::Piece(cut), 0)
    }

    fn add(&mut self, item: Item, num_bytes: usize) -> Result<(), Unheard> {
        self.items.push(item);
        // A page without text costs something, too.
        self.num_bytes += num_bytes + 64;
        if self.num_bytes >= BATCH_BYTES {
            self.send()
        } else {
            Ok(())
        }
    }

    fn send(&mut self) -> Result<(), Unheard> {
        let items = std::mem::take(&mut self.items);
        self.num_bytes = 0;
        let (site, prepare) = (Arc::clone(&self.site), self.prepare);
        let part_offset = self.reading.from.part_offset;
        let read = move || read_batch(items, (&site, part_offset), prepare);
        let pending = Pending::start(self.scope, read);
        self.sender.send(Sent::Batch(pending)).map_err(|_| Unheard)
    }
}

fn read_batch<T>(
    items: Vec<Item>,
    (site, part_offset): (&SiteInfo, u64),
    prepare: &impl Fn(PageResult) -> T,
) -> Batch<T> {
    let mut report = DumpReport::default();
    let results = items.into_iter().map(|item| {
        let result = match item {
            Item::Piece(piece) => piece.into_result(site, part_offset),
            Item::Lost(lost) => lost.into_result(),
        };
        report.count(&result);
        prepare(result)
    });
    (results.collect(), report)
}

impl Piece {
    fn num_bytes(&self) -> usize {
        match self {
            Self::Header(bytes) | Self::Page { xml: bytes, .. } | Self::Extract { text: bytes, .. } => {
                bytes.len()
            }
            Self::Unusable { start, .. } => start.len(),
        }
    }

    fn into_result(self, site: &SiteInfo, part_offset: u64) -> PageResult {
        let unusable =
            |position, start: &[u8], reason| unusable(&text_place(part_offset, position), start, reason);
        match self {
            Self::Page { position, xml } => match parse_page(&xml) {
                Ok(page) => page.into_result(site),
                Err(reason) => unusable(position, &xml, reason),
            },
            Self::Extract { position, text } => read_extract(&text, position),
            Self::Unusable {
                position,
                start,
                reason,
            } => unusable(position, &start, reason),
            Self::Header(_) => unusable(0, &[], "a header where a page was expected"),
        }
    }
}

impl LostBytes {
    fn into_result(self) -> PageResult {
        let title = format!("bytes {} to {}", self.offset, self.offset + self.num_bytes);
        PageResult::new(title, rejected(self.reason))
    }
}

/// A page that cannot be read, named by its place and, as far as it can be found, its title.
fn unusable(place: &str, start: &[u8], reason: &str) -> PageResult {
    let title = title_of(start).map_or_else(|| place.to_owned(), |title| format!("{title} ({place})"));
    PageResult::new(title, rejected(reason))
}

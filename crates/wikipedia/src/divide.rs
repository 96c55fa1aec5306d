//! Where a dump of many bzip2 streams can be divided, so that its parts are read by themselves, on
//! several machines or again after a kill. It reads no page.
//!
//! A part begins where a stream begins whose text begins with a page, as all of Wikimedia's
//! multistream dumps do. A dump of one stream, or of streams that end inside of pages, stays whole.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use bzip2::read::{BzDecoder, MultiBzDecoder};
use encoding_rs::{Encoding, UTF_8};

use super::cut::{Cutter, Piece};
use super::export::parse_header;
use super::format::{MAX_HEADER_BYTES, blank_bytes};
use super::marks::{Mark, export_mark};
use super::resume::DumpPlace;
use super::site::SiteInfo;
use super::source::{MARK_BYTES, MAX_STREAM_BYTES, find_start};
use super::text::unreadable;
use crate::error::DumpError;

const READ_BYTES: usize = 256 << 10;
/// Text at the start of a stream in which its first tag must stand.
const MAX_START_BYTES: u64 = 4 << 10;
/// Streams that are looked at where a part might begin: one may be damaged.
const MAX_TRIES: usize = 4;

/// Where the parts of a dump begin, each at least `part_bytes` of the file long; the first place is
/// the beginning. A dump that cannot be divided is one part.
///
/// # Errors
/// [`DumpError::Read`] when the file cannot be read.
pub fn divide(path: &Path, part_bytes: u64) -> Result<Vec<DumpPlace>, DumpError> {
    parts(path, part_bytes.max(1)).map_err(|error| unreadable(path, error))
}

fn parts(path: &Path, part_bytes: u64) -> io::Result<Vec<DumpPlace>> {
    let mut places = vec![DumpPlace::default()];
    let file = durable::open_file(path)?;
    let file_bytes = file.metadata()?.len();
    if file_bytes < 2 * part_bytes {
        return Ok(places);
    }
    let Some(site) = site_of(&file)? else {
        return Ok(places);
    };
    let mut from = part_bytes;
    while from + part_bytes <= file_bytes {
        let Some(offset) = stream_with_page(&file, from)? else {
            break;
        };
        if offset + part_bytes > file_bytes {
            break;
        }
        places.push(DumpPlace::part(offset, site.clone()));
        from = offset + part_bytes;
    }
    Ok(places)
}

/// What the header of a compressed export says; `None` for any other file.
fn site_of(file: &File) -> io::Result<Option<SiteInfo>> {
    let mut mark = [0; 3];
    if (FileAt { file, at: 0 }).read(&mut mark)? < mark.len() || mark != *b"BZh" {
        return Ok(None);
    }
    let mut head = Vec::new();
    // Damage is told when the dump is read.
    let _ = MultiBzDecoder::new(FileAt { file, at: 0 })
        .take(MAX_HEADER_BYTES as u64)
        .read_to_end(&mut head);
    if Encoding::for_bom(&head).is_some_and(|(encoding, _)| encoding != UTF_8) {
        return Ok(None);
    }
    let mut cutter = Cutter::default();
    cutter.push(&head);
    Ok(match cutter.next_piece(false) {
        Some(Piece::Header(xml)) => Some(parse_header(&xml)),
        _ => None,
    })
}

/// Where the first stream at or behind `from` begins whose text begins with a page.
fn stream_with_page(file: &File, from: u64) -> io::Result<Option<u64>> {
    let mut reader = FileAt { file, at: from };
    let (mut bytes, mut searched, mut num_tries) = (Vec::new(), 0, 0);
    while bytes.len() < MAX_STREAM_BYTES {
        let mut more = (&mut reader).take(READ_BYTES as u64);
        if more.read_to_end(&mut bytes)? == 0 {
            return Ok(None);
        }
        while let Some(start) = find_start(&bytes, searched) {
            let offset = from + start as u64;
            if begins_page(FileAt { file, at: offset }) {
                return Ok(Some(offset));
            }
            num_tries += 1;
            if num_tries == MAX_TRIES {
                return Ok(None);
            }
            searched = start + 1;
        }
        searched = searched.max(bytes.len().saturating_sub(MARK_BYTES - 1));
    }
    Ok(None)
}

fn begins_page(stream: FileAt<'_>) -> bool {
    let mut text = Vec::new();
    // What is no stream, or a damaged one, has no text.
    let _ = BzDecoder::new(stream)
        .take(MAX_START_BYTES)
        .read_to_end(&mut text);
    let first = blank_bytes(&text);
    first < text.len() && matches!(export_mark(&text, first), Mark::PageStart)
}

/// A file read from a place on, whatever others read of it.
struct FileAt<'a> {
    file: &'a File,
    at: u64,
}

impl Read for FileAt<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(bytes, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

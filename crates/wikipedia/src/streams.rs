//! The text of a bzip2 file: its streams are decoded on all threads and handed on in order.
//!
//! Wikimedia's multistream dumps have a stream every hundred pages. A stream that is damaged is
//! named and left out, and the others go on. Where one stream is longer than is held in memory
//! (a file of one stream, or of another tool) it is decoded piece by piece on the calling thread;
//! damage there ends the file, because what was handed on before may be wrong.

use std::collections::VecDeque;
use std::path::Path;

use bzip2::{Decompress, Status};
use rayon::Scope;

use super::pending::Pending;
use super::source::{Next, Source};
use crate::error::DumpError;

/// Text handed on at once from a stream that is decoded piece by piece.
const PIECE_BYTES: usize = 1 << 20;
/// Text of one stream that is held: 16 times its compressed length, within these bounds.
const LEAST_TEXT_BYTES: usize = 4 << 20;
const MOST_TEXT_BYTES: usize = 64 << 20;
/// What all streams that are being decoded may come to.
const TEXT_AHEAD_BYTES: usize = 256 << 20;
/// Starts that were none in one stream, before it passes for damaged.
const MAX_FALSE_STARTS: usize = 3;

/// What comes next in a dump.
pub(super) enum Chunk {
    /// Text, of any length.
    Text(Vec<u8>),
    /// Part of the file that has no text.
    Lost(LostBytes),
}

/// Part of a file that could not be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LostBytes {
    pub(super) offset: u64,
    pub(super) num_bytes: u64,
    pub(super) reason: &'static str,
}

/// How decoding one stream ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// With the last byte.
    Whole,
    /// Before the last byte.
    Early {
        used: usize,
    },
    /// Not at all: the bytes end first.
    Cut,
    /// The text has reached its limit.
    TooLong,
    Damaged,
}

struct Decoded {
    text: Vec<u8>,
    end: End,
}

/// A stream that is being decoded by a worker.
struct Part {
    offset: u64,
    compressed: Vec<u8>,
    decoded: Pending<Decoded>,
}

/// A stream that is decoded piece by piece.
struct Piecewise {
    offset: u64,
    decoder: Decompress,
    /// The stream's bytes; without, they come from the source.
    held: Option<(Vec<u8>, usize)>,
}

/// The text of a bzip2 file.
pub(super) struct Streams<'a, 'scope> {
    path: &'a Path,
    source: Source,
    scope: &'a Scope<'scope>,
    num_ahead: usize,
    parts: VecDeque<Part>,
    next_is_long: bool,
    piecewise: Option<Piecewise>,
    lost: Option<LostBytes>,
    /// Streams that were whole so far.
    num_whole: usize,
    /// Where the stream ends that the last chunk was the end of.
    pub(super) boundary: Option<u64>,
}

impl<'a, 'scope> Streams<'a, 'scope> {
    pub(super) fn new(path: &'a Path, source: Source, scope: &'a Scope<'scope>, num_threads: usize) -> Self {
        Self {
            path,
            scope,
            num_ahead: 2 * num_threads + 2,
            parts: VecDeque::new(),
            next_is_long: false,
            piecewise: None,
            lost: None,
            // Whether those before it were whole, another reading says.
            num_whole: usize::from(source.offset > 0),
            source,
            boundary: None,
        }
    }

    /// The next part of the text; `None` at the end of the file.
    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>, DumpError> {
        self.boundary = None;
        loop {
            if let Some(lost) = self.lost.take() {
                return Ok(Some(Chunk::Lost(lost)));
            }
            if self.piecewise.is_some() {
                if let Some(text) = self.next_piece()? {
                    return Ok(Some(Chunk::Text(text)));
                }
                continue;
            }
            self.read_ahead()?;
            if let Some(part) = self.parts.pop_front() {
                if let Some(chunk) = self.settle(part)? {
                    return Ok(Some(chunk));
                }
            } else if self.next_is_long {
                self.next_is_long = false;
                self.piecewise = Some(Piecewise::new(self.source.offset, None));
            } else {
                return Ok(None);
            }
        }
    }

    /// Gives the workers as many streams as may be ahead.
    fn read_ahead(&mut self) -> Result<(), DumpError> {
        let mut text_bytes: usize = self.parts.iter().map(|part| text_limit(&part.compressed)).sum();
        while !self.next_is_long
            && (self.parts.len() < 2 || (self.parts.len() < self.num_ahead && text_bytes < TEXT_AHEAD_BYTES))
        {
            let offset = self.source.offset;
            match self
                .source
                .next_stream()
                .map_err(|source| self.unreadable(source))?
            {
                Next::End => return Ok(()),
                Next::Long => self.next_is_long = true,
                Next::Stream(compressed) => {
                    text_bytes += text_limit(&compressed);
                    let bytes = compressed.clone();
                    self.parts.push_back(Part {
                        offset,
                        compressed,
                        decoded: Pending::start(self.scope, move || decode(&bytes)),
                    });
                }
            }
        }
        Ok(())
    }

    /// The text of a stream that a worker has decoded; `None` when it must be decoded otherwise.
    fn settle(&mut self, part: Part) -> Result<Option<Chunk>, DumpError> {
        let Some(decoded) = part.decoded.wait() else {
            return Ok(None);
        };
        match decoded.end {
            End::Whole => {
                self.num_whole += 1;
                self.boundary = Some(part.offset + part.compressed.len() as u64);
            }
            End::Early { used } => {
                self.num_whole += 1;
                self.lost = Some(LostBytes {
                    offset: part.offset + used as u64,
                    num_bytes: (part.compressed.len() - used) as u64,
                    reason: "bytes that are no bzip2 stream, or one whose start is damaged",
                });
            }
            End::TooLong => {
                self.piecewise = Some(Piecewise::new(part.offset, Some(part.compressed)));
                return Ok(None);
            }
            End::Cut => return self.go_on_behind_false_start(part.offset, part.compressed),
            End::Damaged => return self.lose(part.offset, part.compressed.len()).map(Some),
        }
        Ok(Some(Chunk::Text(decoded.text)))
    }

    /// A stream goes on where the next one seemed to begin, if it ends well then; else it is damaged.
    fn go_on_behind_false_start(
        &mut self,
        offset: u64,
        mut compressed: Vec<u8>,
    ) -> Result<Option<Chunk>, DumpError> {
        self.read_ahead()?;
        if self.parts.is_empty() && self.next_is_long {
            self.next_is_long = false;
            self.source.offset = offset;
            compressed.append(&mut self.source.ahead);
            self.source.ahead = compressed;
            self.piecewise = Some(Piecewise::new(offset, None));
            return Ok(None);
        }
        if self.parts.is_empty() && !self.source.is_part {
            return Err(self.cut());
        }
        let first_bytes = compressed.len();
        for num_joined in 1..=self.parts.len().min(MAX_FALSE_STARTS) {
            compressed.extend_from_slice(&self.parts[num_joined - 1].compressed);
            let decoded = decode(&compressed);
            match decoded.end {
                End::Whole => {
                    self.parts.drain(..num_joined);
                    self.num_whole += 1;
                    return Ok(Some(Chunk::Text(decoded.text)));
                }
                End::Cut => {}
                End::TooLong | End::Early { .. } | End::Damaged => break,
            }
        }
        self.lose(offset, first_bytes).map(Some)
    }

    /// Leaves a damaged stream out, unless nothing else is in the file.
    fn lose(&mut self, offset: u64, num_bytes: usize) -> Result<Chunk, DumpError> {
        self.read_ahead()?;
        let is_last = self.parts.is_empty() && !self.next_is_long && !self.source.is_part;
        if self.num_whole == 0 && is_last {
            return Err(self.damaged(offset));
        }
        Ok(Chunk::Lost(LostBytes {
            offset,
            num_bytes: num_bytes as u64,
            reason: "a damaged bzip2 stream: the pages in it are lost",
        }))
    }

    fn next_piece(&mut self) -> Result<Option<Vec<u8>>, DumpError> {
        let Some(mut piecewise) = self.piecewise.take() else {
            return Ok(None);
        };
        let mut text = Vec::with_capacity(PIECE_BYTES);
        while text.len() < PIECE_BYTES {
            let input = match &piecewise.held {
                Some((bytes, at)) => &bytes[*at..],
                None => &self.source.ahead,
            };
            let (before, length) = (piecewise.decoder.total_in(), text.len());
            let status = piecewise.decoder.decompress_vec(input, &mut text);
            let used = usize::try_from(piecewise.decoder.total_in() - before).unwrap_or(input.len());
            let is_stuck = used == 0 && text.len() == length;
            match &mut piecewise.held {
                Some((_, at)) => *at += used,
                None => drop(self.source.take(used)),
            }
            match status {
                Ok(Status::StreamEnd) => {
                    self.end_piecewise(&piecewise);
                    return Ok(Some(text));
                }
                Ok(_) if is_stuck && (piecewise.held.is_some() || self.source.is_at_end) => {
                    return Err(self.cut());
                }
                Ok(_) if is_stuck => self
                    .source
                    .read_more()
                    .map_err(|source| self.unreadable(source))?,
                Ok(_) => {}
                Err(_) => return Err(self.damaged(piecewise.offset)),
            }
        }
        self.piecewise = Some(piecewise);
        Ok(Some(text))
    }

    fn end_piecewise(&mut self, piecewise: &Piecewise) {
        self.num_whole += 1;
        match &piecewise.held {
            Some((bytes, used)) if *used < bytes.len() => {
                self.lost = Some(LostBytes {
                    offset: piecewise.offset + *used as u64,
                    num_bytes: (bytes.len() - used) as u64,
                    reason: "bytes that are no bzip2 stream, or one whose start is damaged",
                });
            }
            Some((bytes, _)) => self.boundary = Some(piecewise.offset + bytes.len() as u64),
            None => self.boundary = Some(self.source.offset),
        }
    }

    fn unreadable(&self, source: std::io::Error) -> DumpError {
        DumpError::Read {
            operation: "read",
            path: self.path.to_owned(),
            source,
        }
    }

    fn damaged(&self, offset: u64) -> DumpError {
        DumpError::Damaged {
            path: self.path.to_owned(),
            offset,
        }
    }

    /// The caller knows how much text there was.
    fn cut(&self) -> DumpError {
        DumpError::Truncated {
            path: self.path.to_owned(),
            part_offset: 0,
            position: 0,
        }
    }
}

impl Piecewise {
    fn new(offset: u64, held: Option<Vec<u8>>) -> Self {
        Self {
            offset,
            decoder: Decompress::new(false),
            held: held.map(|bytes| (bytes, 0)),
        }
    }
}

/// How much text of a stream is held; what a page can be compressed to is far below.
fn text_limit(compressed: &[u8]) -> usize {
    compressed
        .len()
        .saturating_mul(16)
        .clamp(LEAST_TEXT_BYTES, MOST_TEXT_BYTES)
}

/// Decodes one stream.
fn decode(compressed: &[u8]) -> Decoded {
    let limit = text_limit(compressed);
    let mut decoder = Decompress::new(false);
    let mut text = Vec::with_capacity((4 * compressed.len() + 64).min(limit));
    loop {
        let used = usize::try_from(decoder.total_in()).unwrap_or(compressed.len());
        let (rest, length) = (&compressed[used..], text.len());
        let status = decoder.decompress_vec(rest, &mut text);
        let used = usize::try_from(decoder.total_in()).unwrap_or(compressed.len());
        let is_full = text.len() == text.capacity();
        let end = match status {
            Ok(Status::StreamEnd) if used == compressed.len() => End::Whole,
            Ok(Status::StreamEnd) => End::Early { used },
            Ok(_) if is_full && text.len() >= limit => End::TooLong,
            Ok(_) if is_full => {
                text.reserve_exact(text.capacity().min(limit - text.len()).max(1));
                continue;
            }
            Ok(_) if used == compressed.len() && text.len() == length => End::Cut,
            Ok(_) => continue,
            Err(_) => End::Damaged,
        };
        return Decoded { text, end };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bzip2::Compression;
    use bzip2::read::BzEncoder;
    use std::io::{Cursor, Read as _};

    fn compressed(text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        BzEncoder::new(text, Compression::fast())
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    }

    /// The text of a file and what was lost of it.
    fn read(bytes: &[u8]) -> (Vec<u8>, Vec<LostBytes>, Option<DumpError>) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let source = Source::new(Box::new(Cursor::new(bytes.to_vec())), 0);
        let (mut text, mut lost) = (Vec::new(), Vec::new());
        let error = pool.in_place_scope(|scope| {
            let mut streams = Streams::new(Path::new("x.bz2"), source, scope, 2);
            loop {
                match streams.next_chunk() {
                    Ok(Some(Chunk::Text(part))) => text.extend(part),
                    Ok(Some(Chunk::Lost(part))) => lost.push(part),
                    Ok(None) => return None,
                    Err(error) => return Some(error),
                }
            }
        });
        (text, lost, error)
    }

    /// Letters that do not compress to nothing.
    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            b'a' + (state >> 60) as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn a_stream_that_holds_the_mark_of_a_start_is_read_whole() {
        // A block says which of the 256 bytes it holds as a row of bits; here the row is the mark.
        let mark = b"BZh91AY&SY";
        let is_used = |byte: usize| {
            let bit = byte.wrapping_sub(7);
            bit >= 80 || mark[bit / 8] >> (7 - bit % 8) & 1 == 1
        };
        let text: Vec<u8> = (0..=255u8).filter(|byte| is_used(usize::from(*byte))).collect();
        let bytes = compressed(&text);
        assert_eq!(&bytes[20..30], mark);
        for after in [Vec::new(), compressed(b"more"), compressed(&noise(1, 20 << 20))] {
            let (read, lost, error) = read(&[bytes.clone(), after.clone()].concat());
            assert!(lost.is_empty() && error.is_none(), "{lost:?} {error:?}");
            assert!(read.starts_with(&text) && (read.len() > text.len()) != after.is_empty());
        }
    }

    #[test]
    fn a_damaged_stream_is_named_and_the_others_are_read() {
        let streams: Vec<Vec<u8>> = (0..20).map(|seed| compressed(&noise(seed, 5_000))).collect();
        let offset = streams[..7].concat().len();
        for place in [0, 1, 4, 12, 600, streams[7].len() - 2] {
            let mut bytes = streams.concat();
            bytes[offset + place] ^= 0x10;
            let (text, lost, error) = read(&bytes);
            assert!(error.is_none(), "{error:?}");
            let [lost] = &lost[..] else { panic!("{lost:?}") };
            let expected = (offset as u64, streams[7].len() as u64);
            assert_eq!((lost.offset, lost.num_bytes), expected, "byte {place}");
            let whole = (0..20)
                .filter(|seed| *seed != 7)
                .flat_map(|seed| noise(seed, 5_000));
            assert!(text.iter().copied().eq(whole), "byte {place}");
        }
    }

    #[test]
    fn a_stream_that_unfolds_to_more_than_is_held_is_read_in_pieces() {
        let text = vec![b' '; LEAST_TEXT_BYTES * 5];
        let bytes = [compressed(b"a"), compressed(&text), compressed(b"z")].concat();
        let (read, lost, error) = read(&bytes);
        assert!(lost.is_empty() && error.is_none(), "{error:?}");
        assert_eq!(read.len(), text.len() + 2);
        assert_eq!((read[0], read[read.len() - 1]), (b'a', b'z'));
    }

    #[test]
    fn a_file_that_ends_inside_a_stream_says_so_and_a_damaged_lone_stream_is_an_error() {
        let bytes = compressed(&noise(3, 30_000));
        for length in [10, 11, 400, bytes.len() - 1] {
            let both = [&bytes[..], &bytes[..length]].concat();
            let (text, _, error) = read(&both);
            assert!(
                matches!(error, Some(DumpError::Truncated { .. })),
                "{length}: {error:?}"
            );
            assert_eq!(text.len(), 30_000);
        }
        let mut damaged = bytes;
        damaged[500] ^= 1;
        let (_, _, error) = read(&damaged);
        assert!(
            matches!(error, Some(DumpError::Damaged { offset: 0, .. })),
            "{error:?}"
        );
    }
}

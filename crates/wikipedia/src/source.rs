//! The bytes of a dump file, read ahead and cut where a bzip2 stream seems to begin. It decodes
//! nothing.
//!
//! A stream begins with `BZh`, a digit and the mark of a block (or of an empty stream's end), at a
//! byte boundary: 80 bits that other compressed data has by chance once in 10^24 bytes. Whether a
//! stream really begins there is found out by decoding (see [`super::streams`]).

use std::io::{self, Read};

use memchr::memmem;

/// Compressed streams up to this length are held in memory; Wikimedia's have about 1 MB.
pub(super) const MAX_STREAM_BYTES: usize = 8 << 20;
const READ_BYTES: usize = 1 << 20;
/// Bytes that tell a stream's start.
pub(super) const MARK_BYTES: usize = 10;
const BLOCK: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
const END: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];

/// A file being read.
pub(super) struct Source {
    reader: Box<dyn Read + Send>,
    /// Bytes that were read and not taken yet.
    pub(super) ahead: Vec<u8>,
    /// Where in the file `ahead` begins.
    pub(super) offset: u64,
    pub(super) is_at_end: bool,
    /// Whether the file goes on where the reader ends: another part of a dump begins there.
    pub(super) is_part: bool,
}

/// What comes next in a file of bzip2 streams.
pub(super) enum Next {
    /// The bytes from here to where another stream seems to begin, or the file ends.
    Stream(Vec<u8>),
    /// More than [`MAX_STREAM_BYTES`] until then; the bytes stay in [`Source::ahead`].
    Long,
    /// Nothing.
    End,
}

impl Source {
    /// `offset` is where in the file `reader` begins.
    pub(super) fn new(reader: Box<dyn Read + Send>, offset: u64) -> Self {
        Self {
            reader,
            ahead: Vec::new(),
            offset,
            is_at_end: false,
            is_part: false,
        }
    }

    /// Reads on, by [`READ_BYTES`] or to the end of the file.
    pub(super) fn read_more(&mut self) -> io::Result<()> {
        let mut limited = self.reader.by_ref().take(READ_BYTES as u64);
        let length = limited.read_to_end(&mut self.ahead)?;
        self.is_at_end |= length < READ_BYTES;
        Ok(())
    }

    /// Whether the file begins with `mark`.
    pub(super) fn starts_with(&mut self, mark: &[u8]) -> io::Result<bool> {
        if self.ahead.is_empty() && !self.is_at_end {
            self.read_more()?;
        }
        Ok(self.ahead.starts_with(mark))
    }

    /// Takes the first `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.ahead.split_off(length);
        self.offset += length as u64;
        std::mem::replace(&mut self.ahead, rest)
    }

    /// Everything that was read and not taken; reads where there is none. Empty at the end.
    pub(super) fn take_chunk(&mut self) -> io::Result<Vec<u8>> {
        if self.ahead.is_empty() && !self.is_at_end {
            self.read_more()?;
        }
        let length = self.ahead.len();
        Ok(self.take(length))
    }

    /// The next stream, as far as its beginning and the next one's tell.
    pub(super) fn next_stream(&mut self) -> io::Result<Next> {
        let mut searched = 1;
        loop {
            if let Some(start) = find_start(&self.ahead, searched) {
                return Ok(Next::Stream(self.take(start)));
            }
            searched = self.ahead.len().saturating_sub(MARK_BYTES - 1).max(1);
            if self.is_at_end {
                let length = self.ahead.len();
                return Ok(if length == 0 {
                    Next::End
                } else {
                    Next::Stream(self.take(length))
                });
            }
            if self.ahead.len() > MAX_STREAM_BYTES {
                return Ok(Next::Long);
            }
            self.read_more()?;
        }
    }
}

/// Where, at or behind `from`, a stream seems to begin.
pub(super) fn find_start(bytes: &[u8], from: usize) -> Option<usize> {
    let searched = bytes.get(from..)?;
    memmem::find_iter(searched, b"BZh")
        .map(|at| from + at)
        .find(|at| is_start(&bytes[*at..]))
}

fn is_start(bytes: &[u8]) -> bool {
    let Some(mark) = bytes.get(..MARK_BYTES) else {
        return false;
    };
    matches!(mark[3], b'1'..=b'9') && (mark[4..] == BLOCK || mark[4..] == END)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, as a slow pipe may.
    struct Slow(std::vec::IntoIter<u8>);

    impl Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some(slot) = out.first_mut() else { return Ok(0) };
            Ok(self.0.next().map_or(0, |byte| {
                *slot = byte;
                1
            }))
        }
    }

    #[test]
    fn streams_are_cut_where_the_next_begins_however_the_file_is_read() {
        let mut bytes = b"BZh91AY&SYabcBZh".to_vec();
        bytes.extend(b"BZh01AY&SY");
        bytes.extend([b"BZh9".as_slice(), &END].concat());
        bytes.extend(b"BZh11AY&SY");
        let expected = [26, 10, 10];
        for reader in [
            Box::new(io::Cursor::new(bytes.clone())) as Box<dyn Read + Send>,
            Box::new(Slow(bytes.clone().into_iter())),
        ] {
            let mut source = Source::new(reader, 0);
            for length in expected {
                let Next::Stream(stream) = source.next_stream().unwrap() else {
                    panic!("no stream")
                };
                assert_eq!(stream.len(), length);
            }
            assert!(matches!(source.next_stream().unwrap(), Next::End));
            assert_eq!(source.offset, bytes.len() as u64);
        }
    }

    #[test]
    fn a_long_stream_is_not_taken() {
        let mut bytes = b"BZh91AY&SY".to_vec();
        bytes.resize(MAX_STREAM_BYTES + 3 * READ_BYTES, 7);
        let mut source = Source::new(Box::new(io::Cursor::new(bytes)), 0);
        assert!(matches!(source.next_stream().unwrap(), Next::Long));
        assert!(source.ahead.len() <= MAX_STREAM_BYTES + READ_BYTES);
    }
}

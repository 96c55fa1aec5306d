//! The text of a dump file as UTF-8, whatever it is compressed with and encoded in.

use std::path::Path;

use encoding_rs::{Decoder, DecoderResult, Encoding};
use rayon::Scope;

use super::resume::DumpPlace;
use super::source::Source;
use super::streams::{Chunk, Streams};
use crate::error::DumpError;

/// A byte that no UTF-8 text has.
const NO_UTF_8: u8 = 0xff;

enum Bytes<'a, 'scope> {
    Plain(Source),
    Bzip2(Streams<'a, 'scope>),
}

/// A dump's text in order, in chunks of any length.
pub(super) struct DumpText<'a, 'scope> {
    path: &'a Path,
    bytes: Bytes<'a, 'scope>,
    /// For dumps in UTF-16, which their byte order mark tells.
    decoder: Option<Decoder>,
    is_begun: bool,
}

impl<'a, 'scope> DumpText<'a, 'scope> {
    pub(super) fn open(
        path: &'a Path,
        mut source: Source,
        scope: &'a Scope<'scope>,
        num_threads: usize,
    ) -> Result<Self, DumpError> {
        let is_bzip2 = source
            .starts_with(b"BZh")
            .map_err(|error| unreadable(path, error))?;
        let bytes = if is_bzip2 {
            Bytes::Bzip2(Streams::new(path, source, scope, num_threads))
        } else {
            Bytes::Plain(source)
        };
        Ok(Self {
            path,
            bytes,
            decoder: None,
            is_begun: false,
        })
    }

    /// The next chunk; `None` at the end of the file.
    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>, DumpError> {
        let chunk = match &mut self.bytes {
            Bytes::Bzip2(streams) => streams.next_chunk()?,
            Bytes::Plain(source) => {
                let bytes = source
                    .take_chunk()
                    .map_err(|error| unreadable(self.path, error))?;
                (!bytes.is_empty()).then_some(Chunk::Text(bytes))
            }
        };
        Ok(match chunk {
            Some(Chunk::Text(bytes)) => Some(Chunk::Text(self.transcoded(bytes))),
            Some(lost) => Some(lost),
            // Half a character at the end goes: whether the dump is whole, its last tag says.
            None => None,
        })
    }

    /// Where in the file the text goes on behind `position` bytes, if reading may begin there;
    /// `num_bytes` of text have been handed on.
    pub(super) fn offset_at(&self, position: u64, num_bytes: u64) -> Option<u64> {
        match &self.bytes {
            _ if self.decoder.is_some() => None,
            Bytes::Plain(_) => Some(position),
            Bytes::Bzip2(streams) => streams.boundary.filter(|_| position == num_bytes),
        }
    }

    /// The error that the file ends behind `position` bytes of the text of a part.
    pub(super) fn cut(&self, part: &DumpPlace, position: u64) -> DumpError {
        DumpError::Truncated {
            path: self.path.to_owned(),
            part_offset: part.part_offset,
            position,
        }
    }

    /// The error that nothing can go on behind the stream at `offset`.
    pub(super) fn damaged(&self, offset: u64) -> DumpError {
        DumpError::Damaged {
            path: self.path.to_owned(),
            offset,
        }
    }

    fn transcoded(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        if !self.is_begun {
            self.is_begun = true;
            self.decoder = Encoding::for_bom(&bytes)
                .map(|(encoding, _)| encoding)
                .filter(|encoding| *encoding != encoding_rs::UTF_8)
                .map(Encoding::new_decoder_with_bom_removal);
        }
        let Some(decoder) = &mut self.decoder else {
            return bytes;
        };
        let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
        let room = room.unwrap_or(3 * bytes.len() + 16);
        let (mut text, mut rest) = (Vec::new(), &bytes[..]);
        loop {
            let start = text.len();
            text.resize(start + room, 0);
            let (result, read, written) =
                decoder.decode_to_utf8_without_replacement(rest, &mut text[start..], false);
            text.truncate(start + written);
            rest = &rest[read..];
            match result {
                DecoderResult::InputEmpty => return text,
                DecoderResult::OutputFull => {}
                // The page that it is in is refused for not being UTF-8 instead of being patched up.
                DecoderResult::Malformed(..) => text.push(NO_UTF_8),
            }
        }
    }
}

pub(super) fn unreadable(path: &Path, source: std::io::Error) -> DumpError {
    DumpError::Read {
        operation: "read",
        path: path.to_owned(),
        source,
    }
}

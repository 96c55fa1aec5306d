//! Reads a stream as UTF-8 whatever its byte order mark says (some dumps are UTF-16).

use std::io::{self, Read};

use encoding_rs::{Decoder, Encoding};

/// Bytes read at a time from a stream that must be transcoded.
const CHUNK_BYTES: usize = 64 * 1024;

/// A reader whose bytes are UTF-8; without a UTF-16 mark they pass as they are.
pub(super) struct Utf8Reader<R> {
    inner: R,
    decoder: Option<Decoder>,
    /// Bytes ready to be handed out, from `at` on.
    ready: Vec<u8>,
    at: usize,
    raw: Vec<u8>,
    is_finished: bool,
}

impl<R: Read> Utf8Reader<R> {
    /// Looks at the first bytes of `inner`.
    pub(super) fn new(mut inner: R) -> io::Result<Self> {
        let mut head = Vec::with_capacity(3);
        inner.by_ref().take(3).read_to_end(&mut head)?;
        let encoding = Encoding::for_bom(&head).map(|(encoding, _)| encoding);
        let decoder = encoding
            .filter(|encoding| *encoding != encoding_rs::UTF_8)
            .map(Encoding::new_decoder_with_bom_removal);
        let mut reader = Self {
            inner,
            decoder,
            ready: head,
            at: 0,
            raw: Vec::new(),
            is_finished: false,
        };
        if reader.decoder.is_some() {
            let head = std::mem::take(&mut reader.ready);
            reader.transcode(&head, false);
        }
        Ok(reader)
    }

    fn transcode(&mut self, bytes: &[u8], is_last: bool) {
        let Some(decoder) = &mut self.decoder else { return };
        let room = decoder
            .max_utf8_buffer_length(bytes.len())
            .unwrap_or(bytes.len() * 3 + 16);
        self.ready.clear();
        self.ready.resize(room, 0);
        self.at = 0;
        let (_, _, written, _) = decoder.decode_to_utf8(bytes, &mut self.ready, is_last);
        self.ready.truncate(written);
    }

    fn fill(&mut self) -> io::Result<()> {
        while self.at >= self.ready.len() && !self.is_finished {
            let mut raw = std::mem::take(&mut self.raw);
            raw.resize(CHUNK_BYTES, 0);
            let length = self.inner.read(&mut raw)?;
            self.is_finished = length == 0;
            self.transcode(&raw[..length], self.is_finished);
            self.raw = raw;
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf8Reader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.decoder.is_some() {
            self.fill()?;
        }
        if self.at < self.ready.len() {
            let length = out.len().min(self.ready.len() - self.at);
            out[..length].copy_from_slice(&self.ready[self.at..self.at + length]);
            self.at += length;
            return Ok(length);
        }
        if self.decoder.is_some() {
            Ok(0)
        } else {
            self.inner.read(out)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_of_either_order_and_utf8_read_the_same() {
        let text = "Календар <x>\u{1f600}</x>".repeat(9_000);
        let little: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        let big: Vec<u8> = [0xfe, 0xff]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_be_bytes))
            .collect();
        for bytes in [little, big, text.clone().into_bytes()] {
            let mut read = String::new();
            Utf8Reader::new(bytes.as_slice())
                .unwrap()
                .read_to_string(&mut read)
                .unwrap();
            assert_eq!(read, text);
        }
        let mut read = Vec::new();
        Utf8Reader::new(&b"a"[..])
            .unwrap()
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, b"a");
    }
}

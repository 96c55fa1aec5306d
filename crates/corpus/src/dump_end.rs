//! Whether a dump's file has its end, from its first and last bytes: a cut download is noticed
//! before hours of reading. It finds no damage in between; the reader does.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::CorpusError;

/// The mark of a bzip2 stream's end (the digits of the square root of pi), before its checksum.
const STREAM_END: u64 = 0x1772_4538_5090;
const MARK_BITS: u32 = 48;
const CHECKSUM_BITS: u32 = 32;
/// Mark, checksum and up to seven bits that fill the last byte.
const STREAM_END_BYTES: usize = 11;
/// White space may follow the last tag of a plain dump.
const TAIL_BYTES: u64 = 4096;
const LAST_TAG: &str = "</mediawiki>";

/// Reads the first and last bytes of a dump. Extracted text has no end: each of its documents has.
///
/// # Errors
/// [`CorpusError::CutDump`] when the end is missing.
pub(crate) fn check_dump(path: &Path) -> Result<(), CorpusError> {
    let (head, tail) = ends(path).map_err(|source| CorpusError::Read {
        operation: "read",
        path: path.to_path_buf(),
        source,
    })?;
    let missing = if head.starts_with(b"BZh") {
        (!ends_stream(&tail)).then_some("the end of a bzip2 stream")
    } else if head.starts_with(b"<doc ") {
        None
    } else {
        (!ends_text(&tail)).then_some(LAST_TAG)
    };
    match missing {
        Some(missing) => Err(CorpusError::CutDump {
            path: path.to_path_buf(),
            missing,
        }),
        None => Ok(()),
    }
}

/// The first and the last bytes of a file.
fn ends(path: &Path) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(8).read_to_end(&mut head)?;
    let bytes = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok((head, tail))
}

/// Whether the last bytes are those of a whole bzip2 stream, which may end at any bit.
fn ends_stream(tail: &[u8]) -> bool {
    let last = &tail[tail.len().saturating_sub(STREAM_END_BYTES)..];
    let bits = last
        .iter()
        .fold(0u128, |bits, &byte| bits << 8 | u128::from(byte));
    let mask = (1 << MARK_BITS) - 1;
    (0..8).any(|filled| (bits >> (CHECKSUM_BITS + filled)) & mask == u128::from(STREAM_END))
}

/// Whether the last tag is there, in one byte a letter or in two of either order.
fn ends_text(tail: &[u8]) -> bool {
    let letters: Vec<u8> = tail.iter().copied().filter(|&byte| byte != 0).collect();
    letters.trim_ascii_end().ends_with(LAST_TAG.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bzip2::Compression;
    use bzip2::read::BzEncoder;
    use durable::{DISK, commit_bytes};

    const DUMP: &str = "<mediawiki><page><title>Oak</title><ns>0</ns><id>1</id><revision><id>2</id>\
        <text>Oak is wood.</text></revision></page></mediawiki>";

    fn compressed(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        BzEncoder::new(text.as_bytes(), Compression::best())
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    }

    fn check(bytes: &[u8]) -> Result<(), CorpusError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        commit_bytes(&DISK, &path, bytes).unwrap();
        check_dump(&path)
    }

    #[test]
    fn whole_dumps_pass_whatever_bit_they_end_at() {
        for number in 0..32 {
            // Texts of other lengths end at other bits.
            let text = DUMP.replace("wood", &"wood ".repeat(number));
            check(&compressed(&text)).unwrap();
        }
        let (head, tail) = DUMP.split_at(40);
        check(&[compressed(head), compressed(tail)].concat()).unwrap();
        check(format!("{DUMP}\r\n ").as_bytes()).unwrap();
        let utf16: Vec<u8> = "\u{feff}"
            .chars()
            .chain(DUMP.chars())
            .flat_map(|c| (c as u16).to_le_bytes())
            .collect();
        check(&utf16).unwrap();
    }

    #[test]
    fn a_dump_without_its_end_is_refused_at_every_length() {
        let whole = compressed(DUMP);
        for length in 3..whole.len() {
            let cut = check(&whole[..length]);
            assert!(
                matches!(cut, Err(CorpusError::CutDump { .. })),
                "{length}: {cut:?}"
            );
        }
        for length in 0..DUMP.len() {
            let cut = check(&DUMP.as_bytes()[..length]);
            assert!(
                matches!(cut, Err(CorpusError::CutDump { .. })),
                "{length}: {cut:?}"
            );
        }
    }
}

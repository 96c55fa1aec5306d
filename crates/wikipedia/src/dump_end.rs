//! Whether an export of `MediaWiki` has its end, from its first and last bytes: a cut download is
//! noticed before hours of reading. It finds no damage in between, and judges no other file: the
//! reader does.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use bzip2::read::MultiBzDecoder;

use crate::error::DumpError;
use crate::format::{Format, MAX_HEADER_BYTES, detect};

/// The mark of a bzip2 stream's end (the digits of the square root of pi), before its checksum.
const STREAM_END: u64 = 0x1772_4538_5090;
const MARK_BITS: usize = 48;
const CHECKSUM_BITS: usize = 32;
/// White space may follow the last tag of a plain dump, and padding the last compressed stream.
const TAIL_BYTES: u64 = 64 << 10;
const LAST_TAG: &str = "</mediawiki>";

/// Reads the first and last bytes of a file, and refuses an export without its end, or what may be
/// one: a bzip2 file so short that its text cannot be seen. What any other file is, the reader
/// says.
///
/// # Errors
/// [`DumpError::Cut`] when the end is missing.
pub fn check_dump(path: &Path) -> Result<(), DumpError> {
    match missing_end(path) {
        Ok(None) => Ok(()),
        Ok(Some(missing)) => Err(DumpError::Cut {
            path: path.to_path_buf(),
            missing,
        }),
        Err(source) => Err(DumpError::Read {
            operation: "read",
            path: path.to_path_buf(),
            source,
        }),
    }
}

/// What the end of an export lacks.
fn missing_end(path: &Path) -> std::io::Result<Option<&'static str>> {
    let mut file = durable::open_file(path)?;
    let mut head = Vec::new();
    file.by_ref()
        .take(MAX_HEADER_BYTES as u64)
        .read_to_end(&mut head)?;
    let is_bzip2 = head.starts_with(b"BZh");
    if is_bzip2 {
        file.seek(SeekFrom::Start(0))?;
        head.clear();
        // Damage is found when the text is read; here, what comes before it tells the format.
        let decoder = MultiBzDecoder::new(&mut file);
        let _ = decoder.take(MAX_HEADER_BYTES as u64).read_to_end(&mut head);
    }
    // Text in UTF-16 becomes UTF-8.
    let (text, _, _) = encoding_rs::UTF_8.decode(&head);
    let is_export = detect(text.as_bytes(), true) == Some(Format::Export);
    Ok(if is_bzip2 && (is_export || head.is_empty()) {
        (!ends_stream(&tail(&mut file)?)).then_some("the end of a bzip2 stream")
    } else if is_export {
        (!ends_text(&tail(&mut file)?)).then_some(LAST_TAG)
    } else {
        None
    })
}

/// The last bytes of a file.
fn tail(file: &mut File) -> std::io::Result<Vec<u8>> {
    let bytes = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(tail)
}

/// Whether the last bytes have the end of a bzip2 stream, which may be at any bit, and no other
/// stream begins behind it.
fn ends_stream(tail: &[u8]) -> bool {
    let mask = (1 << MARK_BITS) - 1;
    let (mut bits, mut last) = (0u64, None);
    for (index, byte) in tail.iter().enumerate() {
        for bit in (0..8).rev() {
            bits = bits << 1 | u64::from(byte >> bit & 1);
            if bits & mask == STREAM_END {
                last = Some(8 * index + 8 - bit);
            }
        }
    }
    let end = last.map(|mark_end| (mark_end + CHECKSUM_BITS).div_ceil(8));
    end.and_then(|end| tail.get(end..))
        .is_some_and(|rest| !rest.starts_with(b"B"))
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

    fn check(bytes: &[u8]) -> Result<(), DumpError> {
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
        let cut = check(&utf16[..utf16.len() - 2]);
        assert!(matches!(cut, Err(DumpError::Cut { .. })), "{cut:?}");
    }

    #[test]
    fn padding_behind_the_last_stream_is_no_cut_and_the_start_of_another_stream_is_one() {
        let whole = compressed(DUMP);
        for padding in [1, 7, 512, 10_240] {
            check(&[&whole[..], &vec![0; padding]].concat()).unwrap();
        }
        for length in 1..whole.len() {
            let cut = check(&[&whole[..], &whole[..length]].concat());
            assert!(matches!(cut, Err(DumpError::Cut { .. })), "{length}: {cut:?}");
        }
    }

    #[test]
    fn what_is_no_export_is_left_to_the_reader() {
        for text in [
            "",
            "\n",
            "<html></html>",
            "<doc id=\"1\">",
            "\u{feff}\n<doc id=\"1\">",
        ] {
            check(text.as_bytes()).unwrap();
            check(&[&compressed(text)[..], b" \n"].concat()).unwrap();
        }
    }

    #[test]
    fn a_dump_without_its_end_is_refused_at_every_length() {
        let whole = compressed(DUMP);
        for length in 3..whole.len() {
            let cut = check(&whole[..length]);
            assert!(matches!(cut, Err(DumpError::Cut { .. })), "{length}: {cut:?}");
        }
        for length in "<mediawiki".len()..DUMP.len() {
            let cut = check(&DUMP.as_bytes()[..length]);
            assert!(matches!(cut, Err(DumpError::Cut { .. })), "{length}: {cut:?}");
        }
    }
}

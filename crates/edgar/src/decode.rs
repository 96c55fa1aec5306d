//! Bytes to text: what a byte-order mark says, else strict UTF-8, else windows-1252, which is what
//! browsers do with filings whose declared charset is wrong or absent. A document of a submission is
//! a file of its own, with an encoding of its own. Says when bytes are no text at all. Knows nothing
//! about markup.

use encoding_rs::{Encoding, UTF_8, UTF_16LE, WINDOWS_1252};
use std::borrow::Cow;

/// How far into the input control bytes are counted.
const PROBE_BYTES: usize = 8 * 1024;

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// First bytes of file kinds that are met under the name of a filing.
const SIGNATURES: [(&[u8], &str); 8] = [
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip stream"),
    (b"\x89PNG", "a PNG image"),
    (b"GIF8", "a GIF image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"BZh", "a bzip2 stream"),
    (b"\x28\xb5\x2f\xfd", "a zstd stream"),
];

/// The input as text: UTF-16 or UTF-8 by its byte order mark, else UTF-8, else windows-1252;
/// borrowed when it is UTF-8 already. Behind the mark of UTF-8, bytes that are none become U+FFFD,
/// as they do in a browser.
///
/// # Errors
/// The position of the first byte that does not fit, where the mark of UTF-16 stands before bytes
/// that are none: no byte is replaced.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, usize> {
    let (encoding, mark_bytes) = Encoding::for_bom(bytes).unwrap_or((UTF_8, 0));
    let text = &bytes[mark_bytes..];
    if encoding != UTF_8 {
        let decoded = decode_utf16(text, encoding == UTF_16LE);
        return decoded.map(Cow::Owned).map_err(|position| mark_bytes + position);
    }
    Ok(if mark_bytes > 0 {
        UTF_8.decode_without_bom_handling(text).0
    } else {
        utf8_or_windows(text)
    })
}

/// The bytes of an input that is to be cut into parts: as they are, or in UTF-8 where a mark says
/// that they are UTF-16.
///
/// # Errors
/// As [`decode`].
pub(crate) fn single_bytes(bytes: &[u8]) -> Result<Cow<'_, [u8]>, usize> {
    match Encoding::for_bom(bytes) {
        Some((encoding, _)) if encoding != UTF_8 => Ok(Cow::Owned(decode(bytes)?.into_owned().into_bytes())),
        _ => Ok(Cow::Borrowed(bytes)),
    }
}

/// The text of one part of a submission.
pub(crate) fn decode_part(bytes: &[u8]) -> Cow<'_, str> {
    match bytes.trim_ascii_start().strip_prefix(UTF8_MARK) {
        Some(text) => UTF_8.decode_without_bom_handling(text).0,
        None => utf8_or_windows(bytes),
    }
}

fn utf8_or_windows(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

fn decode_utf16(bytes: &[u8], is_little_endian: bool) -> Result<String, usize> {
    let (units, rest) = bytes.as_chunks::<2>();
    let unit = |pair: &[u8; 2]| {
        if is_little_endian {
            u16::from_le_bytes(*pair)
        } else {
            u16::from_be_bytes(*pair)
        }
    };
    let mut text = String::with_capacity(bytes.len());
    let mut position = 0;
    for letter in char::decode_utf16(units.iter().map(unit)) {
        let letter = letter.map_err(|_| position)?;
        text.push(letter);
        position += 2 * letter.len_utf16();
    }
    if rest.is_empty() { Ok(text) } else { Err(position) }
}

/// What the bytes are, when they are not text.
pub(crate) fn not_text(bytes: &[u8]) -> Option<&'static str> {
    let signature = SIGNATURES.iter().find(|(magic, _)| bytes.starts_with(magic));
    if let Some((_, what)) = signature {
        return Some(what);
    }
    if Encoding::for_bom(bytes).is_some() {
        return None;
    }
    let probe = &bytes[..bytes.len().min(PROBE_BYTES)];
    let control = probe.iter().filter(|&&byte| is_binary(byte)).count();
    // A stray control byte happens in text; two in a hundred do not.
    (control * 50 > probe.len()).then_some("binary data")
}

fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0e..=0x19 | 0x1c..=0x1f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_is_borrowed_its_mark_is_believed_and_anything_else_is_windows_1252_as_a_whole() {
        assert!(matches!(
            decode("caf\u{e9}".as_bytes()),
            Ok(Cow::Borrowed("caf\u{e9}"))
        ));
        for (bytes, text) in [
            (&b"caf\xe9 \x93x\x94"[..], "caf\u{e9} \u{201c}x\u{201d}"),
            (b"\xef\xbb\xbfx", "x"),
            (b"\xef\xbb\xbfcaf\xe9 \x93x", "caf\u{fffd} \u{fffd}x"),
            (b"", ""),
        ] {
            assert_eq!(decode(bytes).as_deref(), Ok(text));
        }
    }

    #[test]
    fn parts_have_their_own_encoding_and_mark() {
        for (bytes, text) in [
            (&b"\ncaf\xe9"[..], "\ncaf\u{e9}"),
            ("\ncaf\u{e9}".as_bytes(), "\ncaf\u{e9}"),
            (b"\n\xef\xbb\xbfcaf\xe9 \xc3\xa9", "caf\u{fffd} \u{e9}"),
            (b"\xff\xfea", "\u{ff}\u{fe}a"),
        ] {
            assert_eq!(decode_part(bytes), text);
        }
        assert_eq!(single_bytes(b"\xff\xfea\0").as_deref(), Ok(&b"a"[..]));
        assert_eq!(single_bytes(b"\xff\xfea"), Err(2));
        assert_eq!(single_bytes(b"caf\xe9").as_deref(), Ok(&b"caf\xe9"[..]));
    }

    #[test]
    fn utf16_is_read_in_either_order_and_never_patched_up() {
        let text = "h\u{e9}\u{1f600}";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        assert_eq!(decode(&[b"\xff\xfe", &little[..]].concat()).as_deref(), Ok(text));
        assert_eq!(decode(&[b"\xfe\xff", &big[..]].concat()).as_deref(), Ok(text));
        // cut in half a character, and a surrogate without its other half
        assert_eq!(decode(b"\xff\xfeh\0i"), Err(4));
        assert_eq!(decode(b"\xff\xfeh\0\x3d\xd8x\0"), Err(4));
        assert_eq!(decode(b"\xfe\xff\xd8\x3d"), Err(2));
    }

    #[test]
    fn binary_files_are_told_from_text() {
        assert_eq!(not_text(b"%PDF-1.4 ..."), Some("a PDF file"));
        let noise: Vec<u8> = (0..=255u8).cycle().take(4096).collect();
        assert_eq!(not_text(&noise), Some("binary data"));
        assert_eq!(not_text("Umsatz f\u{fc}r 2019\r\n\x0c".as_bytes()), None);
        assert_eq!(not_text(b"plain"), None);
    }
}

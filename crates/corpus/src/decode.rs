//! Bytes to text: a byte-order mark decides, then strict UTF-8, else windows-1252 for the whole
//! input, which is what browsers do with filings whose declared charset is wrong or absent. Says
//! when bytes are no text at all. Knows nothing about markup.

use encoding_rs::{Encoding, WINDOWS_1252};
use std::borrow::Cow;

/// How far into the input control bytes are counted.
const PROBE_BYTES: usize = 8 * 1024;

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

/// The input as text: by its byte order mark, as UTF-8, else as windows-1252; borrowed when it is
/// UTF-8 already.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Some((encoding, mark_length)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[mark_length..]).0;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
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
    fn utf8_is_borrowed_and_anything_else_is_windows_1252_as_a_whole() {
        assert!(matches!(
            decode("caf\u{e9}".as_bytes()),
            Cow::Borrowed("caf\u{e9}")
        ));
        assert_eq!(decode(b"caf\xe9 \x93x\x94"), "caf\u{e9} \u{201c}x\u{201d}");
        assert_eq!(decode(b"\xef\xbb\xbfx"), "x");
        assert_eq!(decode(b"\xff\xfeh\0i\0"), "hi");
        assert_eq!(decode(b""), "");
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

//! Reads lines of text that may be somebody else's: one line is never larger than its bound, however
//! well it was compressed.

use std::io::{self, BufRead, Read};

/// The next line with its end; `None` at the end of the text.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] for a line of more than `most_bytes`, of which one byte more is in
/// memory then; [`io::ErrorKind::InvalidData`] for one that is not UTF-8; what the reader meets.
pub(crate) fn next_line(reader: &mut impl BufRead, most_bytes: u64) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    reader
        .by_ref()
        .take(most_bytes.saturating_add(1))
        .read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() as u64 > most_bytes {
        let problem = format!("the line has more than {most_bytes} bytes, the most that are read of one");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    match String::from_utf8(line) {
        Ok(line) => Ok(Some(line)),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the line is not UTF-8",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_up_to_the_bound_come_with_their_ends_and_longer_ones_are_refused() {
        let mut text: &[u8] = b"abc\n\nabcd\nrest";
        for expected in ["abc\n", "\n", "abcd\n", "rest"] {
            assert_eq!(next_line(&mut text, 5).unwrap().as_deref(), Some(expected));
        }
        assert_eq!(next_line(&mut text, 5).unwrap(), None);
        let error = next_line(&mut &b"abcd\n"[..], 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("more than 4 bytes"), "{error}");
        let error = next_line(&mut &b"\xff\n"[..], 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_the_bound() {
        let mut endless = io::BufReader::new(io::repeat(b'a'));
        let error = next_line(&mut endless, 1 << 20).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}

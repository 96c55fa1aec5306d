//! Files with a text a line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, anyhow};

/// The lines of a UTF-8 file without their line ends. An empty line is an empty text.
///
/// # Errors
/// If the file cannot be read, or a line is no UTF-8 (its number is named).
pub fn read_lines(path: &Path) -> Result<impl Iterator<Item = Result<String>>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.display().to_string();
    let lines = BufReader::new(file).split(b'\n');
    Ok(lines.enumerate().map(move |(index, line)| {
        let mut line = line.with_context(|| format!("cannot read {name}"))?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map_err(|_| {
            anyhow!(
                "{name}, line {}: the text is not UTF-8; convert the file",
                index + 1
            )
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn lines(bytes: &[u8]) -> Result<Vec<String>> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(bytes)?;
        read_lines(file.path())?.collect()
    }

    #[test]
    fn a_line_is_a_text_and_an_empty_line_an_empty_text() {
        assert_eq!(
            lines(b"one\r\n\ntwo words\nlast").unwrap(),
            ["one", "", "two words", "last"]
        );
        assert_eq!(lines(b"one\n").unwrap(), ["one"]);
        assert!(lines(b"").unwrap().is_empty());
    }

    #[test]
    fn a_line_that_is_no_text_is_named() {
        let error = lines(b"good\n\xff\xfe\n").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(read_lines(Path::new("/nowhere/file")).is_err());
    }
}

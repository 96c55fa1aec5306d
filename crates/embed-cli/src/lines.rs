//! Files with a text a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

/// Stands for standard input where a file is named; a file of this name is `./-`.
const STANDARD_INPUT: &str = "-";
/// Some programs begin a text with it, to say that it is UTF-8. It is no part of the text.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a UTF-8 file without their line ends; of standard input for `-`. An empty line is an
/// empty text. A byte order mark at the beginning is left out.
///
/// # Errors
/// If the file cannot be read, or a line is no UTF-8 (its number is named).
pub fn read_lines(path: &Path) -> Result<impl Iterator<Item = Result<String>>> {
    Ok(lines(open(path)?, name(path)))
}

/// Lines that can be read several times, wherever they come from.
#[derive(Debug)]
pub(crate) struct LinesAgain {
    file: File,
    /// Where the lines begin: standard input may have been read from.
    begin: u64,
    name: String,
}

impl LinesAgain {
    /// What can be read only once, such as a pipe, is copied into a file without a name in `scratch`.
    ///
    /// # Errors
    /// If it cannot be read, or not copied.
    pub(crate) fn open(path: &Path, scratch: &Path) -> Result<Self> {
        let (mut file, name) = (open(path)?, name(path));
        let metadata = file.metadata().with_context(|| format!("cannot read {name}"))?;
        let mut begin = 0;
        if metadata.is_file() {
            begin = file
                .stream_position()
                .with_context(|| format!("cannot read {name}"))?;
        } else if !metadata.is_dir() {
            file = copied(file, &name, scratch)?;
        }
        Ok(Self { file, begin, name })
    }

    /// The lines from the first one on.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is no UTF-8 (its number is named).
    pub(crate) fn lines(&mut self) -> Result<impl Iterator<Item = Result<String>> + '_> {
        let name = &self.name;
        self.file
            .seek(SeekFrom::Start(self.begin))
            .with_context(|| format!("cannot read {name}"))?;
        Ok(lines(&self.file, name.clone()))
    }
}

fn copied(mut from: File, name: &str, scratch: &Path) -> Result<File> {
    let folder = scratch.display();
    let mut copy = tempfile::tempfile_in(scratch).with_context(|| {
        format!("cannot create a file in {folder} ({name} is read twice, so it is copied there)")
    })?;
    io::copy(&mut from, &mut copy).with_context(|| {
        format!("cannot copy {name} to a file in {folder} ({name} is read twice, so it is copied)")
    })?;
    Ok(copy)
}

fn name(path: &Path) -> String {
    if path == Path::new(STANDARD_INPUT) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

fn open(path: &Path) -> Result<File> {
    let file = if path == Path::new(STANDARD_INPUT) {
        io::stdin().as_fd().try_clone_to_owned().map(File::from)
    } else {
        File::open(path)
    };
    file.with_context(|| format!("cannot read {}", name(path)))
}

fn lines(file: impl Read, name: String) -> impl Iterator<Item = Result<String>> {
    let lines = BufReader::new(file).split(b'\n');
    lines.enumerate().map(move |(index, line)| {
        let mut line = line.with_context(|| format!("cannot read {name}"))?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if index == 0 && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        String::from_utf8(line).map_err(|_| {
            anyhow!(
                "{name}, line {}: the text is not UTF-8; convert the file",
                index + 1
            )
        })
    })
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
    fn a_byte_order_mark_at_the_beginning_is_no_text() {
        assert_eq!(
            lines(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n").unwrap(),
            ["one", "\u{feff}two"]
        );
    }

    #[test]
    fn a_line_that_is_no_text_is_named() {
        let error = lines(b"good\n\xff\xfe\n").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(read_lines(Path::new("/nowhere/file")).is_err());
    }

    #[test]
    fn a_folder_is_no_file_of_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut again = LinesAgain::open(folder.path(), folder.path()).unwrap();
        let read: Result<Vec<String>> = again.lines().unwrap().collect();
        assert!(format!("{:#}", read.unwrap_err()).contains("directory"));
    }
}

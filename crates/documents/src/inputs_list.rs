//! Reads the list of inputs of a documents folder, which may be somebody else's.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use durable::open_file;

use crate::bounded_line::next_line;
use crate::error::DocumentsError;
use crate::manifest::{INPUTS_LIST, InputFile};

/// Most bytes of a line of the list of inputs: a path has at most 4,096, each of which may take six as JSON.
const MOST_LINE_BYTES: u64 = 64 << 10;

/// The list of inputs, a line in memory at a time: there may be millions.
#[derive(Debug)]
pub struct InputsReader {
    docs: PathBuf,
    lines: BufReader<File>,
}

impl InputsReader {
    /// Opens the list of the documents folder `docs`.
    ///
    /// # Errors
    /// [`DocumentsError::NotDocs`] when there is none that can be read.
    pub fn open(docs: &Path) -> Result<Self, DocumentsError> {
        let file = open_file(&docs.join(INPUTS_LIST)).map_err(|error| not_docs(docs, &error))?;
        Ok(Self {
            docs: docs.to_path_buf(),
            lines: BufReader::new(file),
        })
    }
}

impl Iterator for InputsReader {
    type Item = Result<InputFile, DocumentsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = next_line(&mut self.lines, MOST_LINE_BYTES);
        let line = line.map_err(|error| not_docs(&self.docs, &error)).transpose()?;
        Some(line.and_then(|line| {
            serde_json::from_str(&line).map_err(|error| not_docs(&self.docs, &io::Error::from(error)))
        }))
    }
}

fn not_docs(docs: &Path, error: &io::Error) -> DocumentsError {
    DocumentsError::NotDocs {
        path: docs.to_path_buf(),
        reason: format!("{INPUTS_LIST}: {error}"),
    }
}

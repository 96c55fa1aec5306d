//! `filings.tsv`: a row a stored filing, appended and flushed once the filing is on the disk.
//!
//! | column | holds |
//! |---|---|
//! | `accession` | the accession number |
//! | `cik`, `company`, `form`, `filed` | as the index lists it |
//! | `file` | the path below the output folder |
//! | `bytes`, `sha256` | of the file |
//! | `url` | where it came from |
//!
//! A kill may leave half a last line; the next run drops it. When a filing has several rows, the
//! last one holds.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use durable::{DurableError, FileName, Operation};

use super::listed_filing::ListedFiling;
use crate::web::{FetchError, short_line};

const HEADER: &str = "accession\tcik\tcompany\tform\tfiled\tfile\tbytes\tsha256\turl\n";
const NUM_COLUMNS: usize = 9;

/// What the ledger knows of a stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// The open ledger. Its folder is locked by who has it.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    file: File,
    stored: BTreeMap<String, Stored>,
}

impl Ledger {
    /// Opens the ledger, or begins one.
    ///
    /// # Errors
    /// [`FetchError::Ledger`] for a whole line that is no row; [`FetchError::Durable`].
    pub(crate) fn open(path: &Path) -> Result<Self, FetchError> {
        let failed = |operation| move |source| DurableError::new(operation, path, source);
        let mut options = OpenOptions::new();
        let mut file = durable::open_own(options.read(true).append(true).create(true), path)
            .map_err(failed(Operation::Create))?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(failed(Operation::Read))?;
        file.read_to_end(&mut bytes).map_err(failed(Operation::Read))?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |last| last + 1);
        let stored = read_rows(path, &bytes[..whole])?;
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(failed(Operation::Write))?;
        }
        if whole == 0 {
            file.write_all(HEADER.as_bytes())
                .map_err(failed(Operation::Write))?;
        }
        file.sync_all().map_err(failed(Operation::Sync))?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            stored,
        })
    }

    pub(crate) fn stored(&self, accession: &str) -> Option<&Stored> {
        self.stored.get(accession)
    }

    /// Adds a row and flushes it to the disk.
    ///
    /// # Errors
    /// [`FetchError::Durable`] when it cannot be written.
    pub(crate) fn append(
        &mut self,
        filing: &ListedFiling,
        stored: Stored,
        url: &str,
    ) -> Result<(), FetchError> {
        let row = format!(
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{url}\n",
            filing.accession,
            filing.cik,
            short_line(&filing.company),
            short_line(&filing.form),
            filing.filed,
            stored.file,
            stored.bytes,
            stored.sha256
        );
        self.file
            .write_all(row.as_bytes())
            .map_err(|source| DurableError::new(Operation::Write, &self.path, source))?;
        self.file
            .sync_data()
            .map_err(|source| DurableError::new(Operation::Sync, &self.path, source))?;
        self.stored.insert(filing.accession.clone(), stored);
        Ok(())
    }
}

fn read_rows(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Stored>, FetchError> {
    let mut stored = BTreeMap::new();
    for (index, line) in String::from_utf8_lossy(bytes).lines().enumerate() {
        if index == 0 && line == HEADER.trim_end() {
            continue;
        }
        let (accession, row) = read_row(line).ok_or_else(|| FetchError::Ledger {
            path: path.to_path_buf(),
            line: index + 1,
        })?;
        stored.insert(accession, row);
    }
    Ok(stored)
}

fn read_row(line: &str) -> Option<(String, Stored)> {
    let columns: Vec<&str> = line.split('\t').collect();
    if columns.len() != NUM_COLUMNS || columns[7].len() != 64 || !super::index::is_accession(columns[0]) {
        return None;
    }
    // It is joined to the output folder, and must not lead out of it.
    let mut names = columns[5].split('/');
    if !names.all(|name| FileName::new(name).is_ok()) {
        return None;
    }
    Some((
        columns[0].to_owned(),
        Stored {
            file: columns[5].to_owned(),
            bytes: columns[6].parse().ok()?,
            sha256: columns[7].to_owned(),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filing(number: u32) -> ListedFiling {
        ListedFiling {
            cik: 7,
            company: "Example Mills".to_owned(),
            form: "10-K".to_owned(),
            filed: jiff::civil::date(2015, 3, 1),
            accession: format!("0000000007-15-{number:06}"),
        }
    }

    fn stored(bytes: u64) -> Stored {
        Stored {
            file: "filings/0000000007/x.txt".to_owned(),
            bytes,
            sha256: "0".repeat(64),
        }
    }

    #[test]
    fn a_ledger_cut_at_any_byte_opens_with_its_whole_rows_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("filings.tsv");
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.append(&filing(1), stored(10), "http://a/1").unwrap();
        ledger.append(&filing(2), stored(20), "http://a/2").unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            let cut = OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
            (&cut).write_all(&whole[..length]).unwrap();
            let mut ledger = Ledger::open(&path).unwrap();
            let num_rows = whole[..length]
                .split(|byte| *byte == b'\n')
                .count()
                .saturating_sub(2);
            assert_eq!(ledger.stored.len(), num_rows, "cut at {length}");
            ledger.append(&filing(3), stored(30), "http://a/3").unwrap();
            let again = Ledger::open(&path).unwrap();
            assert_eq!(again.stored.len(), num_rows + 1, "cut at {length}");
            assert_eq!(again.stored(&filing(3).accession), Some(&stored(30)));
        }
    }

    #[test]
    fn a_row_that_leads_out_of_the_folder_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("filings.tsv");
        Ledger::open(&path)
            .unwrap()
            .append(&filing(1), stored(10), "http://a/1")
            .unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        assert_eq!(Ledger::open(&path).unwrap().stored.len(), 1);
        for file in [
            "/etc/hostname",
            "../victim",
            "filings/../../victim",
            "filings//x.txt",
            "./x.txt",
            "filings/",
            "",
        ] {
            let forged = whole.replace("filings/0000000007/x.txt", file);
            assert_ne!(forged, whole);
            durable::commit_bytes(&durable::DISK, &path, forged.as_bytes()).unwrap();
            let error = Ledger::open(&path).unwrap_err();
            assert!(
                matches!(error, FetchError::Ledger { line: 2, .. }),
                "{file}: {error:?}"
            );
        }
    }

    #[test]
    fn the_last_row_of_a_filing_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("filings.tsv");
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.append(&filing(1), stored(10), "http://a/1").unwrap();
        ledger.append(&filing(1), stored(11), "http://a/1").unwrap();
        assert_eq!(
            Ledger::open(&path).unwrap().stored(&filing(1).accession),
            Some(&stored(11))
        );
    }

    #[test]
    fn a_file_that_is_no_ledger_is_refused_with_its_line_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("filings.tsv");
        let mut other = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        other.write_all(b"file\tform\nreport.htm\t10-K\nhalf").unwrap();
        let error = Ledger::open(&path).unwrap_err();
        assert!(matches!(error, FetchError::Ledger { line: 1, .. }), "{error:?}");
        assert_eq!(std::fs::read(&path).unwrap().len(), 30);
    }
}

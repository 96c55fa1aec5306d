//! Files between the passes of a command: folders that appear whole or not at all, so that what
//! a killed command had finished can be used, and files that nobody opens by name.
//!
//! Nothing here is flushed to the disk: what a process has written outlives the process in the
//! memory of the system, so a kill loses no finished folder. A power cut, or a write that the
//! system could not do later, may lose any part of one. Therefore `segment.json` has the length
//! and the hash of each file, and its own: a folder is used by a later command only if all of
//! them fit, and who reads a file from its beginning learns at its end whether it was as it was
//! written. What does not fit is made again, or ends the command; it never comes into a result.
//! A file is opened once: what was looked at is what is read, whatever happens to its name.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use durable::{DISK, DurableError, FileName, MOST_JSON_BYTES, Operation, Storage, open_file, read_file};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::error::CorpusError;

/// Says what a folder holds, in two lines: [`Seal`] as JSON, and the hash of that line.
const SEAL: &str = "segment.json";

/// Ends the name of a folder that is being written.
const UNFINISHED: &str = ".unfinished";

const READ_BYTES: usize = 1 << 18;

/// A folder that is being written; dropped unfinished, it goes.
pub(crate) struct ScratchFolder {
    folder: PathBuf,
    unfinished: PathBuf,
    is_finished: bool,
}

/// A file of a folder that is being written.
pub(crate) struct ScratchWriter {
    name: &'static str,
    path: PathBuf,
    file: BufWriter<File>,
    written: Running,
}

/// Reads a file of a finished folder from its beginning. Its end is an error where the file is
/// not as it was written.
pub(crate) struct ScratchReader(BufReader<Checked>);

/// What was written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    bytes: u64,
    xxh3: u64,
}

/// What has been written to, or read of, a file so far.
#[derive(Default)]
pub(crate) struct Running {
    bytes: u64,
    hasher: Xxh3Default,
}

/// How far a folder is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// This process has written it, or has looked at all of it.
    Known,
    /// Its files must be what was written.
    Found,
}

/// A finished folder: what its owner says of it, and its files.
#[derive(Debug)]
pub(crate) struct Sealed<T> {
    pub(crate) facts: T,
    files: BTreeMap<FileName, SealedFile>,
}

/// An open file of a finished folder, and what was written to it.
#[derive(Debug, Clone)]
pub(crate) struct SealedFile {
    file: Arc<File>,
    written: Written,
}

/// The first line of [`SEAL`].
#[derive(Debug, Serialize, Deserialize)]
struct Seal<T> {
    facts: T,
    files: BTreeMap<FileName, Written>,
}

struct Checked {
    file: SealedFile,
    read: Running,
}

impl ScratchFolder {
    /// Begins `folder`; what a killed writer of it left is removed.
    pub(crate) fn create(folder: &Path) -> Result<Self, CorpusError> {
        let mut unfinished = folder.as_os_str().to_owned();
        unfinished.push(UNFINISHED);
        let unfinished = PathBuf::from(unfinished);
        remove_folder(&unfinished)?;
        DISK.create_dir(&unfinished)
            .map_err(|source| DurableError::new(Operation::Create, &unfinished, source))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            unfinished,
            is_finished: false,
        })
    }

    pub(crate) fn file(&self, name: &'static str) -> Result<ScratchWriter, CorpusError> {
        let path = self.unfinished.join(name);
        Ok(ScratchWriter {
            file: BufWriter::with_capacity(1 << 20, scratch_file(&path)?),
            name,
            path,
            written: Running::default(),
        })
    }

    /// Writes what `facts` and `files` say, and gives the folder its name.
    pub(crate) fn finish<T: Serialize>(
        mut self,
        facts: T,
        files: impl IntoIterator<Item = ScratchWriter>,
    ) -> Result<(), CorpusError> {
        let files: Result<_, CorpusError> = files.into_iter().map(ScratchWriter::finish).collect();
        let seal = Seal { facts, files: files? };
        let line = serde_json::to_string(&seal).map_err(|source| CorpusError::Json { source })?;
        let path = self.unfinished.join(SEAL);
        let text = format!("{line}\n{}\n", xxh3_64(line.as_bytes()));
        let written = scratch_file(&path)?.write_all(text.as_bytes());
        written.map_err(|source| DurableError::new(Operation::Write, &path, source))?;
        DISK.rename_new(&self.unfinished, &self.folder)
            .map_err(|source| DurableError::new(Operation::Rename, &self.folder, source))?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        if !self.is_finished {
            // What cannot be removed now is removed by the next writer of the folder.
            let _ = remove_folder(&self.unfinished);
        }
    }
}

/// Whether a folder of this name, which need not be there, may be finished.
pub(crate) fn is_finished_name(name: &std::ffi::OsStr) -> bool {
    !name.as_encoded_bytes().ends_with(UNFINISHED.as_bytes())
}

impl<T: DeserializeOwned> Sealed<T> {
    /// Opens a finished folder; `None` if there is no such folder, or one of another format, or a
    /// damaged one.
    ///
    /// # Errors
    /// [`CorpusError::Read`] when it is there and cannot be read.
    pub(crate) fn open(folder: &Path, trust: Trust) -> Result<Option<Self>, CorpusError> {
        let failed = |path: PathBuf| {
            move |source| CorpusError::Read {
                operation: "read",
                path,
                source,
            }
        };
        let path = folder.join(SEAL);
        let seal = if_there(read_file(&path, MOST_JSON_BYTES)).map_err(failed(path))?;
        let Some(Seal { facts, files }) = seal.and_then(|seal| unseal::<T>(&seal)) else {
            return Ok(None);
        };
        let mut open = BTreeMap::new();
        for (name, written) in files {
            let path = folder.join(&name);
            let Some(file) = if_there(open_file(&path)).map_err(failed(path.clone()))? else {
                return Ok(None);
            };
            let file = SealedFile {
                file: Arc::new(file),
                written,
            };
            if trust == Trust::Found && !file.is_as_written().map_err(failed(path))? {
                return Ok(None);
            }
            open.insert(name, file);
        }
        Ok(Some(Self { facts, files: open }))
    }
}

impl<T> Sealed<T> {
    /// One of the files.
    pub(crate) fn file(&self, name: &str) -> io::Result<SealedFile> {
        self.files.get(name).cloned().ok_or_else(not_as_written)
    }
}

/// What was opened or read, where there is something.
fn if_there<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

fn unseal<T: DeserializeOwned>(seal: &[u8]) -> Option<Seal<T>> {
    let (line, hash) = std::str::from_utf8(seal).ok()?.split_once('\n')?;
    let fits = hash.strip_suffix('\n')?.parse::<u64>() == Ok(xxh3_64(line.as_bytes()));
    // The owner's facts may be of another format.
    fits.then(|| serde_json::from_str(line).ok())?
}

impl SealedFile {
    /// Reads it from its beginning, whoever else reads it.
    pub(crate) fn reader(&self) -> ScratchReader {
        let checked = Checked {
            file: self.clone(),
            read: Running::default(),
        };
        ScratchReader(BufReader::with_capacity(READ_BYTES, checked))
    }

    /// Reads a part of it; who reads it so knows by other means whether that is as it was written.
    pub(crate) fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn is_as_written(&self) -> io::Result<bool> {
        if self.file.metadata()?.len() != self.written.bytes {
            return Ok(false);
        }
        let (mut reader, mut bytes) = (self.reader(), vec![0; READ_BYTES]);
        loop {
            match reader.read(&mut bytes) {
                Ok(0) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Running {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hasher.update(bytes);
    }

    pub(crate) fn written(&self) -> Written {
        Written {
            bytes: self.bytes,
            xxh3: self.hasher.digest(),
        }
    }
}

impl ScratchWriter {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), CorpusError> {
        self.written.add(bytes);
        let written = self.file.write_all(bytes);
        Ok(written.map_err(|source| DurableError::new(Operation::Write, &self.path, source))?)
    }

    /// Hands all of it to the system.
    fn finish(mut self) -> Result<(FileName, Written), CorpusError> {
        let flushed = self.file.flush();
        flushed.map_err(|source| DurableError::new(Operation::Write, &self.path, source))?;
        Ok((FileName::new(self.name)?, self.written.written()))
    }
}

impl ScratchReader {
    /// Reads to the end, where nothing must be left.
    pub(crate) fn expect_end(&mut self) -> io::Result<()> {
        match self.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(not_as_written()),
        }
    }
}

impl Read for ScratchReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Read for Checked {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.file.file.read_at(bytes, self.read.bytes)?;
        self.read.add(&bytes[..length]);
        if length == 0 && !bytes.is_empty() && self.read.written() != self.file.written {
            return Err(not_as_written());
        }
        Ok(length)
    }
}

/// Of a file that has changed since this program wrote it.
pub(crate) fn not_as_written() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the disk does not give back what was written; run the same command again, which makes it anew \
         (before --merge: each --part)",
    )
}

/// A new file that is written and read back through one handle: what is read is what was written,
/// whatever happens to its name.
pub(crate) fn scratch_file(path: &Path) -> Result<File, CorpusError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path);
    Ok(file.map_err(|source| DurableError::new(Operation::Create, path, source))?)
}

/// Removes a folder that may not be there.
pub(crate) fn remove_folder(path: &Path) -> Result<(), CorpusError> {
    match DISK.remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(DurableError::new(Operation::Remove, path, source).into())
        }
        _ => Ok(()),
    }
}

/// Changes a byte of one file of this name in the finished folders of `root`, as a disk may.
#[cfg(test)]
pub(crate) fn damage_one(root: &Path, name: &str) {
    let mut folders: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path().join(name))
        .filter(|path| path.metadata().is_ok_and(|file| file.len() > 0))
        .collect();
    folders.sort();
    let mut bytes = read_file(&folders[0], u64::MAX).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    durable::commit_bytes(&DISK, &folders[0], &bytes).unwrap();
}

/// For tests: changes what a finished folder says of itself, as another version would have said it.
#[cfg(test)]
pub(crate) fn restate(folder: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let path = folder.join(SEAL);
    let text = String::from_utf8(read_file(&path, u64::MAX).unwrap()).unwrap();
    let mut seal = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    change(&mut seal);
    let line = seal.to_string();
    let text = format!("{line}\n{}\n", xxh3_64(line.as_bytes()));
    durable::commit_bytes(&DISK, &path, text.as_bytes()).unwrap();
}

#[cfg(test)]
mod tests {
    use durable::testing::{lay_pipe, within_a_minute};

    use super::*;

    fn folder_of(root: &Path, texts: [&str; 2]) -> PathBuf {
        let folder = root.join("segment");
        let scratch = ScratchFolder::create(&folder).unwrap();
        let mut files = [scratch.file("one").unwrap(), scratch.file("two").unwrap()];
        for (file, text) in files.iter_mut().zip(texts) {
            file.write(text.as_bytes()).unwrap();
        }
        scratch.finish("facts".to_owned(), files).unwrap();
        folder
    }

    /// Puts other bytes in the place of a file's.
    fn put(path: &Path, bytes: &[u8]) {
        DISK.remove_file(path).unwrap();
        scratch_file(path).unwrap().write_all(bytes).unwrap();
    }

    /// Gives a file, which stays the same one, other bytes.
    fn change(path: &Path, bytes: &[u8]) {
        let mut file = OpenOptions::new().write(true).truncate(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn is_used(folder: &Path) -> bool {
        let sealed = Sealed::<String>::open(folder, Trust::Found).unwrap();
        sealed.is_some_and(|sealed| sealed.facts == "facts")
    }

    /// What a file system may have of a file after a power cut: nothing, zeros, or the beginning.
    fn remains(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut remains: Vec<Vec<u8>> = (0..bytes.len()).map(|end| bytes[..end].to_vec()).collect();
        for start in 0..bytes.len() {
            let mut zeroed = bytes.to_vec();
            zeroed[start..].fill(0);
            remains.push(zeroed);
        }
        remains
    }

    #[test]
    fn a_folder_of_which_a_power_cut_took_any_part_is_not_used() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder_of(root.path(), ["some text", "more"]);
        assert!(is_used(&folder));
        for name in ["one", "two", SEAL] {
            let path = folder.join(name);
            let whole = std::fs::read(&path).unwrap();
            for remains in remains(&whole) {
                put(&path, &remains);
                assert!(!is_used(&folder), "{name}: {}", String::from_utf8_lossy(&remains));
            }
            DISK.remove_file(&path).unwrap();
            assert!(!is_used(&folder), "without {name}");
            scratch_file(&path).unwrap().write_all(&whole).unwrap();
            assert!(is_used(&folder));
        }
    }

    #[test]
    fn who_reads_a_file_to_its_end_learns_whether_it_is_what_was_written() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder_of(root.path(), ["some text", "more"]);
        let sealed = Sealed::<String>::open(&folder, Trust::Known).unwrap().unwrap();
        let read = || {
            let mut text = String::new();
            sealed
                .file("one")?
                .reader()
                .read_to_string(&mut text)
                .map(|_| text)
        };
        assert_eq!(read().unwrap(), "some text");
        for remains in remains(b"some text") {
            change(&folder.join("one"), &remains);
            assert_eq!(read().unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        change(&folder.join("one"), b"some text");
        assert_eq!(read().unwrap(), "some text");
    }

    #[test]
    fn what_was_looked_at_is_read_whatever_is_put_in_its_place() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder_of(root.path(), ["some text", "more"]);
        let sealed = Sealed::<String>::open(&folder, Trust::Found).unwrap().unwrap();
        put(&folder.join("one"), b"other one");
        let mut text = String::new();
        let mut reader = sealed.file("one").unwrap().reader();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "some text");
    }

    #[test]
    fn a_folder_with_a_pipe_under_the_name_of_a_file_is_refused_at_once() {
        for name in ["one", "two", SEAL] {
            for trust in [Trust::Known, Trust::Found] {
                let root = tempfile::tempdir().unwrap();
                let folder = folder_of(root.path(), ["some text", "more"]);
                lay_pipe(&folder.join(name)).unwrap();
                let opened = within_a_minute(move || Sealed::<String>::open(&folder, trust).map(drop));
                let CorpusError::Read { path, source, .. } = opened.unwrap_err() else {
                    panic!("{name} cannot be read")
                };
                assert!(path.ends_with(name), "{name}: {}", path.display());
                assert!(source.to_string().contains("it is a pipe"), "{name}: {source}");
            }
        }
    }

    /// What somebody can write who knows the format, so that the seal itself fits.
    fn seal_with(folder: &Path, name: &str) {
        let written = serde_json::to_value(Running::default().written()).unwrap();
        let line = serde_json::json!({"facts": "facts", "files": {name: written}}).to_string();
        let text = format!("{line}\n{}\n", xxh3_64(line.as_bytes()));
        put(&folder.join(SEAL), text.as_bytes());
    }

    #[test]
    fn a_seal_that_names_a_file_outside_of_its_folder_is_not_believed() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder_of(root.path(), ["some text", "more"]);
        // Each is there and has what the seal says, but one.
        scratch_file(&root.path().join("victim")).unwrap();
        scratch_file(&folder.join("empty")).unwrap();
        seal_with(&folder, "empty");
        assert!(is_used(&folder));
        let absolute = root.path().join("victim").to_str().unwrap().to_owned();
        for name in [
            "../victim",
            absolute.as_str(),
            "x/../empty",
            "./empty",
            "",
            ".",
            "..",
        ] {
            seal_with(&folder, name);
            assert!(!is_used(&folder), "{name}");
        }
    }

    #[test]
    fn a_folder_that_is_not_finished_goes() {
        let root = tempfile::tempdir().unwrap();
        let scratch = ScratchFolder::create(&root.path().join("segment")).unwrap();
        drop(scratch.file("one").unwrap());
        drop(scratch);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }
}

//! Fetches a dump from dumps.wikimedia.org: the checksum file first, then the dump, which goes on
//! from the byte where a cut connection or a killed run left it. Nothing gets the dump's name
//! before its checksum fits.

mod checksums;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use documents::Progress;
use durable::{DISK, DurableError, FolderLock, Operation, Storage};
use serde::Serialize;

use crate::web::{
    Client, Clock, Connection, DUMP_BYTES, Failure, Fault, FetchError, Request, Stopped, SystemClock,
    Transfer,
};
use checksums::{Checksum, Hasher};

/// The articles with their text, in many bzip2 streams.
pub const ARTICLES: &str = "pages-articles-multistream.xml.bz2";
const CHUNK_BYTES: usize = 1 << 20;
/// An attempt that brings less is a crumb, and so many of them are no transfer.
const CRUMB_BYTES: u64 = 64 << 10;
const MOST_CRUMBS: u32 = 100;

/// Which dump, and where to.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// The folder that gets the dump; may exist.
    pub out: PathBuf,
    /// Who asks, how fast, and where.
    pub connection: Connection,
    /// The wiki, as `enwiki`.
    pub wiki: String,
    /// The dump's day, as `20240501`, or `latest`.
    pub dump: String,
    /// The file of the dump, as [`ARTICLES`].
    pub file: String,
}

/// What was fetched.
#[derive(Debug, Clone, Serialize)]
pub struct DumpFetched {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Of them, fetched by this run.
    pub fetched_bytes: u64,
    /// `SHA-1` or `MD5` and its digits, as the archive states it; the file has it.
    pub checksum: String,
}

/// Fetches the dump, as far as it is not there yet.
///
/// # Errors
/// [`FetchError::Options`] for a name that is none; [`FetchError::NoChecksum`] when the archive
/// does not list the file, [`FetchError::Checksum`] when what arrived is not what it lists,
/// [`FetchError::Stored`] when what was there under the dump's name is not;
/// [`FetchError::GivenUp`] when it stays out of reach; [`FetchError::Durable`].
pub fn fetch_dump(options: &DumpOptions, progress: &dyn Progress) -> Result<DumpFetched, FetchError> {
    fetch_dump_by(options, Arc::new(SystemClock::default()), progress)
}

/// [`fetch_dump`] on another clock.
pub(crate) fn fetch_dump_by(
    options: &DumpOptions,
    clock: Arc<dyn Clock>,
    progress: &dyn Progress,
) -> Result<DumpFetched, FetchError> {
    refuse_impossible(options)?;
    let client = Client::new(&options.connection, clock)?;
    DISK.create_dir_all(&options.out)
        .map_err(|source| DurableError::new(Operation::Create, &options.out, source))?;
    let _lock = FolderLock::acquire(&options.out, "fetch")?;
    let base = options
        .connection
        .base_url
        .as_deref()
        .unwrap_or("https://dumps.wikimedia.org");
    let archive = Archive {
        client,
        base: base.trim_end_matches('/').to_owned(),
        options,
    };
    let (name, checksum) = archive.checksum()?;
    let path = options.out.join(&name);
    if path.exists() {
        return already_there(path, &checksum, progress);
    }
    let mut part = Part::open(&options.out.join(format!(".{name}.part")), &checksum)?;
    let already = part.bytes;
    progress.start(&format!("fetching {name} (bytes)"), None);
    progress.advance(already);
    archive.fetch_rest(&name, &checksum, &mut part, progress)?;
    progress.finish();
    let bytes = part.bytes;
    part.finish(&path, &checksum)?;
    Ok(DumpFetched {
        path,
        bytes,
        fetched_bytes: bytes.saturating_sub(already),
        checksum: checksum.to_string(),
    })
}

/// A dump that has its name is trusted once its hash is the archive's.
fn already_there(
    path: PathBuf,
    checksum: &Checksum,
    progress: &dyn Progress,
) -> Result<DumpFetched, FetchError> {
    progress.start("checking the dump that is there", None);
    let failed = |source| DurableError::new(Operation::Read, &path, source);
    let mut file = durable::open_file(&path).map_err(failed)?;
    let mut hash = Hasher::new(checksum.kind);
    let bytes = hash_rest(&mut file, &mut hash).map_err(failed)?;
    progress.finish();
    let found = hash.hex();
    if found != checksum.hex {
        return Err(FetchError::Stored {
            path,
            kind: checksum.kind.name(),
            expected: checksum.hex.clone(),
            found,
        });
    }
    Ok(DumpFetched {
        path,
        bytes,
        fetched_bytes: 0,
        checksum: checksum.to_string(),
    })
}

/// Hashes a file from its position to its end; the bytes read.
fn hash_rest(file: &mut File, hash: &mut Hasher) -> io::Result<u64> {
    let (mut chunk, mut bytes) = (vec![0; CHUNK_BYTES], 0);
    loop {
        let length = file.read(&mut chunk)?;
        if length == 0 {
            return Ok(bytes);
        }
        hash.update(&chunk[..length]);
        bytes += length as u64;
    }
}

fn refuse_impossible(options: &DumpOptions) -> Result<(), FetchError> {
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    for (option, value) in [
        ("--wiki", &options.wiki),
        ("--dump", &options.dump),
        ("--wiki-file", &options.file),
    ] {
        if !is_word(value) || value.starts_with('.') {
            return Err(FetchError::Options {
                reason: format!(
                    "{option} {value:?} is no part of a dump's name; give one like enwiki, 20240501, {ARTICLES}"
                ),
            });
        }
    }
    Ok(())
}

struct Archive<'a> {
    client: Client,
    base: String,
    options: &'a DumpOptions,
}

impl Archive<'_> {
    /// The file's own name, which has the day of the dump, and its checksum.
    fn checksum(&self) -> Result<(String, Checksum), FetchError> {
        let DumpOptions { wiki, dump, file, .. } = self.options;
        for kind in checksums::Kind::ALL {
            let url = format!("{}/{wiki}/{dump}/{wiki}-{dump}-{}", self.base, kind.file());
            let text = self
                .client
                .fetch_bytes(&url, |bytes| checksums::read(&bytes, kind));
            match text {
                // The other kind may be there.
                Err(FetchError::GivenUp {
                    fault: Fault::Missing { .. },
                    ..
                }) if kind != checksums::Kind::Md5 => {}
                Err(error) => return Err(error),
                Ok(list) => {
                    let lacks = || FetchError::NoChecksum {
                        url,
                        file: format!("{wiki}-{dump}-{file}"),
                    };
                    return checksums::find(list, wiki, dump, file).ok_or_else(lacks);
                }
            }
        }
        Err(FetchError::NoChecksum {
            url: self.base.clone(),
            file: file.clone(),
        })
    }

    /// Goes on from the end of `part` until the dump is whole. An attempt that brought something
    /// does not count as failed: a long transfer may be cut many times.
    fn fetch_rest(
        &self,
        name: &str,
        checksum: &Checksum,
        part: &mut Part,
        progress: &dyn Progress,
    ) -> Result<(), FetchError> {
        let day = name
            .strip_prefix(&format!("{}-", self.options.wiki))
            .and_then(|rest| rest.split('-').next());
        let folder = day.unwrap_or(&self.options.dump);
        let url = format!("{}/{}/{folder}/{name}", self.base, self.options.wiki);
        // Killed between the last byte and the name.
        if part.bytes > 0 && part.hash.hex() == checksum.hex {
            return Ok(());
        }
        let mut crumbs = 0;
        loop {
            let before = part.bytes;
            let request = Request {
                url: &url,
                first_byte: before,
                most_bytes: DUMP_BYTES.saturating_sub(before),
            };
            let is_whole = self.client.fetch(&request, |mut transfer| {
                if transfer.first_byte != part.bytes {
                    part.restart(checksum).map_err(Failure::Disk)?;
                }
                match part.receive(&mut transfer, progress) {
                    Err(Failure::Fault(fault))
                        if fault.is_outage() && part.bytes > before && crumbs < MOST_CRUMBS =>
                    {
                        crumbs += u32::from(part.bytes - before < CRUMB_BYTES);
                        Ok(false)
                    }
                    received => received.map(|()| true),
                }
            });
            match is_whole {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(FetchError::GivenUp {
                    fault: Fault::Refused { status: 416 },
                    ..
                }) if before > 0 => {
                    part.restart(checksum)?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The beginning of a dump on the disk, and the hash of it.
struct Part {
    path: PathBuf,
    file: File,
    bytes: u64,
    hash: Hasher,
}

impl Part {
    fn open(path: &Path, checksum: &Checksum) -> Result<Self, FetchError> {
        let failed = |source| DurableError::new(Operation::Create, path, source);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = durable::open_own(&mut options, path).map_err(failed)?;
        // Whoever owns it can change it behind its hash.
        if !durable::is_own(&file.metadata().map_err(failed)?) {
            let problem = "it belongs to another user; remove it, or choose another folder";
            return Err(failed(io::Error::other(problem)).into());
        }
        let mut part = Self {
            path: path.to_path_buf(),
            file,
            bytes: 0,
            hash: Hasher::new(checksum.kind),
        };
        // Leaves the file's position at its end.
        part.bytes = hash_rest(&mut part.file, &mut part.hash)
            .map_err(|source| DurableError::new(Operation::Read, path, source))?;
        Ok(part)
    }

    fn restart(&mut self, checksum: &Checksum) -> Result<(), DurableError> {
        let emptied = self
            .file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|source| DurableError::new(Operation::Write, &self.path, source))?;
        self.bytes = 0;
        self.hash = Hasher::new(checksum.kind);
        Ok(())
    }

    fn receive(&mut self, transfer: &mut Transfer, progress: &dyn Progress) -> Result<(), Failure> {
        let received = transfer.each_chunk(|chunk| {
            self.file.write_all(chunk)?;
            self.hash.update(chunk);
            self.bytes += chunk.len() as u64;
            progress.advance(chunk.len() as u64);
            Ok(())
        });
        received.map_err(|stopped| match stopped {
            Stopped::Transfer(fault) => Failure::Fault(fault),
            Stopped::Receiver(source) => {
                Failure::Disk(DurableError::new(Operation::Write, &self.path, source))
            }
        })
    }

    /// Compares the checksum, then gives the dump its name.
    fn finish(self, path: &Path, checksum: &Checksum) -> Result<(), FetchError> {
        let found = self.hash.hex();
        if found != checksum.hex {
            DISK.remove_file(&self.path)
                .map_err(|source| DurableError::new(Operation::Remove, &self.path, source))?;
            return Err(FetchError::Checksum {
                path: path.to_path_buf(),
                kind: checksum.kind.name(),
                expected: checksum.hex.clone(),
                found,
            });
        }
        self.file
            .sync_all()
            .map_err(|source| DurableError::new(Operation::Sync, &self.path, source))?;
        DISK.rename(&self.path, path)
            .map_err(|source| DurableError::new(Operation::Rename, path, source))?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        DISK.sync_dir(folder)
            .map_err(|source| DurableError::new(Operation::Sync, folder, source).into())
    }
}

//! A read-only file in three forms: mapped, in memory, or read piece by piece.
//!
//! The only mmap of the project is here, and the only `unsafe` of this crate.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memmap2::Mmap;
use serde::{Deserialize, Serialize};

use crate::ShardError;

/// Most bytes of an index that is read into memory: one of 300 million blocks has half of it.
const MOST_IN_MEMORY_BYTES: u64 = 8 << 30;

/// How files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadMode {
    /// Map the files into memory: no copy, the page cache is the buffer. A file that somebody else can
    /// change is read as by `Pread`.
    #[default]
    Mmap,
    /// Read the index into memory and tokens by `pread`: for file systems that cannot map.
    Pread,
}

/// A read-only file: mapped, in memory, or read piece by piece.
#[derive(Debug)]
pub(crate) enum FileBytes {
    Mapped(Mmap),
    Memory(Vec<u8>),
    OnDisk { file: File, bytes: u64 },
}

/// What [`FileBytes::open`] does with a file in [`ReadMode::Pread`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmapped {
    InMemory,
    OnDisk,
}

impl FileBytes {
    /// Opens a file of the corpus.
    pub(crate) fn open(path: &Path, mode: ReadMode, unmapped: Unmapped) -> Result<Self, ShardError> {
        let opened = durable::open_file(path).and_then(|file| Self::of_io(file, mode, unmapped));
        opened.map_err(|source| ShardError::Read {
            path: path.to_path_buf(),
            source,
        })
    }

    /// A file that is open already and has no name; nobody else can write to it.
    pub(crate) fn of(file: File, mode: ReadMode) -> std::io::Result<Self> {
        Self::of_io(file, mode, Unmapped::OnDisk)
    }

    fn of_io(file: File, mode: ReadMode, unmapped: Unmapped) -> std::io::Result<Self> {
        let metadata = file.metadata()?;
        let bytes = metadata.len();
        let mode = if durable::others_can_change(&metadata) {
            ReadMode::Pread
        } else {
            mode
        };
        match (mode, unmapped) {
            _ if bytes == 0 => Ok(Self::Memory(Vec::new())),
            (ReadMode::Mmap, _) => Ok(Self::Mapped(map(&file)?)),
            (ReadMode::Pread, Unmapped::OnDisk) => Ok(Self::OnDisk { file, bytes }),
            (ReadMode::Pread, Unmapped::InMemory) => {
                refuse_large(bytes)?;
                let bytes = usize::try_from(bytes).map_err(std::io::Error::other)?;
                Ok(Self::Memory(read_at(&file, 0, bytes)?))
            }
        }
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Mapped(map) => map.len() as u64,
            Self::Memory(content) => content.len() as u64,
            Self::OnDisk { bytes, .. } => *bytes,
        }
    }

    /// The content of a file that is mapped or in memory; empty for one on disk.
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Memory(content) => content,
            Self::OnDisk { .. } => &[],
        }
    }

    /// The bytes of `range`; an error of the system if the file has become shorter.
    pub(crate) fn read(&self, range: Range<u64>) -> std::io::Result<Cow<'_, [u8]>> {
        let usize_of = |number: u64| usize::try_from(number).map_err(std::io::Error::other);
        let (start, end) = (usize_of(range.start)?, usize_of(range.end)?);
        match self {
            Self::OnDisk { file, .. } => Ok(Cow::Owned(read_at(file, range.start, end - start)?)),
            _ => match self.as_slice().get(start..end) {
                Some(bytes) => Ok(Cow::Borrowed(bytes)),
                None => Err(std::io::ErrorKind::UnexpectedEof.into()),
            },
        }
    }
}

fn refuse_large(bytes: u64) -> std::io::Result<()> {
    if bytes <= MOST_IN_MEMORY_BYTES {
        return Ok(());
    }
    let problem = format!(
        "it has {bytes} bytes, and an index of more than {MOST_IN_MEMORY_BYTES} is mapped and not read into \
         memory: use data.read = \"mmap\" and a copy that is yours and that others cannot write to"
    );
    Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, problem))
}

/// `bytes` bytes from `offset` on. A foreign file may ask for more memory than there is, which is an error
/// and no end of the process.
fn read_at(file: &File, offset: u64, bytes: usize) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    content.try_reserve_exact(bytes).map_err(std::io::Error::other)?;
    content.resize(bytes, 0);
    file.read_exact_at(&mut content, offset)?;
    Ok(content)
}

#[expect(
    unsafe_code,
    reason = "mapping a file is sound only while nobody changes it; see SAFETY"
)]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the bytes of a mapping must not change while it lives. `of_io` maps only files that belong to
    // this user or to the administrator and that nobody else may write to. Of these, `ShardWriter::finish` and
    // `Packing::write` (through `durable`) write beside, rename and make the file read-only, and nothing in
    // the project opens such a file for writing. A user who overrides that on a file of their own while it is
    // read breaks the promise (cut short, the process ends by SIGBUS); `ReadMode::Pread` is there for them.
    unsafe { Mmap::map(file) }
}

//! Beside, flush, rename, flush the folder above: the two ways in which things get their names.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};

use crate::partial::partial_path;
use crate::unflushed::Unflushed;
use crate::{DurableError, Operation, Storage, StorageFile};

const WRITE_BUFFER_BYTES: usize = 1 << 18;

/// Writes a file that appears under `path` whole or not at all, replacing one that is there.
///
/// `fill` writes the contents (through a buffer). A reader that has the old file open keeps
/// it; a link at `path` is replaced, not followed.
///
/// # Errors
/// Any variant of [`DurableError`]; `path` then is as it was before, or (when only the last
/// flush of the folder failed) already the new file.
pub fn commit_file(
    storage: &dyn Storage,
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), DurableError> {
    commit_as(storage, path, fill, |staged| {
        let fail = |source| DurableError::new(Operation::Rename, path, source);
        storage.rename(staged, path).map_err(fail)
    })
}

/// [`commit_file`] under a name that is free: of several writers exactly one succeeds.
///
/// # Errors
/// [`DurableError::AlreadyExists`] when anything is at `path`, which then stays as it is; else
/// as [`commit_file`].
pub fn commit_new_file(
    storage: &dyn Storage,
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), DurableError> {
    commit_as(storage, path, fill, |staged| rename_new(storage, staged, path))
}

/// Writes beside, then lets `give_name` move it to `path`.
fn commit_as(
    storage: &dyn Storage,
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    give_name: impl FnOnce(&Path) -> Result<(), DurableError>,
) -> Result<(), DurableError> {
    let mut staged = Staged::new(storage, path, Kind::File)?;
    let fail = |operation| move |source| DurableError::new(operation, path, source);
    let file = storage
        .create_new(&staged.path)
        .map_err(fail(Operation::Create))?;
    staged.created = true;
    write_and_sync(file, fill).map_err(fail(Operation::Write))?;
    give_name(&staged.path)?;
    staged.created = false;
    sync_parent(storage, path)
}

/// [`commit_file`] of bytes that are in memory.
///
/// # Errors
/// As [`commit_file`].
pub fn commit_bytes(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<(), DurableError> {
    commit_file(storage, path, |file| file.write_all(bytes))
}

/// Makes a folder that appears under `path` with all its files or not at all.
///
/// `fill` writes into a folder beside. All that lies there afterwards is flushed, however it
/// was written, and before that nothing: [`StagedDir::storage`] does not flush.
///
/// # Errors
/// [`DurableError::AlreadyExists`] when anything is at `path`, before `fill` is called and
/// again at the end; what `fill` returns; any other variant. `path` then does not exist, or
/// (when only the last flush of the folder above failed) is already whole.
pub fn commit_dir<E: From<DurableError>>(
    storage: &dyn Storage,
    path: &Path,
    fill: impl FnOnce(&StagedDir<'_>) -> Result<(), E>,
) -> Result<(), E> {
    refuse_existing(path)?;
    let mut staged = Staged::new(storage, path, Kind::Folder)?;
    storage
        .create_dir(&staged.path)
        .map_err(|source| DurableError::new(Operation::Create, path, source))?;
    staged.created = true;
    fill(&StagedDir {
        storage: &Unflushed(storage),
        staged: &staged.path,
        target: path,
    })?;
    sync_tree(storage, &staged.path, path)?;
    rename_new(storage, &staged.path, path)?;
    staged.created = false;
    sync_parent(storage, path)?;
    Ok(())
}

/// Removes a folder in a way that leaves it whole or gone: it first loses its name.
///
/// A process that is killed meanwhile leaves a partial, which
/// [`remove_stale_partials`](crate::remove_stale_partials) finds.
///
/// # Errors
/// Any variant of [`DurableError`] but those about names that are taken.
pub fn remove_dir(storage: &dyn Storage, path: &Path) -> Result<(), DurableError> {
    let fail = |source| DurableError::new(Operation::Remove, path, source);
    let partial = partial_path(path)?;
    storage.rename_new(path, &partial).map_err(fail)?;
    sync_parent(storage, path)?;
    storage.remove_dir_all(&partial).map_err(fail)
}

fn refuse_existing(path: &Path) -> Result<(), DurableError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(DurableError::AlreadyExists {
            path: path.to_path_buf(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(DurableError::new(Operation::Create, path, source)),
    }
}

fn rename_new(storage: &dyn Storage, from: &Path, to: &Path) -> Result<(), DurableError> {
    storage.rename_new(from, to).map_err(|source| {
        if source.kind() == io::ErrorKind::AlreadyExists {
            DurableError::AlreadyExists {
                path: to.to_path_buf(),
            }
        } else {
            DurableError::new(Operation::Rename, to, source)
        }
    })
}

fn write_and_sync(
    file: Box<dyn StorageFile>,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffered = BufWriter::with_capacity(WRITE_BUFFER_BYTES, file);
    let filled = fill(&mut buffered).and_then(|()| buffered.flush());
    // Taken apart so that a failed fill does not write the buffer's rest when dropped.
    let (mut file, _unwritten) = buffered.into_parts();
    filled?;
    file.sync_all()
}

fn sync_parent(storage: &dyn Storage, path: &Path) -> Result<(), DurableError> {
    let parent = parent_of(path);
    storage
        .sync_dir(parent)
        .map_err(|source| DurableError::new(Operation::Sync, parent, source))
}

/// The folder that holds `path`; the current one for a bare name.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Flushes every file under `staged` and then every folder, deepest first; errors name them under
/// `target`.
fn sync_tree(storage: &dyn Storage, staged: &Path, target: &Path) -> Result<(), DurableError> {
    let named = |path: &Path| match path.strip_prefix(staged) {
        Ok(name) if !name.as_os_str().is_empty() => target.join(name),
        _ => target.to_path_buf(),
    };
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    list_tree(staged, &mut files, &mut folders)
        .map_err(|(path, source)| DurableError::new(Operation::Read, &named(&path), source))?;
    storage
        .sync_files(&files)
        .map_err(|(index, source)| DurableError::new(Operation::Sync, &named(&files[index]), source))?;
    for folder in &folders {
        storage
            .sync_dir(folder)
            .map_err(|source| DurableError::new(Operation::Sync, &named(folder), source))?;
    }
    Ok(())
}

/// Lists the files under a folder, and folders behind those in them; an error names its path.
fn list_tree(
    folder: &Path,
    files: &mut Vec<PathBuf>,
    folders: &mut Vec<PathBuf>,
) -> Result<(), (PathBuf, io::Error)> {
    let failed = |source| (folder.to_path_buf(), source);
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut entries = entries.collect::<io::Result<Vec<_>>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(|source| (entry.path(), source))?;
        if kind.is_dir() {
            list_tree(&entry.path(), files, folders)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    folders.push(folder.to_path_buf());
    Ok(())
}

#[derive(Debug)]
enum Kind {
    File,
    Folder,
}

/// Something under its partial name; removed again unless it got its final one.
#[derive(Debug)]
struct Staged<'a> {
    storage: &'a dyn Storage,
    path: PathBuf,
    kind: Kind,
    created: bool,
}

impl<'a> Staged<'a> {
    fn new(storage: &'a dyn Storage, target: &Path, kind: Kind) -> Result<Self, DurableError> {
        Ok(Self {
            storage,
            path: partial_path(target)?,
            kind,
            created: false,
        })
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.created {
            return;
        }
        // The error that led here is the one that is reported; what cannot be removed now is
        // found by `remove_stale_partials`.
        let _ = match self.kind {
            Kind::File => self.storage.remove_file(&self.path),
            Kind::Folder => self.storage.remove_dir_all(&self.path),
        };
    }
}

/// A folder that is being filled beside its final place.
#[derive(Debug)]
pub struct StagedDir<'a> {
    storage: &'a dyn Storage,
    staged: &'a Path,
    target: &'a Path,
}

impl StagedDir<'_> {
    /// Where the folder is now; for libraries that write to a path.
    pub fn path(&self) -> &Path {
        self.staged
    }

    /// Where the folder will be.
    pub fn target(&self) -> &Path {
        self.target
    }

    /// The storage that everything goes through; it does not flush, because the whole folder is
    /// flushed at the end.
    pub fn storage(&self) -> &dyn Storage {
        self.storage
    }

    /// Creates a file (`name` may have folders in it that exist); its writes are not buffered.
    ///
    /// # Errors
    /// [`DurableError::InvalidName`] when `name` leads out of the folder; else the system's.
    pub fn create_file(&self, name: impl AsRef<Path>) -> Result<Box<dyn StorageFile>, DurableError> {
        let (staged, target) = self.paths_of(name.as_ref())?;
        self.storage
            .create_new(&staged)
            .map_err(|source| DurableError::new(Operation::Create, &target, source))
    }

    /// Writes a whole file; `fill` writes through a buffer.
    ///
    /// # Errors
    /// As [`StagedDir::create_file`], and what writing gives.
    pub fn write_file(
        &self,
        name: impl AsRef<Path>,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), DurableError> {
        let file = self.create_file(name.as_ref())?;
        write_and_sync(file, fill)
            .map_err(|source| DurableError::new(Operation::Write, &self.target.join(name), source))
    }

    /// Creates a folder inside.
    ///
    /// # Errors
    /// As [`StagedDir::create_file`].
    pub fn create_dir(&self, name: impl AsRef<Path>) -> Result<(), DurableError> {
        let (staged, target) = self.paths_of(name.as_ref())?;
        self.storage
            .create_dir(&staged)
            .map_err(|source| DurableError::new(Operation::Create, &target, source))
    }

    fn paths_of(&self, name: &Path) -> Result<(PathBuf, PathBuf), DurableError> {
        let stays_inside = name
            .components()
            .all(|component| matches!(component, Component::Normal(_)));
        if !stays_inside || name.as_os_str().is_empty() {
            return Err(DurableError::InvalidName {
                path: name.to_path_buf(),
            });
        }
        Ok((self.staged.join(name), self.target.join(name)))
    }
}

#[cfg(test)]
mod tests;

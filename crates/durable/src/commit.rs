//! Beside, flush, rename, flush the folder above: the two ways in which things get their names.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};

use crate::partial::partial_path;
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
    let mut staged = Staged::new(storage, path, Kind::File)?;
    let fail = |operation| move |source| DurableError::new(operation, path, source);
    let file = storage
        .create_new(&staged.path)
        .map_err(fail(Operation::Create))?;
    staged.created = true;
    write_and_sync(file, fill).map_err(fail(Operation::Write))?;
    storage
        .rename(&staged.path, path)
        .map_err(fail(Operation::Rename))?;
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
/// was written.
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
        storage,
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

/// Flushes every file and folder under `staged`, deepest first; errors name them under `target`.
fn sync_tree(storage: &dyn Storage, staged: &Path, target: &Path) -> Result<(), DurableError> {
    let listing = |source| DurableError::new(Operation::Read, target, source);
    let mut entries = fs::read_dir(staged)
        .map_err(listing)?
        .collect::<io::Result<Vec<_>>>()
        .map_err(listing)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let target = target.join(entry.file_name());
        let kind = entry
            .file_type()
            .map_err(|source| DurableError::new(Operation::Read, &target, source))?;
        if kind.is_dir() {
            sync_tree(storage, &entry.path(), &target)?;
        } else if kind.is_file() {
            storage
                .sync_file(&entry.path())
                .map_err(|source| DurableError::new(Operation::Sync, &target, source))?;
        }
    }
    storage
        .sync_dir(staged)
        .map_err(|source| DurableError::new(Operation::Sync, target, source))
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

    /// The storage that everything goes through.
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

    /// Writes and flushes a whole file; `fill` writes through a buffer.
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
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::testing::{Call, FaultyStorage, Recorder, at_every_call};
    use crate::{DISK, is_partial};

    fn fill_two_files(staged: &StagedDir<'_>) -> Result<(), DurableError> {
        staged.create_dir("sub")?;
        staged.write_file("sub/weights", |file| file.write_all(b"weights"))?;
        staged.write_file("manifest", |file| file.write_all(b"manifest"))
    }

    fn is_whole(folder: &Path) -> bool {
        fs::read(folder.join("sub/weights")).is_ok_and(|bytes| bytes == b"weights")
            && fs::read(folder.join("manifest")).is_ok_and(|bytes| bytes == b"manifest")
    }

    fn names_in(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_fault_at_any_call_leaves_a_new_file_absent_or_whole() {
        let reached = at_every_call(|storage| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            let result = commit_bytes(storage, &path, b"contents");
            match fs::read(&path) {
                Ok(bytes) => assert_eq!(bytes, b"contents", "{storage:?}"),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound, "{storage:?}"),
            }
            assert_eq!(result.is_err(), storage.has_failed(), "{storage:?}");
            assert!(result.is_err() || path.exists(), "{storage:?}");
        });
        assert_eq!(reached, 5, "create, write, sync, rename, sync of the folder");
    }

    #[test]
    fn a_fault_at_any_call_leaves_the_old_file_or_the_new_one() {
        at_every_call(|storage| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            commit_bytes(&DISK, &path, b"old").unwrap();
            let result = commit_bytes(storage, &path, b"new, and longer");
            let bytes = fs::read(&path).unwrap();
            assert!(
                bytes == b"new, and longer" || (bytes == b"old" && result.is_err()),
                "{storage:?}"
            );
        });
    }

    #[test]
    fn a_fault_at_any_call_leaves_a_folder_absent_or_whole() {
        let reached = at_every_call(|storage| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("step-1");
            let result = commit_dir(storage, &path, fill_two_files);
            assert!(!path.exists() || is_whole(&path), "{storage:?}");
            assert_eq!(result.is_err(), storage.has_failed(), "{storage:?}");
            assert!(result.is_err() || path.exists(), "{storage:?}");
        });
        assert!(reached >= 12, "{reached}");
    }

    #[test]
    fn an_error_leaves_nothing_beside_and_a_crash_only_partials() {
        at_every_call(|storage| {
            let folder = tempfile::tempdir().unwrap();
            let _ = commit_dir(storage, &folder.path().join("step-1"), fill_two_files);
            let _ = commit_bytes(storage, &folder.path().join("note"), b"note");
            for name in names_in(folder.path()) {
                let is_final = name == "step-1" || name == "note";
                let is_leftover = storage.is_crash() && is_partial(&name);
                assert!(is_final || is_leftover, "{name} after {storage:?}");
            }
        });
    }

    #[test]
    fn a_folder_is_flushed_inside_out_before_the_rename_and_its_parent_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-1");
        let recorder = Recorder::default();
        commit_dir(&recorder, &path, fill_two_files).unwrap();
        let calls = recorder.calls();
        let position =
            |wanted: &dyn Fn(&Call) -> bool| calls.iter().rposition(wanted).expect("the call was made");
        let ends = |path: &Path, name: &str| path.ends_with(name);
        let last_write = position(&|call| matches!(call, Call::Write { .. }));
        let file = position(&|call| matches!(call, Call::SyncFile(path) if ends(path, "weights")));
        let sub = position(&|call| matches!(call, Call::SyncDir(path) if ends(path, "sub")));
        let rename = position(&|call| matches!(call, Call::RenameNew { .. }));
        let top =
            position(&|call| matches!(call, Call::SyncDir(staged) if staged.parent() == Some(folder.path())));
        let parent = position(&|call| matches!(call, Call::SyncDir(path) if path == folder.path()));
        assert!(last_write < file && file < sub && sub < top, "{calls:?}");
        assert!(top < rename && rename < parent, "{calls:?}");
        assert_eq!(parent, calls.len() - 1, "{calls:?}");
    }

    #[test]
    fn a_file_is_flushed_before_the_rename_and_its_folder_after() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::default();
        commit_bytes(&recorder, &folder.path().join("file"), b"x").unwrap();
        let calls = recorder.calls();
        assert!(
            matches!(
                calls.as_slice(),
                [
                    Call::CreateNew(_),
                    Call::Write { num_bytes: 1, .. },
                    Call::SyncAll(_),
                    Call::Rename { .. },
                    Call::SyncDir(_)
                ]
            ),
            "{calls:?}"
        );
    }

    #[test]
    fn a_taken_folder_name_is_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-1");
        commit_dir(&DISK, &path, fill_two_files).unwrap();
        let error = commit_dir(&DISK, &path, |_| -> Result<(), DurableError> {
            panic!("must not be filled")
        })
        .unwrap_err();
        assert!(matches!(error, DurableError::AlreadyExists { .. }), "{error}");
        assert!(error.to_string().contains("choose another name"), "{error}");
        assert!(is_whole(&path));
    }

    #[test]
    fn a_folder_that_another_writer_made_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-1");
        let error = commit_dir(&DISK, &path, |staged| {
            fs::create_dir(&path).unwrap();
            fill_two_files(staged)
        })
        .unwrap_err();
        assert!(matches!(error, DurableError::AlreadyExists { .. }), "{error}");
        assert_eq!(names_in(folder.path()), ["step-1"]);
        assert!(names_in(&path).is_empty());
    }

    #[test]
    fn an_error_of_the_fill_comes_back_and_nothing_stays() {
        #[derive(Debug, thiserror::Error)]
        enum CallerError {
            #[error("own")]
            Own,
            #[error("durable")]
            Durable(#[from] DurableError),
        }
        let folder = tempfile::tempdir().unwrap();
        let result = commit_dir(&DISK, &folder.path().join("step-1"), |staged| {
            fill_two_files(staged)?;
            Err(CallerError::Own)
        });
        assert!(matches!(result, Err(CallerError::Own)));
        assert!(names_in(folder.path()).is_empty());
    }

    #[test]
    fn a_panic_in_the_fill_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let result = std::panic::catch_unwind(|| commit_file(&DISK, &path, |_| panic!("on purpose")));
        assert!(result.is_err());
        assert!(names_in(folder.path()).is_empty());
    }

    #[test]
    fn a_full_disk_and_a_read_only_folder_name_the_final_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-1");
        let full = FaultyStorage::from_call(3, io::ErrorKind::StorageFull);
        let error = commit_dir(&full, &path, fill_two_files).unwrap_err();
        assert!(matches!(error, DurableError::DiskFull { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains(&format!("{}/sub/weights:", path.display())),
            "{error}"
        );
        let read_only = FaultyStorage::from_call(1, io::ErrorKind::ReadOnlyFilesystem);
        let error = commit_bytes(&read_only, &path, b"x").unwrap_err();
        assert!(matches!(error, DurableError::ReadOnly { .. }), "{error}");
        assert!(
            error.to_string().contains(&format!("{}:", path.display())),
            "{error}"
        );
    }

    #[test]
    fn a_link_is_replaced_and_what_it_points_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (original, link) = (folder.path().join("original"), folder.path().join("link"));
        commit_bytes(&DISK, &original, b"original").unwrap();
        symlink(&original, &link).unwrap();
        commit_bytes(&DISK, &link, b"new").unwrap();
        assert_eq!(fs::read(&original).unwrap(), b"original");
        assert_eq!(fs::read(&link).unwrap(), b"new");
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_dangling_link_counts_as_taken_for_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("nowhere", &link).unwrap();
        let error = commit_dir(&DISK, &link, fill_two_files).unwrap_err();
        assert!(matches!(error, DurableError::AlreadyExists { .. }), "{error}");
    }

    #[test]
    fn a_folder_behind_a_link_can_be_written_into() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("real")).unwrap();
        symlink("real", folder.path().join("link")).unwrap();
        commit_dir(&DISK, &folder.path().join("link/step-1"), fill_two_files).unwrap();
        assert!(is_whole(&folder.path().join("real/step-1")));
    }

    #[test]
    fn a_read_only_file_is_replaced_and_its_open_reader_keeps_the_old_contents() {
        use std::io::Read;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        commit_bytes(&DISK, &path, b"old").unwrap();
        DISK.set_read_only(&path).unwrap();
        let mut reader = fs::File::open(&path).unwrap();
        commit_bytes(&DISK, &path, b"new").unwrap();
        let mut seen = String::new();
        reader.read_to_string(&mut seen).unwrap();
        assert_eq!(
            (seen.as_str(), fs::read(&path).unwrap().as_slice()),
            ("old", &b"new"[..])
        );
        assert!(!fs::metadata(&path).unwrap().permissions().readonly());
    }

    #[test]
    fn names_that_lead_out_of_a_staged_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        commit_dir(&DISK, &folder.path().join("step-1"), |staged| {
            for name in ["../file", "/tmp/file", "", ".", "sub/../../file"] {
                let error = staged.create_file(name).unwrap_err();
                assert!(
                    matches!(error, DurableError::InvalidName { .. }),
                    "{name}: {error}"
                );
            }
            Ok::<(), DurableError>(())
        })
        .unwrap();
    }

    #[test]
    fn a_fault_at_any_call_of_a_removal_leaves_the_folder_whole_or_gone() {
        at_every_call(|storage| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("step-1");
            commit_dir(&DISK, &path, fill_two_files).unwrap();
            let result = remove_dir(storage, &path);
            assert!(!path.exists() || is_whole(&path), "{storage:?}");
            assert_eq!(result.is_err(), storage.has_failed(), "{storage:?}");
        });
    }

    #[test]
    fn a_missing_parent_and_a_path_without_a_name_are_refused() {
        let error = commit_bytes(&DISK, Path::new("/no/such/folder/file"), b"").unwrap_err();
        assert!(matches!(error, DurableError::Missing { .. }), "{error}");
        let error = commit_bytes(&DISK, Path::new("/"), b"").unwrap_err();
        assert!(matches!(error, DurableError::InvalidName { .. }), "{error}");
    }
}

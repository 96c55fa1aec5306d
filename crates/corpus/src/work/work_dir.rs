//! What a command that writes a folder needs first: the name free, the lock held, half-written
//! leftovers of a killed predecessor gone. It does not write the folder itself.

use std::path::{Path, PathBuf};

use documents::DocumentsError;
use durable::{DISK, DurableError, FolderLock, LOCK_FILE, Operation, Storage};

use crate::error::CorpusError;
use crate::work::scratch::is_finished_name;
use crate::work::segments::Part;

/// The place beside an output folder where one command at a time prepares it.
///
/// It is the hidden folder `.NAME.work`, which holds the lock and whatever does not belong into
/// the result (segments, files that are being sorted). It goes when the command has done its work.
/// When it fails, finished segments stay, and after a kill all of it; the next command for the
/// same output goes on with it.
#[derive(Debug)]
pub(crate) struct WorkDir {
    folder: PathBuf,
    is_done: bool,
    _lock: FolderLock,
}

/// Finished segments, in the work folder.
const SEGMENTS: &str = "segments";
/// What every finished output has.
const MANIFEST: &str = "manifest.json";

impl WorkDir {
    /// Takes the lock for writing `out`.
    ///
    /// # Errors
    /// When `out` exists, another command is writing it, or its parent cannot be written to.
    pub(crate) fn enter(out: &Path, purpose: &str) -> Result<Self, CorpusError> {
        let folder = work_folder(out)?;
        let parent = folder.parent().unwrap_or(Path::new("."));
        refuse_existing(out).inspect_err(|_| {
            // What stands there may be a stranger's, and the work unfinished.
            if out.join(MANIFEST).is_file() {
                remove_left(parent, &folder, purpose);
            }
        })?;
        create_dir_all(parent)?;
        let lock = lock_folder(&folder, purpose).map_err(|error| name_output(error, out))?;
        // A predecessor may have finished between the first look and the lock.
        refuse_existing(out)?;
        durable::remove_stale_partials(&DISK, parent)?;
        Ok(Self {
            folder,
            is_done: false,
            _lock: lock,
        })
    }

    /// Takes the lock for making a part of `out`, which must not exist.
    pub(crate) fn enter_part(out: &Path, part: Part, purpose: &str) -> Result<Self, CorpusError> {
        refuse_existing(out)?;
        let parts = parts_folder(out)?;
        // What is there is believed by the hashes that it states of itself.
        durable::private_folder(&parts)?;
        let name = format!("part-{}", part.to_string().replace('/', "-of-"));
        Self::enter(&parts.join(name), purpose)
    }

    /// The folder for finished segments of the work; those of a predecessor that failed or was
    /// killed are in it.
    pub(crate) fn segments(&self) -> PathBuf {
        self.folder.join(SEGMENTS)
    }

    /// A path for a file that does not belong into the result; what a killed predecessor left
    /// there is removed.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf, CorpusError> {
        let path = self.folder.join(name);
        match DISK.remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(DurableError::new(Operation::Remove, &path, source).into())
            }
            _ => Ok(path),
        }
    }

    /// Leaves the place with what was made. Nothing is kept of work that the same input would end in
    /// the same error again.
    pub(crate) fn leave<T>(mut self, made: Result<T, CorpusError>) -> Result<T, CorpusError> {
        self.is_done = matches!(
            made,
            Ok(_)
                | Err(CorpusError::Documents(DocumentsError::NoDocuments { .. })
                    | CorpusError::DuplicateDocument { .. })
        );
        made
    }

    /// Removes all but finished segments: files that are being sorted, which take room.
    fn clear(&self) {
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) && entry.file_name() != LOCK_FILE {
                // What stays behind is removed by the next command.
                let _ = DISK.remove_file(&entry.path());
            }
        }
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if !self.is_done && has_finished_segments(&self.folder) {
            return self.clear();
        }
        // The folder loses its name in one step while the lock is held, so that nobody works in
        // one that is being removed. What stays behind is removed by the next command for the
        // same output.
        let _ = durable::remove_dir(&DISK, &self.folder);
    }
}

/// The folder where work for an output is kept that a command had finished when it failed or was
/// killed; `None` where there is none. The same command goes on with it.
pub fn kept_work(out: &Path) -> Option<PathBuf> {
    work_folder(out)
        .ok()
        .filter(|folder| has_finished_segments(folder))
}

fn work_folder(out: &Path) -> Result<PathBuf, DurableError> {
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = out.file_name().ok_or_else(|| DurableError::InvalidName {
        path: out.to_path_buf(),
    })?;
    Ok(parent.join(format!(".{}.work", name.to_string_lossy())))
}

fn has_finished_segments(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder.join(SEGMENTS)).into_iter().flatten();
    entries
        .flatten()
        .any(|entry| is_finished_name(&entry.file_name()))
}

/// Where the parts of an output are kept until they are merged: beside it. A folder that is there must
/// be this user's alone.
pub(crate) fn parts_folder(out: &Path) -> Result<PathBuf, DurableError> {
    let mut folder = out.as_os_str().to_owned();
    folder.push(".parts");
    let folder = PathBuf::from(folder);
    if folder.symlink_metadata().is_ok() {
        durable::private_folder(&folder)?;
    }
    Ok(folder)
}

/// Removes what a command left that was killed when its output was there already: its folder, or
/// what it had not removed of it.
fn remove_left(parent: &Path, folder: &Path, purpose: &str) {
    // What stays behind does no harm.
    if folder.is_dir() && FolderLock::acquire(folder, purpose).is_ok() {
        let _ = durable::remove_dir(&DISK, folder);
    }
    let _ = durable::remove_stale_partials(&DISK, parent);
}

/// Makes the folder and takes its lock.
fn lock_folder(folder: &Path, purpose: &str) -> Result<FolderLock, DurableError> {
    loop {
        match durable::private_folder(folder) {
            // Its last user has removed it between the try to make it and the look at it.
            Err(DurableError::Missing { .. }) => continue,
            made => made?,
        }
        match FolderLock::acquire(folder, purpose) {
            // Its last user has removed it in between.
            Err(DurableError::Missing { .. }) => {}
            other => return other,
        }
    }
}

fn refuse_existing(out: &Path) -> Result<(), CorpusError> {
    match out.symlink_metadata() {
        Ok(_) => Err(DurableError::AlreadyExists {
            path: out.to_path_buf(),
        }
        .into()),
        Err(_) => Ok(()),
    }
}

fn create_dir_all(path: &Path) -> Result<(), CorpusError> {
    DISK.create_dir_all(path)
        .map_err(|source| DurableError::new(Operation::Create, path, source).into())
}

/// The user knows the output folder, not the one that the lock lies in.
fn name_output(error: DurableError, out: &Path) -> DurableError {
    match error {
        DurableError::Locked { holder, .. } => DurableError::Locked {
            path: out.to_path_buf(),
            holder,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[test]
    fn a_second_command_for_the_same_output_is_refused_while_the_first_lives() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("corpus");
        let first = WorkDir::enter(&out, "build").unwrap();
        let refused = WorkDir::enter(&out, "build").unwrap_err();
        assert!(
            matches!(&refused, CorpusError::Durable(DurableError::Locked { path, .. }) if *path == out),
            "{refused:?}"
        );
        drop(first);
        drop(WorkDir::enter(&out, "build").unwrap());
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "nothing stays behind"
        );
    }

    #[test]
    fn never_two_at_a_time_work_for_one_output_while_others_leave() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("corpus");
        let (inside, entered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        match WorkDir::enter(&out, "build") {
                            Ok(work) => {
                                assert_eq!(inside.fetch_add(1, SeqCst), 0, "two at a time");
                                drop(DISK.create_new(&work.scratch("spool").unwrap()).unwrap());
                                entered.fetch_add(1, SeqCst);
                                inside.fetch_sub(1, SeqCst);
                            }
                            Err(CorpusError::Durable(DurableError::Locked { .. })) => {}
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                });
            }
        });
        assert!(entered.into_inner() > 0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_output_that_exists_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let refused = WorkDir::enter(folder.path(), "build").unwrap_err();
        assert!(
            matches!(refused, CorpusError::Durable(DurableError::AlreadyExists { .. })),
            "{refused:?}"
        );
        assert!(folder.path().exists());
    }

    #[test]
    fn what_a_command_left_that_was_killed_behind_its_last_step_goes_with_the_next_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("corpus");
        let work = folder.path().join(".corpus.work");
        DISK.create_dir_all(&work.join("segments/segment-00000")).unwrap();
        DISK.create_dir_all(&out).unwrap();
        assert!(WorkDir::enter(&out, "build").is_err());
        assert_eq!(kept_work(&out), Some(work.clone()), "no command has made `out`");
        durable::commit_bytes(&DISK, &out.join(MANIFEST), b"{}").unwrap();
        let living = FolderLock::acquire(&work, "build").unwrap();
        assert!(WorkDir::enter(&out, "build").is_err());
        assert!(work.exists(), "somebody works there");
        drop(living);
        assert!(WorkDir::enter(&out, "build").is_err());
        assert!(!work.exists() && out.exists());
    }

    #[test]
    fn a_command_that_fails_keeps_its_finished_segments_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("corpus");
        let enter = || WorkDir::enter(&out, "build").unwrap();
        let work = enter();
        DISK.create_dir_all(&work.segments().join("segment-00000.unfinished"))
            .unwrap();
        drop(work);
        assert_eq!(kept_work(&out), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

        let work = enter();
        let finished = work.segments().join("segment-00000");
        let sorting = work.scratch("bands").unwrap();
        DISK.create_dir_all(&finished).unwrap();
        drop(DISK.create_new(&sorting).unwrap());
        drop(work);
        assert!(finished.exists() && !sorting.exists());
        assert_eq!(kept_work(&out), Some(folder.path().join(".corpus.work")));

        enter().leave(Ok(())).unwrap();
        assert_eq!(kept_work(&out), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// Gives a folder another mode.
    fn set(folder: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn an_output_in_a_folder_that_all_can_write_to_is_refused_unless_it_is_sticky() {
        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().join("shared");
        for out in ["corpus", "below/corpus"] {
            let out = shared.join(out);
            DISK.create_dir_all(out.parent().unwrap()).unwrap();
            set(&shared, 0o777);
            for refused in [
                WorkDir::enter(&out, "build"),
                WorkDir::enter_part(&out, Part::WHOLE, "build --part"),
            ] {
                let message = refused.unwrap_err().to_string();
                assert!(message.contains("others can write to"), "{message}");
                assert!(message.contains("chmod +t"), "{message}");
            }
            set(&shared, 0o1777);
            drop(WorkDir::enter(&out, "build").unwrap());
            drop(WorkDir::enter_part(&out, Part::WHOLE, "build --part").unwrap());
        }
    }

    #[test]
    fn parts_that_somebody_else_can_have_made_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("corpus");
        let parts = folder.path().join("corpus.parts");
        assert_eq!(parts_folder(&out).unwrap(), parts);
        assert!(!parts.exists(), "asking makes nothing");
        drop(WorkDir::enter_part(&out, Part::WHOLE, "build --part").unwrap());
        parts_folder(&out).unwrap();
        set(&parts, 0o777);
        for refused in [
            parts_folder(&out).map(drop).map_err(CorpusError::from),
            WorkDir::enter_part(&out, Part::WHOLE, "build --part").map(drop),
        ] {
            let message = refused.unwrap_err().to_string();
            assert!(message.contains("others can write to it"), "{message}");
        }
    }

    #[test]
    fn a_scratch_file_of_a_killed_command_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let work = WorkDir::enter(&folder.path().join("corpus"), "build").unwrap();
        let path = work.scratch("spool").unwrap();
        drop(DISK.create_new(&path).unwrap());
        assert!(!work.scratch("spool").unwrap().exists());
    }
}

//! Who can put another folder in the place of a private one: whoever may rename it, or a folder
//! above it.
//!
//! What a private folder holds is trusted by its name later. The name is safe where nobody else can
//! write to the folders above, or where these have the sticky bit (`/tmp`), with which only its owner
//! renames a thing.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{getegid, geteuid};

use crate::{DurableError, Operation};

const STICKY: u32 = 0o1000;
const GROUP_WRITE: u32 = 0o020;
const ALL_WRITE: u32 = 0o002;

/// Refuses a folder, which need not be there, that others can replace.
///
/// A folder above that all users can write to is refused wherever it is. One that a group can write to
/// is refused where it holds `path` itself: further up stand the folders of projects, whose members
/// trust each other, and whoever does not has a folder of their own below. A group of which the user is
/// the only member (it has the user's number) counts as the user.
pub(crate) fn refuse_replaceable(path: &Path) -> Result<(), DurableError> {
    let parent = parent_of(path);
    let absolute = std::path::absolute(&parent)
        .and_then(|absolute| Ok((absolute.canonicalize()?, absolute)))
        .map_err(|source| DurableError::new(Operation::Read, &parent, source));
    let (real, named) = absolute?;
    for (steps, above) in real.ancestors().enumerate().chain(named.ancestors().enumerate()) {
        let metadata = above
            .metadata()
            .map_err(|source| DurableError::new(Operation::Read, above, source))?;
        let writers = if steps == 0 {
            GROUP_WRITE | ALL_WRITE
        } else {
            ALL_WRITE
        };
        if others_rename_in(&metadata, writers) {
            return Err(DurableError::Replaceable {
                path: path.to_path_buf(),
                above: above.to_path_buf(),
            });
        }
    }
    Ok(())
}

/// The folder that holds `path`.
fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Whether some of `writers` may rename what others have in a folder.
fn others_rename_in(folder: &Metadata, writers: u32) -> bool {
    let mut open_to = folder.mode() & writers;
    if folder.gid() == getegid().as_raw() && folder.gid() == geteuid().as_raw() {
        open_to &= !GROUP_WRITE;
    }
    open_to != 0 && folder.mode() & STICKY == 0
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    /// Another group's number; only the administrator can give files away.
    const OTHER: u32 = 12345;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn refused_for(path: &Path) -> Option<PathBuf> {
        match refuse_replaceable(path) {
            Ok(()) => None,
            Err(DurableError::Replaceable { path: named, above }) => {
                assert_eq!(named, path);
                Some(above)
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_folder_that_all_can_write_to_is_refused_at_any_height_unless_it_is_sticky() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        for height in ["a", "a/b", "a/b/c"] {
            let above = root.join(height);
            for (mode, is_refused) in [
                (0o777, true),
                (0o703, true),
                (0o1777, false),
                (0o755, false),
                (0o700, false),
            ] {
                set(&above, mode);
                let found = refused_for(&root.join("a/b/c/own"));
                assert_eq!(found, is_refused.then(|| above.clone()), "{height} {mode:o}");
            }
        }
    }

    #[test]
    fn the_message_has_the_line_that_mends_it() {
        let root = tempfile::tempdir().unwrap();
        let above = root.path().canonicalize().unwrap().join("it's");
        fs::create_dir(&above).unwrap();
        set(&above, 0o777);
        let message = refuse_replaceable(&above.join("own")).unwrap_err().to_string();
        let line = message.split('`').nth(1).unwrap();
        assert!(line.ends_with(r"it'\''s'"), "{message}");
        let ran = std::process::Command::new("sh").args(["-c", line]).status();
        assert!(ran.unwrap().success(), "{line}");
        assert_eq!(refused_for(&above.join("own")), None);
    }

    #[test]
    fn a_link_is_followed_and_the_folder_that_the_link_lies_in_is_looked_at_too() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for name in ["open", "closed", "closed/inner"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        set(&root.join("open"), 0o777);
        // Whoever writes to `open` can lead the link elsewhere.
        symlink(root.join("closed/inner"), root.join("open/link")).unwrap();
        assert_eq!(refused_for(&root.join("open/link/own")), Some(root.join("open")));
        symlink(root.join("open"), root.join("closed/link")).unwrap();
        assert_eq!(
            refused_for(&root.join("closed/link/own")),
            Some(root.join("open"))
        );
        assert_eq!(refused_for(&root.join("closed/inner/own")), None);
    }

    #[test]
    fn a_group_is_refused_where_it_holds_the_folder_itself() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("project/own")).unwrap();
        let project = root.join("project");
        if chown(&project, None, Some(OTHER)).is_ok() {
            set(&project, 0o2775);
            assert_eq!(refused_for(&project.join("own")), Some(project.clone()));
            assert_eq!(refused_for(&project.join("own/work")), None);
            set(&project, 0o3775);
            assert_eq!(refused_for(&project.join("own")), None);
        }
    }

    #[test]
    fn a_group_with_the_number_of_its_user_is_the_user() {
        let (user, group) = (geteuid().as_raw(), getegid().as_raw());
        let root = tempfile::tempdir().unwrap();
        set(root.path(), 0o770);
        let found = refused_for(&root.path().join("own"));
        assert_eq!(found.is_none(), user == group, "user {user}, group {group}");
    }
}

//! Files and folders of this program's own, in places where other users can write too.
//!
//! Who may write to a folder can lay a link, a pipe or a foreign file under any name in it. So a file
//! that is opened by its name to be written on is opened here, and a folder whose contents are trusted
//! later is made here.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::read::{not_regular, refuse_not_regular};
use crate::{DISK, DurableError, Operation, Storage, above};

/// Write permission of the group and of all others.
const OTHERS_WRITE: u32 = 0o022;

/// Opens `path` as `options` say, when it is a regular file or is made: a link is not followed, and a
/// pipe or a device is not waited for.
///
/// # Errors
/// The system's, or what stands there instead and the way out.
pub fn open_own(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file =
        options
            .custom_flags(flags)
            .open(path)
            .map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::LOOP) => not_regular(io::ErrorKind::Other, "a link, which is not followed,"),
                Some(Errno::NXIO) => not_regular(io::ErrorKind::Other, "a pipe, a socket or a device"),
                _ => error,
            })?;
    refuse_not_regular(&file.metadata()?)?;
    Ok(file)
}

/// Makes a folder that only its user may enter, and those above it. One that is there is taken when
/// nobody else can write to it, nor put another one in its place.
///
/// # Errors
/// [`DurableError::NotPrivate`] for a link, a folder of another user or one that others can write to;
/// [`DurableError::Replaceable`] where others can rename it or a folder above it;
/// [`DurableError::Missing`] where it is removed meanwhile.
pub fn private_folder(path: &Path) -> Result<(), DurableError> {
    let failed = |source| DurableError::new(Operation::Create, path, source);
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DISK.create_dir_all(parent).map_err(failed)?;
    }
    above::refuse_replaceable(path)?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map_err(failed),
    }
    let metadata = fs::symlink_metadata(path).map_err(failed)?;
    let problem = if !metadata.is_dir() {
        "it is no folder"
    } else if !is_own(&metadata) {
        "it belongs to another user"
    } else if metadata.mode() & OTHERS_WRITE != 0 {
        "others can write to it"
    } else {
        return Ok(());
    };
    Err(DurableError::NotPrivate {
        path: path.to_path_buf(),
        problem,
    })
}

/// Whether a file or folder belongs to this user.
pub fn is_own(metadata: &Metadata) -> bool {
    metadata.uid() == geteuid().as_raw()
}

/// Whether somebody else than this user and the system's administrator can change an open file.
pub fn others_can_change(metadata: &Metadata) -> bool {
    let is_trusted = is_own(metadata) || metadata.uid() == 0;
    !is_trusted || metadata.mode() & OTHERS_WRITE != 0
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::commit_bytes;
    use crate::testing::lay_pipe;

    /// Another user's id; only the administrator can give files away.
    const OTHER: u32 = 12345;

    fn for_appending(path: &Path) -> io::Result<File> {
        open_own(OpenOptions::new().create(true).append(true), path)
    }

    #[test]
    fn links_pipes_and_folders_are_refused_at_once_and_what_links_lead_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        commit_bytes(&DISK, &at("victim"), b"whole").unwrap();
        symlink(at("victim"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        lay_pipe(&at("fifo")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        let begun = Instant::now();
        for name in ["link", "dangling"] {
            let message = for_appending(&at(name)).unwrap_err().to_string();
            assert!(message.contains("it is a link"), "{message}");
        }
        let message = for_appending(&at("fifo")).unwrap_err().to_string();
        assert!(message.contains("no regular file"), "{message}");
        let both = open_own(OpenOptions::new().read(true).write(true), &at("fifo")).unwrap_err();
        assert!(both.to_string().contains("no regular file"), "{both}");
        assert!(for_appending(&at("folder")).is_err());
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert_eq!(fs::read(at("victim")).unwrap(), b"whole");
        assert!(!at("nowhere").exists());

        for _ in 0..2 {
            for_appending(&at("own")).unwrap().write_all(b"x").unwrap();
        }
        assert_eq!(fs::read(at("own")).unwrap(), b"xx");
    }

    #[test]
    fn a_private_folder_below_one_that_all_can_write_to_is_refused_before_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
        let error = private_folder(&shared.join("own")).unwrap_err();
        assert!(matches!(error, DurableError::Replaceable { .. }), "{error}");
        assert!(!shared.join("own").exists());
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
        private_folder(&shared.join("own")).unwrap();
        // What was taken once is looked at again.
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(private_folder(&shared.join("own")).is_err());
    }

    #[test]
    fn a_folder_is_private_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        private_folder(&at("a/b")).unwrap();
        private_folder(&at("a/b")).unwrap();
        assert_eq!(fs::metadata(at("a/b")).unwrap().mode() & 0o777, 0o700);
        let problem = |name: &str| match private_folder(&at(name)).unwrap_err() {
            DurableError::NotPrivate { problem, .. } => problem,
            error => panic!("{error}"),
        };
        symlink(at("a/b"), at("link")).unwrap();
        commit_bytes(&DISK, &at("file"), b"").unwrap();
        assert_eq!(problem("link"), "it is no folder");
        assert_eq!(problem("file"), "it is no folder");
        fs::create_dir(at("open")).unwrap();
        for mode in [0o777, 0o1777, 0o770, 0o702] {
            fs::set_permissions(at("open"), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(problem("open"), "others can write to it", "{mode:o}");
        }
        fs::set_permissions(at("open"), fs::Permissions::from_mode(0o755)).unwrap();
        private_folder(&at("open")).unwrap();
        if chown(at("open"), Some(OTHER), None).is_ok() {
            assert_eq!(problem("open"), "it belongs to another user");
        }
    }

    #[test]
    fn a_file_of_another_user_or_open_to_others_may_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        commit_bytes(&DISK, &path, b"").unwrap();
        let changes = |mode: u32| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            others_can_change(&path.metadata().unwrap())
        };
        assert!(!changes(0o644) && !changes(0o444) && !changes(0o600));
        assert!(changes(0o664) && changes(0o646));
        if chown(&path, Some(OTHER), None).is_ok() {
            assert!(changes(0o444));
        }
    }
}

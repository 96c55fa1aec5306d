//! Reads files of folders that may be somebody else's.
//!
//! Anything may lie in a folder under the name of a file: a pipe, which a plain `open` waits for
//! without end, a device, or a file of any size. So a file of a folder is opened here, and one that is
//! taken into memory whole is read here, up to a bound.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Most bytes of a manifest or of another JSON file that is read whole. A corpus of 65,536 shards has a
/// manifest of about so many; those of usual size have a hundredth.
pub const MOST_JSON_BYTES: u64 = 64 << 20;

/// Opens a file of a folder for reading. A link is followed, because users link their data; a pipe or
/// a device is not waited for.
///
/// # Errors
/// The system's; or what stands there instead of a regular file, with the way out.
pub fn open_file(path: &Path) -> io::Result<File> {
    // Looked at before, because opening a device may do something by itself.
    refuse_not_regular(&fs::metadata(path)?)?;
    open_whatever_is_there(path)
}

/// Another thing may have been put in the place of what was looked at.
fn open_whatever_is_there(path: &Path) -> io::Result<File> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(nonblocking).open(path)?;
    refuse_not_regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads a file of a folder whole, when it has at most so many bytes.
///
/// # Errors
/// As [`open_file`]; of the kind [`io::ErrorKind::FileTooLarge`] for a larger file, before memory is
/// taken for it.
pub fn read_file(path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    let file = open_file(path)?;
    let stated_bytes = file.metadata()?.len();
    refuse_large(stated_bytes, most_bytes)?;
    let mut bytes = Vec::new();
    // One byte more than it says: the end is then seen without growing.
    let room = usize::try_from(stated_bytes).map_or(usize::MAX, |bytes| bytes.saturating_add(1));
    bytes.try_reserve_exact(room).map_err(io::Error::other)?;
    // It may grow meanwhile, and files of the system have no length.
    file.take(most_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    refuse_large(bytes.len() as u64, most_bytes)?;
    Ok(bytes)
}

/// As [`read_file`], for text.
///
/// # Errors
/// As [`read_file`]; of the kind [`io::ErrorKind::InvalidData`] for a file that is not UTF-8.
pub fn read_text(path: &Path, most_bytes: u64) -> io::Result<String> {
    let bytes = read_file(path, most_bytes)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is not UTF-8 text from byte {at} on"),
        )
    })
}

fn refuse_large(bytes: u64, most_bytes: u64) -> io::Result<()> {
    if bytes <= most_bytes {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!(
            "it has {bytes} bytes or more, and at most {most_bytes} of such a file are read: see that it is \
             what its name says, and make or copy it again"
        ),
    ))
}

/// Refuses what is no regular file.
pub(crate) fn refuse_not_regular(metadata: &Metadata) -> io::Result<()> {
    let found = metadata.file_type();
    if found.is_file() {
        return Ok(());
    }
    let (kind, name) = if found.is_dir() {
        (io::ErrorKind::IsADirectory, "a folder")
    } else if found.is_fifo() {
        (io::ErrorKind::InvalidData, "a pipe")
    } else if found.is_socket() {
        (io::ErrorKind::InvalidData, "a socket")
    } else {
        (io::ErrorKind::InvalidData, "a device")
    };
    Err(not_regular(kind, name))
}

pub(crate) fn not_regular(kind: io::ErrorKind, found: &str) -> io::Error {
    let problem = format!("it is {found} and no regular file; remove it, or choose another folder");
    io::Error::new(kind, problem)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::testing::{lay_pipe, within_a_minute};
    use crate::{DISK, commit_bytes};

    #[test]
    fn what_is_no_regular_file_is_refused_at_once_by_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        lay_pipe(&at("pipe")).unwrap();
        symlink(at("pipe"), at("link to a pipe")).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        for (path, found) in [
            (at("pipe"), "a pipe"),
            (at("link to a pipe"), "a pipe"),
            (at("socket"), "a socket"),
            (at("folder"), "a folder"),
            ("/dev/null".into(), "a device"),
            ("/dev/zero".into(), "a device"),
        ] {
            let error = within_a_minute(move || read_file(&path, 10)).unwrap_err();
            let message = error.to_string();
            assert!(
                message.contains(&format!("it is {found}")) && message.contains("remove it"),
                "{found}: {message}"
            );
        }
        let error = read_file(&at("nothing"), 10).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_put_in_the_place_of_a_file_while_it_is_opened_is_refused_at_once_too() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        lay_pipe(&pipe).unwrap();
        for (path, found) in [(pipe, "a pipe"), ("/dev/null".into(), "a device")] {
            let error = within_a_minute(move || open_whatever_is_there(&path)).unwrap_err();
            assert!(error.to_string().contains(found), "{error}");
        }
    }

    #[test]
    fn a_pipe_that_somebody_writes_to_is_refused_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        lay_pipe(&path).unwrap();
        // Open for both, so that it does not wait.
        let _writer = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let error = within_a_minute(move || open_file(&path)).unwrap_err();
        assert!(error.to_string().contains("a pipe"), "{error}");
    }

    #[test]
    fn a_file_is_read_whole_up_to_its_bound_and_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink(at("file"), at("link")).unwrap();
        for bytes in [0, 1, 9, 10] {
            commit_bytes(&DISK, &at("file"), &vec![b'x'; bytes]).unwrap();
            assert_eq!(read_file(&at("file"), 10).unwrap().len(), bytes);
            assert_eq!(read_text(&at("link"), 10).unwrap(), "x".repeat(bytes));
        }
        commit_bytes(&DISK, &at("file"), &[b'x'; 11]).unwrap();
        let error = read_file(&at("link"), 10).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("at most 10"), "{error}");
    }

    #[test]
    fn a_file_of_a_tebibyte_takes_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        commit_bytes(&DISK, &path, b"").unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        let error = read_text(&path, MOST_JSON_BYTES).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_file_of_the_system_without_a_length_is_bounded_too() {
        let path = Path::new("/proc/self/maps");
        assert!(read_file(path, MOST_JSON_BYTES).unwrap().len() > 100);
        let error = read_file(path, 100).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        commit_bytes(&DISK, &path, b"ab\xff").unwrap();
        let error = read_text(&path, 10).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("byte 2"), "{error}");
    }
}

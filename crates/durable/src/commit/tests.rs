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
fn each_file_of_a_folder_is_flushed_once_however_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    commit_dir(&recorder, &folder.path().join("step-1"), |staged| {
        fill_two_files(staged)?;
        commit_bytes(staged.storage(), &staged.path().join("own"), b"own")
    })
    .unwrap();
    let calls = recorder.calls();
    let num_flushed = |name: &str| {
        let is_flush = |call: &&Call| match call {
            Call::SyncAll(path) => path.to_string_lossy().contains(name),
            Call::SyncFile(path) => path.ends_with(name),
            _ => false,
        };
        calls.iter().filter(is_flush).count()
    };
    assert_eq!(
        ["weights", "manifest", "own"].map(num_flushed),
        [1; 3],
        "{calls:?}"
    );
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

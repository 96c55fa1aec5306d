//! Disks that are full or read-only, and commands that are started twice.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::programs::{
    build, build_arguments, contents, fail, finished, ingest_arguments, message, names, run, tenk_corpus,
    text,
};

/// A small file system, where this machine lets the test mount one.
struct Mount {
    at: PathBuf,
    _folder: tempfile::TempDir,
}

impl Mount {
    fn tmpfs(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("disk");
        std::fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&at)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { at, _folder: folder });
        }
        test_data::skip("this user may not mount a tmpfs");
        None
    }

    /// Makes room.
    fn grow(&self) {
        let grown = Command::new("mount")
            .args(["-o", "remount,size=200m"])
            .arg(&self.at)
            .status();
        assert!(grown.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.at).status();
    }
}

#[test]
fn a_disk_that_fills_up_at_any_point_ends_each_command_in_one_message_and_leaves_nothing() {
    let (docs, tokenizer) = (text(&finished().at("docs")), text(&finished().at("tokenizer")));
    let filings = text(&finished().at("sample/filings"));
    for kilobytes in [4, 12, 40, 100] {
        let Some(disk) = Mount::tmpfs(&format!("size={kilobytes}k")) else {
            return;
        };
        let out = text(&disk.at.join("out"));
        for arguments in [
            vec!["ingest", "--filings", &filings, "--out", &out],
            vec![
                "tokenizer",
                "--docs",
                &docs,
                "--vocab-size",
                "4000",
                "--out",
                &out,
            ],
            build_arguments(&docs, &tokenizer, &out)
                .iter()
                .map(String::as_str)
                .collect(),
        ] {
            let said = fail(arguments);
            assert!(
                said.contains("the disk is full") && said.contains("free space"),
                "{said}"
            );
            assert!(names(&disk.at).is_empty(), "{:?}", names(&disk.at));
        }
    }
}

/// Runs a command on disks of 200 kB and by a sixth more each time, until it succeeds; where it had
/// finished something when the disk was full, the same command goes on when there is room.
fn on_small_disks(name: &str, arguments: impl Fn(&str) -> Vec<String>, expected: &Path) {
    let (mut failures, mut continued, mut kilobytes) = (0, 0, 200);
    loop {
        let Some(disk) = Mount::tmpfs(&format!("size={kilobytes}k")) else {
            return;
        };
        let out = disk.at.join(name);
        let output = tenk_corpus(arguments(&text(&out))).output().unwrap();
        let said = message(&output);
        if output.status.success() {
            assert_eq!(names(&disk.at), [name]);
            break;
        }
        assert!(
            output.status.code() == Some(1)
                && said.contains("the disk is full")
                && said.contains("free space"),
            "{kilobytes} kB: {said}"
        );
        let (kept, work) = (names(&disk.at), format!(".{name}.work"));
        assert!(kept.is_empty() || kept == [work.as_str()], "{kept:?}");
        assert_eq!(said.contains("what is done is kept"), !kept.is_empty(), "{said}");
        if !kept.is_empty() && continued < 3 {
            let segments = disk.at.join(work).join("segments");
            let of_before = names(&segments);
            assert!(
                of_before.iter().all(|name| !name.ends_with("unfinished")),
                "{of_before:?}"
            );
            disk.grow();
            run(arguments(&text(&out)));
            assert_eq!(names(&disk.at), [name]);
            assert!(contents(&out) == contents(expected));
            continued += 1;
        }
        failures += 1;
        kilobytes += kilobytes / 6;
        assert!(kilobytes < 100_000, "it never suffices");
    }
    assert!(
        failures > 5 && continued > 0,
        "{failures} failures, {continued} continued"
    );
}

#[test]
fn a_disk_that_fills_up_in_mid_build_ends_it_in_one_message_and_with_room_the_same_command_goes_on() {
    let (docs, tokenizer) = (text(&finished().at("docs")), text(&finished().at("tokenizer")));
    on_small_disks(
        "corpus",
        |out| build_arguments(&docs, &tokenizer, out),
        &finished().at("corpus"),
    );
}

#[test]
fn a_disk_that_fills_up_in_mid_ingest_ends_it_in_one_message_and_with_room_the_same_command_goes_on() {
    let sample = finished().at("sample");
    on_small_disks(
        "docs",
        |out| ingest_arguments(&sample, Path::new(out)),
        &finished().at("docs"),
    );
}

#[test]
fn a_read_only_folder_is_named_with_the_way_out() {
    let Some(disk) = Mount::tmpfs("ro") else { return };
    let filings = text(&finished().at("sample/filings"));
    let said = fail([
        "ingest",
        "--filings",
        &filings,
        "--out",
        &text(&disk.at.join("docs")),
    ]);
    assert!(
        said.contains("read-only") && said.contains(&text(&disk.at)),
        "{said}"
    );
}

#[test]
fn a_build_is_refused_while_another_one_into_the_same_folder_lives() {
    let root = tempfile::tempdir().unwrap();
    let work = root.path().join(".corpus.work");
    std::fs::create_dir(&work).unwrap();
    let lock = durable::FolderLock::acquire(&work, "another build").unwrap();
    let (docs, tokenizer) = (text(&finished().at("docs")), text(&finished().at("tokenizer")));
    let out = text(&root.path().join("corpus"));
    let said = fail(["build", "--docs", &docs, "--tokenizer", &tokenizer, "--out", &out]);
    assert!(
        said.contains("in use by process") && said.contains("another build") && said.contains(&out),
        "{said}"
    );
    drop(lock);
    build(&docs, &tokenizer, &out, &[]);
    assert_eq!(names(root.path()), ["corpus"]);
}

#[test]
fn of_two_builds_started_at_once_one_makes_the_corpus_and_the_other_says_why_not() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("corpus");
    let (docs, tokenizer) = (text(&finished().at("docs")), text(&finished().at("tokenizer")));
    let start = || {
        Command::new(assert_cmd::cargo::cargo_bin("tenk-corpus"))
            .args(build_arguments(&docs, &tokenizer, &text(&out)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let both = [start(), start()].map(|child| child.wait_with_output().unwrap());
    let failed: Vec<String> = both
        .iter()
        .filter(|output| !output.status.success())
        .map(message)
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(
        failed[0].contains("in use by") || failed[0].contains("already exists"),
        "{failed:?}"
    );
    run(["verify", "--corpus", &text(&out)]);
    assert_eq!(names(root.path()), ["corpus"]);
}

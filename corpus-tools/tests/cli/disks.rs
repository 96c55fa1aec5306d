//! Disks that are full or read-only, commands that are killed or started twice.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::programs::{build, fail, finished, names, run};

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
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.at).status();
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
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
            vec![
                "build",
                "--docs",
                &docs,
                "--tokenizer",
                &tokenizer,
                "--shards",
                "8",
                "--out",
                &out,
            ],
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

#[test]
fn a_disk_that_fills_up_in_mid_build_ends_it_in_one_message_whichever_pass_it_is_in() {
    let (docs, tokenizer) = (text(&finished().at("docs")), text(&finished().at("tokenizer")));
    let mut failures = 0;
    // From too little for the first pass, by a sixth more each time, to enough for all.
    let mut kilobytes = 200;
    loop {
        let Some(disk) = Mount::tmpfs(&format!("size={kilobytes}k")) else {
            return;
        };
        let out = text(&disk.at.join("corpus"));
        let mut command = crate::programs::tenk_corpus([
            "build",
            "--docs",
            &docs,
            "--tokenizer",
            &tokenizer,
            "--shards",
            "8",
            "--out",
            &out,
        ]);
        let output = command.output().unwrap();
        let said = crate::programs::message(&output);
        if output.status.success() {
            assert_eq!(names(&disk.at), ["corpus"]);
            break;
        }
        assert!(
            output.status.code() == Some(1)
                && said.contains("the disk is full")
                && said.contains("free space"),
            "{kilobytes} kB: {said}"
        );
        assert!(names(&disk.at).is_empty(), "{:?}", names(&disk.at));
        failures += 1;
        kilobytes += kilobytes / 6;
        assert!(kilobytes < 100_000, "it never suffices");
    }
    assert!(failures > 5, "{failures} failures");
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
    let start = || {
        Command::new(assert_cmd::cargo::cargo_bin("tenk-corpus"))
            .args(["build", "--docs"])
            .arg(finished().at("docs"))
            .arg("--tokenizer")
            .arg(finished().at("tokenizer"))
            .args(["--shards", "8", "--out"])
            .arg(&out)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let both = [start(), start()].map(|child| child.wait_with_output().unwrap());
    let failed: Vec<String> = both
        .iter()
        .filter(|output| !output.status.success())
        .map(crate::programs::message)
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(
        failed[0].contains("in use by") || failed[0].contains("exists already"),
        "{failed:?}"
    );
    run(["verify", "--corpus", &text(&out)]);
    assert_eq!(names(root.path()), ["corpus"]);
}

#[test]
fn a_killed_build_leaves_nothing_under_the_final_name_and_the_next_one_clears_up() {
    let root = tempfile::tempdir().unwrap();
    let (docs, tokenizer) = (finished().at("docs"), finished().at("tokenizer"));
    let out = root.path().join("corpus");
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("tenk-corpus"))
        .args(["build", "--shards", "8", "--docs"])
        .arg(&docs)
        .arg("--tokenizer")
        .arg(&tokenizer)
        .arg("--out")
        .arg(&out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let segments = root.path().join(".corpus.work/segments");
    while !segments.exists() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    if !child.wait().unwrap().success() {
        assert!(!out.exists(), "killed, but there is a corpus");
        build(&text(&docs), &text(&tokenizer), &text(&out), &[]);
    }
    assert_eq!(names(root.path()), ["corpus"]);
    run(["verify", "--corpus", &text(&out)]);
}

#[test]
fn a_build_that_is_killed_again_and_again_ends_in_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("corpus");
    let segments = root.path().join(".corpus.work/segments");
    let num_segments = || {
        let names = std::fs::read_dir(&segments).into_iter().flatten();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".unfinished")).count()
    };
    let mut num_kills = 0;
    while !out.exists() {
        let before = num_segments();
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("tenk-corpus"))
            .args(["build", "--shards", "8", "--docs"])
            .arg(finished().at("docs"))
            .arg("--tokenizer")
            .arg(finished().at("tokenizer"))
            .arg("--out")
            .arg(&out)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed as soon as it has got on, while there is something to lose.
        while child.try_wait().unwrap().is_none() {
            if num_kills < 8 && num_segments() > before {
                child.kill().unwrap();
            }
        }
        if child.wait().unwrap().success() {
            break;
        }
        num_kills += 1;
    }
    assert!(num_kills > 0, "it was never killed");
    assert!(crate::programs::contents(&out) == crate::programs::contents(&finished().at("corpus")));
    assert_eq!(names(root.path()), ["corpus"]);
}

#[test]
fn parts_of_a_build_run_at_once_and_merged_are_the_corpus() {
    let root = tempfile::tempdir().unwrap();
    let out = text(&root.path().join("corpus"));
    let (docs, tokenizer) = (text(&finished().at("docs")), text(&finished().at("tokenizer")));
    let part = |part: &'static str| {
        let (out, docs, tokenizer) = (&out, &docs, &tokenizer);
        move || build(docs, tokenizer, out, &["--part", part])
    };
    std::thread::scope(|scope| {
        scope.spawn(part("2/2"));
        scope.spawn(part("1/2"));
    });
    build(&docs, &tokenizer, &out, &["--merge"]);
    let same = crate::programs::contents(Path::new(&out));
    assert!(same == crate::programs::contents(&finished().at("corpus")));
    assert_eq!(names(root.path()), ["corpus", "corpus.parts"]);
}

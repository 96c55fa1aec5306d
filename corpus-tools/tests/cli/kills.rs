//! Commands that are killed at any point and started again.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::programs::{contents, finished, names, run};

/// A larger sample, so that its ingest has several segments.
fn large() -> &'static Path {
    static LARGE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let root = LARGE.get_or_init(|| {
        let root = tempfile::tempdir().unwrap();
        let out = text(&root.path().join("sample"));
        run(["sample", "--filings", "160", "--pages", "2000", "--out", &out]);
        let (filings, wiki) = (format!("{out}/filings"), format!("{out}/wiki"));
        let docs = text(&root.path().join("docs"));
        run(["ingest", "--filings", &filings, "--wiki", &wiki, "--out", &docs]);
        root
    });
    root.path()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("tenk-corpus"));
    command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Starts a command again and again, and kills it after ever longer times, until its output is
/// there. Gives how often it was killed.
fn run_with_kills(arguments: &[&str], out: &Path, first: Duration, step: Duration) -> usize {
    let mut patience = first;
    for num_kills in 0..200 {
        let is_there = out.exists();
        let mut child = program(arguments).spawn().unwrap();
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if started.elapsed() > patience {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::yield_now();
        };
        match status {
            // One that was killed behind its last step leaves a refusal to the next one.
            Some(status) => {
                assert!(status.success() != is_there, "after {num_kills} kills");
                return num_kills;
            }
            None => patience += step,
        }
    }
    panic!("it never ended");
}

/// Finished pieces of segments.
fn num_segments(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with(".unfinished")).count()
}

#[test]
fn an_ingest_that_is_killed_at_any_moment_ends_in_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("docs");
    let (filings, wiki) = (
        text(&finished().at("sample/filings")),
        text(&finished().at("sample/wiki")),
    );
    let out_text = text(&out);
    let arguments = [
        "ingest",
        "--filings",
        &filings,
        "--wiki",
        &wiki,
        "--out",
        &out_text,
    ];
    let num_kills = run_with_kills(
        &arguments,
        &out,
        Duration::from_millis(2),
        Duration::from_millis(4),
    );
    assert!(num_kills > 3, "{num_kills} kills");
    assert!(contents(&out) == contents(&finished().at("docs")));
    assert_eq!(names(root.path()), ["docs"]);
}

#[test]
fn an_ingest_that_is_killed_after_each_segment_goes_on_with_the_next_one() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("docs");
    let (filings, wiki) = (
        text(&large().join("sample/filings")),
        text(&large().join("sample/wiki")),
    );
    let out_text = text(&out);
    let arguments = [
        "ingest",
        "--filings",
        &filings,
        "--wiki",
        &wiki,
        "--out",
        &out_text,
    ];
    let segments = root.path().join(".docs.work/segments");
    let mut kept = Vec::new();
    loop {
        let before = num_segments(&segments);
        let mut child = program(&arguments).spawn().unwrap();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if num_segments(&segments) > before && kept.len() < 20 {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::yield_now();
        };
        if let Some(status) = status {
            assert!(status.success());
            break;
        }
        kept.push(num_segments(&segments));
    }
    // Never fewer than before: nothing finished is done again.
    assert!(kept.len() > 1 && kept.is_sorted_by(|a, b| a < b), "{kept:?}");
    assert!(contents(&out) == contents(&large().join("docs")));
    assert_eq!(names(root.path()), ["docs"]);
}

#[test]
fn parts_of_an_ingest_run_at_once_one_of_them_killed_and_merged_are_the_documents() {
    let root = tempfile::tempdir().unwrap();
    let out = text(&root.path().join("docs"));
    let (filings, wiki) = (
        text(&large().join("sample/filings")),
        text(&large().join("sample/wiki")),
    );
    let command = |more: &[&'static str]| {
        let inputs = ["ingest", "--filings", &filings, "--wiki", &wiki, "--out", &out];
        inputs
            .iter()
            .chain(more)
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        scope.spawn(|| run(command(&["--part", "2/2"])));
        scope.spawn(|| {
            let first = command(&["--part", "1/2"]);
            let first: Vec<&str> = first.iter().map(String::as_str).collect();
            run_with_kills(
                &first,
                Path::new(&out),
                Duration::from_millis(20),
                Duration::from_millis(60),
            );
        });
    });
    run(command(&["--merge"]));
    assert!(contents(Path::new(&out)) == contents(&large().join("docs")));
    assert_eq!(names(root.path()), ["docs", "docs.parts"]);
}

#[test]
fn a_build_that_is_killed_at_any_moment_ends_in_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("corpus");
    let (docs, tokenizer) = (text(&finished().at("docs")), text(&finished().at("tokenizer")));
    let out_text = text(&out);
    let arguments = [
        "build",
        "--docs",
        &docs,
        "--tokenizer",
        &tokenizer,
        "--shards",
        "8",
        "--out",
        &out_text,
    ];
    let num_kills = run_with_kills(
        &arguments,
        &out,
        Duration::from_millis(2),
        Duration::from_millis(5),
    );
    assert!(num_kills > 3, "{num_kills} kills");
    assert!(contents(&out) == contents(&finished().at("corpus")));
    assert_eq!(names(root.path()), ["corpus"]);
}

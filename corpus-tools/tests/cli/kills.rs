//! Commands that are killed at any point and started again.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::programs::{build, build_arguments, contents, finished, ingest_arguments, names, run, text};

/// A larger sample, so that its ingest has several segments.
fn large() -> &'static Path {
    static LARGE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let root = LARGE.get_or_init(|| {
        let root = tempfile::tempdir().unwrap();
        let out = text(&root.path().join("sample"));
        run(["sample", "--filings", "160", "--pages", "2000", "--out", &out]);
        run(ingest_arguments(Path::new(&out), &root.path().join("docs")));
        root
    });
    root.path()
}

/// Runs a command and kills it as soon as `is_enough`. One that was killed has no exit code.
fn kill_when(arguments: &[String], is_enough: impl Fn() -> bool) -> ExitStatus {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("tenk-corpus"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if is_enough() {
            child.kill().unwrap();
            return child.wait().unwrap();
        }
        std::thread::yield_now();
    }
}

/// Starts a command again and again, and kills it after ever longer times, until its output is
/// there. Gives how often it was killed.
fn run_with_kills(arguments: &[String], out: &Path, first: Duration, step: Duration) -> usize {
    let mut patience = first;
    for num_kills in 0..200 {
        let is_there = out.exists();
        let started = Instant::now();
        let status = kill_when(arguments, || started.elapsed() > patience);
        if status.code().is_some() {
            // One that was killed behind its last step leaves a refusal to the next one.
            assert!(status.success() != is_there, "after {num_kills} kills");
            return num_kills;
        }
        patience += step;
    }
    panic!("it never ended");
}

/// Where a command keeps its finished pieces of segments.
fn segments_of(out: &Path) -> PathBuf {
    let name = out.file_name().unwrap().to_str().unwrap();
    out.with_file_name(format!(".{name}.work/segments"))
}

/// Finished pieces of segments.
fn num_segments(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with(".unfinished")).count()
}

/// Starts a command again and again, and kills it each time that it has finished a segment more,
/// until its output is there. Gives how many finished segments each kill left.
fn run_with_kills_after_segments(arguments: &[String], out: &Path, max_kills: usize) -> Vec<usize> {
    let segments = segments_of(out);
    let mut kept = Vec::new();
    loop {
        let before = num_segments(&segments);
        let status = kill_when(arguments, || {
            kept.len() < max_kills && num_segments(&segments) > before
        });
        assert!(status.success() || status.code().is_none(), "{status}");
        if status.success() || out.exists() {
            return kept;
        }
        kept.push(num_segments(&segments));
    }
}

#[test]
fn an_ingest_that_is_killed_at_any_moment_ends_in_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("docs");
    let arguments = ingest_arguments(&finished().at("sample"), &out);
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
    let arguments = ingest_arguments(&large().join("sample"), &out);
    let kept = run_with_kills_after_segments(&arguments, &out, 20);
    // Never fewer than before: nothing finished is done again.
    assert!(kept.len() > 1 && kept.is_sorted_by(|a, b| a < b), "{kept:?}");
    assert!(contents(&out) == contents(&large().join("docs")));
    assert_eq!(names(root.path()), ["docs"]);
}

#[test]
fn parts_of_an_ingest_run_at_once_one_of_them_killed_and_merged_are_the_documents() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("docs");
    let command = |more: &[&str]| {
        let more = more.iter().map(ToString::to_string);
        let inputs = ingest_arguments(&large().join("sample"), &out);
        inputs.into_iter().chain(more).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        scope.spawn(|| run(command(&["--part", "2/2"])));
        scope.spawn(|| {
            run_with_kills(
                &command(&["--part", "1/2"]),
                &out,
                Duration::from_millis(20),
                Duration::from_millis(60),
            );
        });
    });
    run(command(&["--merge"]));
    assert!(contents(&out) == contents(&large().join("docs")));
    assert_eq!(names(root.path()), ["docs", "docs.parts"]);
}

#[test]
fn a_build_that_is_killed_at_any_moment_ends_in_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("corpus");
    let (docs, tokenizer) = (text(&finished().at("docs")), text(&finished().at("tokenizer")));
    let arguments = build_arguments(&docs, &tokenizer, &text(&out));
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

#[test]
fn a_killed_build_leaves_nothing_under_the_final_name_and_the_next_one_clears_up() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("corpus");
    let (docs, tokenizer) = (text(&finished().at("docs")), text(&finished().at("tokenizer")));
    let arguments = build_arguments(&docs, &tokenizer, &text(&out));
    let segments = segments_of(&out);
    if !kill_when(&arguments, || segments.exists()).success() {
        assert!(!out.exists(), "killed, but there is a corpus");
        run(arguments);
    }
    assert_eq!(names(root.path()), ["corpus"]);
    run(["verify", "--corpus", &text(&out)]);
}

#[test]
fn a_build_that_is_killed_again_and_again_ends_in_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("corpus");
    let (docs, tokenizer) = (text(&finished().at("docs")), text(&finished().at("tokenizer")));
    let arguments = build_arguments(&docs, &tokenizer, &text(&out));
    let kept = run_with_kills_after_segments(&arguments, &out, 8);
    assert!(!kept.is_empty(), "it was never killed");
    assert!(contents(&out) == contents(&finished().at("corpus")));
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
    let same = contents(Path::new(&out));
    assert!(same == contents(&finished().at("corpus")));
    assert_eq!(names(root.path()), ["corpus", "corpus.parts"]);
}

#[test]
fn an_ingest_of_texts_that_is_killed_after_each_piece_goes_on_with_the_next_one() {
    let root = tempfile::tempdir().unwrap();
    let texts = root.path().join("texts.jsonl");
    let line = |number: usize| {
        let text = format!("The mill saws log {number}. ").repeat(400);
        serde_json::json!({ "id": number, "text": text }).to_string() + "\n"
    };
    let lines: String = (0..5_000).map(line).collect();
    durable::commit_bytes(&durable::DISK, &texts, lines.as_bytes()).unwrap();
    let arguments = |out: &Path| ["ingest", "--texts", &text(&texts), "--out", &text(out)].map(str::to_owned);
    let (whole, out) = (root.path().join("whole"), root.path().join("docs"));
    run(arguments(&whole));
    let kept = run_with_kills_after_segments(&arguments(&out), &out, 20);
    assert!(kept.len() > 1 && kept.is_sorted_by(|a, b| a < b), "{kept:?}");
    assert!(contents(&out) == contents(&whole));
}

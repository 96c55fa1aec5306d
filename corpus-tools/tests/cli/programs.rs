//! Runs the program and keeps one finished path for the tests that only look.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use assert_cmd::Command;
use tempfile::TempDir;

/// The program with its arguments; each test adds its own.
pub(crate) fn tenk_corpus<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::cargo_bin("tenk-corpus").unwrap();
    command.args(arguments).timeout(std::time::Duration::from_mins(2));
    command
}

/// Runs it to success and returns what it printed.
pub(crate) fn run<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> String {
    let output = tenk_corpus(arguments).output().unwrap();
    assert!(output.status.success(), "{}", message(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs it to failure with exit code 1 and returns its message.
pub(crate) fn fail<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> String {
    let output = tenk_corpus(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", message(&output));
    message(&output)
}

pub(crate) fn message(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Where each step of a finished path lies.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) root: TempDir,
}

impl Finished {
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

/// `sample`, `docs`, `tokenizer` and `corpus` of a small sample, made once.
pub(crate) fn finished() -> &'static Finished {
    static FINISHED: OnceLock<Finished> = OnceLock::new();
    FINISHED.get_or_init(|| {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
        run([
            "sample",
            "--filings",
            "48",
            "--pages",
            "60",
            "--out",
            &at("sample"),
        ]);
        run(ingest_arguments(
            &root.path().join("sample"),
            &root.path().join("docs"),
        ));
        run([
            "tokenizer",
            "--docs",
            &at("docs"),
            "--vocab-size",
            "2000",
            "--out",
            &at("tokenizer"),
        ]);
        build(&at("docs"), &at("tokenizer"), &at("corpus"), &[]);
        Finished { root }
    })
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Arguments that ingest the filings and the dump of a sample.
pub(crate) fn ingest_arguments(sample: &Path, out: &Path) -> Vec<String> {
    let (filings, wiki) = (text(&sample.join("filings")), text(&sample.join("wiki")));
    [
        "ingest",
        "--filings",
        &filings,
        "--wiki",
        &wiki,
        "--out",
        &text(out),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Arguments that build 8 shards.
pub(crate) fn build_arguments(docs: &str, tokenizer: &str, out: &str) -> Vec<String> {
    let inputs = ["build", "--docs", docs, "--tokenizer", tokenizer];
    let inputs = inputs.into_iter().chain(["--shards", "8", "--out", out]);
    inputs.map(str::to_owned).collect()
}

pub(crate) fn build(docs: &str, tokenizer: &str, out: &str, more: &[&str]) {
    let more = more.iter().map(ToString::to_string);
    run(build_arguments(docs, tokenizer, out).into_iter().chain(more));
}

/// Every file under a folder with its content, by relative path.
pub(crate) fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((
                    path.strip_prefix(folder).unwrap().to_path_buf(),
                    std::fs::read(&path).unwrap(),
                ));
            }
        }
    }
    files.sort();
    files
}

/// Names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

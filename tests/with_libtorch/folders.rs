//! Folders of other tools: the vectors of `tenk-embed` are those of `sentence-transformers`, or the
//! refusal names what is not computed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{peers_python, program, repository, run, run_ok};

const TEXTS: &str = "The company reported revenue.\n\nEBITDA of ACME rose, ebitda </S> too </s>.\n\
    costs ROSE with the market, and revenue of 12 million dollars rose as well, while the company reported \
    costs of 9 million dollars in another market that nobody had reported before.\n\
    \u{dc}berraschung \u{2013} \u{6771}\u{4eac} \u{3a3}\u{3af}\u{3c3}\u{3c5}\u{3c6}\u{3bf}\u{3c2} \
    \u{39f}\u{394}\u{39f}\u{3a3} \u{130}stanbul\n";
const MINUTES: Duration = Duration::from_mins(6);

fn write(path: &Path, text: &str) -> Result<()> {
    durable::commit_bytes(&durable::DISK, path, text.as_bytes()).context("writing the texts")
}

/// Runs a script of the peers in `folder`, which it fills.
fn make_folders(script: &str, folder: &Path, texts: &Path) -> Result<String> {
    let mut command = Command::new(peers_python()?);
    command.arg(repository().join("tests/parity").join(script));
    command.arg(folder).arg(texts);
    command
        .env("HF_HUB_OFFLINE", "1")
        .env("TOKENIZERS_PARALLELISM", "false");
    run_ok(&mut command, MINUTES)
}

fn encode(model: &Path, texts: &Path, more: &[&str]) -> Result<(Output, PathBuf)> {
    let output = model.join("ours.npy");
    let mut command = Command::new(program("tenk-embed")?);
    command.args(["encode", "--overwrite", "--threads", "1", "--model"]);
    command
        .arg(model)
        .arg("--input")
        .arg(texts)
        .arg("--output")
        .arg(&output);
    command.args(more);
    Ok((run(&mut command, MINUTES)?, output))
}

fn vectors(path: &Path) -> Result<(Vec<u64>, Vec<f32>)> {
    let bytes = std::fs::read(path)?;
    let file = npyz::NpyFile::new(&bytes[..])?;
    Ok((file.shape().to_vec(), file.into_vec()?))
}

fn refuse_difference(name: &str, ours: &Path, theirs: &Path) -> Result<()> {
    let ((shape, ours), (expected_shape, expected)) = (vectors(ours)?, vectors(theirs)?);
    ensure!(
        shape == expected_shape,
        "{name}: {shape:?}, not {expected_shape:?}"
    );
    let largest = expected.iter().fold(0.0_f32, |all, value| all.max(value.abs()));
    let pairs = ours.iter().zip(&expected);
    let difference = pairs.map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
    // The bound of promise 3 for outputs in f32: sums in another order.
    ensure!(difference <= 1e-5 * largest, "{name}: {difference} of {largest}");
    Ok(())
}

#[test]
fn vectors_of_every_folder_are_those_of_sentence_transformers() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (folders, texts) = (scratch.path().join("folders"), scratch.path().join("texts.txt"));
    write(&texts, TEXTS)?;
    make_folders("sentence_folders.py", &folders, &texts)?;
    let refused: Value = serde_json::from_slice(&std::fs::read(folders.join("refused.json"))?)?;
    let mut compared = 0;
    for entry in std::fs::read_dir(&folders)? {
        let folder = entry?.path();
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !folder.is_dir() {
            continue;
        }
        let (output, ours) = encode(&folder, &texts, &[])?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if let Some(word) = refused[&name].as_str() {
            ensure!(!output.status.success() && said.contains(word), "{name}: {said}");
            continue;
        }
        ensure!(output.status.success(), "{name}: {said}");
        refuse_difference(&name, &ours, &folder.join("expected.npy"))?;
        compared += 1;
    }
    ensure!(compared >= 30, "only {compared} folders");
    a_chosen_pooling_comes_before_the_folder_s(&folders, &texts)?;
    the_line_that_converts_a_pickle_converts_it(&folders, &texts)
}

fn a_chosen_pooling_comes_before_the_folder_s(folders: &Path, texts: &Path) -> Result<()> {
    for (folder, pooling, same_as) in [
        ("new-cls", "max", "new-max"),
        ("refused-pooling", "last-token", "new-lasttoken"),
        ("normalized-new", "mean", "normalized"),
    ] {
        let (output, ours) = encode(&folders.join(folder), texts, &["--pooling", pooling])?;
        ensure!(
            output.status.success(),
            "{folder}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        refuse_difference(folder, &ours, &folders.join(same_as).join("expected.npy"))?;
    }
    Ok(())
}

/// The line is taken from the message as a user would.
fn the_line_that_converts_a_pickle_converts_it(folders: &Path, texts: &Path) -> Result<()> {
    let folder = folders.join("refused-pickle");
    let (output, _) = encode(&folder, texts, &[])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said
        .lines()
        .find(|line| line.contains("python3 -c"))
        .context("no line")?;
    let python = peers_python()?;
    let line = line.replace("python3 -c", &format!("{} -c", python.display()));
    run_ok(Command::new("sh").arg("-c").arg(&line), MINUTES)?;
    let (output, ours) = encode(&folder, texts, &[])?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    refuse_difference("converted", &ours, &folders.join("plain").join("expected.npy"))
}

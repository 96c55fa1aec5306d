//! Texts of `encode` come from wherever a file can: from a pipe as well, which is read once.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::process::{export, run, tenk_embed};

const TEXTS: &[u8] = b"\xef\xbb\xbfThe company reported revenue.\r\n\nCosts rose.\nlast";

/// What `encode` writes for `input` in `folder`, with `text` on its standard input.
fn encoded(folder: &Path, input: &str, text: Stdio) -> Result<Vec<u8>> {
    let output = folder.join("vectors.npy");
    let mut command = tenk_embed();
    command.args(["encode", "--threads", "1", "--overwrite", "--input", input]);
    command
        .args(["--output", "vectors.npy", "--model"])
        .arg(folder.join("model"));
    let ended = run(command.current_dir(folder).stdin(text))?;
    ensure!(
        ended.status.success(),
        "{input}: {}",
        String::from_utf8_lossy(&ended.stderr)
    );
    let names = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.retain(|name| {
        !["model", "model.checkpoints", "texts", "fifo", "vectors.npy"]
            .iter()
            .any(|known| name == known)
    });
    ensure!(names.is_empty(), "{input}: {names:?} is left");
    Ok(std::fs::read(output)?)
}

/// A pipe that gives `text` and ends.
fn pipe(text: &'static [u8]) -> Result<Stdio> {
    let (reader, mut writer) = std::io::pipe()?;
    std::thread::spawn(move || writer.write_all(text));
    Ok(reader.into())
}

#[test]
fn texts_from_a_pipe_get_the_vectors_of_the_same_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    export(folder.path());
    let folder = folder.path();
    durable::commit_bytes(&durable::DISK, &folder.join("texts"), TEXTS)?;
    let expected = encoded(folder, "texts", Stdio::null())?;
    let shape = npyz::NpyFile::new(&expected[..])?.shape().to_vec();
    ensure!(shape == [4, 16], "{shape:?}");
    for input in ["-", "/dev/stdin", "/proc/self/fd/0"] {
        ensure!(
            encoded(folder, input, pipe(TEXTS)?)? == expected,
            "{input} from a pipe"
        );
        let file = std::fs::File::open(folder.join("texts"))?;
        ensure!(
            encoded(folder, input, file.into())? == expected,
            "{input} from a file"
        );
        let empty = npyz::NpyFile::new(&encoded(folder, input, Stdio::null())?[..])?
            .shape()
            .to_vec();
        ensure!(empty == [0, 16], "{input} from nothing: {empty:?}");
    }
    let fifo = folder.join("fifo");
    ensure!(Command::new("mkfifo").arg(&fifo).status()?.success());
    let writer = std::thread::spawn(move || {
        std::fs::OpenOptions::new()
            .write(true)
            .open(fifo)?
            .write_all(TEXTS)
    });
    ensure!(encoded(folder, "fifo", Stdio::null())? == expected, "a FIFO");
    writer
        .join()
        .expect("the writer panicked")
        .context("the FIFO was not read")
}

#[test]
fn the_other_commands_read_a_pipe_as_well() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let model = export(folder.path());
    for (more, words) in [
        (&["fill-mask"][..], "filled: "),
        (&["nearest", "--query", "costs"], "Costs rose."),
    ] {
        let mut command = tenk_embed();
        command
            .args(more)
            .args(["--threads", "1", "--input", "-", "--model"])
            .arg(&model);
        let ended = run(command.stdin(pipe(TEXTS)?))?;
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        ensure!(ended.status.success() && said.contains(words), "{more:?}: {said}");
    }
    Ok(())
}

#[test]
fn a_pipe_that_is_no_text_leaves_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    export(folder.path());
    let mut command = tenk_embed();
    command.args([
        "encode",
        "--threads",
        "1",
        "--input",
        "-",
        "--output",
        "vectors.npy",
        "--model",
        "model",
    ]);
    let ended = run(command.current_dir(folder.path()).stdin(pipe(b"good\n\xff\n")?))?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(ended.status.code() == Some(1), "{}", ended.status);
    ensure!(said.contains("standard input, line 2"), "{said}");
    ensure!(!folder.path().join("vectors.npy").exists());
    Ok(())
}

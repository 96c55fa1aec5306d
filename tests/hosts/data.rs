//! The corpus that the hosts train on: the embedded sample, made once a test process.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tests::{program, run_ok};

const LIMIT: Duration = Duration::from_mins(2);

/// Entries of its tokenizer.
pub(crate) const VOCAB_SIZE: u32 = 1000;

/// The corpus folder.
pub(crate) fn corpus() -> Result<PathBuf> {
    static CORPUS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    CORPUS
        .get_or_init(|| make().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow!("the corpus was not made: {error}"))
}

fn make() -> Result<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("hosts");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder)?;
    let vocab_size = VOCAB_SIZE.to_string();
    let steps: [&[&str]; 4] = [
        &[
            "sample",
            "--out",
            "sample",
            "--filings",
            "9",
            "--pages",
            "10",
            "--seed",
            "1",
        ],
        &["ingest", "--filings", "sample/filings", "--out", "docs"],
        &[
            "tokenizer",
            "--docs",
            "docs",
            "--vocab-size",
            &vocab_size,
            "--out",
            "tokenizer",
        ],
        &[
            "build",
            "--docs",
            "docs",
            "--tokenizer",
            "tokenizer",
            "--shards",
            "4",
            "--out",
            "corpus",
        ],
    ];
    for arguments in steps {
        let mut command = Command::new(program("tenk-corpus")?);
        run_ok(command.current_dir(&folder).args(arguments), LIMIT)?;
    }
    Ok(folder.join("corpus"))
}

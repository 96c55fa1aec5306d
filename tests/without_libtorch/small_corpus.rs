//! A corpus of invented companies that is built in seconds, for tests that train a few steps.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use tests::run_ok;

/// Writes `corpus/` and what it is made of into `folder`; `tenk_corpus` starts the program.
pub(crate) fn build(folder: &Path, tenk_corpus: impl Fn() -> Command) -> Result<()> {
    for words in [
        "sample --filings 40 --pages 40 --out sample",
        "ingest --filings sample/filings --wiki sample/wiki --out docs",
        "tokenizer --docs docs --vocab-size 600 --out tokenizer",
        "build --docs docs --tokenizer tokenizer --shards 4 --out corpus",
    ] {
        let mut command = tenk_corpus();
        command.args(words.split(' ')).current_dir(folder);
        run_ok(&mut command, Duration::from_mins(2))?;
    }
    Ok(())
}

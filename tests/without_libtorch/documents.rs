//! A documents folder opens in the library that users of such files have.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{peers_python, program, repository, run_ok};

#[test]
fn datasets_opens_a_documents_folder() -> Result<()> {
    let (tenk_corpus, scratch) = (program("tenk-corpus")?, tempfile::tempdir()?);
    let at = |name: &str| scratch.path().join(name);
    let limit = Duration::from_mins(2);
    let sample = ["sample", "--filings", "10", "--pages", "10", "--out"];
    run_ok(Command::new(&tenk_corpus).args(sample).arg(at("sample")), limit)?;
    let mut ingest = Command::new(&tenk_corpus);
    ingest
        .args(["ingest", "--json", "--filings"])
        .arg(at("sample/filings"));
    ingest
        .arg("--wiki")
        .arg(at("sample/wiki"))
        .arg("--out")
        .arg(at("docs"));
    let report: Value = serde_json::from_str(&run_ok(&mut ingest, limit)?)?;
    let documents = report["documents"].as_object().context("documents")?;
    let written: u64 = documents.values().filter_map(Value::as_u64).sum();

    let mut command = Command::new(peers_python()?);
    command
        .arg(repository().join("tests/parity/documents.py"))
        .arg(at("docs"))
        .env("HF_HUB_OFFLINE", "1");
    let printed = run_ok(&mut command, limit)?;
    let opened: Value = serde_json::from_str(printed.lines().last().context("nothing was printed")?)?;
    ensure!(
        opened["rows"] == written,
        "{opened}, and {written} documents were written"
    );
    let columns = opened["columns"].as_array().context("columns")?;
    for column in ["id", "source", "cik", "filed", "blocks", "sections"] {
        ensure!(
            columns.iter().any(|name| name == column),
            "{column} is missing: {opened}"
        );
    }
    ensure!(opened["first_block"]["kind"].is_string(), "{opened}");
    Ok(())
}

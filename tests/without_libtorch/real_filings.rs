//! The real filings through `tenk-corpus ingest`: every 10-K and 10-Q becomes a document with
//! its form type and accession number, every other form is listed as skipped with its reason.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{program, run_ok, test_data};

fn json_lines(text: &str) -> Result<Vec<Value>> {
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn documents(docs: &Path) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(docs)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "zst") {
            let bytes = zstd::decode_all(std::fs::File::open(&path)?)?;
            found.extend(json_lines(std::str::from_utf8(&bytes)?)?);
        }
    }
    Ok(found)
}

fn names(rows: &[Value]) -> BTreeSet<String> {
    rows.iter()
        .filter_map(|row| row["path"].as_str())
        .map(|path| file_name(path).to_owned())
        .collect()
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

const FOLDERS: [&str; 3] = ["filings", "filings-older", "filings-other"];

/// Whether a file's name begins with ten digits, two digits and six digits, joined by hyphens.
fn is_accession(stem: &str) -> bool {
    let parts: Vec<&str> = stem.split('-').take(3).collect();
    parts.iter().map(|part| part.len()).eq([10, 2, 6])
        && parts
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A full submission is named by its accession number here, and its documents must carry it;
/// a lone HTML file has none inside.
fn check_document(document: &Value) -> Result<()> {
    let source = document["source"].as_str().context("source")?;
    ensure!(
        source.starts_with("10-K") || source.starts_with("10-Q") || document["exhibit_of"].is_string(),
        "{} has source {source}",
        document["path"]
    );
    let name = file_name(document["path"].as_str().context("path")?);
    let stem = name.split('.').next().unwrap_or(name);
    if is_accession(stem)
        && Path::new(name)
            .extension()
            .is_none_or(|extension| extension != "html")
    {
        let id = document["id"].as_str().context("id")?;
        ensure!(
            id.split(':').next() == Some(stem.get(..20).unwrap_or(stem)),
            "{name}: its id is {id}"
        );
    }
    Ok(())
}

#[test]
fn every_real_filing_is_a_document_or_is_listed_with_its_reason() -> Result<()> {
    let Some(folders) = FOLDERS
        .iter()
        .map(|folder| test_data(folder))
        .collect::<Option<Vec<_>>>()
    else {
        return Ok(());
    };
    let out = tempfile::tempdir()?;
    let docs = out.path().join("docs");
    let mut command = Command::new(program("tenk-corpus")?);
    command.arg("ingest").arg("--out").arg(&docs);
    for folder in &folders {
        command.arg("--filings").arg(folder);
    }
    run_ok(&mut command, Duration::from_mins(5))?;

    let documents = documents(&docs)?;
    documents.iter().try_for_each(check_document)?;
    let skipped = json_lines(&std::fs::read_to_string(docs.join("skipped.jsonl"))?)?;
    let rejected = json_lines(&std::fs::read_to_string(docs.join("rejected.jsonl"))?)?;
    ensure!(rejected.is_empty(), "rejected: {rejected:?}");
    for row in &skipped {
        ensure!(
            row["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
            "no reason: {row}"
        );
    }
    let listed: BTreeSet<String> = names(&documents)
        .into_iter()
        .chain(names(&skipped))
        .chain(names(&rejected))
        .collect();
    for folder in &folders {
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            ensure!(listed.contains(&name), "{name} is neither a document nor listed");
        }
    }
    Ok(())
}

//! The inputs of the figures, made by the product's own programs under `runs/bench/`: from the real
//! filings of `TENK_DATA` where they are, else from the sample.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::arguments::Arguments;
use crate::contest::{RateCommand, succeed};

/// Everything that is made for the figures.
pub(crate) const FOLDER: &str = "runs/bench";

/// Where the inputs of the figures are.
pub(crate) struct CorpusInputs {
    pub(crate) bin: PathBuf,
    pub(crate) python: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) html_files: Vec<PathBuf>,
    pub(crate) dump: PathBuf,
    pub(crate) described: &'static str,
}

/// Makes them anew.
pub(crate) fn prepare(arguments: &Arguments) -> Result<CorpusInputs> {
    let folder = std::path::absolute(FOLDER)?;
    if folder.exists() {
        make_writable_and_remove(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let bin = std::path::absolute(&arguments.bin)?;
    let (filings, described) = filings(&bin, &folder)?;
    make_corpus(&bin, &filings, &folder)?;
    let html_files = html_files(&filings)?;
    let dump = dump(&bin, &folder)?;
    Ok(CorpusInputs {
        dump,
        bin,
        python: arguments.python()?,
        folder,
        html_files,
        described,
    })
}

/// The real filings, else the sample's, and which they are.
pub(crate) fn filings(bin: &Path, folder: &Path) -> Result<(PathBuf, &'static str)> {
    if let Some(filings) = real("filings") {
        return Ok((filings, "real filings"));
    }
    corpus_command(bin, &["sample", "--out"], &[&folder.join("sample")])?;
    Ok((folder.join("sample/filings"), "the sample's filings"))
}

/// `docs`, `tokenizer` and `corpus` of these filings, in the folder.
pub(crate) fn make_corpus(bin: &Path, filings: &Path, folder: &Path) -> Result<()> {
    let [docs, tokenizer, corpus] = ["docs", "tokenizer", "corpus"].map(|name| folder.join(name));
    let out = Path::new("--out");
    corpus_command(bin, &["ingest", "--filings"], &[filings, out, &docs])?;
    corpus_command(
        bin,
        &["tokenizer", "--vocab-size", "8192", "--docs"],
        &[&docs, out, &tokenizer],
    )?;
    corpus_command(
        bin,
        &["build", "--shards", "4", "--docs"],
        &[&docs, Path::new("--tokenizer"), &tokenizer, out, &corpus],
    )
}

/// A file or folder of the real data, where it is.
fn real(name: &str) -> Option<PathBuf> {
    Some(test_data::root().join(name)).filter(|path| path.exists())
}

/// The real excerpt of a dump, else the sample's.
pub(crate) fn dump(bin: &Path, folder: &Path) -> Result<PathBuf> {
    let real = real("wiki/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2");
    if let Some(dump) = real {
        return Ok(dump);
    }
    let sample = folder.join("wiki-sample");
    corpus_command(bin, &["sample", "--pages", "2000", "--out"], &[&sample])?;
    Ok(sample.join("wiki/samplewiki-latest-pages-articles.xml.bz2"))
}

/// Removes a folder, if it is there, whose files may be read-only.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        make_writable_and_remove(folder)?;
    }
    Ok(())
}

pub(crate) fn make_writable_and_remove(folder: &Path) -> Result<()> {
    let status = Command::new("chmod").args(["-R", "u+w"]).arg(folder).status()?;
    ensure!(status.success(), "chmod of {} failed", folder.display());
    std::fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))
}

pub(crate) fn corpus_command(bin: &Path, words: &[&str], paths: &[&Path]) -> Result<()> {
    let mut command = Command::new(bin.join("tenk-corpus"));
    command.args(words).args(paths);
    succeed(&mut command)?;
    Ok(())
}

pub(crate) fn html_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "html" || extension == "htm")
        })
        .collect();
    files.sort();
    ensure!(!files.is_empty(), "no HTML filings in {}", folder.display());
    Ok(files)
}

/// Our own timed run: a subcommand of this program, in a process of its own as the peer's is.
pub(crate) fn ours(arguments: Vec<PathBuf>, name: &'static str) -> RateCommand {
    RateCommand(Box::new(move || {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(name).args(&arguments);
        Ok(command)
    }))
}

pub(crate) fn peer(inputs: &CorpusInputs, script: &str, arguments: Vec<PathBuf>) -> RateCommand {
    let (python, script) = (inputs.python.clone(), Path::new("benches/peers").join(script));
    RateCommand(Box::new(move || {
        let mut command = Command::new(&python);
        command.arg(&script).args(&arguments).env("HF_HUB_OFFLINE", "1");
        Ok(command)
    }))
}

//! `tenk-pretrain export`: the Hugging Face folder of a run's checkpoint.

use std::path::{Path, PathBuf};

use clap::Args;
use durable::DISK;
use hf_folder::{ExportReport, ModelCard, SourceFacts};
use serde_json::Value;
use shards::Corpus;
use tokenizer::Tokenizer;

use crate::{
    error::{TrainError, chain},
    run::folder::{self, find_checkpoint::find_checkpoint, saved_run_error::SavedRunError},
};

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The run folder.
    #[arg(long)]
    run: PathBuf,
    /// The checkpoint: its folder, its name or its step [default: the newest].
    #[arg(long)]
    checkpoint: Option<String>,
    /// The tokenizer folder [default: the one that the run used].
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// The folder to create. It must not exist.
    #[arg(long)]
    out: PathBuf,
}

/// What is printed.
///
/// # Errors
/// Those of [`export_run`].
pub(crate) fn run(arguments: &ExportArguments) -> Result<String, TrainError> {
    let report = export_run(
        &arguments.run,
        arguments.checkpoint.as_deref(),
        arguments.tokenizer.as_deref(),
        &arguments.out,
    )?;
    Ok(format!(
        "exported step {} ({} tensors, {} parameters) to {}",
        report.step,
        report.num_tensors,
        report.num_parameters,
        arguments.out.display()
    ))
}

/// Writes the Hugging Face folder of a run's checkpoint.
///
/// The model card states sources and dates only from the corpus that the checkpoint names by
/// its hash; without it the card has no such statement, and a line says why.
///
/// # Errors
/// When the checkpoint, the tokenizer or `out` cannot be used.
pub(crate) fn export_run(
    run_dir: &Path,
    wanted: Option<&str>,
    tokenizer: Option<&Path>,
    out: &Path,
) -> Result<ExportReport, TrainError> {
    let checkpoint_dir = find_checkpoint(run_dir, wanted)?;
    let config = folder::config(run_dir)?;
    let trainer = checkpoint::restore_trainer(&checkpoint_dir)?;
    let tokenizer = match tokenizer {
        Some(folder) => Tokenizer::open(folder)?,
        None => find_tokenizer(run_dir, &checkpoint_dir, &trainer)?,
    };
    let mut card = ModelCard {
        name: run_dir
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..ModelCard::default()
    };
    match corpus_of(run_dir, &config.data.corpus, &trainer) {
        Ok(corpus) => describe(&mut card, &corpus),
        Err(reason) => tracing::warn!("the model card does not state the training data: {reason}"),
    }
    Ok(hf_folder::export(&DISK, &checkpoint_dir, &tokenizer, out, &card)?)
}

/// Where a path of a run may lead now: from the current folder, from the run folder or from a
/// folder above it, as the program may have been started in another one then.
fn candidates(run_dir: &Path, recorded: &Path) -> Vec<PathBuf> {
    let mut all = vec![recorded.to_owned()];
    if recorded.is_relative() {
        let run_dir = std::path::absolute(run_dir).unwrap_or_else(|_| run_dir.to_owned());
        all.extend(run_dir.ancestors().map(|folder| folder.join(recorded)));
    }
    all
}

/// The tokenizer that the checkpoint names by its hash.
fn find_tokenizer(run_dir: &Path, checkpoint: &Path, trainer: &Value) -> Result<Tokenizer, TrainError> {
    let hash = trainer["hashes"]["tokenizer"].as_str().unwrap_or_default();
    let recorded = trainer["tokenizer_folder"].as_str().unwrap_or("tokenizer");
    let tokenizer = open_tokenizer(&candidates(run_dir, Path::new(recorded)), hash);
    let not_found = |tried| SavedRunError::NoTokenizerOfCheckpoint {
        checkpoint: checkpoint.to_owned(),
        hash: hash.to_owned(),
        tried,
    };
    Ok(tokenizer.map_err(not_found)?)
}

/// The first tokenizer with this hash; else why each folder has none, in words.
fn open_tokenizer(folders: &[PathBuf], hash: &str) -> Result<Tokenizer, String> {
    let mut reasons = Vec::new();
    for folder in folders {
        match Tokenizer::open(folder) {
            Ok(tokenizer) if tokenizer.hash() == hash => return Ok(tokenizer),
            Ok(tokenizer) => reasons.push(format!("{} has the hash {}", folder.display(), tokenizer.hash())),
            Err(_) if !folder.exists() => reasons.push(format!("{} does not exist", folder.display())),
            Err(error) => reasons.push(chain(&error)),
        }
    }
    Err(reasons.join("; "))
}

/// The corpus that the checkpoint names by its hash, or why there is none, in words.
fn corpus_of(run_dir: &Path, recorded: &Path, trainer: &Value) -> Result<Corpus, String> {
    let hash = trainer["hashes"]["corpus"].as_str().unwrap_or_default();
    let mut reason = None;
    for folder in candidates(run_dir, recorded) {
        match Corpus::open(&folder) {
            Ok(corpus) if corpus.corpus_hash() == hash => return Ok(corpus),
            Ok(corpus) => {
                reason = Some(format!(
                    "the corpus {} has the hash {}, the checkpoint was trained on {hash}",
                    folder.display(),
                    corpus.corpus_hash()
                ));
            }
            Err(error) => reason = reason.or_else(|| Some(chain(&error))),
        }
    }
    Err(reason.unwrap_or_else(|| format!("there is no corpus {}", recorded.display())))
}

/// Puts what the corpus holds into the card.
fn describe(card: &mut ModelCard, corpus: &Corpus) {
    let manifest = corpus.manifest();
    for (name, counts) in &manifest.sources {
        let facts = SourceFacts {
            documents: counts.documents,
            tokens: counts.tokens,
        };
        card.sources.insert(name.clone(), facts);
    }
    card.held_out = Some(manifest.held_out.rule.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_folder_without_the_tokenizer_is_named_with_its_own_reason() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let other = tokenizer::train(["net sales"].map(String::from).into_iter(), 270).unwrap();
        other.save(&DISK, &at("other"), 512, Value::Null).unwrap();
        std::fs::create_dir(at("damaged")).unwrap();
        durable::commit_bytes(&DISK, &at("damaged/tokenizer.json"), b"{\"model\": 3}").unwrap();
        let folders = ["missing", "other", "damaged"].map(at);
        let said = open_tokenizer(&folders, "0123").unwrap_err();
        let reasons: Vec<&str> = said.split("; ").collect();
        assert!(reasons[0].ends_with("missing does not exist"), "{said}");
        assert!(reasons[1].contains(other.hash()), "{said}");
        assert!(
            reasons[2].contains("damaged/tokenizer.json") && reasons[2].contains("line 1"),
            "{said}"
        );
        assert_eq!(
            open_tokenizer(&folders, other.hash()).unwrap().hash(),
            other.hash()
        );
    }

    #[test]
    fn a_relative_path_is_looked_for_from_here_and_from_the_run_folder_up() {
        let found = candidates(Path::new("/a/runs/x"), Path::new("data/tokenizer"));
        let expected = [
            "data/tokenizer",
            "/a/runs/x/data/tokenizer",
            "/a/runs/data/tokenizer",
            "/a/data/tokenizer",
            "/data/tokenizer",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
        assert_eq!(
            candidates(Path::new("/a"), Path::new("/t")),
            [PathBuf::from("/t")]
        );
    }
}

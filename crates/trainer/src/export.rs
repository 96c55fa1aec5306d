//! The Hugging Face folder of a run's checkpoint.

use std::path::Path;

use durable::DISK;
use hf_folder::{ExportReport, ModelCard, SourceFacts};
use shards::{Corpus, SourceCounts};
use tokenizer::Tokenizer;

use crate::{config::RunConfig, error::TrainError, saved_run::find_checkpoint, saved_state::Restored};

/// Writes the Hugging Face folder of a run's checkpoint.
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
    let config: RunConfig = config_file::load(&run_dir.join("config.toml"), &[])?;
    let tokenizer = if let Some(folder) = tokenizer {
        Tokenizer::open(folder)?
    } else {
        let trainer = Restored::read(checkpoint_dir.clone())?.checkpoint.trainer;
        Tokenizer::open(Path::new(
            trainer["tokenizer_folder"].as_str().unwrap_or("tokenizer"),
        ))?
    };
    let card = model_card(run_dir, Corpus::open(&config.data.corpus).ok().as_ref());
    Ok(hf_folder::export(&DISK, &checkpoint_dir, &tokenizer, out, &card)?)
}

/// What the corpus, if it is still there, adds to the model card.
fn model_card(run_dir: &Path, corpus: Option<&Corpus>) -> ModelCard {
    let name = run_dir
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let mut card = ModelCard {
        name: name.unwrap_or_default(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..ModelCard::default()
    };
    if let Some(manifest) = corpus.map(Corpus::manifest) {
        let facts = |&SourceCounts {
                         documents, tokens, ..
                     }: &SourceCounts| SourceFacts { documents, tokens };
        card.sources = manifest
            .sources
            .iter()
            .map(|(name, counts)| (name.clone(), facts(counts)))
            .collect();
        card.filed_earliest.clone_from(&manifest.filed_earliest);
        card.filed_latest.clone_from(&manifest.filed_latest);
        card.held_out = Some(manifest.held_out.rule.clone());
    }
    card
}

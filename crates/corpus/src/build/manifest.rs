//! The manifest of a corpus from what was decided and written. It writes nothing itself.

use std::collections::BTreeMap;
use std::path::Path;

use documents::DocsManifest;
use durable::FileName;
use serde_json::{Value, json};
use shards::{HeldOut, Manifest, ShardEntry, SourceCounts};
use tokenizer::{FolderManifest, Tokenizer};

use crate::build::options::BuildOptions;
use crate::build::place::Placement;
use crate::build::shard_files::WrittenFiles;
use crate::build::token_store::TokenStore;
use crate::error::CorpusError;
use crate::selection::held_out::{CHOICE_SEED, HELD_OUT_RULE};
use crate::selection::window::DateWindow;

/// A corpus whose files are written.
pub(crate) struct Assembled<'a> {
    pub(crate) store: &'a TokenStore,
    pub(crate) placement: &'a Placement,
    pub(crate) files: WrittenFiles,
    /// Hash of each file of the tokenizer by name.
    pub(crate) tokenizer_files: BTreeMap<FileName, String>,
    /// Ids to leave out that no document has.
    pub(crate) unknown_ids: u64,
}

/// Describes a corpus whose files are written.
pub(crate) fn describe(
    options: &BuildOptions,
    tokenizer: &Tokenizer,
    assembled: Assembled<'_>,
) -> Result<Manifest, CorpusError> {
    let made_from = made_from(options, &assembled)?;
    let Assembled {
        store,
        placement,
        files,
        tokenizer_files,
        ..
    } = assembled;
    Ok(Manifest {
        tokenizer_hash: tokenizer.hash().to_owned(),
        tokenizer_files,
        vocab_size: tokenizer.vocab_size(),
        newline_token: tokenizer.newline(),
        token_width: store.width,
        num_shards: options.num_shards,
        largest_document_tokens: placement.largest_document_tokens,
        sources: count_sources(&files.shards),
        held_out: HeldOut {
            rule: HELD_OUT_RULE.to_owned(),
            seed: Some(CHOICE_SEED),
            fraction: options.held_out_fraction,
            sources: files.held_out,
        },
        shards: files.shards,
        filed_earliest: files.dates.earliest.map(|day| day.to_string()),
        filed_latest: files.dates.latest.map(|day| day.to_string()),
        undated: Some(files.dates.undated),
        window: options.window.described(),
        subset: options.subset.of_folder(&options.docs)?.described(),
        documents_file: files.documents,
        dropped: store.dropped.by_text(),
        made_from,
        // Version, kind, hash and balance are filled in when it is written.
        ..Manifest::default()
    })
}

fn count_sources(shards: &[ShardEntry]) -> BTreeMap<String, SourceCounts> {
    let mut sources = BTreeMap::<String, SourceCounts>::new();
    for (source, range) in shards.iter().flat_map(|shard| &shard.by_source) {
        let counts = sources.entry(source.clone()).or_default();
        counts.documents += range.documents;
        counts.tokens += range.tokens;
        counts.blocks += range.blocks;
    }
    sources
}

/// Information only, and nothing that depends on names of folders or the order of documents.
fn made_from(options: &BuildOptions, assembled: &Assembled<'_>) -> Result<Value, CorpusError> {
    let docs = DocsManifest::open(&options.docs)?;
    Ok(json!({
        "program_version": env!("CARGO_PKG_VERSION"),
        "documents": docs.num_documents(),
        "text_digest": format!("{:032x}", assembled.store.text_digest),
        "held_out_filers": assembled.placement.num_held_out_filers,
        "duplicates": options.duplicates.map(|rule| json!({
            "similarity": rule.similarity,
            "scope": rule.scope.name(),
        })),
        "excluded_ids_unknown": assembled.unknown_ids,
        "skipped": docs.skipped,
        "rejected": docs.rejected,
        "tokenizer_made_from": tokenizer_made_from(&options.tokenizer),
    }))
}

/// What a tokenizer of ours says that it was trained on; null for others.
fn tokenizer_made_from(folder: &Path) -> Value {
    let manifest = durable::read_file(&folder.join(tokenizer::MANIFEST_FILE), durable::MOST_JSON_BYTES);
    let manifest = manifest.unwrap_or_default();
    serde_json::from_slice(&manifest).map_or(Value::Null, |manifest: FolderManifest| manifest.made_from)
}

/// Refuses a tokenizer of ours that has seen what the corpus may not hold. What others were
/// trained on nobody here knows; the manifest then says so.
pub(crate) fn refuse_later_tokenizer(folder: &Path, window: DateWindow) -> Result<(), CorpusError> {
    let made_from = tokenizer_made_from(folder);
    let (Some(limit), Some(_)) = (window.last_training_day(), made_from.get("docs_hash")) else {
        return Ok(());
    };
    let latest = made_from["filed_latest"].as_str();
    let found = match (latest, made_from["undated_documents"].as_u64()) {
        (Some(latest), Some(0)) if latest <= limit.to_string().as_str() => return Ok(()),
        (Some(latest), Some(0)) => format!("documents up to {latest}"),
        (_, Some(undated)) => format!("{undated} documents without a date"),
        (_, None) => "documents of dates that it does not state".to_owned(),
    };
    Err(CorpusError::LaterTokenizer {
        tokenizer: folder.to_path_buf(),
        found,
        limit,
    })
}

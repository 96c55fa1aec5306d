//! The manifest of a corpus from what was decided and written. It writes nothing itself.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use shards::{Balance, HeldOut, Manifest, ShardEntry, SourceCounts};
use tokenizer::{FolderManifest, Tokenizer};

use crate::build::BuildOptions;
use crate::docs_manifest::DocsManifest;
use crate::error::CorpusError;
use crate::place::Placement;
use crate::shard_files::WrittenFiles;
use crate::split::{CHOICE_SEED, HELD_OUT_RULE};
use crate::tokenise::Tokenised;

/// Describes a corpus whose files are written.
pub(crate) fn describe(
    options: &BuildOptions,
    tokenizer: &Tokenizer,
    tokenised: &Tokenised,
    placement: &Placement,
    files: WrittenFiles,
    tokenizer_files: BTreeMap<String, String>,
) -> Result<Manifest, CorpusError> {
    Ok(Manifest {
        // The first three and the balance are filled in when it is written.
        format_version: 0,
        kind: String::new(),
        corpus_hash: String::new(),
        balance: Balance::default(),
        tokenizer_hash: tokenizer.hash().to_owned(),
        tokenizer_files,
        vocab_size: tokenizer.vocab_size(),
        newline_token: tokenizer.newline(),
        token_width: tokenised.width,
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
        filed_earliest: files.dates.earliest,
        filed_latest: files.dates.latest,
        documents_file: files.documents,
        dropped: dropped(tokenised),
        made_from: made_from(options, tokenised, placement)?,
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

fn dropped(tokenised: &Tokenised) -> BTreeMap<String, u64> {
    let empty =
        (tokenised.num_empty > 0).then(|| ("no text but page furniture".to_owned(), tokenised.num_empty));
    empty.into_iter().collect()
}

/// Information only, and nothing that depends on names of folders or the order of documents.
fn made_from(
    options: &BuildOptions,
    tokenised: &Tokenised,
    placement: &Placement,
) -> Result<Value, CorpusError> {
    let docs = DocsManifest::open(&options.docs)?;
    Ok(json!({
        "program_version": env!("CARGO_PKG_VERSION"),
        "documents": docs.num_documents(),
        "text_digest": format!("{:032x}", tokenised.text_digest),
        "held_out_filers": placement.num_held_out_filers,
        "skipped": docs.skipped,
        "rejected": docs.rejected,
        "tokenizer_made_from": tokenizer_made_from(&options.tokenizer),
    }))
}

/// What a tokenizer of ours says that it was trained on; null for others.
fn tokenizer_made_from(folder: &Path) -> Value {
    let manifest = std::fs::read(folder.join(tokenizer::MANIFEST_FILE)).unwrap_or_default();
    serde_json::from_slice(&manifest).map_or(Value::Null, |manifest: FolderManifest| manifest.made_from)
}

//! Says so when a folder that cannot be opened is one of another command. It opens none itself.

use std::path::Path;

use anyhow::Error;
use serde_json::Value;

/// The folders that the commands write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folder {
    Docs,
    Corpus,
    Tokenizer,
}

/// `error` of opening a documents folder, with the way out when it is a folder of another kind.
pub(crate) fn not_docs(folder: &Path, error: Error) -> Error {
    match kind_of(folder) {
        Some(Folder::Corpus) => {
            error.context(format!("{} is a corpus: give it with --corpus", folder.display()))
        }
        Some(Folder::Tokenizer) => is_a_tokenizer(folder, error),
        Some(Folder::Docs) | None => error,
    }
}

/// `error` of opening a corpus, with the way out when it is a folder of another kind.
pub(crate) fn not_corpus(folder: &Path, error: Error) -> Error {
    match kind_of(folder) {
        Some(Folder::Docs) => error.context(format!(
            "{} is a documents folder: give it with --docs",
            folder.display()
        )),
        Some(Folder::Tokenizer) => is_a_tokenizer(folder, error),
        Some(Folder::Corpus) | None => error,
    }
}

fn is_a_tokenizer(folder: &Path, error: Error) -> Error {
    error.context(format!("{} is a tokenizer folder", folder.display()))
}

/// What a manifest has that those of other folders have not.
fn kind_of(folder: &Path) -> Option<Folder> {
    let manifest = durable::read_file(&folder.join("manifest.json"), durable::MOST_JSON_BYTES).ok()?;
    let manifest: Value = serde_json::from_slice(&manifest).ok()?;
    let has = |name: &str| manifest.get(name).is_some();
    if manifest.get("kind").and_then(Value::as_str) == Some("tokenizer") {
        Some(Folder::Tokenizer)
    } else if has("shards") {
        Some(Folder::Corpus)
    } else if has("files") && has("inputs") {
        Some(Folder::Docs)
    } else {
        None
    }
}

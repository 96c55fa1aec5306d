//! How many sources the documents of an ingest name, where the input chooses the names.

use std::collections::{BTreeMap, BTreeSet};

use super::piece_file::PieceHead;
use crate::error::CorpusError;
use crate::sources::Source;

/// The names so far.
#[derive(Debug, Default)]
pub(super) struct SourceNames {
    names: BTreeMap<Source, BTreeSet<String>>,
}

impl SourceNames {
    /// Counts the source of a document; `path` gives its input.
    ///
    /// # Errors
    /// [`CorpusError::TooManySources`].
    pub(super) fn add(&mut self, head: &PieceHead, path: impl FnOnce() -> String) -> Result<(), CorpusError> {
        let source = Source::of_id(&head.id);
        let Some(most) = source.most_names() else {
            return Ok(());
        };
        let names = self.names.entry(source).or_default();
        if names.contains(&head.source) {
            return Ok(());
        }
        if names.len() == most {
            return Err(CorpusError::TooManySources {
                most,
                example: head.source.clone(),
                path: path().into(),
            });
        }
        names.insert(head.source.clone());
        Ok(())
    }
}

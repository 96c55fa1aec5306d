//! What became of one input: a document, a deliberate skip, or a rejection with its reason.

use crate::document::Document;
use serde::{Deserialize, Serialize};

/// What a reader made of one input (or one part of it).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A document to train on.
    Document(Box<Document>),
    /// Well formed, but not of the kind that was asked for.
    Skipped {
        /// The form type, where it is known.
        form: Option<String>,
        /// Why it was left out.
        reason: String,
    },
    /// Not usable.
    Rejected {
        /// What is wrong with it.
        reason: String,
    },
}

impl Outcome {
    /// The document, where it is one.
    pub fn document(self) -> Option<Document> {
        match self {
            Self::Document(document) => Some(*document),
            Self::Skipped { .. } | Self::Rejected { .. } => None,
        }
    }
}

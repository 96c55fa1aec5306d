//! What became no document, as `skipped.jsonl` and `rejected.jsonl` list it.

use serde::{Deserialize, Serialize};

/// Something that did not become a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The input, or the file that is none.
    pub path: String,
    /// Which part of it: the id of a document, the title of a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Its form type, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// Why; counted in the manifest.
    pub reason: String,
    /// The input that holds the document of which this one is a copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
}

impl LeftOut {
    /// An input that was left out, all of it, for this reason.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            part: None,
            form: None,
            reason: reason.into(),
            other: None,
        }
    }
}

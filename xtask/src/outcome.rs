//! What a check says when it is done.

/// What a check looked at, in words, and what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) looked_at: String,
    pub(crate) findings: Vec<String>,
}

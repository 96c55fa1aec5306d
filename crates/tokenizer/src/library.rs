//! What the crate `tokenizers` does for folders that our own encoder does not cover.

pub(crate) mod added_tokens;
pub(crate) mod canonical;
pub(crate) mod pipeline;

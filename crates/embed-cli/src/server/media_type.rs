//! Media types of bodies and answers.

pub(crate) const JSON: &str = "application/json";
pub(crate) const JSON_LINES: &str = "application/jsonlines";
pub(crate) const TEXT: &str = "application/x-text";

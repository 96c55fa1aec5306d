//! One module a command.

pub(crate) mod build;
pub(crate) mod fetch;
pub(crate) mod ingest;
pub(crate) mod inspect;
pub(crate) mod sample;
pub(crate) mod sections;
pub(crate) mod stats;
pub(crate) mod table;
pub(crate) mod tokenizer;
pub(crate) mod verify;

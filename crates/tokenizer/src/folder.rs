//! The tokenizer folder: its files, how they are read as `transformers` reads them, and how they are written.

mod argument;
mod by_library;
mod class;
pub mod file_names;
mod files;
pub(crate) mod manifest;
mod open;
mod ordered;
mod read;
mod settings;
mod stated_token;
mod tokenizer_json;
mod tokens_to_add;

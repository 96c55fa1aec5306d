//! Reads `MediaWiki` dumps (`*-pages-articles.xml.bz2`, of one stream or many, or plain `.xml`)
//! and text of `WikiExtractor` (`<doc>` files) into documents.
//!
//! A dump is streamed: one thread cuts pages out of its text, the workers decompress ahead of it
//! and read the pages behind it, and the results are handed on in the dump's order, so that they
//! do not depend on the number of threads. Articles (namespace 0) become documents; redirects,
//! other namespaces, disambiguation pages and empty pages are skipped with their reason.

mod batches;
mod cut;
mod divide;
mod dump_end;
mod error;
mod export;
mod extract;
mod file_name;
mod find;
mod format;
mod marks;
mod page;
mod pending;
mod read;
mod redirect;
mod report;
mod resume;
mod site;
mod source;
mod streams;
mod text;
mod wikitext;

pub use divide::divide;
pub use dump_end::check_dump;
pub use error::DumpError;
pub use file_name::is_dump_name;
pub use find::find_page;
pub use page::{PageResult, RawPage};
pub use read::{read_dump, read_dump_from, read_dump_on};
pub use report::DumpReport;
pub use resume::{DumpEvent, DumpPlace, Reading};
pub use site::SiteInfo;
pub use wikitext::{Article, TemplateCount, parse_wikitext};

/// The version of what these readers make of a dump; raised with every change to it, so that work of
/// another version is not gone on with.
pub const READER_VERSION: u32 = 2;

#[cfg(test)]
mod tests;

//! What people look at: documents beside their raw text, counts, and the page of a corpus. Nothing
//! here changes a folder.

pub(crate) mod grouped;
pub(crate) mod inspector;
pub(crate) mod raw_blocks;
pub(crate) mod raw_input;
pub mod report;
pub(crate) mod statistics;

//! Where the reading of a dump can begin anew, so that what a killed command has read of it need
//! not be read again. It reads nothing.

use serde::{Deserialize, Serialize};

use super::site::SiteInfo;

/// A place between two pages of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct DumpPlace {
    /// Where it is in the file.
    pub(crate) offset: u64,
    /// Text before it, which names pages that cannot be read.
    pub(super) text_bytes: u64,
    /// What the dump's header says.
    pub(super) site: SiteInfo,
}

/// Which part of a dump is read, and how often places are told.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// Where it begins; the default is the beginning.
    pub(crate) from: DumpPlace,
    /// Places are told that lie at least this far apart in the file.
    pub(crate) places_every: u64,
}

/// What is handed on of a dump, in its order.
pub(crate) enum DumpEvent<T> {
    /// What `prepare` gave for a page.
    Page(T),
    /// All pages before it have been handed on.
    Place(DumpPlace),
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            from: DumpPlace::default(),
            places_every: u64::MAX,
        }
    }
}

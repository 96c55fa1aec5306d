//! Where the reading of a dump can begin anew, so that what a killed command has read of it need
//! not be read again. It reads nothing.

use serde::{Deserialize, Serialize};

use super::site::SiteInfo;

/// A place between two pages of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DumpPlace {
    /// Where it is in the file.
    pub offset: u64,
    /// Where in the file the part begins that it is in; 0 in a dump that is not divided.
    pub(crate) part_offset: u64,
    /// Text of the part before it, which names pages that cannot be read.
    pub(crate) text_bytes: u64,
    /// What the dump's header says.
    pub(crate) site: SiteInfo,
}

/// Which part of a dump is read, and how often places are told.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Where it begins; the default is the beginning.
    pub from: DumpPlace,
    /// Where in the file it ends: another part begins there.
    pub until: Option<u64>,
    /// Places are told that lie at least this far apart in the file.
    pub places_every: u64,
}

/// What is handed on of a dump, in its order.
#[derive(Debug)]
pub enum DumpEvent<T> {
    /// What `prepare` gave for a page.
    Page(T),
    /// All pages before it have been handed on.
    Place(DumpPlace),
}

impl DumpPlace {
    /// Where a part of a divided dump begins.
    pub fn part(offset: u64, site: SiteInfo) -> Self {
        Self {
            offset,
            part_offset: offset,
            text_bytes: 0,
            site,
        }
    }
}

/// A place in the text of the part of a dump that begins at this byte of the file.
pub(crate) fn text_place(part_offset: u64, position: u64) -> String {
    match part_offset {
        0 => format!("byte {position} of the text"),
        offset => format!("byte {position} of the text that begins at byte {offset} of the file"),
    }
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            from: DumpPlace::default(),
            until: None,
            places_every: u64::MAX,
        }
    }
}

//! Inputs of any length: read from a place on, item by item, in memory that does not grow.

use std::collections::BTreeMap;
use std::path::Path;

use documents::Outcome;

/// Which stretch of an input is read.
pub(crate) struct Stream<'a> {
    /// The input's name, as documents state it.
    pub(crate) name: &'a str,
    pub(crate) path: &'a Path,
    /// Where in the file it ends: another part begins there.
    pub(crate) until: Option<u64>,
    /// Places are told that lie at least this far apart.
    pub(crate) places_every: u64,
}

/// What became of one item of a stream.
pub(crate) struct StreamItem {
    /// What people find it by in the input: a title, a place. `None` for the input itself.
    pub(crate) part: Option<String>,
    pub(crate) outcome: Outcome,
    /// Markup of its text that left nothing in the document, by name.
    pub(crate) markup_left_out: BTreeMap<String, u64>,
}

/// What is handed on of a stream, in its order.
pub(crate) enum StreamEvent<T, P> {
    /// What was made of an item.
    Item(T),
    /// All items before this place have been handed on.
    Place(P),
}

impl<T, P> StreamEvent<T, P> {
    /// The same with another kind of place.
    pub(crate) fn at<Q>(self, place: impl FnOnce(P) -> Q) -> StreamEvent<T, Q> {
        match self {
            Self::Item(item) => StreamEvent::Item(item),
            Self::Place(at) => StreamEvent::Place(place(at)),
        }
    }
}

//! What `tenk-embed` does, as functions: texts of a file to vectors in a `.npy`, vectors over HTTP,
//! masked words filled in, the nearest texts to a query.
//!
//! The model and its arithmetic are in `embedding`; this crate reads and writes files and
//! words answers.

mod encode;
mod fill_mask;
mod lines;
mod masked_word;
mod nearest;
mod npy;
mod server;

pub use encode::{EncodeReport, encode_file};
pub use fill_mask::{FilledLine, fill_file};
pub use lines::read_lines;
pub use masked_word::{MaskedText, mask_a_word};
pub use nearest::{Neighbor, nearest};
pub use server::{Patience, ServerOptions, serve};

#[cfg(test)]
mod tests;

//! The workspace's Rust code as `syn` reads it: modules, imports between files, sizes.
//!
//! Tests are taken out where a file is parsed: what stands under `#[cfg(test)]`, and test functions. What a
//! macro makes is not seen.

pub(crate) mod cycles;
pub(crate) mod imports;
pub(crate) mod members;
pub(crate) mod shape;
mod tests_only;
pub(crate) mod tree;

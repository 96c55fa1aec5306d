//! The workspace's Rust code as `syn` reads it: modules, imports between files, sizes.
//!
//! Tests are left out everywhere: what stands under `#[cfg(test)]`, test functions, and modules named
//! `tests`. What a macro makes is not seen.

pub(crate) mod cycles;
pub(crate) mod imports;
pub(crate) mod members;
pub(crate) mod shape;
mod tests_only;
pub(crate) mod tree;

//! Figures beside their peers.

fn main() {}

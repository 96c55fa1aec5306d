//! The training loop; bin tenk-pretrain.

fn main() {}

//! bin tenk-embed: encode, fill-mask, nearest.

fn main() {}

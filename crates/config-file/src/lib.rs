//! Reads TOML into a typed, checked struct and fingerprints it.

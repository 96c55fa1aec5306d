//! Makes a file or a folder appear whole or not at all.

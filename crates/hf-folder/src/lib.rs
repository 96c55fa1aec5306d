//! The Hugging Face folder: write it from a checkpoint, read it back.

//! The token format on disk: the contract between corpus and training.

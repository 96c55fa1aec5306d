//! Byte-level BPE as RoBERTa uses it.

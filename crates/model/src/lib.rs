//! RoBERTa in tch with Hugging Face names.

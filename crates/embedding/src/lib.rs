//! A Hugging Face folder and text in, vectors out.

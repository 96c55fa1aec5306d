//! Behaviour of training, export and embedding, through the product binaries and libtorch.

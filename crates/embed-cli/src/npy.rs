//! Vectors as a `.npy` file: `float32`, `[texts, dimension]`, in the order of the texts.

use std::io::{self, Write};

use npyz::{NpyWriter, WriteOptions, WriterBuilder};

/// Writes the header of `num_texts` vectors of length `dimension`; the vectors follow.
pub(crate) fn begin<W: Write>(writer: W, num_texts: u64, dimension: usize) -> io::Result<NpyWriter<f32, W>> {
    WriteOptions::new()
        .default_dtype()
        .shape(&[num_texts, dimension as u64])
        .writer(writer)
        .begin_nd()
}

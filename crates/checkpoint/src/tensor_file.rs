//! Tensors to and from a safetensors file, without a second copy of them in memory.
//!
//! The file: header length (u64, little-endian), header (JSON), tensor bytes without gaps.
//! The header carries `{"format": "pt"}`, which `transformers` asks for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read, Write};

use safetensors::tensor::{Metadata, TensorInfo};

use crate::{Dtype, NamedTensor};

const LENGTH_BYTES: usize = 8;
/// The format's own limit on its header.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Why a tensor cannot be written: its name and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Unwritable {
    pub(crate) name: String,
    pub(crate) problem: String,
}

/// A checked set of tensors with the header of their file.
#[derive(Debug)]
pub(crate) struct TensorFile<'a> {
    header: Vec<u8>,
    /// In the order of the file: widest type first, then by name.
    tensors: Vec<&'a NamedTensor<'a>>,
}

impl<'a> TensorFile<'a> {
    pub(crate) fn new(tensors: &'a [NamedTensor<'a>]) -> Result<Self, Unwritable> {
        let mut sorted: Vec<&NamedTensor<'_>> = tensors.iter().collect();
        sorted.sort_by(|a, b| {
            let width = b.dtype.size_bytes().cmp(&a.dtype.size_bytes());
            width.then_with(|| a.name.cmp(&b.name))
        });
        for tensor in &sorted {
            check(tensor)?;
        }
        let mut names: Vec<&str> = sorted.iter().map(|tensor| tensor.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Unwritable {
                name: pair[0].to_owned(),
                problem: "the name is given twice".to_owned(),
            });
        }
        Ok(Self {
            header: header(&sorted)?,
            tensors: sorted,
        })
    }

    pub(crate) fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&(self.header.len() as u64).to_le_bytes())?;
        out.write_all(&self.header)?;
        for tensor in &self.tensors {
            out.write_all(&tensor.bytes)?;
        }
        Ok(())
    }
}

fn check(tensor: &NamedTensor<'_>) -> Result<(), Unwritable> {
    let refuse = |problem: String| {
        Err(Unwritable {
            name: tensor.name.clone(),
            problem,
        })
    };
    if tensor.name.is_empty() || tensor.name == "__metadata__" {
        return refuse("the format does not allow this name".to_owned());
    }
    let expected = tensor
        .shape
        .iter()
        .try_fold(tensor.dtype.size_bytes(), |bytes, length| {
            bytes.checked_mul(*length)
        });
    if expected == Some(tensor.bytes.len()) {
        return Ok(());
    }
    refuse(format!(
        "shape {:?} of {} does not fit its {} bytes",
        tensor.shape,
        tensor.dtype,
        tensor.bytes.len()
    ))
}

fn header(sorted: &[&NamedTensor<'_>]) -> Result<Vec<u8>, Unwritable> {
    let mut offset = 0;
    let infos = sorted
        .iter()
        .map(|tensor| {
            let start = offset;
            offset += tensor.bytes.len();
            let info = TensorInfo {
                dtype: match tensor.dtype {
                    Dtype::F32 => safetensors::Dtype::F32,
                    Dtype::F64 => safetensors::Dtype::F64,
                },
                shape: tensor.shape.clone(),
                data_offsets: (start, offset),
            };
            (tensor.name.clone(), info)
        })
        .collect();
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let unwritable = |problem: String| Unwritable {
        name: String::new(),
        problem,
    };
    let metadata = Metadata::new(Some(format), infos).map_err(|error| unwritable(error.to_string()))?;
    let mut header = serde_json::to_vec(&metadata).map_err(|error| unwritable(error.to_string()))?;
    // Spaces, so that the tensors begin at a multiple of eight bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

/// Writes tensors as a safetensors file, whatever their order was.
///
/// # Errors
/// `InvalidInput`, naming the tensor, when a name occurs twice or bytes and shape do not fit;
/// else what `out` gives.
pub fn write_tensors(out: &mut dyn Write, tensors: &[NamedTensor<'_>]) -> io::Result<()> {
    let file = TensorFile::new(tensors).map_err(|Unwritable { name, problem }| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("tensor `{name}`: {problem}"))
    })?;
    file.write_to(out)
}

/// Reads a whole safetensors file of `num_bytes` bytes; the tensors come sorted by name.
///
/// # Errors
/// `InvalidData`, saying what is wrong, when it is not a safetensors file of f32 and f64
/// tensors or has another length; else what `input` gives.
pub fn read_tensors(input: &mut dyn Read, num_bytes: u64) -> io::Result<Vec<NamedTensor<'static>>> {
    let metadata = read_header(input, num_bytes)?;
    let mut tensors = Vec::new();
    for name in metadata.offset_keys() {
        let info = metadata
            .info(&name)
            .ok_or_else(|| invalid(format!("tensor `{name}` has no entry")))?;
        let dtype = match info.dtype {
            safetensors::Dtype::F32 => Dtype::F32,
            safetensors::Dtype::F64 => Dtype::F64,
            other => {
                return Err(invalid(format!(
                    "tensor `{name}` is {other}, expected F32 or F64"
                )));
            }
        };
        let bytes = read_bytes(input, info.data_offsets.1 - info.data_offsets.0)?;
        tensors.push(NamedTensor {
            name,
            dtype,
            shape: info.shape.clone(),
            bytes: Cow::Owned(bytes),
        });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

/// The next bytes. A foreign file may ask for more memory than there is, which is an error and no end of the
/// process.
fn read_bytes(input: &mut dyn Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(io::Error::other)?;
    bytes.resize(length, 0);
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Checks every length against that of the file before anything of that length is allocated.
fn read_header(input: &mut dyn Read, num_bytes: u64) -> io::Result<Metadata> {
    let available = num_bytes
        .checked_sub(LENGTH_BYTES as u64)
        .ok_or_else(|| invalid(format!("{num_bytes} bytes are too few for a header")))?;
    let mut length = [0; LENGTH_BYTES];
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > available || length > MAX_HEADER_BYTES {
        return Err(invalid(format!(
            "its header length {length} does not fit its {num_bytes} bytes"
        )));
    }
    let mut header = Vec::new();
    input.take(length).read_to_end(&mut header)?;
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| invalid(format!("its header is not valid: {error}")))?;
    let data_bytes = metadata.data_len() as u64;
    if data_bytes != available - length {
        return Err(invalid(format!(
            "its header describes {data_bytes} bytes of tensors, {} follow",
            available - length
        )));
    }
    Ok(metadata)
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests;

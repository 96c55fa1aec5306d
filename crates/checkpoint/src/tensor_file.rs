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
        let mut bytes = vec![0; info.data_offsets.1 - info.data_offsets.0];
        input.read_exact(&mut bytes)?;
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
mod tests {
    use proptest::prelude::*;
    use safetensors::SafeTensors;

    use super::*;

    fn tensor(name: &str, dtype: Dtype, shape: &[usize]) -> NamedTensor<'static> {
        let num_bytes = dtype.size_bytes() * shape.iter().product::<usize>();
        NamedTensor {
            name: name.to_owned(),
            dtype,
            shape: shape.to_vec(),
            bytes: (0..num_bytes).map(|i| i.to_le_bytes()[0]).collect(),
        }
    }

    fn written(tensors: &[NamedTensor<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_tensors(&mut bytes, tensors).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<NamedTensor<'static>>> {
        read_tensors(&mut &*bytes, bytes.len() as u64)
    }

    #[test]
    fn the_safetensors_library_reads_what_is_written() {
        let tensors = [tensor("b", Dtype::F32, &[2, 3]), tensor("a", Dtype::F64, &[])];
        let bytes = written(&tensors);
        let (length, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(length % 8, 0);
        let format = metadata.metadata().as_ref().unwrap().get("format");
        assert_eq!(format.map(String::as_str), Some("pt"));
        let library = SafeTensors::deserialize(&bytes).unwrap();
        for tensor in &tensors {
            let view = library.tensor(&tensor.name).unwrap();
            assert_eq!(view.shape(), tensor.shape);
            assert_eq!(view.data(), tensor.bytes.as_ref());
        }
    }

    #[test]
    fn the_order_in_which_tensors_are_given_does_not_change_the_file() {
        let a = tensor("a", Dtype::F32, &[3]);
        let b = tensor("b", Dtype::F64, &[2]);
        assert_eq!(written(&[a.clone(), b.clone()]), written(&[b, a]));
    }

    #[test]
    fn tensors_that_do_not_fit_are_refused_by_name() {
        let mut short = tensor("short", Dtype::F32, &[2]);
        short.bytes.to_mut().pop();
        let twice = tensor("twice", Dtype::F32, &[1]);
        let overflow = NamedTensor {
            shape: vec![usize::MAX, 2],
            ..tensor("huge", Dtype::F32, &[0])
        };
        for (tensors, name) in [
            (vec![short], "short"),
            (vec![twice.clone(), twice], "twice"),
            (vec![overflow], "huge"),
            (vec![tensor("__metadata__", Dtype::F32, &[1])], "__metadata__"),
        ] {
            let error = write_tensors(&mut Vec::new(), &tensors).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn a_file_cut_at_any_byte_is_refused() {
        let bytes = written(&[tensor("a", Dtype::F32, &[2]), tensor("b", Dtype::F32, &[1])]);
        for length in 0..bytes.len() {
            read(&bytes[..length]).unwrap_err();
        }
        read(&bytes).unwrap();
    }

    #[test]
    fn a_header_length_beyond_the_file_is_refused_before_it_is_allocated() {
        let mut bytes = written(&[tensor("a", Dtype::F32, &[2])]);
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        let error = read(&bytes).unwrap_err();
        assert!(error.to_string().contains("header length"), "{error}");
    }

    #[test]
    fn a_tensor_of_another_type_is_refused_by_name() {
        let info = TensorInfo {
            dtype: safetensors::Dtype::I64,
            shape: vec![1],
            data_offsets: (0, 8),
        };
        let metadata = Metadata::new(None, vec![("ids".to_owned(), info)]).unwrap();
        let header = serde_json::to_vec(&metadata).unwrap();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend([0; 8]);
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.contains("`ids` is I64"), "{error}");
    }

    fn any_tensor() -> impl Strategy<Value = NamedTensor<'static>> {
        let dtype = prop_oneof![Just(Dtype::F32), Just(Dtype::F64)];
        let shape = prop::collection::vec(0_usize..5, 0..4);
        ("[a-z.0-9\"\\\\é]{1,12}", dtype, shape, any::<u8>()).prop_map(|(name, dtype, shape, salt)| {
            let mut tensor = tensor(&name, dtype, &shape);
            for byte in tensor.bytes.to_mut() {
                *byte ^= salt;
            }
            tensor
        })
    }

    proptest! {
        #[test]
        fn every_set_of_tensors_reads_back_as_it_was(
            mut tensors in prop::collection::vec(any_tensor(), 0..6)
        ) {
            tensors.sort_by(|a, b| a.name.cmp(&b.name));
            tensors.dedup_by(|a, b| a.name == b.name);
            prop_assert_eq!(read(&written(&tensors)).unwrap(), tensors);
        }
    }
}

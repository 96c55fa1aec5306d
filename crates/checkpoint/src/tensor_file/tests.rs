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

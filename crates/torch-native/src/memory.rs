//! Tensor memory as Rust slices and bytes.
//!
//! A slice is borrowed from its tensor or handed to a closure, so it cannot outlive the
//! tensor, and one that may be changed takes the tensor's exclusive borrow: no second slice of the same
//! handle is there meanwhile. libtorch itself lets several handles share one memory; whoever holds a
//! slice must not use another handle of the same elements, and nothing in this workspace does.

#![expect(unsafe_code, reason = "views of tensor memory as slices")]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::borrow::Cow;

use tch::{Device, Kind, Tensor};

use crate::TorchError;
use crate::gpu::has_own_kernels;

/// An element type that tensors hold.
pub(crate) trait Element: Copy + Send + Sync {
    const KIND: Kind;
}

impl Element for f32 {
    const KIND: Kind = Kind::Float;
}

impl Element for f64 {
    const KIND: Kind = Kind::Double;
}

impl Element for i64 {
    const KIND: Kind = Kind::Int64;
}

/// The bit pattern of a bf16, as tensors of kind `BFloat16` hold it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Bf16(pub(crate) u16);

impl Bf16 {
    #[inline(always)]
    pub(crate) fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }

    /// Rounded to nearest even; a NaN stays one.
    #[inline(always)]
    pub(crate) fn from_f32(value: f32) -> Self {
        if value.is_nan() {
            return Self(0x7fc0);
        }
        let bits = value.to_bits();
        let rounding = 0x7fff + ((bits >> 16) & 1);
        Self((bits.wrapping_add(rounding) >> 16) as u16)
    }
}

impl Element for Bf16 {
    const KIND: Kind = Kind::BFloat16;
}

fn check_slice<T: Element>(operation: &'static str, tensor: &Tensor) -> Result<usize, TorchError> {
    let (kind, device, contiguous) = (tensor.f_kind()?, tensor.device(), tensor.is_contiguous());
    // libtorch has tensors of zeros without memory.
    let has_memory = || tensor.numel() == 0 || !tensor.data_ptr().is_null();
    if kind != T::KIND || device != Device::Cpu || !contiguous || !has_memory() {
        return Err(TorchError::NotASlice {
            operation,
            expected: T::KIND,
            kind,
            device,
            contiguous,
        });
    }
    Ok(tensor.numel())
}

/// The elements of `tensor`.
pub(crate) fn slice<'a, T: Element>(
    operation: &'static str,
    tensor: &'a Tensor,
) -> Result<&'a [T], TorchError> {
    let len = check_slice::<T>(operation, tensor)?;
    if len == 0 {
        return Ok(&[]);
    }
    // SAFETY: kind, device and contiguity were checked, so `data_ptr` points to `len` elements,
    // which `tensor` keeps alive as long as it is borrowed.
    Ok(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<T>(), len) })
}

/// The elements of `tensor`, to be changed.
pub(crate) fn slice_mut<'a, T: Element>(
    operation: &'static str,
    tensor: &'a mut Tensor,
) -> Result<&'a mut [T], TorchError> {
    let len = check_slice::<T>(operation, tensor)?;
    if len == 0 {
        return Ok(&mut []);
    }
    // SAFETY: as in `slice`; that no other handle is used meanwhile is the module's rule.
    Ok(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<T>(), len) })
}

/// Runs `body` on the elements of `tensor`.
pub(crate) fn with_slice<T: Element, R>(
    operation: &'static str,
    tensor: &Tensor,
    body: impl FnOnce(&[T]) -> R,
) -> Result<R, TorchError> {
    Ok(body(slice(operation, tensor)?))
}

/// Runs `body` on the elements of `tensor`, which it may change.
pub(crate) fn with_slice_mut<T: Element, R>(
    operation: &'static str,
    tensor: &mut Tensor,
    body: impl FnOnce(&mut [T]) -> R,
) -> Result<R, TorchError> {
    Ok(body(slice_mut(operation, tensor)?))
}

/// The elements of a contiguous f32 CPU tensor.
///
/// # Errors
/// [`TorchError::NotASlice`] for another kind, device or a strided tensor.
pub fn slice_f32(tensor: &Tensor) -> Result<&[f32], TorchError> {
    slice("slice_f32", tensor)
}

/// The elements of a contiguous f64 CPU tensor.
///
/// # Errors
/// [`TorchError::NotASlice`] for another kind, device or a strided tensor.
pub fn slice_f64(tensor: &Tensor) -> Result<&[f64], TorchError> {
    slice("slice_f64", tensor)
}

/// Runs `body` on the elements of a contiguous f32 CPU tensor.
///
/// # Errors
/// [`TorchError::NotASlice`] for another kind, device or a strided tensor.
pub fn with_slice_f32<R>(tensor: &Tensor, body: impl FnOnce(&[f32]) -> R) -> Result<R, TorchError> {
    with_slice("with_slice_f32", tensor, body)
}

/// Runs `body` on the elements of a contiguous f64 CPU tensor.
///
/// # Errors
/// [`TorchError::NotASlice`] for another kind, device or a strided tensor.
pub fn with_slice_f64<R>(tensor: &Tensor, body: impl FnOnce(&[f64]) -> R) -> Result<R, TorchError> {
    with_slice("with_slice_f64", tensor, body)
}

/// Runs `body` on the elements of a contiguous f32 CPU tensor, which it may change. `body`
/// must not use another tensor that shares this memory; this one it cannot:
///
/// ```compile_fail,E0499
/// # let mut tensor = tch::Tensor::zeros([2], (tch::Kind::Float, tch::Device::Cpu));
/// torch_native::with_slice_mut_f32(&mut tensor, |first| {
///     torch_native::with_slice_mut_f32(&mut tensor, |second| second[0] = first[0])
/// });
/// ```
///
/// # Errors
/// [`TorchError::NotASlice`] for another kind, device or a strided tensor.
pub fn with_slice_mut_f32<R>(
    tensor: &mut Tensor,
    body: impl FnOnce(&mut [f32]) -> R,
) -> Result<R, TorchError> {
    with_slice_mut("with_slice_mut_f32", tensor, body)
}

/// [`with_slice_mut_f32`] for f64.
///
/// # Errors
/// [`TorchError::NotASlice`] for another kind, device or a strided tensor.
pub fn with_slice_mut_f64<R>(
    tensor: &mut Tensor,
    body: impl FnOnce(&mut [f64]) -> R,
) -> Result<R, TorchError> {
    with_slice_mut("with_slice_mut_f64", tensor, body)
}

/// The tensor's elements as bytes, row-major: its own memory where it lies on the CPU in this order, a
/// copy otherwise. They are in the machine's byte order, which is little-endian, as files have it, on
/// every platform that this project is built for.
///
/// # Errors
/// [`TorchError::Tch`] when libtorch cannot bring the tensor to the CPU.
pub fn tensor_bytes(tensor: &Tensor) -> Result<Cow<'_, [u8]>, TorchError> {
    let num_bytes = tensor.numel() * tensor.f_kind()?.elt_size_in_bytes();
    if has_own_kernels(tensor.device()) && tensor.is_contiguous() && num_bytes > 0 {
        // SAFETY: so many bytes lie there, which `tensor` keeps alive as long as it is borrowed; that no
        // other handle is used meanwhile is the module's rule.
        let bytes = unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<u8>(), num_bytes) };
        return Ok(Cow::Borrowed(bytes));
    }
    let tensor = tensor.f_detach()?.f_to(Device::Cpu)?.f_contiguous()?;
    let mut bytes = vec![0u8; num_bytes];
    if !bytes.is_empty() {
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    }
    Ok(Cow::Owned(bytes))
}

/// A new CPU tensor from bytes in the layout of [`tensor_bytes`].
///
/// # Errors
/// [`TorchError::SizeMismatch`] when the bytes do not fill the shape exactly.
pub fn tensor_from_bytes(kind: Kind, shape: &[i64], bytes: &[u8]) -> Result<Tensor, TorchError> {
    // A shape that no memory can hold fits no bytes.
    let expected = shape.iter().try_fold(kind.elt_size_in_bytes(), |bytes, &size| {
        bytes.checked_mul(usize::try_from(size).ok()?)
    });
    if expected != Some(bytes.len()) {
        return Err(TorchError::SizeMismatch {
            operation: "tensor_from_bytes",
            what: "bytes",
            expected: expected.unwrap_or(usize::MAX),
            found: bytes.len(),
        });
    }
    Ok(Tensor::f_from_data_size(bytes, shape, kind)?)
}

/// Overwrites the tensor's elements with bytes in the layout of [`tensor_bytes`]. The tensor
/// may be a view, strided, or on any device.
///
/// # Errors
/// [`TorchError::SizeMismatch`] when the bytes do not fill the tensor exactly.
pub fn copy_from_bytes(tensor: &Tensor, bytes: &[u8]) -> Result<(), TorchError> {
    let source = tensor_from_bytes(tensor.f_kind()?, &tensor.size(), bytes)?;
    let _no_grad = tch::no_grad_guard();
    Ok(tensor.f_detach()?.f_copy_(&source)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_through_a_strided_view() {
        let source = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).view([2, 3]);
        let transposed = source.transpose(0, 1);
        let bytes = tensor_bytes(&transposed).unwrap();
        let target = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
        copy_from_bytes(&target.transpose(0, 1), &bytes).unwrap();
        assert_eq!(target, source);
    }

    #[test]
    fn a_slice_of_the_wrong_kind_or_a_strided_tensor_is_refused() {
        let tensor = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
        assert!(matches!(
            with_slice_f64(&tensor, <[f64]>::len),
            Err(TorchError::NotASlice { .. })
        ));
        assert!(matches!(
            with_slice_f32(&tensor.transpose(0, 1), <[f32]>::len),
            Err(TorchError::NotASlice { .. })
        ));
        assert!(matches!(
            copy_from_bytes(&tensor, &[0; 23]),
            Err(TorchError::SizeMismatch {
                expected: 24,
                found: 23,
                ..
            })
        ));
    }

    #[test]
    fn a_tensor_without_memory_has_no_slice() {
        let zeros = Tensor::internal_efficientzerotensor([3], (Kind::Float, Device::Cpu));
        assert!(matches!(
            with_slice_f32(&zeros, <[f32]>::len),
            Err(TorchError::NotASlice { .. } | TorchError::Tch(_))
        ));
    }

    #[test]
    fn a_shape_whose_size_overflows_or_is_negative_fits_no_bytes() {
        for shape in [&[1 << 32, 1 << 32][..], &[-2, -3], &[-1], &[i64::MAX, 2, 0]] {
            let bytes = [0u8; 24];
            let read = tensor_from_bytes(Kind::Float, shape, &bytes);
            assert!(matches!(read, Err(TorchError::SizeMismatch { .. })), "{shape:?}");
        }
    }

    #[test]
    fn a_slice_sees_and_changes_the_tensor() {
        let mut tensor = Tensor::from_slice(&[1.0f64, 2.0]);
        with_slice_mut_f64(&mut tensor, |slice| slice[1] = 7.0).unwrap();
        assert_eq!(with_slice_f64(&tensor, <[f64]>::to_vec).unwrap(), [1.0, 7.0]);
        let empty = Tensor::zeros([0], (Kind::Float, Device::Cpu));
        assert_eq!(with_slice_f32(&empty, <[f32]>::len).unwrap(), 0);
        assert!(tensor_bytes(&empty).unwrap().is_empty());
    }
}

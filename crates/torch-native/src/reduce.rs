//! Reductions whose result does not depend on the number of threads.

#![expect(unsafe_code, reason = "hands disjoint parts of the partial sums to threads")]

use tch::{Kind, Tensor};

use crate::TorchError;
use crate::gpu::has_own_kernels;
use crate::memory::with_slice;
use crate::parallel::{SharedSlice, parallel_for};

/// Elements of one partial sum; fixed, so that the order of additions is fixed.
const CHUNK: usize = 1 << 14;
/// Independent sums inside a chunk, so that the additions vectorize in a fixed order.
const LANES: usize = 16;

fn chunk_sum<T: Copy + Into<f64>>(chunk: &[T]) -> f64 {
    let mut lanes = [0.0f64; LANES];
    for values in chunk.chunks(LANES) {
        for (lane, &value) in lanes.iter_mut().zip(values) {
            let value: f64 = value.into();
            *lane += value * value;
        }
    }
    lanes.iter().sum()
}

fn slice_sum<T: Copy + Into<f64> + Sync>(slice: &[T]) -> Result<f64, TorchError> {
    let mut partial = vec![0.0f64; slice.len().div_ceil(CHUNK)];
    let num_chunks = partial.len();
    let shared = SharedSlice::new(&mut partial);
    parallel_for(num_chunks, 4, &|chunks| {
        // SAFETY: parallel_for's ranges are disjoint.
        let sums = unsafe { shared.part(chunks.clone()) };
        for (sum, chunk) in sums.iter_mut().zip(slice[chunks.start * CHUNK..].chunks(CHUNK)) {
            *sum = chunk_sum(chunk);
        }
    })?;
    Ok(partial.iter().sum())
}

/// The sum of the squares of all elements, added up in f64 in a fixed order. NaN or infinite
/// when an element is.
///
/// # Errors
/// [`TorchError::NotASlice`] for a strided tensor, [`TorchError::UnsupportedKind`] for a kind
/// other than f32 and f64.
pub fn squared_norm(tensor: &Tensor) -> Result<f64, TorchError> {
    if !has_own_kernels(tensor.device()) {
        let _no_grad = tch::no_grad_guard();
        let norm = tensor.f_norm_scalaropt_dtype(2, Kind::Double)?;
        return Ok(norm.f_double_value(&[])?.powi(2));
    }
    match tensor.f_kind()? {
        Kind::Float => with_slice("squared_norm", tensor, slice_sum::<f32>)?,
        Kind::Double => with_slice("squared_norm", tensor, slice_sum::<f64>)?,
        kind => Err(TorchError::UnsupportedKind {
            operation: "squared_norm",
            kind,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{num_threads, set_num_threads};
    use tch::Device;

    #[test]
    fn the_sum_is_right_and_the_same_at_any_number_of_threads() {
        let before = num_threads();
        for len in [0i64, 1, 16, 17, 16_384, 16_385, 300_000] {
            let tensor = (Tensor::arange(len, (Kind::Float, Device::Cpu)) * 0.01).sin();
            set_num_threads(1).unwrap();
            let single = squared_norm(&tensor).unwrap();
            set_num_threads(3).unwrap();
            let several = squared_norm(&tensor).unwrap();
            set_num_threads(before).unwrap();
            assert_eq!(single.to_bits(), several.to_bits());
            let expected = tensor
                .to_kind(Kind::Double)
                .square()
                .sum(Kind::Double)
                .double_value(&[]);
            assert!((single - expected).abs() <= 1e-12 * expected);
        }
    }

    #[test]
    fn a_nan_or_infinity_shows_in_the_sum() {
        for bad in [f64::NAN, f64::INFINITY] {
            let tensor = Tensor::zeros([1000], (Kind::Double, Device::Cpu));
            let _ = tensor.narrow(0, 777, 1).fill_(bad);
            assert!(!squared_norm(&tensor).unwrap().is_finite());
        }
    }
}

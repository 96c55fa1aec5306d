//! Normal numbers that are a function of (key, stream, element index).
//!
//! Box and Muller, "A note on the generation of random normal deviates", Annals of
//! Mathematical Statistics 29, 1958: the four words of a Philox block give four numbers. The
//! counter is (block low, block high, stream low, stream high). The logarithm and the sine are not
//! the system's, whose last bit depends on the processor: every rank fills its weights by itself.

#![expect(unsafe_code, reason = "hands disjoint parts of the tensor to threads")]

use tch::Tensor;

use crate::TorchError;
use crate::memory::with_slice_mut;
use crate::parallel::{SharedSlice, parallel_for};
use crate::philox::{halves, philox4x32_10};

/// Least number of blocks a thread takes.
const GRAIN_BLOCKS: usize = 1 << 12;

/// A word as a number in (0, 1].
fn uniform(word: u32) -> f64 {
    (f64::from(word) + 1.0) / 4_294_967_296.0
}

fn block(index: usize, key: [u32; 2], stream: u64) -> [f64; 4] {
    let ([low, high], [stream_low, stream_high]) = (halves(index as u64), halves(stream));
    let [a, b, c, d] = philox4x32_10([low, high, stream_low, stream_high], key);
    let pair = |radius: u32, angle: u32| {
        let radius = (-2.0 * libm::log(uniform(radius))).sqrt();
        let (sine, cosine) = libm::sincos(std::f64::consts::TAU * uniform(angle));
        [radius * cosine, radius * sine]
    };
    let ([first, second], [third, fourth]) = (pair(a, b), pair(c, d));
    [first, second, third, fourth]
}

/// Fills a contiguous f64 CPU tensor with normal numbers of mean 0: element i depends on
/// (key, stream, i) alone.
///
/// # Errors
/// [`TorchError::NotASlice`] for another kind, device or a strided tensor.
pub fn fill_normal(
    tensor: &Tensor,
    standard_deviation: f64,
    key: [u32; 2],
    stream: u64,
) -> Result<(), TorchError> {
    with_slice_mut(
        "fill_normal",
        &mut tensor.shallow_clone(),
        |slice: &mut [f64]| {
            let len = slice.len();
            let shared = SharedSlice::new(slice);
            parallel_for(len.div_ceil(4), GRAIN_BLOCKS, &|blocks| {
                // SAFETY: disjoint ranges of blocks are disjoint ranges of elements.
                let part = unsafe { shared.part(blocks.start * 4..(blocks.end * 4).min(len)) };
                for (index, values) in blocks.zip(part.chunks_mut(4)) {
                    for (value, normal) in values.iter_mut().zip(block(index, key, stream)) {
                        *value = normal * standard_deviation;
                    }
                }
            })
        },
    )?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{num_threads, set_num_threads};
    use tch::{Device, Kind};

    fn normals(len: i64, stream: u64) -> Tensor {
        let tensor = Tensor::zeros([len], (Kind::Double, Device::Cpu));
        fill_normal(&tensor, 2.0, [1, 2], stream).unwrap();
        tensor
    }

    #[test]
    fn moments_are_those_of_the_normal_distribution() {
        let values = normals(1_000_000, 3) / 2.0;
        let moment = |power: i64| {
            values
                .pow_tensor_scalar(power)
                .mean(Kind::Double)
                .double_value(&[])
        };
        // Five deviations of each moment of a million numbers.
        assert!(moment(1).abs() < 5e-3);
        assert!((moment(2) - 1.0).abs() < 7.1e-3);
        assert!((moment(4) - 3.0).abs() < 49e-3);
    }

    #[test]
    fn elements_do_not_depend_on_threads_or_length_and_differ_by_stream() {
        let before = num_threads();
        set_num_threads(1).unwrap();
        let single = normals(50_001, 3);
        set_num_threads(3).unwrap();
        let several = normals(50_001, 3);
        set_num_threads(before).unwrap();
        assert_eq!(single, several);
        assert_eq!(single.narrow(0, 0, 777), normals(777, 3));
        assert_ne!(single, normals(50_001, 4));
    }
}

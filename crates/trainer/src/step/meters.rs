//! What a step costs: the time of its parts, the memory, and the rate that this machine could
//! reach at most.
//!
//! On a CPU all work is done when a call returns. A GPU works on: the time of what it was given shows
//! in the part that waits for it, mostly backward, which reads the loss.

use std::time::{Duration, Instant};

use collectives::Collective;
use model::RobertaForMaskedLm;
use tch::{Device, Kind, Tensor};
use torch_native::gpu_peak_memory;

use crate::{error::TrainError, ranks::agree::agree};

/// Time of the parts of steps, on this rank.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// Waiting for the loader.
    pub data_wait: Duration,
    /// Micro-batches to the device, and forward passes.
    pub forward: Duration,
    /// Backward passes.
    pub backward: Duration,
    /// Collective calls, waiting for the other ranks included.
    pub communication: Duration,
    /// Gradient norm, clipping, update, zeroing of gradients.
    pub optimizer: Duration,
}

impl Times {
    /// All parts together.
    pub(crate) fn sum(&self) -> Duration {
        self.data_wait + self.forward + self.backward + self.communication + self.optimizer
    }

    /// Adds the parts of another step.
    pub(crate) fn add(&mut self, other: &Self) {
        self.data_wait += other.data_wait;
        self.forward += other.forward;
        self.backward += other.backward;
        self.communication += other.communication;
        self.optimizer += other.optimizer;
    }
}

/// Runs `work` and adds its time to `part`.
pub(crate) fn timed<T>(part: &mut Duration, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    *part += begun.elapsed();
    result
}

/// The most memory of `device` that this process has held so far, in bytes. Of a GPU it is what
/// libtorch's allocator had taken from it; the CPU's is 0 where the system does not say.
///
/// # Errors
/// When a GPU does not say.
pub(crate) fn peak_memory_bytes(device: Device) -> Result<u64, TrainError> {
    if let Device::Cuda(index) = device {
        return Ok(gpu_peak_memory(index)?.taken_bytes as u64);
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    Ok(peak_of(&status).unwrap_or(0))
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Rows and columns of the matrices by which a processor's rate is measured: a product takes some
/// ten milliseconds on a core.
const PEAK_SIZE: i64 = 768;
/// The same for a GPU, which smaller products leave idle.
const PEAK_SIZE_ON_GPU: i64 = 8192;
/// The first products are slower: threads start and memory is mapped.
const PEAK_PRODUCTS: usize = 5;

/// Operations a second that all ranks together reach in a large matrix product in the model's
/// precision and on its device, measured by all of them at the same time. All ranks must call it.
///
/// # Errors
/// When libtorch or a rank fails.
pub(crate) fn peak_flops_per_second(
    collective: &mut dyn Collective,
    model: &RobertaForMaskedLm,
) -> Result<f64, TrainError> {
    collective.barrier()?;
    let own = product_rate(model.precision().compute(), model.device());
    let mut rate = [agree(collective, own)?];
    collective.all_reduce_sum_f64(&mut rate)?;
    Ok(rate[0])
}

/// Operations a second of this rank in its best of a few large products.
///
/// # Errors
/// When libtorch fails.
pub(crate) fn product_rate(kind: Kind, device: Device) -> Result<f64, TrainError> {
    let size = if device == Device::Cpu {
        PEAK_SIZE
    } else {
        PEAK_SIZE_ON_GPU
    };
    let ones = || Tensor::f_ones([size, size], (kind, device));
    let (left, right) = (ones()?, ones()?);
    let mut best = Duration::MAX;
    for _ in 0..PEAK_PRODUCTS {
        let begun = Instant::now();
        // Reading a number waits for the GPU.
        left.f_matmul(&right)?.f_double_value(&[0, 0])?;
        best = best.min(begun.elapsed());
    }
    Ok(2.0 * (size as f64).powi(3) / best.as_secs_f64().max(1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_what_the_system_says_in_bytes() {
        let status = "Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 5 kB\n";
        assert_eq!(peak_of(status), Some(1234 * 1024));
        assert_eq!(peak_of("Name:\tx\n"), None);
        assert!(peak_memory_bytes(Device::Cpu).unwrap() > 1 << 20);
    }

    /// The process's own peak would be an answer here.
    #[test]
    fn a_gpu_that_does_not_tell_its_peak_is_an_error_and_not_the_peak_of_the_host() {
        if torch_native::num_gpus() == 0 {
            assert!(peak_memory_bytes(Device::Cuda(0)).is_err());
        }
    }
}

//! What keeps a rank from computing on the device, or in the precision, that is asked for.

use collectives::GpuUuid;

use crate::config::KeyPlace;

/// An error of devices and their precision.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeviceError {
    /// The processor has no fast instructions for the precision.
    #[error(
        "{place}training.precision = \"{precision}\": rank {rank} ({processor}) has no instructions for it. It would be a hundred times slower than f32; bf16 needs AVX512-BF16, AMX or a GPU of compute capability 8.0, fp16 a GPU of 7.0; use \"f32\" or \"auto\""
    )]
    SlowPrecision {
        /// Where the key stands.
        place: KeyPlace,
        /// What was asked for.
        precision: &'static str,
        /// The first rank with such a processor.
        rank: usize,
        /// The processor's name.
        processor: String,
    },
    /// A rank has no GPU of its own.
    #[error(
        "{place}{asked}: {}, or use \"cpu\" as parallel.device with parallel.backend = \"auto\"",
        lack_of_gpus(host, *local_size, *num_gpus)
    )]
    NoGpu {
        /// Where the key stands.
        place: KeyPlace,
        /// The key that asks for a GPU, with its value.
        asked: String,
        /// The host.
        host: String,
        /// Ranks of the host.
        local_size: usize,
        /// GPUs that the rank sees.
        num_gpus: usize,
    },
    /// Several ranks compute on one GPU.
    #[error(
        "{} compute on one GPU ({uuid}), and each rank needs one of its own; start at most one rank a GPU, or show each rank another one (`srun --gpus-per-task=1 --gpu-bind=single:1`, or CUDA_VISIBLE_DEVICES set for each rank), or use \"cpu\" as parallel.device with parallel.backend = \"auto\"",
        with_hosts(ranks)
    )]
    SharedGpu {
        /// The ranks with their hosts, in rank order.
        ranks: Vec<(u32, String)>,
        /// The GPU.
        uuid: GpuUuid,
    },
}

/// Why a rank has no GPU of its own, and what to start instead.
fn lack_of_gpus(host: &str, local_size: usize, num_gpus: usize) -> String {
    if num_gpus == 0 {
        return format!(
            "this rank of host {host} sees no GPU that libtorch can use; put a CUDA build of libtorch 2.11 \
             first on LD_LIBRARY_PATH, see whether `nvidia-smi` lists one and CUDA_VISIBLE_DEVICES hides none"
        );
    }
    format!(
        "host {host} has {local_size} ranks, and one of them sees {num_gpus} GPUs; start at most {num_gpus} \
         ranks on it, or show each rank one GPU of its own (`srun --gpus-per-task=1 --gpu-bind=single:1`, or \
         CUDA_VISIBLE_DEVICES set for each rank)"
    )
}

/// Ranks in words, as a subject.
fn with_hosts(ranks: &[(u32, String)]) -> String {
    let named: Vec<String> = ranks
        .iter()
        .map(|(rank, host)| format!("rank {rank} (host {host})"))
        .collect();
    match &named[..] {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => named.concat(),
    }
}

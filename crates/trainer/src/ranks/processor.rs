//! What a rank computes on, its name and the instructions that decide about precision.

use collectives::Collective;
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::{error::TrainError, ranks::agree::agree};

/// A GPU, or what `/proc/cpuinfo` says about the first processor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Processor {
    /// Its name.
    pub name: String,
    /// Whether it multiplies bf16 matrices in hardware.
    pub has_bf16: bool,
    /// Whether it multiplies fp16 matrices in hardware.
    pub has_fp16: bool,
    /// Whether it is a GPU.
    pub is_gpu: bool,
}

impl Processor {
    /// This machine's.
    pub(crate) fn read() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    }

    /// That of a device.
    ///
    /// # Errors
    /// When the CUDA runtime does not know the GPU.
    fn of(device: Device) -> Result<Self, TrainError> {
        match device {
            Device::Cuda(index) => Ok(Self::gpu(torch_native::compute_capability(index)?)),
            _ => Ok(Self::read()),
        }
    }

    /// Tensor cores came with Volta (7.0) for fp16, and with Ampere (8.0) for bf16.
    fn gpu((major, minor): (i32, i32)) -> Self {
        Self {
            name: format!("GPU of compute capability {major}.{minor}"),
            has_bf16: major >= 8,
            has_fp16: major >= 7,
            is_gpu: true,
        }
    }

    /// Those of all ranks, in rank order. All ranks must call it, each with its own device.
    ///
    /// # Errors
    /// When the ranks cannot reach each other or a GPU does not answer.
    pub(crate) fn of_all_ranks(
        collective: &mut dyn Collective,
        device: Device,
    ) -> Result<Vec<Self>, TrainError> {
        let json = |source| TrainError::Json {
            what: "a processor".to_owned(),
            source,
        };
        let own = serde_json::to_vec(&agree(collective, Self::of(device))?).map_err(json)?;
        collective
            .all_gather(&own)?
            .iter()
            .map(|bytes| serde_json::from_slice(bytes).map_err(json))
            .collect()
    }

    /// The names of several, each once, in order of first use.
    pub(crate) fn names(all: &[Self]) -> String {
        let mut names: Vec<&str> = Vec::new();
        for processor in all {
            if !names.contains(&processor.name.as_str()) {
                names.push(&processor.name);
            }
        }
        names.join(" + ")
    }

    fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let line = text
                .lines()
                .find(|line| line.split(':').next().is_some_and(|name| name.trim() == key))?;
            Some(line.split_once(':')?.1.trim())
        };
        let flags = value("flags").unwrap_or_default();
        Self {
            name: value("model name").unwrap_or("unknown").to_owned(),
            has_bf16: flags
                .split(' ')
                .any(|flag| flag == "avx512_bf16" || flag == "amx_bf16"),
            has_fp16: false,
            is_gpu: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_flags_are_those_of_the_first_processor() {
        let text =
            "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512_bf16\n\nprocessor\t: 1\n";
        let expected = Processor {
            name: "AMD EPYC".to_owned(),
            has_bf16: true,
            ..Processor::default()
        };
        assert_eq!(Processor::parse(text), expected);
        assert!(!Processor::parse(&text.replace("avx512_bf16", "avx512f")).has_bf16);
        assert_eq!(Processor::parse("").name, "unknown");
    }

    #[test]
    fn volta_has_fp16_and_ampere_bf16_too() {
        let precisions = |capability| {
            let gpu = Processor::gpu(capability);
            (gpu.has_fp16, gpu.has_bf16)
        };
        assert_eq!(
            [(6, 1), (7, 0), (7, 5), (8, 0), (9, 0)].map(precisions),
            [
                (false, false),
                (true, false),
                (true, false),
                (true, true),
                (true, true)
            ]
        );
    }
}

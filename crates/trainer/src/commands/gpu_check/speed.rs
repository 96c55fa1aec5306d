//! Tokens a second, share of what products reach, and the most memory.

use std::time::Instant;

use model::{Precision, RobertaConfig};
use tch::Device;

use super::{device::Padding, finding::Found, memory};
use crate::{
    error::{TrainError, chain},
    run::synthetic::{BatchShape, SyntheticRun},
    step::meters::product_rate,
};

/// Steps that warm a GPU up, and those that are timed.
const WARM_UP_STEPS: usize = 5;
const TIMED_STEPS: usize = 20;

/// What is timed: whole steps with dropout on, whose micro-batches are ready in pinned memory.
#[derive(Debug, Clone)]
pub(super) struct Speed {
    pub(super) device: Device,
    pub(super) config: RobertaConfig,
    pub(super) precision: Precision,
    pub(super) padding: Padding,
    pub(super) shape: BatchShape,
}

impl Speed {
    pub(super) fn measure(&self) -> Found {
        match self.timed() {
            Ok(found) => Ok(found),
            // Smaller GPUs lack the memory, which is no fault.
            Err(error) if chain(&error).contains("out of memory") => Ok((true, "out of memory".to_owned())),
            Err(error) => Err(error),
        }
    }

    fn timed(&self) -> Found {
        if let Device::Cuda(index) = self.device {
            torch_native::reset_gpu_peak_memory(index)?;
        }
        let mut synthetic = SyntheticRun::new(self.device, &self.config, self.precision, self.shape)?;
        synthetic.is_padded = self.padding == Padding::Some;
        let ready = (0..WARM_UP_STEPS + TIMED_STEPS).map(|_| synthetic.ready_step());
        let ready = ready.collect::<Result<Vec<_>, TrainError>>()?;
        let (warm_up, timed) = ready.split_at(WARM_UP_STEPS);
        for step in warm_up {
            synthetic.take_alone(step)?;
        }
        let (begun, mut tokens, mut flops) = (Instant::now(), 0, 0);
        // A step ends with the loss on the host, so that nothing is left in flight.
        for step in timed {
            let record = synthetic.take_alone(step)?;
            tokens += record.tokens;
            flops += record.model_flops;
        }
        let seconds = begun.elapsed().as_secs_f64();
        drop(synthetic);
        let peak = product_rate(self.precision.compute(), self.device)?;
        let reached = flops as f64 / seconds;
        let (fits, memory) = memory::beside_plan(self.device, &self.config, self.precision, self.shape)?;
        let text = format!(
            "{:.0} tokens/s, {:.1} TFLOP/s, {:.0} % of the {:.1} of a large product; {memory}",
            tokens as f64 / seconds,
            reached / 1e12,
            100.0 * reached / peak,
            peak / 1e12,
        );
        Ok((fits, text))
    }
}

//! `AdamW` over the model's flat buffers.

use model::{Parameters, RobertaForMaskedLm};
use tch::Tensor;
use torch_native::{AdamW, adamw_step};

use crate::{config::OptimizerSection, error::TrainError};

/// The optimizer's settings and its two moments.
#[derive(Debug)]
pub(crate) struct Optimizer {
    settings: OptimizerSection,
    /// First moment, in the layout of the parameters.
    exp_avg: Tensor,
    /// Second moment, in the layout of the parameters.
    exp_avg_sq: Tensor,
}

/// Prefixes of the moments in `optimizer.safetensors`.
const MOMENTS: [&str; 2] = ["exp_avg", "exp_avg_sq"];

impl Optimizer {
    /// Moments of zero for `model`.
    ///
    /// # Errors
    /// When the memory is not there.
    pub(crate) fn new(settings: OptimizerSection, model: &RobertaForMaskedLm) -> Result<Self, TrainError> {
        let flat = model.parameters().flat();
        Ok(Self {
            settings,
            exp_avg: flat.f_zeros_like()?,
            exp_avg_sq: flat.f_zeros_like()?,
        })
    }

    /// One update of the parameters with their gradients; `step` counts from 1.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(crate) fn step(
        &mut self,
        parameters: &Parameters,
        learning_rate: f64,
        step: u64,
    ) -> Result<(), TrainError> {
        let adamw = AdamW {
            learning_rate,
            beta1: self.settings.adam_beta1,
            beta2: self.settings.adam_beta2,
            epsilon: self.settings.adam_epsilon,
            weight_decay: self.settings.weight_decay,
            step,
        };
        adamw_step(
            parameters.flat(),
            parameters.grad(),
            &self.exp_avg,
            &self.exp_avg_sq,
            &adamw,
            parameters.decay_ranges(),
        )?;
        Ok(())
    }

    /// Both moments as views without padding, named `exp_avg.NAME` and `exp_avg_sq.NAME`.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(crate) fn named_tensors(&self, parameters: &Parameters) -> Result<Vec<(String, Tensor)>, TrainError> {
        let mut all = Vec::new();
        for (moment, flat) in MOMENTS.into_iter().zip([&self.exp_avg, &self.exp_avg_sq]) {
            let views = parameters.views_of(flat)?;
            all.extend(
                views
                    .into_iter()
                    .map(|(name, view)| (format!("{moment}.{name}"), view)),
            );
        }
        Ok(all)
    }

    /// Fills the moments from tensors under the names of [`Optimizer::named_tensors`].
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub(crate) fn load_tensors(
        &mut self,
        parameters: &Parameters,
        mut lookup: impl FnMut(&str) -> Option<Tensor>,
    ) -> Result<(), TrainError> {
        for (moment, flat) in MOMENTS.into_iter().zip([&self.exp_avg, &self.exp_avg_sq]) {
            parameters.load_into(flat, |name| lookup(&format!("{moment}.{name}")))?;
        }
        Ok(())
    }
}

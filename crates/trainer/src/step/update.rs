//! From the gradients of a step to other parameters.

use loader::Step;
use model::Parameters;
use tch::Tensor;
use torch_native::squared_norm;

use crate::{
    error::TrainError,
    step::{learner::Learner, loss_scale::LossScale, sums::GlobalResult},
};

/// Whether fp16 overflowed, which costs the step and lowers the scale of the loss. Where that
/// cannot be it, what is not finite ends the run.
///
/// # Errors
/// [`TrainError::NotFinite`]; those of libtorch.
pub(crate) fn overflowed(
    learner: &mut Learner,
    finished: Step,
    results: &GlobalResult,
) -> Result<bool, TrainError> {
    let what = match (results.bad_loss, results.bad_gradient) {
        (false, false) => {
            learner.loss_scale.iter_mut().for_each(LossScale::succeed);
            return Ok(false);
        }
        (true, _) => "loss",
        (false, true) => "gradient",
    };
    if learner.loss_scale.as_mut().is_some_and(LossScale::back_off) {
        return Ok(true);
    }
    Err(TrainError::NotFinite {
        step: finished.0 + 1,
        what,
        parameter: first_bad_gradient(learner.model.parameters())?,
        checkpoint: None,
    })
}

/// The optimizer counts its own updates: those that fp16 skipped move no moment.
///
/// # Errors
/// Those of libtorch.
pub(crate) fn update(learner: &mut Learner, learning_rate: f64, finished: Step) -> Result<(), TrainError> {
    let skipped = learner
        .loss_scale
        .map_or(0, |loss_scale| loss_scale.skipped_updates);
    let update = (finished.0 + 1).saturating_sub(skipped);
    learner
        .optimizer
        .step(learner.model.parameters(), learning_rate, update)
}

fn first_bad_gradient(parameters: &Parameters) -> Result<Option<String>, TrainError> {
    for info in parameters.infos() {
        let gradient = parameters.elements_of(parameters.grad(), info)?;
        if !squared_norm(&gradient)?.is_finite() {
            return Ok(Some(info.name.clone()));
        }
    }
    Ok(None)
}

/// As `torch.nn.utils.clip_grad_norm_`, its 1e-6 included.
pub(crate) fn clip_factor(grad_norm: f64, max_grad_norm: f64) -> f64 {
    let factor = max_grad_norm / (grad_norm + 1e-6);
    if max_grad_norm > 0.0 && factor < 1.0 {
        factor
    } else {
        1.0
    }
}

/// Multiplies the gradients with `factor`.
///
/// # Errors
/// Those of libtorch.
#[expect(clippy::float_cmp, reason = "exactly 1 is the factor that changes nothing")]
pub(crate) fn scale_gradients(parameters: &Parameters, factor: f64) -> Result<(), TrainError> {
    if factor != 1.0 {
        let _no_grad = tch::no_grad_guard();
        let mut grad: Tensor = parameters.grad().shallow_clone();
        let _ = grad.f_mul_scalar_(factor)?;
    }
    Ok(())
}

//! One optimizer step over all ranks.
//!
//! The loss is the sum of all losses of the [objective](objective) divided by their global number, never a
//! mean of means; gradients are summed over micro-batches and ranks in the parameters' kind.

pub(crate) mod device;
pub(crate) mod device_error;
pub(crate) mod gradient_transport;
pub(crate) mod gradients;
pub(crate) mod learner;
pub(crate) mod loss_scale;
pub(crate) mod masked_lm;
pub(crate) mod meters;
pub(crate) mod objective;
pub(crate) mod optimizer;
pub(crate) mod overlap;
pub(crate) mod passes;
pub(crate) mod precision;
pub(crate) mod ready;
pub(crate) mod record;
pub(crate) mod reduction;
pub(crate) mod schedule;
pub(crate) mod sums;
pub(crate) mod update;

use collectives::Collective;
use loader::Step;
use torch_native::squared_norm;

use crate::{
    error::TrainError,
    ranks::stop::StopRequest,
    step::{
        learner::Learner,
        meters::{Times, peak_memory_bytes, timed},
        passes::sum_gradients,
        ready::ReadyStep,
        record::StepRecord,
        sums::{LocalResult, sum_counts, sum_results},
        update::{clip_factor, overflowed, scale_gradients, update},
    },
};

/// Takes one step. The order is fixed: `docs/design.md`, section "One training step", names every line.
///
/// # Errors
/// [`TrainError::NotFinite`] and that of the objective without a loss on all ranks alike, before any
/// parameter changed; others when the data, libtorch or a rank fails.
pub(crate) fn train_step(
    learner: &mut Learner,
    collective: &mut dyn Collective,
    ready: &ReadyStep,
    stop: &StopRequest,
) -> Result<StepRecord, TrainError> {
    let finished = ready.batches.step;
    collective.at_step(finished.0 + 1);
    let mut times = Times::default();
    let counts = timed(&mut times.communication, || {
        sum_counts(learner, collective, ready)
    })?;
    let loss_scale = learner.loss_scale.map(|loss_scale| loss_scale.scale);
    let scale = loss_scale.unwrap_or(1.0);
    let factor = scale / counts.num_losses as f64;
    let losses = sum_gradients(learner, collective, ready, factor, &mut times)?;
    let grad = learner.model.parameters().grad();
    let grad_norm = timed(&mut times.optimizer, || squared_norm(grad))?.sqrt() / scale;
    let own = LocalResult {
        loss: losses.local,
        grad_norm,
        computed: times.forward + times.backward,
        peak_memory: peak_memory_bytes(learner.model.device())?,
    };
    let results = timed(&mut times.communication, || sum_results(collective, &own, stop))?;
    let skipped_update = overflowed(learner, finished, &results)?;
    let factor = clip_factor(results.grad_norm, learner.max_grad_norm) / scale;
    let learning_rate = learner.schedule.learning_rate(finished);
    timed(&mut times.optimizer, || {
        if !skipped_update {
            scale_gradients(learner.model.parameters(), factor)?;
            update(learner, learning_rate, finished)?;
        }
        Ok::<_, TrainError>(learner.model.parameters().zero_grad()?)
    })?;
    Ok(StepRecord {
        step: Step(finished.0 + 1),
        loss: losses.canonical.unwrap_or(results.loss) / counts.num_losses as f64,
        grad_norm: results.grad_norm,
        loss_scale,
        skipped_update,
        learning_rate,
        digest: counts.digest,
        num_losses: counts.num_losses,
        tokens: counts.tokens,
        local_sequences: counts.local_sequences,
        stop: results.stop,
        model_flops: counts.model_flops,
        peak_memory_bytes: results.peak_memory_bytes,
        local_compute: results.local_compute,
        times,
    })
}

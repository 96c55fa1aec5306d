//! One optimizer step over all ranks.
//!
//! The loss is the sum of all masked tokens' losses divided by their global number, never a
//! mean of means; gradients are summed over micro-batches and ranks in the parameters' kind.

pub(crate) mod device;
pub(crate) mod device_error;
pub(crate) mod gradient_transport;
pub(crate) mod gradients;
pub(crate) mod learner;
pub(crate) mod loss_scale;
pub(crate) mod meters;
pub(crate) mod optimizer;
pub(crate) mod overlap;
pub(crate) mod precision;
pub(crate) mod ready;
pub(crate) mod reduction;
pub(crate) mod schedule;

use std::time::{Duration, Instant};

use collectives::Collective;
use loader::{MicroBatch, Step};
use model::{BatchTensors, DropoutKey, Parameters, RobertaConfig};
use tch::Tensor;
use torch_native::squared_norm;

use crate::{
    error::TrainError,
    run::stop::{Stop, StopRequest},
    step::{
        learner::Learner,
        loss_scale::LossScale,
        meters::{Times, peak_memory_bytes, timed, training_flops},
        ready::ReadyStep,
        reduction::{GradientSum, Losses},
    },
};

/// What one step did; all but the times is the same on all ranks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepRecord {
    /// Steps finished.
    pub step: Step,
    /// Mean loss of the masked tokens; not finite where fp16 overflowed.
    pub loss: f64,
    /// Norm of the gradient before clipping; not finite where fp16 overflowed.
    pub grad_norm: f64,
    /// In fp16, what the loss was multiplied by.
    pub loss_scale: Option<f64>,
    /// Whether fp16 overflowed, so that nothing was updated.
    pub skipped_update: bool,
    /// Learning rate of the update.
    pub learning_rate: f64,
    /// Digest of the step's sequences and masks.
    pub digest: u64,
    /// Masked tokens.
    pub masked_tokens: u64,
    /// Real tokens, padding left out.
    pub tokens: u64,
    /// Sequences that each rank took.
    pub local_sequences: Vec<u64>,
    /// Why the run stops, where any rank was asked to.
    pub stop: Option<Stop>,
    /// Operations of the model's products on real tokens, over all ranks.
    pub model_flops: u64,
    /// The most memory that each rank has held so far.
    pub peak_memory_bytes: Vec<u64>,
    /// How long the forward and backward passes of each rank took.
    pub local_compute: Vec<Duration>,
    /// Time of this rank's parts of the step.
    pub times: Times,
}

/// Sums over ranks that the data alone decides.
struct Counts {
    masked_tokens: u64,
    tokens: u64,
    digest: u64,
    model_flops: u64,
    local_sequences: Vec<u64>,
}

/// Takes one step. The order is fixed: `docs/design.md`, section "One training step", names every line.
///
/// # Errors
/// [`TrainError::NotFinite`] and [`TrainError::NothingMasked`] on all ranks alike, before any
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
    let config = learner.model.config();
    let counts = timed(&mut times.communication, || sum_counts(collective, config, ready))?;
    let loss_scale = learner.loss_scale.map(|loss_scale| loss_scale.scale);
    let scale = loss_scale.unwrap_or(1.0);
    let factor = scale / counts.masked_tokens as f64;
    let losses = sum_gradients(learner, collective, ready, factor, &mut times)?;
    let grad = learner.model.parameters().grad();
    let grad_norm = timed(&mut times.optimizer, || squared_norm(grad))?.sqrt() / scale;
    let own = LocalResult {
        loss: losses.local,
        grad_norm,
        computed: times.forward + times.backward,
        peak_memory: peak_memory_bytes(learner.model.device())?,
    };
    let sums = timed(&mut times.communication, || sum_losses(collective, &own, stop))?;
    let skipped_update = overflowed(learner, finished, &sums)?;
    let factor = clip_factor(sums.grad_norm, learner.max_grad_norm) / scale;
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
        loss: losses.canonical.unwrap_or(sums.loss) / counts.masked_tokens as f64,
        grad_norm: sums.grad_norm,
        loss_scale,
        skipped_update,
        learning_rate,
        digest: counts.digest,
        masked_tokens: counts.masked_tokens,
        tokens: counts.tokens,
        local_sequences: counts.local_sequences,
        stop: sums.stop,
        model_flops: counts.model_flops,
        peak_memory_bytes: sums.peak_memory_bytes,
        local_compute: sums.local_compute,
        times,
    })
}

fn sum_counts(
    collective: &mut dyn Collective,
    config: &RobertaConfig,
    ReadyStep { batches, .. }: &ReadyStep,
) -> Result<Counts, TrainError> {
    const FIXED: usize = 4;
    let sum = |count: fn(&MicroBatch) -> u64| batches.micro_batches.iter().map(count).sum();
    let mut all = vec![0; FIXED + collective.world_size() as usize];
    all[0] = sum(|batch| batch.masked_tokens);
    all[1] = sum(|batch| batch.tokens);
    all[2] = batches.digest;
    let flops = batches
        .micro_batches
        .iter()
        .map(|batch| training_flops(config, batch));
    all[3] = flops.sum();
    all[FIXED + collective.rank().0 as usize] = sum(|batch| batch.sequences as u64);
    collective.all_reduce_sum_u64(&mut all)?;
    if all[0] == 0 {
        return Err(TrainError::NothingMasked {
            step: batches.step.0 + 1,
        });
    }
    Ok(Counts {
        masked_tokens: all[0],
        tokens: all[1],
        digest: all[2],
        model_flops: all[3],
        local_sequences: all.split_off(FIXED),
    })
}

/// Forward and backward passes of all micro-batches; afterwards the parameters' gradients are
/// those of the whole step, of its loss times `factor`.
fn sum_gradients(
    learner: &Learner,
    collective: &mut dyn Collective,
    ready: &ReadyStep,
    factor: f64,
    times: &mut Times,
) -> Result<Losses, TrainError> {
    let mut sum = GradientSum::new(learner);
    let last = ready.batches.micro_batches.len().saturating_sub(1);
    for (index, (batch, tensors)) in ready.micro_batches().enumerate() {
        let (mut own, begun) = (Times::default(), Instant::now());
        let mut pass = || forward_backward(learner, (batch, tensors), factor, &mut own);
        let more = index < last;
        let loss = if more {
            pass()?
        } else {
            sum.last_pass(collective, pass)?
        };
        // Beyond its two parts a pass waits for the sum over ranks that goes on beside it.
        own.communication = begun.elapsed().saturating_sub(own.sum());
        times.add(&own);
        timed(&mut times.backward, || sum.add(batch, loss, more))?;
    }
    timed(&mut times.communication, || {
        sum.reduce(collective)?;
        sum.losses(collective)
    })
}

/// Adds the micro-batch's share of the gradient, that of its loss times `factor`; returns its summed
/// loss.
fn forward_backward(
    learner: &Learner,
    (batch, tensors): (&MicroBatch, &BatchTensors),
    factor: f64,
    times: &mut Times,
) -> Result<f64, TrainError> {
    let dropout = DropoutKey {
        seed: learner.seed,
        step: batch.step.0,
        micro_batch: batch.index,
    };
    let loss_sum = timed(&mut times.forward, || {
        let tensors = tensors.to_device(learner.model.device())?;
        Ok::<_, TrainError>(learner.model.loss_sum(&tensors, Some(&dropout))?)
    })?;
    timed(&mut times.backward, || {
        loss_sum.f_mul_scalar(factor)?.f_backward()?;
        Ok(loss_sum.f_double_value(&[])?)
    })
}

/// What one rank brings to the sums of a step.
struct LocalResult {
    loss: f64,
    /// Of gradients that are the same on all ranks, by an order of additions that may be the device's.
    grad_norm: f64,
    peak_memory: u64,
    computed: Duration,
}

/// What the ranks' losses and norms come to, the same on all of them.
struct GlobalResult {
    loss: f64,
    /// Rank 0's: a number that every rank multiplies its parameters with must be the same bits on all
    /// of them, or the replicas drift apart.
    grad_norm: f64,
    bad_loss: bool,
    bad_gradient: bool,
    stop: Option<Stop>,
    peak_memory_bytes: Vec<u64>,
    local_compute: Vec<Duration>,
}

fn sum_losses(
    collective: &mut dyn Collective,
    own: &LocalResult,
    stop: &StopRequest,
) -> Result<GlobalResult, TrainError> {
    let flag = |set: bool| if set { 1.0 } else { 0.0 };
    // Zeros of all others leave a number as it is.
    let of_first = |number: f64| if collective.rank().0 == 0 { number } else { 0.0 };
    let mut sums = vec![
        own.loss,
        flag(!own.loss.is_finite()),
        flag(!own.grad_norm.is_finite()),
        of_first(own.grad_norm),
    ];
    let (fixed, rank) = (sums.len(), collective.rank().0 as usize);
    let world_size = collective.world_size() as usize;
    sums.resize(fixed + 3 * world_size, 0.0);
    sums[fixed + rank] = own.peak_memory as f64;
    sums[fixed + world_size + rank] = stop.code() as f64;
    sums[fixed + 2 * world_size + rank] = own.computed.as_secs_f64();
    collective.all_reduce_sum_f64(&mut sums)?;
    let (of_all, of_each) = sums.split_at(fixed);
    let (peaks, of_each) = of_each.split_at(world_size);
    let (stops, computed) = of_each.split_at(world_size);
    let duration = |&seconds: &f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Ok(GlobalResult {
        loss: of_all[0],
        bad_loss: of_all[1] > 0.0,
        bad_gradient: of_all[2] > 0.0,
        grad_norm: of_all[3],
        stop: Stop::agreed(&whole(stops)),
        peak_memory_bytes: whole(peaks),
        local_compute: computed.iter().map(duration).collect(),
    })
}

/// Numbers of bytes and codes, which an f64 holds exactly up to 2^53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "each is a sum of one whole number and zeros"
)]
fn whole(sums: &[f64]) -> Vec<u64> {
    sums.iter().map(|&sum| sum as u64).collect()
}

/// Whether fp16 overflowed, which costs the step and lowers the scale of the loss. Where that
/// cannot be it, what is not finite ends the run.
fn overflowed(learner: &mut Learner, finished: Step, sums: &GlobalResult) -> Result<bool, TrainError> {
    let what = match (sums.bad_loss, sums.bad_gradient) {
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
fn update(learner: &mut Learner, learning_rate: f64, finished: Step) -> Result<(), TrainError> {
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
fn clip_factor(grad_norm: f64, max_grad_norm: f64) -> f64 {
    let factor = max_grad_norm / (grad_norm + 1e-6);
    if max_grad_norm > 0.0 && factor < 1.0 {
        factor
    } else {
        1.0
    }
}

#[expect(clippy::float_cmp, reason = "exactly 1 is the factor that changes nothing")]
fn scale_gradients(parameters: &Parameters, factor: f64) -> Result<(), TrainError> {
    if factor != 1.0 {
        let _no_grad = tch::no_grad_guard();
        let mut grad: Tensor = parameters.grad().shallow_clone();
        let _ = grad.f_mul_scalar_(factor)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::on_every_rank;

    /// Three ranks whose own numbers differ in the last bit, as they may between devices.
    #[test]
    fn norm_and_clip_factor_are_the_same_bits_on_every_rank() {
        let next = |number: f64, ulps: u32| f64::from_bits(number.to_bits() + u64::from(ulps));
        let world = collectives::Threads::world(3, Duration::from_mins(1));
        let found = on_every_rank(world, |collective| {
            let rank = collective.rank().0;
            let own = LocalResult {
                loss: 1.0,
                grad_norm: next(7.3, rank),
                peak_memory: 0,
                computed: Duration::ZERO,
            };
            let sums = sum_losses(collective, &own, &StopRequest::new()).unwrap();
            assert!(!sums.bad_loss && !sums.bad_gradient);
            let factor = clip_factor(sums.grad_norm, 0.1);
            [sums.grad_norm, factor].map(f64::to_bits)
        });
        let expected = [7.3, clip_factor(7.3, 0.1)].map(f64::to_bits);
        assert_eq!(found, [expected; 3]);
        assert_ne!(
            clip_factor(7.3, 0.1).to_bits(),
            clip_factor(next(7.3, 2), 0.1).to_bits()
        );
    }

    #[test]
    fn a_norm_that_is_no_number_on_one_rank_alone_is_known_to_all() {
        for bad_rank in 0..2 {
            let world = collectives::Threads::world(2, Duration::from_mins(1));
            let found = on_every_rank(world, |collective| {
                let is_bad = collective.rank().0 == bad_rank;
                let own = LocalResult {
                    loss: 1.0,
                    grad_norm: if is_bad { f64::INFINITY } else { 1.0 },
                    peak_memory: 0,
                    computed: Duration::ZERO,
                };
                sum_losses(collective, &own, &StopRequest::new())
                    .unwrap()
                    .bad_gradient
            });
            assert_eq!(found, [true; 2]);
        }
    }
}

//! One optimizer step over all ranks.
//!
//! The loss is the sum of all masked tokens' losses divided by their global number, never a
//! mean of means; gradients are summed over micro-batches and ranks in the parameters' kind.

use collectives::Collective;
use loader::{MicroBatch, Step, StepBatches};
use model::{BatchSlices, BatchTensors, DropoutKey, Parameters, RobertaForMaskedLm};
use tch::{Kind, Tensor};
use torch_native::{squared_norm, with_slice_mut_f32, with_slice_mut_f64};

use crate::{error::TrainError, optimizer::Optimizer, schedule::Schedule, stop::StopRequest};

/// What a step changes, and what it needs for that.
#[derive(Debug)]
pub struct Learner {
    /// The model.
    pub model: RobertaForMaskedLm,
    /// Its optimizer.
    pub optimizer: Optimizer,
    /// The learning rate over the steps.
    pub schedule: Schedule,
    /// Norm to which larger gradients are scaled down; 0: never.
    pub max_grad_norm: f64,
    /// The run's seed, for dropout.
    pub seed: u64,
}

/// What one step did, the same on all ranks.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// Steps finished.
    pub step: Step,
    /// Mean loss of the masked tokens.
    pub loss: f64,
    /// Norm of the gradient before clipping.
    pub grad_norm: f64,
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
    /// Whether any rank was asked to stop.
    pub stop: bool,
}

/// Sums over ranks that the data alone decides.
struct Counts {
    masked_tokens: u64,
    tokens: u64,
    digest: u64,
    local_sequences: Vec<u64>,
}

/// Takes one step. The order is fixed: DESIGN section 2 names every line.
///
/// # Errors
/// [`TrainError::NotFinite`] and [`TrainError::NothingMasked`] on all ranks alike, before any
/// parameter changed; others when the data, libtorch or a rank fails.
pub fn train_step(
    learner: &mut Learner,
    collective: &mut dyn Collective,
    batches: &StepBatches,
    stop: &StopRequest,
) -> Result<StepRecord, TrainError> {
    let finished = batches.step;
    collective.at_step(finished.0 + 1);
    let counts = sum_counts(collective, batches)?;
    let mut local_loss = 0.0;
    for batch in &batches.micro_batches {
        local_loss += forward_backward(learner, batch, counts.masked_tokens)?;
    }
    reduce_gradients(collective, learner.model.parameters())?;
    let grad_norm = squared_norm(learner.model.parameters().grad())?.sqrt();
    let (loss_sum, stop) = agree_on_finite(
        learner,
        collective,
        finished,
        (local_loss, grad_norm),
        stop.asked(),
    )?;
    clip(learner.model.parameters(), grad_norm, learner.max_grad_norm)?;
    let learning_rate = learner.schedule.learning_rate(finished);
    learner
        .optimizer
        .step(learner.model.parameters(), learning_rate, finished.0 + 1)?;
    learner.model.parameters().zero_grad()?;
    Ok(StepRecord {
        step: Step(finished.0 + 1),
        loss: loss_sum / counts.masked_tokens as f64,
        grad_norm,
        learning_rate,
        digest: counts.digest,
        masked_tokens: counts.masked_tokens,
        tokens: counts.tokens,
        local_sequences: counts.local_sequences,
        stop,
    })
}

fn sum_counts(collective: &mut dyn Collective, batches: &StepBatches) -> Result<Counts, TrainError> {
    const FIXED: usize = 3;
    let sum = |count: fn(&MicroBatch) -> u64| batches.micro_batches.iter().map(count).sum();
    let mut all = vec![0; FIXED + collective.world_size() as usize];
    all[0] = sum(|batch| batch.masked_tokens);
    all[1] = sum(|batch| batch.tokens);
    all[2] = batches.digest;
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
        local_sequences: all.split_off(FIXED),
    })
}

/// Adds the micro-batch's share of the gradient; returns its summed loss.
fn forward_backward(learner: &Learner, batch: &MicroBatch, masked_tokens: u64) -> Result<f64, TrainError> {
    let tensors = tensors_of(batch, &learner.model)?;
    let dropout = DropoutKey {
        seed: learner.seed,
        step: batch.step.0,
        micro_batch: batch.index,
    };
    let loss_sum = learner.model.loss_sum(&tensors, Some(&dropout))?;
    loss_sum.f_mul_scalar(1.0 / masked_tokens as f64)?.f_backward()?;
    Ok(loss_sum.f_double_value(&[])?)
}

/// A loader's micro-batch as the model's tensors.
///
/// # Errors
/// When the micro-batch and the model do not fit together.
pub fn tensors_of(batch: &MicroBatch, model: &RobertaForMaskedLm) -> Result<BatchTensors, TrainError> {
    let slices = BatchSlices {
        sequences: batch.sequences,
        sequence_length: batch.sequence_length,
        input_ids: &batch.input_ids,
        lengths: &batch.lengths,
        masked_positions: &batch.masked_positions,
        labels: &batch.labels,
        weights: &batch.weights,
    };
    Ok(BatchTensors::from_slices(
        &slices,
        model.config(),
        model.device(),
    )?)
}

fn reduce_gradients(collective: &mut dyn Collective, parameters: &Parameters) -> Result<(), TrainError> {
    if collective.world_size() == 1 {
        return Ok(());
    }
    let grad = parameters.grad();
    match grad.f_kind()? {
        Kind::Double => with_slice_mut_f64(grad, |values| collective.all_reduce_sum_f64(values))??,
        _ => with_slice_mut_f32(grad, |values| collective.all_reduce_sum_f32(values))??,
    }
    Ok(())
}

/// The global loss, and whether a rank wants to stop; or the same error on all ranks.
fn agree_on_finite(
    learner: &Learner,
    collective: &mut dyn Collective,
    finished: Step,
    (local_loss, grad_norm): (f64, f64),
    stop: bool,
) -> Result<(f64, bool), TrainError> {
    let flag = |set: bool| if set { 1.0 } else { 0.0 };
    let mut sums = [
        local_loss,
        flag(!local_loss.is_finite()),
        flag(!grad_norm.is_finite()),
        flag(stop),
    ];
    collective.all_reduce_sum_f64(&mut sums)?;
    let [loss, bad_losses, bad_norms, stops] = sums;
    let what = match (bad_losses > 0.0, bad_norms > 0.0) {
        (false, false) => return Ok((loss, stops > 0.0)),
        (true, _) => "loss",
        (false, true) => "gradient",
    };
    Err(TrainError::NotFinite {
        step: finished.0 + 1,
        what,
        parameter: first_bad_gradient(learner.model.parameters())?,
    })
}

fn first_bad_gradient(parameters: &Parameters) -> Result<Option<String>, TrainError> {
    for info in parameters.infos() {
        let (offset, length) = (info.offset, info.padded_shape.iter().product());
        let part = parameters
            .grad()
            .f_narrow(0, i64::try_from(offset).unwrap_or(i64::MAX), length)?;
        if !squared_norm(&part)?.is_finite() {
            return Ok(Some(info.name.clone()));
        }
    }
    Ok(None)
}

/// As `torch.nn.utils.clip_grad_norm_`, its 1e-6 included.
fn clip(parameters: &Parameters, grad_norm: f64, max_grad_norm: f64) -> Result<(), TrainError> {
    let factor = max_grad_norm / (grad_norm + 1e-6);
    if max_grad_norm > 0.0 && factor < 1.0 {
        let _no_grad = tch::no_grad_guard();
        let mut grad: Tensor = parameters.grad().shallow_clone();
        let _ = grad.f_mul_scalar_(factor)?;
    }
    Ok(())
}

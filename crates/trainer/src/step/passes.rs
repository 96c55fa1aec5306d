//! The forward and backward passes of a step.

use std::time::Instant;

use collectives::Collective;
use loader::MicroBatch;
use model::DropoutKey;

use crate::{
    error::TrainError,
    step::{
        learner::Learner,
        meters::{Times, timed},
        objective::Inputs,
        ready::ReadyStep,
        reduction::{GradientSum, Losses},
    },
};

/// Forward and backward passes of all micro-batches; afterwards the parameters' gradients are
/// those of the whole step, of its loss times `factor`.
pub(crate) fn sum_gradients(
    learner: &Learner,
    collective: &mut dyn Collective,
    ready: &ReadyStep,
    factor: f64,
    times: &mut Times,
) -> Result<Losses, TrainError> {
    let mut sum = GradientSum::new(learner);
    let last = ready.batches.micro_batches.len().saturating_sub(1);
    for (index, (batch, inputs)) in ready.micro_batches().enumerate() {
        let (mut own, begun) = (Times::default(), Instant::now());
        let mut pass = || forward_backward(learner, batch, inputs, factor, &mut own);
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
    batch: &MicroBatch,
    inputs: &dyn Inputs,
    factor: f64,
    times: &mut Times,
) -> Result<f64, TrainError> {
    let dropout = DropoutKey {
        seed: learner.seed,
        step: batch.step.0,
        micro_batch: batch.index,
    };
    let loss_sum = timed(&mut times.forward, || inputs.loss_sum(&learner.model, &dropout))?;
    timed(&mut times.backward, || {
        loss_sum.f_mul_scalar(factor)?.f_backward()?;
        Ok(loss_sum.f_double_value(&[])?)
    })
}

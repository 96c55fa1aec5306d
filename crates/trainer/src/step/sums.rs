//! Numbers of a step that are summed over ranks: what the data alone decides, and what the passes found.

use std::time::Duration;

use collectives::Collective;
use loader::MicroBatch;

use crate::{
    error::TrainError,
    ranks::{stop::StopRequest, stop_reason::Stop},
    step::{learner::Learner, ready::ReadyStep},
};

/// Sums over ranks that the data alone decides.
pub(crate) struct Counts {
    pub num_losses: u64,
    pub tokens: u64,
    pub digest: u64,
    pub model_flops: u64,
    pub local_sequences: Vec<u64>,
}

/// Before any pass: the loader knows them.
///
/// # Errors
/// That of the objective where there is no loss at all; those of the collective call.
pub(crate) fn sum_counts(
    learner: &Learner,
    collective: &mut dyn Collective,
    ReadyStep { batches, .. }: &ReadyStep,
) -> Result<Counts, TrainError> {
    const FIXED: usize = 4;
    let (objective, config) = (&learner.objective, learner.model.config());
    let sum = |count: &dyn Fn(&MicroBatch) -> u64| batches.micro_batches.iter().map(count).sum();
    let mut all = vec![0; FIXED + collective.world_size() as usize];
    all[0] = sum(&|batch| objective.num_losses(batch));
    all[1] = sum(&|batch| batch.tokens);
    all[2] = batches.digest;
    all[3] = sum(&|batch| objective.training_flops(batch, config));
    all[FIXED + collective.rank().0 as usize] = sum(&|batch| batch.sequences as u64);
    collective.all_reduce_sum_u64(&mut all)?;
    if all[0] == 0 {
        return Err(objective.nothing_to_learn(batches.step.0 + 1));
    }
    Ok(Counts {
        num_losses: all[0],
        tokens: all[1],
        digest: all[2],
        model_flops: all[3],
        local_sequences: all.split_off(FIXED),
    })
}

/// What one rank brings to the sums of a step.
pub(crate) struct LocalResult {
    pub loss: f64,
    /// Of gradients that are the same on all ranks, by an order of additions that may be the device's.
    pub grad_norm: f64,
    pub peak_memory: u64,
    pub computed: Duration,
}

/// What the ranks' losses and norms come to, the same on all of them.
pub(crate) struct GlobalResult {
    pub loss: f64,
    /// Rank 0's: a number that every rank multiplies its parameters with must be the same bits on all
    /// of them, or the replicas drift apart.
    pub grad_norm: f64,
    pub bad_loss: bool,
    pub bad_gradient: bool,
    pub stop: Option<Stop>,
    pub peak_memory_bytes: Vec<u64>,
    pub local_compute: Vec<Duration>,
}

/// Sums what the ranks have found, and agrees on it.
///
/// # Errors
/// Those of the collective call.
pub(crate) fn sum_results(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run::tests::on_every_rank, step::update::clip_factor};

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
            let sums = sum_results(collective, &own, &StopRequest::new()).unwrap();
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
                sum_results(collective, &own, &StopRequest::new())
                    .unwrap()
                    .bad_gradient
            });
            assert_eq!(found, [true; 2]);
        }
    }
}

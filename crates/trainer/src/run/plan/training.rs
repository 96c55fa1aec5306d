//! Checks of `[optimizer]`, `[schedule]` and `[training]`.

use loader::nearest_divisors;

use crate::{config::RunConfig, run::plan::facts::Facts};

/// Numbers that an optimizer can work with.
pub(super) fn check_optimizer(config: &RunConfig, problems: &mut Vec<String>) {
    let optimizer = &config.optimizer;
    let mut require = |holds: bool, key: &str, value: f64, expected: &str| {
        if !holds {
            problems.push(format!("optimizer.{key} = {value}: it has to be {expected}"));
        }
    };
    let (rate, epsilon) = (optimizer.learning_rate, optimizer.adam_epsilon);
    require(rate.is_finite() && rate > 0.0, "learning_rate", rate, "above 0");
    require(
        epsilon.is_finite() && epsilon > 0.0,
        "adam_epsilon",
        epsilon,
        "above 0",
    );
    for (key, beta) in [
        ("adam_beta1", optimizer.adam_beta1),
        ("adam_beta2", optimizer.adam_beta2),
    ] {
        require((0.0..1.0).contains(&beta), key, beta, "at least 0 and below 1");
    }
    for (key, value) in [
        ("weight_decay", optimizer.weight_decay),
        ("max_grad_norm", optimizer.max_grad_norm),
    ] {
        require(value.is_finite() && value >= 0.0, key, value, "at least 0");
    }
}

/// Steps, rates, and whether the ranks can share the batch.
pub(super) fn check_training(config: &RunConfig, facts: &Facts<'_>, problems: &mut Vec<String>) {
    let training = &config.training;
    if training.max_steps == 0 {
        problems.push("training.max_steps = 0: a run has at least one step".to_owned());
    } else {
        let peak = config.optimizer.learning_rate;
        problems.extend(config.schedule.problems(peak, training.max_steps));
    }
    check_division(config, u64::from(facts.world_size), problems);
}

/// The batch is cut into micro-batches, of which every rank takes the same number, or with
/// `parallel.allow_uneven` at least one.
fn check_division(config: &RunConfig, world: u64, problems: &mut Vec<String>) {
    let training = &config.training;
    let (batch, micro_batch) = (training.global_batch_size, training.micro_batch_size);
    if batch == 0 || micro_batch == 0 {
        problems.push(
            "training.global_batch_size and training.micro_batch_size have to be at least 1".to_owned(),
        );
        return;
    }
    if !batch.is_multiple_of(micro_batch) {
        problems.push(format!(
            "training.global_batch_size = {batch} is not a multiple of training.micro_batch_size = {micro_batch}; the nearest micro-batches that divide it are {}, the nearest batches {}",
            nearest_divisors(batch, micro_batch),
            nearest_multiples(batch, micro_batch),
        ));
        return;
    }
    let num_micro_batches = batch / micro_batch;
    if world > 0 && !can_share(num_micro_batches, world, config.parallel.allow_uneven) {
        problems.push(format!(
            "training.global_batch_size = {batch} has {num_micro_batches} micro-batches of training.micro_batch_size = {micro_batch}, which {world} ranks cannot share evenly; the nearest batches that do are {}, the nearest numbers of ranks {}{}",
            nearest_multiples(batch, micro_batch.saturating_mul(world)),
            nearest_divisors(num_micro_batches, world),
            if num_micro_batches < world {
                "; a rank without a micro-batch is refused in any case"
            } else {
                "; parallel.allow_uneven = true allows shares that differ by one"
            },
        ));
    }
}

/// Whether so many ranks can have a share of the micro-batches of a step.
pub(crate) fn can_share(num_micro_batches: u64, world_size: u64, allow_uneven: bool) -> bool {
    num_micro_batches.is_multiple_of(world_size) || (allow_uneven && num_micro_batches >= world_size)
}

fn nearest_multiples(number: u64, unit: u64) -> String {
    let below = number / unit * unit;
    match below {
        0 => unit.to_string(),
        _ => match below.checked_add(unit) {
            Some(above) => format!("{below} and {above}"),
            None => below.to_string(),
        },
    }
}

/// The positions of a step, where every count of the run can be held in 64 bits.
pub(super) fn check_counts(config: &RunConfig, problems: &mut Vec<String>) -> Option<u64> {
    let (training, length) = (&config.training, config.data.sequence_length);
    let sequences = training.max_steps.checked_mul(training.global_batch_size);
    let positions = sequences.and_then(|sequences| sequences.checked_mul(length as u64));
    if positions.is_none() {
        problems.push(format!(
            "training.max_steps = {} of training.global_batch_size = {} of data.sequence_length = {length}: more positions than 64 bits can count; lower one of them",
            training.max_steps, training.global_batch_size
        ));
        return None;
    }
    training.global_batch_size.checked_mul(length as u64)
}

//! Who computes which micro-batch of a step.

use std::ops::Range;

use crate::error::LoaderError;

/// Micro-batches of a step, of which each rank takes one run.
///
/// # Errors
/// [`LoaderError::MicroBatchSize`] unless the micro-batch size divides the global batch size.
pub(crate) fn num_micro_batches(global_batch_size: u64, micro_batch_size: u64) -> Result<u64, LoaderError> {
    if global_batch_size == 0 || micro_batch_size == 0 {
        return Err(LoaderError::EmptyBatch);
    }
    if !global_batch_size.is_multiple_of(micro_batch_size) {
        return Err(LoaderError::MicroBatchSize {
            micro_batch_size,
            global_batch_size,
            nearest: nearest_divisors(global_batch_size, micro_batch_size),
        });
    }
    Ok(global_batch_size / micro_batch_size)
}

/// Refuses a number of ranks that cannot take equal shares.
///
/// # Errors
/// [`LoaderError::WorldSize`], which names the nearest numbers that can.
pub(crate) fn check_world(num_micro_batches: u64, world_size: u32) -> Result<(), LoaderError> {
    if world_size == 0 || !num_micro_batches.is_multiple_of(u64::from(world_size)) {
        return Err(LoaderError::WorldSize {
            world_size,
            num_micro_batches,
            nearest: nearest_divisors(num_micro_batches, u64::from(world_size)),
        });
    }
    Ok(())
}

/// The run of micro-batches that `rank` of `world_size` takes. Shares differ by at most one
/// where the ranks do not divide the number.
pub(crate) fn micro_batches_of_rank(num_micro_batches: u64, rank: u32, world_size: u32) -> Range<u64> {
    let start = |rank: u64| num_micro_batches * rank / u64::from(world_size);
    start(u64::from(rank))..start(u64::from(rank) + 1)
}

/// The divisors of `number` next to `wanted`, as words for a message.
fn nearest_divisors(number: u64, wanted: u64) -> String {
    let below = (1..wanted.min(number + 1))
        .rev()
        .find(|&d| number.is_multiple_of(d));
    let above = (wanted + 1..=number).find(|&d| number.is_multiple_of(d));
    match (below, above) {
        (Some(below), Some(above)) => format!("{below} and {above}"),
        (Some(only), None) | (None, Some(only)) => only.to_string(),
        (None, None) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_take_contiguous_runs_that_cover_every_micro_batch_once() {
        for num_micro_batches in 1..=24 {
            for world_size in 1..=9 {
                let mut next = 0;
                for rank in 0..world_size {
                    let run = micro_batches_of_rank(num_micro_batches, rank, world_size);
                    assert_eq!(run.start, next);
                    let share = num_micro_batches / u64::from(world_size);
                    assert!((share..=share + 1).contains(&(run.end - run.start)));
                    next = run.end;
                }
                assert_eq!(next, num_micro_batches);
            }
        }
    }

    #[test]
    fn numbers_that_do_not_divide_are_refused_with_the_nearest_that_do() {
        assert_eq!(num_micro_batches(32, 8).unwrap(), 4);
        let text = num_micro_batches(32, 6).unwrap_err().to_string();
        assert!(text.contains("the nearest that do are 4 and 8"), "{text}");
        let text = num_micro_batches(32, 64).unwrap_err().to_string();
        assert!(text.contains("the nearest that do are 32"), "{text}");
        assert!(matches!(num_micro_batches(0, 1), Err(LoaderError::EmptyBatch)));
        assert!(matches!(num_micro_batches(1, 0), Err(LoaderError::EmptyBatch)));
        assert!(check_world(8, 4).is_ok());
        let text = check_world(8, 3).unwrap_err().to_string();
        assert!(text.contains("2 and 4"), "{text}");
        let text = check_world(8, 9).unwrap_err().to_string();
        assert!(text.contains("that can are 8"), "{text}");
        assert!(check_world(8, 0).is_err());
    }
}

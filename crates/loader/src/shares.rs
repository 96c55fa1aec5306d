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

/// The run of micro-batches that `rank` of `world_size` takes. Shares differ by at most one
/// where the ranks do not divide the number.
pub fn micro_batches_of_rank(num_micro_batches: u64, rank: u32, world_size: u32) -> Range<u64> {
    let start = |rank: u64| {
        let start = u128::from(num_micro_batches) * u128::from(rank) / u128::from(world_size.max(1));
        u64::try_from(start).unwrap_or(u64::MAX)
    };
    start(u64::from(rank))..start(u64::from(rank) + 1)
}

/// Divisors up to this one, and those that they belong to, are looked at: exact for numbers up
/// to its square, 2^40, and a matter of milliseconds for any.
const LARGEST_TRIED_DIVISOR: u64 = 1 << 20;

/// The divisors of `number` next below and above `wanted`, as words for a message. Above 2^40
/// there may be nearer ones than those that are found.
pub fn nearest_divisors(number: u64, wanted: u64) -> String {
    let (mut below, mut above) = (None, None);
    let mut smaller = 1;
    while smaller <= LARGEST_TRIED_DIVISOR && smaller <= number / smaller {
        if number.is_multiple_of(smaller) {
            for divisor in [smaller, number / smaller] {
                if divisor < wanted {
                    below = below.max(Some(divisor));
                } else if divisor > wanted {
                    above = Some(above.map_or(divisor, |above: u64| above.min(divisor)));
                }
            }
        }
        smaller += 1;
    }
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
    }

    #[test]
    fn nearest_divisors_are_found_at_once_for_any_number() {
        assert_eq!(nearest_divisors(8, 3), "2 and 4");
        assert_eq!(nearest_divisors(8, 9), "8");
        assert_eq!(nearest_divisors(8, 0), "1");
        assert_eq!(nearest_divisors(36, 7), "6 and 9");
        assert_eq!(nearest_divisors(36, 9), "6 and 12");
        assert_eq!(nearest_divisors(0, 5), "0");
        // The largest prime below 2^63, and the largest number.
        assert_eq!(
            nearest_divisors(9_223_372_036_854_775_783, 1 << 40),
            "1 and 9223372036854775783"
        );
        assert_eq!(
            nearest_divisors(u64::MAX, u64::MAX - 1),
            "6148914691236517205 and 18446744073709551615"
        );
    }

    #[test]
    fn shares_of_any_number_do_not_overflow() {
        let last = micro_batches_of_rank(u64::MAX, u32::MAX - 1, u32::MAX);
        assert_eq!(last.end, u64::MAX);
    }
}

//! Sums of f32 that travel as bf16, in half of the bytes.
//!
//! Each rank gets a part of everybody's numbers, rounded to bf16, adds that part up in f32 in the
//! order of the ranks, and hands the sum, rounded to bf16, to all. So a number is rounded twice,
//! whatever the number of ranks, and the result is the same on all of them to the bit.

use half::bf16;

use crate::{Call, Collective, CollectiveError, Operation};

/// Replaces `values` by their element-wise sum over all ranks, rounded as it travels. All ranks
/// bring as many. A single rank's stay as they are.
///
/// # Errors
/// [`CollectiveError::Failed`] where ranks bring different numbers of them, and those of the calls that
/// it makes, [`Collective::all_to_all`] and [`Collective::all_gather`].
pub fn all_reduce_sum_bf16(
    collective: &mut dyn Collective,
    values: &mut [f32],
) -> Result<(), CollectiveError> {
    let world_size = collective.world_size() as usize;
    if world_size == 1 {
        return Ok(());
    }
    let part_length = values.len().div_ceil(world_size).max(1);
    let mut parts: Vec<Vec<u8>> = values.chunks(part_length).map(rounded).collect();
    parts.resize(world_size, Vec::new());
    let num_own = parts[collective.rank().0 as usize].len() / 2;
    let received = collective.all_to_all(parts)?;
    // Ranks that bring other numbers of values differ in a part, and so on the rank whose part it is.
    if let Some(other) = received.iter().position(|part| part.len() != 2 * num_own) {
        return Err(CollectiveError::Failed {
            rank: collective.rank(),
            call: Call {
                operation: Operation::AllToAll,
                sequence: collective.calls_made(),
            },
            message: format!(
                "rank {other} sent {} numbers of a part of which this rank has {num_own}",
                received[other].len() / 2
            ),
        });
    }
    let mut sum = vec![0.0; num_own];
    for part in &received {
        for (sum, value) in sum.iter_mut().zip(numbers(part)) {
            *sum += value;
        }
    }
    let sums = collective.all_gather(&rounded(&sum))?;
    for (values, part) in values.chunks_mut(part_length).zip(&sums) {
        for (value, sum) in values.iter_mut().zip(numbers(part)) {
            *value = sum;
        }
    }
    Ok(())
}

fn rounded(values: &[f32]) -> Vec<u8> {
    let bytes = values.iter().map(|value| bf16::from_f32(*value).to_le_bytes());
    bytes.collect::<Vec<_>>().into_flattened()
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = f32> {
    let pairs = bytes.as_chunks().0.iter();
    pairs.map(|pair| bf16::from_le_bytes(*pair).to_f32())
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;
    use crate::Threads;

    #[test]
    fn ranks_that_bring_other_numbers_are_refused() {
        for lengths in [[9, 10], [10, 9], [0, 1]] {
            let world = Threads::world(2, Duration::from_secs(2));
            let results: Vec<_> = thread::scope(|scope| {
                let sums = world.into_iter().zip(lengths).map(|(mut collective, length)| {
                    scope.spawn(move || all_reduce_sum_bf16(&mut collective, &mut vec![1.0; length]))
                });
                let sums: Vec<_> = sums.collect();
                sums.into_iter().map(|sum| sum.join().unwrap()).collect()
            });
            let is_named = |result: &Result<(), CollectiveError>| {
                let error = result.as_ref().err().map(ToString::to_string);
                error.is_some_and(|error| error.contains("numbers of a part"))
            };
            assert!(results.iter().all(Result::is_err), "{results:?}");
            assert!(results.iter().any(is_named), "{results:?}");
        }
    }
}

//! Which sequences go through the model together: of similar length, in bounded batches.

/// Batches of indices into `lengths`, longest sequences first, each of at most `max_tokens`
/// tokens with padding (a single longer sequence is a batch of its own).
pub(crate) fn plan_batches(lengths: &[usize], max_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(lengths[index]), index));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for index in order {
        match batches.last_mut() {
            // The first sequence of a batch is its longest.
            Some(batch) if (batch.len() + 1) * lengths[batch[0]] <= max_tokens => batch.push(index),
            _ => batches.push(vec![index]),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_similar_lengths_within_the_budget() {
        let lengths = [3, 9, 2, 9, 4, 100];
        let batches = plan_batches(&lengths, 18);
        assert_eq!(batches, [vec![5], vec![1, 3], vec![4, 0, 2]]);
    }

    #[test]
    fn every_sequence_is_in_exactly_one_batch() {
        let lengths: Vec<usize> = (0..50).map(|i| 2 + (i * 7) % 30).collect();
        for max_tokens in [1, 30, 64, 10_000] {
            let batches = plan_batches(&lengths, max_tokens);
            let mut all: Vec<usize> = batches.iter().flatten().copied().collect();
            all.sort_unstable();
            assert_eq!(all, (0..50).collect::<Vec<_>>());
            for batch in batches {
                let longest = batch.iter().map(|&index| lengths[index]).max().unwrap();
                assert!(batch.len() == 1 || batch.len() * longest <= max_tokens);
            }
        }
        assert!(plan_batches(&[], 10).is_empty());
    }
}

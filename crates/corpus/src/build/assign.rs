//! Which shard a document goes to: from ids and sizes alone. It reads and writes nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::build::token_store::SpooledDocument;

/// The documents of each shard, as indices in the order given, of those that `chosen` names: the
/// largest document first into the lightest shard, ties by shard number; documents of one size in
/// the order of their id hashes.
///
/// Shards then differ by at most the largest document.
pub(crate) fn assign_shards(documents: &[SpooledDocument], chosen: &[u32], num_shards: u32) -> Vec<Vec<u32>> {
    let sizes = |index: &u32| {
        let document = &documents[*index as usize];
        (u64::from(document.tokens), document.id_hash())
    };
    assign(chosen, sizes, num_shards)
}

/// The same of anything that has a size and a hash.
fn assign(chosen: &[u32], size: impl Fn(&u32) -> (u64, u128), num_shards: u32) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..u32::try_from(chosen.len()).unwrap_or(u32::MAX)).collect();
    order.sort_unstable_by_key(|at| {
        let (tokens, id_hash) = size(&chosen[*at as usize]);
        (Reverse(tokens), id_hash)
    });
    let mut lightest: BinaryHeap<Reverse<(u64, u32)>> =
        (0..num_shards).map(|shard| Reverse((0, shard))).collect();
    let mut shard_of = vec![0_u32; chosen.len()];
    for at in order {
        if let Some(mut top) = lightest.peek_mut() {
            let Reverse((tokens, shard)) = *top;
            shard_of[at as usize] = shard;
            *top = Reverse((tokens + size(&chosen[at as usize]).0, shard));
        }
    }
    let mut shards = vec![Vec::new(); num_shards as usize];
    for (index, shard) in chosen.iter().zip(shard_of) {
        shards[shard as usize].push(*index);
    }
    shards
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shards::Spread;

    fn shards_of(sizes: &[u64], turn: usize, num_shards: u32) -> Vec<Vec<u32>> {
        let mut chosen: Vec<u32> = (0..u32::try_from(sizes.len()).unwrap()).collect();
        chosen.rotate_left(turn % sizes.len().max(1));
        let size = |index: &u32| {
            let hash = u128::from(*index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (sizes[*index as usize], hash)
        };
        assign(&chosen, size, num_shards)
    }

    fn spread(sizes: &[u64], shards: &[Vec<u32>]) -> Spread {
        let tokens: Vec<u64> = shards
            .iter()
            .map(|shard| shard.iter().map(|index| sizes[*index as usize]).sum())
            .collect();
        Spread::of(&tokens, sizes.iter().copied().max().unwrap_or(0))
    }

    proptest! {
        #[test]
        fn the_shard_of_a_document_does_not_depend_on_the_order(
            sizes in proptest::collection::vec(0_u64..50, 0..400),
            turn in 0_usize..400,
        ) {
            let mut turned = shards_of(&sizes, turn, 7);
            for shard in &mut turned {
                shard.sort_unstable();
            }
            prop_assert_eq!(turned, shards_of(&sizes, 0, 7));
        }

        #[test]
        fn shards_differ_by_at_most_the_largest_document(
            sizes in proptest::collection::vec(0_u64..1000, 0..400),
            num_shards in 1_u32..20,
        ) {
            let spread = spread(&sizes, &shards_of(&sizes, 0, num_shards));
            let limit = spread.largest_document_tokens as f64 / spread.mean_tokens.max(1e-9);
            prop_assert!(spread.spread <= limit + 1e-9);
            if spread.is_even_possible() {
                prop_assert!(spread.is_even());
            }
        }
    }

    #[test]
    fn small_documents_make_256_shards_even_within_two_percent() {
        let sizes: Vec<u64> = (0..40_000_u64).map(|n| 1 + n * n % 97).collect();
        let spread = spread(&sizes, &shards_of(&sizes, 0, 256));
        assert!(spread.is_even_possible());
        assert!(spread.is_even(), "{spread:?}");
    }

    #[test]
    fn the_hardest_sizes_for_256_shards_stay_within_two_percent() {
        // All of the largest size, one more than fits evenly: 50 or 51 in a shard.
        let sizes = vec![1000_u64; 256 * 50 + 1];
        let spread = spread(&sizes, &shards_of(&sizes, 0, 256));
        assert!(spread.is_even_possible() && spread.is_even(), "{spread:?}");
    }

    #[test]
    fn few_large_documents_leave_shards_empty() {
        let shards = shards_of(&[10, 30], 0, 4);
        assert_eq!(
            shards,
            [vec![1], vec![0], vec![], vec![]],
            "the larger goes first"
        );
    }

    #[test]
    fn nothing_is_assigned_where_there_is_nothing() {
        assert_eq!(shards_of(&[], 0, 2), [Vec::<u32>::new(), Vec::new()]);
    }
}

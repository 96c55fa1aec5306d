//! Which shard a document goes to: from ids and sizes alone. It reads and writes nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What the assignment knows of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentSize {
    /// Hash of the document's id: breaks ties between documents of one size.
    pub id_hash: u128,
    /// Its size in tokens.
    pub tokens: u64,
}

/// The shard of each document, in the order given: the largest document first into the lightest
/// shard, ties by shard number; documents of one size in the order of their id hashes.
///
/// Shards then differ by at most the largest document.
pub fn assign_shards(documents: &[DocumentSize], num_shards: u32) -> Vec<u32> {
    let mut order: Vec<usize> = (0..documents.len()).collect();
    order.sort_unstable_by_key(|index| (Reverse(documents[*index].tokens), documents[*index].id_hash));
    let mut lightest: BinaryHeap<Reverse<(u64, u32)>> =
        (0..num_shards).map(|shard| Reverse((0, shard))).collect();
    let mut shards = vec![0; documents.len()];
    for index in order {
        if let Some(mut top) = lightest.peek_mut() {
            let Reverse((tokens, shard)) = *top;
            shards[index] = shard;
            *top = Reverse((tokens + documents[index].tokens, shard));
        }
    }
    shards
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shards::Spread;

    fn documents(most: u64) -> impl Strategy<Value = Vec<DocumentSize>> {
        proptest::collection::vec(0..=most, 0..400).prop_map(|sizes| {
            let sized = |(index, tokens)| DocumentSize {
                id_hash: (index as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                tokens,
            };
            sizes.into_iter().enumerate().map(sized).collect()
        })
    }

    fn balance(documents: &[DocumentSize], shards: &[u32], num_shards: u32) -> Spread {
        let mut tokens = vec![0; num_shards as usize];
        for (document, shard) in documents.iter().zip(shards) {
            tokens[*shard as usize] += document.tokens;
        }
        Spread::of(
            &tokens,
            documents
                .iter()
                .map(|document| document.tokens)
                .max()
                .unwrap_or(0),
        )
    }

    proptest! {
        #[test]
        fn the_shard_of_a_document_does_not_depend_on_the_order(documents in documents(50), turn in 0_usize..400) {
            let mut turned = documents.clone();
            let turn = turn % turned.len().max(1);
            turned.rotate_left(turn);
            let mut shards = assign_shards(&turned, 7);
            shards.rotate_right(turn);
            prop_assert_eq!(shards, assign_shards(&documents, 7));
        }

        #[test]
        fn shards_differ_by_at_most_the_largest_document(documents in documents(1000), num_shards in 1_u32..20) {
            let shards = assign_shards(&documents, num_shards);
            let balance = balance(&documents, &shards, num_shards);
            let limit = balance.largest_document_tokens as f64 / balance.mean_tokens.max(1e-9);
            prop_assert!(balance.spread <= limit + 1e-9);
            if balance.is_even_possible() {
                prop_assert!(balance.is_even());
            }
        }
    }

    #[test]
    fn small_documents_make_256_shards_even_within_two_percent() {
        let documents: Vec<DocumentSize> = (0..40_000_u64)
            .map(|n| DocumentSize {
                id_hash: u128::from(n),
                tokens: 1 + n * n % 97,
            })
            .collect();
        let balance = balance(&documents, &assign_shards(&documents, 256), 256);
        assert!(balance.is_even_possible());
        assert!(balance.is_even(), "{balance:?}");
        assert!(!balance.describe().contains("fewer shards"));
    }

    #[test]
    fn few_large_documents_leave_shards_empty_and_the_description_says_so() {
        let documents = [
            DocumentSize {
                id_hash: 1,
                tokens: 10,
            },
            DocumentSize {
                id_hash: 2,
                tokens: 30,
            },
        ];
        let shards = assign_shards(&documents, 4);
        assert_eq!(shards, [1, 0], "the larger goes first");
        assert!(
            balance(&documents, &shards, 4)
                .describe()
                .contains("fewer shards")
        );
    }

    #[test]
    fn nothing_is_assigned_where_there_is_nothing() {
        assert!(assign_shards(&[], 4).is_empty());
    }
}

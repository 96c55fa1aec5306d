//! What a rank announces before its data moves, so that a rank that makes another call is
//! named instead of mixed up, or waited for until the deadline.
//!
//! MPI pairs the n-th call of one rank with the n-th of another whatever they are: a sum with
//! a gather hangs, two lengths give garbage. So every call begins with the same small native
//! reduction on every rank, of sequence number, operation and length, each beside its
//! complement: the maximum of a value and of its complement belong together only where all
//! ranks brought the same. It takes the place of the barrier that a large reduction needs
//! before the caller's memory is given to MPI, so gradients pay nothing for it; a small call
//! pays one more round of 48 bytes. Who differs is asked only when somebody does.

use crate::{Call, CollectiveError, Operation, Rank};

/// Numbers that a rank announces.
pub(super) const WORDS: usize = 3;

/// One rank's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) call: Call,
    /// Bytes that are combined over ranks; 0 where lengths are free.
    length: usize,
}

impl Announced {
    pub(super) fn new(call: Call, length: usize) -> Self {
        Self { call, length }
    }

    pub(super) fn words(self) -> [u64; WORDS] {
        [self.call.sequence, self.call.operation.code(), self.length as u64]
    }

    fn from_words(words: &[u64]) -> Option<Self> {
        let [sequence, operation, length] = words.try_into().ok()?;
        let operation = Operation::from_code(operation)?;
        Some(Self {
            call: Call { operation, sequence },
            length: usize::try_from(length).ok()?,
        })
    }

    /// Every number and its complement.
    pub(super) fn to_be_maximised(self) -> [u64; 2 * WORDS] {
        let [sequence, operation, length] = self.words();
        [sequence, operation, length, !sequence, !operation, !length]
    }
}

/// Whether the element-wise maximum over ranks of what they announced came from equal calls.
pub(super) fn all_equal(largest: &[u64; 2 * WORDS]) -> bool {
    let (values, complements) = largest.split_at(WORDS);
    // The largest complement is that of the smallest value.
    values
        .iter()
        .zip(complements)
        .all(|(value, complement)| *value == !complement)
}

/// The error that names rank 0's call and the first that differs; `None` when none does.
pub(super) fn mismatch(words_of_all: &[u64]) -> Option<CollectiveError> {
    let all: Vec<Announced> = words_of_all
        .chunks_exact(WORDS)
        .map(Announced::from_words)
        .collect::<Option<_>>()?;
    let first = *all.first()?;
    let (rank, other) = (0..).zip(all).find(|(_, other)| *other != first)?;
    Some(CollectiveError::Mismatch {
        rank: Rank(0),
        call: first.call,
        length: first.length,
        other: Rank(rank),
        other_call: other.call,
        other_length: other.length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(operation: Operation, sequence: u64, length: usize) -> Announced {
        Announced::new(Call { operation, sequence }, length)
    }

    fn largest(all: &[Announced]) -> [u64; 2 * WORDS] {
        let mut largest = [0; 2 * WORDS];
        for words in all.iter().map(|one| one.to_be_maximised()) {
            for (most, word) in largest.iter_mut().zip(words) {
                *most = word.max(*most);
            }
        }
        largest
    }

    #[test]
    fn equal_calls_are_equal_and_any_difference_is_seen() {
        let own = announced(Operation::AllReduceSum, 7, 16);
        assert!(all_equal(&largest(&[own, own, own])));
        for other in [
            announced(Operation::AllGather, 7, 16),
            announced(Operation::AllReduceSum, 8, 16),
            announced(Operation::AllReduceSum, 6, 16),
            announced(Operation::AllReduceSum, 7, 0),
        ] {
            assert!(!all_equal(&largest(&[own, other])) && !all_equal(&largest(&[other, own])));
        }
    }

    #[test]
    fn the_first_rank_that_differs_is_named_with_both_calls() {
        let own = announced(Operation::AllReduceSum, 7, 16);
        let other = announced(Operation::Finish, 7, 0);
        let words: Vec<u64> = [own, own, other].into_iter().flat_map(Announced::words).collect();
        let error = mismatch(&words).unwrap().to_string();
        assert!(
            error.contains("rank 0 made all-reduce (sum) number 7 with 16 bytes")
                && error.contains("rank 2 made finish number 7"),
            "{error}"
        );
        assert!(mismatch(&words[..2 * WORDS]).is_none());
    }

    #[test]
    fn every_operation_has_a_number_of_its_own() {
        for code in 0..8 {
            assert_eq!(Operation::from_code(code).unwrap().code(), code);
        }
        assert!(Operation::from_code(8).is_none());
    }
}

//! What a rank announces before its data moves, so that a rank that makes another call is
//! named instead of mixed up, or waited for until the deadline.
//!
//! MPI pairs the n-th call of one rank with the n-th of another whatever they are: a sum with
//! a gather hangs, two lengths or two kinds of numbers give garbage, two roots give each rank
//! its own bytes. So every call begins with the same small native reduction on every rank, of
//! sequence number, operation and what the rank brings, each beside its complement: the
//! maximum of a value and of its complement belong together only where all ranks brought the
//! same. It takes the place of the barrier that a large reduction needs before the caller's
//! memory is given to MPI, so gradients pay nothing for it; a small call pays one more round of
//! 64 bytes. Who differs is asked only when somebody does.

use crate::{Brought, Call, CollectiveError, Element, Operation, Rank};

/// Numbers that a rank announces.
pub(super) const WORDS: usize = 4;

/// One rank's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) call: Call,
    brought: Brought,
}

impl Announced {
    pub(super) fn new(call: Call, brought: Brought) -> Self {
        Self { call, brought }
    }

    pub(super) fn words(self) -> [u64; WORDS] {
        let [kind, value] = brought_words(self.brought);
        [self.call.sequence, self.call.operation.code(), kind, value]
    }

    fn from_words(words: &[u64]) -> Option<Self> {
        let [sequence, operation, kind, value] = words.try_into().ok()?;
        let operation = Operation::from_code(operation)?;
        Some(Self {
            call: Call { operation, sequence },
            brought: brought_from_words([kind, value])?,
        })
    }

    /// Every number, then the complement of every number.
    pub(super) fn to_be_maximised(self) -> [u64; 2 * WORDS] {
        let words = self.words();
        std::array::from_fn(|index| match words.get(index) {
            Some(word) => *word,
            None => !words[index - WORDS],
        })
    }
}

/// Two numbers by which ranks tell each other what they bring.
fn brought_words(brought: Brought) -> [u64; 2] {
    match brought {
        Brought::Anything => [0, 0],
        Brought::From(root) => [1, u64::from(root.0)],
        Brought::Numbers { element, count } => [2 + element as u64, count as u64],
    }
}

/// What has these two numbers.
fn brought_from_words([kind, value]: [u64; 2]) -> Option<Brought> {
    match kind {
        0 => Some(Brought::Anything),
        1 => Some(Brought::From(Rank(u32::try_from(value).ok()?))),
        _ => {
            let mut elements = [Element::F32, Element::F64, Element::U64].into_iter();
            let element = elements.find(|&element| 2 + element as u64 == kind)?;
            let count = usize::try_from(value).ok()?;
            Some(Brought::Numbers { element, count })
        }
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
        brought: first.brought,
        other: Rank(rank),
        other_call: other.call,
        other_brought: other.brought,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(operation: Operation, sequence: u64, brought: Brought) -> Announced {
        Announced::new(Call { operation, sequence }, brought)
    }

    fn numbers(element: Element, count: usize) -> Brought {
        Brought::Numbers { element, count }
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

    fn assert_differ(own: Announced, other: Announced) {
        assert!(
            !all_equal(&largest(&[own, other])) && !all_equal(&largest(&[other, own])),
            "{own:?} {other:?}"
        );
    }

    #[test]
    fn equal_calls_are_equal_and_any_difference_is_seen() {
        let two = numbers(Element::F64, 2);
        let own = announced(Operation::AllReduceSum, 7, two);
        assert!(all_equal(&largest(&[own, own, own])));
        for other in [
            announced(Operation::AllGather, 7, Brought::Anything),
            announced(Operation::AllReduceSum, 8, two),
            announced(Operation::AllReduceSum, 6, two),
            announced(Operation::AllReduceSum, 7, numbers(Element::F64, 0)),
            // As many bytes of another kind.
            announced(Operation::AllReduceSum, 7, numbers(Element::U64, 2)),
            announced(Operation::AllReduceSum, 7, numbers(Element::F32, 4)),
        ] {
            assert_differ(own, other);
        }
        assert_differ(
            announced(Operation::Broadcast, 7, Brought::From(Rank(0))),
            announced(Operation::Broadcast, 7, Brought::From(Rank(1))),
        );
    }

    #[test]
    fn the_first_rank_that_differs_is_named_with_both_calls() {
        let own = announced(Operation::AllReduceSum, 7, numbers(Element::F32, 4));
        let other = announced(Operation::Finish, 7, Brought::Anything);
        let words: Vec<u64> = [own, own, other].into_iter().flat_map(Announced::words).collect();
        let error = mismatch(&words).unwrap().to_string();
        assert!(
            error.contains("rank 0 made all-reduce (sum) number 7 of 4 f32 (16 bytes)")
                && error.contains("rank 2 made finish number 7:"),
            "{error}"
        );
        assert!(mismatch(&words[..2 * WORDS]).is_none());
    }

    #[test]
    fn what_a_rank_brings_reads_back() {
        let kinds = [Element::F32, Element::F64, Element::U64].map(|element| numbers(element, 3));
        for brought in kinds
            .into_iter()
            .chain([Brought::Anything, Brought::From(Rank(9))])
        {
            assert_eq!(brought_from_words(brought_words(brought)), Some(brought));
        }
        assert_eq!(brought_from_words([5, 0]), None);
    }

    #[test]
    fn every_operation_has_a_number_of_its_own() {
        for code in 0..9 {
            assert_eq!(Operation::from_code(code).unwrap().code(), code);
        }
        assert!(Operation::from_code(9).is_none());
    }
}

//! The fingerprint of a call. Ranks compare theirs before their data moves, so that a rank that makes
//! another call is named instead of mixed up, or waited for until the deadline.
//!
//! MPI pairs the n-th call of one rank with the n-th of another whatever they are: a sum with
//! a gather hangs, two lengths or two kinds of numbers give garbage, two roots give each rank
//! its own bytes. So every call begins with the same small native reduction on every rank, of
//! sequence number, operation and what the rank brings, each beside its complement: the
//! maximum of a value and of its complement belong together only where all ranks brought the
//! same. It takes the place of the barrier that a large reduction needs before the caller's
//! memory is given to MPI, so gradients pay nothing for it; a small call pays one more round of
//! 64 bytes. Who differs is asked only when somebody does.

use crate::{Call, CallPayload, CollectiveError, Element, Operation, Rank};

/// Numbers that a rank announces.
pub(super) const WORDS: usize = 4;

/// What one rank is about to do, as far as it has to be the same on all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CollectiveFingerprint {
    pub(super) call: Call,
    payload: CallPayload,
}

impl CollectiveFingerprint {
    pub(super) fn new(call: Call, payload: CallPayload) -> Self {
        Self { call, payload }
    }

    pub(super) fn words(self) -> [u64; WORDS] {
        let [kind, value] = payload_words(self.payload);
        [self.call.sequence, self.call.operation.code(), kind, value]
    }

    fn from_words(words: &[u64]) -> Option<Self> {
        let [sequence, operation, kind, value] = words.try_into().ok()?;
        let operation = Operation::from_code(operation)?;
        Some(Self {
            call: Call { operation, sequence },
            payload: payload_from_words([kind, value])?,
        })
    }

    /// Every number, then the complement of every number.
    pub(super) fn to_be_maximized(self) -> [u64; 2 * WORDS] {
        let words = self.words();
        std::array::from_fn(|index| match words.get(index) {
            Some(word) => *word,
            None => !words[index - WORDS],
        })
    }
}

/// Two numbers by which ranks tell each other what they bring.
fn payload_words(payload: CallPayload) -> [u64; 2] {
    match payload {
        CallPayload::Anything => [0, 0],
        CallPayload::From(root) => [1, u64::from(root.0)],
        CallPayload::Numbers { element, count } => [2 + element as u64, count as u64],
    }
}

/// What has these two numbers.
fn payload_from_words([kind, value]: [u64; 2]) -> Option<CallPayload> {
    match kind {
        0 => Some(CallPayload::Anything),
        1 => Some(CallPayload::From(Rank(u32::try_from(value).ok()?))),
        _ => {
            let mut elements = [Element::F32, Element::F64, Element::U64].into_iter();
            let element = elements.find(|&element| 2 + element as u64 == kind)?;
            let count = usize::try_from(value).ok()?;
            Some(CallPayload::Numbers { element, count })
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
    let all: Vec<CollectiveFingerprint> = words_of_all
        .chunks_exact(WORDS)
        .map(CollectiveFingerprint::from_words)
        .collect::<Option<_>>()?;
    let first = *all.first()?;
    let (rank, other) = (0..).zip(all).find(|(_, other)| *other != first)?;
    Some(CollectiveError::Mismatch {
        rank: Rank(0),
        call: first.call,
        payload: first.payload,
        other: Rank(rank),
        other_call: other.call,
        other_payload: other.payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(operation: Operation, sequence: u64, payload: CallPayload) -> CollectiveFingerprint {
        CollectiveFingerprint::new(Call { operation, sequence }, payload)
    }

    fn numbers(element: Element, count: usize) -> CallPayload {
        CallPayload::Numbers { element, count }
    }

    fn largest(all: &[CollectiveFingerprint]) -> [u64; 2 * WORDS] {
        let mut largest = [0; 2 * WORDS];
        for words in all.iter().map(|one| one.to_be_maximized()) {
            for (most, word) in largest.iter_mut().zip(words) {
                *most = word.max(*most);
            }
        }
        largest
    }

    fn assert_differ(own: CollectiveFingerprint, other: CollectiveFingerprint) {
        assert!(
            !all_equal(&largest(&[own, other])) && !all_equal(&largest(&[other, own])),
            "{own:?} {other:?}"
        );
    }

    #[test]
    fn equal_calls_are_equal_and_any_difference_is_seen() {
        let two = numbers(Element::F64, 2);
        let own = fingerprint(Operation::AllReduceSum, 7, two);
        assert!(all_equal(&largest(&[own, own, own])));
        for other in [
            fingerprint(Operation::AllGather, 7, CallPayload::Anything),
            fingerprint(Operation::AllReduceSum, 8, two),
            fingerprint(Operation::AllReduceSum, 6, two),
            fingerprint(Operation::AllReduceSum, 7, numbers(Element::F64, 0)),
            // As many bytes of another kind.
            fingerprint(Operation::AllReduceSum, 7, numbers(Element::U64, 2)),
            fingerprint(Operation::AllReduceSum, 7, numbers(Element::F32, 4)),
        ] {
            assert_differ(own, other);
        }
        assert_differ(
            fingerprint(Operation::Broadcast, 7, CallPayload::From(Rank(0))),
            fingerprint(Operation::Broadcast, 7, CallPayload::From(Rank(1))),
        );
    }

    #[test]
    fn the_first_rank_that_differs_is_named_with_both_calls() {
        let own = fingerprint(Operation::AllReduceSum, 7, numbers(Element::F32, 4));
        let other = fingerprint(Operation::Finish, 7, CallPayload::Anything);
        let words: Vec<u64> = [own, own, other]
            .into_iter()
            .flat_map(CollectiveFingerprint::words)
            .collect();
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
        for payload in kinds
            .into_iter()
            .chain([CallPayload::Anything, CallPayload::From(Rank(9))])
        {
            assert_eq!(payload_from_words(payload_words(payload)), Some(payload));
        }
        assert_eq!(payload_from_words([5, 0]), None);
    }

    #[test]
    fn every_operation_has_a_number_of_its_own() {
        for code in 0..9 {
            assert_eq!(Operation::from_code(code).unwrap().code(), code);
        }
        assert!(Operation::from_code(9).is_none());
    }
}

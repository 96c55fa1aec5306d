//! Which candidates are the headings: the sequence in the order of the form for which most speaks
//! (dynamic programming over places, so that no single line decides). Linear in the candidates.

use super::candidates::Candidate;
use super::form::Form;

/// The best sequence that ends with some place.
#[derive(Debug, Clone, Copy)]
struct Best {
    score: i32,
    /// The last candidate of it.
    candidate: usize,
}

/// Indices of the candidates that are headings, in the order of the text. Of equal ones the first
/// in the text is taken.
pub(crate) fn best_sequence(form: Form, candidates: &[Candidate]) -> Vec<usize> {
    let places = usize::from(form.end_place()) + 1;
    let mut best: Vec<Option<Best>> = vec![None; places];
    let mut before: Vec<Option<usize>> = vec![None; candidates.len()];
    let mut index = 0;
    while index < candidates.len() {
        let block = candidates[index].block;
        let end = candidates[index..]
            .iter()
            .position(|candidate| candidate.block != block)
            .map_or(candidates.len(), |length| index + length);
        // Readings of one line exclude each other: all are weighed before any is entered.
        let weighed: Vec<Best> = (index..end)
            .map(|candidate| {
                let last = best_before(&best, candidates[candidate].first_place);
                before[candidate] = last.map(|best| best.candidate);
                Best {
                    score: last.map_or(0, |best| best.score) + candidates[candidate].weight,
                    candidate,
                }
            })
            .collect();
        for entry in weighed {
            let place = usize::from(candidates[entry.candidate].last_place).min(places - 1);
            if best[place].is_none_or(|known| entry.score > known.score) {
                best[place] = Some(entry);
            }
        }
        index = end;
    }
    let last = best_before(&best, u16::MAX).map(|best| best.candidate);
    let mut sequence: Vec<usize> = std::iter::successors(last, |candidate| before[*candidate]).collect();
    sequence.reverse();
    sequence
}

/// The best sequence that ends before a place.
fn best_before(best: &[Option<Best>], place: u16) -> Option<Best> {
    let reached = &best[..usize::from(place).min(best.len())];
    let mut found: Option<Best> = None;
    for entry in reached.iter().flatten() {
        if found.is_none_or(|known| entry.score > known.score) {
            found = Some(*entry);
        }
    }
    found
}

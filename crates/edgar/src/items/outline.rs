//! The headings of a report with the range of each: the best sequence, then headings that stand in
//! another order or that the form does not have.

use documents::Block;

use super::candidates::{AGREES, Begins, Candidate, title_of};
use super::form::{Form, squeezed};
use super::sequence::best_sequence;
use super::text_lengths::TextLengths;

/// A heading and the blocks up to the next one.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) candidate: Candidate,
    pub(crate) end: usize,
    /// The headings before and after it are those that the form has there.
    pub(crate) is_framed: bool,
    /// So many items that no filer leaves out, and that the form has behind it, are nowhere.
    pub(crate) missing_behind: usize,
}

impl Entry {
    /// The items that the heading begins, as indices into the form's.
    pub(crate) fn items(&self) -> &[usize] {
        items_of(&self.candidate)
    }
}

/// Where no text stands under a heading, this much speaks against it.
const NO_TEXT: i32 = 3;
/// Headings outside of the sequence need at least this.
const SURE: i32 = AGREES - 2;

/// The headings, in the order of the text.
pub(crate) fn outline(
    form: Form,
    period: &str,
    mut candidates: Vec<Candidate>,
    blocks: &[Block],
) -> Vec<Entry> {
    let lengths = TextLengths::of(blocks);
    weigh_text(&mut candidates, blocks, &lengths);
    candidates.retain(|candidate| candidate.weight > 0);
    let (ordered, outside): (Vec<_>, Vec<_>) = candidates
        .into_iter()
        .partition(|candidate| candidate.first_place > 0);
    let sequence = best_sequence(form, &ordered);
    let mut is_chosen = vec![false; ordered.len()];
    for index in &sequence {
        is_chosen[*index] = true;
    }
    let mut chosen = Vec::new();
    let mut left = outside;
    for (candidate, is_chosen) in ordered.into_iter().zip(is_chosen) {
        if is_chosen {
            chosen.push(candidate);
        } else {
            left.push(candidate);
        }
    }
    insert_others(&mut chosen, left);
    entries(form, period, chosen, blocks.len())
}

/// Takes weight from candidates without text behind them.
fn weigh_text(candidates: &mut [Candidate], blocks: &[Block], lengths: &TextLengths) {
    let mut next = blocks.len();
    let mut block = blocks.len();
    for index in (0..candidates.len()).rev() {
        let candidate = &candidates[index];
        if candidate.block < block {
            // The next line with a heading of its own, behind this line.
            let line = candidates[index + 1..]
                .iter()
                .take_while(|other| other.block == block)
                .any(|other| other.has_word || !matches!(other.begins, Begins::Items(_)));
            if line {
                next = block;
            }
            block = candidate.block;
        }
        let behind = lengths.between(candidate.block + 1, next);
        let is_long = blocks[candidate.block].text.len() > 250;
        let is_formula = ["reserved", "removed", "omitted", "none", "notapplicable"]
            .iter()
            .any(|word| squeezed(title_of(candidate, blocks)).contains(word));
        if behind == 0 && !is_long && !is_formula && matches!(candidate.begins, Begins::Items(_)) {
            candidates[index].weight -= NO_TEXT;
        }
    }
}

/// Adds headings that the sequence has no place for: items in another order, and numbers that the
/// form does not have.
fn insert_others(chosen: &mut Vec<Candidate>, left: Vec<Candidate>) {
    let (Some(first), Some(last)) = (chosen.first(), chosen.last()) else {
        return;
    };
    let first = first.block;
    let end = match last.begins {
        Begins::Signatures => last.block,
        _ => usize::MAX,
    };
    let mut known: Vec<Begins> = chosen.iter().map(|candidate| candidate.begins.clone()).collect();
    let mut taken: Vec<usize> = chosen.iter().map(|candidate| candidate.block).collect();
    for candidate in left {
        let is_inside = (first..end).contains(&candidate.block);
        let is_sure = candidate.has_word && candidate.weight >= SURE;
        let is_new = !known.iter().any(|begins| share_item(begins, &candidate.begins));
        if is_inside && is_sure && is_new && taken.binary_search(&candidate.block).is_err() {
            known.push(candidate.begins.clone());
            let at = taken.partition_point(|block| *block < candidate.block);
            taken.insert(at, candidate.block);
            chosen.insert(at, candidate);
        }
    }
}

fn share_item(left: &Begins, right: &Begins) -> bool {
    match (left, right) {
        (Begins::Items(left), Begins::Items(right)) => left.iter().any(|item| right.contains(item)),
        _ => left == right,
    }
}

fn entries(form: Form, period: &str, chosen: Vec<Candidate>, num_blocks: usize) -> Vec<Entry> {
    let ends: Vec<usize> = chosen
        .iter()
        .skip(1)
        .map(|next| next.block)
        .chain([num_blocks])
        .collect();
    let has: Vec<usize> = chosen.iter().flat_map(items_of).copied().collect();
    let frames: Vec<bool> = (0..chosen.len()).map(|index| is_framed(&chosen, index)).collect();
    chosen
        .into_iter()
        .zip(ends)
        .zip(frames)
        .map(|((candidate, end), is_framed)| {
            let missing_behind = missing_behind(form, period, &candidate, &has);
            Entry {
                candidate,
                end,
                is_framed,
                missing_behind,
            }
        })
        .collect()
}

fn items_of(candidate: &Candidate) -> &[usize] {
    match &candidate.begins {
        Begins::Items(items) => items,
        _ => &[],
    }
}

/// Whether the items before and after a heading are its neighbors in the form, or a part or the
/// signatures stand there.
fn is_framed(chosen: &[Candidate], index: usize) -> bool {
    let items = items_of(&chosen[index]);
    let (Some(first), Some(last)) = (items.first(), items.last()) else {
        return false;
    };
    let follows = match index.checked_sub(1).map(|before| items_of(&chosen[before])) {
        Some(before) => before.last().is_none_or(|before| before + 1 == *first),
        None => *first == 0,
    };
    let is_followed = chosen
        .get(index + 1)
        .map(items_of)
        .is_none_or(|after| after.first().is_none_or(|after| *after == last + 1));
    follows && is_followed
}

/// How many items that no filer leaves out stand nowhere, though the form has them right behind the
/// candidate in its part.
fn missing_behind(form: Form, period: &str, candidate: &Candidate, has: &[usize]) -> usize {
    let Some(last) = items_of(candidate).last() else {
        return 0;
    };
    let part = form.items()[*last].part;
    form.items()
        .iter()
        .enumerate()
        .skip(last + 1)
        .take_while(|(index, item)| item.part == part && !has.contains(index))
        .filter(|(_, item)| item.is_asked(period) && form.is_never_left_out(item))
        .count()
}

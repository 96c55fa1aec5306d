//! Sums whose bits do not depend on who brings which addend.
//!
//! The addends, leaves, are numbered; they are added in one fixed binary tree over these
//! numbers. Node (level, index) is the sum of the leaves from index x 2^level on, 2^level of
//! them or as many as there are: left child plus right child, and the left child itself where
//! the right one would be empty. A rank adds up what it can by itself; [`all_reduce_nodes`]
//! finishes the tree over ranks, a piece of the vector on each, and gives all the result.

use std::{
    fmt::Debug,
    ops::{AddAssign, Range},
};

use bytemuck::Pod;

use crate::{Collective, CollectiveError};

/// Elements that are exchanged at a time: 4 MiB of f32, so that memory for it stays small.
pub const PIECE: usize = 1 << 20;

/// A node of a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node {
    level: u32,
    index: u64,
}

/// The order of additions over a number of leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    num_leaves: u64,
}

/// The sums so far: of nodes that wait for their right neighbors, at most one a level where the
/// leaves come from 0 on, at most two a level where they begin anywhere.
#[derive(Debug)]
pub struct PartialSums<V> {
    tree: Tree,
    nodes: Vec<(Node, V)>,
}

impl Tree {
    /// A tree over leaves 0 to `num_leaves` - 1.
    pub fn new(num_leaves: u64) -> Self {
        Self { num_leaves }
    }

    /// The node of one leaf.
    pub fn leaf(self, leaf: u64) -> Node {
        Node {
            level: 0,
            index: leaf,
        }
    }

    /// The largest nodes that a run of leaves fills, in order.
    pub fn nodes_of(self, run: Range<u64>) -> Vec<Node> {
        let mut partial = PartialSums::new(self);
        for leaf in run {
            let (_, node) = partial.complete(self.leaf(leaf));
            partial.keep(node, ());
        }
        partial.nodes.into_iter().map(|(node, ())| node).collect()
    }

    /// The sum of all leaves' values, in order of leaves.
    pub fn sum(self, values: impl IntoIterator<Item = f64>) -> f64 {
        let mut partial = PartialSums::new(self);
        for (leaf, value) in (0..self.num_leaves).zip(values) {
            let (lefts, node) = partial.complete(self.leaf(leaf));
            partial.keep(node, lefts.into_iter().fold(value, |right, left| left + right));
        }
        partial.nodes.into_iter().map(|(_, value)| value).sum()
    }

    /// The node itself, or the highest ancestor that has the same leaves.
    fn highest(self, mut node: Node) -> Node {
        let first_of_right = |node: Node| (u128::from(node.index) + 1) << node.level;
        while node.index > 0
            && node.index.is_multiple_of(2)
            && first_of_right(node) >= u128::from(self.num_leaves)
        {
            node = node.parent();
        }
        node
    }
}

impl Node {
    fn parent(self) -> Self {
        Self {
            level: self.level + 1,
            index: self.index / 2,
        }
    }

    fn is_right_of(self, left: Self) -> bool {
        self.level == left.level && self.index % 2 == 1 && self.index == left.index + 1
    }
}

impl<V> PartialSums<V> {
    /// No leaf has come yet.
    pub fn new(tree: Tree) -> Self {
        Self {
            tree,
            nodes: Vec::new(),
        }
    }

    /// The sums that wait, in order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.nodes.iter().map(|(_, value)| value)
    }

    /// What a node of the run completes: the sums that it has to be added to, in this order, each
    /// as the left one; and the node that the result is.
    pub fn complete(&mut self, node: Node) -> (Vec<V>, Node) {
        let mut lefts = Vec::new();
        let mut node = self.tree.highest(node);
        while let Some((_, left)) = self.nodes.pop_if(|(left, _)| node.is_right_of(*left)) {
            lefts.push(left);
            node = self.tree.highest(node.parent());
        }
        (lefts, node)
    }

    /// Keeps the sum of a completed node for the right neighbors that come.
    pub fn keep(&mut self, node: Node, value: V) {
        self.nodes.push((node, value));
    }
}

/// Numbers that are summed: f32 or f64.
pub trait Number: Pod + AddAssign + Debug {}
impl Number for f32 {}
impl Number for f64 {}

/// What a rank brings to [`all_reduce_nodes`].
#[derive(Debug)]
pub struct Share<'a, T> {
    /// The sums of all its nodes but the last, in order.
    pub earlier: Vec<&'a [T]>,
    /// The sum of its last node; becomes the sum of all leaves.
    pub last: &'a mut [T],
}

/// Sums the nodes of all ranks: `runs` are the leaves of each rank, one run after the other.
/// The result is bit for bit the same however the leaves are cut into runs.
///
/// # Errors
/// Those of the collective calls.
pub fn all_reduce_nodes<T: Number>(
    collective: &mut dyn Collective,
    tree: Tree,
    runs: &[Range<u64>],
    share: Share<'_, T>,
) -> Result<(), CollectiveError> {
    let Share { earlier, last } = share;
    let nodes: Vec<Vec<Node>> = runs.iter().map(|run| tree.nodes_of(run.clone())).collect();
    let has_last = nodes
        .get(collective.rank().0 as usize)
        .is_some_and(|own| !own.is_empty());
    for start in (0..last.len()).step_by(PIECE) {
        let end = (start + PIECE).min(last.len());
        let mut own: Vec<&[T]> = earlier.iter().map(|part| &part[start..end]).collect();
        if has_last {
            own.push(&last[start..end]);
        }
        let parts: Vec<Vec<u8>> = cuts(end - start, nodes.len())
            .map(|cut| {
                own.iter()
                    .flat_map(|sum| bytes_of(&sum[cut.clone()]))
                    .copied()
                    .collect()
            })
            .collect();
        let received = collective.all_to_all(parts)?;
        let sum: Vec<T> = finish(tree, &nodes, &received);
        let all = collective.all_gather(bytes_of(&sum))?;
        let piece = bytemuck::cast_slice_mut(&mut last[start..end]);
        copy_parts(&all, piece);
    }
    Ok(())
}

/// Where each of `num_ranks` begins and ends in `length` elements.
fn cuts(length: usize, num_ranks: usize) -> impl Iterator<Item = Range<usize>> {
    (0..num_ranks).map(move |rank| length * rank / num_ranks..length * (rank + 1) / num_ranks)
}

fn bytes_of<T: Number>(values: &[T]) -> &[u8] {
    bytemuck::cast_slice(values)
}

/// Adds up what the ranks have sent: of every rank its nodes, one after the other.
fn finish<T: Number>(tree: Tree, nodes: &[Vec<Node>], received: &[Vec<u8>]) -> Vec<T> {
    let mut partial: PartialSums<Vec<T>> = PartialSums::new(tree);
    for (nodes, bytes) in nodes.iter().zip(received).filter(|(nodes, _)| !nodes.is_empty()) {
        let length = bytes.len() / nodes.len();
        for (index, &node) in nodes.iter().enumerate() {
            let part = &bytes[index * length..(index + 1) * length];
            let numbers = part
                .chunks_exact(size_of::<T>())
                .map(bytemuck::pod_read_unaligned);
            let mut sum: Vec<T> = numbers.collect();
            let (lefts, node) = partial.complete(node);
            for left in &lefts {
                add(left, &mut sum);
            }
            partial.keep(node, sum);
        }
    }
    // All leaves have come, so one node is left: the whole tree.
    partial.nodes.pop().map(|(_, sum)| sum).unwrap_or_default()
}

/// Left plus right, into right.
fn add<T: Number>(left: &[T], right: &mut [T]) {
    for (right, &left) in right.iter_mut().zip(left) {
        *right += left;
    }
}

/// The parts of all ranks, one after the other, into `whole`.
fn copy_parts(parts: &[Vec<u8>], whole: &mut [u8]) {
    let mut rest = whole;
    for part in parts {
        let (place, after) = rest.split_at_mut(part.len().min(rest.len()));
        place.copy_from_slice(&part[..place.len()]);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use proptest::prelude::*;

    use super::*;
    use crate::Threads;

    /// The definition: a node is its left child plus its right one, or the left one alone.
    fn by_definition(leaves: &[f32], level: u32, index: usize) -> Option<f32> {
        let first = index << level;
        match level {
            _ if first >= leaves.len() => None,
            0 => Some(leaves[index]),
            _ => {
                let left = by_definition(leaves, level - 1, 2 * index)?;
                let right = by_definition(leaves, level - 1, 2 * index + 1);
                Some(right.map_or(left, |right| left + right))
            }
        }
    }

    /// Addends whose sum depends on the order of additions.
    fn leaf(leaf: u64, length: usize) -> Vec<f32> {
        (0..length)
            .map(|index| {
                let phase = (leaf as f32 * 12.9898 + index as f32 * 78.233).sin();
                phase * 10_f32.powf(phase * 6.0)
            })
            .collect()
    }

    /// One rank: adds its leaves, then finishes the tree with the others.
    fn sum_on_rank(collective: &mut dyn Collective, runs: &[Range<u64>], length: usize) -> Vec<f32> {
        let tree = Tree::new(runs.last().unwrap().end);
        let mut partial: PartialSums<Vec<f32>> = PartialSums::new(tree);
        for number in runs[collective.rank().0 as usize].clone() {
            let mut sum = leaf(number, length);
            let (lefts, node) = partial.complete(tree.leaf(number));
            for left in &lefts {
                add(left, &mut sum);
            }
            partial.keep(node, sum);
        }
        let mut sums: Vec<Vec<f32>> = partial.nodes.into_iter().map(|(_, sum)| sum).collect();
        let mut last = sums.pop().unwrap_or_else(|| vec![0.0; length]);
        let earlier = sums.iter().map(Vec::as_slice).collect();
        let share = Share {
            earlier,
            last: &mut last,
        };
        all_reduce_nodes(collective, tree, runs, share).unwrap();
        last
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn waiting_sums_are_at_most_one_a_level() {
        for num_leaves in 1..=70_u64 {
            let tree = Tree::new(num_leaves);
            let mut partial = PartialSums::new(tree);
            for leaf in 0..num_leaves {
                let (_, node) = partial.complete(tree.leaf(leaf));
                partial.keep(node, ());
                assert!(partial.nodes.len() <= num_leaves.ilog2() as usize + 1);
            }
            assert_eq!(partial.nodes.len(), 1, "{num_leaves} leaves end in one sum");
        }
        // Equal shares of a power of two leave one sum a rank.
        for (rank, share) in [(0, 8), (3, 8), (5, 2), (7, 1)] {
            assert_eq!(Tree::new(64).nodes_of(rank * share..(rank + 1) * share).len(), 1);
        }
    }

    #[test]
    fn a_vector_longer_than_a_piece_is_summed_whole() {
        let length = PIECE + 3;
        let runs = vec![0..1, 1..2];
        let expected: Vec<f32> = leaf(0, length)
            .iter()
            .zip(leaf(1, length))
            .map(|(left, right)| left + right)
            .collect();
        thread::scope(|scope| {
            for mut rank in Threads::world(2, Duration::from_mins(1)) {
                let (runs, expected) = (&runs, &expected);
                scope.spawn(move || assert_eq!(bits(&sum_on_rank(&mut rank, runs, length)), bits(expected)));
            }
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_sum_is_that_of_the_tree_however_the_leaves_are_cut_into_runs(
            sizes in prop::collection::vec(0_u64..7, 1..6),
            length in 0_usize..9,
        ) {
            prop_assume!(sizes.iter().sum::<u64>() > 0);
            let mut runs: Vec<Range<u64>> = Vec::new();
            for size in sizes {
                let start = runs.last().map_or(0, |run| run.end);
                runs.push(start..start + size);
            }
            let num_leaves = runs.last().unwrap().end;
            let leaves: Vec<Vec<f32>> = (0..num_leaves).map(|number| leaf(number, length)).collect();
            let level = num_leaves.next_power_of_two().ilog2();
            let expected: Vec<f32> = (0..length)
                .map(|index| {
                    let column: Vec<f32> = leaves.iter().map(|leaf| leaf[index]).collect();
                    by_definition(&column, level, 0).unwrap()
                })
                .collect();
            let world = Threads::world(u32::try_from(runs.len()).unwrap(), Duration::from_mins(1));
            thread::scope(|scope| {
                let runs = &runs;
                let ranks: Vec<_> = world
                    .into_iter()
                    .map(|mut rank| scope.spawn(move || sum_on_rank(&mut rank, runs, length)))
                    .collect();
                for rank in ranks {
                    assert_eq!(bits(&rank.join().unwrap()), bits(&expected));
                }
            });
            if let Some(first) = leaves.iter().map(|leaf| leaf.first()).collect::<Option<Vec<_>>>() {
                let column: Vec<f64> = first.into_iter().map(|&value| f64::from(value)).collect();
                let sum = Tree::new(num_leaves).sum(column.iter().copied());
                let plain: f64 = column.iter().sum();
                let size: f64 = column.iter().map(|value| value.abs()).sum();
                prop_assert!((sum - plain).abs() <= 1e-12 * size);
            }
        }
    }
}

//! Merges a long word with a heap over a linked list: n log n where scanning is quadratic.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::TokenId;
use crate::bpe::merge_table::{MergeTable, NO_RANK};

/// End of the list, either way.
const NONE: u32 = u32::MAX;

/// The tokens of a word as a list linked both ways; a merged-away node keeps its place.
struct Node {
    token: TokenId,
    previous: u32,
    next: u32,
    alive: bool,
}

/// A pair that may merge: lowest rank first, then leftmost. It is stale once the pair at
/// `left` has another rank.
type Candidate = Reverse<(u32, u32)>;

/// Appends the tokens of `word`, the same that scanning gives.
pub(crate) fn merge_long(table: &MergeTable, word: &[u8], out: &mut Vec<TokenId>) {
    // positions are u32: a longer word is cut, which no text within a document's limit reaches
    for part in word.chunks(NONE as usize / 2) {
        let mut list = List::new(table, part);
        list.merge_all(table);
        list.write(out);
    }
}

struct List {
    nodes: Vec<Node>,
    heap: BinaryHeap<Candidate>,
}

impl List {
    fn new(table: &MergeTable, word: &[u8]) -> Self {
        let mut nodes = Vec::with_capacity(word.len());
        for (i, &byte) in (0u32..).zip(word) {
            let token = table.byte_token(byte);
            nodes.push(Node {
                token,
                previous: i.wrapping_sub(1),
                next: i + 1,
                alive: true,
            });
        }
        if let Some(last) = nodes.last_mut() {
            last.next = NONE;
        }
        let heap = (0u32..)
            .zip(nodes.windows(2))
            .map(|(i, pair)| Reverse((table.merge_of(pair[0].token, pair[1].token).rank, i)))
            .filter(|Reverse((rank, _))| *rank != NO_RANK)
            .collect();
        Self { nodes, heap }
    }

    fn merge_all(&mut self, table: &MergeTable) {
        while let Some(Reverse((rank, left))) = self.heap.pop() {
            let Node {
                token,
                next,
                alive,
                previous,
            } = self.nodes[left as usize];
            if !alive || next == NONE {
                continue;
            }
            let merge = table.merge_of(token, self.nodes[next as usize].token);
            if merge.rank != rank {
                continue;
            }
            let after = self.nodes[next as usize].next;
            self.nodes[next as usize].alive = false;
            self.nodes[left as usize].token = merge.token;
            self.nodes[left as usize].next = after;
            if after != NONE {
                self.nodes[after as usize].previous = left;
                self.push(table, left, after);
            }
            if previous != NONE {
                self.push(table, previous, left);
            }
        }
    }

    fn push(&mut self, table: &MergeTable, left: u32, right: u32) {
        let (left_token, right_token) = (self.nodes[left as usize].token, self.nodes[right as usize].token);
        let rank = table.merge_of(left_token, right_token).rank;
        if rank != NO_RANK {
            self.heap.push(Reverse((rank, left)));
        }
    }

    fn write(&self, out: &mut Vec<TokenId>) {
        out.extend(self.nodes.iter().filter(|node| node.alive).map(|node| node.token));
    }
}

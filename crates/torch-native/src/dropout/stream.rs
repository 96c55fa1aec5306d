//! The random bits of one place in one pass.
//!
//! Elements are cut into groups of 128 = 16 Philox blocks. In group g the element
//! 32 w + 16 h + l takes half h (0 low, 1 high) of word w of block 16 g + l. The counter is
//! (block, site, micro-batch, step), the key a purpose key of the seed; high words of step
//! and micro-batch go into the key.

use super::rate::{DropoutKey, DropoutRate};
use crate::philox::{LANES, halves, purpose_key};

/// Purpose of the streams of this module, see [`purpose_key`]: "drop" in ASCII.
pub(super) const PURPOSE: u32 = 0x6472_6f70;
/// Elements whose bits come from one call of the sixteen-lane generator.
pub(super) const GROUP: usize = LANES * 8;
/// The longest slice: blocks are numbered in 32 bits.
pub(super) const MAX_ELEMENTS: usize = (u32::MAX as usize / LANES) * GROUP;

/// One site's stream of bits.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    /// The words of the counter behind the block's number.
    pub(super) rest: [u32; 3],
    pub(super) key: [u32; 2],
    /// Halves of random words below it are kept.
    pub(super) threshold: u32,
}

impl Stream {
    pub(crate) fn new(key: &DropoutKey, site: u32, rate: DropoutRate) -> Self {
        let [step, step_high] = halves(key.step);
        let [micro_batch, micro_batch_high] = halves(key.micro_batch);
        Self {
            rest: [site, micro_batch, step],
            key: purpose_key(key.seed, PURPOSE, micro_batch_high, step_high),
            threshold: rate.threshold(),
        }
    }
}

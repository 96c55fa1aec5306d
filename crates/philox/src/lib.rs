//! Philox 4x32-10: random words that are a function of a counter and a key.
//!
//! It has no state, so any draw is addressed directly and the order of drawing is free: so masks, order
//! and whatever else has to be the same for ever are drawn. [`PhiloxRng`] gives the same words one after
//! the other, for the crate `rand`, whose own algorithms may change with its version.
//!
//! Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011),
//! section 3.3; the known answers are those of Random123.
//!
//! ```
//! use philox::{PhiloxRng, philox4x32_10};
//! use rand::{Rng, RngExt};
//!
//! let mut stream = PhiloxRng::new([1, 2], [3, 4]);
//! assert_eq!(stream.next_u32(), philox4x32_10([0, 0, 3, 4], [1, 2])[0]);
//! assert!((1..=6).contains(&stream.random_range(1..=6)));
//! ```

mod block;
mod four;
mod stream;

pub use block::{philox4x32_10, split};
pub use four::four_philox4x32_10;
pub use stream::PhiloxRng;

//! Which positions of a sequence are masked, and by what: a pure function of its key.
//!
//! It does not read tokens from disk, choose sequences or know tensors. The recipe is that
//! of BERT (Devlin et al. 2019, section 3.1) with the dynamic masks of `RoBERTa` (Liu et al.
//! 2019, section 4.1): another epoch draws other masks.
//!
//! ```
//! use masking::{MaskKey, MaskedPositions, MaskingConfig, MaskingScheme, Vocabulary, mask_sequence};
//!
//! let is_special = [true, true, true, true, false, false, false, false, true];
//! let word_starts = [true; 9];
//! let vocabulary = Vocabulary::new(8, &is_special, &word_starts)?;
//! let config = MaskingConfig::new(0.5, MaskingScheme::Token)?;
//! let key = MaskKey { seed: 1, epoch: 0, sample: 7 };
//! let mut input_ids = [0, 4, 5, 6, 7, 2];
//! let mut masked = MaskedPositions::default();
//! mask_sequence(key, config, &vocabulary, &mut input_ids, &mut masked)?;
//! assert_eq!(masked.positions.len(), 2);
//! # Ok::<(), masking::MaskingError>(())
//! ```

mod config;
mod draws;
mod error;
mod replace;
mod select;
mod sequence;
mod single_tokens;
mod vocabulary;
mod whole_word;

pub use config::{MaskingConfig, MaskingScheme};
pub use draws::MaskKey;
pub use error::MaskingError;
pub use select::mask_capacity;
pub use sequence::{MaskedPositions, mask_sequence};
pub use vocabulary::Vocabulary;

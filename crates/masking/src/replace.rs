//! What stands at a masked position: the mask, another token, or the token itself.
//!
//! 80 % mask, 10 % a random token, 10 % unchanged (Devlin et al. 2019, section 3.1), unless the
//! configuration says otherwise. The random token is uniform over the ordinary tokens of the
//! whole vocabulary, whatever tokens the batch happens to hold.

use crate::error::MaskingError;
use crate::vocabulary::Vocabulary;

/// The shares of the three as bounds of a random word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplacementShares {
    /// Words below become the mask.
    mask_below: u64,
    /// Words from there to here become a random token.
    random_below: u64,
}

impl ReplacementShares {
    /// BERT's shares: 0.8 and 0.9 of 2^32.
    pub(crate) const BERT: Self = Self {
        mask_below: 3_435_973_837,
        random_below: 3_865_470_566,
    };

    /// The mask in a share `mask_replace_prob` of the masked positions, a random token in
    /// `random_replace_prob`, the token itself in the rest.
    ///
    /// # Errors
    /// [`MaskingError::Replacement`] for shares that are no probabilities or exceed 1 together.
    pub(crate) fn new(mask_replace_prob: f64, random_replace_prob: f64) -> Result<Self, MaskingError> {
        // 0.9 + 0.1 may come out a bit above 1
        let both = mask_replace_prob + random_replace_prob;
        let shares = [mask_replace_prob, random_replace_prob, both - ROUNDING];
        if !shares[..2].iter().all(|share| (0.0..=1.0).contains(share)) || shares[2] > 1.0 {
            return Err(MaskingError::Replacement {
                mask_replace_prob,
                random_replace_prob,
            });
        }
        Ok(Self {
            mask_below: bound(mask_replace_prob),
            random_below: bound(both.min(1.0)),
        })
    }
}

const ROUNDING: f64 = 1e-9;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share between 0 and 1 of 2^32"
)]
fn bound(share: f64) -> u64 {
    (share * 4_294_967_296.0).round() as u64
}

/// The token to show in place of `original`, out of four random words of its position.
#[inline]
pub(crate) fn replacement(
    shares: ReplacementShares,
    original: u32,
    words: [u32; 4],
    vocabulary: &Vocabulary,
) -> u32 {
    match u64::from(words[0]) {
        draw if draw < shares.mask_below => vocabulary.mask(),
        draw if draw < shares.random_below => vocabulary.ordinary(words[1], words[2]),
        _ => original,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands for token 1 at a draw of `share` of 2^32: 4 is the mask, 3 a random token.
    fn shown(shares: ReplacementShares, share: f64) -> u32 {
        let is_special = [true, false, false, false, true];
        let vocabulary = Vocabulary::new(4, &is_special, &[true; 5]).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        let draw = (share * 4_294_967_296.0) as u32;
        replacement(shares, 1, [draw, u32::MAX, 0, 0], &vocabulary)
    }

    #[test]
    fn eighty_percent_become_the_mask_ten_another_token_ten_stay() {
        let shown = |share| shown(ReplacementShares::BERT, share);
        assert_eq!([shown(0.0), shown(0.4), shown(0.799_999)], [4, 4, 4]);
        assert_eq!([shown(0.800_001), shown(0.899_999)], [3, 3]);
        assert_eq!([shown(0.900_001), shown(0.999_999)], [1, 1]);
        assert_eq!(ReplacementShares::new(0.8, 0.1).unwrap(), ReplacementShares::BERT);
    }

    #[test]
    fn other_shares_move_the_bounds() {
        let half = ReplacementShares::new(0.5, 0.25).unwrap();
        assert_eq!([shown(half, 0.499), shown(half, 0.501)], [4, 3]);
        assert_eq!([shown(half, 0.749), shown(half, 0.751)], [3, 1]);
        let last = 1.0 - 1e-9;
        for (mask, random, at_last) in [(1.0, 0.0, 4), (0.0, 1.0, 3), (0.9, 0.1, 3), (0.0, 0.0, 1)] {
            let shares = ReplacementShares::new(mask, random).unwrap();
            assert_eq!(shown(shares, last), at_last, "{mask} {random}");
        }
        assert_eq!(shown(ReplacementShares::new(0.0, 0.0).unwrap(), 0.0), 1);
    }

    #[test]
    fn shares_that_are_none_are_refused() {
        for (mask, random) in [
            (-0.1, 0.1),
            (0.8, -0.1),
            (1.1, 0.0),
            (0.0, 1.1),
            (0.8, 0.3),
            (f64::NAN, 0.1),
        ] {
            let error = ReplacementShares::new(mask, random).unwrap_err();
            assert!(error.to_string().contains("masking.mask_replace_prob"), "{error}");
        }
    }
}

//! What stands at a masked position: the mask, another token, or the token itself.
//!
//! 80 % mask, 10 % a random token, 10 % unchanged (Devlin et al. 2019, section 3.1). The
//! random token is uniform over the ordinary tokens of the whole vocabulary, whatever
//! tokens the batch happens to hold.

use crate::vocabulary::Vocabulary;

/// 0.8 of 2^32.
const MASK_BELOW: u32 = 3_435_973_837;
/// 0.9 of 2^32.
const RANDOM_BELOW: u32 = 3_865_470_566;

/// The token to show in place of `original`, out of four random words of its position.
#[inline]
pub(crate) fn replacement(original: u32, words: [u32; 4], vocabulary: &Vocabulary) -> u32 {
    match words[0] {
        draw if draw < MASK_BELOW => vocabulary.mask(),
        draw if draw < RANDOM_BELOW => vocabulary.ordinary(words[1], words[2]),
        _ => original,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighty_percent_become_the_mask_ten_another_token_ten_stay() {
        let is_special = [true, false, false, false, true];
        let vocabulary = Vocabulary::new(4, &is_special, &[true; 5]).unwrap();
        let shown = |share: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
            let draw = (share * 4_294_967_296.0) as u32;
            replacement(1, [draw, u32::MAX, 0, 0], &vocabulary)
        };
        assert_eq!([shown(0.0), shown(0.4), shown(0.799_999)], [4, 4, 4]);
        assert_eq!([shown(0.800_001), shown(0.899_999)], [3, 3]);
        assert_eq!([shown(0.900_001), shown(0.999_999)], [1, 1]);
    }
}

//! What can be wrong with a masking request.

/// Why a sequence or a setting cannot be used for masking.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MaskingError {
    /// The probability is not a number from 0 to 1.
    #[error("masking.mlm_probability is {probability}: it must lie between 0 and 1 (0.15 in the recipe)")]
    Probability {
        /// The value that was given.
        probability: f64,
    },
    /// The shares of what replaces masked tokens are no probabilities, or more than 1 together.
    #[error(
        "masking.mask_replace_prob = {mask_replace_prob} and masking.random_replace_prob = \
         {random_replace_prob}: both must lie between 0 and 1, and so must their sum (0.8 and 0.1 in the \
         recipe)"
    )]
    Replacement {
        /// Share that becomes the mask.
        mask_replace_prob: f64,
        /// Share that becomes a random token.
        random_replace_prob: f64,
    },
    /// The tables that describe the vocabulary differ in length, or hold no ordinary token.
    #[error(
        "the vocabulary has {num_special} special tokens of {vocab_size} and a word-start table \
         of {num_word_starts}: both tables need one entry a token, and one token must be ordinary"
    )]
    Vocabulary {
        /// Entries of the table of special tokens.
        vocab_size: usize,
        /// Special tokens among them.
        num_special: usize,
        /// Entries of the table of word starts.
        num_word_starts: usize,
    },
    /// The id of the mask token is outside the vocabulary, or is an ordinary token.
    #[error("the mask token's id {mask} is not a special token of a vocabulary of {vocab_size}")]
    MaskToken {
        /// The id that was given.
        mask: u32,
        /// Size of the vocabulary.
        vocab_size: usize,
    },
    /// A sequence holds an id that the vocabulary lacks.
    #[error("token id {token} at position {position} is outside the vocabulary of {vocab_size}")]
    TokenOutsideVocabulary {
        /// The id.
        token: u32,
        /// Its position in the sequence.
        position: usize,
        /// Size of the vocabulary.
        vocab_size: usize,
    },
    /// A sequence is longer than the counter of the generator can address.
    #[error("a sequence of {length} tokens is too long to mask: the limit is {limit}")]
    TooLong {
        /// Tokens of the sequence.
        length: usize,
        /// Most tokens that can be addressed.
        limit: usize,
    },
}

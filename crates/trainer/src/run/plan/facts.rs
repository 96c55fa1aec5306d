//! What a configuration is checked against.

/// What is known beside the configuration.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts<'a> {
    /// Ranks of the launch.
    pub world_size: u32,
    /// Entries of the tokenizer, once it is open.
    pub tokenizer_vocab_size: Option<usize>,
    /// Sources of the corpus, once it is open.
    pub sources: Option<&'a [String]>,
}

//! A tokenizer: a vocabulary with what encodes text by it, and what can be looked up in it.

use std::path::Path;
use std::sync::OnceLock;

use crate::bpe::merge_table::MergeTable;
use crate::bpe::split::starts_with_whitespace;
use crate::encode::Encoder;
use crate::error::TokenizerError;
use crate::library::pipeline::{Mode, Pipeline};
use crate::special::{Ends, Role, SpecialTokens, TokenId};
use crate::spelled::SpelledTokens;
use crate::vocabulary::{FoundVocabulary, Vocabulary, missing_byte};

/// The side on which a sequence that is too long is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TruncationSide {
    /// The first tokens go.
    Left,
    /// The last tokens go.
    #[default]
    Right,
}

/// A vocabulary with what encodes text by it: byte-level BPE as RoBERTa has it by our own encoder,
/// anything else by the crate `tokenizers`.
///
/// ```
/// let texts = ["net sales rose", "net sales fell"].map(String::from);
/// let tokenizer = tokenizer::train(texts.into_iter(), 300)?;
/// let mut ids = Vec::new();
/// tokenizer.encoder().encode_into("net sales", &mut ids)?;
/// assert_eq!(tokenizer.decode(&ids), "net sales");
/// # Ok::<(), tokenizer::TokenizerError>(())
/// ```
#[derive(Debug)]
pub struct Tokenizer {
    vocabulary: Vocabulary,
    merges: Vec<(TokenId, TokenId)>,
    word_starts: Vec<bool>,
    requested_vocab_size: Option<usize>,
    table: OnceLock<MergeTable>,
    pub(crate) truncation_side: TruncationSide,
    /// What our own encoder finds in a user's text.
    pub(crate) spelled: SpelledTokens,
    /// For all text, where our own encoder does not cover the folder.
    pub(crate) pipeline: Option<Pipeline>,
    /// Roles for which the folder has no token; `vocabulary.special` has no meaning for them.
    missing: Vec<Role>,
    /// The folder's files where ours would say something else.
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
    pub(crate) notes: Vec<String>,
}

impl Tokenizer {
    /// Puts together a tokenizer from its tokens in id order and its merges in rank order;
    /// `origin` is named in errors.
    pub(crate) fn from_parts(
        origin: &Path,
        tokens: Vec<String>,
        merges: Vec<(TokenId, TokenId)>,
    ) -> Result<Self, TokenizerError> {
        let vocabulary = Vocabulary::of_roberta(origin, tokens, &merges)?;
        let spelled = SpelledTokens::of_roberta(|token| vocabulary.id(token));
        let spelled = spelled.map_err(|lacks| TokenizerError::unfit(origin, lacks))?;
        Ok(Self {
            merges,
            spelled,
            ..Self::of(vocabulary)
        })
    }

    /// A tokenizer whose texts all go through `pipeline`.
    pub(crate) fn from_pipeline(found: FoundVocabulary, missing: Vec<Role>, pipeline: Pipeline) -> Self {
        let added = pipeline
            .tokens()
            .all()
            .map(|token| token.content.as_str())
            .collect();
        let vocabulary = Vocabulary::of_folder(found, &added);
        Self {
            missing,
            pipeline: Some(pipeline),
            ..Self::of(vocabulary)
        }
    }

    /// One without merges, which finds no special tokens in a text.
    fn of(vocabulary: Vocabulary) -> Self {
        let bytes = vocabulary.bytes.iter();
        let mut word_starts: Vec<bool> = bytes.map(|bytes| starts_with_whitespace(bytes)).collect();
        for id in vocabulary.special.ids() {
            if let Some(starts) = word_starts.get_mut(id as usize) {
                *starts = true;
            }
        }
        Self {
            vocabulary,
            merges: Vec::new(),
            word_starts,
            requested_vocab_size: None,
            table: OnceLock::new(),
            truncation_side: TruncationSide::Right,
            spelled: SpelledTokens::none(),
            pipeline: None,
            missing: Vec::new(),
            files: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// What a corpus needs and this tokenizer has not; nothing where our own encoder covers it.
    pub(crate) fn corpus_misfit(&self) -> Option<String> {
        self.pipeline.as_ref()?;
        if let Some(role) = self.missing.first() {
            return Some(format!(
                "no token of it is the {}, which a corpus needs",
                role.key()
            ));
        }
        let SpecialTokens { bos, pad, eos, .. } = self.vocabulary.special;
        for (name, id, expected) in [("<s>", bos, 0), ("<pad>", pad, 1), ("</s>", eos, 2)] {
            if id != expected {
                return Some(format!(
                    "what stands for {name} has id {id}, it must be {expected} for a corpus"
                ));
            }
        }
        if self.vocabulary.ends.before.len() != 1 || self.vocabulary.ends.after.len() != 1 {
            let (before, after) = (
                self.vocabulary.ends.before.len(),
                self.vocabulary.ends.after.len(),
            );
            return Some(format!(
                "it puts {before} tokens before a text and {after} behind it, a corpus needs one each"
            ));
        }
        if let Some(id) = self.vocabulary.tokens.iter().position(String::is_empty) {
            return Some(format!(
                "ids are not 0, 1, 2 ...: no token has {id}, which a corpus needs"
            ));
        }
        missing_byte(&self.vocabulary.ids)
    }

    /// Number of entries, specials included.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.tokens.len()
    }

    /// The size that [`crate::train`] was asked for; more than [`Self::vocab_size`] when the
    /// text had fewer merges. `None` for a tokenizer that was not trained here.
    pub fn requested_vocab_size(&self) -> Option<usize> {
        self.requested_vocab_size
    }

    pub(crate) fn set_requested_vocab_size(&mut self, size: Option<usize>) {
        self.requested_vocab_size = size;
    }

    /// Ids of the special tokens.
    pub fn special(&self) -> SpecialTokens {
        self.vocabulary.special
    }

    /// Id of the newline byte, the last token of every block.
    pub fn newline(&self) -> TokenId {
        self.vocabulary.newline
    }

    /// Whether `id` is one of the five special tokens.
    pub fn is_special(&self, id: TokenId) -> bool {
        self.vocabulary.special.ids().contains(&id)
    }

    /// [`Self::is_special`] of every id, for tables indexed by token.
    pub fn special_table(&self) -> Vec<bool> {
        (0..)
            .take(self.vocab_size())
            .map(|id| self.is_special(id))
            .collect()
    }

    /// The tokens around every text.
    pub fn ends(&self) -> &Ends {
        &self.vocabulary.ends
    }

    /// Where a sequence that is too long is cut.
    pub fn truncation_side(&self) -> TruncationSide {
        self.truncation_side
    }

    /// What a user should hear once: that text is encoded by the crate `tokenizers`, and what a file
    /// says without effect.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// SHA-256 in hex of the tokens in id order and the merges in rank order: equal for two
    /// tokenizers that give the same ids, whatever files they came from. Where our own encoder does
    /// not cover a folder, also of the added tokens with their flags and of all that its pipeline does.
    pub fn hash(&self) -> &str {
        &self.vocabulary.hash
    }

    /// The id of a token as the vocabulary spells it (`Ġ` for a leading space).
    pub fn id(&self, token: &str) -> Option<TokenId> {
        self.vocabulary.id(token)
    }

    /// A token as the vocabulary spells it.
    pub fn token(&self, id: TokenId) -> Option<&str> {
        self.vocabulary.token(id)
    }

    /// The bytes that a token stands for; a special token's are its spelling.
    pub fn token_bytes(&self, id: TokenId) -> Option<&[u8]> {
        self.vocabulary.bytes.get(id as usize).map(|bytes| &**bytes)
    }

    /// The text of `ids`, specials spelled out. Bytes that are not UTF-8 become U+FFFD; ids
    /// outside the vocabulary are left out, as Hugging Face does.
    pub fn decode(&self, ids: &[TokenId]) -> String {
        if let Some(text) = self.pipeline.as_ref().and_then(|pipeline| pipeline.decode(ids)) {
            return text;
        }
        let bytes: Vec<u8> = ids
            .iter()
            .filter_map(|&id| self.token_bytes(id))
            .flatten()
            .copied()
            .collect();
        match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }

    /// Whether a word begins with this token, for each id: `[vocab_size]`.
    ///
    /// A word is what whitespace separates, as in fairseq's whole-word masking of RoBERTa: a
    /// token begins one if its first character is whitespace (nearly always `Ġ`) or if it is
    /// special; punctuation and the rest of a number belong to the word that they touch.
    ///
    /// The table is a property of the token alone. The first token of a block carries no
    /// space, so whoever uses the table also begins a word after [`Self::newline`], after a
    /// special token and at the start of a sequence.
    pub fn word_starts(&self) -> &[bool] {
        &self.word_starts
    }

    /// An encoder for a corpus, with a word cache of its own; make one a thread and keep it. Text that
    /// spells a special token is encoded as the text that it is.
    pub fn encoder(&self) -> Encoder<'_> {
        self.encoder_for(Mode::Corpus)
    }

    /// An encoder for a user's text, which recognizes special tokens in it as `AutoTokenizer` of
    /// `transformers` does for this folder.
    pub fn text_encoder(&self) -> Encoder<'_> {
        self.encoder_for(Mode::Text)
    }

    /// [`Self::text_encoder`] for text in lower case, which `do_lower_case` of `sentence-transformers` asks
    /// for: what is no special token is encoded in lower case.
    pub fn lower_case_text_encoder(&self) -> Encoder<'_> {
        self.encoder_for(Mode::LowerCaseText)
    }

    fn encoder_for(&self, mode: Mode) -> Encoder<'_> {
        match &self.pipeline {
            Some(pipeline) => Encoder::by_library(pipeline, &self.vocabulary, mode),
            None => Encoder::own(self.table.get_or_init(|| self.merge_table()), &self.spelled, mode),
        }
    }

    fn merge_table(&self) -> MergeTable {
        let Vocabulary { tokens, special, .. } = &self.vocabulary;
        MergeTable::new(tokens, &self.merges, |token| self.id(token), special.unk)
    }

    /// Whether texts are encoded by the crate `tokenizers`, as our own encoder does not cover the folder.
    pub fn encodes_by_library(&self) -> bool {
        self.pipeline.is_some()
    }

    /// The mask token, where the folder has one.
    pub fn mask(&self) -> Option<TokenId> {
        (!self.missing.contains(&Role::Mask)).then_some(self.vocabulary.special.mask)
    }

    pub(crate) fn tokens(&self) -> &[String] {
        &self.vocabulary.tokens
    }

    pub(crate) fn merges(&self) -> &[(TokenId, TokenId)] {
        &self.merges
    }
}

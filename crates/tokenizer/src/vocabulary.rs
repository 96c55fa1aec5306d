//! The vocabulary and its merges, and what can be looked up in them.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::OnceLock;

use crate::merge::MergeTable;
use crate::pipeline::{Mode, Pipeline};
use crate::settings::{Role, TruncationSide};
use crate::spelled::SpelledTokens;
use crate::split::starts_with_whitespace;
use crate::{Encoder, TokenizerError, alphabet};

/// Number of an entry of the vocabulary.
pub type TokenId = u32;

/// What the crate `tokenizers` says of a folder's vocabulary.
pub(crate) struct Vocabulary {
    /// In id order; an id that no token has is an empty text.
    pub(crate) tokens: Vec<String>,
    pub(crate) special: SpecialTokens,
    pub(crate) ends: Ends,
    pub(crate) hash: String,
}

/// The tokens around every text: `<s>` and `</s>` in RoBERTa.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// Before it.
    pub before: Vec<TokenId>,
    /// Behind it.
    pub after: Vec<TokenId>,
}

/// Ids of the five special tokens, whatever a folder calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialTokens {
    /// `<s>`: begins a sequence.
    pub bos: TokenId,
    /// `<pad>`: fills up a row.
    pub pad: TokenId,
    /// `</s>`: ends a sequence and separates documents.
    pub eos: TokenId,
    /// `<unk>`: never produced, as every byte is in the vocabulary.
    pub unk: TokenId,
    /// `<mask>`: the last entry of vocabularies made here.
    pub mask: TokenId,
}

/// Spelling of the specials with the ids that they must have.
pub(crate) const FIRST_SPECIALS: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];
pub(crate) const MASK: &str = "<mask>";

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
    tokens: Vec<String>,
    bytes: Vec<Box<[u8]>>,
    /// Hashed with a random key: the spellings come from whoever made the folder.
    ids: HashMap<String, TokenId>,
    merges: Vec<(TokenId, TokenId)>,
    special: SpecialTokens,
    newline: TokenId,
    word_starts: Vec<bool>,
    hash: String,
    requested_vocab_size: Option<usize>,
    table: OnceLock<MergeTable>,
    ends: Ends,
    pub(crate) truncation_side: TruncationSide,
    /// What our own encoder finds in a user's text.
    pub(crate) spelled: SpelledTokens,
    /// For all text, where our own encoder does not cover the folder.
    pub(crate) pipeline: Option<Pipeline>,
    /// Roles for which the folder has no token; `special` has no meaning for them.
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
        let ids = index_tokens(origin, &tokens)?;
        let special = find_specials(origin, &ids)?;
        let newline = check_alphabet(origin, &ids)?;
        check_merges(origin, &tokens, &merges, &ids)?;
        let bytes: Vec<Box<[u8]>> = tokens.iter().map(|token| token_bytes(token)).collect();
        let hash = hash_of(&tokens, &merges);
        let spelled = SpelledTokens::of_roberta(|token| ids.get(token).copied());
        let spelled = spelled.map_err(|lacks| TokenizerError::unfit(origin, lacks))?;
        let tokenizer = Self {
            word_starts: bytes.iter().map(|b| starts_with_whitespace(b)).collect(),
            tokens,
            bytes,
            ids,
            merges,
            special,
            newline,
            hash,
            requested_vocab_size: None,
            table: OnceLock::new(),
            ends: Ends {
                before: vec![special.bos],
                after: vec![special.eos],
            },
            truncation_side: TruncationSide::Right,
            spelled,
            pipeline: None,
            missing: Vec::new(),
            files: Vec::new(),
            notes: Vec::new(),
        };
        Ok(tokenizer.with_special_word_starts())
    }

    /// A tokenizer whose texts all go through `pipeline`.
    pub(crate) fn from_pipeline(vocabulary: Vocabulary, missing: Vec<Role>, pipeline: Pipeline) -> Self {
        let Vocabulary {
            tokens,
            special,
            ends,
            hash,
        } = vocabulary;
        let added: HashSet<&str> = pipeline
            .tokens()
            .all()
            .map(|token| token.content.as_str())
            .collect();
        let bytes = tokens.iter().map(|token| {
            if added.contains(token.as_str()) {
                token.as_bytes().into()
            } else {
                token_bytes(token)
            }
        });
        let bytes: Vec<Box<[u8]>> = bytes.collect();
        let ids = tokens.iter().cloned().zip(0..);
        let ids: HashMap<String, TokenId> = ids.filter(|(token, _)| !token.is_empty()).collect();
        let newline = ids.get(&alphabet::char_of(b'\n').to_string()).copied();
        let tokenizer = Self {
            word_starts: bytes.iter().map(|b| starts_with_whitespace(b)).collect(),
            tokens,
            bytes,
            ids,
            merges: Vec::new(),
            special,
            newline: newline.unwrap_or(special.unk),
            hash,
            requested_vocab_size: None,
            table: OnceLock::new(),
            ends,
            truncation_side: TruncationSide::Right,
            spelled: SpelledTokens::none(),
            pipeline: Some(pipeline),
            missing,
            files: Vec::new(),
            notes: Vec::new(),
        };
        tokenizer.with_special_word_starts()
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
        let SpecialTokens { bos, pad, eos, .. } = self.special;
        for (name, id, expected) in [("<s>", bos, 0), ("<pad>", pad, 1), ("</s>", eos, 2)] {
            if id != expected {
                return Some(format!(
                    "what stands for {name} has id {id}, it must be {expected} for a corpus"
                ));
            }
        }
        if self.ends.before.len() != 1 || self.ends.after.len() != 1 {
            let (before, after) = (self.ends.before.len(), self.ends.after.len());
            return Some(format!(
                "it puts {before} tokens before a text and {after} behind it, a corpus needs one each"
            ));
        }
        if let Some(id) = self.tokens.iter().position(String::is_empty) {
            return Some(format!(
                "ids are not 0, 1, 2 ...: no token has {id}, which a corpus needs"
            ));
        }
        missing_byte(&self.ids)
    }

    pub(crate) fn with_special_word_starts(mut self) -> Self {
        for id in self.special_ids() {
            if let Some(starts) = self.word_starts.get_mut(id as usize) {
                *starts = true;
            }
        }
        self
    }

    /// Number of entries, specials included.
    pub fn vocab_size(&self) -> usize {
        self.tokens.len()
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
        self.special
    }

    fn special_ids(&self) -> [TokenId; 5] {
        let SpecialTokens {
            bos,
            pad,
            eos,
            unk,
            mask,
        } = self.special;
        [bos, pad, eos, unk, mask]
    }

    /// Id of the newline byte, the last token of every block.
    pub fn newline(&self) -> TokenId {
        self.newline
    }

    /// Whether `id` is one of the five special tokens.
    pub fn is_special(&self, id: TokenId) -> bool {
        self.special_ids().contains(&id)
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
        &self.ends
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
        &self.hash
    }

    /// The id of a token as the vocabulary spells it (`Ġ` for a leading space).
    pub fn id(&self, token: &str) -> Option<TokenId> {
        self.ids.get(token).copied()
    }

    /// A token as the vocabulary spells it.
    pub fn token(&self, id: TokenId) -> Option<&str> {
        self.tokens.get(id as usize).map(String::as_str)
    }

    /// The bytes that a token stands for; a special token's are its spelling.
    pub fn token_bytes(&self, id: TokenId) -> Option<&[u8]> {
        self.bytes.get(id as usize).map(|bytes| &**bytes)
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
            Some(pipeline) => Encoder::by_library(pipeline, self, mode),
            None => Encoder::own(
                self.table.get_or_init(|| MergeTable::new(self)),
                &self.spelled,
                mode,
            ),
        }
    }

    /// Whether texts are encoded by the crate `tokenizers`, as our own encoder does not cover the folder.
    pub fn encodes_by_library(&self) -> bool {
        self.pipeline.is_some()
    }

    /// The mask token, where the folder has one.
    pub fn mask(&self) -> Option<TokenId> {
        (!self.missing.contains(&Role::Mask)).then_some(self.special.mask)
    }

    pub(crate) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    pub(crate) fn merges(&self) -> &[(TokenId, TokenId)] {
        &self.merges
    }
}

fn index_tokens(origin: &Path, tokens: &[String]) -> Result<HashMap<String, TokenId>, TokenizerError> {
    let mut ids = HashMap::with_capacity(tokens.len());
    for (id, token) in (0..).zip(tokens) {
        if let Some(first) = ids.insert(token.clone(), id) {
            return Err(TokenizerError::unfit(
                origin,
                format!("the token {token:?} has two ids, {first} and {id}"),
            ));
        }
    }
    Ok(ids)
}

fn find_specials(origin: &Path, ids: &HashMap<String, TokenId>) -> Result<SpecialTokens, TokenizerError> {
    for (expected, name) in (0..).zip(FIRST_SPECIALS) {
        match ids.get(name) {
            Some(&id) if id == expected => {}
            Some(id) => {
                return Err(TokenizerError::unfit(
                    origin,
                    format!("{name} has id {id}, it must be {expected}"),
                ));
            }
            None => {
                return Err(TokenizerError::unfit(
                    origin,
                    format!("it lacks the special token {name}"),
                ));
            }
        }
    }
    let mask = *ids
        .get(MASK)
        .ok_or_else(|| TokenizerError::unfit(origin, format!("it lacks the special token {MASK}")))?;
    Ok(SpecialTokens {
        bos: 0,
        pad: 1,
        eos: 2,
        unk: 3,
        mask,
    })
}

/// Every byte must have a token, else some text could not be encoded; returns the newline's.
fn check_alphabet(origin: &Path, ids: &HashMap<String, TokenId>) -> Result<TokenId, TokenizerError> {
    match missing_byte(ids) {
        Some(lacks) => Err(TokenizerError::unfit(origin, lacks)),
        None => Ok(ids[&alphabet::char_of(b'\n').to_string()]),
    }
}

fn missing_byte(ids: &HashMap<String, TokenId>) -> Option<String> {
    (0..=255u8).find_map(|byte| {
        let spelled = alphabet::char_of(byte).to_string();
        let known = ids.contains_key(&spelled);
        (!known).then(|| format!("it lacks the byte 0x{byte:02x}, spelled {spelled:?}"))
    })
}

fn check_merges(
    origin: &Path,
    tokens: &[String],
    merges: &[(TokenId, TokenId)],
    ids: &HashMap<String, TokenId>,
) -> Result<(), TokenizerError> {
    let mut joined = String::new();
    for &(left, right) in merges {
        joined.clear();
        joined.push_str(&tokens[left as usize]);
        joined.push_str(&tokens[right as usize]);
        if !ids.contains_key(&joined) {
            return Err(TokenizerError::unfit(
                origin,
                format!("a merge gives {joined:?}, which has no id"),
            ));
        }
    }
    Ok(())
}

fn token_bytes(token: &str) -> Box<[u8]> {
    alphabet::bytes_of(token)
        .unwrap_or_else(|| token.as_bytes().to_vec())
        .into_boxed_slice()
}

/// Hash over counts, then each token with its length, then each merge as two ids: no two
/// different tokenizers give the same bytes.
fn hash_of(tokens: &[String], merges: &[(TokenId, TokenId)]) -> String {
    let mut content = b"tenk tokenizer 1\n".to_vec();
    content.extend((tokens.len() as u64).to_le_bytes());
    for token in tokens {
        content.extend((token.len() as u64).to_le_bytes());
        content.extend(token.as_bytes());
    }
    content.extend((merges.len() as u64).to_le_bytes());
    for (left, right) in merges {
        content.extend(left.to_le_bytes());
        content.extend(right.to_le_bytes());
    }
    durable::sha256_hex(&content)
}

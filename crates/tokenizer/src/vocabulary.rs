//! The vocabulary and its merges, and what can be looked up in them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

use crate::merge::MergeTable;
use crate::split::starts_with_whitespace;
use crate::{Encoder, TokenizerError, alphabet};

/// Number of an entry of the vocabulary.
pub type TokenId = u32;

/// Ids of the five special tokens.
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

/// A byte-level BPE vocabulary with its merges.
///
/// ```
/// let texts = ["net sales rose", "net sales fell"].map(String::from);
/// let tokenizer = tokenizer::train(texts.into_iter(), 300)?;
/// let mut ids = Vec::new();
/// tokenizer.encoder().encode_into("net sales", &mut ids);
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
        let mut tokenizer = Self {
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
        };
        for id in tokenizer.special_ids() {
            tokenizer.word_starts[id as usize] = true;
        }
        Ok(tokenizer)
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

    /// SHA-256 in hex of the tokens in id order and the merges in rank order: equal for two
    /// tokenizers that give the same ids, whatever files they came from.
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

    /// An encoder with a word cache of its own; make one a thread and keep it.
    pub fn encoder(&self) -> Encoder<'_> {
        Encoder::new(self.merge_table())
    }

    fn merge_table(&self) -> &MergeTable {
        self.table.get_or_init(|| MergeTable::new(self))
    }

    pub(crate) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    pub(crate) fn merges(&self) -> &[(TokenId, TokenId)] {
        &self.merges
    }
}

fn unfit(origin: &Path, lacks: String) -> TokenizerError {
    TokenizerError::Unfit {
        path: origin.to_path_buf(),
        lacks,
    }
}

fn index_tokens(origin: &Path, tokens: &[String]) -> Result<HashMap<String, TokenId>, TokenizerError> {
    let mut ids = HashMap::with_capacity(tokens.len());
    for (id, token) in (0..).zip(tokens) {
        if let Some(first) = ids.insert(token.clone(), id) {
            return Err(unfit(
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
                return Err(unfit(
                    origin,
                    format!("{name} has id {id}, it must be {expected}"),
                ));
            }
            None => return Err(unfit(origin, format!("it lacks the special token {name}"))),
        }
    }
    let mask = *ids
        .get(MASK)
        .ok_or_else(|| unfit(origin, format!("it lacks the special token {MASK}")))?;
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
    let mut newline = 0;
    for byte in 0..=255u8 {
        let spelled = alphabet::char_of(byte).to_string();
        let id = *ids.get(&spelled).ok_or_else(|| {
            unfit(
                origin,
                format!("it lacks the byte 0x{byte:02x}, spelled {spelled:?}"),
            )
        })?;
        if byte == b'\n' {
            newline = id;
        }
    }
    Ok(newline)
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
            return Err(unfit(
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

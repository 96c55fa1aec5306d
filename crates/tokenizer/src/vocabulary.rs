//! The vocabulary: tokens, the bytes that they stand for, and their ids.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::bpe::alphabet;
use crate::error::TokenizerError;
use crate::special::{Ends, FIRST_SPECIALS, MASK, SpecialTokens, TokenId};

/// Tokens by id, and ids by token.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pub(crate) tokens: Vec<String>,
    pub(crate) bytes: Vec<Box<[u8]>>,
    /// Hashed with a random key: the spellings come from whoever made the folder.
    pub(crate) ids: HashMap<String, TokenId>,
    pub(crate) special: SpecialTokens,
    pub(crate) newline: TokenId,
    pub(crate) ends: Ends,
    pub(crate) hash: String,
}

/// What the crate `tokenizers` says of a folder's vocabulary.
pub(crate) struct FoundVocabulary {
    /// In id order; an id that no token has is an empty text.
    pub(crate) tokens: Vec<String>,
    pub(crate) special: SpecialTokens,
    pub(crate) ends: Ends,
    pub(crate) hash: String,
}

impl Vocabulary {
    /// The vocabulary of RoBERTa's byte-level BPE; `origin` is named in errors.
    pub(crate) fn of_roberta(
        origin: &Path,
        tokens: Vec<String>,
        merges: &[(TokenId, TokenId)],
    ) -> Result<Self, TokenizerError> {
        let ids = index_tokens(origin, &tokens)?;
        let special = find_specials(origin, &ids)?;
        let newline = check_alphabet(origin, &ids)?;
        check_merges(origin, &tokens, merges, &ids)?;
        Ok(Self {
            bytes: tokens.iter().map(|token| token_bytes(token)).collect(),
            hash: hash_of(&tokens, merges),
            ends: Ends {
                before: vec![special.bos],
                after: vec![special.eos],
            },
            tokens,
            ids,
            special,
            newline,
        })
    }

    /// A folder's vocabulary, of which the tokens `added` are spelled as they are.
    pub(crate) fn of_folder(found: FoundVocabulary, added: &HashSet<&str>) -> Self {
        let FoundVocabulary {
            tokens,
            special,
            ends,
            hash,
        } = found;
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
        Self {
            bytes,
            ids,
            newline: newline.unwrap_or(special.unk),
            tokens,
            special,
            ends,
            hash,
        }
    }

    pub(crate) fn id(&self, token: &str) -> Option<TokenId> {
        self.ids.get(token).copied()
    }

    pub(crate) fn token(&self, id: TokenId) -> Option<&str> {
        self.tokens.get(id as usize).map(String::as_str)
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

/// The first byte that no token spells, in words.
pub(crate) fn missing_byte(ids: &HashMap<String, TokenId>) -> Option<String> {
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

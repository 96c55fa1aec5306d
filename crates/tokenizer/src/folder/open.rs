//! Opens a tokenizer folder of ours or anybody's.
//!
//! `tokenizer.json` is read if it is there, else `vocab.json` with `merges.txt`, and [`crate::folder::settings`]
//! says what the small files beside ask for. Byte-level BPE as RoBERTa has it is encoded by our own
//! encoder. Anything else goes through the crate `tokenizers` ([`crate::folder::by_library`]), and the notes say so.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::folder::by_library::{self, FoundFile};
use crate::folder::class::Class;
use crate::folder::file_names::{
    ADDED_TOKENS_JSON, MERGES_TXT, SPECIAL_TOKENS_MAP_JSON, TOKENIZER_CONFIG_JSON, TOKENIZER_JSON, VOCAB_JSON,
};
use crate::folder::files::with_entry;
use crate::folder::manifest::check_manifest;
use crate::folder::read::{parse, read};
use crate::folder::settings::Settings;
use crate::folder::stated_token::NumberedToken;
use crate::folder::tokenizer_json::{Entries, MergeEntry, TokenizerJson, split_merge};
use crate::library::added_tokens::AddedTokens;
use crate::special::{FIRST_SPECIALS, MASK};
use crate::spelled::SpelledTokens;
use crate::tokenizer::TruncationSide;
use crate::{TokenId, Tokenizer, TokenizerError};

impl Tokenizer {
    /// Opens a tokenizer folder that a corpus is built with: as [`Self::open_for_text`], and every byte
    /// has a token, one token stands before a text and one behind it, and these and the padding have
    /// RoBERTa's ids.
    ///
    /// # Errors
    /// As [`Self::open_for_text`]; [`TokenizerError::Unfit`] also names what a corpus needs.
    pub fn open(folder: &Path) -> Result<Self, TokenizerError> {
        let tokenizer = Self::open_for_text(folder)?;
        match tokenizer.corpus_misfit() {
            Some(lacks) => Err(TokenizerError::unfit(folder, lacks)),
            None => Ok(tokenizer),
        }
    }

    /// Opens a tokenizer folder: `tokenizer.json`, or `vocab.json` with `merges.txt`, and what the files
    /// beside them say. If the folder has a `manifest.json` of ours, it must fit.
    ///
    /// # Errors
    /// [`TokenizerError::Unfit`] for what cannot be encoded as `transformers` does, naming it;
    /// [`TokenizerError::Manifest`] when the manifest names another tokenizer; the others when
    /// a file is missing or cannot be read.
    pub fn open_for_text(folder: &Path) -> Result<Self, TokenizerError> {
        let settings = Settings::read(folder)?;
        let mut tokenizer = if folder.join(TOKENIZER_JSON).exists() {
            open_tokenizer_json(folder, &settings)?
        } else if folder.join(VOCAB_JSON).exists() && folder.join(MERGES_TXT).exists() {
            open_vocab_and_merges(folder, &settings)?
        } else {
            return Err(TokenizerError::NoTokenizer {
                folder: folder.to_path_buf(),
            });
        };
        check_manifest(folder, &mut tokenizer)?;
        if !tokenizer.is_as_ours(folder)? {
            tokenizer.files = files_to_keep(folder, &settings)?;
        }
        Ok(tokenizer)
    }

    /// Whether the files that are written here would open as the same tokenizer.
    fn is_as_ours(&self, folder: &Path) -> Result<bool, TokenizerError> {
        let ours = SpelledTokens::of_roberta(|token| self.id(token));
        let ours = ours.map_err(|lacks| TokenizerError::unfit(folder, lacks))?;
        let right = self.truncation_side == TruncationSide::Right;
        Ok(!self.encodes_by_library() && right && self.spelled.finds_as(&ours))
    }
}

/// The files of the folder as they are, for a corpus and a model that are made with it.
fn files_to_keep(folder: &Path, settings: &Settings) -> Result<Vec<(&'static str, Vec<u8>)>, TokenizerError> {
    let mut files = Vec::new();
    for name in [
        TOKENIZER_JSON,
        TOKENIZER_CONFIG_JSON,
        SPECIAL_TOKENS_MAP_JSON,
        ADDED_TOKENS_JSON,
        VOCAB_JSON,
        MERGES_TXT,
    ] {
        let path = folder.join(name);
        if path.exists() {
            files.push((name, read(&path)?));
        }
    }
    if !settings.names_class {
        // else another reader's choice would depend on a `config.json` that is not copied
        let at = files.iter().position(|(name, _)| *name == TOKENIZER_CONFIG_JSON);
        let config = at.map_or_else(|| b"{}".to_vec(), |at| files.swap_remove(at).1);
        let class = ("tokenizer_class", json!(settings.class.name()));
        files.push((
            TOKENIZER_CONFIG_JSON,
            with_entry(TOKENIZER_CONFIG_JSON, &config, class)?,
        ));
    }
    Ok(files)
}

fn open_tokenizer_json(folder: &Path, settings: &Settings) -> Result<Tokenizer, TokenizerError> {
    let path = folder.join(TOKENIZER_JSON);
    let bytes = read(&path)?;
    let found = |json| FoundFile {
        file: &path,
        settings,
        json,
    };
    let file = match serde_json::from_slice::<TokenizerJson<'_>>(&bytes) {
        Ok(file) => file,
        Err(source) => {
            // another model, whose vocabulary has another form, or an unusual way to write the same
            let json: Value = parse(&path, &bytes)?;
            let model = json["model"]["type"].as_str().unwrap_or("BPE");
            let why = match model {
                "BPE" => format!("it is not written as usual ({source})"),
                model => format!("its model is {model}, not BPE"),
            };
            return found(json).open(&why);
        }
    };
    let (misfit, left_aside) = match settings.class {
        Class::Roberta => (file.model_misfit(), file.left_aside()),
        Class::TokenizerJson => (file.misfit(), None),
    };
    let side = settings.truncation_side(file.truncation_side())?;
    let padding = file.padding().map(str::to_owned);
    let own = match misfit {
        Some(why) => Err(why),
        None => Source {
            path: &path,
            entries: file.model.vocab.0,
            merges: file.model.merges,
            in_file: file.added_tokens,
            padding,
            side,
        }
        .open(settings)?,
    };
    let mut tokenizer = match own {
        Ok(tokenizer) => tokenizer,
        Err(why) => found(parse(&path, &bytes)?).open(&why)?,
    };
    tokenizer.notes.extend(left_aside.map(|what| {
        format!(
            "{TOKENIZER_JSON}: {what}; RobertaTokenizer of transformers 5 leaves that aside, and so do we, \
             but transformers 4 does not"
        )
    }));
    Ok(tokenizer)
}

fn open_vocab_and_merges(folder: &Path, settings: &Settings) -> Result<Tokenizer, TokenizerError> {
    let (vocab, merges) = (folder.join(VOCAB_JSON), folder.join(MERGES_TXT));
    if settings.class != Class::Roberta {
        let lacks = format!(
            "its tokenizer_class is {}, which needs {TOKENIZER_JSON}",
            settings.class.name()
        );
        return Err(TokenizerError::unfit(folder, lacks));
    }
    let bytes = read(&vocab)?;
    let text = String::from_utf8(read(&merges)?)
        .map_err(|error| TokenizerError::unfit(&merges, format!("it is not UTF-8: {error}")))?;
    let source = Source {
        path: &vocab,
        entries: parse::<Entries<TokenId>>(&vocab, &bytes)?.0,
        merges: parse_merges(&merges, &text)?,
        in_file: Vec::new(),
        padding: None,
        side: settings.truncation_side(None)?,
    };
    match source.open(settings)? {
        Ok(tokenizer) => Ok(tokenizer),
        Err(why) => FoundFile {
            file: &vocab,
            settings,
            json: by_library::roberta_json(&parse(&vocab, &bytes)?, &parse_merges(&merges, &text)?),
        }
        .open(&why),
    }
}

/// Vocabulary, merges and added tokens of a file.
struct Source<'a> {
    path: &'a Path,
    entries: Vec<(String, TokenId)>,
    merges: Vec<MergeEntry<'a>>,
    in_file: Vec<NumberedToken>,
    padding: Option<String>,
    side: TruncationSide,
}

impl Source<'_> {
    /// A tokenizer that our own encoder covers, or why it does not.
    fn open(self, settings: &Settings) -> Result<Result<Tokenizer, String>, TokenizerError> {
        let tokens = settings.tokens(&self.in_file, self.padding.as_deref())?;
        if let Some(why) = misfit(settings, &tokens)? {
            return Ok(Err(why));
        }
        let mut entries = self.entries;
        add_missing(&mut entries, &tokens);
        match from_entries(self.path, entries, &self.merges) {
            Ok(mut tokenizer) => {
                let split = settings.flag("split_special_tokens")?;
                let spelled = SpelledTokens::new(tokens.all(), split, |token| tokenizer.id(token));
                tokenizer.truncation_side = self.side;
                tokenizer.spelled = spelled.map_err(|lacks| TokenizerError::unfit(self.path, lacks))?;
                Ok(Ok(tokenizer))
            }
            Err(TokenizerError::Unfit { lacks, .. }) => Ok(Err(lacks)),
            Err(error) => Err(error),
        }
    }
}

/// What our own encoder does not cover of the tokens of a folder and its settings.
fn misfit(settings: &Settings, tokens: &AddedTokens) -> Result<Option<String>, TokenizerError> {
    if settings.class == Class::Roberta && settings.flag("add_prefix_space")? {
        return Ok(Some("add_prefix_space puts a space before every text".to_owned()));
    }
    let known = |token: &str| token == MASK || FIRST_SPECIALS.contains(&token);
    if let Some(other) = tokens.all().find(|token| !known(&token.content)) {
        return Ok(Some(format!("it has the added token {:?}", other.content)));
    }
    if let Some(token) = tokens.all().find(|token| token.single_word) {
        return Ok(Some(format!(
            "its token {:?} is only found as a single word",
            token.content
        )));
    }
    Ok(tokens.other_name())
}

/// Added tokens that the vocabulary lacks get the next ids, in the order in which they are added.
fn add_missing(entries: &mut Vec<(String, TokenId)>, tokens: &AddedTokens) {
    let added: HashSet<&str> = tokens.all().map(|token| &*token.content).collect();
    let known = entries.iter().map(|(token, _)| token.as_str());
    let mut known: HashSet<&str> = known.filter(|token| added.contains(token)).collect();
    let all = tokens.all().map(|token| &*token.content);
    let missing: Vec<String> = all
        .filter(|token| known.insert(token))
        .map(str::to_owned)
        .collect();
    for token in missing {
        let next = TokenId::try_from(entries.len()).unwrap_or(TokenId::MAX);
        entries.push((token, next));
    }
}

fn from_entries(
    origin: &Path,
    entries: Vec<(String, TokenId)>,
    merges: &[MergeEntry<'_>],
) -> Result<Tokenizer, TokenizerError> {
    let tokens = in_id_order(entries).map_err(|lacks| TokenizerError::unfit(origin, lacks))?;
    let ids: HashMap<&str, TokenId> = tokens.iter().map(String::as_str).zip(0..).collect();
    let id = |token: &str| {
        let unknown = || TokenizerError::unfit(origin, format!("a merge uses {token:?}, which has no id"));
        ids.get(token).copied().ok_or_else(unknown)
    };
    let merges = merges
        .iter()
        .map(|MergeEntry(left, right)| Ok((id(left)?, id(right)?)))
        .collect::<Result<_, TokenizerError>>()?;
    drop(ids);
    Tokenizer::from_parts(origin, tokens, merges)
}

fn parse_merges<'a>(path: &Path, text: &'a str) -> Result<Vec<MergeEntry<'a>>, TokenizerError> {
    let lines = (1..).zip(text.lines());
    lines
        .filter(|(_, line)| !line.starts_with("#version") && !line.is_empty())
        .map(|(line, text)| {
            let pair = split_merge(text).map(|(left, right)| MergeEntry(left.into(), right.into()));
            pair.ok_or_else(|| TokenizerError::MergeLine {
                path: path.to_path_buf(),
                line,
            })
        })
        .collect()
}

/// The tokens by id; ids must be 0, 1, 2 ... without holes.
fn in_id_order(mut entries: Vec<(String, TokenId)>) -> Result<Vec<String>, String> {
    entries.sort_by_key(|(_, id)| *id);
    for (expected, (token, id)) in (0..).zip(&entries) {
        if *id != expected {
            return Err(format!(
                "ids are not 0, 1, 2 ...: {token:?} has {id}, not {expected}"
            ));
        }
    }
    Ok(entries.into_iter().map(|(token, _)| token).collect())
}

#[cfg(test)]
mod tests;

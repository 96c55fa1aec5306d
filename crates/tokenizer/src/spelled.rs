//! Finds the special tokens that a text spells, for our own encoder, as the crate `tokenizers` does: first
//! those that are not normalized, in the text as it is, then the others in what is between.

use std::borrow::Cow;
use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};
use tokenizers::AddedToken;

use crate::TokenId;
use crate::special::{FIRST_SPECIALS, MASK};

/// The special tokens that text is searched for.
#[derive(Debug)]
pub(crate) struct SpelledTokens {
    tokens: Vec<(TokenId, AddedToken)>,
    in_text: Option<Finder>,
    in_normalized_text: Option<Finder>,
}

#[derive(Debug)]
struct Finder {
    finder: AhoCorasick,
    tokens: Vec<(TokenId, AddedToken)>,
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Token(TokenId),
}

impl SpelledTokens {
    /// `added` in the order in which they are added: the later of two with one text counts. With
    /// `split_special_tokens` special tokens are text.
    pub(crate) fn new<'a>(
        added: impl Iterator<Item = &'a AddedToken>,
        split_special_tokens: bool,
        id: impl Fn(&str) -> Option<TokenId>,
    ) -> Result<Self, String> {
        let last: HashMap<&str, &AddedToken> = added.map(|token| (token.content.as_str(), token)).collect();
        let found = last
            .into_values()
            .filter(|token| !(split_special_tokens && token.special));
        let numbered = found.filter_map(|token| Some((id(&token.content)?, token.clone())));
        let mut tokens: Vec<(TokenId, AddedToken)> = numbered.collect();
        tokens.sort_by_key(|(id, _)| *id);
        let (normalized, as_they_are) = tokens.iter().cloned().partition(|(_, token)| token.normalized);
        Ok(Self {
            in_text: Finder::new(as_they_are)?,
            in_normalized_text: Finder::new(normalized)?,
            tokens,
        })
    }

    /// None, where our own encoder encodes nothing.
    pub(crate) fn none() -> Self {
        Self {
            tokens: Vec::new(),
            in_text: None,
            in_normalized_text: None,
        }
    }

    /// Those of the folders that are written here.
    pub(crate) fn of_roberta(id: impl Fn(&str) -> Option<TokenId>) -> Result<Self, String> {
        let token = |text| AddedToken::from(text, true).lstrip(text == MASK);
        let all: Vec<AddedToken> = FIRST_SPECIALS.into_iter().chain([MASK]).map(token).collect();
        Self::new(all.iter(), false, id)
    }

    /// Whether the same texts give the same tokens.
    pub(crate) fn finds_as(&self, other: &Self) -> bool {
        // without a normalizer it makes no difference whether a token is normalized
        let flags = |(id, token): &(TokenId, AddedToken)| (*id, token.lstrip, token.rstrip);
        self.tokens.iter().map(flags).eq(other.tokens.iter().map(flags))
    }

    /// Hands the parts of `text` over in order: text to `encode`, tokens to `token`.
    pub(crate) fn split<S>(
        &self,
        text: &str,
        lower_case: bool,
        state: &mut S,
        (encode, token): (impl Fn(&mut S, &str), impl Fn(&mut S, TokenId)),
    ) {
        for part in parts(self.in_text.as_ref(), text) {
            let part = match part {
                Part::Token(id) => {
                    token(state, id);
                    continue;
                }
                Part::Text(part) if lower_case => Cow::Owned(in_lower_case(part)),
                Part::Text(part) => Cow::Borrowed(part),
            };
            for part in parts(self.in_normalized_text.as_ref(), &part) {
                match part {
                    Part::Token(id) => token(state, id),
                    Part::Text(part) => encode(state, part),
                }
            }
        }
    }
}

/// Character by character, as the normalizer of `tokenizers`.
fn in_lower_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

impl Finder {
    fn new(tokens: Vec<(TokenId, AddedToken)>) -> Result<Option<Self>, String> {
        if tokens.is_empty() {
            return Ok(None);
        }
        let texts = tokens.iter().map(|(_, token)| token.content.as_str());
        let mut builder = AhoCorasick::builder();
        let finder = builder.match_kind(MatchKind::LeftmostLongest).build(texts);
        let finder = finder.map_err(|error| error.to_string())?;
        Ok(Some(Self { finder, tokens }))
    }
}

fn parts<'a>(finder: Option<&Finder>, text: &'a str) -> Vec<Part<'a>> {
    let Some(Finder { finder, tokens }) = finder else {
        return vec![Part::Text(text)];
    };
    let (mut parts, mut done) = (Vec::new(), 0);
    for found in finder.find_iter(text) {
        let (id, token) = &tokens[found.pattern().as_usize()];
        let (mut start, mut end) = (found.start(), found.end());
        if token.lstrip {
            start = text[..start].trim_end().len().max(done);
        }
        if token.rstrip {
            end = text.len() - text[end..].trim_start().len();
        }
        if done < start {
            parts.push(Part::Text(&text[done..start]));
        }
        parts.push(Part::Token(*id));
        done = end;
    }
    if done < text.len() {
        parts.push(Part::Text(&text[done..]));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(flags: impl Fn(AddedToken) -> AddedToken) -> SpelledTokens {
        let tokens = ["<s>", "<mask>"].map(|text| flags(AddedToken::from(text, true)));
        SpelledTokens::new(tokens.iter(), false, |text| Some(u32::from(text == "<mask>"))).unwrap()
    }

    fn shown(spelled: &SpelledTokens, text: &str, lower_case: bool) -> Vec<String> {
        let mut parts = Vec::new();
        let text_part = |parts: &mut Vec<String>, part: &str| parts.push(part.to_owned());
        let token = |parts: &mut Vec<String>, id: TokenId| parts.push(format!("#{id}"));
        spelled.split(text, lower_case, &mut parts, (text_part, token));
        parts
    }

    #[test]
    fn white_space_beside_a_token_goes_where_the_token_says_so() {
        let text = "a <s> b \u{a0}<mask>\t<mask> c";
        let plain = spelled(|token| token);
        assert_eq!(
            shown(&plain, text, false),
            ["a ", "#0", " b \u{a0}", "#1", "\t", "#1", " c"]
        );
        let left = spelled(|token| token.lstrip(true));
        assert_eq!(shown(&left, text, false), ["a", "#0", " b", "#1", "#1", " c"]);
        let both = spelled(|token| token.lstrip(true).rstrip(true));
        assert_eq!(shown(&both, text, false), ["a", "#0", "b", "#1", "#1", "c"]);
    }

    #[test]
    fn in_lower_case_only_tokens_that_are_normalized_are_found_in_capitals() {
        let text = "A<MASK>B<mask>";
        let as_it_is = spelled(|token| token.normalized(false));
        assert_eq!(shown(&as_it_is, text, true), ["a<mask>b", "#1"]);
        let normalized = spelled(|token| token.normalized(true));
        assert_eq!(shown(&normalized, text, true), ["a", "#1", "b", "#1"]);
        assert_eq!(shown(&normalized, text, false), ["A<MASK>B", "#1"]);
    }

    #[test]
    fn a_megabyte_of_special_tokens_takes_no_quadratic_time() {
        let text = "<s>".repeat(400_000);
        let start = std::time::Instant::now();
        let all = spelled(|token| token.lstrip(true).rstrip(true));
        assert_eq!(shown(&all, &text, false).len(), 400_000);
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }
}

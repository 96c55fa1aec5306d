//! Special tokens: which ones there are, how RoBERTa spells them, and their ids.

/// Number of an entry of the vocabulary.
pub type TokenId = u32;

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

impl SpecialTokens {
    /// All five.
    pub(crate) fn ids(self) -> [TokenId; 5] {
        let Self {
            bos,
            pad,
            eos,
            unk,
            mask,
        } = self;
        [bos, pad, eos, unk, mask]
    }
}

/// Spelling of the specials with the ids that they must have.
pub(crate) const FIRST_SPECIALS: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];
pub(crate) const MASK: &str = "<mask>";

/// A special token with a part to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Bos,
    Eos,
    Unk,
    Sep,
    Pad,
    Cls,
    Mask,
}

impl Role {
    /// In the order in which they are added.
    pub(crate) const ALL: [Self; 7] = [
        Self::Bos,
        Self::Eos,
        Self::Unk,
        Self::Sep,
        Self::Pad,
        Self::Cls,
        Self::Mask,
    ];

    /// The key in a file.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Bos => "bos_token",
            Self::Eos => "eos_token",
            Self::Unk => "unk_token",
            Self::Sep => "sep_token",
            Self::Pad => "pad_token",
            Self::Cls => "cls_token",
            Self::Mask => "mask_token",
        }
    }

    /// RoBERTa's text.
    pub(crate) fn text(self) -> &'static str {
        let [bos, pad, eos, unk] = FIRST_SPECIALS;
        match self {
            Self::Bos | Self::Cls => bos,
            Self::Eos | Self::Sep => eos,
            Self::Unk => unk,
            Self::Pad => pad,
            Self::Mask => MASK,
        }
    }

    /// Whether a file names one of them by `key`.
    pub(crate) fn is_key(key: &str) -> bool {
        Self::ALL.iter().any(|role| role.key() == key)
    }
}

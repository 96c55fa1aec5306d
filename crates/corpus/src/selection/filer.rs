//! Whose a document is: the key by which filers are held out and their documents compared. A pure
//! function of what a document says of itself.
//!
//! A document belongs to its filer: by Central Index Key, without one by the normalized company
//! name, without that a text by its ticker, else it stands alone; a wiki page belongs to its page id.

use documents::Document;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::selection::day::Day;
use crate::sources::{HoldOutKey, Source};

/// What the choice needs to know of a document; other fields of its JSON are passed over.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct DocumentHead {
    /// The document's id.
    pub id: String,
    /// Its source (`10-K`, `wiki`).
    pub source: String,
    /// Central Index Key of the filer.
    pub cik: Option<String>,
    /// Name of the filer.
    pub company: Option<String>,
    /// Its trading symbols.
    #[serde(default)]
    pub tickers: Vec<String>,
    /// Filing date.
    pub filed: Option<String>,
    /// When this text was accepted or saved.
    pub accepted_at: Option<String>,
}

/// Stands for a filer while documents are counted; resolved by [`HeldOut::contains`](crate::HeldOut::contains).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilerKey(pub(super) u64);

/// How a document names its filer: by the key that it is placed by, and by the company's name
/// beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FilerNames {
    pub(super) key: u64,
    /// 0 where the name is the key, or not known.
    pub(super) company: u64,
}

impl DocumentHead {
    /// The head of a whole document.
    pub fn of(document: &Document) -> Self {
        Self {
            id: document.id.clone(),
            source: document.source.clone(),
            cik: document.cik.clone(),
            company: document.company.clone(),
            tickers: document.tickers.clone(),
            filed: document.filed.clone(),
            accepted_at: document.accepted_at.clone(),
        }
    }

    /// The day of the document, where it is known.
    pub(crate) fn day(&self) -> Option<Day> {
        Day::of_dates(self.filed.as_deref(), self.accepted_at.as_deref())
    }
}

impl FilerKey {
    /// The key of a document's filer, as [`Filers::add`](crate::Filers::add) gives it.
    pub fn of(document: &DocumentHead) -> Self {
        Self(filer_key(document))
    }
}

impl FilerNames {
    pub(crate) fn of(document: &DocumentHead) -> Self {
        let company = document.cik.as_ref().and_then(|_| company_key(document));
        Self {
            key: filer_key(document),
            company: company.unwrap_or(0),
        }
    }

    /// Both, to be written down.
    pub(crate) fn numbers(self) -> (u64, u64) {
        (self.key, self.company)
    }

    pub(crate) fn from_numbers(key: u64, company: u64) -> Self {
        Self { key, company }
    }
}

pub(super) fn filer_key(document: &DocumentHead) -> u64 {
    let source = Source::of_id(&document.id);
    let stated = match source.hold_out_key(&document.id) {
        HoldOutKey::Page(page) => Some(identity(source.id_prefix().unwrap_or_default(), page)),
        HoldOutKey::Filer => stated_filer_key(document),
        HoldOutKey::FilerOrTicker => stated_filer_key(document).or_else(|| ticker_key(document)),
    };
    stated.unwrap_or_else(|| identity("document", &document.id))
}

/// By the CIK, without one by the company.
fn stated_filer_key(document: &DocumentHead) -> Option<u64> {
    match &document.cik {
        Some(cik) => Some(identity("cik", cik.trim_start_matches('0'))),
        None => company_key(document),
    }
}

fn ticker_key(document: &DocumentHead) -> Option<u64> {
    let ticker = document.tickers.first()?;
    Some(identity("ticker", &ticker.to_uppercase()))
}

fn company_key(document: &DocumentHead) -> Option<u64> {
    let name = normalized_company(document.company.as_deref()?);
    (!name.is_empty()).then(|| identity("company", &name))
}

fn identity(kind: &str, name: &str) -> u64 {
    xxh3_64(format!("{kind}:{name}").as_bytes())
}

/// Lower case, words of letters and digits, without the legal form at the end.
fn normalized_company(name: &str) -> String {
    const LEGAL_FORMS: [&str; 12] = [
        "inc",
        "incorporated",
        "corp",
        "corporation",
        "co",
        "company",
        "ltd",
        "limited",
        "llc",
        "plc",
        "lp",
        "de",
    ];
    let lower = name.to_lowercase();
    let mut words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    while words.len() > 1 && words.last().is_some_and(|word| LEGAL_FORMS.contains(word)) {
        words.pop();
    }
    words.join(" ")
}

//! Which companies are held out: a pure function of who filed what, with no regard to order.
//! It neither reads documents nor writes shards.
//!
//! A document belongs to its filer: by Central Index Key, without one by the normalized company
//! name, without that a text by its ticker, else it stands alone; a wiki page belongs to its page id. Where some documents give key
//! and name and others the name alone, they count as one filer, so that no year of a held-out
//! company is trained on however its filings were saved. A filer is held out when the hash of
//! its identity falls below the fraction; a source that then has less than its share gives those
//! with the next hashes, so at least one; and a corpus is never held out whole. A filer that is
//! on one side stays there, but for these few, when others come.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::CorpusError;
use crate::selection::filer::{DocumentHead, FilerKey, FilerNames};

/// Share of the filers that is held out: enough companies for a figure a source, few enough not
/// to be missed in training.
pub const HELD_OUT_FRACTION: f64 = 0.05;

/// The rule in words, for manifests.
pub(crate) const HELD_OUT_RULE: &str = "filers whose hash falls below the fraction, of each source at least its share and one; a filer is a CIK, \
     without one a normalised company name, else a document; for wiki a page id";

/// Separates this use of the hash from every other.
pub(crate) const CHOICE_SEED: u64 = 0x7465_6e6b_686f_6c64;

/// All filers seen, by source, and which keys mean the same filer.
#[derive(Debug, Default)]
pub struct Filers {
    same_as: FxHashMap<u64, u64>,
    by_source: BTreeMap<String, Keys>,
}

/// A set that grows: 8 to 16 bytes a key, for each wiki page is one.
#[derive(Debug, Default)]
struct Keys {
    keys: Vec<u64>,
    /// How many of them are sorted and each once.
    num_distinct: usize,
}

/// The filers that are held out.
#[derive(Debug, Default)]
pub struct HeldOut {
    same_as: FxHashMap<u64, u64>,
    filers: FxHashSet<u64>,
}

impl Filers {
    /// Counts a document in; the key tells later on which side it is.
    pub fn add(&mut self, document: &DocumentHead) -> FilerKey {
        self.add_names(&document.source, FilerNames::of(document))
    }

    pub(crate) fn add_names(&mut self, source: &str, names: FilerNames) -> FilerKey {
        if names.company != 0 {
            self.join(names.key, names.company);
        }
        if !self.by_source.contains_key(source) {
            self.by_source.insert(source.to_owned(), Keys::default());
        }
        if let Some(keys) = self.by_source.get_mut(source) {
            keys.insert(names.key);
        }
        FilerKey(names.key)
    }

    /// Chooses what is held out.
    ///
    /// # Errors
    /// [`CorpusError::HeldOutFraction`] when the fraction is not in `0.0..1.0`.
    pub fn hold_out(self, fraction: f64) -> Result<HeldOut, CorpusError> {
        refuse_fraction(fraction)?;
        let Self { same_as, by_source } = self;
        let same_as = flattened(same_as);
        // By hash of the identity: the order of the sets does not reach the result.
        let (mut chosen, mut is_one_left) = (BTreeMap::new(), false);
        let mut sources: Vec<Vec<(u64, u64)>> = Vec::with_capacity(by_source.len());
        for keys in by_source.into_values() {
            let filers = keys.into_filers(&same_as);
            let num_below = filers.partition_point(|(hash, _)| is_below(*hash, fraction));
            let num_chosen = num_below.max(share_of(filers.len(), fraction));
            chosen.extend(filers.iter().take(num_chosen).copied());
            is_one_left |= num_chosen < filers.len();
            if num_chosen < filers.len() {
                sources.push(filers);
            }
        }
        // A source may leave a filer that another one takes.
        let is_left = |(hash, _): &(u64, u64)| !chosen.contains_key(hash);
        is_one_left = is_one_left && sources.iter().flatten().any(is_left);
        if !is_one_left {
            chosen.pop_last();
        }
        let filers = chosen.into_values().collect();
        Ok(HeldOut { same_as, filers })
    }

    /// Two keys of one filer: the smaller root stands for both, so that order does not matter.
    fn join(&mut self, a: u64, b: u64) {
        let (a, b) = (self.find(a), self.find(b));
        if a != b {
            self.same_as.insert(a.max(b), a.min(b));
        }
    }

    /// The root of a key, to which all on the way there lead from now on: filings of chosen names make no
    /// long chains.
    fn find(&mut self, key: u64) -> u64 {
        let root = root(&self.same_as, key);
        let mut at = key;
        while let Some(next) = self.same_as.get_mut(&at).filter(|next| **next != root) {
            at = std::mem::replace(next, root);
        }
        root
    }
}

impl Keys {
    fn insert(&mut self, key: u64) {
        // A filing often follows another one of its filer.
        if self.keys.last() == Some(&key) {
            return;
        }
        if self.keys.len() >= 1024.max(2 * self.num_distinct) {
            self.compact();
        }
        self.keys.push(key);
    }

    fn compact(&mut self) {
        self.keys.sort_unstable();
        self.keys.dedup();
        self.num_distinct = self.keys.len();
    }

    /// The filers behind the keys, each once with its hash, sorted by it.
    fn into_filers(mut self, same_as: &FxHashMap<u64, u64>) -> Vec<(u64, u64)> {
        self.compact();
        let filer = |key: u64| {
            let filer = root(same_as, key);
            (choice_hash(filer), filer)
        };
        let mut filers: Vec<(u64, u64)> = self.keys.into_iter().map(filer).collect();
        filers.sort_unstable();
        filers.dedup();
        filers
    }
}

impl HeldOut {
    /// Whether the documents of this filer are held out.
    pub fn contains(&self, key: FilerKey) -> bool {
        self.filers.contains(&self.identity(key))
    }

    /// One number a filer, whatever it is called.
    pub(crate) fn identity(&self, key: FilerKey) -> u64 {
        root(&self.same_as, key.0)
    }

    /// How many filers are held out.
    pub fn num_filers(&self) -> usize {
        self.filers.len()
    }
}

/// The share in whole filers, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and `num_filers`"
)]
fn share_of(num_filers: usize, fraction: f64) -> usize {
    (num_filers as f64 * fraction).ceil() as usize
}

/// Refuses a fraction that is none, before any work is done.
pub(crate) fn refuse_fraction(fraction: f64) -> Result<(), CorpusError> {
    if (0.0..1.0).contains(&fraction) {
        Ok(())
    } else {
        Err(CorpusError::HeldOutFraction { found: fraction })
    }
}

/// Lets each key lead to its root in one step.
fn flattened(mut same_as: FxHashMap<u64, u64>) -> FxHashMap<u64, u64> {
    let mut keys: Vec<u64> = same_as.keys().copied().collect();
    // A key leads to a smaller one, which leads to its root by then.
    keys.sort_unstable();
    for key in keys {
        let root = root(&same_as, key);
        same_as.insert(key, root);
    }
    same_as
}

fn root(same_as: &FxHashMap<u64, u64>, mut key: u64) -> u64 {
    while let Some(smaller) = same_as.get(&key) {
        key = *smaller;
    }
    key
}

fn choice_hash(filer: u64) -> u64 {
    xxh3_64_with_seed(&filer.to_le_bytes(), CHOICE_SEED)
}

fn is_below(hash: u64, fraction: f64) -> bool {
    // 53 bits of the hash as a number in 0..1.
    ((hash >> 11) as f64) < fraction * (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::selection::filer::filer_key;

    fn filing(id: &str, source: &str, cik: Option<u32>, company: Option<&str>) -> DocumentHead {
        DocumentHead {
            id: id.into(),
            source: source.into(),
            cik: cik.map(|cik| format!("{cik:010}")),
            company: company.map(String::from),
            ..DocumentHead::default()
        }
    }

    fn sides(documents: &[DocumentHead], fraction: f64) -> Vec<bool> {
        let mut filers = Filers::default();
        let keys: Vec<FilerKey> = documents.iter().map(|document| filers.add(document)).collect();
        let held_out = filers.hold_out(fraction).unwrap();
        keys.into_iter().map(|key| held_out.contains(key)).collect()
    }

    fn filings() -> impl Strategy<Value = Vec<DocumentHead>> {
        let one = (0_u32..40, 0_u32..8, any::<bool>(), any::<bool>());
        proptest::collection::vec(one, 1..120).prop_map(|rows| {
            rows.iter()
                .enumerate()
                .map(|(index, (company, source, with_cik, with_name))| {
                    let name = format!("Company {company}");
                    let cik = with_cik.then_some(*company);
                    filing(
                        &format!("d{index}"),
                        ["10-K", "10-Q", "10-K/A"][*source as usize % 3],
                        cik,
                        with_name.then_some(&name),
                    )
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_choice_does_not_depend_on_the_order_of_documents(documents in filings(), turn in 0_usize..100) {
            let forward = sides(&documents, 0.2);
            let mut turned = documents.clone();
            let turn = turn % turned.len();
            turned.rotate_left(turn);
            turned.reverse();
            let mut back = sides(&turned, 0.2);
            back.reverse();
            back.rotate_right(turn);
            prop_assert_eq!(forward, back);
        }

        #[test]
        fn every_source_has_a_held_out_document_and_training_is_never_empty(documents in filings()) {
            let side = sides(&documents, 0.05);
            prop_assert!(side.contains(&false));
            let mut filers = Filers::default();
            for document in &documents { filers.add(document); }
            let num_filers: FxHashSet<u64> =
                filers.by_source.values().flat_map(|keys| &keys.keys).map(|key| root(&filers.same_as, *key)).collect();
            if num_filers.len() > 3 {
                for source in filers.by_source.keys() {
                    let held = documents.iter().zip(&side).any(|(d, held)| d.source == *source && *held);
                    prop_assert!(held, "{} has no held-out document", source);
                }
            }
        }
    }

    #[test]
    fn names_that_are_chosen_to_make_one_long_chain_cost_no_more_than_others() {
        const NUM_KEYS: u64 = 400_000;
        let begun = std::time::Instant::now();
        // Each joins the root before to a smaller one; or all join the same key, the furthest from its root.
        for first in [None, Some(NUM_KEYS)] {
            let mut filers = Filers::default();
            for key in (0..NUM_KEYS).rev() {
                filers.join(first.unwrap_or(key + 1), key);
                filers.by_source.entry("10-K".to_owned()).or_default().insert(key);
            }
            let held_out = filers.hold_out(0.5).unwrap();
            assert!((0..=NUM_KEYS).all(|key| held_out.identity(FilerKey(key)) == 0));
        }
        // Step by step along the chain it would be 160 billion look-ups.
        assert!(
            begun.elapsed() < std::time::Duration::from_mins(1),
            "{:?}",
            begun.elapsed()
        );
    }

    #[test]
    fn all_years_of_a_company_are_on_one_side() {
        let mut documents = Vec::new();
        for company in 0..200 {
            for year in 2010..2015 {
                documents.push(filing(&format!("{company}-{year}"), "10-K", Some(company), None));
            }
        }
        let side = sides(&documents, 0.1);
        assert!(
            side.chunks(5)
                .all(|years| years.iter().all(|held| *held == years[0]))
        );
        let held = side.iter().filter(|held| **held).count() / 5;
        assert!((20..=35).contains(&held), "{held} of 200 companies at one tenth");
    }

    #[test]
    fn a_filing_that_gives_only_the_name_goes_with_those_that_give_the_key() {
        for cik in 0..50 {
            let others = (100..120).map(|n| filing(&format!("o{n}"), "10-K", Some(n), None));
            let mut documents = vec![
                filing("a", "10-K", None, Some("Example Widgets, Inc.")),
                filing("b", "10-K", Some(cik), Some("EXAMPLE WIDGETS INC")),
                filing("c", "10-Q", Some(cik), None),
            ];
            documents.extend(others);
            let side = sides(&documents, 0.3);
            assert!(
                side[0] == side[1] && side[1] == side[2],
                "cik {cik}: {:?}",
                &side[..3]
            );
        }
    }

    #[test]
    fn the_revisions_of_a_wiki_page_are_one_filer() {
        let page = |id: &str| filer_key(&filing(id, "wiki", None, None));
        assert_eq!(page("wiki:12:100"), page("wiki:12:200"));
        assert_ne!(page("wiki:12:100"), page("wiki:13:100"));
    }

    #[test]
    fn a_ticker_stands_for_the_filer_of_a_text_that_names_neither_key_nor_company() {
        let of = |id: &str, cik: Option<u32>, company: Option<&str>, ticker: &str| {
            filer_key(&DocumentHead {
                tickers: vec![ticker.into()],
                ..filing(id, "10-K", cik, company)
            })
        };
        assert_eq!(of("text:1", None, None, "OAK"), of("text:2", None, None, "oak"));
        assert_ne!(of("text:1", None, None, "OAK"), of("text:2", None, None, "ELM"));
        assert_eq!(
            of("text:1", Some(9), None, "OAK"),
            of("text:2", Some(9), None, "ELM")
        );
        assert_eq!(
            of("text:1", None, Some("Oak"), "OAK"),
            of("text:2", None, Some("Oak"), "ELM")
        );
        let filings = ["0000000009-94-000003:1", "0000000009-94-000003:2"];
        assert_ne!(
            of(filings[0], None, None, "OAK"),
            of(filings[1], None, None, "OAK")
        );
    }

    #[test]
    fn a_fraction_of_nothing_holds_out_nothing_and_one_of_all_is_refused() {
        let documents = [
            filing("a", "10-K", Some(1), None),
            filing("b", "10-K", Some(2), None),
        ];
        assert_eq!(sides(&documents, 0.0), [false, false]);
        assert!(matches!(
            Filers::default().hold_out(1.0),
            Err(CorpusError::HeldOutFraction { .. })
        ));
        assert!(Filers::default().hold_out(f64::NAN).is_err());
    }

    #[test]
    fn a_single_filer_stays_in_training() {
        assert_eq!(sides(&[filing("a", "10-K", Some(1), None)], 0.05), [false]);
    }
}

//! Fills the slots of sentence frames from a filing's facts, a topic's lists and the general
//! vocabulary.

use std::collections::BTreeMap;

use super::draw::Draw;
use super::words;

/// Parts of the general vocabulary; as many as there are industries.
const NUM_FIELDS: usize = super::topics::TOPICS.len();

/// Named word lists; a slot draws from the list of its name.
#[derive(Debug, Clone, Default)]
pub(super) struct Lexicon {
    lists: BTreeMap<&'static str, Vec<String>>,
}

impl Lexicon {
    /// The general vocabulary: `noun`, `nouns`, `adjective`, `adverb`, `verb`, `ed`, `ing`,
    /// `phrase`, and small numbers in words or digits. Each field of business uses its own part
    /// of the vocabulary, so that the words around a gap say which ones fit into it.
    pub(super) fn general(field: usize) -> Self {
        let own = |list: &str| own_part(words::items(list), field);
        let nouns = own(words::NOUNS);
        let verbs = own(words::VERBS);
        let mut lexicon = Self::default();
        lexicon.insert("nouns", nouns.iter().map(|noun| words::plural(noun)).collect());
        lexicon.insert("noun", nouns);
        lexicon.insert("ed", verbs.iter().map(|verb| words::past(verb)).collect());
        lexicon.insert("ing", verbs.iter().map(|verb| words::gerund(verb)).collect());
        lexicon.insert("verb", verbs);
        lexicon.insert("adjective", own(words::ADJECTIVES));
        lexicon.insert("adverb", own(words::ADVERBS));
        lexicon.insert("phrase", own(words::PHRASES));
        lexicon.insert("ordinal", words::items("first second third fourth"));
        lexicon.insert("small", (3..60).map(|number: i32| number.to_string()).collect());
        lexicon.insert(
            "tens",
            words::items("five seven ten twelve fifteen twenty thirty forty"),
        );
        lexicon
    }

    /// Sets the list `name`.
    pub(super) fn insert(&mut self, name: &'static str, list: Vec<String>) {
        self.lists.insert(name, list);
    }
}

/// Every twelfth item, from `field` on.
fn own_part(items: Vec<String>, field: usize) -> Vec<String> {
    items
        .into_iter()
        .skip(field % NUM_FIELDS)
        .step_by(NUM_FIELDS)
        .collect()
}

/// One document's words: facts that never change in it, lists to draw from.
#[derive(Debug, Clone)]
pub(super) struct Prose {
    pub(super) lexicon: Lexicon,
    facts: BTreeMap<&'static str, String>,
}

/// What the tagged slots of one paragraph have drawn.
pub(super) type Drawn = BTreeMap<String, String>;

impl Prose {
    /// Prose over `lexicon`, without facts.
    pub(super) fn new(lexicon: Lexicon) -> Self {
        Self {
            lexicon,
            facts: BTreeMap::new(),
        }
    }

    /// Sets the fact `name`.
    pub(super) fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        self.facts.insert(name, value.into());
    }

    /// `frame` with its slots filled; sentences begin with a capital letter.
    pub(super) fn paragraph(&self, frame: &str, draw: &mut Draw) -> String {
        self.fill(frame, &mut Drawn::new(), draw)
    }

    /// As [`Self::paragraph`], with tags shared by all frames filled over one `drawn`.
    pub(super) fn fill(&self, frame: &str, drawn: &mut Drawn, draw: &mut Draw) -> String {
        let mut text = String::with_capacity(frame.len() * 2);
        let mut rest = frame;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let (slot, tail) = after.split_once('}').unwrap_or((after, ""));
            text.push_str(&self.slot(slot, drawn, draw));
            rest = tail;
        }
        text.push_str(rest);
        text
    }

    fn slot(&self, slot: &str, drawn: &mut Drawn, draw: &mut Draw) -> String {
        if let Some(name) = slot.strip_prefix("a:") {
            let word = self.slot(name, drawn, draw);
            return format!("{} {word}", words::article(&word));
        }
        if let Some(name) = slot.strip_suffix('!') {
            return capitalized(&self.slot(name, drawn, draw));
        }
        let Some((name, _tag)) = slot.split_once('.') else {
            return self.word(slot, draw);
        };
        if let Some(word) = drawn.get(slot) {
            return word.clone();
        }
        let word = self.word(name, draw);
        drawn.insert(slot.to_owned(), word.clone());
        word
    }

    fn word(&self, name: &str, draw: &mut Draw) -> String {
        if let Some(fact) = self.facts.get(name) {
            return fact.clone();
        }
        let list = self.lexicon.lists.get(name);
        let list =
            list.unwrap_or_else(|| panic!("a frame names the slot {name}, which has neither fact nor list"));
        draw.pick_early(list).clone()
    }
}

/// `text` with its first letter in upper case.
pub(super) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tagged_slot_says_the_same_word_again_and_an_untagged_one_draws() {
        let prose = Prose::new(Lexicon::general(0));
        let text = prose.paragraph("{noun.a} {noun.a} {noun!}", &mut Draw::new(1, "test", 0));
        let words: Vec<&str> = text.split(' ').collect();
        assert_eq!(words[0], words[1]);
        assert!(words[2].starts_with(char::is_uppercase));
    }

    #[test]
    fn facts_come_before_lists_and_articles_agree() {
        let mut prose = Prose::new(Lexicon::general(0));
        prose.fact("noun", "estimate");
        assert_eq!(
            prose.paragraph("{a:noun}", &mut Draw::new(1, "test", 0)),
            "an estimate"
        );
    }
}

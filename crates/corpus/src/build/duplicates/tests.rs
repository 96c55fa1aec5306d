use std::collections::{BTreeMap, BTreeSet};

use documents::{Block, BlockKind, Document, NoProgress};
use shards::Corpus;

use super::*;
use crate::build::build_shards;
use crate::build::options::BuildOptions;
use crate::build::tests::Desk;

/// A stream of words that depends on its seed alone.
struct Words(u64);

impl Words {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        xxh3_64(&self.0.to_le_bytes()) % limit
    }

    fn text(&mut self, num_words: usize) -> Vec<String> {
        (0..num_words).map(|_| format!("w{}", self.below(3000))).collect()
    }

    /// The text with about one word in `every` replaced.
    fn vary(&mut self, words: &[String], every: u64) -> Vec<String> {
        let mut vary = |word: &String| match self.below(every) {
            0 => format!("v{}", self.below(1 << 40)),
            _ => word.clone(),
        };
        words.iter().map(&mut vary).collect()
    }
}

fn document(company: usize, year: usize, number: usize, words: &[String]) -> Document {
    Document {
        id: format!("{company:010}-{:02}-{number:06}:1", year % 100),
        source: "10-K".into(),
        cik: Some(format!("{:010}", company + 1)),
        filed: Some(format!("{year}-03-01")),
        blocks: words
            .chunks(12)
            .map(|line| Block::new(BlockKind::Paragraph, line.join(" ")))
            .collect(),
        ..Document::default()
    }
}

/// Jaccard similarity by definition, from the words themselves.
fn exact(a: &Document, b: &Document) -> f64 {
    let set = |document: &Document| -> BTreeSet<Vec<String>> {
        let texts = document.blocks.iter().flat_map(|block| block.text.split(' '));
        let words: Vec<String> = texts.map(str::to_owned).collect();
        words.windows(5).map(<[String]>::to_vec).collect()
    };
    let (a, b) = (set(a), set(b));
    let shared = a.intersection(&b).count();
    shared as f64 / (a.len() + b.len() - shared) as f64
}

/// Ids in the corpus, and those of its held-out documents.
fn ids(desk: &Desk, corpus: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let corpus = Corpus::open(&desk.at(corpus)).unwrap();
    let (mut all, mut held_out) = (BTreeSet::new(), BTreeSet::new());
    for row in corpus.documents().rows().map(Result::unwrap) {
        if row.shard.is_none() {
            held_out.insert(row.id.clone());
        }
        all.insert(row.id);
    }
    (all, held_out)
}

#[test]
fn near_duplicates_are_those_of_the_exact_similarity_and_the_earliest_stays() {
    let mut words = Words(1);
    let mut documents = Vec::new();
    for company in 0..40 {
        let base = words.text(700);
        for (number, every) in [u64::MAX, 2000, 400, 250, 200, 150, 120, 100, 60]
            .into_iter()
            .enumerate()
        {
            let varied = words.vary(&base, every);
            documents.push(document(company, 2018 - number, number, &varied));
        }
    }
    // By the rule and by definition: the earliest first, each leaves for one that stays.
    let mut expected = BTreeSet::new();
    for company in documents.chunks(9) {
        let mut stay: Vec<&Document> = Vec::new();
        for document in company.iter().rev() {
            if stay.iter().any(|other| exact(other, document) > 0.95) {
                expected.insert(document.id.clone());
            } else {
                stay.push(document);
            }
        }
    }
    let desk = Desk::new(&documents);
    let manifest = desk.build("corpus");
    let (stayed, _) = ids(&desk, "corpus");
    let left: BTreeSet<String> = documents
        .iter()
        .map(|document| document.id.clone())
        .filter(|id| !stayed.contains(id))
        .collect();
    let right = left.intersection(&expected).count() as f64;
    let (recall, precision) = (right / expected.len() as f64, right / left.len() as f64);
    assert!(
        expected.len() > 60,
        "{} near duplicates are something to find",
        expected.len()
    );
    assert!(
        recall >= 0.99 && precision >= 0.99,
        "recall {recall:.3}, precision {precision:.3} of {}",
        expected.len()
    );
    let counted: u64 = manifest.dropped.values().sum();
    assert_eq!(counted, left.len() as u64);
    assert_eq!(manifest.documents_file.rows + counted, documents.len() as u64);
}

#[test]
fn equal_texts_are_one_whoever_filed_them_and_the_smallest_accession_number_of_a_day_stays() {
    let mut words = Words(2);
    let mut documents: Vec<Document> = (0..30)
        .map(|company| document(company, 2015, 7, &words.text(100)))
        .collect();
    let same = words.text(100);
    let copies = [
        document(40, 2012, 9, &same),
        document(41, 2012, 3, &same),
        document(42, 2013, 1, &same),
    ];
    documents.extend(copies.clone());
    let desk = Desk::new(&documents);
    let keep_all = BuildOptions {
        duplicates: None,
        held_out_fraction: 0.0,
        ..desk.options("all")
    };
    build_shards(&keep_all, &NoProgress).unwrap();
    assert_eq!(ids(&desk, "all").0.len(), 33);
    let options = BuildOptions {
        held_out_fraction: 0.0,
        ..desk.options("corpus")
    };
    let manifest = build_shards(&options, &NoProgress).unwrap();
    let expected = BTreeMap::from([("the same text as an earlier document".to_owned(), 2)]);
    assert_eq!(manifest.dropped, expected);
    let (stayed, _) = ids(&desk, "corpus");
    let of_copies = copies.iter().filter(|copy| stayed.contains(&copy.id));
    assert_eq!(
        of_copies.map(|copy| &copy.id).collect::<Vec<_>>(),
        [&copies[0].id]
    );
}

#[test]
fn no_training_document_nearly_repeats_a_held_out_one_whoever_filed_it() {
    let mut words = Words(3);
    let texts: Vec<Vec<String>> = (0..40).map(|_| words.text(600)).collect();
    let mut documents: Vec<Document> = (0..40)
        .map(|company| document(company, 2015, 7, &texts[company]))
        .collect();
    // Every text once more, earlier, by other companies, varied and as it is.
    for (company, text) in texts.iter().enumerate() {
        let varied = words.vary(text, 400);
        let other = if company % 2 == 0 { &varied } else { text };
        documents.push(document(100 + company, 2014, 7, other));
    }
    let desk = Desk::new(&documents);
    let options = BuildOptions {
        held_out_fraction: 0.2,
        ..desk.options("corpus")
    };
    let manifest = build_shards(&options, &NoProgress).unwrap();
    let (stayed, held_out) = ids(&desk, "corpus");
    let by_id: BTreeMap<&str, &Document> = documents
        .iter()
        .map(|document| (document.id.as_str(), document))
        .collect();
    assert!(held_out.len() > 8);
    for training in stayed.difference(&held_out) {
        for held in &held_out {
            assert!(
                exact(by_id[training.as_str()], by_id[held.as_str()]) <= 0.95,
                "{training} and {held}"
            );
        }
    }
    assert!(manifest.dropped["nearly the same text as a held-out document"] > 1);
    assert!(manifest.dropped["the same text as a held-out document"] > 1);
}

#[test]
fn in_its_scope_alone_a_text_is_compared() {
    let mut words = Words(4);
    let base = words.text(600);
    // One word in 600 is another one: alike, never equal.
    let near = |place: usize| {
        let mut text = base.clone();
        text[place] = "another".into();
        text
    };
    let mut documents: Vec<Document> = (10..40)
        .map(|company| document(company, 2015, 7, &words.text(100)))
        .collect();
    documents.push(document(1, 2012, 1, &base));
    documents.push(Document {
        source: "10-K/A".into(),
        ..document(1, 2013, 2, &near(100))
    });
    documents.push(document(2, 2014, 3, &near(300)));
    let desk = Desk::new(&documents);
    for (scope, dropped) in [
        (DuplicateScope::CompanyAndForm, 0),
        (DuplicateScope::Company, 1),
        (DuplicateScope::Corpus, 2),
    ] {
        let options = BuildOptions {
            held_out_fraction: 0.0,
            duplicates: Some(DuplicateRule {
                scope,
                ..DuplicateRule::default()
            }),
            ..desk.options(scope.name())
        };
        let manifest = build_shards(&options, &NoProgress).unwrap();
        assert_eq!(
            manifest.dropped.values().sum::<u64>(),
            dropped,
            "{}",
            scope.name()
        );
        assert_eq!(scope.name().parse(), Ok(scope));
    }
}

//! Hugging Face `tokenizers` as the judge of our ids (tests only).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use tokenizers::models::bpe::BPE;

use crate::{TokenId, Tokenizer};

/// Their tokenizer from the `tokenizer.json` that we write.
fn theirs(tokenizer: &Tokenizer) -> tokenizers::Tokenizer {
    let files = tokenizer.files(512).unwrap();
    let (_, json) = files.iter().find(|(name, _)| *name == "tokenizer.json").unwrap();
    let mut theirs = tokenizers::Tokenizer::from_bytes(json).unwrap();
    // text that spells a special token is text in a corpus
    theirs.set_encode_special_tokens(true);
    theirs
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<TokenId> {
    let mut out = Vec::new();
    tokenizer.encoder().encode_into(text, &mut out).unwrap();
    out
}

fn their_ids(theirs: &tokenizers::Tokenizer, text: &str) -> Vec<TokenId> {
    theirs.encode_fast(text, false).unwrap().get_ids().to_vec()
}

/// A small tokenizer of ours and theirs from its files.
static SMALL: LazyLock<(Tokenizer, tokenizers::Tokenizer)> = LazyLock::new(|| {
    let ours = small();
    let theirs = theirs(&ours);
    (ours, theirs)
});

fn small() -> Tokenizer {
    let text = "the company's net sales of $1,234 rose to $5,678; we'll say \u{201c}so\u{201d} \
                in 2019 and 2020 aaaa aaaaaaaa na\u{ef}ve caf\u{e9} \u{65e5}\u{672c} \n\n  the net";
    crate::train((0..3).map(|_| text.to_owned()), 400).unwrap()
}

/// The folder of real data; `None` (the test says that it is skipped) when it is not there.
fn data() -> Option<PathBuf> {
    test_data::find("tokenizer")?;
    Some(test_data::root())
}

/// GPT-2's vocabulary and merges in RoBERTa's layout: specials, GPT-2's entries moved by
/// four without its end-of-text token, `<mask>`.
fn gpt2(data: &Path) -> Tokenizer {
    let read = |name: &str| std::fs::read_to_string(data.join("tokenizer").join(name)).unwrap();
    let vocab: BTreeMap<String, TokenId> = serde_json::from_str(&read("encoder.json")).unwrap();
    let mut tokens = vec![String::new(); vocab.len() + 4];
    for (token, id) in &vocab {
        tokens[*id as usize + 4].clone_from(token);
    }
    assert_eq!(tokens.pop().as_deref(), Some("<|endoftext|>"));
    for (slot, special) in tokens.iter_mut().zip(["<s>", "<pad>", "</s>", "<unk>"]) {
        *slot = special.to_owned();
    }
    tokens.push("<mask>".to_owned());
    let merges_text = read("vocab.bpe");
    let merges = merges_text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(' '));
    let merges = merges
        .map(|(left, right)| (vocab[left] + 4, vocab[right] + 4))
        .collect();
    Tokenizer::from_parts(Path::new("gpt2"), tokens, merges).unwrap()
}

/// Compares line by line, line ends included.
fn assert_same_ids(ours: &Tokenizer, theirs: &tokenizers::Tokenizer, name: &str, text: &str) {
    let mut encoder = ours.encoder();
    let mut out = Vec::new();
    for line in text.split_inclusive('\n') {
        out.clear();
        encoder.encode_into(line, &mut out).unwrap();
        assert_eq!(out, their_ids(theirs, line), "{name}: {line:?}");
    }
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

#[test]
fn ids_equal_hugging_face_on_every_code_point() {
    let (ours, theirs) = &*SMALL;
    let mut text = String::new();
    for (i, c) in ('\0'..=char::MAX).enumerate() {
        for around in ["a", "1", "!", " ", "\n"] {
            text.push_str(around);
            text.push(c);
        }
        if i % 4096 == 4095 || c == char::MAX {
            assert_eq!(ids(ours, &text), their_ids(theirs, &text), "up to {c:?}");
            text.clear();
        }
    }
}

#[test]
fn text_that_spells_a_special_token_is_encoded_as_text() {
    let (ours, theirs) = &*SMALL;
    let text = "<s> a <mask> b</s><pad><unk>";
    let out = ids(ours, text);
    assert!(out.iter().all(|&id| !ours.is_special(id)));
    assert_eq!(out, their_ids(theirs, text));
    assert_eq!(ours.decode(&out), text);
    assert_eq!(ours.decode(&[0, 2]), "<s></s>");
}

#[test]
fn a_word_of_a_megabyte_takes_no_quadratic_time() {
    let (ours, _) = &*SMALL;
    for word in [
        "a".repeat(1 << 20),
        "sales".repeat(1 << 18),
        "\u{65e5}".repeat(1 << 18),
    ] {
        let out = ids(ours, &word);
        assert_eq!(ours.decode(&out), word);
    }
}

#[test]
fn words_around_the_limit_of_scanning_equal_hugging_face() {
    let (ours, theirs) = &*SMALL;
    for length in [63, 64, 65, 300, 5_000] {
        for part in ["a", "sales", "thenet", "rose\u{ef}", "\u{65e5}\u{672c}"] {
            let word: String = part.chars().cycle().take(length).collect();
            assert_eq!(ids(ours, &word), their_ids(theirs, &word), "{length} of {part}");
        }
    }
}

#[test]
fn merges_equal_those_of_hugging_face() {
    let sentences: Vec<String> = (0..400)
        .map(|i| {
            format!(
                "item {} of {} units sold in {} ",
                i * 7 % 31,
                i * i % 97,
                1990 + i % 30
            )
        })
        .collect();
    let text = sentences.concat();
    let ours = crate::train(std::iter::once(text.clone()), 420).unwrap();
    let specials = ["<s>", "<pad>", "</s>", "<unk>"];
    let mut trainer = tokenizers::models::bpe::BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(ours.vocab_size() - 1)
        .min_frequency(2)
        .initial_alphabet(
            tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet()
                .into_iter()
                .collect(),
        )
        .special_tokens(specials.map(|s| tokenizers::AddedToken::from(s, true)).to_vec())
        .build();
    let mut model = tokenizers::TokenizerBuilder::<
        BPE,
        tokenizers::NormalizerWrapper,
        tokenizers::pre_tokenizers::byte_level::ByteLevel,
        tokenizers::PostProcessorWrapper,
        tokenizers::DecoderWrapper,
    >::new()
    .with_model(BPE::default())
    .with_pre_tokenizer(Some(tokenizers::pre_tokenizers::byte_level::ByteLevel::new(
        false, true, true,
    )))
    .build()
    .unwrap();
    model.train(&mut trainer, std::iter::once(text)).unwrap();
    let learned: BTreeMap<String, TokenId> = model.get_vocab(true).into_iter().collect();
    for (token, id) in &learned {
        assert_eq!(ours.id(token), Some(*id), "{token:?}");
    }
}

#[test]
fn ids_equal_hugging_face_on_real_filings_and_articles() {
    let Some(data) = data() else { return };
    let ours = gpt2(&data);
    let theirs = theirs(&ours);
    for (folder, every) in [("filings", 8), ("filings-older", 5), ("wiki2018", 9)] {
        for path in files_of(&data.join(folder)).iter().step_by(every) {
            let bytes = std::fs::read(path).unwrap();
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(400_000)]);
            assert_same_ids(&ours, &theirs, &path.display().to_string(), &text);
        }
    }
}

proptest! {
    #[test]
    fn ids_equal_hugging_face_on_any_text(text in ".{0,200}") {
        let (ours, theirs) = &*SMALL;
        prop_assert_eq!(ids(ours, &text), their_ids(theirs, &text));
    }

    #[test]
    fn ids_equal_hugging_face_on_short_alphabets(text in "[a-e '\n\t1$,saltrevdm\u{a0}é日]{0,300}") {
        let (ours, theirs) = &*SMALL;
        let out = ids(ours, &text);
        prop_assert_eq!(&out, &their_ids(theirs, &text));
        prop_assert_eq!(ours.decode(&out), text);
    }
}

//! Whole-word masking of real byte-level BPE: a word of the text is masked whole or not at all,
//! judged by the text itself and not by the table of word starts.

use std::ops::Range;
use std::sync::OnceLock;

use masking::{
    MaskKey, MaskedPositions, MaskingConfig, MaskingScheme, Vocabulary, mask_capacity, mask_sequence,
};
use proptest::prelude::*;
use tokenizer::Tokenizer;

/// Leading spaces and none, numbers, punctuation, scripts of several bytes a letter, white space
/// of every kind.
const PIECES: [&str; 24] = [
    " revenue",
    "Revenue",
    " the",
    " 12,345.67",
    "2024",
    " $",
    "(3.5)%",
    " don't",
    "'s",
    "...",
    " — ",
    "—",
    " Ünïcödé",
    "é",
    "中文",
    " 日本語",
    " Привет",
    "🙂",
    "\u{a0}",
    "\u{3000}",
    "  ",
    "\t",
    " \t x",
    "e\u{301}",
];

fn tokenizer() -> &'static Tokenizer {
    static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
    TOKENIZER.get_or_init(|| {
        let texts = (0..400).map(|number| {
            let piece = |step: usize| PIECES[(number * step + number / 7) % PIECES.len()];
            format!("{}{} revenue the{}{}", piece(1), piece(5), piece(7), piece(11))
        });
        tokenizer::train(texts, 420).unwrap()
    })
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    let piece = prop::sample::select(PIECES.to_vec());
    let line = prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat());
    prop::collection::vec(line, 1..8)
}

/// Byte ranges of the words: runs of characters that are no white space.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    for (at, letter) in text.char_indices().filter(|(_, letter)| !letter.is_whitespace()) {
        let end = at + letter.len_utf8();
        match words.last_mut() {
            Some(word) if word.end == at => word.end = end,
            _ => words.push(at..end),
        }
    }
    words
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn a_word_of_real_text_is_masked_whole_or_not_at_all(
        lines in lines(), sample: u64, probability in 0.02..0.7,
    ) {
        let tokenizer = tokenizer();
        let special = tokenizer.special();
        let (mut ids, mut encoder) = (vec![special.bos], tokenizer.encoder());
        for line in &lines {
            encoder.encode_into(line, &mut ids).unwrap();
            ids.push(tokenizer.newline());
        }
        ids.push(special.eos);
        let vocabulary =
            Vocabulary::new(special.mask, &tokenizer.special_table(), tokenizer.word_starts()).unwrap();
        let vocabulary = vocabulary.with_newline(tokenizer.newline());
        let config = MaskingConfig::new(probability, MaskingScheme::WholeWord).unwrap();
        let key = MaskKey { seed: 3, epoch: 1, sample };
        let (mut shown, mut masked) = (ids.clone(), MaskedPositions::default());
        mask_sequence(key, config, &vocabulary, &mut shown, &mut masked).unwrap();
        prop_assert!(masked.positions.len() <= mask_capacity(ids.len(), probability));

        let (mut at, mut spans) = (0, Vec::new());
        for &id in &ids[1..ids.len() - 1] {
            let length = tokenizer.token_bytes(id).unwrap().len();
            spans.push(at..at + length);
            at += length;
        }
        let text = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
        prop_assert_eq!(at, text.len());
        for word in words(&text) {
            let own: Vec<bool> = (1_u32..)
                .zip(&spans)
                .filter(|(_, span)| span.start < word.end && word.start < span.end)
                .map(|(position, _)| masked.positions.binary_search(&position).is_ok())
                .collect();
            prop_assert!(
                own.iter().all(|&masked| masked == own[0]),
                "{:?} of {text:?} is masked in part", &text[word]
            );
        }
    }
}

#[test]
fn words_are_what_white_space_separates() {
    let words: Vec<Range<usize>> = words(" a1  bc\td,\n中文 x");
    assert_eq!(words, [1..3, 5..7, 8..10, 11..17, 18..19]);
}

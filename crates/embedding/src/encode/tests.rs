use super::*;
use crate::{PoolingMode, PrecisionChoice};
use tempfile::TempDir;

/// Texts of many lengths, with one empty, one cut and one of many tokens a word.
const TEXTS: [&str; 6] = [
    "The company reported revenue.",
    "",
    "Costs rose with the market, and revenue of 12 million dollars rose as well, while the company \
     reported costs of 9 million dollars in another market that nobody had reported before.",
    "a",
    "Überraschung – 東京 <mask> </s>",
    "The company reported revenue of 12 million dollars.",
];

fn open() -> (TempDir, EmbeddingModel) {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("model");
    hf_folder::testing::export_tiny(&folder);
    let model = EmbeddingModel::open(&folder, 1, PrecisionChoice::F32, None).unwrap();
    (scratch, model)
}

fn largest_difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter()
        .zip(right)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn a_text_gives_the_same_vector_alone_and_in_any_batch() {
    let (_scratch, mut model) = open();
    for mode in PoolingMode::ALL {
        model.pooling = mode.into();
        let alone: Vec<f32> = TEXTS
            .iter()
            .flat_map(|text| {
                model
                    .encode(&[text], EncodeOptions { max_batch_tokens: 1 })
                    .unwrap()
                    .values
            })
            .collect();
        for max_batch_tokens in [1, 40, 10_000] {
            let together = model.encode(&TEXTS, EncodeOptions { max_batch_tokens }).unwrap();
            let difference = largest_difference(&together.values, &alone);
            // f32 sums in another order: a few units in the last place of values near 1
            assert!(difference <= 1e-5, "{mode:?}, {max_batch_tokens}: {difference}");
        }
    }
}

#[test]
fn vectors_of_bf16_are_near_those_of_f32() {
    let (scratch, model) = open();
    let rounded =
        EmbeddingModel::open_in(&scratch.path().join("model"), 1, model::Precision::Bf16, None).unwrap();
    assert_eq!((model.precision(), rounded.precision()), ("f32", "bf16"));
    let options = EncodeOptions::default();
    let exact = model.encode(&TEXTS, options).unwrap();
    let difference = largest_difference(&rounded.encode(&TEXTS, options).unwrap().values, &exact.values);
    // bf16 has 8 binary digits; components are about 1
    assert!(difference > 0.0 && difference < 0.05, "{difference}");
}

#[test]
fn vectors_come_in_the_order_of_the_texts_and_cuts_are_counted() {
    let (_scratch, model) = open();
    let embeddings = model.encode(&TEXTS, EncodeOptions::default()).unwrap();
    assert_eq!(embeddings.rows().count(), TEXTS.len());
    assert_eq!(embeddings.dimension, 16);
    let rows: Vec<&[f32]> = embeddings.rows().collect();
    for left in 0..rows.len() {
        for right in 0..left {
            assert!(
                largest_difference(rows[left], rows[right]) > 1e-3,
                "{left} and {right} are the same"
            );
        }
    }
    let cut = TEXTS.iter().filter(|text| {
        let mut ids = Vec::new();
        model
            .tokenizer()
            .text_encoder()
            .encode_into(text, &mut ids)
            .unwrap();
        ids.len() > 30
    });
    assert_eq!(embeddings.num_truncated, cut.count());
    assert!(embeddings.num_truncated >= 1);
}

#[test]
fn a_text_that_is_cut_is_the_text_of_its_first_tokens() {
    let (_scratch, model) = open();
    let mut ids = Vec::new();
    model
        .tokenizer()
        .encoder()
        .encode_into(TEXTS[2], &mut ids)
        .unwrap();
    let start = model.tokenizer().decode(&ids[..30]);
    let options = EncodeOptions::default();
    let cut = model.encode(&[TEXTS[2]], options).unwrap();
    let exact = model.encode(&[&start], options).unwrap();
    assert_eq!((cut.num_truncated, exact.num_truncated), (1, 0));
    assert!(largest_difference(&cut.values, &exact.values) <= 1e-5);
}

#[test]
fn no_texts_give_no_vectors() {
    let (_scratch, model) = open();
    let embeddings = model.encode(&[], EncodeOptions::default()).unwrap();
    assert!(embeddings.values.is_empty() && embeddings.num_truncated == 0);
}

#[test]
fn a_folder_that_lacks_and_threads_that_make_no_sense_are_refused() {
    let (scratch, _) = open();
    let folder = scratch.path().join("model");
    assert!(matches!(
        EmbeddingModel::open(&folder, 0, PrecisionChoice::F32, None),
        Err(EmbeddingError::Threads { threads: 0 })
    ));
    std::fs::remove_file(folder.join("model.safetensors")).unwrap();
    let error = EmbeddingModel::open(&folder, 1, PrecisionChoice::F32, None).unwrap_err();
    assert!(error.to_string().contains("model.safetensors"), "{error}");
}

#[test]
fn a_folder_is_computed_with_the_activation_that_it_names() {
    let (scratch, model) = open();
    let vectors = |model: &EmbeddingModel| model.encode(&TEXTS, EncodeOptions::default()).unwrap().values;
    let folder = scratch.path().join("model");
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut found = vec![vectors(&model)];
    for name in ["gelu_new", "relu"] {
        let text = text.replace(r#""gelu""#, &format!("{name:?}"));
        std::fs::remove_file(&path).unwrap();
        std::io::Write::write_all(&mut std::fs::File::create_new(&path).unwrap(), text.as_bytes()).unwrap();
        let model = EmbeddingModel::open(&folder, 1, PrecisionChoice::F32, None).unwrap();
        let vectors = vectors(&model);
        assert!(!found.contains(&vectors), "{name}");
        found.push(vectors);
    }
}

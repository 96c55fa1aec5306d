//! Whole commands on a small random model.

use std::path::{Path, PathBuf};

use durable::{DISK, commit_bytes};
use embedding::{EmbeddingModel, EncodeOptions, PrecisionChoice};
use tempfile::TempDir;

use crate::{encode_file, fill_file};

fn open(text: &str) -> (TempDir, EmbeddingModel, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("model");
    hf_folder::testing::export_tiny(&folder);
    let input = scratch.path().join("texts.txt");
    commit_bytes(&DISK, &input, text.as_bytes()).unwrap();
    let model = EmbeddingModel::open(&folder, 1, PrecisionChoice::F32, None).unwrap();
    (scratch, model, input)
}

fn read_npy(path: &Path) -> (Vec<u64>, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    let file = npyz::NpyFile::new(&bytes[..]).unwrap();
    (file.shape().to_vec(), file.into_vec().unwrap())
}

#[test]
fn every_line_of_a_file_gets_its_vector_in_order() {
    let (scratch, model, input) = open("The company reported revenue.\n\nCosts rose with the market.\n");
    let output = scratch.path().join("vectors.npy");
    let options = EncodeOptions::default();
    let mut done = 0;
    let report = encode_file(&DISK, &model, &input, &output, options, &mut |texts| done = texts).unwrap();
    assert_eq!(
        (report.texts, report.dimension, report.truncated, done),
        (3, 16, 0, 3)
    );
    let (shape, values) = read_npy(&output);
    assert_eq!(shape, [3, 16]);
    let texts = ["The company reported revenue.", "", "Costs rose with the market."];
    assert_eq!(values, model.encode(&texts, options).unwrap().values);
}

#[test]
fn an_empty_file_gives_an_array_without_rows() {
    let (scratch, model, input) = open("");
    let output = scratch.path().join("vectors.npy");
    encode_file(
        &DISK,
        &model,
        &input,
        &output,
        EncodeOptions::default(),
        &mut |_| (),
    )
    .unwrap();
    assert_eq!(read_npy(&output), (vec![0, 16], vec![]));
}

#[test]
fn a_failure_leaves_the_output_as_it_was() {
    let (scratch, model, input) = open("good\n");
    commit_bytes(&DISK, &input, b"good\n\xff\n").unwrap();
    let output = scratch.path().join("vectors.npy");
    let error = encode_file(
        &DISK,
        &model,
        &input,
        &output,
        EncodeOptions::default(),
        &mut |_| (),
    )
    .unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
    assert!(!output.exists());
}

#[test]
fn masks_are_filled_and_where_there_is_none_a_word_is_masked() {
    let (_scratch, model, input) = open("The <mask> rose.\nCosts rose with the market.\n\n");
    let filled = fill_file(&model, &input, 4).unwrap();
    assert_eq!(filled.iter().map(|line| line.line).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(filled[0].word, None);
    assert_eq!(filled[0].masks[0].len(), 4);
    let word = filled[1].word.clone().unwrap();
    assert_eq!(
        filled[1].text.replace("<mask>", &word),
        "Costs rose with the market."
    );
    assert_eq!(filled[1].masks.len(), 1);
    assert!(filled[2].masks.is_empty());
    assert_eq!(filled, fill_file(&model, &input, 4).unwrap());
}

#[test]
fn a_mask_beyond_the_longest_sequence_is_an_error_that_names_the_line() {
    let (_scratch, model, input) = open(&format!("ok <mask>\n{}<mask>\n", "company ".repeat(60)));
    let error = format!("{:#}", fill_file(&model, &input, 4).unwrap_err());
    assert!(error.contains("line 2") && error.contains("<mask>"), "{error}");
}

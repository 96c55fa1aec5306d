use super::*;
use crate::PrecisionChoice;
use tempfile::TempDir;

fn open() -> (TempDir, EmbeddingModel) {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("model");
    hf_folder::testing::export_tiny(&folder);
    let model = EmbeddingModel::open(&folder, 1, PrecisionChoice::F32, None).unwrap();
    (scratch, model)
}

#[test]
fn every_mask_gets_its_likeliest_tokens_in_order() {
    let (_scratch, model) = open();
    let texts = ["The <mask> reported <mask>.", "<mask>"];
    let filled = model.fill_mask(&texts, 5).unwrap();
    assert_eq!(filled.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    for predictions in filled.iter().flatten() {
        assert_eq!(predictions.len(), 5);
        assert!(predictions.is_sorted_by(|a, b| a.probability >= b.probability));
        assert!(predictions.iter().all(|prediction| prediction.probability > 0.0));
    }
    let all = model.fill_mask(&texts[..1], usize::MAX).unwrap();
    let total: f64 = all[0][0].iter().map(|prediction| prediction.probability).sum();
    assert_eq!(all[0][0].len(), model.tokenizer().vocab_size());
    assert!((total - 1.0).abs() < 1e-9, "probabilities sum to {total}");
    assert_eq!(all[0][0][..5], filled[0][0][..]);
}

#[test]
fn the_mask_takes_the_space_before_it() {
    let (_scratch, model) = open();
    let with_space = model.fill_mask(&["The <mask> reported"], 3).unwrap();
    let without = model.fill_mask(&["The<mask> reported"], 3).unwrap();
    assert_eq!(with_space, without);
}

#[test]
fn a_text_without_a_mask_that_fits_is_an_error_that_names_it() {
    let (_scratch, model) = open();
    let late = format!("{}<mask>", "company ".repeat(60));
    for texts in [["<mask>", "no mask"], ["<mask>", &late]] {
        let error = model.fill_mask(&texts, 5).unwrap_err();
        assert!(
            matches!(error, EmbeddingError::NoMask { text_index: 1, .. }),
            "{error}"
        );
    }
}

//! Up to which day the text of a run goes, as its corpus says: recorded in every checkpoint.

use hf_folder::TextDates;
use shards::Manifest;

/// The days of a corpus and of the tokenizer that it was built with.
pub(crate) fn text_dates(manifest: &Manifest) -> TextDates {
    let tokenizer = &manifest.made_from["tokenizer_made_from"];
    TextDates {
        earliest: manifest.filed_earliest.clone(),
        latest: manifest.filed_latest.clone(),
        undated_documents: manifest.undated,
        held_out_from: manifest
            .window
            .as_ref()
            .and_then(|window| window.held_out_from.clone()),
        tokenizer_latest: tokenizer["filed_latest"].as_str().map(str::to_owned),
        tokenizer_undated_documents: tokenizer["undated_documents"].as_u64(),
        // The lineage of a checkpoint says so.
        continues_another_model: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shards::Window;

    #[test]
    fn what_a_manifest_says_of_its_days_is_recorded_and_nothing_else() {
        let manifest = Manifest {
            filed_latest: Some("2019-12-30".to_owned()),
            undated: Some(3),
            window: Some(Window {
                held_out_from: Some("2019-01-01".to_owned()),
                ..Window::default()
            }),
            made_from: json!({
                "tokenizer_made_from": {"filed_latest": "2018-12-31", "undated_documents": 0},
            }),
            ..Manifest::default()
        };
        let expected = TextDates {
            latest: Some("2019-12-30".to_owned()),
            undated_documents: Some(3),
            held_out_from: Some("2019-01-01".to_owned()),
            tokenizer_latest: Some("2018-12-31".to_owned()),
            tokenizer_undated_documents: Some(0),
            ..TextDates::default()
        };
        assert_eq!(text_dates(&manifest), expected);
        assert_eq!(text_dates(&Manifest::default()), TextDates::default());
    }
}

//! Up to which day a model has seen text: recorded in every checkpoint, stated in the model card,
//! and kept beside an exported model as `text_dates.json`. It counts nothing itself.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::HfFolderError;
use crate::files::TEXT_DATES_JSON;

/// Where `trainer.json` has them.
pub(crate) const TRAINER_KEY: &str = "text_dates";

/// What is known of the days of all text that a model and its tokenizer were made from. Days are
/// `YYYY-MM-DD`; what is absent is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextDates {
    /// The earliest day of a document.
    pub earliest: Option<String>,
    /// The latest day of a document, held-out ones included.
    pub latest: Option<String>,
    /// Documents without a date.
    pub undated_documents: Option<u64>,
    /// Documents of this day or later were held out, all of them.
    pub held_out_from: Option<String>,
    /// The latest day of a document that the tokenizer was trained on.
    pub tokenizer_latest: Option<String>,
    /// Documents without a date among those.
    pub tokenizer_undated_documents: Option<u64>,
    /// The weights began as those of another model, whose text is not known here.
    #[serde(default)]
    pub continues_another_model: bool,
}

impl TextDates {
    /// The days that `trainer.json` of a checkpoint records; `None` where it records none.
    pub(crate) fn of_trainer(trainer: &Value) -> Option<Self> {
        let mut dates: Self = serde_json::from_value(trainer.get(TRAINER_KEY)?.clone()).ok()?;
        dates.continues_another_model |= !trainer["lineage"]["init_from"].is_null();
        Some(dates)
    }

    /// Reads them from an exported folder; `None` where it has none, as those of others.
    ///
    /// # Errors
    /// [`HfFolderError::Read`] and [`HfFolderError::Json`] for a file that is there and cannot be
    /// read.
    pub fn read(folder: &Path) -> Result<Option<Self>, HfFolderError> {
        let path = folder.join(TEXT_DATES_JSON);
        match durable::read_file(&path, durable::MOST_JSON_BYTES) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|source| HfFolderError::Json { path, source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HfFolderError::Read { path, source }),
        }
    }

    /// Up to which day the model has seen text, in a sentence; why that cannot be said, where it
    /// cannot.
    pub fn horizon(&self) -> String {
        if self.continues_another_model {
            return "What the model that it was continued from has seen is not recorded here.".to_owned();
        }
        let undated = match (self.undated_documents, self.latest.as_deref()) {
            (None, _) | (_, None) => {
                return "Up to which day the text goes is not recorded here.".to_owned();
            }
            (Some(undated), Some(_)) => undated,
        };
        if undated > 0 {
            return format!(
                "{undated} documents have no date. They may be later, so there is no day after which the \
                 model has seen nothing."
            );
        }
        let weights = self.bound_of_weights();
        match (self.tokenizer_undated_documents, self.tokenizer_latest.as_deref()) {
            (Some(0), Some(latest)) if self.covers(latest) => {
                format!("Model and tokenizer have seen no document {weights}.")
            }
            (Some(0), Some(latest)) => format!(
                "The weights have seen no document {weights}; the tokenizer's vocabulary was chosen from \
                 documents up to {latest}."
            ),
            (Some(undated), _) if undated > 0 => format!(
                "The weights have seen no document {weights}; of the documents that the tokenizer's \
                 vocabulary was chosen from, {undated} have no date."
            ),
            _ => format!(
                "The weights have seen no document {weights}; what the tokenizer's vocabulary was chosen \
                 from is not recorded here."
            ),
        }
    }

    fn bound_of_weights(&self) -> String {
        match (self.held_out_from.as_deref(), self.latest.as_deref()) {
            (Some(from), Some(latest)) if from <= latest => format!("of {from} or later"),
            (_, latest) => format!("after {}", latest.unwrap_or("an unknown day")),
        }
    }

    /// Whether the bound of the weights holds for a day, too.
    fn covers(&self, day: &str) -> bool {
        let is_before = self.held_out_from.as_deref().is_none_or(|from| day < from);
        is_before && self.latest.as_deref().is_some_and(|latest| day <= latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn known() -> TextDates {
        TextDates {
            earliest: Some("2010-01-04".to_owned()),
            latest: Some("2019-12-30".to_owned()),
            undated_documents: Some(0),
            tokenizer_latest: Some("2019-12-29".to_owned()),
            tokenizer_undated_documents: Some(0),
            ..TextDates::default()
        }
    }

    #[test]
    fn a_last_day_is_stated_only_where_every_document_of_model_and_tokenizer_has_one() {
        let stated = "Model and tokenizer have seen no document after 2019-12-30.";
        assert_eq!(known().horizon(), stated);
        let unknown: [fn(&mut TextDates); 8] = [
            |dates| dates.latest = None,
            |dates| dates.undated_documents = None,
            |dates| dates.undated_documents = Some(1),
            |dates| dates.continues_another_model = true,
            |dates| dates.tokenizer_undated_documents = None,
            |dates| dates.tokenizer_undated_documents = Some(2),
            |dates| dates.tokenizer_latest = None,
            |dates| dates.tokenizer_latest = Some("2020-01-02".to_owned()),
        ];
        for change in unknown {
            let mut dates = known();
            change(&mut dates);
            assert!(!dates.horizon().contains("Model and tokenizer"), "{dates:?}");
        }
    }

    #[test]
    fn with_a_later_held_out_set_the_bound_is_its_first_day() {
        let mut dates = known();
        dates.held_out_from = Some("2019-01-01".to_owned());
        assert!(
            dates
                .horizon()
                .contains("vocabulary was chosen from documents up to 2019-12-29"),
            "{}",
            dates.horizon()
        );
        dates.tokenizer_latest = Some("2018-12-31".to_owned());
        assert_eq!(
            dates.horizon(),
            "Model and tokenizer have seen no document of 2019-01-01 or later."
        );
        dates.held_out_from = Some("2021-01-01".to_owned());
        assert!(
            dates.horizon().contains("after 2019-12-30"),
            "nothing is that late"
        );
    }

    #[test]
    fn a_checkpoint_s_record_comes_back_and_a_continued_model_is_told() {
        let mut trainer = json!({ TRAINER_KEY: known() });
        assert_eq!(TextDates::of_trainer(&trainer), Some(known()));
        trainer["lineage"] = json!({"init_from": {"folder": "m", "sha256": "s"}});
        assert!(TextDates::of_trainer(&trainer).unwrap().continues_another_model);
        assert_eq!(TextDates::of_trainer(&json!({})), None);
    }
}

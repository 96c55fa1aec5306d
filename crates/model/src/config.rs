//! The model's configuration: the fields of Hugging Face's `config.json`, letter for letter.
//!
//! It does not say at which precision or length a run trains.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ModelError;
use crate::hidden_act::HiddenAct;

/// `position_embedding_type`: how positions enter the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionEmbedding {
    /// A learned vector for each position, the only kind that `RoBERTa` has.
    #[default]
    Absolute,
}

impl PositionEmbedding {
    /// All that there are.
    pub const ALL: [Self; 1] = [Self::Absolute];

    /// Its name in `config.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
        }
    }
}

/// Configuration of `RobertaForMaskedLM`.
///
/// The sizes have no default. As a section of a run's TOML unknown keys are refused; a
/// `config.json` is read by [`RobertaConfig::from_json`], which skips keys that say nothing
/// about the computation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobertaConfig {
    /// Class names for `transformers`.
    #[serde(default = "default_architectures")]
    pub architectures: Vec<String>,
    /// `roberta`.
    #[serde(default = "default_model_type")]
    pub model_type: String,
    /// Number of token ids, V.
    pub vocab_size: usize,
    /// Width of the hidden states, D.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads, N; divides D.
    pub num_attention_heads: usize,
    /// Width between the two feed-forward matrices.
    pub intermediate_size: usize,
    /// Activation of the feed-forward part.
    #[serde(default)]
    pub hidden_act: HiddenAct,
    /// Dropout after embeddings, attention and feed-forward. Liu et al. 2019, table 9.
    #[serde(default = "default_dropout")]
    pub hidden_dropout_prob: f64,
    /// Dropout of attention probabilities. Liu et al. 2019, table 9.
    #[serde(default = "default_dropout")]
    pub attention_probs_dropout_prob: f64,
    /// Rows of the position table: the longest sequence and `pad_token_id` + 1 rows more.
    pub max_position_embeddings: usize,
    /// Rows of the token type table; only row 0 is used.
    #[serde(default = "default_type_vocab_size")]
    pub type_vocab_size: usize,
    /// Standard deviation of the initial weights.
    #[serde(default = "default_initializer_range")]
    pub initializer_range: f64,
    /// Added to the variance in `LayerNorm`; 1e-5 as in the released RoBERTa models.
    #[serde(default = "default_layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Id of `<pad>`.
    #[serde(default = "default_pad_token_id")]
    pub pad_token_id: u32,
    /// Id of `<s>`.
    #[serde(default)]
    pub bos_token_id: u32,
    /// Id of `</s>`.
    #[serde(default = "default_eos_token_id")]
    pub eos_token_id: u32,
    /// How positions enter the model.
    #[serde(default)]
    pub position_embedding_type: PositionEmbedding,
    /// The decoder's matrix is the word embedding; `false` is not supported.
    #[serde(default = "default_tie_word_embeddings")]
    pub tie_word_embeddings: bool,
}

fn default_architectures() -> Vec<String> {
    vec!["RobertaForMaskedLM".to_owned()]
}
fn default_model_type() -> String {
    "roberta".to_owned()
}
fn default_dropout() -> f64 {
    0.1
}
fn default_type_vocab_size() -> usize {
    1
}
fn default_initializer_range() -> f64 {
    0.02
}
fn default_layer_norm_eps() -> f64 {
    1e-5
}
fn default_pad_token_id() -> u32 {
    1
}
fn default_eos_token_id() -> u32 {
    2
}
fn default_tie_word_embeddings() -> bool {
    true
}

/// Keys of a `config.json` that this crate reads, and what `transformers` takes for a missing
/// one (`RobertaConfig`, transformers 5.23; a missing `model_type` is refused).
fn transformers_defaults() -> Map<String, Value> {
    let defaults = serde_json::json!({
        "architectures": ["RobertaForMaskedLM"], "vocab_size": 50265, "hidden_size": 768,
        "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
        "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512, "type_vocab_size": 2, "initializer_range": 0.02,
        "layer_norm_eps": 1e-12, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
        "position_embedding_type": "absolute", "tie_word_embeddings": true, "model_type": "",
    });
    match defaults {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The problem of a key whose value is none of the names that it may have. The value is taken out,
/// so that the problems of the other keys are found too.
fn refuse_unknown(key: &str, names: &[&str], fields: &mut Map<String, Value>) -> Option<String> {
    let name = fields.get(key)?.as_str();
    if name.is_some_and(|name| names.contains(&name)) {
        return None;
    }
    let value = fields.remove(key)?;
    let names = names.iter().map(|name| format!("`{name}`"));
    let names = names.collect::<Vec<_>>().join(" or ");
    Some(format!("{key} = {value}: it has to be {names}"))
}

impl RobertaConfig {
    /// Reads a `config.json` of any RoBERTa folder. Missing keys take the values that
    /// `transformers` gives them; keys that do not change the computation are skipped.
    ///
    /// # Errors
    /// [`ModelError::ConfigJson`] for malformed JSON, [`ModelError::Config`] for a model that
    /// is not supported.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        let given: Map<String, Value> = serde_json::from_str(text).map_err(ModelError::ConfigJson)?;
        let mut fields = transformers_defaults();
        for (key, value) in &mut fields {
            if let Some(given) = given.get(key).filter(|given| !given.is_null()) {
                *value = given.clone();
            }
        }
        let mut problems: Vec<String> = [
            refuse_unknown("hidden_act", &HiddenAct::ALL.map(HiddenAct::name), &mut fields),
            refuse_unknown(
                "position_embedding_type",
                &PositionEmbedding::ALL.map(PositionEmbedding::name),
                &mut fields,
            ),
        ]
        .into_iter()
        .flatten()
        .collect();
        let config: Self = serde_json::from_value(Value::Object(fields)).map_err(ModelError::ConfigJson)?;
        problems.extend(config.problems());
        for key in ["is_decoder", "add_cross_attention"] {
            if given.get(key) == Some(&Value::Bool(true)) {
                problems.push(format!("{key} = true: only encoders are supported"));
            }
        }
        check(problems)?;
        Ok(config)
    }

    /// The text of a `config.json` that `transformers` opens.
    ///
    /// # Errors
    /// [`ModelError::ConfigJson`] when a number is not finite.
    pub fn to_json(&self) -> Result<String, ModelError> {
        serde_json::to_string_pretty(self).map_err(ModelError::ConfigJson)
    }

    /// Every reason why no model has this configuration, each beginning with its key; empty
    /// when there is none.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        for (key, size) in self.sizes() {
            let fits = size > 0 && i32::try_from(size).is_ok();
            require(
                fits,
                format!("{key} = {size}: it has to be at least 1 and below 2^31"),
            );
        }
        let (width, heads) = (self.hidden_size, self.num_attention_heads);
        require(
            heads == 0 || width.is_multiple_of(heads),
            format!("num_attention_heads = {heads}: it has to divide hidden_size = {width}"),
        );
        require(
            self.model_type == "roberta",
            format!("model_type = {:?}: it has to be \"roberta\"", self.model_type),
        );
        require(
            self.tie_word_embeddings,
            "tie_word_embeddings = false: an untied decoder is not supported".to_owned(),
        );
        self.check_numbers(&mut require);
        require(
            self.max_sequence_length() > 0,
            format!(
                "max_position_embeddings = {}: positions start at pad_token_id + 1, so no row is left",
                self.max_position_embeddings
            ),
        );
        problems
    }

    /// Probabilities, scales and ids.
    fn check_numbers(&self, require: &mut impl FnMut(bool, String)) {
        for (key, probability) in [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ] {
            require(
                (0.0..1.0).contains(&probability),
                format!("{key} = {probability}: it has to be at least 0 and below 1"),
            );
        }
        for (key, value) in [
            ("initializer_range", self.initializer_range),
            ("layer_norm_eps", self.layer_norm_eps),
        ] {
            require(
                value.is_finite() && value > 0.0,
                format!("{key} = {value}: it has to be a positive number"),
            );
        }
        for (key, id) in [
            ("pad_token_id", self.pad_token_id),
            ("bos_token_id", self.bos_token_id),
            ("eos_token_id", self.eos_token_id),
        ] {
            require(
                (id as usize) < self.vocab_size,
                format!(
                    "{key} = {id}: it has to be below vocab_size = {}",
                    self.vocab_size
                ),
            );
        }
    }

    fn sizes(&self) -> [(&'static str, usize); 7] {
        [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ]
    }

    /// Checks all of [`RobertaConfig::problems`].
    ///
    /// # Errors
    /// [`ModelError::Config`] with all of them.
    pub fn validate(&self) -> Result<(), ModelError> {
        check(self.problems())
    }

    /// Checks that sequences of `sequence_length` tokens have a position each.
    ///
    /// # Errors
    /// [`ModelError::Config`] when the position table is too short, or the length 0.
    pub fn validate_sequence_length(&self, sequence_length: usize) -> Result<(), ModelError> {
        let longest = self.max_sequence_length();
        if (1..=longest).contains(&sequence_length) {
            return Ok(());
        }
        check(vec![format!(
            "sequence_length = {sequence_length}: it has to be at least 1 and at most {longest} = max_position_embeddings ({}) - pad_token_id ({}) - 1",
            self.max_position_embeddings, self.pad_token_id
        )])
    }

    /// The longest sequence: positions start at `pad_token_id` + 1.
    pub fn max_sequence_length(&self) -> usize {
        self.max_position_embeddings
            .saturating_sub(self.pad_token_id as usize + 1)
    }

    /// Width of a head, H.
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads.max(1)
    }

    /// Rows of the word matrix in memory: V rounded up to a multiple of 8, the tile of tensor
    /// cores in half precision. Files hold V rows.
    pub fn padded_vocab_size(&self) -> usize {
        self.vocab_size.next_multiple_of(8)
    }
}

fn check(problems: Vec<String>) -> Result<(), ModelError> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ModelError::Config { problems })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"{"model_type": "roberta", "hidden_size": 64, "num_attention_heads": 4}"#;

    #[test]
    fn missing_keys_of_a_config_json_take_the_values_of_transformers() {
        let config = RobertaConfig::from_json(MINIMAL).unwrap();
        assert_eq!(
            (
                config.hidden_size,
                config.vocab_size,
                config.max_position_embeddings
            ),
            (64, 50265, 512)
        );
        assert!((config.layer_norm_eps - 1e-12).abs() < 1e-20 && config.type_vocab_size == 2);
    }

    #[test]
    fn config_json_round_trips_and_unknown_keys_are_skipped() {
        let text = MINIMAL.replace(
            '}',
            r#", "use_cache": true, "classifier_dropout": null, "layer_norm_eps": 1e-05}"#,
        );
        let config = RobertaConfig::from_json(&text).unwrap();
        assert_eq!(
            RobertaConfig::from_json(&config.to_json().unwrap()).unwrap(),
            config
        );
        assert!((config.layer_norm_eps - 1e-5).abs() < 1e-20);
    }

    #[test]
    fn as_a_section_unknown_keys_are_refused() {
        let text = r#"{"vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 8, "max_position_embeddings": 10, "hiden_act": "gelu"}"#;
        let error = serde_json::from_str::<RobertaConfig>(text)
            .unwrap_err()
            .to_string();
        assert!(error.contains("hiden_act"), "{error}");
        assert!(serde_json::from_str::<RobertaConfig>(&text.replace(r#", "hiden_act": "gelu""#, "")).is_ok());
    }

    #[test]
    fn every_problem_is_listed_with_its_key() {
        let mut config = RobertaConfig::from_json(MINIMAL).unwrap();
        config.num_attention_heads = 5;
        config.tie_word_embeddings = false;
        config.hidden_dropout_prob = 1.0;
        config.pad_token_id = 60_000;
        config.max_position_embeddings = 2;
        config.num_hidden_layers = 0;
        let Err(ModelError::Config { problems }) = config.validate() else {
            panic!("it has problems")
        };
        for key in [
            "num_attention_heads",
            "tie_word_embeddings",
            "hidden_dropout_prob",
            "pad_token_id",
            "max_position_embeddings",
            "num_hidden_layers",
        ] {
            assert!(
                problems.iter().any(|problem| problem.starts_with(key)),
                "{key} in {problems:?}"
            );
        }
        assert_eq!(problems.len(), 6);
    }

    #[test]
    fn choices_that_no_model_has_are_refused_with_the_list_and_the_other_problems() {
        let text = MINIMAL.replace(
            '}',
            r#", "hidden_act": "swish", "position_embedding_type": "relative_key", "vocab_size": 0}"#,
        );
        let Err(ModelError::Config { problems }) = RobertaConfig::from_json(&text) else {
            panic!("it has problems")
        };
        for problem in [
            r#"hidden_act = "swish": it has to be"#,
            r#"position_embedding_type = "relative_key": it has to be `absolute`"#,
            "vocab_size = 0:",
        ] {
            assert!(
                problems.iter().any(|own| own.starts_with(problem)),
                "{problems:?}"
            );
        }
        assert!(problems[0].contains("`gelu`"), "{problems:?}");
        for value in ["7", r#"{"gelu": null}"#] {
            let text = MINIMAL.replace('}', &format!(r#", "hidden_act": {value}}}"#));
            let Err(ModelError::Config { problems }) = RobertaConfig::from_json(&text) else {
                panic!("{value} is no name")
            };
            assert!(
                problems[0].ends_with("it has to be `gelu` or `gelu_new` or `relu`"),
                "{problems:?}"
            );
        }
    }

    /// What serde lists when a name is unknown: every variant.
    fn variants<T: serde::de::DeserializeOwned>() -> String {
        let error = serde_json::from_value::<T>(Value::String("?".to_owned())).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        error.rsplit("expected ").next().unwrap_or_default().to_owned()
    }

    #[test]
    fn every_choice_is_listed_under_the_name_that_is_read() {
        let names = HiddenAct::ALL.map(|choice| format!("`{}`", choice.name()));
        assert_eq!(variants::<HiddenAct>(), format!("one of {}", names.join(", ")));
        let names = PositionEmbedding::ALL.map(|choice| format!("`{}`", choice.name()));
        assert_eq!(variants::<PositionEmbedding>(), names.join(", "));
    }

    #[test]
    fn what_is_no_roberta_encoder_is_refused() {
        for text in [
            r#"{"model_type": "bert"}"#,
            "{}",
            r#"{"model_type": "roberta", "is_decoder": true}"#,
            r#"{"model_type": "roberta", "tie_word_embeddings": false}"#,
            r#"{"model_type": "roberta", "position_embedding_type": "relative_key"}"#,
        ] {
            assert!(
                matches!(RobertaConfig::from_json(text), Err(ModelError::Config { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            RobertaConfig::from_json("{"),
            Err(ModelError::ConfigJson(_))
        ));
        assert!(matches!(
            RobertaConfig::from_json(r#"{"vocab_size": "many"}"#),
            Err(ModelError::ConfigJson(_))
        ));
    }

    #[test]
    fn the_position_table_bounds_the_sequence() {
        let config = RobertaConfig {
            max_position_embeddings: 514,
            ..RobertaConfig::from_json(MINIMAL).unwrap()
        };
        assert!(config.validate_sequence_length(512).is_ok());
        assert!(config.validate_sequence_length(513).is_err());
        assert!(config.validate_sequence_length(0).is_err());
    }
}

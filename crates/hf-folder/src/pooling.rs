//! How the tokens' hidden states become one vector, by the names of the command line and by those
//! of `sentence-transformers`. The arithmetic is the `embedding` crate's.

use std::fmt;

use serde_json::{Map, Value};

/// One way to make one vector of a text's tokens; `<s>` and `</s>` are tokens, padding is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolingMode {
    /// The mean over all tokens.
    Mean,
    /// The first token, `<s>`.
    Cls,
    /// The largest value of each component over all tokens.
    Max,
    /// The mean with weights 1, 2, 3 ... by position (`weightedmean` of
    /// `sentence-transformers`; Muennighoff 2022, section 3.2.1).
    TokenWeighted,
    /// The sum over all tokens, divided by the square root of their number.
    MeanSqrtLen,
    /// The last token, `</s>`.
    LastToken,
}

impl PoolingMode {
    /// All modes, in the order in which `sentence-transformers` joins them.
    pub const ALL: [Self; 6] = [
        Self::Cls,
        Self::Max,
        Self::Mean,
        Self::MeanSqrtLen,
        Self::TokenWeighted,
        Self::LastToken,
    ];

    /// Its name, as the command line spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Max => "max",
            Self::TokenWeighted => "token-weighted",
            Self::MeanSqrtLen => "mean-sqrt-len",
            Self::LastToken => "last-token",
        }
    }

    /// The value of `pooling_mode` that means this mode.
    fn stated(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Max => "max",
            Self::TokenWeighted => "weightedmean",
            Self::MeanSqrtLen => "mean_sqrt_len_tokens",
            Self::LastToken => "lasttoken",
        }
    }

    /// The key that was set to true for this mode before `pooling_mode` was there.
    fn old_key(self) -> &'static str {
        match self {
            Self::Mean => "pooling_mode_mean_tokens",
            Self::Cls => "pooling_mode_cls_token",
            Self::Max => "pooling_mode_max_tokens",
            Self::TokenWeighted => "pooling_mode_weightedmean_tokens",
            Self::MeanSqrtLen => "pooling_mode_mean_sqrt_len_tokens",
            Self::LastToken => "pooling_mode_lasttoken",
        }
    }

    fn from_stated(value: &Value) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mode| value == mode.stated());
        let known = || Self::ALL.map(Self::stated).join(", ");
        found.ok_or_else(|| format!("pooling_mode {value} cannot be computed; these can: {}", known()))
    }
}

/// One or more modes, whose vectors stand one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pooling(Vec<PoolingMode>);

impl Default for Pooling {
    /// The mean, as `sentence-transformers` takes it where a folder says nothing.
    fn default() -> Self {
        PoolingMode::Mean.into()
    }
}

impl From<PoolingMode> for Pooling {
    fn from(mode: PoolingMode) -> Self {
        Self(vec![mode])
    }
}

impl fmt::Display for Pooling {
    /// The names, with `+` between: `cls+mean`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|mode| mode.name()).collect();
        formatter.write_str(&names.join("+"))
    }
}

impl Pooling {
    /// Its modes, one at least.
    pub fn modes(&self) -> &[PoolingMode] {
        &self.0
    }

    /// Reads a pooling module's `config.json` of any vintage.
    pub(crate) fn from_config(config: &Map<String, Value>) -> Result<Self, String> {
        let modes = match config.get("pooling_mode") {
            Some(Value::Array(modes)) if !modes.is_empty() => {
                modes.iter().map(PoolingMode::from_stated).collect()
            }
            Some(mode) => PoolingMode::from_stated(mode).map(|mode| vec![mode]),
            None => Self::old_modes(config),
        };
        Ok(Self(modes?))
    }

    /// The modes whose keys are true; a key that is true and unknown is refused.
    fn old_modes(config: &Map<String, Value>) -> Result<Vec<PoolingMode>, String> {
        let known = |key: &str| PoolingMode::ALL.into_iter().any(|mode| mode.old_key() == key);
        let chosen = |value: &Value| !matches!(value, Value::Bool(false) | Value::Null);
        let strange = config
            .iter()
            .find(|(key, value)| key.starts_with("pooling_mode_") && chosen(value) && !known(key));
        if let Some((key, _)) = strange {
            return Err(format!("{key} cannot be computed"));
        }
        let set = |mode: &PoolingMode| config.get(mode.old_key()).is_some_and(chosen);
        let modes: Vec<PoolingMode> = PoolingMode::ALL.into_iter().filter(set).collect();
        Ok(if modes.is_empty() {
            Self::default().0
        } else {
            modes
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(config: Value) -> Result<String, String> {
        let Value::Object(config) = config else {
            panic!("no object")
        };
        Pooling::from_config(&config).map(|pooling| pooling.to_string())
    }

    #[test]
    fn every_mode_is_read_in_its_old_and_its_new_spelling() {
        for mode in PoolingMode::ALL {
            let name = Ok(mode.name().to_owned());
            assert_eq!(read(json!({"pooling_mode": mode.stated()})), name);
            assert_eq!(
                read(json!({mode.old_key(): true, "pooling_mode_other": false})),
                name
            );
        }
        assert_eq!(read(json!({})), Ok("mean".to_owned()));
    }

    #[test]
    fn several_modes_keep_the_order_in_which_they_are_joined() {
        let old = json!({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true});
        assert_eq!(read(old), Ok("cls+mean".to_owned()));
        let new = json!({"pooling_mode": ["mean", "cls"], "pooling_mode_max_tokens": true});
        assert_eq!(read(new), Ok("mean+cls".to_owned()));
    }

    #[test]
    fn a_mode_that_cannot_be_computed_is_named() {
        for config in [
            json!({"pooling_mode": "attention"}),
            json!({"pooling_mode": []}),
            json!({"pooling_mode": ["mean", "attention"]}),
            json!({"pooling_mode_attention": true, "pooling_mode_mean_tokens": true}),
        ] {
            let problem = read(config).unwrap_err();
            assert!(
                problem.contains("attention") || problem.contains("[]"),
                "{problem}"
            );
        }
    }
}

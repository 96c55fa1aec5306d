//! Which activation stands between the feed-forward matrices.

use serde::{Deserialize, Serialize};

/// `hidden_act`, by the names of `transformers`; the arithmetic of each is in `modules.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenAct {
    /// GELU by the error function.
    #[default]
    Gelu,
    /// GELU by the hyperbolic tangent, as in GPT-2; `gelu_pytorch_tanh` of `transformers` is
    /// the same function under another name.
    GeluNew,
    /// What is positive, else 0.
    Relu,
}

impl HiddenAct {
    /// All that there are.
    pub const ALL: [Self; 3] = [Self::Gelu, Self::GeluNew, Self::Relu];

    /// Its name in `config.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gelu => "gelu",
            Self::GeluNew => "gelu_new",
            Self::Relu => "relu",
        }
    }

    /// Whether the backward pass needs the input of the activation beside its output, which the next
    /// matrix keeps in any case.
    pub fn keeps_its_input(self) -> bool {
        match self {
            Self::Gelu | Self::GeluNew => true,
            Self::Relu => false,
        }
    }
}

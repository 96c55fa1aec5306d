//! A small model, its tokenizer, a checkpoint and an exported folder of them, for tests of this crate
//! and of those that read such folders.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use checkpoint::{Dtype, NamedTensor};
use durable::DISK;
use model::{Precision, RobertaConfig, RobertaForMaskedLm};
use serde_json::{Value, json};
use tch::{Device, Tensor};
use tokenizer::Tokenizer;

/// A tokenizer that knows a few words of a filing.
pub fn tokenizer() -> Tokenizer {
    let text = "The company reported revenue of 12 million dollars, and costs rose with the market.";
    tokenizer::train(std::iter::repeat_n(text.to_owned(), 3), 300).unwrap()
}

/// A configuration of two narrow layers and sequences of 32 tokens.
pub fn config(vocab_size: usize) -> RobertaConfig {
    let json = json!({
        "model_type": "roberta", "vocab_size": vocab_size, "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 34, "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
    });
    RobertaConfig::from_json(&json.to_string()).unwrap()
}

/// A model with random weights.
pub fn random_model(config: &RobertaConfig) -> RobertaForMaskedLm {
    let mut model = RobertaForMaskedLm::new(config, Precision::F32, Device::Cpu).unwrap();
    model.initialize(5).unwrap();
    model
}

/// The elements of an f32 tensor.
pub fn values(tensor: &Tensor) -> Vec<f32> {
    let mut values = vec![0.0; tensor.numel()];
    tensor.contiguous().copy_data(&mut values, tensor.numel());
    values
}

/// The state that a trainer would store.
pub fn trainer_state(config: &RobertaConfig, tokenizer: &Tokenizer) -> Value {
    json!({
        "tokens_seen": 1234, "loss": 5.5, "precision": "f32", "schedule": null, "seed": 1,
        "model_config": serde_json::from_str::<Value>(&config.to_json().unwrap()).unwrap(),
        "attention_permutation": null,
        "hashes": {"config": "a", "corpus": "b", "packing": "c", "tokenizer": tokenizer.hash()},
        "text_dates": {"latest": "2024-01-31", "undated_documents": 0},
    })
}

/// The pooling of a module's configuration.
pub fn pooling(config: &Value) -> crate::Pooling {
    crate::Pooling::from_config(config.as_object().unwrap()).unwrap()
}

/// Saves `model` as a checkpoint under `folder`.
pub fn save(folder: &Path, model: &RobertaForMaskedLm, trainer: &Value) -> PathBuf {
    let tensors: Vec<NamedTensor<'_>> = model
        .named_tensors()
        .unwrap()
        .into_iter()
        .map(|(name, tensor)| NamedTensor {
            name,
            dtype: Dtype::F32,
            shape: tensor
                .size()
                .iter()
                .map(|&size| usize::try_from(size).unwrap())
                .collect(),
            bytes: Cow::Owned(
                values(&tensor)
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect(),
            ),
        })
        .collect();
    checkpoint::save(&DISK, folder, 7, &tensors, &[], trainer).unwrap()
}

/// Writes a Hugging Face folder of a random model to `out`, by way of a checkpoint beside it.
pub fn export_tiny(out: &Path) -> RobertaForMaskedLm {
    let tokenizer = tokenizer();
    let config = config(tokenizer.vocab_size());
    let model = random_model(&config);
    let checkpoint = save(
        &out.with_extension("checkpoints"),
        &model,
        &trainer_state(&config, &tokenizer),
    );
    crate::export(&DISK, &checkpoint, &tokenizer, out, &crate::ModelCard::default()).unwrap();
    model
}

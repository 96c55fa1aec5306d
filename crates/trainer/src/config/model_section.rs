//! `[model]`: the fields of `config.json`, and what belongs to a run instead of a model.
//!
//! serde cannot flatten a struct that refuses unknown keys, so the section's map is read by
//! hand: the run's own keys are taken out, the rest goes to [`RobertaConfig`], which refuses
//! what it does not know with its place in the file.

use std::{fmt, path::PathBuf};

use model::RobertaConfig;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeSeed, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};

const ATTENTION_PERMUTATION: &str = "attention_permutation";
const INIT_FROM: &str = "init_from";
const CHECKPOINT_ACTIVATIONS: &str = "checkpoint_activations";

/// `[model]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ModelSection {
    /// The model's `config.json`.
    #[serde(flatten)]
    pub config: RobertaConfig,
    /// Seed of a permutation of the attention outputs over all positions of the micro-batch: a
    /// control experiment, whose model has attention that cannot help. Never in `config.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_permutation: Option<u64>,
    /// The folder of a Hugging Face RoBERTa model whose weights the run begins with; its
    /// tokenizer has to be the corpus's, and its shape the one above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_from: Option<PathBuf>,
    /// Keep only the inputs of the layers for the backward pass and compute the rest a second time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub checkpoint_activations: bool,
}

impl<'de> Deserialize<'de> for ModelSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SectionVisitor)
    }
}

struct SectionVisitor;

impl<'de> Visitor<'de> for SectionVisitor {
    type Value = ModelSection;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the section [model]")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let mut own = OwnKeys::default();
        let rest = WithoutOwnKeys { map, own: &mut own };
        let config = RobertaConfig::deserialize(MapAccessDeserializer::new(rest))?;
        Ok(ModelSection {
            config,
            attention_permutation: own.attention_permutation,
            init_from: own.init_from,
            checkpoint_activations: own.checkpoint_activations,
        })
    }
}

/// The keys that belong to the run.
#[derive(Default)]
struct OwnKeys {
    attention_permutation: Option<u64>,
    init_from: Option<PathBuf>,
    checkpoint_activations: bool,
}

/// The section's map without the run's own keys, which it puts down as it meets them.
struct WithoutOwnKeys<'a, A> {
    map: A,
    own: &'a mut OwnKeys,
}

/// A key of the section.
enum Key<K> {
    AttentionPermutation,
    InitFrom,
    CheckpointActivations,
    Model(K),
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutOwnKeys<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let mut seed = Some(seed);
        while let Some(key) = self.map.next_key_seed(OwnKeyOr(&mut seed))? {
            match key {
                Key::Model(key) => return Ok(Some(key)),
                Key::AttentionPermutation => self.own.attention_permutation = Some(self.map.next_value()?),
                Key::CheckpointActivations => self.own.checkpoint_activations = self.map.next_value()?,
                Key::InitFrom => self.own.init_from = Some(self.map.next_value()?),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// Reads a key: one of the run's own, else what `RobertaConfig` makes of it.
struct OwnKeyOr<'a, K>(&'a mut Option<K>);

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for OwnKeyOr<'_, K> {
    type Value = Key<K::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de, K: DeserializeSeed<'de>> Visitor<'de> for OwnKeyOr<'_, K> {
    type Value = Key<K::Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Self::Value, E> {
        match key {
            ATTENTION_PERMUTATION => Ok(Key::AttentionPermutation),
            INIT_FROM => Ok(Key::InitFrom),
            CHECKPOINT_ACTIVATIONS => Ok(Key::CheckpointActivations),
            _ => {
                let seed = self.0.take().ok_or_else(|| E::custom("a key was read twice"))?;
                seed.deserialize(key.into_deserializer()).map(Key::Model)
            }
        }
    }
}

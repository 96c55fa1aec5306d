//! That "Every key" of `docs/training.md` has every key that a file may have, and no other.

use std::{collections::BTreeSet, path::PathBuf};

use model::RobertaConfig;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor, value::Error},
};

use super::{
    CheckpointSection, DataSection, EvaluationSection, LoggingSection, MaskingSection, ModelSection,
    OptimizerSection, ParallelSection, PhaseSection, RunConfig, RunSection, ScheduleSection, TrainingSection,
    tests::tiny,
};

/// Puts down which fields a struct asks for, and gives it none.
struct FieldNames<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only a struct has fields"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields);
        Err(Error::custom("the names are enough"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn fields_of<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
    let mut fields = Vec::new();
    let read = T::deserialize(FieldNames(&mut fields));
    assert!(read.is_err() && !fields.is_empty());
    fields
}

/// The older name of `masking.scheme`, which is read and stands in no new file.
const OLDER: &str = "masking.whole_word";

/// Keys of `[model]` that are a run's and no field of `config.json`.
fn own_keys_of_model() -> BTreeSet<String> {
    let all = ModelSection {
        config: tiny(&[]).model.config,
        attention_permutation: Some(1),
        init_from: Some(PathBuf::from("folder")),
        checkpoint_activations: true,
    };
    let value = serde_json::to_value(all).unwrap();
    let of_config_json = fields_of::<RobertaConfig>();
    let keys = value.as_object().unwrap().keys();
    keys.filter(|key| !of_config_json.contains(&key.as_str()))
        .cloned()
        .collect()
}

/// The keys that a file may have, but for the fields of `config.json`.
fn accepted() -> BTreeSet<String> {
    let sections: [(&str, Vec<&str>); 11] = [
        ("run", fields_of::<RunSection>()),
        ("data", fields_of::<DataSection>()),
        ("data.phases", fields_of::<PhaseSection>()),
        ("masking", fields_of::<MaskingSection>()),
        ("optimizer", fields_of::<OptimizerSection>()),
        ("schedule", fields_of::<ScheduleSection>()),
        ("training", fields_of::<TrainingSection>()),
        ("parallel", fields_of::<ParallelSection>()),
        ("checkpoint", fields_of::<CheckpointSection>()),
        ("evaluation", fields_of::<EvaluationSection>()),
        ("logging", fields_of::<LoggingSection>()),
    ];
    for section in fields_of::<RunConfig>() {
        let is_listed = sections.iter().any(|(name, _)| *name == section);
        assert!(
            is_listed || section == "model",
            "the section {section} is not compared"
        );
    }
    let of_sections = sections
        .iter()
        .flat_map(|(section, fields)| fields.iter().map(move |field| format!("{section}.{field}")));
    let of_model = own_keys_of_model().into_iter().map(|key| format!("model.{key}"));
    of_sections
        .chain(of_model)
        .filter(|key| key != OLDER && key != "data.phases")
        .collect()
}

/// The keys of the table, and whether it has a row for all fields of `config.json`.
fn documented() -> (BTreeSet<String>, bool) {
    let page = include_str!("../../../../docs/training.md");
    let (_, section) = page.split_once("\n## Every key\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let (mut keys, mut has_all_of_model) = (BTreeSet::new(), false);
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').collect();
        let quoted = |cell: &str| -> Vec<String> {
            let names = cell.split('`').skip(1).step_by(2);
            names.map(str::to_owned).collect()
        };
        let names = quoted(cells[1]);
        if names == ["[[data.phases]]"] {
            keys.extend(quoted(cells[3]).iter().map(|name| format!("data.phases.{name}")));
            continue;
        }
        let section = names[0].split_once('.').map(|(section, _)| section).unwrap();
        for name in &names {
            // Behind the first key of a row the section may be left out.
            let key = if name.contains('.') {
                name.clone()
            } else {
                format!("{section}.{name}")
            };
            if key == "model.*" {
                has_all_of_model = true;
            } else {
                keys.insert(key);
            }
        }
    }
    (keys, has_all_of_model)
}

#[test]
fn every_key_is_documented_and_every_documented_key_is_accepted() {
    let (mut documented, has_all_of_model) = documented();
    assert!(has_all_of_model, "the fields of config.json have a row");
    let of_config_json = fields_of::<RobertaConfig>();
    documented.retain(|key| {
        let field = key.strip_prefix("model.");
        field.is_none_or(|field| !of_config_json.contains(&field))
    });
    let accepted = accepted();
    let undocumented: Vec<_> = accepted.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&accepted).collect();
    assert!(
        undocumented.is_empty() && unknown.is_empty(),
        "not in the table: {undocumented:?}; in it and not accepted: {unknown:?}"
    );
}

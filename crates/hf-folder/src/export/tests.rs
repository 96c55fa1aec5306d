use super::*;
use crate::HfModel;
use crate::testing::{config, random_model, save, tokenizer, trainer_state, values};
use durable::{DISK, DurableError};
use model::{HiddenAct, Precision, RobertaConfig};
use std::collections::BTreeSet;
use tch::Device;

#[test]
fn an_exported_folder_has_exactly_its_files_and_gives_back_every_tensor() {
    let scratch = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer();
    // A vocabulary that is no multiple of 8 and larger than the tokenizer's.
    let config = config(tokenizer.vocab_size() + 3);
    let model = random_model(&config);
    let path = save(scratch.path(), &model, &trainer_state(&config, &tokenizer));
    let out = scratch.path().join("export");
    let report = export(&DISK, &path, &tokenizer, &out, &ModelCard::default()).unwrap();
    assert_eq!(report.step, 7);
    assert_eq!(report.num_parameters, model.parameters().num_parameters());

    let names: BTreeSet<String> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = [
        "1_Pooling",
        "README.md",
        "config.json",
        "merges.txt",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "special_tokens_map.json",
        "text_dates.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.json",
    ];
    assert_eq!(names, expected.into_iter().map(str::to_owned).collect());

    let opened = HfModel::open(&out).unwrap();
    assert_eq!(opened.config, config);
    assert_eq!(opened.tokenizer.hash(), tokenizer.hash());
    assert_eq!(opened.max_sequence_length, 32);
    assert!(opened.tensors.unknown().is_empty() && opened.tensors.has_masked_lm_head());
    let again = opened.build(Precision::F32, Device::Cpu).unwrap();
    for ((name, left), (other, right)) in model
        .named_tensors()
        .unwrap()
        .iter()
        .zip(&again.named_tensors().unwrap())
    {
        assert_eq!(name, other);
        assert_eq!(left.size(), right.size());
        assert_eq!(values(left), values(right), "{name}");
    }
    let card = std::fs::read_to_string(out.join("README.md")).unwrap();
    assert!(
        card.contains("| steps | 7 |") && card.contains("2024-01-31"),
        "{card}"
    );
    let dates = TextDates::read(&out).unwrap().unwrap();
    assert_eq!(dates.latest.as_deref(), Some("2024-01-31"));
    assert!(card.contains(&dates.horizon()), "{card}");
}

#[test]
fn what_must_not_be_exported_is_refused_and_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer();
    let config = config(tokenizer.vocab_size());
    let model = random_model(&config);
    let good = trainer_state(&config, &tokenizer);
    let attempt = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut trainer = good.clone();
        change(&mut trainer);
        let path = save(&scratch.path().join(name), &model, &trainer);
        let out = scratch.path().join(format!("{name}-export"));
        let result = export(&DISK, &path, &tokenizer, &out, &ModelCard::default());
        assert!(!out.exists());
        result.unwrap_err()
    };
    let error = attempt("control", &|trainer| trainer["attention_permutation"] = json!(3));
    assert!(
        matches!(error, HfFolderError::ControlExperiment { .. }),
        "{error}"
    );
    let error = attempt("tokenizer", &|trainer| {
        trainer["hashes"]["tokenizer"] = json!("other");
    });
    assert!(matches!(error, HfFolderError::OtherTokenizer { .. }), "{error}");
    let error = attempt("hash", &|trainer| trainer["hashes"] = json!({}));
    assert!(
        matches!(
            error,
            HfFolderError::TrainerState {
                field: "hashes.tokenizer",
                ..
            }
        ),
        "{error}"
    );
    let error = attempt("config", &|trainer| {
        trainer.as_object_mut().unwrap().remove("model_config");
    });
    assert!(
        matches!(
            error,
            HfFolderError::TrainerState {
                field: "model_config",
                ..
            }
        ),
        "{error}"
    );
    let error = attempt("small", &|trainer| {
        trainer["model_config"]["vocab_size"] = json!(100);
    });
    assert!(
        matches!(error, HfFolderError::Vocabulary { model: 100, .. }),
        "{error}"
    );
}

#[test]
fn an_existing_folder_is_not_overwritten() {
    let scratch = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer();
    let config = config(tokenizer.vocab_size());
    let path = save(
        scratch.path(),
        &random_model(&config),
        &trainer_state(&config, &tokenizer),
    );
    let error = export(&DISK, &path, &tokenizer, scratch.path(), &ModelCard::default()).unwrap_err();
    assert!(
        matches!(error, HfFolderError::Durable(DurableError::AlreadyExists { .. })),
        "{error}"
    );
}

#[test]
fn an_exported_folder_names_the_activation_of_its_model() {
    let (scratch, tokenizer) = (tempfile::tempdir().unwrap(), tokenizer());
    for (hidden_act, name) in [(HiddenAct::GeluNew, "gelu_new"), (HiddenAct::Relu, "relu")] {
        let config = RobertaConfig {
            hidden_act,
            ..config(tokenizer.vocab_size())
        };
        let model = random_model(&config);
        let path = save(
            &scratch.path().join(name),
            &model,
            &trainer_state(&config, &tokenizer),
        );
        let out = scratch.path().join(format!("{name}-export"));
        export(&DISK, &path, &tokenizer, &out, &ModelCard::default()).unwrap();
        let text = std::fs::read_to_string(out.join("config.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["hidden_act"], name);
        assert_eq!(HfModel::open(&out).unwrap().config, config);
    }
}

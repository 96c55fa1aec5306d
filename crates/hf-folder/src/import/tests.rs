use super::*;
use crate::ModelCard;
use crate::files::{MODEL_SAFETENSORS, SENTENCE_BERT_CONFIG_JSON};
use crate::testing::{config, random_model, save, tokenizer, trainer_state, values};
use durable::{DISK, commit_bytes};
use safetensors::tensor::{Dtype, TensorView};
use std::path::Path;
use tch::Kind;
use tempfile::TempDir;

/// An exported folder and the model in it.
fn exported() -> (TempDir, RobertaForMaskedLm) {
    let scratch = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer();
    let config = config(tokenizer.vocab_size());
    let model = random_model(&config);
    let path = save(scratch.path(), &model, &trainer_state(&config, &tokenizer));
    crate::export(&DISK, &path, &tokenizer, &folder(&scratch), &ModelCard::default()).unwrap();
    (scratch, model)
}

fn folder(scratch: &TempDir) -> PathBuf {
    scratch.path().join("export")
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    commit_bytes(&DISK, path, text.replace(from, to).as_bytes()).unwrap();
}

/// Writes the model's tensors under other names and as another type.
fn rewrite(path: &Path, model: &RobertaForMaskedLm, dtype: Dtype, rename: impl Fn(&str) -> Option<String>) {
    let kind = match dtype {
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        _ => Kind::Float,
    };
    let mut contents = Vec::new();
    for (name, tensor) in model.named_tensors().unwrap() {
        let Some(name) = rename(&name) else { continue };
        let tensor = tensor.to_kind(kind).contiguous();
        let mut bytes = vec![0_u8; tensor.numel() * kind.elt_size_in_bytes()];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel()).unwrap();
        let shape = tensor
            .size()
            .iter()
            .map(|&size| usize::try_from(size).unwrap())
            .collect::<Vec<_>>();
        contents.push((name, shape, bytes));
    }
    let views = contents
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
    commit_bytes(&DISK, path, &safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_bare_encoder_without_prefix_and_head_opens_in_half_precision() {
    let (scratch, model) = exported();
    let path = folder(&scratch).join(MODEL_SAFETENSORS);
    for (dtype, tolerance) in [(Dtype::F16, 1e-3), (Dtype::BF16, 1e-2), (Dtype::F32, 0.0)] {
        rewrite(&path, &model, dtype, |name| {
            name.strip_prefix("roberta.").map(str::to_owned)
        });
        let opened = HfModel::open(&folder(&scratch)).unwrap();
        assert!(!opened.tensors.has_masked_lm_head());
        let built = opened.build(Precision::F32, Device::Cpu).unwrap();
        for ((name, expected), (_, found)) in model
            .named_tensors()
            .unwrap()
            .iter()
            .zip(&built.named_tensors().unwrap())
        {
            let found = values(found);
            if name.starts_with("lm_head.") {
                assert!(found.iter().all(|&value| value == 0.0), "{name}");
                continue;
            }
            for (a, b) in values(expected).iter().zip(&found) {
                assert!(
                    (a - b).abs() <= tolerance * a.abs().max(0.1),
                    "{name}: {a} and {b}"
                );
            }
        }
    }
}

#[test]
fn a_tensor_that_lacks_or_has_another_type_is_named() {
    let (scratch, model) = exported();
    let path = folder(&scratch).join(MODEL_SAFETENSORS);
    let lost = "roberta.encoder.layer.1.output.dense.bias";
    rewrite(&path, &model, Dtype::F32, |name| {
        (name != lost).then(|| name.to_owned())
    });
    let error = HfModel::open(&folder(&scratch))
        .unwrap()
        .build(Precision::F32, Device::Cpu)
        .unwrap_err();
    assert!(error.to_string().contains(lost), "{error}");

    let numbers = [0_u8; 4];
    let view = TensorView::new(Dtype::I32, vec![1], &numbers).unwrap();
    let bytes = safetensors::serialize([("lm_head.bias", view)], None).unwrap();
    commit_bytes(&DISK, &path, &bytes).unwrap();
    let error = HfModel::open(&folder(&scratch)).unwrap_err();
    assert!(
        matches!(error, HfFolderError::Tensor { .. }) && error.to_string().contains("lm_head.bias"),
        "{error}"
    );

    commit_bytes(&DISK, &path, &bytes[..bytes.len() - 2]).unwrap();
    assert!(matches!(
        HfModel::open(&folder(&scratch)),
        Err(HfFolderError::Safetensors { .. })
    ));
}

#[test]
fn an_incomplete_folder_is_refused_with_the_file_that_lacks() {
    let (scratch, _) = exported();
    let opened = HfModel::open(&scratch.path().join("nowhere"));
    assert!(opened.unwrap_err().to_string().contains("no such folder"));
    for file in [CONFIG_JSON, MODEL_SAFETENSORS] {
        let copy = std::fs::read(folder(&scratch).join(file)).unwrap();
        std::fs::remove_file(folder(&scratch).join(file)).unwrap();
        let error = HfModel::open(&folder(&scratch)).unwrap_err();
        assert!(
            matches!(&error, HfFolderError::Missing { file: lacks, .. } if *lacks == file),
            "{error}"
        );
        commit_bytes(&DISK, &folder(&scratch).join(file), &copy).unwrap();
    }
    std::fs::remove_file(folder(&scratch).join("tokenizer.json")).unwrap();
    std::fs::remove_file(folder(&scratch).join("merges.txt")).unwrap();
    assert!(matches!(
        HfModel::open(&folder(&scratch)),
        Err(HfFolderError::Tokenizer(_))
    ));
}

#[test]
fn a_run_and_its_checkpoint_are_refused_with_the_command_that_exports_them() {
    let scratch = tempfile::tempdir().unwrap();
    let run = scratch.path().join("run");
    let checkpoint = run.join("checkpoints/step-00000009");
    std::fs::create_dir_all(&checkpoint).unwrap();
    for file in [run.join("config.toml"), checkpoint.join("trainer.json")] {
        commit_bytes(&DISK, &file, b"").unwrap();
    }
    let command = format!("tenk-pretrain export --run {}", run.display());
    let said = HfModel::check(&run).unwrap_err().to_string();
    assert!(said.contains("training run") && said.contains(&command), "{said}");
    let said = HfModel::open(&checkpoint).unwrap_err().to_string();
    let command = format!("{command} --checkpoint step-00000009");
    assert!(said.contains("a checkpoint") && said.contains(&command), "{said}");
}

#[test]
fn a_vocabulary_far_beyond_the_tokenizers_is_remarked_on_and_padding_is_not() {
    let (scratch, tokenizer) = (tempfile::tempdir().unwrap(), tokenizer());
    for (name, more, is_remarked) in [("padded", 60, false), ("other", 2000, true)] {
        let config = config(tokenizer.vocab_size() + more);
        let model = random_model(&config);
        let trainer = trainer_state(&config, &tokenizer);
        let saved = save(&scratch.path().join(name).join("saved"), &model, &trainer);
        let out = scratch.path().join(name).join("export");
        crate::export(&DISK, &saved, &tokenizer, &out, &ModelCard::default()).unwrap();
        let notes = HfModel::open(&out).unwrap().notes;
        let remarks = notes.iter().filter(|note| note.contains("vocab_size"));
        assert_eq!(remarks.count(), usize::from(is_remarked), "{notes:?}");
    }
}

#[test]
fn another_architecture_or_vocabulary_is_refused() {
    let (scratch, _) = exported();
    let config_json = folder(&scratch).join(CONFIG_JSON);
    edit(&config_json, "\"eos_token_id\": 2", "\"eos_token_id\": 3");
    let error = HfModel::open(&folder(&scratch)).unwrap_err();
    assert!(
        matches!(
            error,
            HfFolderError::SpecialToken {
                key: "eos_token_id",
                ..
            }
        ),
        "{error}"
    );
    edit(&config_json, "\"eos_token_id\": 3", "\"eos_token_id\": 2");
    let size = tokenizer().vocab_size();
    edit(
        &config_json,
        &format!("\"vocab_size\": {size}"),
        "\"vocab_size\": 50",
    );
    let error = HfModel::open(&folder(&scratch)).unwrap_err();
    assert!(
        matches!(error, HfFolderError::Vocabulary { model: 50, .. }),
        "{error}"
    );
    edit(
        &config_json,
        "\"model_type\": \"roberta\"",
        "\"model_type\": \"bert\"",
    );
    let error = HfModel::open(&folder(&scratch)).unwrap_err();
    assert!(matches!(error, HfFolderError::Config { .. }), "{error}");
}

#[test]
fn sentence_bert_config_may_shorten_the_sequence_but_never_lengthen_it() {
    let (scratch, _) = exported();
    let path = folder(&scratch).join(SENTENCE_BERT_CONFIG_JSON);
    edit(&path, "32", "20");
    assert_eq!(HfModel::open(&folder(&scratch)).unwrap().max_sequence_length, 20);
    edit(&path, "20", "4096");
    assert_eq!(HfModel::open(&folder(&scratch)).unwrap().max_sequence_length, 32);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(HfModel::open(&folder(&scratch)).unwrap().max_sequence_length, 32);
}

#[test]
fn tensors_that_the_model_has_no_place_for_are_named_and_never_dropped_in_silence() {
    let (scratch, model) = exported();
    let path = folder(&scratch).join(MODEL_SAFETENSORS);
    // A head of a fine-tuned model: the encoder can be used, and the head is named.
    rewrite(&path, &model, Dtype::F32, |name| {
        Some(
            if name == "lm_head.bias" {
                "score.weight"
            } else {
                name
            }
            .to_owned(),
        )
    });
    let opened = HfModel::open(&folder(&scratch)).unwrap();
    assert_eq!(opened.tensors.unknown(), ["score.weight"]);
    // A layer more than config.json says: another model.
    rewrite(&path, &model, Dtype::F32, |name| Some(name.to_owned()));
    edit(
        &folder(&scratch).join(CONFIG_JSON),
        "\"num_hidden_layers\": 2",
        "\"num_hidden_layers\": 1",
    );
    let error = HfModel::open(&folder(&scratch))
        .unwrap()
        .build(Precision::F32, Device::Cpu)
        .unwrap_err();
    assert!(
        matches!(&error, HfFolderError::Tensor { name, .. } if name.contains("layer.1.")),
        "{error}"
    );
    assert!(error.to_string().contains("config.json"), "{error}");
}

/// Name, shape, type and bytes of every tensor of a folder, in order of name.
fn tensors_of(folder: &Path) -> Vec<(String, Vec<usize>, Dtype, Vec<u8>)> {
    let bytes = std::fs::read(folder.join(MODEL_SAFETENSORS)).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, view.shape().to_vec(), view.dtype(), view.data().to_vec()))
        .collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    tensors
}

#[test]
fn import_and_export_give_back_every_tensor_byte_for_byte() {
    let (scratch, _) = exported();
    let opened = HfModel::open(&folder(&scratch)).unwrap();
    let mut model = RobertaForMaskedLm::new(&opened.config, Precision::F32, Device::Cpu).unwrap();
    model.initialize(9).unwrap();
    opened.load_into(&mut model).unwrap();
    let again = scratch.path().join("again");
    let trainer = trainer_state(&opened.config, &opened.tokenizer);
    let checkpoint = save(&scratch.path().join("second"), &model, &trainer);
    crate::export(
        &DISK,
        &checkpoint,
        &opened.tokenizer,
        &again,
        &ModelCard::default(),
    )
    .unwrap();
    assert_eq!(tensors_of(&again), tensors_of(&folder(&scratch)));
}

#[test]
fn a_folder_without_a_head_leaves_the_models_own() {
    let (scratch, model) = exported();
    let path = folder(&scratch).join(MODEL_SAFETENSORS);
    rewrite(&path, &model, Dtype::F32, |name| {
        name.strip_prefix("roberta.").map(str::to_owned)
    });
    let opened = HfModel::open(&folder(&scratch)).unwrap();
    let fresh = |seed| {
        let mut model = RobertaForMaskedLm::new(&opened.config, Precision::F32, Device::Cpu).unwrap();
        model.initialize(seed).unwrap();
        model
    };
    let mut loaded = fresh(9);
    opened.load_into(&mut loaded).unwrap();
    let named = |model: &RobertaForMaskedLm| model.named_tensors().unwrap();
    for (((name, found), (_, own)), (_, source)) in
        named(&loaded).iter().zip(named(&fresh(9))).zip(named(&model))
    {
        let expected = if name.starts_with("lm_head.") {
            &own
        } else {
            &source
        };
        assert_eq!(values(found), values(expected), "{name}");
    }
}

/// Splits `model.safetensors` into two shards with an index that `change` may alter.
fn shard(folder: &Path, change: impl Fn(&mut serde_json::Map<String, Value>)) {
    let single = folder.join(MODEL_SAFETENSORS);
    let bytes = std::fs::read(&single).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut map = serde_json::Map::new();
    for (number, name) in ["model-1.safetensors", "model-2.safetensors"]
        .into_iter()
        .enumerate()
    {
        let mut tensors = file.tensors();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        let part: Vec<_> = tensors.into_iter().skip(number).step_by(2).collect();
        map.extend(part.iter().map(|(tensor, _)| (tensor.clone(), Value::from(name))));
        commit_bytes(
            &DISK,
            &folder.join(name),
            &safetensors::serialize(part, None).unwrap(),
        )
        .unwrap();
    }
    change(&mut map);
    let index = serde_json::json!({"metadata": {}, "weight_map": map});
    let path = folder.join("model.safetensors.index.json");
    commit_bytes(&DISK, &path, index.to_string().as_bytes()).unwrap();
    std::fs::remove_file(single).unwrap();
}

#[test]
fn shards_with_an_index_are_one_model() {
    let (scratch, model) = exported();
    let whole = HfModel::open(&folder(&scratch))
        .unwrap()
        .weights
        .sha256()
        .unwrap();
    shard(&folder(&scratch), |_| ());
    let opened = HfModel::open(&folder(&scratch)).unwrap();
    let built = opened.build(Precision::F32, Device::Cpu).unwrap();
    let named = |model: &RobertaForMaskedLm| model.named_tensors().unwrap();
    for ((name, expected), (_, found)) in named(&model).iter().zip(named(&built)) {
        assert_eq!(values(&found), values(expected), "{name}");
    }
    assert_ne!(opened.weights.sha256().unwrap(), whole);
}

#[test]
fn an_index_that_does_not_fit_its_shards_is_refused_by_name() {
    type Change = fn(&mut serde_json::Map<String, Value>);
    let cases: [(Change, &str); 6] = [
        (
            |map| drop(map.insert("lm_head.bias".into(), "gone.safetensors".into())),
            "gone.safetensors",
        ),
        (
            |map| drop(map.insert("lm_head.bias".into(), "../model-1.safetensors".into())),
            "../model-1",
        ),
        (
            |map| drop(map.insert("lm_head.bias".into(), "/etc/passwd".into())),
            "/etc/passwd",
        ),
        (
            |map| drop(map.insert("other".into(), "model-1.safetensors".into())),
            "other",
        ),
        (
            |map| {
                for file in map.values_mut() {
                    *file = "model-1.safetensors".into();
                }
            },
            "model-1.safetensors",
        ),
        (serde_json::Map::clear, "no tensors"),
    ];
    for (change, word) in cases {
        let (scratch, _) = exported();
        shard(&folder(&scratch), change);
        let said = HfModel::open(&folder(&scratch)).unwrap_err().to_string();
        assert!(said.contains(word), "{word}: {said}");
    }
    let (scratch, _) = exported();
    shard(&folder(&scratch), |_| ());
    let second = folder(&scratch).join("model-2.safetensors");
    std::fs::copy(folder(&scratch).join("model-1.safetensors"), second).unwrap();
    let said = HfModel::open(&folder(&scratch)).unwrap_err().to_string();
    assert!(said.contains("model-2.safetensors"), "{said}");
}

#[test]
fn a_tensor_listed_twice_in_the_index_is_named() {
    let (scratch, _) = exported();
    shard(&folder(&scratch), |_| ());
    let path = folder(&scratch).join("model.safetensors.index.json");
    edit(
        &path,
        "\"lm_head.bias\":",
        "\"lm_head.bias\":\"model-2.safetensors\",\"lm_head.bias\":",
    );
    let error = chain(&HfModel::open(&folder(&scratch)).unwrap_err());
    assert!(error.contains("lm_head.bias"), "{error}");
}

fn chain(error: &dyn std::error::Error) -> String {
    let below = error.source().map(chain).unwrap_or_default();
    format!("{error}: {below}")
}

/// The files below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files = Vec::new();
    for entry in entries.map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files.extend(files_below(&entry));
        } else {
            files.push(entry);
        }
    }
    files.sort();
    files
}

/// What opening the model says, and what reading its dates says.
fn opened(folder: &Path) -> Result<(), String> {
    let folder = folder.to_path_buf();
    let open = move || {
        let model = HfModel::open(&folder).map(drop);
        model.and_then(|()| crate::TextDates::read(&folder).map(drop))
    };
    durable::testing::within_a_minute(open).map_err(|error| chain(&error))
}

#[test]
fn a_pipe_under_the_name_of_any_file_of_a_model_is_refused_at_once() {
    for sharded in [false, true] {
        let (scratch, _) = exported();
        if sharded {
            shard(&folder(&scratch), |_| ());
        }
        let files = files_below(&folder(&scratch));
        assert!(files.len() > 10, "{files:?}");
        for file in files {
            let aside = scratch.path().join("aside");
            std::fs::rename(&file, &aside).unwrap();
            durable::testing::lay_pipe(&file).unwrap();
            let name = file.file_name().unwrap().to_str().unwrap();
            match opened(&folder(&scratch)) {
                Err(said) => assert!(said.contains(name) && said.contains("it is a pipe"), "{said}"),
                // Not read: a text for people, and what tokenizer.json holds as well.
                Ok(()) => assert!(
                    ["README.md", "vocab.json", "merges.txt"].contains(&name),
                    "{name}"
                ),
            }
            std::fs::rename(&aside, &file).unwrap();
        }
    }
}

#[test]
fn a_file_of_a_tebibyte_is_refused_before_memory_is_taken_for_it() {
    for name in ["config.json", "modules.json", "tokenizer.json", MODEL_SAFETENSORS] {
        let (scratch, _) = exported();
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(folder(&scratch).join(name));
        file.unwrap().set_len(1 << 40).unwrap();
        let said = opened(&folder(&scratch)).unwrap_err();
        assert!(said.contains(name) && said.contains("at most"), "{said}");
    }
}

#[test]
fn a_tensor_that_is_not_finite_is_named_on_opening() {
    for (value, dtype) in [
        (f64::NAN, Dtype::F32),
        (f64::INFINITY, Dtype::F16),
        (f64::NEG_INFINITY, Dtype::BF16),
    ] {
        let (scratch, model) = exported();
        let broken = "roberta.encoder.layer.1.output.dense.bias";
        let named = model.named_tensors().unwrap();
        let (_, tensor) = named.iter().find(|(name, _)| name == broken).unwrap();
        let _ = tch::no_grad(|| tensor.get(3).fill_(value));
        rewrite(&folder(&scratch).join(MODEL_SAFETENSORS), &model, dtype, |name| {
            Some(name.to_owned())
        });
        let said = HfModel::open(&folder(&scratch)).unwrap_err().to_string();
        assert!(said.contains(broken) && said.contains("not finite"), "{said}");
    }
}

#[test]
fn two_spellings_of_one_tensor_are_refused_and_one_alone_is_enough() {
    let words = "roberta.embeddings.word_embeddings.weight";
    for (from, to) in [
        (words, "lm_head.decoder.weight"),
        ("lm_head.bias", "lm_head.decoder.bias"),
        (
            "roberta.embeddings.LayerNorm.weight",
            "embeddings.LayerNorm.gamma",
        ),
        ("lm_head.layer_norm.bias", "lm_head.layer_norm.beta"),
    ] {
        let (scratch, model) = exported();
        let path = folder(&scratch).join(MODEL_SAFETENSORS);
        rewrite(&path, &model, Dtype::F32, |name| {
            Some(if name == from { to } else { name }.to_owned())
        });
        let built = HfModel::open(&folder(&scratch))
            .unwrap()
            .build(Precision::F32, Device::Cpu);
        let named = |model: &RobertaForMaskedLm| model.named_tensors().unwrap();
        for ((name, expected), (_, found)) in named(&model).iter().zip(named(&built.unwrap())) {
            assert_eq!(values(&found), values(expected), "{name}");
        }
    }
    let (scratch, model) = exported();
    let path = folder(&scratch).join(MODEL_SAFETENSORS);
    rewrite(&path, &model, Dtype::F32, |name| {
        let renamed = name.replace("lm_head.dense.bias", "lm_head.decoder.bias");
        Some(renamed)
    });
    let said = HfModel::open(&folder(&scratch)).unwrap_err().to_string();
    assert!(
        said.contains("lm_head.decoder.bias") && said.contains("differs"),
        "{said}"
    );
}

#[test]
fn an_adapter_is_refused_by_name() {
    let (scratch, _) = exported();
    commit_bytes(&DISK, &folder(&scratch).join("adapter_config.json"), b"{}").unwrap();
    let said = HfModel::open(&folder(&scratch)).unwrap_err().to_string();
    assert!(
        said.contains("adapter_config.json") && said.contains("merge"),
        "{said}"
    );
}

use super::*;
use durable::{DISK, commit_bytes};
use serde_json::json;

const MODELS: &str = "sentence_transformers.models.";

struct Folder(tempfile::TempDir);

impl Folder {
    /// `modules.json` of the classes, each but the first in a folder of its own, with a mean pooling.
    fn new(classes: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let module = |(index, class): (usize, &&str)| {
            let path = if index == 0 {
                String::new()
            } else {
                format!("{index}_{class}")
            };
            json!({"idx": index, "name": index.to_string(), "path": path, "type": format!("{MODELS}{class}")})
        };
        let modules: Vec<Value> = classes.iter().enumerate().map(module).collect();
        folder.write(MODULES_JSON, &json!(modules));
        folder.write("1_Pooling/config.json", &json!({"pooling_mode": "mean"}));
        folder
    }

    fn write(&self, name: &str, value: &Value) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        commit_bytes(&DISK, &path, value.to_string().as_bytes()).unwrap();
    }

    fn read(&self) -> Result<SentenceModules, HfFolderError> {
        SentenceModules::read(self.0.path())
    }

    fn refusal(&self) -> String {
        self.read().unwrap_err().to_string()
    }
}

#[test]
fn modules_that_cannot_be_computed_are_named() {
    for (classes, word) in [
        (&["Transformer", "Pooling", "Dense"][..], "2_Dense"),
        (&["Transformer", "Pooling", "LayerNorm"], "LayerNorm"),
        (&["Transformer", "Dense", "Pooling"], "1_Dense"),
        (&["Transformer"], "then Pooling"),
        (&["Pooling", "Transformer"], "then Pooling"),
        (&["Transformer", "Pooling", "Pooling"], "second"),
        (&["Transformer", "Normalize", "Pooling"], "then Pooling"),
        (&[], "then Pooling"),
    ] {
        let said = Folder::new(classes).refusal();
        assert!(
            said.contains(word) && said.contains(MODULES_JSON),
            "{classes:?}: {said}"
        );
    }
    let folder = Folder::new(&["Transformer", "Pooling"]);
    folder.write(MODULES_JSON, &json!([{"path": "", "type": "mine.Transformer"}]));
    assert!(folder.refusal().contains("mine.Transformer"));
}

#[test]
fn a_module_s_path_is_one_folder_of_the_folder() {
    for path in ["..", "/tmp", "a/b", "1_Pooling/..", "."] {
        let folder = Folder::new(&["Transformer", "Pooling"]);
        let modules = json!([
            {"path": "", "type": format!("{MODELS}Transformer")},
            {"path": path, "type": format!("{MODELS}Pooling")},
        ]);
        folder.write(MODULES_JSON, &modules);
        let said = folder.refusal();
        assert!(said.contains("not one folder"), "{path}: {said}");
    }
}

#[test]
fn settings_that_would_change_vectors_are_obeyed_or_named() {
    for (settings, word) in [
        (
            json!({"tokenizer_name_or_path": "other"}),
            "tokenizer_name_or_path",
        ),
        (json!({"transformer_task": "fill-mask"}), "transformer_task"),
        (
            json!({"processing_kwargs": {"text": {"max_length": 3}}}),
            "processing_kwargs",
        ),
        (
            json!({"tokenizer_args": {"add_prefix_space": true}}),
            "tokenizer_args",
        ),
        (json!({"config_args": {"hidden_act": "relu"}}), "config_args"),
        (json!({"max_seq_length": "long"}), "max_seq_length"),
        (json!({"max_seq_length": -1}), "max_seq_length"),
        (json!({"do_lower_case": "yes"}), "do_lower_case"),
        (
            json!({"modality_config": {"text": {"method_output_name": "pooler_output"}}}),
            "pooler_output",
        ),
        (json!([]), "object"),
    ] {
        let folder = Folder::new(&["Transformer", "Pooling"]);
        folder.write("sentence_bert_config.json", &settings);
        let said = folder.refusal();
        assert!(said.contains(word), "{settings}: {said}");
    }
    let folder = Folder::new(&["Transformer", "Pooling", "Dropout", "Normalize"]);
    folder.write(
        "sentence_bert_config.json",
        &json!({"max_seq_length": 7, "do_lower_case": true}),
    );
    let read = folder.read().unwrap();
    assert_eq!(
        (read.max_length, read.lower_case, read.normalize),
        (Some(7), true, true)
    );
}

#[test]
fn prompts_and_kinds_of_model_are_obeyed_or_named() {
    let settings =
        |name: Value| json!({"prompts": {"query": "Query: ", "none": ""}, "default_prompt_name": name});
    let folder = Folder::new(&["Transformer", "Pooling"]);
    folder.write(MODEL_SETTINGS, &settings(json!("query")));
    assert_eq!(folder.read().unwrap().prompt, "Query: ");
    folder.write(MODEL_SETTINGS, &settings(Value::Null));
    assert_eq!(folder.read().unwrap().prompt, "");
    folder.write(MODEL_SETTINGS, &settings(json!("other")));
    assert!(folder.refusal().contains("default_prompt_name"));
    folder.write("1_Pooling/config.json", &json!({"include_prompt": false}));
    folder.write(MODEL_SETTINGS, &settings(json!("none")));
    assert_eq!(folder.read().unwrap().prompt, "");
    folder.write(MODEL_SETTINGS, &settings(json!("query")));
    assert!(folder.refusal().contains("include_prompt"));
    folder.write(MODEL_SETTINGS, &json!({"model_type": "SparseEncoder"}));
    assert!(folder.refusal().contains("SparseEncoder"));
}

#[test]
fn normalizing_something_else_than_the_text_s_vector_is_named() {
    let folder = Folder::new(&["Transformer", "Pooling", "Normalize"]);
    folder.write(
        "2_Normalize/config.json",
        &json!({"module_input_name": "sentence_embedding"}),
    );
    assert!(folder.read().unwrap().normalize);
    folder.write(
        "2_Normalize/config.json",
        &json!({"module_input_name": "token_embeddings"}),
    );
    assert!(folder.refusal().contains("token_embeddings"));
}

#[test]
fn a_pooling_that_cannot_be_computed_is_named_where_it_is_asked_for() {
    let folder = Folder::new(&["Transformer", "Pooling"]);
    folder.write("1_Pooling/config.json", &json!({"pooling_mode": "attention"}));
    let said = folder.read().unwrap().pooling().unwrap_err().to_string();
    assert!(said.contains("attention") && said.contains("--pooling"), "{said}");
    std::fs::remove_file(folder.0.path().join("1_Pooling/config.json")).unwrap();
    assert!(folder.refusal().contains("1_Pooling"));
}

#[test]
fn a_folder_without_modules_is_a_plain_encoder_and_says_what_it_does_not_read() {
    let folder = Folder::new(&["Transformer", "Pooling"]);
    std::fs::remove_file(folder.0.path().join(MODULES_JSON)).unwrap();
    let read = folder.read().unwrap();
    assert_eq!(read.pooling().unwrap(), &Pooling::default());
    assert!(read.notes[0].contains("1_Pooling"), "{:?}", read.notes);
}

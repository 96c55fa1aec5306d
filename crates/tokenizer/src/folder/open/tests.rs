use durable::{DISK, commit_bytes};
use serde_json::json;

use super::*;

/// A folder of ours in that of a model, with these files in place of its own. Its `special_tokens_map.json` is gone: it would
/// come before `tokenizer_config.json`.
fn folder(files: &[(&str, Value)]) -> (tempfile::TempDir, std::path::PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("tokenizer");
    let made = crate::train(std::iter::once("net sales net sales".to_owned()), 300).unwrap();
    made.save(&DISK, &folder, 512, Value::Null).unwrap();
    for name in ["manifest.json", "special_tokens_map.json"] {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    let model = ("config.json", json!({"model_type": "roberta"}));
    for (name, content) in [&model].into_iter().chain(files) {
        commit_bytes(&DISK, &folder.join(name), content.to_string().as_bytes()).unwrap();
    }
    (scratch, folder)
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<TokenId> {
    let mut ids = Vec::new();
    tokenizer.text_encoder().encode_into(text, &mut ids).unwrap();
    ids
}

fn token(content: &str) -> Value {
    json!({"content": content, "lstrip": true, "special": true})
}

#[test]
fn what_a_file_beside_the_vocabulary_asks_for_is_done_by_the_library_and_said_by_name() {
    const CONFIG: &str = "tokenizer_config.json";
    const MAP: &str = "special_tokens_map.json";
    for (file, content, word) in [
        (CONFIG, json!({"add_prefix_space": true}), "add_prefix_space"),
        (CONFIG, json!({"cls_token": "[CLS]"}), "[CLS]"),
        (CONFIG, json!({"cls_token": "</s>"}), "cls_token"),
        (
            CONFIG,
            json!({"added_tokens_decoder": {"300": token("EBITDA")}}),
            "EBITDA",
        ),
        (
            CONFIG,
            json!({"extra_special_tokens": {"image_token": "<image>"}}),
            "<image>",
        ),
        (CONFIG, json!({"image_token": "<image>"}), "<image>"),
        (MAP, json!({"mask_token": token("[MASK]")}), "[MASK]"),
        (MAP, json!({"additional_special_tokens": ["<x>"]}), "<x>"),
        ("added_tokens.json", json!({"EBITDA": 300}), "EBITDA"),
    ] {
        let (_scratch, folder) = folder(&[(file, content.clone())]);
        let tokenizer = Tokenizer::open_for_text(&folder).unwrap();
        assert!(tokenizer.encodes_by_library(), "{file}: {content}");
        assert!(
            tokenizer.notes().concat().contains(word),
            "{content}: {:?}",
            tokenizer.notes()
        );
    }
}

#[test]
fn the_special_tokens_of_roberta_change_nothing_in_any_spelling() {
    let spelled = |content: &str| json!({"__type": "AddedToken", "content": content, "lstrip": true});
    let config = json!({
        "add_prefix_space": false, "mask_token": spelled("<mask>"), "bos_token": "<s>", "unk_token": null,
        "added_tokens_decoder": {"0": spelled("<s>"), "299": spelled("<mask>")}, "model_max_length": 1e30,
        "tokenizer_class": "RobertaTokenizer",
    });
    let (_scratch, folder) = folder(&[
        ("tokenizer_config.json", config),
        (
            "special_tokens_map.json",
            json!({"mask_token": spelled("<mask>"), "pad_token": "<pad>"}),
        ),
        ("added_tokens.json", json!({"<mask>": 299})),
    ]);
    let tokenizer = Tokenizer::open(&folder).unwrap();
    assert!(!tokenizer.encodes_by_library());
    assert_eq!(tokenizer.notes(), [] as [&str; 0]);
}

#[test]
fn special_tokens_that_a_text_spells_are_tokens_in_a_text_and_text_in_a_corpus() {
    let (_scratch, folder) = folder(&[]);
    let tokenizer = Tokenizer::open(&folder).unwrap();
    let (mask, eos) = (tokenizer.special().mask, tokenizer.special().eos);
    let net = ids(&tokenizer, "net");
    assert_eq!(
        ids(&tokenizer, "net <mask>net</s>"),
        [&net[..], &[mask], &net, &[eos]].concat()
    );
    let mut in_corpus = Vec::new();
    tokenizer
        .encoder()
        .encode_into("net <mask>net</s>", &mut in_corpus)
        .unwrap();
    assert!(!in_corpus.contains(&mask) && !in_corpus.contains(&eos));
}

#[test]
fn added_tokens_are_found_in_a_corpus_and_the_named_special_tokens_are_text() {
    let config = json!({"tokenizer_class": "RobertaTokenizer", "extra_special_tokens": ["<ticker>"]});
    let (_scratch, folder) = folder(&[
        ("tokenizer_config.json", config),
        ("added_tokens.json", json!({"EBITDA": 300})),
    ]);
    let tokenizer = Tokenizer::open(&folder).unwrap();
    let mut in_corpus = Vec::new();
    tokenizer
        .encoder()
        .encode_into("<ticker>EBITDA</s>", &mut in_corpus)
        .unwrap();
    let id = |token| tokenizer.id(token).unwrap();
    assert_eq!(in_corpus[..2], [id("<ticker>"), id("EBITDA")]);
    assert!(!in_corpus.contains(&tokenizer.special().eos));
    assert_eq!(tokenizer.decode(&in_corpus), "<ticker>EBITDA</s>");
}

#[test]
fn the_order_of_named_tokens_in_a_file_decides_about_their_ids() {
    for names in [["b_token", "a_token"], ["a_token", "b_token"]] {
        let (_scratch, folder) = folder(&[]);
        let [first, second] = names;
        let config = format!(
            "{{\"tokenizer_class\": \"RobertaTokenizer\", \"{first}\": \"<{first}>\", \"{second}\": \"<{second}>\"}}"
        );
        commit_bytes(&DISK, &folder.join("tokenizer_config.json"), config.as_bytes()).unwrap();
        let tokenizer = Tokenizer::open(&folder).unwrap();
        let ids = names.map(|name| tokenizer.id(&format!("<{name}>")).unwrap());
        assert_eq!(ids[0] + 1, ids[1]);
        // and the copy keeps it
        let copy = tempfile::tempdir().unwrap();
        for (name, bytes) in tokenizer.files(64).unwrap() {
            commit_bytes(&DISK, &copy.path().join(name), &bytes).unwrap();
        }
        assert_eq!(Tokenizer::open(copy.path()).unwrap().hash(), tokenizer.hash());
    }
}

#[test]
fn a_class_that_only_another_file_names_is_kept_with_the_copied_files() {
    let (_scratch, folder) = folder(&[
        (
            "tokenizer_config.json",
            json!({"cls_token": "<s>", "sep_token": "</s>"}),
        ),
        (
            "config.json",
            json!({"tokenizer_class": "PreTrainedTokenizerFast"}),
        ),
    ]);
    let path = folder.join("tokenizer.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    json["normalizer"] = json!({"type": "Lowercase"});
    commit_bytes(&DISK, &path, json.to_string().as_bytes()).unwrap();
    let tokenizer = Tokenizer::open(&folder).unwrap();
    assert_eq!(ids(&tokenizer, "NET Sales"), ids(&tokenizer, "net sales"));
    let copy = tempfile::tempdir().unwrap();
    for (name, bytes) in tokenizer.files(64).unwrap() {
        commit_bytes(&DISK, &copy.path().join(name), &bytes).unwrap();
    }
    let copied = Tokenizer::open(copy.path()).unwrap();
    assert_eq!(
        (copied.hash(), ids(&copied, "NET")),
        (tokenizer.hash(), ids(&tokenizer, "net"))
    );
    let config: Value =
        serde_json::from_slice(&std::fs::read(copy.path().join("tokenizer_config.json")).unwrap()).unwrap();
    assert_eq!(
        (&config["model_max_length"], &config["cls_token"]),
        (&json!(64), &json!("<s>"))
    );
}

#[test]
fn a_corpus_needs_more_of_a_tokenizer_than_a_text_does() {
    let no_end = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true});
    for (what, word) in [
        (json!({"post_processor": no_end}), "0 tokens before a text"),
        (
            json!({"model": {"type": "WordLevel", "unk_token": "<unk>",
            "vocab": {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4, "a": 5}}}),
            "lacks the byte",
        ),
    ] {
        let (_scratch, folder) = folder(&[(
            "tokenizer_config.json",
            json!({"tokenizer_class": "PreTrainedTokenizerFast"}),
        )]);
        let path = folder.join("tokenizer.json");
        let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let changed = what.as_object().unwrap().clone();
        json.as_object_mut().unwrap().extend(changed);
        if what.get("model").is_some() {
            json["added_tokens"] = json!([]);
        }
        commit_bytes(&DISK, &path, json.to_string().as_bytes()).unwrap();
        assert!(
            Tokenizer::open_for_text(&folder).is_ok(),
            "{:?}",
            Tokenizer::open_for_text(&folder).err()
        );
        let said = Tokenizer::open(&folder).unwrap_err().to_string();
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn what_the_crate_would_hang_or_panic_on_is_refused() {
    let fast = json!({"tokenizer_class": "PreTrainedTokenizerFast"});
    let strip = json!({"type": "StripAccents"});
    let panics = json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"});
    for (normalizer, added, word) in [
        (strip, "\u{301}", "leaves nothing"),
        (panics, "x", "cannot do it either"),
    ] {
        let (_scratch, folder) = folder(&[
            ("tokenizer_config.json", fast.clone()),
            ("added_tokens.json", json!({added: 300})),
        ]);
        let path = folder.join("tokenizer.json");
        let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        json["normalizer"] = normalizer;
        commit_bytes(&DISK, &path, json.to_string().as_bytes()).unwrap();
        let said = Tokenizer::open_for_text(&folder).unwrap_err().to_string();
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn a_regular_expression_that_gives_up_is_an_error_and_no_panic() {
    let fast = json!({"tokenizer_class": "PreTrainedTokenizerFast"});
    let (_scratch, folder) = folder(&[("tokenizer_config.json", fast)]);
    let path = folder.join("tokenizer.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let split =
        json!({"type": "Split", "pattern": {"Regex": "(a+)+b"}, "behavior": "Isolated", "invert": false});
    json["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [split, json["pre_tokenizer"]]});
    commit_bytes(&DISK, &path, json.to_string().as_bytes()).unwrap();
    let tokenizer = Tokenizer::open(&folder).unwrap();
    let text = format!("{}c", "a".repeat(60));
    let error = tokenizer
        .text_encoder()
        .encode_into(&text, &mut Vec::new())
        .unwrap_err();
    assert!(matches!(error, TokenizerError::Pipeline { .. }), "{error}");
}

#[test]
fn hashes_of_corpora_do_not_depend_on_releases_of_libraries() {
    let config = json!({"tokenizer_class": "RobertaTokenizer", "add_prefix_space": true});
    let (_scratch, folder) = folder(&[
        ("tokenizer_config.json", config),
        ("added_tokens.json", json!({"EBITDA": 300})),
    ]);
    let hash = Tokenizer::open(&folder).unwrap().hash().to_owned();
    assert_eq!(
        hash,
        "07a6850db58ee78617fc05111b79ee69f713d35af28f1ebd9a64d8da852704d7"
    );
}

#[test]
fn an_id_far_beyond_the_vocabulary_takes_no_memory() {
    let (_scratch, folder) = folder(&[]);
    let path = folder.join("tokenizer.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    json["model"]["vocab"]["far"] = json!(4_000_000_000_u32);
    commit_bytes(&DISK, &path, json.to_string().as_bytes()).unwrap();
    let said = Tokenizer::open_for_text(&folder).unwrap_err().to_string();
    assert!(said.contains("4000000000"), "{said}");
}

#[test]
fn as_many_added_tokens_as_there_are_entries_take_no_quadratic_time() {
    // Compared one with the other, 100,000 times 100,000 tokens take minutes.
    let (_scratch, folder) = folder(&[]);
    let added: serde_json::Map<String, Value> = (0..100_000)
        .map(|number| (format!("new-{number}"), json!(300 + number)))
        .collect();
    commit_bytes(
        &DISK,
        &folder.join("added_tokens.json"),
        Value::from(added).to_string().as_bytes(),
    )
    .unwrap();
    let start = std::time::Instant::now();
    let tokenizer = Tokenizer::open_for_text(&folder).unwrap();
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    let base = crate::train(std::iter::once("net sales net sales".to_owned()), 300).unwrap();
    assert_eq!(tokenizer.vocab_size(), base.vocab_size() + 100_000);
}

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::Place;

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Config {
    run: Run,
    training: Training,
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Run {
    dir: String,
    seed: u64,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Training {
    max_steps: u64,
    #[serde(default)]
    precision: Precision,
}

#[derive(Deserialize, Debug, PartialEq, Default)]
#[serde(rename_all = "lowercase")]
enum Precision {
    #[default]
    F32,
    Bf16,
}

#[derive(Deserialize, Debug, PartialEq, Default)]
#[serde(deny_unknown_fields, default)]
struct Data {
    weights: BTreeMap<String, u64>,
    skip_steps: Vec<u64>,
    phases: Vec<Phase>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Phase {
    until_step: u64,
}

const TEXT: &str = "\
[run]
dir = \"runs/x\"
seed = 7

[training]
max_steps = 10
";

fn read(text: &str, overrides: &[&str]) -> Result<Config, ConfigError> {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    load_str(text, Path::new("run.toml"), &overrides)
}

fn message(text: &str, overrides: &[&str]) -> String {
    read(text, overrides).unwrap_err().to_string()
}

#[test]
fn a_file_without_overrides_is_read() {
    let config = read(TEXT, &[]).unwrap();
    assert_eq!((config.run.seed, config.training.max_steps), (7, 10));
}

#[test]
fn overrides_replace_add_and_win_in_order() {
    let config = read(
        TEXT,
        &[
            "training.max_steps=20",
            "training.max_steps = 30",
            "training.precision=bf16",
            "run.dir=/data/run 1",
            "data.skip_steps=[3, 4]",
            "data.weights.wiki=2",
            "data.weights.\"10-K\"=3",
            "data.phases=[{until_step = 5}, {until_step = 9}]",
        ],
    )
    .unwrap();
    assert_eq!(config.training.max_steps, 30);
    assert_eq!(config.training.precision, Precision::Bf16);
    assert_eq!(config.run.dir, "/data/run 1");
    assert_eq!(config.data.skip_steps, [3, 4]);
    let weights = [("10-K".to_owned(), 3), ("wiki".to_owned(), 2)];
    assert_eq!(config.data.weights, weights.into());
    assert_eq!(config.data.phases.len(), 2);
}

#[test]
fn every_key_has_its_place_in_the_file_or_in_its_override() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.toml");
    std::os::unix::fs::symlink(folder.path().join("real.toml"), &path).unwrap();
    let mut file = std::fs::File::create_new(folder.path().join("real.toml")).unwrap();
    std::io::Write::write_all(&mut file, TEXT.as_bytes()).unwrap();
    let overrides = ["run.seed=9".to_owned()];
    let (config, places) = load_with_places::<Config>(&path, &overrides).unwrap();
    assert_eq!(config.run.seed, 9);
    let place = |key: &str| places.of(key).map(ToString::to_string);
    let line = format!("{}, line 6, column 1", path.display());
    assert_eq!(place("training.max_steps"), Some(line));
    assert_eq!(place("run.seed").as_deref(), Some("the override `run.seed=9`"));
    let section = format!("{}, line 5, column 2", path.display());
    assert_eq!(place("training.precision"), Some(section), "of its section");
    assert_eq!(place("nothing"), None);
}

#[test]
fn an_override_of_a_whole_table_replaces_it() {
    let text = format!("{TEXT}[data.weights]\nwiki = 1\n");
    let config = read(&text, &["data.weights={news = 2}"]).unwrap();
    assert_eq!(config.data.weights, [("news".to_owned(), 2)].into());
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_nearest_key() {
    let text = TEXT.replace("max_steps", "max_step");
    assert_eq!(
        message(&text, &[]),
        "run.toml, line 6, column 1: unknown key `training.max_step`; did you mean `max_steps`?"
    );
}

#[test]
fn an_unknown_key_unlike_all_others_lists_those_that_are_known() {
    let text = TEXT.replace("seed", "  color");
    assert_eq!(
        message(&text, &[]),
        "run.toml, line 3, column 3: unknown key `run.color`; the keys here are `dir`, `seed`"
    );
}

#[test]
fn an_unknown_section_is_refused() {
    assert_eq!(
        message(&format!("{TEXT}[trainin]\nx = 1\n"), &[]),
        "run.toml, line 7, column 2: unknown key `trainin`; did you mean `training`?"
    );
}

#[test]
fn an_unknown_key_in_a_list_of_tables_is_refused_with_its_line() {
    let text = format!("{TEXT}[[data.phases]]\nuntil_step = 1\n[[data.phases]]\nuntil_steps = 1\n");
    assert_eq!(
        message(&text, &[]),
        "run.toml, line 10, column 1: unknown key `data.phases[1].until_steps`; did you mean `until_step`?"
    );
}

#[test]
fn an_unknown_override_key_is_refused_as_an_override() {
    let error = read(TEXT, &["training.max_steps=5", "training.precison=bf16"]).unwrap_err();
    let ConfigError::UnknownKey { place, .. } = &error else {
        panic!("{error}");
    };
    let text = "training.precison=bf16".to_owned();
    assert_eq!(**place, Place::Override { text });
    assert_eq!(
        error.to_string(),
        "the override `training.precison=bf16`: unknown key `training.precison`; did you mean `precision`?"
    );
    assert_eq!(
        message(TEXT, &["traning.max_steps=5"]),
        "the override `traning.max_steps=5`: unknown key `traning`; did you mean `training`?"
    );
}

#[test]
fn a_wrong_type_names_key_and_place() {
    let text = TEXT.replace("= 10", "= \"ten\"");
    assert_eq!(
        message(&text, &[]),
        "run.toml, line 6, column 13: `training.max_steps`: it has to be a whole number of at least 0, not the text \"ten\""
    );
    assert_eq!(
        message(TEXT, &["run.seed=-1"]),
        "the override `run.seed=-1`: `run.seed`: it has to be a whole number of at least 0, not -1"
    );
    assert_eq!(
        message(TEXT, &["data.skip_steps=[1, x]"]),
        "the override `data.skip_steps=[1, x]` has a value that is not TOML (string values must be quoted, expected literal string); write it as section.key=value, with a TOML value"
    );
    assert_eq!(
        message(TEXT, &["data.skip_steps=[1, \"x\"]"]),
        "the override `data.skip_steps=[1, \"x\"]`: `data.skip_steps[1]`: it has to be a whole number of at least 0, not the text \"x\""
    );
}

#[test]
fn an_unknown_choice_names_the_nearest() {
    assert_eq!(
        message(TEXT, &["training.precision=bf61"]),
        "the override `training.precision=bf61`: `training.precision` cannot be `bf61`; did you mean `bf16`?"
    );
    assert_eq!(
        message(&format!("{TEXT}precision = \"half\"\n"), &[]),
        "run.toml, line 7, column 13: `training.precision` cannot be `half`; the choices are `f32`, `bf16`"
    );
}

#[test]
fn a_missing_key_is_named_with_its_section() {
    assert_eq!(
        message(&TEXT.replace("seed = 7", ""), &[]),
        "run.toml: the key `run.seed` is missing; add it there, or give --set run.seed=VALUE"
    );
    assert!(message("", &[]).contains("`run` is missing"));
    assert!(message("", &["run.seed=1"]).contains("`run.dir` is missing"));
    read(&TEXT.replace("seed = 7", ""), &["run.seed=8"]).unwrap();
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_place() {
    let error = message("[run]\nseed = = 1\n", &[]);
    assert!(
        error.starts_with("run.toml, line 2, column 8: this is not TOML: "),
        "{error}"
    );
    let error = message(&format!("{TEXT}max_steps = 11\n"), &[]);
    assert!(
        error.starts_with("run.toml, line 7, column 1: this is not TOML: duplicate key"),
        "{error}"
    );
}

#[test]
fn malformed_overrides_say_what_is_wrong() {
    for (text, expected) in [
        ("run.seed", "has no `=`"),
        ("=1", "is not a key"),
        ("run..seed=1", "is not a key"),
        ("[run]\nseed=1", "is not a key"),
        ("run.seed=", "has no value"),
        ("data.skip_steps=[1", "is not TOML"),
        ("run.seed.x=1", "sets a key inside `run.seed`"),
        ("run.seed=1\nextra = 2", "`run.seed`"),
    ] {
        let error = message(TEXT, &[text]);
        assert!(error.contains(expected) && error.contains(text), "{error}");
    }
}

#[test]
fn columns_count_characters_and_lines_may_end_in_carriage_returns() {
    let text = "[run]\r\ndir = \"é\"\r\nseed = 1\r\n[training]\r\n\"é\" = 1\r\n";
    assert!(message(text, &[]).starts_with("run.toml, line 5, column 1: unknown key `training.é`"),);
    let text = "run = { dir = \"é\", sed = 1 }\ntraining = { max_steps = 1 }\n";
    assert!(message(text, &[]).starts_with("run.toml, line 1, column 20: unknown key `run.sed`"));
}

#[test]
fn a_missing_file_and_a_file_that_is_not_text_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = load::<Config>(&folder.path().join("no.toml"), &[]).unwrap_err();
    assert!(matches!(error, ConfigError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("no.toml"), "{error}");
    let error = load::<Config>(folder.path(), &[]).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
}

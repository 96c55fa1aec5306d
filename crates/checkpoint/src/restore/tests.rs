use durable::DISK;
use durable::testing::{lay_pipe, within_a_minute};
use serde_json::{Value, json};

use super::*;
use crate::{Dtype, save};

const FILES: [&str; 4] = [MODEL_FILE, OPTIMIZER_FILE, TRAINER_FILE, MANIFEST_FILE];

fn save_step(folder: &Path, step: u64) -> PathBuf {
    let tensor = NamedTensor {
        name: "weight".to_owned(),
        dtype: Dtype::F64,
        shape: vec![2],
        bytes: vec![3; 16].into(),
    };
    save(&DISK, folder, step, &[tensor], &[], &json!({})).unwrap()
}

/// Damages a file in place, as no writer of ours does.
fn change(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    edit(&mut bytes);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .unwrap();
    file.write_all(&bytes).unwrap();
}

fn change_manifest(checkpoint: &Path, edit: impl FnOnce(&mut Value)) {
    change(&checkpoint.join(MANIFEST_FILE), |bytes| {
        let mut manifest = serde_json::from_slice(bytes).unwrap();
        edit(&mut manifest);
        *bytes = serde_json::to_vec(&manifest).unwrap();
    });
}

/// Breaks a copy of step 20 in one way; it must be refused by name, and step 10 be found.
fn assert_refused(name: &str, expected: &str, damage: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let previous = save_step(folder.path(), 10);
    let newest = save_step(folder.path(), 20);
    damage(&newest);
    let error = restore(&newest).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
    assert!(error.contains(name), "{error}");
    let found = latest(folder.path()).unwrap();
    assert_eq!(found.path.as_deref(), Some(previous.as_path()), "{error}");
    assert_eq!(found.skipped.len(), 1);
    assert_eq!(found.skipped[0].path, newest);
    assert!(found.skipped[0].reason.to_string().contains(name));
}

#[test]
fn a_part_is_read_alone_and_refused_only_for_its_own_contents() {
    let folder = tempfile::tempdir().unwrap();
    let path = save_step(folder.path(), 10);
    let whole = restore(&path).unwrap();
    let flip = |name: &str| change(&path.join(name), |bytes| *bytes.last_mut().unwrap() ^= 1);
    flip(OPTIMIZER_FILE);
    let model = restore_model(&path).unwrap();
    assert_eq!(
        (model.step, &model.model, &model.trainer),
        (10, &whole.model, &whole.trainer)
    );
    flip(MODEL_FILE);
    assert_eq!(restore_trainer(&path).unwrap(), whole.trainer);
    assert!(restore_model(&path).unwrap_err().to_string().contains(MODEL_FILE));
    flip(TRAINER_FILE);
    assert!(
        restore_trainer(&path)
            .unwrap_err()
            .to_string()
            .contains(TRAINER_FILE)
    );
}

#[test]
fn a_manifest_that_names_a_file_outside_of_the_checkpoint_is_refused() {
    for name in [
        "../victim",
        "a/../../victim",
        "/etc/hostname",
        "..",
        ".lock",
        "",
        "a\\b",
        "a\0",
    ] {
        assert_refused(MANIFEST_FILE, "is not the name of a file", |checkpoint| {
            let victim = checkpoint.join("../victim");
            durable::commit_bytes(&durable::DISK, &victim, b"4321").unwrap();
            change_manifest(checkpoint, |manifest| {
                let sha256 = sha256_file(&victim).unwrap();
                manifest["files"][name] = json!({"size_bytes": 4, "sha256": sha256});
            });
        });
    }
    assert_refused(MANIFEST_FILE, "itself", |checkpoint| {
        change_manifest(checkpoint, |manifest| {
            manifest["files"][MANIFEST_FILE] = manifest["files"][MODEL_FILE].clone();
        });
    });
}

#[test]
fn a_removed_file_is_refused_by_name() {
    for name in &FILES[..3] {
        assert_refused(name, "is missing", |path| {
            fs::remove_file(path.join(name)).unwrap();
        });
    }
    assert_refused(MANIFEST_FILE, "not a finished checkpoint", |path| {
        fs::remove_file(path.join(MANIFEST_FILE)).unwrap();
    });
}

#[test]
fn a_file_that_is_cut_or_has_grown_is_refused_by_name() {
    for name in &FILES[..3] {
        assert_refused(name, "its manifest says", |path| {
            change(&path.join(name), |bytes| {
                bytes.pop();
            });
        });
        assert_refused(name, "has 0 bytes", |path| {
            change(&path.join(name), Vec::clear);
        });
        assert_refused(name, "its manifest says", |path| {
            change(&path.join(name), |bytes| bytes.push(0));
        });
    }
}

#[test]
fn a_manifest_cut_at_any_byte_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let previous = save_step(folder.path(), 10);
    let manifest = save_step(folder.path(), 20).join(MANIFEST_FILE);
    let whole = fs::read(&manifest).unwrap();
    // The line end at its end may go.
    for length in 0..whole.len() - 1 {
        change(&manifest, |bytes| *bytes = whole[..length].to_vec());
        let found = latest(folder.path()).unwrap();
        assert_eq!(found.path.as_deref(), Some(previous.as_path()), "{length}");
        let reason = found.skipped[0].reason.to_string();
        assert!(reason.contains("MANIFEST.json is damaged"), "{length}: {reason}");
    }
}

#[test]
fn one_flipped_bit_anywhere_is_refused_by_name() {
    for name in &FILES[..3] {
        for position in [0, 8, 15] {
            assert_refused(name, "has SHA-256", |path| {
                change(&path.join(name), |bytes| bytes[position] ^= 1);
            });
        }
    }
}

#[test]
fn a_manifest_that_does_not_fit_is_refused_with_its_field() {
    assert_refused(MANIFEST_FILE, "`step` is 30", |path| {
        change_manifest(path, |manifest| manifest["step"] = json!(30));
    });
    assert_refused(MANIFEST_FILE, "unknown field `extra`", |path| {
        change_manifest(path, |manifest| manifest["extra"] = json!(1));
    });
    assert_refused(MANIFEST_FILE, "lacks optimizer.safetensors", |path| {
        change_manifest(path, |manifest| {
            let files = manifest["files"].as_object_mut().unwrap();
            files.remove(OPTIMIZER_FILE);
        });
    });
}

/// The newest checkpoint cannot be judged: refused by name, and the older one is not taken.
fn assert_not_passed_over(reason: &str, spoil: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    save_step(folder.path(), 10);
    let newest = save_step(folder.path(), 20);
    spoil(&newest);
    let error = latest(folder.path()).unwrap_err();
    let CheckpointError::NotPassedOver { path, source } = &error else {
        panic!("{error}");
    };
    assert_eq!(*path, newest);
    assert!(source.to_string().contains(reason), "{source}");
    let message = error.to_string();
    assert!(
        message.contains("step-00000020") && message.contains("move it out of"),
        "{message}"
    );
}

#[test]
fn another_format_version_is_not_passed_over_for_an_older_checkpoint() {
    assert_not_passed_over("format_version 2", |path| {
        change_manifest(path, |manifest| manifest["format_version"] = json!(2));
    });
}

#[test]
fn a_file_that_cannot_be_read_is_not_passed_over_for_an_older_checkpoint() {
    // A link to itself cannot be read, by root neither.
    for name in [MANIFEST_FILE, MODEL_FILE] {
        assert_not_passed_over("cannot read", |path| {
            fs::remove_file(path.join(name)).unwrap();
            std::os::unix::fs::symlink(name, path.join(name)).unwrap();
        });
    }
}

#[test]
fn a_disk_that_fails_while_a_file_is_read_is_not_taken_for_damage() {
    // Reading the first page of one's own memory fails with EIO.
    let folder = tempfile::tempdir().unwrap();
    let path = save_step(folder.path(), 20);
    for name in [MODEL_FILE, TRAINER_FILE] {
        let file = path.join(name);
        fs::rename(&file, path.join("before")).unwrap();
        std::os::unix::fs::symlink("/proc/self/mem", &file).unwrap();
        let before = fs::read(path.join(MANIFEST_FILE)).unwrap();
        change_manifest(&path, |manifest| {
            manifest["files"][name]["size_bytes"] = json!(0);
        });
        let error = restore(&path).unwrap_err();
        assert!(
            matches!(&error, CheckpointError::Read { path, .. } if *path == file),
            "{error}"
        );
        change(&path.join(MANIFEST_FILE), |bytes| *bytes = before);
        fs::rename(path.join("before"), &file).unwrap();
    }
}

#[test]
fn a_manifest_that_is_no_text_is_damage_and_passed_over() {
    assert_refused(MANIFEST_FILE, "is damaged", |path| {
        change(&path.join(MANIFEST_FILE), |bytes| *bytes = vec![0xff, 0xfe]);
    });
}

/// All that reads a checkpoint, each with a minute for it.
fn read_by_each(path: &Path, file: &'static str) {
    type Reader = fn(&Path) -> Result<(), CheckpointError>;
    let readers: [(&str, Reader); 5] = [
        ("Manifest::read", |path| Manifest::read(path).map(drop)),
        ("verify", |path| verify(path).map(drop)),
        ("restore", |path| restore(path).map(drop)),
        ("restore_model", |path| restore_model(path).map(drop)),
        ("restore_trainer", |path| restore_trainer(path).map(drop)),
    ];
    for (name, reader) in readers {
        let checkpoint = path.to_path_buf();
        let Err(error) = within_a_minute(move || reader(&checkpoint)) else {
            let reads = |files: &[&str]| files.contains(&file);
            let is_read = match name {
                "Manifest::read" => reads(&[MANIFEST_FILE]),
                "restore_model" => reads(&[MANIFEST_FILE, MODEL_FILE, TRAINER_FILE]),
                "restore_trainer" => reads(&[MANIFEST_FILE, TRAINER_FILE]),
                _ => true,
            };
            assert!(!is_read, "{name} took the pipe {file}");
            continue;
        };
        let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
        let message = format!("{error}: {cause}");
        assert!(
            message.contains(file) && message.contains("it is a pipe"),
            "{name}: {message}"
        );
    }
}

#[test]
fn a_pipe_under_the_name_of_any_file_is_refused_at_once_by_each_reader() {
    for file in FILES {
        let folder = tempfile::tempdir().unwrap();
        let path = save_step(folder.path(), 20);
        if file != MANIFEST_FILE {
            // Its length is that of a pipe, so that lengths do not tell.
            change_manifest(&path, |manifest| manifest["files"][file]["size_bytes"] = json!(0));
        }
        lay_pipe(&path.join(file)).unwrap();
        read_by_each(&path, file);
        let checkpoints = folder.path().to_path_buf();
        let found = within_a_minute(move || latest(&checkpoints));
        match found {
            Ok(found) => assert!(found.path.is_none() && file == MANIFEST_FILE, "{file}"),
            Err(error) => assert!(error.to_string().contains("move it out of"), "{error}"),
        }
    }
}

#[test]
fn json_of_a_tebibyte_is_refused_before_memory_or_time_is_taken_for_it() {
    for file in [MANIFEST_FILE, TRAINER_FILE] {
        assert_refused(file, "at most 67108864", |path| {
            change_manifest(path, |manifest| {
                manifest["files"][TRAINER_FILE]["size_bytes"] = json!(1_u64 << 40);
            });
            let grown = fs::OpenOptions::new().write(true).open(path.join(file)).unwrap();
            grown.set_len(1 << 40).unwrap();
        });
    }
}

#[test]
fn a_trainer_state_of_another_step_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = save_step(folder.path(), 20);
    change(&path.join(TRAINER_FILE), |bytes| {
        *bytes = b"{\"step\": 21}".to_vec();
    });
    change_manifest(&path, |manifest| {
        let bytes = fs::read(path.join(TRAINER_FILE)).unwrap();
        manifest["files"][TRAINER_FILE] =
            json!({"size_bytes": bytes.len(), "sha256": durable::sha256_hex(&bytes)});
    });
    let error = restore(&path).unwrap_err().to_string();
    assert!(
        error.contains("trainer.json") && error.contains("`step` is 21"),
        "{error}"
    );
}

#[test]
fn nothing_is_found_in_an_empty_or_missing_folder() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_path_buf(), folder.path().join("missing")] {
        let found = latest(&path).unwrap();
        assert!(found.path.is_none() && found.skipped.is_empty());
    }
}

#[test]
fn only_exact_names_are_checkpoints_and_they_come_in_the_order_of_their_steps() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "step-1",
        "step-+0000001",
        "step-00000010.damaged-1",
        "notes",
        ".step-00000010.partial-0-1-2-3",
        "step-123456789",
        "step-00000020",
        "step-00000003",
    ] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let steps: Vec<u64> = list(folder.path())
        .unwrap()
        .into_iter()
        .map(|(step, _)| step)
        .collect();
    assert_eq!(steps, [3, 20, 123_456_789]);
}

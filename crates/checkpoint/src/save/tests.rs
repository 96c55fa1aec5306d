use std::fs;

use durable::testing::{Call, Recorder, at_every_call};
use durable::{DISK, is_partial};
use serde_json::json;

use super::*;
use crate::{Dtype, apply, latest, restore};

fn tensors(salt: u8) -> Vec<NamedTensor<'static>> {
    ["roberta.a", "roberta.b"]
        .map(|name| NamedTensor {
            name: name.to_owned(),
            dtype: Dtype::F32,
            shape: vec![2, 3],
            bytes: vec![salt; 24].into(),
        })
        .to_vec()
}

fn save_step(storage: &dyn Storage, folder: &Path, step: u64, salt: u8) -> Result<PathBuf, CheckpointError> {
    let tensors = tensors(salt);
    let trainer = json!({"tokens_seen": 5120, "loss_scale": 0.1});
    save(storage, folder, step, &tensors, &tensors, &trainer)
}

fn assert_holds(path: &Path, step: u64, salt: u8) {
    let checkpoint = restore(path).unwrap();
    assert_eq!(checkpoint.step, step);
    assert_eq!(checkpoint.model, tensors(salt));
    assert_eq!(checkpoint.optimizer, tensors(salt));
    let trainer = json!({"tokens_seen": 5120, "loss_scale": 0.1, "step": step});
    assert_eq!(checkpoint.trainer, trainer);
}

#[test]
fn what_is_saved_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let path = save_step(&DISK, &folder.path().join("made/on/the/way"), 12_345, 1).unwrap();
    assert_eq!(path.file_name().unwrap(), "step-00012345");
    assert_holds(&path, 12_345, 1);
}

#[test]
fn a_fault_at_any_call_leaves_the_previous_checkpoint_loadable() {
    let reached = at_every_call(|storage| {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("checkpoints");
        save_step(&DISK, &folder, 10, 1).unwrap();
        let result = save_step(storage, &folder, 20, 2);
        assert_eq!(result.is_err(), storage.has_failed(), "{storage:?}");
        assert_holds(&folder.join("step-00000010"), 10, 1);
        let found = latest(&folder).unwrap();
        assert!(found.skipped.is_empty(), "{storage:?} {found:?}");
        let found = found.path.unwrap();
        if found.ends_with("step-00000020") {
            assert_holds(&found, 20, 2);
        } else {
            assert!(result.is_err(), "{storage:?}");
            assert_holds(&found, 10, 1);
        }
        // The next attempt, as after a restart, goes through.
        assert_holds(&save_step(&DISK, &folder, 20, 2).unwrap(), 20, 2);
    });
    assert!(reached > 15, "{reached}");
}

#[test]
fn a_fault_at_any_call_leaves_the_first_checkpoint_absent_or_whole() {
    at_every_call(|storage| {
        let folder = tempfile::tempdir().unwrap();
        let result = save_step(storage, folder.path(), 10, 1);
        match latest(folder.path()).unwrap().path {
            Some(path) => assert_holds(&path, 10, 1),
            None => assert!(result.is_err(), "{storage:?}"),
        }
    });
}

#[test]
fn a_fault_at_any_call_of_save_and_retention_leaves_only_whole_checkpoints() {
    at_every_call(|storage| {
        let folder = tempfile::tempdir().unwrap();
        for step in [10, 20] {
            save_step(&DISK, folder.path(), step, 1).unwrap();
        }
        let _ = save_step(storage, folder.path(), 30, 1);
        let _ = apply(storage, folder.path(), 1, None);
        let found = latest(folder.path()).unwrap();
        assert!(found.skipped.is_empty(), "{storage:?} {found:?}");
        let path = found.path.unwrap();
        let step = if path.ends_with("step-00000030") { 30 } else { 20 };
        assert_holds(&path, step, 1);
    });
}

#[test]
fn the_manifest_is_written_last() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    save_step(&recorder, folder.path(), 10, 1).unwrap();
    let created: Vec<_> = recorder
        .calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::CreateNew(path) => Some(path.file_name().unwrap().to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(created, [MODEL_FILE, OPTIMIZER_FILE, TRAINER_FILE, MANIFEST_FILE]);
}

#[test]
fn saving_the_same_step_twice_is_fine_and_another_of_its_number_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = save_step(&DISK, folder.path(), 10, 1).unwrap();
    assert_eq!(save_step(&DISK, folder.path(), 10, 1).unwrap(), path);
    let error = save_step(&DISK, folder.path(), 10, 2).unwrap_err();
    let CheckpointError::Conflict { file, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(file, MODEL_FILE);
    assert_holds(&path, 10, 1);
}

#[test]
fn a_damaged_checkpoint_of_the_step_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=2 {
        let path = save_step(&DISK, folder.path(), 10, 1).unwrap();
        fs::remove_file(path.join(MODEL_FILE)).unwrap();
        assert_holds(&save_step(&DISK, folder.path(), 10, 1).unwrap(), 10, 1);
        let aside = format!("step-00000010.damaged-{number}");
        assert!(folder.path().join(aside).is_dir());
    }
}

#[test]
fn a_checkpoint_of_another_format_version_is_not_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = save_step(&DISK, folder.path(), 10, 1).unwrap();
    let manifest = path.join(MANIFEST_FILE);
    let text = fs::read_to_string(&manifest).unwrap();
    let text = text.replace("\"format_version\": 1", "\"format_version\": 2");
    durable::commit_bytes(&DISK, &manifest, text.as_bytes()).unwrap();
    let error = save_step(&DISK, folder.path(), 10, 1).unwrap_err();
    assert!(matches!(error, CheckpointError::FormatVersion { .. }), "{error}");
    assert!(path.is_dir());
}

#[test]
fn leftovers_of_a_killed_save_are_removed_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    // Process ids end at 4,194,304: this one's writer is gone.
    let host = {
        let kept = durable::testing::FaultyStorage::from_call(6, io::ErrorKind::Other);
        save_step(&kept, folder.path(), 10, 1).unwrap_err();
        let entry = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
        entry.file_name().into_string().unwrap()
    };
    assert!(is_partial(&host), "{host}");
    let mut parts: Vec<&str> = host.split('-').collect();
    let pid = parts.len() - 3;
    parts[pid] = "4194305";
    let dead = folder.path().join(parts.join("-"));
    fs::rename(folder.path().join(&host), &dead).unwrap();
    save_step(&DISK, folder.path(), 20, 1).unwrap();
    assert!(!dead.exists());
}

#[test]
fn state_that_cannot_be_saved_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut bad = tensors(1);
    bad[1].shape = vec![7];
    let error = save(&DISK, folder.path(), 1, &tensors(1), &bad, &json!({})).unwrap_err();
    assert!(
        error.to_string().contains("`roberta.b` of optimizer.safetensors"),
        "{error}"
    );
    for (trainer, expected) in [
        (json!(7), "not a JSON object"),
        (json!({"step": 2}), "`step` is 2"),
    ] {
        let error = save(&DISK, folder.path(), 1, &[], &[], &trainer).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

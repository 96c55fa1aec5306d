//! Where the files of a run are: copies of the corpus on a disk of each host, two ways of reading,
//! a run folder that is not the same on all ranks.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use collectives::Threads;
use serde_json::Value;

use super::{Place, launch, on_every_rank, run};
use crate::{
    config::RunConfig,
    error::TrainError,
    ranks::{logs::LogFile, stop::StopRequest},
    run::launch::{beginning::Resume, dry_run::dry_run, train_run},
};

const SHORT: [&str; 3] = [
    "training.max_steps=4",
    "schedule.warmup_steps=1",
    "evaluation.every_steps=4",
];

fn config(place: &Place, name: &str, settings: &[&str]) -> RunConfig {
    place.config(name, &[&SHORT, settings].concat())
}

/// Losses, digests and evaluations of a run.
fn learned(place: &Place, name: &str) -> Vec<(Value, Value, Value)> {
    let line = |line: Value| (line["loss"].clone(), line["digest"].clone(), line["eval"].clone());
    place.metrics(name).into_iter().map(line).collect()
}

/// The one folder of a corpus below `stage_to`.
fn staged(stage_to: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(stage_to).unwrap();
    let folder = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    folder
}

#[test]
fn digests_and_losses_are_the_same_mapped_read_and_staged() {
    let place = Place::new();
    let stage_to = place.path("local/tenk");
    let stage = format!("data.stage_to={:?}", stage_to.to_str().unwrap());
    run(2, &config(&place, "mmap", &[]));
    run(2, &config(&place, "pread", &["data.read='pread'"]));
    run(2, &config(&place, "staged", &[&stage]));
    run(2, &config(&place, "staged-pread", &[&stage, "data.read='pread'"]));
    let expected = learned(&place, "mmap");
    assert_eq!(expected.len(), 6, "four steps and two evaluations");
    for name in ["pread", "staged", "staged-pread"] {
        assert_eq!(learned(&place, name), expected, "{name}");
    }
}

#[test]
fn a_staged_copy_is_what_a_run_reads_and_a_damaged_one_is_made_again() {
    let place = Place::new();
    let stage_to = place.path("local");
    let stage = format!("data.stage_to={:?}", stage_to.to_str().unwrap());
    run(1, &config(&place, "first", &[&stage]));
    let copy = staged(&stage_to).join("shard-00001-of-00002.bin");
    let whole = std::fs::read(&copy).unwrap();
    let mut bytes = whole.clone();
    bytes[7] ^= 1;
    durable::commit_bytes(&durable::DISK, &copy, &bytes).unwrap();
    run(1, &config(&place, "second", &[&stage]));
    assert_eq!(learned(&place, "second"), learned(&place, "first"));
    assert!(std::fs::read(&copy).unwrap() == whole);

    // The corpus is not read any more once its copy is there.
    let shard = place.path("corpus/shard-00001-of-00002.bin");
    let mut bytes = std::fs::read(&shard).unwrap();
    bytes[7] ^= 1;
    durable::commit_bytes(&durable::DISK, &shard, &bytes).unwrap();
    run(1, &config(&place, "third", &[&stage]));
    assert_eq!(learned(&place, "third"), learned(&place, "first"));
}

#[test]
fn two_runs_that_stage_at_once_share_one_whole_copy() {
    let place = Place::new();
    let stage_to = place.path("local");
    let stage = format!("data.stage_to={:?}", stage_to.to_str().unwrap());
    // The packing index is written beside the corpus by one run at a time.
    run(2, &config(&place, "before", &[]));
    std::thread::scope(|scope| {
        for name in ["left", "right"] {
            let config = config(&place, name, &[&stage]);
            scope.spawn(move || run(2, &config));
        }
    });
    for name in ["left", "right"] {
        assert_eq!(learned(&place, name), learned(&place, "before"), "{name}");
    }
    shards::verify(&staged(&stage_to), |_, _| {}).unwrap();
}

#[test]
fn a_folder_that_cannot_take_the_copy_is_named_on_every_rank() {
    let place = Place::new();
    durable::commit_bytes(&durable::DISK, &place.path("file"), b"").unwrap();
    let stage = format!("data.stage_to={:?}", place.path("file/below").to_str().unwrap());
    let config = config(&place, "run", &[&stage]);
    let error = launch(2, &config, Resume::Never, &StopRequest::new()).unwrap_err();
    assert!(error.to_string().contains("file/below/corpus-"), "{error}");
    assert!(!config.run.dir.exists(), "a refused run left its folder");
}

#[test]
fn a_place_where_others_can_replace_the_copy_is_refused_with_the_line_that_mends_it() {
    let place = Place::new();
    let shared = place.path("shared");
    durable::Storage::create_dir(&durable::DISK, &shared).unwrap();
    let set = |mode| std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(mode)).unwrap();
    for below in ["", "below"] {
        set(0o777);
        let stage = format!("data.stage_to={:?}", shared.join(below).to_str().unwrap());
        let config = config(&place, "run", &[&stage]);
        let error = launch(2, &config, Resume::Never, &StopRequest::new()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("corpus-") && text.contains("chmod +t"), "{text}");
        assert!(!config.run.dir.exists(), "a refused run left its folder");
    }
    set(0o1777);
    let stage = format!("data.stage_to={:?}", shared.to_str().unwrap());
    run(2, &config(&place, "sticky", &[&stage]));
}

#[test]
fn a_dry_run_stages_nothing() {
    let place = Place::new();
    let stage_to = place.path("local");
    let stage = format!("data.stage_to={:?}", stage_to.to_str().unwrap());
    let config = config(&place, "run", &[&stage]);
    dry_run(config, &mut collectives::Single::new(), Resume::Never).unwrap();
    assert!(!stage_to.exists());
}

#[test]
fn a_run_folder_that_a_rank_does_not_share_is_noticed_at_the_start_and_the_rank_named() {
    let place = Place::new();
    let errors = on_every_rank(Threads::world(3, Duration::from_mins(1)), |collective| {
        let rank = collective.rank().0;
        let name = if rank == 2 { "elsewhere" } else { "run" };
        let stop = StopRequest::new();
        train_run(
            config(&place, name, &["training.global_batch_size=12"]),
            collective,
            Resume::Never,
            &stop,
            &LogFile::none(),
        )
        .unwrap_err()
    });
    for error in errors {
        assert!(matches!(error, TrainError::RunFolderNotShared { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("(rank 2) does not see") && text.contains("share"),
            "{text}"
        );
    }
    assert!(!place.path("run/metrics.jsonl").exists());
    let left = std::fs::read_dir(place.path("run")).unwrap();
    let shared = |name: &str| name.starts_with(".shared");
    assert!(
        !left
            .map(|entry| entry.unwrap().file_name())
            .any(|name| shared(name.to_str().unwrap()))
    );
}

//! A collective call that fails, whichever it is, ends all ranks, and the run goes on from what it
//! left as if nothing had been.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use collectives::{Collective, Fault, Faulty, Threads};

use super::{Place, config_in, run};
use crate::{
    config::RunConfig,
    error::{TrainError, chain},
    ranks::{logs::LogFile, stop::StopRequest},
    run::{
        launch::{beginning::Resume, train_run},
        train::Finish,
    },
};

const SETTINGS: [&str; 5] = [
    "training.max_steps=2",
    "schedule.warmup_steps=1",
    "evaluation.every_steps=2",
    "checkpoint.every_steps=1",
    "parallel.check_every=1",
];

/// Where the child process finds its run and its fault.
const CHILD: &str = "TENK_TEST_FAULT";
/// Longer than a launch takes, far shorter than the deadline of a call.
const LIMIT: Duration = Duration::from_secs(40);

/// Two ranks, of which one's call number `at` fails; how both ended.
fn run_with_fault(config: &RunConfig, at: u64) -> Vec<Result<Finish, TrainError>> {
    let world = Threads::world(2, Duration::from_mins(2)).into_iter().enumerate();
    std::thread::scope(|scope| {
        let start = |(number, inner): (usize, Threads)| {
            let at = if number as u64 == at % 2 { at } else { 0 };
            let mut rank = Faulty::new(inner, at, Fault::Fails);
            scope.spawn(move || {
                let (stop, log) = (StopRequest::new(), LogFile::none());
                train_run(config.clone(), &mut rank, Resume::Auto, &stop, &log).inspect_err(|error| {
                    rank.abort(&chain(error));
                })
            })
        };
        let ranks: Vec<_> = world.map(start).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// The same in a process of its own, which the loss of a rank ends: whether both ranks finished.
fn finishes_in_a_child(place: &Place, name: &str, at: u64) -> bool {
    let begun = Instant::now();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args([
            "--exact",
            "--ignored",
            "run::tests::faults::two_ranks_of_which_a_call_fails",
        ])
        .env(CHILD, format!("{at} {name} {}", place.path("").display()));
    let output = child.output().unwrap();
    assert!(begun.elapsed() < LIMIT, "call {at}: {:?}", begun.elapsed());
    output.status.success()
}

#[test]
#[ignore = "the child process of whichever_call_fails_all_ranks_end_and_the_run_goes_on_to_the_same_weights"]
fn two_ranks_of_which_a_call_fails() {
    let asked = std::env::var_os(CHILD).unwrap().into_string().unwrap();
    let [at, name, folder] = asked.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
    let config = config_in(Path::new(folder), name, &SETTINGS);
    let ends = run_with_fault(&config, at.parse().unwrap());
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
}

#[test]
fn whichever_call_fails_all_ranks_end_and_the_run_goes_on_to_the_same_weights() {
    let place = Place::new();
    let weights = |name: &str| {
        let checkpoint = place.path(name).join("checkpoints/step-00000002");
        std::fs::read(checkpoint.join("model.safetensors")).unwrap()
    };
    run(2, &place.config("undisturbed", &SETTINGS));
    let mut at = 1;
    loop {
        let name = format!("call-{at}");
        if finishes_in_a_child(&place, &name, at) {
            break;
        }
        let ends = run_with_fault(&place.config(&name, &SETTINGS), 0);
        assert!(ends.iter().all(Result::is_ok), "call {at}: {ends:?}");
        assert_eq!(weights(&name), weights("undisturbed"), "call {at}");
        std::fs::remove_dir_all(place.path(&name)).unwrap();
        at += 1;
    }
    assert!(at > 20, "only {at} calls");
}

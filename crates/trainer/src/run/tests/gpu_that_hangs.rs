//! Processes of their own whose GPU hangs, a stand-in's: how such a process ends, and what it leaves. The
//! stand-in is loaded before everything else, as the CUDA runtime is by a libtorch for it, and its
//! handlers at exit wait for ever.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ::nccl_stand_in::{Fault, StandIn, compiled};
use collectives::{Collective, Single};
use loader::Step;
use model::Precision;
use serde_json::Value;

use super::{Place, config_in};
use crate::{
    config::ReduceDtype,
    error::{TrainError, chain},
    ranks::{
        exit::{self, ExitStatus},
        logs::LogFile,
        stop::StopRequest,
    },
    run::{
        data::DataFiles,
        folder::lineage,
        launch::{TrainingLaunch, beginning::Resume},
        session::Session,
        train::Finish,
    },
    step::{
        gradient_transport::GradientTransport,
        masked_lm::tensors_of,
        overlap::{GradientHooks, reduce_during},
        ready::ReadyStep,
        train_step,
    },
};

/// Where the child process finds what it is to do.
const CHILD: &str = "TENK_TEST_GPU";
/// A checkpoint after each of four steps, of two sums each, and calls that are late soon.
const SETTINGS: [&str; 5] = [
    "training.max_steps=4",
    "schedule.warmup_steps=1",
    "checkpoint.every_steps=1",
    "parallel.timeout_s=2",
    "parallel.abort_s=2",
];
/// Of a child that waits for a sum, an abort and a training that does not come back, 2 s each; the rest is
/// for a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// Runs a child that does `work` on a GPU that has `fault` at its sum number `at`, and ends as a program
/// does; its exit code and what it said.
fn child(place: &Place, work: &str, fault: Option<Fault>, at: u64) -> (Option<i32>, String) {
    let fault = fault.map_or(0, |fault| fault as i32);
    let mut child = Command::new(std::env::current_exe().unwrap());
    let name = "run::tests::gpu_that_hangs::a_process_whose_gpu_hangs";
    child
        .args(["--exact", "--ignored", "--nocapture", name])
        .env(CHILD, format!("{work};{fault};{at};{}", place.path("").display()))
        .env("LD_PRELOAD", compiled(&[]))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    wait_in_time(child.spawn().unwrap())
}

/// A child that does not end would keep the test, so it is killed.
fn wait_in_time(mut child: Child) -> (Option<i32>, String) {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() && begun.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(50));
    }
    let has_ended = child.try_wait().unwrap().is_some();
    if !has_ended {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(has_ended, "it hangs, and said: {said}");
    (output.status.code(), said)
}

fn last_exit(place: &Place) -> Value {
    let text = std::fs::read(place.path("run").join("last_exit.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The files and folders below `folder` that were begun and not finished.
fn unfinished(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let of = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let below = if path.is_dir() {
            unfinished(&path)
        } else {
            Vec::new()
        };
        let own = durable::is_partial(&name).then_some(name);
        own.into_iter().chain(below)
    };
    entries.flat_map(of).collect()
}

/// What gives memory back, or joins a thread that asks the GPU, and does not come back.
struct NeverBack;

impl Drop for NeverBack {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}

#[test]
#[ignore = "the child process of the other tests"]
fn a_process_whose_gpu_hangs() {
    let asked = std::env::var_os(CHILD).unwrap().into_string().unwrap();
    let [work, fault, at, folder] = asked.split(';').collect::<Vec<_>>().try_into().unwrap();
    let log = LogFile::init(0);
    let stand_in = StandIn::load();
    stand_in.adopt_all();
    stand_in.hang_at_exit();
    stand_in.fail_with_number(0, fault.parse().unwrap(), at.parse().unwrap());
    let library = format!("parallel.nccl_library={:?}", stand_in.path());
    let settings: Vec<&str> = SETTINGS.into_iter().chain([library.as_str()]).collect();
    let mut collective = Single::new();
    let asked = serde_json::json!({ "test": "a GPU that hangs" });
    let config = config_in(Path::new(folder), "run", &settings);
    let mut session = Session::start(config, &mut collective, DataFiles::Prepare, &asked).unwrap();
    session.gradients = GradientTransport::Nccl;
    let run_dir = session.plan.config.run.dir.clone();
    let mut connected = |work: fn(&Session, &mut dyn Collective) -> Result<(), TrainError>| {
        std::fs::create_dir_all(&run_dir).unwrap();
        let work = |collective: &mut dyn Collective| work(&session, collective);
        session
            .connected(&mut collective, Some(&run_dir), work)
            .map(|()| Finish::Done { step: 1 })
    };
    let result = match work {
        "step and an end that hangs" => connected(take_a_step_and_hang),
        "pass that hangs" => connected(hang_in_a_pass),
        _ => {
            let launch = TrainingLaunch {
                session: &session,
                resume: Resume::Auto,
                stop: &StopRequest::new(),
                log_file: &log,
            };
            launch.train(&mut collective)
        }
    };
    exit::end(match result {
        Ok(_) => ExitStatus::Done,
        Err(error) => {
            eprintln!("{}", chain(&error));
            ExitStatus::Failed
        }
    });
}

fn take_a_step_and_hang(session: &Session, collective: &mut dyn Collective) -> Result<(), TrainError> {
    let _never_back = NeverBack;
    let mut learner = session.learner(Precision::F32)?;
    lineage::initialize(&mut learner, session, collective)?;
    let batches = session.loader.step_batches(Step(0), 0, 1)?;
    let ready = ReadyStep::new(
        batches,
        &*learner.objective,
        learner.model.config(),
        learner.model.device(),
    )?;
    train_step(&mut learner, collective, &ready, &StopRequest::new()).map(drop)
}

/// A pass that has made its gradients and then waits for the GPU, as one does that asks for memory.
fn hang_in_a_pass(session: &Session, collective: &mut dyn Collective) -> Result<(), TrainError> {
    let learner = session.learner(Precision::F32)?;
    let parameters = learner.model.parameters();
    let hooks = GradientHooks::new(parameters)?;
    let batches = session.loader.step_batches(Step(0), 0, 1)?;
    let tensors = tensors_of(&batches.micro_batches[0], &learner.model)?;
    reduce_during(&hooks, collective, (parameters, ReduceDtype::F32), || {
        learner.model.loss_sum(&tensors, None)?.f_backward()?;
        drop(NeverBack);
        Ok(())
    })
}

#[test]
fn a_run_whose_sum_hangs_ends_with_its_message_and_goes_on_to_the_same_weights() {
    let weights = |place: &Place| {
        let checkpoint = place.path("run/checkpoints/step-00000004");
        std::fs::read(checkpoint.join("model.safetensors")).unwrap()
    };
    let undisturbed = Place::new();
    let (code, said) = child(&undisturbed, "run", None, 0);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(last_exit(&undisturbed)["status"], "done");
    for fault in [
        Fault::SumHangs,
        Fault::SumAndAbortHang,
        Fault::SumDoesNotReturn,
        Fault::QueryFails,
    ] {
        let place = Place::new();
        // The second bucket of the second step; the question fails from the first on.
        let at = if fault == Fault::QueryFails { 0 } else { 4 };
        let (code, said) = child(&place, "run", Some(fault), at);
        let exit = last_exit(&place);
        let reason = exit["reason"].as_str().unwrap();
        assert_eq!((code, &exit["code"]), (Some(1), &1.into()), "{fault:?}: {said}");
        assert_eq!(
            (&exit["status"], &exit["rank"]),
            (&"failed".into(), &0.into()),
            "{exit}"
        );
        let expected = match fault {
            Fault::QueryFails => "GPU 0: cudaEventQuery failed",
            Fault::SumDoesNotReturn => "rank 0: a call of the all-reduce (sum) of bucket 2 of 2",
            _ => "rank 0: the all-reduce (sum) of bucket 2 of 2",
        };
        assert!(
            reason.starts_with(expected) && said.contains(expected),
            "{exit}\n{said}"
        );
        assert_eq!(unfinished(&place.path("run")), Vec::<String>::new());
        let (code, said) = child(&place, "run", None, 0);
        assert_eq!(code, Some(0), "{said}");
        assert!(weights(&place) == weights(&undisturbed), "{fault:?}");
    }
}

#[test]
fn a_process_that_its_gpu_keeps_from_ending_is_ended_with_the_message_of_the_sum() {
    for work in ["step and an end that hangs", "pass that hangs"] {
        for fault in [Fault::SumHangs, Fault::SumAndAbortHang] {
            let place = Place::new();
            let (code, said) = child(&place, work, Some(fault), 1);
            let exit = last_exit(&place);
            assert_eq!((code, &exit["code"]), (Some(1), &1.into()), "{work}: {said}");
            let expected = "rank 0: the all-reduce (sum) of bucket 1 of 2";
            assert!(exit["reason"].as_str().unwrap().starts_with(expected), "{exit}");
            assert_eq!(unfinished(&place.path("run")), Vec::<String>::new());
        }
    }
}

#[test]
fn a_run_that_is_done_is_done_however_nccl_goes_down() {
    for fault in [
        Fault::FinalizeNeverEnds,
        Fault::AbortHangs,
        Fault::DestroyDoesNotReturn,
    ] {
        let place = Place::new();
        let (code, said) = child(&place, "run", Some(fault), 0);
        let exit = last_exit(&place);
        assert_eq!((code, &exit["code"]), (Some(0), &0.into()), "{fault:?}: {said}");
        assert_eq!(exit["status"], "done");
    }
}

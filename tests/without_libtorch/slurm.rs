//! `launch/slurm.sbatch` under a real Slurm: controller, daemons and munge are started for a
//! test alone, in a folder of its own. Long: Slurm counts in minutes.

mod cluster;
mod nodes;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{program, repository, run_ok, wait_until, whole_machine};

use self::cluster::Cluster;
use self::nodes::{Nodes, Place};
use crate::small_corpus;

const LIMIT: Duration = Duration::from_mins(1);

/// What is missing here, in words.
fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("the daemons of Slurm need root".to_owned());
    }
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        return Some("two ranks need two cores".to_owned());
    }
    let is_missing = |name: &&str| Command::new(name).arg("--version").output().is_err();
    let missing = ["munged", "slurmctld", "slurmd", "sbatch"]
        .into_iter()
        .find(is_missing)?;
    Some(format!(
        "{missing} is not installed (Debian: apt-get install slurmctld slurmd slurm-client munge)"
    ))
}

/// The step of the last line of `metrics.jsonl`.
fn last_step(run: &Path) -> Option<u64> {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).ok()?;
    let mut lines = metrics.lines().rev();
    lines.find_map(|line| serde_json::from_str::<Value>(line).ok()?["step"].as_u64())
}

/// Submits a run that does not end by itself.
fn submit(cluster: &Cluster, scratch: &Path, options: &[&str], settings: &[&str]) -> Result<String> {
    let mut command = cluster.command("sbatch");
    command.args([
        "--parsable",
        "--cpus-per-task=1",
        "--gpus-per-node=0",
        "--output=job.log",
    ]);
    command.args(options);
    command.arg(repository().join("launch/slurm.sbatch"));
    command
        .arg("--config")
        .arg(repository().join("configs/debug-cpu.toml"));
    let own = [
        "data.corpus=corpus",
        "run.dir=run",
        "training.max_steps=100000",
        "evaluation.every_steps=0",
    ];
    for setting in own.iter().chain(settings) {
        command.args(["--set", setting]);
    }
    command
        .env("TENK_PRETRAIN", program("tenk-pretrain")?)
        .current_dir(scratch);
    Ok(run_ok(&mut command, LIMIT)?.trim().to_owned())
}

fn last_exit(run: &Path) -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(run.join("last_exit.json"))?)?)
}

/// Waits until the job was queued again, and lets it start with what has `changed`.
fn start_again(cluster: &Cluster, job: &str, changed: &[&str], limit: Duration) -> Result<()> {
    // Until the job has left its nodes, Slurm forgets what it is told about the next start.
    let is = |name: &str, value: &str| cluster.field(job, name).is_ok_and(|found| found == value);
    wait_until("the job is back in the queue", limit, || {
        is("Restarts", "1") && is("JobState", "PENDING")
    })?;
    // Slurm holds a job that was queued again for two minutes.
    let job = format!("JobId={job}");
    cluster.ask(
        "scontrol",
        &[&["update", &job, "StartTime=now"], changed].concat(),
    )?;
    Ok(())
}

#[test]
#[ignore = "long: a job has to come near its time limit"]
fn a_job_near_its_time_limit_is_stopped_queued_again_and_goes_on_from_its_checkpoint() -> Result<()> {
    if let Some(obstacle) = obstacle() {
        test_data::skip(&obstacle);
        return Ok(());
    }
    let _machine = whole_machine();
    let scratch = tempfile::tempdir()?;
    let tenk_corpus = program("tenk-corpus")?;
    small_corpus::build(scratch.path(), || Command::new(&tenk_corpus))?;
    let here = [Place::this_machine()?];
    let cluster = Cluster::start(&scratch.path().join("slurm"), &here)?;
    // Slurm sends the signal when the time that is left comes near 200 s, 40 to 100 s after the start: it
    // looks once a minute.
    let job = submit(
        &cluster,
        scratch.path(),
        &[
            "--nodes=1",
            "--ntasks-per-node=2",
            "--time=5",
            "--signal=USR1@200",
        ],
        &["training.global_batch_size=8", "checkpoint.every_steps=0"],
    )?;
    let (run, log) = (scratch.path().join("run"), scratch.path().join("job.log"));
    let said = || fs::read_to_string(&log).unwrap_or_default();
    start_again(&cluster, &job, &[], Duration::from_mins(4)).with_context(said)?;
    ensure!(said().contains("attempt 1 ended with 75"), "{}", said());
    let exit = last_exit(&run)?;
    let reason = exit["reason"].as_str().unwrap_or_default();
    ensure!(
        exit["code"] == 75 && reason.contains("SIGUSR1"),
        "{exit}\n{}",
        said()
    );
    let stopped_at = exit["step"].as_u64().context("no step in last_exit.json")?;
    ensure!(
        run.join(format!("checkpoints/step-{stopped_at:08}/MANIFEST.json"))
            .is_file(),
        "{exit}"
    );
    let went_on = wait_until("the job goes on", Duration::from_mins(4), || {
        last_step(&run).is_some_and(|step| step > stopped_at)
    });
    went_on.with_context(said)?;
    ensure!(
        said().contains(&format!("going on after step {stopped_at} ")),
        "{}",
        said()
    );
    Ok(())
}

/// The host of each rank, as the run folder says it.
fn hosts(run: &Path) -> Result<Vec<String>> {
    let environment: Value = serde_json::from_slice(&fs::read(run.join("environment.json"))?)?;
    let hosts = environment["hosts"].as_array().context("no hosts")?;
    Ok(hosts
        .iter()
        .map(|host| host.as_str().unwrap_or_default().to_owned())
        .collect())
}

#[test]
#[ignore = "long: Slurm gives a silent node some minutes"]
fn ranks_of_three_nodes_are_placed_a_lost_node_is_named_and_the_job_goes_on_without_it() -> Result<()> {
    if let Some(obstacle) = obstacle() {
        test_data::skip(&obstacle);
        return Ok(());
    }
    let _machine = whole_machine();
    let Some(nodes) = Nodes::start(3)? else {
        return Ok(());
    };
    let scratch = tempfile::tempdir()?;
    let tenk_corpus = program("tenk-corpus")?;
    small_corpus::build(scratch.path(), || Command::new(&tenk_corpus))?;
    let cluster = Cluster::start(&scratch.path().join("slurm"), nodes.places())?;
    let begun = Instant::now();
    let job = submit(
        &cluster,
        scratch.path(),
        &["--nodes=3", "--ntasks-per-node=1", "--time=60"],
        // Six micro-batches: two for each of three ranks, three for each of two.
        &[
            "training.global_batch_size=12",
            "training.micro_batch_size=2",
            "checkpoint.every_steps=5",
            "parallel.silence_s=5",
        ],
    )?;
    let (run, log) = (scratch.path().join("run"), scratch.path().join("job.log"));
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let trained = wait_until("a checkpoint is written", Duration::from_mins(3), || {
        last_step(&run).is_some_and(|step| step > 5)
    });
    trained.with_context(said)?;
    println!("the sixth step is taken {:?} after sbatch", begun.elapsed());
    let names: Vec<&str> = nodes.places().iter().map(Place::name).collect();
    ensure!(hosts(&run)? == names, "{:?}", hosts(&run)?);

    nodes.cut(2)?;
    let named = wait_until("the lost node is named", LIMIT, || {
        last_exit(&run).is_ok_and(|exit| {
            exit["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains(&format!("rank 2 (host {}, ", names[2])))
        })
    });
    named.with_context(said)?;
    let stopped_at = last_step(&run).context("no step")?;
    // There is no other node, so it has to be told that two will do.
    let two = ["NumNodes=2", "NumTasks=2"];
    start_again(&cluster, &job, &two, Duration::from_mins(9)).with_context(said)?;
    println!("queued again {:?} after sbatch: {}", begun.elapsed(), said());
    let went_on = wait_until("the job goes on", Duration::from_mins(4), || {
        hosts(&run).is_ok_and(|hosts| hosts == names[..2])
            && last_step(&run).is_some_and(|step| step > stopped_at)
    });
    went_on.with_context(said)?;
    ensure!(said().contains("going on after step "), "{}", said());
    Ok(())
}

/// What a launch costs before it trains: 64 ranks, far more than there are cores.
#[test]
#[ignore = "long: 64 ranks share the cores of this machine"]
fn sixty_four_ranks_on_a_few_cores_start_and_say_how_long_it_took() -> Result<()> {
    let _machine = whole_machine();
    let scratch = tempfile::tempdir()?;
    let tenk_corpus = program("tenk-corpus")?;
    small_corpus::build(scratch.path(), || Command::new(&tenk_corpus))?;
    let mut command = tests::mpirun(64, &program("tenk-pretrain")?);
    command.current_dir(scratch.path());
    command.args(["train", "--config"]);
    command.arg(repository().join("configs/debug-cpu.toml"));
    for setting in [
        "data.corpus=corpus",
        "run.dir=run",
        "training.max_steps=1",
        "training.global_batch_size=64",
        "training.micro_batch_size=1",
        "schedule.warmup_steps=1",
        "checkpoint.every_steps=0",
        "evaluation.every_steps=0",
        "parallel.threads=1",
    ] {
        command.args(["--set", setting]);
    }
    let metrics = scratch.path().join("run/metrics.jsonl");
    let begun = Instant::now();
    let waiting = std::thread::spawn(move || {
        let stepped = wait_until("a step is logged", Duration::from_mins(9), || {
            metrics.metadata().is_ok_and(|file| file.len() > 0)
        });
        stepped.map(|()| begun.elapsed())
    });
    run_ok(&mut command, Duration::from_mins(10))?;
    let first_step = waiting.join().expect("it does not panic")?;
    let cores = std::thread::available_parallelism()?;
    println!(
        "64 ranks on {cores} cores: {:.1} s from mpirun to the end of the first step",
        first_step.as_secs_f64()
    );
    ensure!(last_step(&scratch.path().join("run")) == Some(1));
    Ok(())
}

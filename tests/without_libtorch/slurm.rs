//! `launch/slurm.sbatch` under a real Slurm of one node: controller, daemon and munge are started for this
//! test alone, in a folder of its own and on ports that nobody uses. Long: Slurm counts in minutes.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{program, repository, run_ok, wait_until, whole_machine};

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

/// A cluster of this machine; its daemons end with it.
struct Cluster {
    daemons: Vec<Child>,
    folder: PathBuf,
}

impl Cluster {
    fn start(folder: &Path) -> Result<Self> {
        for name in ["state", "spool", "munge"] {
            fs::create_dir_all(folder.join(name))?;
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o700))?;
        }
        let host = fs::read_to_string("/proc/sys/kernel/hostname")?;
        let host = host.trim().split('.').next().context("no host name")?.to_owned();
        write(&folder.join("slurm.conf"), &configuration(folder, &host)?)?;
        let key = folder.join("munge/key");
        write(&key, &"a key for one test ".repeat(8))?;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o400))?;

        let mut cluster = Self {
            daemons: Vec::new(),
            folder: folder.to_path_buf(),
        };
        let munge = |name: &str| {
            format!(
                "--{name}={}",
                folder
                    .join("munge")
                    .join(name.replace("key-file", "key"))
                    .display()
            )
        };
        let mut munged = Command::new("munged");
        munged.args(["--foreground", "--force"]);
        munged.args(["key-file", "socket", "pid-file", "log-file", "seed-file"].map(munge));
        cluster.daemon(munged)?;
        wait_until("munged listens", LIMIT, || folder.join("munge/socket").exists())?;
        let configuration = folder.join("slurm.conf");
        for (name, node) in [("slurmctld", None), ("slurmd", Some(&host))] {
            let mut daemon = Command::new(name);
            daemon.arg("-D").arg("-f").arg(&configuration);
            daemon.args(node.into_iter().flat_map(|host| ["-N", host]));
            cluster.daemon(daemon)?;
        }
        wait_until("the node is idle", LIMIT, || {
            cluster
                .ask("sinfo", &["--noheader", "--format=%T"])
                .is_ok_and(|state| state.trim() == "idle")
        })?;
        Ok(cluster)
    }

    fn daemon(&mut self, mut command: Command) -> Result<()> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.daemons
            .push(command.spawn().with_context(|| format!("starting {command:?}"))?);
        Ok(())
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("SLURM_CONF", self.folder.join("slurm.conf"));
        command
    }

    fn ask(&self, name: &str, arguments: &[&str]) -> Result<String> {
        run_ok(self.command(name).args(arguments), LIMIT)
    }

    /// `JobState`, `Restarts` and the like.
    fn field(&self, job: &str, name: &str) -> Result<String> {
        let shown = self.ask("scontrol", &["show", "job", job])?;
        let field = shown
            .split_whitespace()
            .find_map(|word| word.strip_prefix(&format!("{name}=")));
        Ok(field.with_context(|| format!("no {name}: {shown}"))?.to_owned())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.ask("scancel", &["--full", "--state=RUNNING"]);
        let _ = wait_until("the queue is empty", LIMIT, || {
            self.ask("squeue", &["--noheader", "--states=RUNNING,COMPLETING"])
                .is_ok_and(|jobs| jobs.trim().is_empty())
        });
        // slurmd first, so that it does not look for a controller that is gone.
        for daemon in self.daemons.iter_mut().rev() {
            let pid = i32::try_from(daemon.id())
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let ended = wait_until("a daemon ends", Duration::from_secs(15), || {
                daemon.try_wait().is_ok_and(|status| status.is_some())
            });
            if ended.is_err() {
                let _ = daemon.kill();
                let _ = daemon.wait();
            }
        }
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    Ok(durable::commit_bytes(&durable::DISK, path, text.as_bytes())?)
}

fn configuration(folder: &Path, host: &str) -> Result<String> {
    let free = || -> Result<(TcpListener, u16)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    };
    // Both are held until both are known.
    let ((_held, controller), (_too, daemon)) = (free()?, free()?);
    let folder = folder.display();
    Ok(format!(
        "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\n\
         SlurmctldPort={controller}\nSlurmdPort={daemon}\n\
         AuthType=auth/munge\nAuthInfo=socket={folder}/munge/socket\nCredType=cred/munge\n\
         StateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool\n\
         SlurmctldPidFile={folder}/slurmctld.pid\nSlurmdPidFile={folder}/slurmd.pid\n\
         SlurmctldLogFile={folder}/slurmctld.log\nSlurmdLogFile={folder}/slurmd.log\n\
         ProctrackType=proctrack/linuxproc\nTaskPlugin=task/affinity\n\
         SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n\
         JobAcctGatherType=jobacct_gather/none\nKillWait=10\nReturnToService=2\n\
         NodeName={host} NodeAddr=127.0.0.1 CPUs=2 Sockets=1 CoresPerSocket=2 ThreadsPerCore=1\n\
         PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE\n"
    ))
}

/// The step of the last line of `metrics.jsonl`.
fn last_step(run: &Path) -> Option<u64> {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).ok()?;
    let mut lines = metrics.lines().rev();
    lines.find_map(|line| serde_json::from_str::<Value>(line).ok()?["step"].as_u64())
}

/// Submits a run that does not end by itself. Slurm sends the signal when the time that is left comes
/// near 200 s, 40 to 100 s after the start: it looks once a minute.
fn submit(cluster: &Cluster, scratch: &Path) -> Result<String> {
    let mut command = cluster.command("sbatch");
    command.args([
        "--parsable",
        "--nodes=1",
        "--ntasks-per-node=2",
        "--cpus-per-task=1",
        "--gpus-per-node=0",
    ]);
    command.args(["--time=5", "--signal=USR1@200", "--output=job.log"]);
    command.arg(repository().join("launch/slurm.sbatch"));
    command
        .arg("--config")
        .arg(repository().join("configs/debug-cpu.toml"));
    for setting in [
        "data.corpus=corpus",
        "run.dir=run",
        "training.max_steps=100000",
        "training.global_batch_size=8",
        "checkpoint.every_steps=0",
        "evaluation.every_steps=0",
    ] {
        command.args(["--set", setting]);
    }
    command
        .env("TENK_PRETRAIN", program("tenk-pretrain")?)
        .current_dir(scratch);
    Ok(run_ok(&mut command, LIMIT)?.trim().to_owned())
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
    let cluster = Cluster::start(&scratch.path().join("slurm"))?;
    let job = submit(&cluster, scratch.path())?;
    let (run, log) = (scratch.path().join("run"), scratch.path().join("job.log"));
    let said = || fs::read_to_string(&log).unwrap_or_default();

    // Until the job has left its node, Slurm forgets what it is told about the next start.
    let is = |name: &str, value: &str| cluster.field(&job, name).is_ok_and(|found| found == value);
    let restarted = wait_until("the job is back in the queue", Duration::from_mins(4), || {
        is("Restarts", "1") && is("JobState", "PENDING")
    });
    restarted.with_context(said)?;
    ensure!(said().contains("attempt 1 ended with 75"), "{}", said());
    let exit: Value = serde_json::from_slice(&fs::read(run.join("last_exit.json"))?)?;
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

    // Slurm holds a job that was queued again for two minutes.
    cluster.ask("scontrol", &["update", &format!("JobId={job}"), "StartTime=now"])?;
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

//! A Slurm cluster of this machine: a controller, a daemon for each node, munge.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tests::{run_ok, wait_until};

use super::LIMIT;
use super::nodes::Place;

/// After which Slurm gives up a node that does not answer. Longer than `launch/slurm.sbatch` takes to
/// notice it by itself.
const NODE_TIMEOUT: Duration = Duration::from_mins(4);

/// Its daemons end with it.
pub(crate) struct Cluster {
    daemons: Vec<Child>,
    folder: PathBuf,
    /// Where the controller runs: the first of its nodes.
    head: Place,
}

impl Cluster {
    /// Starts the daemons, with their files in `folder`, and waits until all nodes are idle.
    pub(crate) fn start(folder: &Path, nodes: &[Place]) -> Result<Self> {
        for name in ["state", "spool", "munge"] {
            fs::create_dir_all(folder.join(name))?;
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o700))?;
        }
        let configuration = folder.join("slurm.conf");
        write(&configuration, &configuration_of(folder, nodes)?)?;
        let mut cluster = Self {
            daemons: Vec::new(),
            folder: folder.to_path_buf(),
            head: nodes.first().context("a cluster without a node")?.clone(),
        };
        cluster.start_munge()?;
        let mut controller = cluster.head.command("slurmctld");
        controller.arg("-D").arg("-f").arg(&configuration);
        cluster.daemon(controller)?;
        for node in nodes {
            let mut daemon = node.command("slurmd");
            daemon.arg("-D").arg("-f").arg(cluster.prepare(node)?);
            daemon.args(["-N", node.name()]);
            cluster.daemon(daemon)?;
        }
        let idle = wait_until("all nodes are idle", LIMIT, || {
            let states = cluster.ask("sinfo", &["--noheader", "--Node", "--format=%T"]);
            states.is_ok_and(|states| states.lines().filter(|state| *state == "idle").count() == nodes.len())
        });
        idle.with_context(|| cluster.said())?;
        Ok(cluster)
    }

    /// Makes the folders of a node, which has the `/tmp` of all nodes: `PMIx` wants another one. Its
    /// configuration.
    fn prepare(&self, node: &Place) -> Result<PathBuf> {
        let of_node = |name: &str| self.folder.join(name).join(node.name());
        for name in ["spool", "conf", "pmix"] {
            fs::create_dir_all(of_node(name))?;
        }
        let pmix = format!("PMIxCliTmpDirBase={}\n", of_node("pmix").display());
        write(&of_node("conf").join("mpi.conf"), &pmix)?;
        let configuration = of_node("conf").join("slurm.conf");
        fs::copy(self.folder.join("slurm.conf"), &configuration)?;
        Ok(configuration)
    }

    /// What the daemons' logs say.
    fn said(&self) -> String {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return String::new();
        };
        let logs = entries.flatten().map(|entry| entry.path());
        let logs = logs.filter(|path| path.extension().is_some_and(|kind| kind == "log"));
        logs.map(|path| fs::read_to_string(path).unwrap_or_default())
            .collect()
    }

    fn start_munge(&mut self) -> Result<()> {
        let folder = self.folder.join("munge");
        let key = folder.join("key");
        write(&key, &"a key for one test ".repeat(8))?;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o400))?;
        let file = |name: &str| {
            let path = folder.join(name.replace("key-file", "key"));
            format!("--{name}={}", path.display())
        };
        let mut munged = Command::new("munged");
        munged.args(["--foreground", "--force"]);
        munged.args(["key-file", "socket", "pid-file", "log-file", "seed-file"].map(file));
        self.daemon(munged)?;
        let socket = self.folder.join("munge/socket");
        wait_until("munged listens", LIMIT, || socket.exists())
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

    /// One of Slurm's own commands, on the node of the controller.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = self.head.command(name);
        command.env("SLURM_CONF", self.folder.join("slurm.conf"));
        command
    }

    pub(crate) fn ask(&self, name: &str, arguments: &[&str]) -> Result<String> {
        run_ok(self.command(name).args(arguments), LIMIT)
    }

    /// `JobState`, `Restarts` and the like.
    pub(crate) fn field(&self, job: &str, name: &str) -> Result<String> {
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

fn configuration_of(folder: &Path, nodes: &[Place]) -> Result<String> {
    let free = || -> Result<(TcpListener, u16)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    };
    // Both are held until both are known; in namespaces of their own any port is free.
    let ((_held, controller), (_too, daemon)) = (free()?, free()?);
    let folder = folder.display();
    let (head, address) = (nodes[0].name(), nodes[0].address());
    let names: Vec<&str> = nodes.iter().map(Place::name).collect();
    let node = |node: &Place| {
        let (name, address) = (node.name(), node.address());
        format!("NodeName={name} NodeAddr={address} CPUs=2 Sockets=1 CoresPerSocket=2 ThreadsPerCore=1\n")
    };
    Ok(format!(
        "ClusterName=test\nSlurmctldHost={head}({address})\nSlurmUser=root\n\
         SlurmctldPort={controller}\nSlurmdPort={daemon}\n\
         AuthType=auth/munge\nAuthInfo=socket={folder}/munge/socket\nCredType=cred/munge\n\
         StateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool/%n\n\
         SlurmctldPidFile={folder}/slurmctld.pid\nSlurmdPidFile={folder}/slurmd-%n.pid\n\
         SlurmctldLogFile={folder}/slurmctld.log\nSlurmdLogFile={folder}/slurmd-%n.log\n\
         ProctrackType=proctrack/linuxproc\nTaskPlugin=task/affinity\n\
         SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n\
         JobAcctGatherType=jobacct_gather/none\nKillWait=10\nReturnToService=2\nSlurmdTimeout={timeout}\n\
         {nodes}PartitionName=test Nodes={names} Default=YES MaxTime=INFINITE\n",
        timeout = NODE_TIMEOUT.as_secs(),
        nodes = nodes.iter().map(node).collect::<String>(),
        names = names.join(",")
    ))
}

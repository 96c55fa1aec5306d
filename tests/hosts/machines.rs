//! Hosts on one machine: each a network namespace with a name of its own, joined by a switch or by a
//! [`Wire`]. All of it is gone when [`Hosts`] is dropped, whatever a test has done.
//!
//! ```text
//!   host a                 switch                 host b        (one namespace each)
//!   eth0 10.77.0.1 ==== link0 - bridge - link1 ==== eth0 10.77.0.2
//! ```

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tests::{run_ok, wait_until, whole_machine};

use crate::wire::{Line, Traffic, Wire};

const LIMIT: Duration = Duration::from_secs(20);

/// Two hosts that reach each other.
pub(crate) struct Hosts {
    /// Part of every name, so that no two tests and no two runs of the tests meet.
    tag: String,
    /// What a host does before it runs a command.
    first: String,
    wire: Option<Wire>,
    folder: TempDir,
    /// Ranks that wait for a core would pass for lost.
    _machine: MutexGuard<'static, ()>,
}

/// Of every name, before the number of the test's process.
const PREFIX: &str = "tk";

/// The index of a host.
pub(crate) const HOSTS: [usize; 2] = [0, 1];

impl Hosts {
    /// Two hosts behind a switch; `None`, and counted as skipped, where this machine cannot have them.
    pub(crate) fn behind_a_switch() -> Result<Option<Self>> {
        let Some(hosts) = Self::unconnected()? else {
            return Ok(None);
        };
        let switch = hosts.switch();
        if !hosts.add_namespace(&switch) {
            return Ok(None);
        }
        ip(&["-n", &switch, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "bridge", "up"])?;
        for host in HOSTS {
            let (link, namespace) = (format!("link{host}"), hosts.namespace(host));
            let pair = ["type", "veth", "peer", "name", "eth0", "netns", &namespace];
            ip(&[&["-n", &switch, "link", "add", &link][..], &pair].concat())?;
            ip(&["-n", &switch, "link", "set", &link, "master", "bridge", "up"])?;
            hosts.bring_up(host)?;
        }
        Ok(Some(hosts))
    }

    /// Two hosts at the ends of a wire.
    pub(crate) fn at_a_wire(line: Line) -> Result<Option<Self>> {
        let Some(mut hosts) = Self::unconnected()? else {
            return Ok(None);
        };
        let ends = HOSTS.map(|host| format!("{}w{host}", hosts.tag));
        match Wire::lay(&ends, line) {
            Ok(wire) => hosts.wire = Some(wire),
            Err(error) => {
                test_data::skip(&format!("this machine lets the test make no TUN device: {error}"));
                return Ok(None);
            }
        }
        for (host, end) in HOSTS.into_iter().zip(&ends) {
            ip(&[
                "link",
                "set",
                end,
                "netns",
                &hosts.namespace(host),
                "name",
                "eth0",
            ])?;
            hosts.bring_up(host)?;
        }
        hosts.wire.iter().for_each(Wire::connect);
        Ok(Some(hosts))
    }

    fn unconnected() -> Result<Option<Self>> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        remove_leftovers();
        let version = Command::new("mpirun").arg("--version").output();
        if !version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("Open MPI")) {
            test_data::skip("hosts are joined by options of Open MPI's mpirun, which is not installed");
            return Ok(None);
        }
        let tag = format!(
            "{PREFIX}{}x{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let hosts = Self {
            tag,
            first: "true".to_owned(),
            wire: None,
            folder: tempfile::tempdir()?,
            _machine: whole_machine(),
        };
        for host in HOSTS {
            if !hosts.add_namespace(&hosts.namespace(host)) {
                return Ok(None);
            }
        }
        hosts.write_agent()?;
        Ok(Some(hosts))
    }

    /// Makes a namespace; false, and counted as skipped, where this is not permitted.
    fn add_namespace(&self, name: &str) -> bool {
        let reason = match Command::new("ip").args(["netns", "add", name]).output() {
            Ok(output) if output.status.success() => return true,
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => format!("`ip` does not start ({error}; Debian: iproute2)"),
        };
        test_data::skip(&format!(
            "no network namespaces for the hosts of {}: {reason}",
            self.tag
        ));
        false
    }

    fn bring_up(&self, host: usize) -> Result<()> {
        let namespace = self.namespace(host);
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        let address = format!("{}/24", address(host));
        ip(&["-n", &namespace, "address", "add", &address, "dev", "eth0"])?;
        ip(&["-n", &namespace, "link", "set", "eth0", "up"])
    }

    fn namespace(&self, host: usize) -> String {
        format!("{}n{host}", self.tag)
    }

    fn switch(&self) -> String {
        format!("{}switch", self.tag)
    }

    /// The name by which a host knows itself.
    pub(crate) fn name(&self, host: usize) -> String {
        format!("{}h{host}", self.tag)
    }

    /// What the wire has carried and lost; none where there is a switch.
    pub(crate) fn traffic(&self) -> Option<Traffic> {
        self.wire.as_ref().map(Wire::traffic)
    }

    /// A folder of this test; all hosts see it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Takes the link between a host and the switch down: what is sent is lost without an error.
    pub(crate) fn cut(&self, host: usize) -> Result<()> {
        let (switch, link) = (self.switch(), format!("link{host}"));
        ip(&["-n", &switch, "link", "set", &link, "down"])
    }

    /// A folder in which from now on each host has a file system of its own. The test itself sees
    /// neither.
    pub(crate) fn keep_apart(&mut self) -> Result<PathBuf> {
        let folder = self.folder().join("own");
        fs::create_dir(&folder)?;
        self.first = format!("mount -t tmpfs tmpfs '{}'", folder.display());
        self.write_agent()?;
        Ok(folder)
    }

    /// Stands in for ssh: `AGENT ADDRESS COMMAND LINE` has a shell on that host run the line.
    fn write_agent(&self) -> Result<()> {
        let case = |host: usize| {
            let (namespace, name, first) = (self.namespace(host), self.name(host), &self.first);
            let line = format!("hostname {name} && {first} && $line");
            format!(
                "{}) exec ip netns exec {namespace} unshare --uts sh -c \"{line}\" ;;\n",
                address(host)
            )
        };
        let cases: String = HOSTS.into_iter().map(case).collect();
        let script = format!("#!/bin/sh\nhost=$1; shift; line=\"$*\"\ncase $host in\n{cases}esac\nexit 1\n");
        durable::commit_bytes(&durable::DISK, &self.agent(), script.as_bytes())?;
        fs::set_permissions(self.agent(), fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    fn agent(&self) -> PathBuf {
        self.folder().join("agent.sh")
    }

    /// `mpirun PROGRAM` on host 0 with so many ranks on each host, to which arguments are added.
    pub(crate) fn mpirun(&self, ranks: [u32; 2], program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &self.namespace(0),
            "unshare",
            "--uts",
            "sh",
            "-c",
        ]);
        command.arg(format!("hostname \"$0\" && {} && exec \"$@\"", self.first));
        command.arg(self.name(0));
        let places = HOSTS.into_iter().filter(|&host| ranks[host] > 0);
        let places: Vec<String> = places
            .map(|host| format!("{}:{}", address(host), ranks[host]))
            .collect();
        command
            .args(["mpirun", "--allow-run-as-root", "--bind-to", "none"])
            .args(["--mca", "plm_rsh_agent"])
            .arg(self.agent())
            .args(["--host", &places.join(",")])
            .args(["-n", &ranks.iter().sum::<u32>().to_string()])
            .arg(program)
            // Where it keeps the files of a job.
            .env("TMPDIR", self.folder());
        command
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        drop(self.wire.take());
        for name in HOSTS
            .map(|host| self.namespace(host))
            .into_iter()
            .chain([self.switch()])
        {
            remove_namespace(&name);
        }
    }
}

fn address(host: usize) -> String {
    format!("10.77.0.{}", host + 1)
}

fn ip(arguments: &[&str]) -> Result<()> {
    run_ok(Command::new("ip").args(arguments), LIMIT).map(drop)
}

/// Ends what runs in a namespace, and removes it with its devices.
fn remove_namespace(name: &str) {
    let processes = || {
        let listed = Command::new("ip").args(["netns", "pids", name]).output();
        let listed = listed.map(|output| output.stdout).unwrap_or_default();
        let listed = String::from_utf8_lossy(&listed);
        let ids = listed.split_whitespace().filter_map(|id| id.parse().ok());
        ids.filter_map(Pid::from_raw).collect::<Vec<Pid>>()
    };
    // One that is not there, or ends by itself meanwhile, is what is wanted.
    let _ = wait_until("the processes of a host end", Duration::from_secs(5), || {
        let left = processes();
        for &process in &left {
            let _ = kill_process(process, Signal::KILL);
        }
        left.is_empty()
    });
    let _ = Command::new("ip").args(["netns", "delete", name]).output();
}

/// Removes the namespaces of tests that were killed.
fn remove_leftovers() {
    let Ok(names) = fs::read_dir("/run/netns") else {
        return;
    };
    for entry in names.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('x'));
        let owner = owner.and_then(|(id, _)| id.parse::<u32>().ok());
        if owner.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
            remove_namespace(&name);
        }
    }
}

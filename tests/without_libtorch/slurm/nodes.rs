//! Nodes on one machine: each a network namespace with a host name of its own, joined by a bridge in
//! another one. All of it is gone when [`Nodes`] is dropped.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tests::{run_ok, wait_until};

use super::LIMIT;

/// Where a daemon of the cluster runs.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    name: String,
    address: String,
    namespace: Option<String>,
}

impl Place {
    /// This machine as it is.
    pub(crate) fn this_machine() -> Result<Self> {
        let name = fs::read_to_string("/proc/sys/kernel/hostname")?;
        let name = name.trim().split('.').next().context("no host name")?;
        Ok(Self {
            name: name.to_owned(),
            address: "127.0.0.1".to_owned(),
            namespace: None,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A program there, to which arguments are added. Its process is the one that is started.
    pub(crate) fn command(&self, program: &str) -> Command {
        let Some(namespace) = &self.namespace else {
            return Command::new(program);
        };
        // Unlike `ip netns exec`, which mounts a new /sys, it leaves slurmd its control groups.
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{namespace}"));
        command.args(["unshare", "--uts", "sh", "-c"]);
        command.args(["hostname \"$0\" && exec \"$@\"", &self.name, program]);
        command
    }
}

/// Some nodes behind one switch.
pub(crate) struct Nodes {
    switch: String,
    places: Vec<Place>,
}

impl Nodes {
    /// `None`, and counted as skipped, where this machine cannot have them.
    pub(crate) fn start(count: usize) -> Result<Option<Self>> {
        let tag = format!("sl{}", std::process::id());
        let place = |index: usize| Place {
            name: format!("{tag}n{index}"),
            address: format!("10.78.0.{}", index + 1),
            namespace: Some(format!("{tag}n{index}")),
        };
        let nodes = Self {
            switch: format!("{tag}switch"),
            places: (0..count).map(place).collect(),
        };
        for namespace in nodes.namespaces() {
            if let Err(error) = ip(&["netns", "add", namespace]) {
                test_data::skip(&format!("no network namespaces for the nodes: {error:#}"));
                return Ok(None);
            }
        }
        nodes.connect()?;
        Ok(Some(nodes))
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Takes the link of a node down: what is sent is lost without an error.
    pub(crate) fn cut(&self, node: usize) -> Result<()> {
        ip(&["-n", &self.switch, "link", "set", &format!("link{node}"), "down"])
    }

    fn namespaces(&self) -> impl Iterator<Item = &str> {
        let of_nodes = self.places.iter().map(Place::name);
        of_nodes.chain([self.switch.as_str()])
    }

    fn connect(&self) -> Result<()> {
        let switch = self.switch.as_str();
        ip(&["-n", switch, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", switch, "link", "set", "bridge", "up"])?;
        for (index, place) in self.places.iter().enumerate() {
            let (link, node) = (format!("link{index}"), place.name());
            let pair = ["type", "veth", "peer", "name", "eth0", "netns", node];
            ip(&[&["-n", switch, "link", "add", &link][..], &pair].concat())?;
            ip(&["-n", switch, "link", "set", &link, "master", "bridge", "up"])?;
            let address = format!("{}/24", place.address());
            ip(&["-n", node, "link", "set", "lo", "up"])?;
            ip(&["-n", node, "address", "add", &address, "dev", "eth0"])?;
            ip(&["-n", node, "link", "set", "eth0", "up"])?;
        }
        Ok(())
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for namespace in self.namespaces() {
            end_all_in(namespace);
            let _ = Command::new("ip").args(["netns", "delete", namespace]).output();
        }
    }
}

/// Ends what still runs in a namespace.
fn end_all_in(namespace: &str) {
    let processes = || {
        let listed = Command::new("ip").args(["netns", "pids", namespace]).output();
        let listed = listed.map(|output| output.stdout).unwrap_or_default();
        let listed = String::from_utf8_lossy(&listed);
        let ids = listed.split_whitespace().filter_map(|id| id.parse().ok());
        ids.filter_map(Pid::from_raw).collect::<Vec<Pid>>()
    };
    let _ = wait_until("the processes of a node end", Duration::from_secs(5), || {
        let left = processes();
        for &process in &left {
            let _ = kill_process(process, Signal::KILL);
        }
        left.is_empty()
    });
}

fn ip(arguments: &[&str]) -> Result<()> {
    run_ok(Command::new("ip").args(arguments), LIMIT).map(drop)
}

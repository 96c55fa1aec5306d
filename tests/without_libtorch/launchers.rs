//! The launchers of `launch/` give every rank cores of its own, whichever `mpirun` is installed.
//!
//! Open MPI itself says where 64 ranks would run, on hosts that it simulates; the options for launchers
//! that are not installed are held against stand-ins that answer `--version` as these do.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tests::{repository, run, run_ok, stdout_of};

const LIMIT: Duration = Duration::from_mins(1);
const NUM_HOSTS: usize = 8;
const RANKS_PER_HOST: usize = 8;
const CORES_PER_RANK: usize = 6;

fn launcher(name: &str) -> Command {
    Command::new(repository().join("launch").join(name))
}

/// What `mpirun --version` says; empty where there is none.
fn installed_mpirun() -> String {
    let output = Command::new("mpirun").arg("--version").output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// Whether Open MPI 4 is there; else the calling test is skipped.
fn has_open_mpi_4() -> bool {
    let is_there = installed_mpirun().contains("(Open MPI) 4.");
    if !is_there {
        test_data::skip("mpirun is not that of Open MPI 4");
    }
    is_there
}

fn write(path: &Path, text: &str) -> Result<()> {
    Ok(durable::commit_bytes(&durable::DISK, path, text.as_bytes())?)
}

/// hwloc's description of a p3dn.24xlarge: 2 sockets of 24 cores with 2 hardware threads.
fn topology() -> Result<String> {
    let mask = |first: usize, count: usize| {
        let words: Vec<String> = (0..3)
            .rev()
            .map(|word| {
                let bits = (0..32).filter(|bit| (first..first + count).contains(&(32 * word + bit)));
                format!("0x{:08x}", bits.fold(0_u32, |mask, bit| mask | 1 << bit))
            })
            .collect();
        words.join(",")
    };
    let mut next_index = 0;
    let mut open = |kind: &str, os_index: usize, threads: (usize, usize), node: &str| {
        next_index += 1;
        let cpus = mask(threads.0, threads.1);
        format!(
            "<object type=\"{kind}\" os_index=\"{os_index}\" cpuset=\"{cpus}\" complete_cpuset=\"{cpus}\" allowed_cpuset=\"{cpus}\" \
             nodeset=\"{node}\" complete_nodeset=\"{node}\" allowed_nodeset=\"{node}\" gp_index=\"{next_index}\">"
        )
    };
    let mut text = String::from(
        "<?xml version=\"1.0\"?><!DOCTYPE topology SYSTEM \"hwloc2.dtd\"><topology version=\"2.0\">",
    );
    text += &open("Machine", 0, (0, 96), "0x3");
    for socket in 0..2 {
        let node = format!("0x{}", 1 << socket);
        write!(text, "{}", open("Package", socket, (48 * socket, 48), &node))?;
        write!(
            text,
            "{}</object>",
            open("NUMANode", socket, (48 * socket, 48), &node)
        )?;
        for core in 24 * socket..24 * (socket + 1) {
            write!(text, "{}", open("Core", core, (2 * core, 2), &node))?;
            for thread in [2 * core, 2 * core + 1] {
                write!(text, "{}</object>", open("PU", thread, (thread, 1), &node))?;
            }
            text += "</object>";
        }
        text += "</object>";
    }
    Ok(text + "</object></topology>")
}

/// The cores of each rank of each host, as Open MPI prints its map.
fn bound_cores(map: &str) -> Result<Vec<Vec<BTreeSet<usize>>>> {
    let mut hosts: Vec<Vec<BTreeSet<usize>>> = Vec::new();
    for line in map.lines() {
        if line.contains("Data for node:") {
            hosts.push(Vec::new());
        } else if let Some((_, bound)) = line.split_once("Bound: ") {
            let cores = bound.split("[core ").skip(1).map(|rest| {
                let number = rest.split('[').next().unwrap_or_default();
                number.parse().with_context(|| format!("no core: {line}"))
            });
            hosts
                .last_mut()
                .context("a rank without a host")?
                .push(cores.collect::<Result<_>>()?);
        }
    }
    Ok(hosts)
}

#[test]
fn mpirun_binds_64_ranks_to_6_cores_each_8_on_every_host() -> Result<()> {
    if !has_open_mpi_4() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (hosts, machine) = (folder.path().join("hosts"), folder.path().join("p3dn.xml"));
    write(&machine, &topology()?)?;
    // The names that Open MPI's simulator gives its hosts, in the form of the example.
    let example = std::fs::read_to_string(repository().join("launch/hosts.example"))?;
    let names = (0..NUM_HOSTS).map(|host| (format!("node0{}", host + 1), format!("nodeA{host}")));
    write(
        &hosts,
        &names.fold(example, |text, (ours, theirs)| text.replace(&ours, &theirs)),
    )?;

    let mut command = launcher("mpirun.sh");
    command.arg("--hosts").arg(&hosts);
    command.args(["--cores-per-rank", &CORES_PER_RANK.to_string()]);
    command.args([
        "--dry-run",
        "tenk-pretrain",
        "train",
        "--config",
        "configs/roberta-sec-base.toml",
    ]);
    command.env("OMPI_MCA_ras", "simulator");
    command.env("OMPI_MCA_ras_simulator_num_nodes", NUM_HOSTS.to_string());
    command.env("OMPI_MCA_ras_simulator_topo_files", &machine);
    let map = simulated_map(&mut command)?;

    let hosts = bound_cores(&map)?;
    ensure!(hosts.len() == NUM_HOSTS, "{} hosts\n{map}", hosts.len());
    for ranks in &hosts {
        ensure!(ranks.len() == RANKS_PER_HOST, "{} ranks\n{map}", ranks.len());
        ensure!(ranks.iter().all(|cores| cores.len() == CORES_PER_RANK), "{map}");
        let all: BTreeSet<_> = ranks.iter().flatten().collect();
        ensure!(
            all.len() == RANKS_PER_HOST * CORES_PER_RANK,
            "a core has two ranks\n{map}"
        );
    }
    Ok(())
}

/// What the command prints. Open MPI 4.1's simulator of hosts, a tool of its developers, reads memory
/// that it has not written when it prints its map, and dies of a segmentation fault in one of some ten
/// environments: one of another length is tried.
fn simulated_map(command: &mut Command) -> Result<String> {
    let mut output = run(command, LIMIT)?;
    for length in 1..8 {
        if output.status.signal() != Some(Signal::SEGV.as_raw()) {
            break;
        }
        command.env("OTHER_LENGTH", "x".repeat(11 * length));
        output = run(command, LIMIT)?;
    }
    stdout_of(command, &output)
}

/// Runs `mpirun.sh --dry-run` beside a stand-in for `mpirun` that prints `version`, or its arguments.
fn with_stand_in(version: &str) -> Result<Output> {
    let folder = tempfile::tempdir()?;
    let stand_in = folder.path().join("mpirun");
    write(
        &stand_in,
        &format!("#!/bin/sh\n[ \"$1\" != --version ] || {{ echo '{version}'; exit; }}\necho \"map: $*\"\n"),
    )?;
    std::fs::set_permissions(&stand_in, std::fs::Permissions::from_mode(0o755))?;
    let mut command = launcher("mpirun.sh");
    command
        .arg("--hosts")
        .arg(repository().join("launch/hosts.example"));
    command.args(["--cores-per-rank", "6", "--dry-run", "program"]);
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.path().display());
    command.env("PATH", path).env_remove("LD_LIBRARY_PATH");
    run(&mut command, LIMIT)
}

#[test]
fn every_known_mpirun_gets_its_own_options_and_another_one_is_refused() -> Result<()> {
    let ppr = "--map-by ppr:8:node:PE=6 --bind-to core";
    for (version, options, map) in [
        ("mpirun (Open MPI) 4.1.4", ppr, "--do-not-launch --display-map"),
        (
            "mpirun (Open MPI) 5.0.7",
            ppr,
            "--runtime-options donotlaunch --display map",
        ),
        ("HYDRA build details:", "-ppn 8 -bind-to core:6", ""),
    ] {
        let output = with_stand_in(version)?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() && said.contains(options),
            "{version}: {said}"
        );
        ensure!(
            said.contains("-n 64") && said.contains("node08:8"),
            "{version}: {said}"
        );
        ensure!(
            said.contains(map) && said.contains("map: ") != map.is_empty(),
            "{version}: {said}"
        );
    }
    let output = with_stand_in("Intel(R) MPI Library for Linux* OS")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(2) && said.contains("neither Open MPI"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_host_file_that_is_wrong_is_refused_with_its_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hosts = folder.path().join("hosts");
    for (text, message) in [
        ("a slots=2\nb slots=0\n", "line 2: `b slots=0`"),
        ("a max_slots=2\n", "line 1"),
        ("# none\n\n", "names no host"),
        ("a\nb\na\n", "line 3: a is there already"),
        ("a:x\n", "line 1: `a:x`"),
        ("a slots=2\nb slots=4\n", "--ranks-per-host"),
    ] {
        write(&hosts, text)?;
        let mut command = launcher("mpirun.sh");
        command.arg("--hosts").arg(&hosts).args(["--dry-run", "program"]);
        let output = run(&mut command, LIMIT)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(2) && said.contains(message),
            "{text:?}: {said}"
        );
    }
    Ok(())
}

#[test]
fn the_ranks_of_a_host_have_a_core_each_and_the_variables_of_the_file() -> Result<()> {
    if !has_open_mpi_4() {
        return Ok(());
    }
    if std::thread::available_parallelism()?.get() < 2 {
        test_data::skip("two ranks need two cores");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (hosts, variables) = (folder.path().join("hosts"), folder.path().join("environment"));
    write(&hosts, "localhost # this one\n")?;
    write(&variables, "# a reason\nTENK_TRIED=two words, $HOME\n")?;
    let mut command = launcher("mpirun.sh");
    command.arg("--hosts").arg(&hosts).arg("--env").arg(&variables);
    command.args(["--ranks-per-host", "2", "--cores-per-rank", "1"]);
    command.args([
        "sh",
        "-c",
        "echo \"$(taskset -cp $$ | sed 's/.*: //') $TENK_TRIED\"",
    ]);
    let said = run_ok(&mut command, LIMIT)?;
    let lines: BTreeSet<&str> = said.lines().collect();
    ensure!(lines.len() == 2, "{said}");
    for line in lines {
        let core = line.strip_suffix(" two words, $HOME");
        ensure!(core.is_some_and(|core| core.parse::<usize>().is_ok()), "{said}");
    }
    Ok(())
}

#[test]
fn single_host_starts_the_ranks_that_are_asked_for() -> Result<()> {
    if !has_open_mpi_4() {
        return Ok(());
    }
    let mut command = launcher("single-host.sh");
    command.args([
        "--ranks",
        "1",
        "sh",
        "-c",
        "echo rank $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE",
    ]);
    let said = run_ok(&mut command, LIMIT)?;
    ensure!(said.trim() == "rank 0 of 1", "{said}");
    Ok(())
}

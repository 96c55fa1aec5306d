//! A host that is cut off, a rank that dies on another host, a line that is slow and loses packets.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tests::{has_ended, run_ok, wait_until};

use crate::job::{ABORT, Ended, Running, SILENCE, learned, train};
use crate::machines::Hosts;
use crate::wire::Line;

/// The lines that name a rank as lost.
fn naming<'a>(ended: &'a Ended, rank: u32, host: &str) -> Vec<&'a str> {
    let named = format!("rank {rank} (host {host}, pid ");
    ended
        .stderr
        .lines()
        .filter(|line| line.contains(&named))
        .collect()
}

/// What MPI keeps in shared memory for the hosts of a test.
fn shared_memory(hosts: &Hosts) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/dev/shm")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if [0, 1].into_iter().any(|host| name.contains(&hosts.name(host))) {
            found.push(Path::new("/dev/shm").join(name));
        }
    }
    Ok(found)
}

/// Every rank of a running job.
fn ranks(running: &Running<'_>, world_size: u32) -> Result<Vec<Pid>> {
    (0..world_size).map(|rank| running.rank(rank)).collect()
}

fn all_gone(ranks: &[Pid]) -> bool {
    ranks.iter().all(|&rank| has_ended(rank))
}

#[test]
fn a_host_that_is_cut_off_in_mid_step_is_named_and_every_rank_and_the_launcher_end() -> Result<()> {
    let Some(hosts) = Hosts::behind_a_switch()? else {
        return Ok(());
    };
    let run_folder = hosts.folder().join("run");
    let running = Running::start(&hosts, [2, 2], &run_folder)?;
    let ranks = ranks(&running, 4)?;
    ensure!(
        !shared_memory(&hosts)?.is_empty(),
        "two ranks of a host share no memory"
    );
    // Until every rank's signs of life come from within a step.
    std::thread::sleep(SILENCE);
    let begun = Instant::now();
    hosts.cut(1)?;
    let named = running.named_after(begun, SILENCE + Duration::from_secs(5))?;
    wait_until("all ranks end", ABORT, || all_gone(&ranks))?;
    let ended = running.end(ABORT)?;
    println!(
        "named {named:?} after the cut; all ended after {:?}",
        begun.elapsed()
    );
    // The ranks of the other host are silent from the same moment on, and named together.
    let lines = [2, 3].map(|rank| naming(&ended, rank, &hosts.name(1))).concat();
    ensure!(
        lines.len() == 1
            && ["off the network", "in step ", ", like rank "]
                .iter()
                .all(|part| lines[0].contains(part)),
        "{}",
        ended.stderr
    );
    let reason = ended.last_exit["reason"].as_str().context("a reason")?;
    ensure!(reason.contains(&hosts.name(1)), "{reason}");
    let left = shared_memory(&hosts)?;
    ensure!(left.is_empty(), "left in shared memory: {left:?}");
    Ok(())
}

#[test]
fn a_rank_that_is_killed_on_another_host_is_named_within_a_second() -> Result<()> {
    let Some(hosts) = Hosts::behind_a_switch()? else {
        return Ok(());
    };
    let run_folder = hosts.folder().join("run");
    let running = Running::start(&hosts, [1, 1], &run_folder)?;
    let ranks = ranks(&running, 2)?;
    let begun = Instant::now();
    kill_process(ranks[1], Signal::KILL)?;
    let named = running.named_after(begun, Duration::from_secs(10))?;
    ensure!(named < Duration::from_secs(1), "named after {named:?}");
    wait_until("all ranks end", ABORT, || all_gone(&ranks))?;
    let ended = running.end(ABORT)?;
    println!(
        "named {named:?} after the death; all ended after {:?}",
        begun.elapsed()
    );
    let lines = naming(&ended, 1, &hosts.name(1));
    ensure!(
        lines.len() == 1 && lines[0].contains("is gone"),
        "{}",
        ended.stderr
    );
    Ok(())
}

#[test]
fn a_line_of_20_ms_that_loses_one_packet_of_100_costs_time_and_nothing_else() -> Result<()> {
    let line = Line {
        delay: Duration::from_millis(20),
        one_lost_of: 100,
    };
    let Some(hosts) = Hosts::at_a_wire(line)? else {
        return Ok(());
    };
    let mut all = Vec::new();
    for (name, ranks) in [("near", [2, 0]), ("far", [1, 1])] {
        let run_folder = hosts.folder().join(name);
        // Silence is not what is tried.
        let settings = ["training.max_steps=10", "parallel.silence_s=15"];
        let mut command = train(&hosts, ranks, &run_folder, &settings)?;
        let begun = Instant::now();
        run_ok(&mut command, Duration::from_mins(2))?;
        println!("{name}: {:?}, {:?}", begun.elapsed(), hosts.traffic());
        all.push(learned(&run_folder)?);
    }
    let traffic = hosts.traffic().context("a wire")?;
    ensure!(
        traffic.lost > 20 && traffic.carried > 50 * traffic.lost,
        "the wire was not what it should be: {traffic:?}"
    );
    ensure!(all[0].len() == 10 && all[0] == all[1], "{all:?}");
    Ok(())
}

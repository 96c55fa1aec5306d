//! Training over two hosts is training on one; what the hosts do not share is noticed.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::run_folder::logged_steps;
use tests::{run, run_ok};

use crate::job::{learned, train};
use crate::machines::Hosts;

const LIMIT: Duration = Duration::from_mins(1);

#[test]
fn two_hosts_of_one_rank_learn_what_one_host_of_two_ranks_does() -> Result<()> {
    let Some(hosts) = Hosts::behind_a_switch()? else {
        return Ok(());
    };
    let mut all = Vec::new();
    for (name, ranks) in [("one", [2, 0]), ("two", [1, 1])] {
        let run_folder = hosts.folder().join(name);
        run_ok(
            &mut train(&hosts, ranks, &run_folder, &["training.max_steps=10"])?,
            LIMIT,
        )?;
        let environment = fs::read_to_string(run_folder.join("environment.json"))?;
        let other = environment.contains(&hosts.name(1));
        ensure!(other == (ranks[1] == 1), "the ranks run elsewhere: {environment}");
        let steps = logged_steps(&run_folder)?;
        ensure!(
            steps.iter().all(|step| step.local_sequences == [4, 4]),
            "{steps:?}"
        );
        // A sum of two numbers has the same bits in either order.
        all.push(learned(&run_folder)?);
    }
    ensure!(all[0].len() == 10 && all[0] == all[1], "{all:?}");
    Ok(())
}

/// Sums that go around the ring, and those of one host, in another order.
#[test]
fn four_ranks_of_two_hosts_lose_what_those_of_one_do_to_rounding_and_say_how_they_add_up() -> Result<()> {
    let Some(hosts) = Hosts::behind_a_switch()? else {
        return Ok(());
    };
    let mut all = Vec::new();
    for (name, ranks, sums) in [("one", [4, 0], "rank-order"), ("two", [2, 2], "ring")] {
        let run_folder = hosts.folder().join(name);
        // 128,000 numbers in the word matrix alone: more than 60 KiB a rank.
        let settings = [
            "training.max_steps=10",
            "model.hidden_size=128",
            "model.intermediate_size=256",
        ];
        run_ok(&mut train(&hosts, ranks, &run_folder, &settings)?, LIMIT)?;
        let environment = fs::read_to_string(run_folder.join("environment.json"))?;
        let environment: Value = serde_json::from_str(&environment)?;
        ensure!(environment["tuple"]["sums"] == sums, "{environment}");
        all.push(logged_steps(&run_folder)?);
    }
    ensure!(all[0].len() == 10 && all[1].len() == 10, "{all:?}");
    for (one, two) in all[0].iter().zip(&all[1]) {
        ensure!(one.digest == two.digest, "{one:?} and {two:?}");
        let difference = ((one.loss - two.loss) / one.loss).abs();
        ensure!(difference < 1e-5, "{one:?} and {two:?}: {difference:.1e}");
    }
    Ok(())
}

#[test]
fn a_run_folder_that_only_one_host_has_is_noticed_at_the_start_with_the_host_named() -> Result<()> {
    let Some(mut hosts) = Hosts::behind_a_switch()? else {
        return Ok(());
    };
    let own = hosts.keep_apart()?;
    let mut command = train(
        &hosts,
        [1, 2],
        &own.join("run"),
        &["training.global_batch_size=12"],
    )?;
    let output = run(&mut command, LIMIT)?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && !stderr.contains("panicked"),
        "{stderr}"
    );
    let named = format!("host {} (ranks 1, 2) does not see", hosts.name(1));
    let said = stderr
        .lines()
        .filter(|line| line.contains(&named) && line.contains("run.dir = "));
    ensure!(said.count() == 1, "{stderr}");
    Ok(())
}

#[test]
fn each_host_copies_the_corpus_to_its_own_disk_once_and_all_learn_the_same() -> Result<()> {
    let Some(mut hosts) = Hosts::behind_a_switch()? else {
        return Ok(());
    };
    let own = hosts.keep_apart()?;
    let stage_to = format!("data.stage_to='{}'", own.join("tenk").display());
    let mut all = Vec::new();
    for (name, settings) in [("shared", &[][..]), ("staged", &[stage_to.as_str()])] {
        let run_folder = hosts.folder().join(name);
        let settings = [&["training.max_steps=5"][..], settings].concat();
        let output = run(&mut train(&hosts, [2, 2], &run_folder, &settings)?, LIMIT)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{stderr}");
        let staged = stderr
            .lines()
            .filter(|line| line.contains("the corpus is staged in"));
        let hosts_of_lines = [0, 1].map(|host| {
            staged
                .clone()
                .filter(|line| line.contains(&hosts.name(host)))
                .count()
        });
        let expected = if name == "staged" { [1, 1] } else { [0, 0] };
        ensure!(hosts_of_lines == expected, "{stderr}");
        all.push(learned(&run_folder)?);
    }
    ensure!(all[0].len() == 5 && all[0] == all[1], "{all:?}");
    Ok(())
}

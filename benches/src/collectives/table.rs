//! The figures that the runs come to, each with what is asked of it.

use anyhow::{Result, anyhow};

use super::contestant::{
    AFTERWARDS, CANONICAL, CHECKED, ONE_RANK, OVERLAPPED, PADDED, PADDED_ALONE, PLANNED, RankSetup,
    TWO_RANKS, TWO_THREADS, TrainRun,
};
use super::inputs::{self, CollectiveInputs};
use super::{host_sums, hosts};
use crate::contest::Outcome;
use crate::machine;
use crate::record::Record;
use crate::report::row;

const HEADER: &str =
    "| collectives | asked | ours | peer | | ratio, round by round |\n|---|---|---|---|---|---|\n";
/// More calls than a step makes: one for each of the 138 parameters, had each its own bucket.
const MOST_CALLS_A_STEP: f64 = 150.0;
/// The default of `parallel.check_every`.
const CHECK_EVERY: f64 = 1000.0;
/// What watching may take of a step.
const WATCHING_SHARE: f64 = 0.005;

/// The table of the group; `no_hosts` says why there is no limited link.
pub(super) fn table(
    inputs: &CollectiveInputs,
    record: &Record<TrainRun>,
    sums: &Outcome,
    no_hosts: Option<&str>,
    rounds: usize,
) -> String {
    let figures = RankFigures { record, rounds };
    let mut text = format!(
        "Machine: {}. Training: {}; tokens/s without padding from the time-stamps of runs, {rounds} rounds in \
         turn.{}\n\n{HEADER}",
        machine::description(),
        inputs::described(),
        figures.link().unwrap_or_default(),
    );
    let rates = match &sums.failed {
        Some(reason) => Err(reason.as_str()),
        None => Ok((&sums.ours[..], &sums.peer[..])),
    };
    text += &row(&sums.name, sums.unit, rates, sums.peer_name);
    text += &figures.beside_other_ranks();
    text += &figures.planned();
    let hidden = match no_hosts {
        Some(reason) => Err(anyhow!("not measured: {reason}")),
        None => figures.hidden(),
    };
    text += &line((HIDDEN, "at least 0.9"), hidden, "all of it without overlap");
    let watching = figures.watching(inputs);
    text += &line((WATCHING, "at most 1"), watching, "0.5 % of a step");
    text
}

const HIDDEN: &str = "limited link: communication less the tied matrix's that overlap hides, s a step";
const WATCHING: &str =
    "liveness, arrival of all ranks before each call, digests, compared replicas, ms a step";

/// Ours and the peer's, round by round.
type Pairs = (Vec<f64>, Vec<f64>);

fn line((name, asked): (&str, &str), measured: Result<Pairs>, peer_name: &str) -> String {
    match measured {
        Ok((ours, peer)) => row(name, asked, Ok((&ours, &peer)), peer_name),
        Err(error) => row(name, asked, Err(&format!("{error:#}")), peer_name),
    }
}

/// Where the figures come from.
struct RankFigures<'a> {
    record: &'a Record<TrainRun>,
    rounds: usize,
}

impl RankFigures<'_> {
    fn runs(&self, contestant: RankSetup) -> Result<Vec<TrainRun>> {
        self.record.of(&contestant.name(), self.rounds)
    }

    fn each(&self, contestant: RankSetup, of: impl Fn(&TrainRun) -> f64) -> Result<Vec<f64>> {
        Ok(self.runs(contestant)?.iter().map(of).collect())
    }

    fn pairs(&self, [ours, peer]: [RankSetup; 2], of: impl Fn(&TrainRun) -> f64) -> Result<Pairs> {
        Ok((self.each(ours, &of)?, self.each(peer, &of)?))
    }

    /// Rates of two ranks beside other ways to use the same cores.
    fn beside_other_ranks(&self) -> String {
        let mut text = String::new();
        for (name, asked, ours, peer, peer_name) in [
            (
                "2 ranks x 1 thread",
                "at least 1.8",
                TWO_RANKS,
                ONE_RANK,
                "1 rank x 1 thread",
            ),
            (
                "2 ranks x 1 thread",
                "at least 0.92",
                TWO_RANKS,
                TWO_THREADS,
                "1 rank x 2 threads",
            ),
            ("the same, `canonical`", "shown", CANONICAL, TWO_RANKS, "`fast`"),
            (
                "2 ranks x 1 thread, unequal work: packing `full-sentences`",
                "shown",
                PADDED,
                PADDED_ALONE,
                "1 rank x 1 thread",
            ),
        ] {
            let rate = |run: &TrainRun| run.tokens_per_second;
            text += &line((name, asked), self.pairs([ours, peer], rate), peer_name);
        }
        text
    }

    /// What is measured beside what was planned.
    fn planned(&self) -> String {
        let mut text = String::new();
        for (num_ranks, width) in PLANNED {
            let seconds = |run: &TrainRun| run.step_seconds;
            let contestants = [
                RankSetup::Planned { num_ranks, width },
                RankSetup::Wide { num_ranks, width },
            ];
            let name =
                format!("`plan --device cpu`: {num_ranks} x 1 thread, {width} wide, two layers, s a step");
            text += &line(
                (&name, "0.8 to 1.2"),
                self.pairs(contestants, seconds),
                "measured",
            );
        }
        text
    }

    /// The limited link in words.
    fn link(&self) -> Result<String> {
        let local = self.runs(TWO_RANKS)?;
        let link = self.each(AFTERWARDS, |run| run.communication_seconds / run.step_seconds)?;
        let share = link.iter().sum::<f64>() / link.len() as f64;
        Ok(format!(
            " Limited link: {:.0} Mbit/s, over which communication, without waiting for a rank whose passes took longer, is {:.0} % of a step that does not overlap.",
            hosts::bits_per_second(&local[0]) as f64 / 1e6,
            share * 100.0
        ))
    }

    /// By how much a step is shorter with overlap, and how long the buckets are on the link without.
    fn hidden(&self) -> Result<Pairs> {
        let (with, without) = (self.runs(OVERLAPPED)?, self.runs(AFTERWARDS)?);
        let hidden = with.iter().zip(&without);
        let hidden = hidden.map(|(with, without)| without.step_seconds - with.step_seconds);
        let all = without
            .iter()
            .map(|run| run.communication_seconds * (1.0 - run.tied_bytes / run.gradient_bytes));
        Ok((hidden.collect(), all.collect()))
    }

    /// Milliseconds a step of all that watches over it, each taken for more than it is rather than
    /// for less, and what is allowed.
    fn watching(&self, inputs: &CollectiveInputs) -> Result<Pairs> {
        let (runs, checked) = (self.runs(TWO_RANKS)?, self.runs(CHECKED)?);
        let arrivals = host_sums::arrival_seconds()? * MOST_CALLS_A_STEP;
        let loader_rate = inputs.loader_rate()?;
        let took = runs.iter().zip(&checked).map(|(run, checked)| {
            // Digests are made with the micro-batches, which take longer.
            let digests = run.tokens_per_second * run.step_seconds / loader_rate;
            let replicas = (checked.step_seconds - run.step_seconds).max(0.0) / CHECK_EVERY;
            (run.liveness_seconds + arrivals + digests + replicas) * 1e3
        });
        let allowed = runs.iter().map(|run| run.step_seconds * WATCHING_SHARE * 1e3);
        Ok((took.collect(), allowed.collect()))
    }
}

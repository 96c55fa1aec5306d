//! The group `between-hosts`: sums over two hosts, around our own ring, by each algorithm of Open MPI
//! and, where `TENK_MPICH` names a folder with it, by MPICH, side by side. What a sum takes of the link and of the cores, and what computing hides of it,
//! decides whether the ring stays (decision 0013).

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ::collectives::{Collective, Mpi, MpiOptions, Rank};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::hosts::Hosts;
use super::watching::own_seconds;
use crate::contest::{last_line, succeed};
use crate::machine;
use crate::report::{spread, write_section};

const GROUP: &str = "between-hosts";
/// Rounds in which every engine has its turn: a call takes about five minutes.
const ROUNDS: usize = 3;
/// The rate of the measurements in decision 0013, and one that the cores do not reach.
const LINKS: [(&str, u64); 2] = [("764 Mbit/s", 764_000_000), ("10 Gbit/s", 10_000_000_000)];
/// By which a launch tells Open MPI its algorithm; `ignore` leaves the choice to the library.
const ALGORITHM: &str = "OMPI_MCA_coll_libnbc_iallreduce_algorithm";
/// Before the value that `ompi_info` says it has.
const STATED_ALGORITHM: &str = "mca:coll:libnbc:param:coll_libnbc_iallreduce_algorithm:value:";

const NUM_VALUES: usize = 8 << 20;
const WARM_UP_CALLS: u32 = 1;
const COUNTED_CALLS: u32 = 3;
const TIMEOUT: Duration = Duration::from_mins(1);
/// What computing goes over: it stays in a core's cache, as the blocks of a product do.
const WORK_VALUES: usize = 16 << 10;

/// The folder that MPICH is installed in, with `bin`, `include` and `lib`.
const MPICH: &str = "TENK_MPICH";
const MPICH_SOURCE: &str = "benches/peers/iallreduce.c";

/// Who sums.
#[derive(Debug, Clone, Copy)]
enum Engine {
    OurRing,
    /// Open MPI by this algorithm; `ignore` leaves the choice to it.
    OpenMpi(&'static str),
    Mpich,
}

const ENGINES: [Engine; 5] = [
    Engine::OurRing,
    Engine::OpenMpi("ignore"),
    Engine::OpenMpi("ring"),
    Engine::OpenMpi("rabenseifner"),
    Engine::Mpich,
];

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::OurRing => "our ring",
            Self::OpenMpi("ring") => "Open MPI, ring",
            Self::OpenMpi("rabenseifner") => "Open MPI, Rabenseifner",
            Self::OpenMpi(_) => "Open MPI, its own choice",
            Self::Mpich => "MPICH, its own choice",
        }
    }
}

/// What one launch came to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Sums {
    /// GB of the vector a second, with nothing beside it.
    rate: f64,
    /// Seconds on a core, of the rank with more of them, for a GB of the vector.
    core_seconds_per_gb: f64,
    /// The same while the thread that looks after messages sleeps between two looks, as it does where
    /// others compute.
    rate_asleep: f64,
    core_seconds_per_gb_asleep: f64,
    /// Which part of a sum's time computing beside it hides.
    hidden: f64,
    /// Bytes that a rank sends over the link, for a byte of the vector.
    link_bytes_per_byte: f64,
}

/// Measures every engine over every link, and writes the table.
pub(crate) fn run() -> Result<()> {
    let mut text = format!(
        "Machine: {}. A vector of {} MiB over two ranks, {COUNTED_CALLS} sums a round, {ROUNDS} rounds in turn.\n\n\
         | link | sums | GB/s | core s a GB | GB/s, asleep | core s a GB, asleep | hidden by computing | bytes sent a rank, of the vector's |\n\
         |---|---|---|---|---|---|---|---|\n",
        machine::description(),
        (NUM_VALUES * size_of::<f32>()) >> 20,
    );
    let mpich = std::env::var_os(MPICH).map(PathBuf::from);
    let mpich_program = mpich.as_deref().map(build_with_mpich).transpose()?;
    let is_there = |engine: &Engine| !matches!(engine, Engine::Mpich) || mpich_program.is_some();
    let engines: Vec<Engine> = ENGINES.into_iter().filter(is_there).collect();
    for engine in &engines {
        takes_algorithm(*engine)?;
    }
    for (link, bits_per_second) in LINKS {
        let hosts = Hosts::joined_at(bits_per_second)?;
        let mut measured: Vec<Vec<Sums>> = vec![Vec::new(); engines.len()];
        for _ in 0..ROUNDS {
            for (engine, measured) in engines.iter().zip(&mut measured) {
                let sums = measure(&hosts, *engine, mpich_program.as_deref())
                    .with_context(|| format!("{}, {link}", engine.name()))?;
                super::note(&format!("{link}, {}: {sums:?}", engine.name()));
                measured.push(sums);
            }
        }
        for (engine, sums) in engines.iter().zip(&measured) {
            text += &line(link, engine.name(), sums);
        }
    }
    if mpich_program.is_none() {
        let _ = writeln!(
            text,
            "\nMPICH was not measured: `{MPICH}` names no folder with it."
        );
    }
    write_section(GROUP, &text)
}

/// The peer's program, built for the MPICH of this folder.
fn build_with_mpich(mpich: &Path) -> Result<PathBuf> {
    let program = std::path::absolute("target/iallreduce-mpich")?;
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", MPICH_SOURCE, "-o"]).arg(&program);
    // Debian has them by architecture.
    for folder in ["include", "include/mpich", "include/x86_64-linux-gnu/mpich"] {
        compiler.arg("-I").arg(mpich.join(folder));
    }
    for folder in ["lib", "lib/x86_64-linux-gnu"] {
        compiler.arg("-L").arg(mpich.join(folder));
    }
    succeed(compiler.args(["-lmpich", "-lpthread", "-lm"])).with_context(|| {
        format!(
            "cannot build {MPICH_SOURCE} with the MPICH of {}",
            mpich.display()
        )
    })?;
    Ok(program)
}

/// Refuses a library that would not take the algorithm it is asked for, and say nothing.
fn takes_algorithm(engine: Engine) -> Result<()> {
    let Engine::OpenMpi(algorithm) = engine else {
        return Ok(());
    };
    let mut info = Command::new("ompi_info");
    info.args(["--parsable", "--level", "9", "--param", "coll", "libnbc"])
        .env(ALGORITHM, algorithm);
    let output = succeed(&mut info)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let stated = text
        .lines()
        .find_map(|line| line.strip_prefix(STATED_ALGORITHM))
        .unwrap_or("nothing");
    ensure!(
        stated == algorithm,
        "Open MPI takes {stated} for {ALGORITHM}={algorithm}"
    );
    Ok(())
}

fn line(link: &str, name: &str, sums: &[Sums]) -> String {
    let column = |of: fn(&Sums) -> f64| spread(&sums.iter().map(of).collect::<Vec<_>>());
    format!(
        "| {link} | {name} | {} | {} | {} | {} | {} | {} |\n",
        column(|sums| sums.rate),
        column(|sums| sums.core_seconds_per_gb),
        column(|sums| sums.rate_asleep),
        column(|sums| sums.core_seconds_per_gb_asleep),
        column(|sums| sums.hidden),
        column(|sums| sums.link_bytes_per_byte),
    )
}

fn measure(hosts: &Hosts, engine: Engine, mpich_program: Option<&Path>) -> Result<Sums> {
    if let (Engine::Mpich, Some(program)) = (engine, mpich_program) {
        let counts = [
            NUM_VALUES,
            WARM_UP_CALLS as usize,
            COUNTED_CALLS as usize,
            WORK_VALUES,
        ];
        let mut command = hosts.mpich();
        command.arg(program).args(counts.map(|count| count.to_string()));
        return last_line(&mut command);
    }
    let mut command = hosts.mpirun();
    command.arg(std::env::current_exe()?).arg(GROUP);
    if let Engine::OpenMpi(algorithm) = engine {
        command.arg("--by-library").env(ALGORITHM, algorithm);
    }
    last_line(&mut command)
}

/// A rank's program.
pub(crate) fn rank_main(by_library: bool) -> Result<()> {
    let options = MpiOptions {
        own_ring: !by_library,
        ..MpiOptions::new(TIMEOUT)
    };
    let mut collective = Mpi::connect(options)?;
    let mut values = vec![1.0_f32; NUM_VALUES];
    for _ in 0..WARM_UP_CALLS {
        collective.all_reduce_sum_f32(&mut values)?;
    }
    let (bytes, on_core) = (link_bytes()?, own_seconds());
    let alone = timed(&mut collective, |collective| {
        Ok(collective.all_reduce_sum_f32(&mut values)?)
    })?;
    let bytes = (link_bytes()? - bytes) / f64::from(COUNTED_CALLS);
    let on_core = (own_seconds() - on_core) / f64::from(COUNTED_CALLS);
    // As a rank waits that computes meanwhile.
    collective.wait_asleep(true);
    let asleep_on_core = own_seconds();
    let asleep = timed(&mut collective, |collective| {
        Ok(collective.all_reduce_sum_f32(&mut values)?)
    })?;
    let asleep_on_core = (own_seconds() - asleep_on_core) / f64::from(COUNTED_CALLS);
    // As much computing as a sum takes by itself.
    let passes = agreed_passes(&mut collective, alone)?;
    let computing = timed(&mut collective, |_| {
        compute(passes);
        Ok(())
    })?;
    let both = timed(&mut collective, |collective| {
        thread::scope(|scope| {
            let computing = scope.spawn(|| compute(passes));
            let summed = collective.all_reduce_sum_f32(&mut values);
            computing.join().ok().context("the computing thread panicked")?;
            Ok(summed?)
        })
    })?;
    check(&collective, &values)?;
    let gb = (NUM_VALUES * size_of::<f32>()) as f64 / 1e9;
    let mut largest = [on_core, bytes, asleep_on_core];
    collective.all_reduce_max_f64(&mut largest)?;
    if collective.rank() == Rank(0) {
        let sums = Sums {
            rate: gb / alone,
            core_seconds_per_gb: largest[0] / gb,
            rate_asleep: gb / asleep,
            core_seconds_per_gb_asleep: largest[2] / gb,
            hidden: (alone + computing - both) / alone,
            link_bytes_per_byte: largest[1] / (gb * 1e9),
        };
        crate::report::print(&json!(sums).to_string());
    }
    Ok(())
}

/// Seconds of one of [`COUNTED_CALLS`], until all ranks are through.
fn timed(collective: &mut Mpi, mut call: impl FnMut(&mut Mpi) -> Result<()>) -> Result<f64> {
    collective.barrier()?;
    let begun = Instant::now();
    for _ in 0..COUNTED_CALLS {
        call(collective)?;
    }
    collective.barrier()?;
    Ok(begun.elapsed().as_secs_f64() / f64::from(COUNTED_CALLS))
}

/// Passes that take about so many seconds where all ranks compute.
fn agreed_passes(collective: &mut Mpi, seconds: f64) -> Result<u64> {
    const TRIAL: u64 = 2_000;
    collective.barrier()?;
    let begun = Instant::now();
    compute(TRIAL);
    let mut rates = [TRIAL as f64 / begun.elapsed().as_secs_f64()];
    collective.all_reduce_min_f64(&mut rates)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and positive"
    )]
    let passes = (rates[0] * seconds).max(1.0) as u64;
    Ok(passes)
}

fn compute(passes: u64) {
    let mut values = vec![1.0_f32; WORK_VALUES];
    for _ in 0..passes {
        for value in black_box(&mut values[..]) {
            *value = *value * 0.999 + 0.001;
        }
    }
}

fn check(collective: &Mpi, values: &[f32]) -> Result<()> {
    let calls = WARM_UP_CALLS + 3 * COUNTED_CALLS;
    let expected = f64::from(collective.world_size()).powf(f64::from(calls));
    ensure!(
        values
            .iter()
            .all(|&value| f64::from(value).to_bits() == expected.to_bits()),
        "the sum is wrong"
    );
    Ok(())
}

/// Bytes that this host has sent over its interfaces but the loopback so far (proc(5), net/dev).
fn link_bytes() -> Result<f64> {
    let text = fs::read_to_string(Path::new("/proc/self/net/dev"))?;
    let sent = text.lines().filter_map(|line| {
        let (name, numbers) = line.split_once(':')?;
        let sent = numbers.split_whitespace().nth(8)?.parse::<f64>().ok()?;
        (name.trim() != "lo").then_some(sent)
    });
    Ok(sent.sum())
}

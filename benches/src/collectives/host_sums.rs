//! Sums of 64 MiB over the ranks of one host, and calls that only wait for all ranks. Each is a
//! rank's program; `mpirun` starts two.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ::collectives::{Backend, Collective, Rank, connect};
use anyhow::{Result, ensure};

use crate::arguments::Arguments;
use crate::contest::{Figure, RateCommand, last_line};
use crate::measure::print_rate;
use crate::mpirun::mpirun;

/// As the peer's script has it.
const NUM_VALUES: usize = 16 << 20;
const WARM_UP_CALLS: u32 = 3;
const COUNTED_CALLS: u32 = 20;
const NUM_ARRIVALS: u32 = 5_000;
const TIMEOUT: Duration = Duration::from_mins(1);

/// Ours beside gloo's.
pub(super) fn figure(arguments: &Arguments) -> Result<Figure> {
    let python = arguments.python()?;
    Ok(Figure {
        group: "collectives",
        name: "all-reduce of 64 MiB f32, two ranks of one host, GB/s".to_owned(),
        unit: "at least 1.5",
        peer_name: "torch.distributed, gloo",
        ours: RateCommand(Box::new(|| ranks_of("all-reduce"))),
        peer: RateCommand(Box::new(move || {
            let mut command = Command::new(&python);
            command.arg(Path::new("benches/peers/all_reduce.py"));
            Ok(command)
        })),
    })
}

/// Two ranks of a subcommand of this program.
fn ranks_of(subcommand: &str) -> Result<Command> {
    let own: PathBuf = std::env::current_exe()?;
    let mut command = Command::new(mpirun());
    command.arg("2").arg(own).arg(subcommand);
    Ok(command)
}

/// Seconds of a call that only waits for both ranks.
pub(super) fn arrival_seconds() -> Result<f64> {
    #[derive(serde::Deserialize)]
    struct ArrivalRate {
        rate: f64,
    }
    let ArrivalRate { rate } = last_line(&mut ranks_of("arrivals")?)?;
    Ok(1.0 / rate)
}

/// A rank's program: GB of the vector a second.
pub(crate) fn all_reduce() -> Result<()> {
    let mut collective = connect(Backend::Mpi, None, TIMEOUT)?;
    let mut values = vec![1.0_f32; NUM_VALUES];
    for _ in 0..WARM_UP_CALLS {
        collective.all_reduce_sum_f32(&mut values)?;
    }
    let seconds = timed(collective.as_mut(), COUNTED_CALLS, |collective| {
        Ok(collective.all_reduce_sum_f32(&mut values)?)
    })?;
    let expected = f64::from(collective.world_size()).powf(f64::from(WARM_UP_CALLS + COUNTED_CALLS));
    ensure!(
        values
            .iter()
            .all(|&value| f64::from(value).to_bits() == expected.to_bits()),
        "the sum is wrong"
    );
    print_on_first(
        collective.as_ref(),
        size_of_val(&values[..]) as f64 / 1e9 / seconds,
    );
    Ok(())
}

/// A rank's program: calls a second.
pub(crate) fn arrivals() -> Result<()> {
    let mut collective = connect(Backend::Mpi, None, TIMEOUT)?;
    let seconds = timed(collective.as_mut(), NUM_ARRIVALS, |collective| {
        Ok(collective.barrier()?)
    })?;
    print_on_first(collective.as_ref(), 1.0 / seconds);
    Ok(())
}

/// Seconds of one of `calls` calls.
fn timed(
    collective: &mut dyn Collective,
    calls: u32,
    mut call: impl FnMut(&mut dyn Collective) -> Result<()>,
) -> Result<f64> {
    collective.barrier()?;
    let begun = Instant::now();
    for _ in 0..calls {
        call(collective)?;
    }
    Ok(begun.elapsed().as_secs_f64() / f64::from(calls))
}

fn print_on_first(collective: &dyn Collective, rate: f64) {
    if collective.rank() == Rank(0) {
        print_rate(rate, 1);
    }
}

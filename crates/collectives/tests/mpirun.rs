//! The common properties, deadlines and aborts over MPI: this program starts itself under
//! `mpirun`, each launch with a time limit after which its process group is ended.
//!
//! It has its own `main` because the ranks must not be a test harness.

#![expect(clippy::unwrap_used, reason = "a test's own failure is its message")]
#![expect(clippy::print_stderr, reason = "what ranks say is what the tests read")]
#![expect(clippy::float_cmp, reason = "an untouched value is compared with itself")]

mod properties;

use std::{
    io::Read,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use collectives::{Collective, CollectiveError, Liveness, LivenessOptions, Mpi, MpiOptions, Rank, SumOrder};
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process_group};

const TIME_LIMIT: Duration = Duration::from_secs(90);
/// First argument of a rank.
const AS_RANK: &str = "--as-rank";

type Test = (&'static str, fn());

const TESTS: [Test; 11] = [
    (
        "one_two_three_four_and_eight_ranks_have_the_common_properties",
        || {
            for world_size in [1, 2, 3, 4, 8] {
                assert_success(&launch(world_size, &["properties", "zero-copy"]));
            }
        },
    ),
    ("the_copying_path_has_the_same_properties", || {
        assert_success(&launch(2, &["properties", "copy"]));
    }),
    ("sums_by_mpi_itself_have_the_same_properties", || {
        assert_success(&launch(2, &["properties", "library"]));
    }),
    (
        "sums_in_shared_memory_are_those_of_mpi_and_in_rank_order_to_the_bit",
        || {
            for world_size in [2, 3, 4, 8] {
                assert_success(&launch(world_size, &["in-order", "zero-copy"]));
            }
        },
    ),
    (
        "sums_around_the_ring_begin_with_the_rank_of_their_chunk_to_the_bit",
        || {
            for world_size in [2, 3, 4, 8] {
                assert_success(&launch(world_size, &["around", "apart"]));
            }
        },
    ),
    (
        "a_rank_that_stops_in_a_sum_is_met_at_the_deadline_and_one_that_is_killed_ends_all",
        a_rank_lost_in_a_sum_ends_all,
    ),
    (
        "a_late_rank_is_met_at_the_deadline_with_rank_operation_and_number",
        a_late_rank_is_named,
    ),
    (
        "the_rank_that_all_others_wait_for_is_named_with_its_place",
        the_rank_that_all_others_wait_for_is_named,
    ),
    (
        "ranks_that_make_different_calls_are_named_instead_of_hanging",
        ranks_that_differ_are_named,
    ),
    (
        "an_abort_ends_all_ranks_with_its_message",
        an_abort_ends_all_ranks,
    ),
    (
        "a_rank_that_panics_ends_the_others",
        a_rank_that_panics_ends_the_others,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == AS_RANK) {
        as_rank(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    let mut mpirun = Command::new("mpirun");
    let is_missing = mpirun.arg("--version").stdout(Stdio::null()).status().is_err();
    if is_missing {
        eprintln!("skipped: mpirun is not installed");
    }
    let trials = TESTS.into_iter().map(|(name, test)| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(is_missing)
    });
    let mut arguments = libtest_mimic::Arguments::from_args();
    // Every launch fills the machine.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn as_rank(arguments: &[String]) {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let way = arguments.get(1).map_or("zero-copy", String::as_str);
    let options = |timeout| MpiOptions {
        zero_copy: way != "copy",
        own_ring: way != "library",
        shared_memory: !matches!(way, "apart" | "library"),
        ..MpiOptions::new(timeout)
    };
    let limit = Duration::from_mins(1);
    match arguments[0].as_str() {
        "properties" => properties::check_all(&mut Mpi::connect(options(limit)).unwrap()),
        "away" => stay_away(Mpi::connect(options(Duration::from_secs(2))).unwrap()),
        "late" => wait_for_a_late_rank(
            Mpi::connect(MpiOptions::new(Duration::from_secs(1))).unwrap(),
            Path::new(&arguments[1]),
        ),
        "in-order" => sum_in_rank_order(&mut Mpi::connect(options(limit)).unwrap()),
        "around" => sum_around_the_ring(&mut Mpi::connect(options(limit)).unwrap()),
        "lost" => lose_a_rank_in_a_sum(
            Mpi::connect(options(Duration::from_secs(2))).unwrap(),
            &arguments[2],
        ),
        "differ" => differ(Mpi::connect(options(limit)).unwrap(), &arguments[2]),
        "abort" => {
            let mut collective = Mpi::connect(options(limit)).unwrap();
            if collective.rank() == Rank(1) {
                eprintln!("rank 1 gives up: the disk is full");
                collective.abort("the disk is full");
            }
            collective.all_reduce_sum_f32(&mut vec![1.0; 100_000]).unwrap();
        }
        "panic" => {
            let mut collective = Mpi::connect(options(limit)).unwrap();
            assert!(collective.rank() == Rank(0), "this rank panics");
            collective.barrier().unwrap();
        }
        other => panic!("no such rank program: {other}"),
    }
}

/// Rank 1 lives and stays away; all others wait for it beyond their deadline.
fn stay_away(mut collective: Mpi) {
    let rank = collective.rank();
    let on_failure = move |failure: &collectives::RankFailure| {
        if rank != Rank(0) {
            // mpirun ends all ranks once one has ended, and rank 0 may not have said it yet.
            thread::sleep(TIME_LIMIT);
        }
        eprintln!("{failure}");
        std::process::exit(1);
    };
    let options = LivenessOptions::default();
    let liveness = Liveness::start(&mut collective, "here", options, on_failure).unwrap();
    let liveness = liveness.expect("several ranks have a channel");
    let mut watched = liveness.watch(&mut collective);
    watched.barrier().unwrap();
    if rank == Rank(1) {
        thread::sleep(TIME_LIMIT);
    }
    let error = watched.all_reduce_sum_f32(&mut vec![1.0; 100_000]).unwrap_err();
    liveness.waited(&error.to_string());
    panic!("{error}");
}

/// Rank 1 stays away until rank 0 has put down the file that says it saw the deadline.
fn wait_for_a_late_rank(mut collective: Mpi, seen: &Path) {
    collective.barrier().unwrap();
    if collective.rank() == Rank(1) {
        while !seen.exists() {
            thread::sleep(Duration::from_millis(10));
        }
        return;
    }
    let mut values = vec![1.0_f32; 100_000];
    let error = collective.all_reduce_sum_f32(&mut values).unwrap_err();
    assert!(
        matches!(error, CollectiveError::Deadline { rank: Rank(0), call, .. } if call.sequence == 2),
        "{error}"
    );
    assert!(
        values.iter().all(|value| *value == 1.0),
        "the slice was never in MPI's hands"
    );
    assert!(matches!(
        collective.barrier(),
        Err(CollectiveError::Unusable { .. })
    ));
    eprintln!("{error}");
    std::fs::create_dir(seen).unwrap();
    collective.abort(&error.to_string());
}

/// What a rank brings to a sum.
#[expect(clippy::cast_possible_truncation, reason = "any f32 will do")]
fn addends(rank: u32, length: u32) -> Vec<f32> {
    let value = |index| ((f64::from(index) + f64::from(rank) * 0.7).sin() * 1e3) as f32;
    (0..length).map(value).collect()
}

/// Large sums, of which small ones show what MPI makes of the same numbers.
fn sum_in_rank_order(collective: &mut Mpi) {
    const OF_MPI: usize = 4_000;
    let (rank, world_size) = (collective.rank().0, collective.world_size());
    assert_eq!(collective.sum_order(), SumOrder::RankOrder);
    for length in [16_384, 16_385, 100_003, 1_000_003] {
        let mut values = addends(rank, length);
        let mut of_mpi = values.clone();
        collective.all_reduce_sum_f32(&mut values).unwrap();
        let all: Vec<Vec<f32>> = (0..world_size).map(|rank| addends(rank, length)).collect();
        for (index, value) in values.iter().enumerate() {
            let expected = all
                .iter()
                .map(|of_rank| of_rank[index])
                .reduce(|sum, next| sum + next);
            assert_eq!(Some(*value), expected, "number {index} of {length}");
        }
        for few in of_mpi.chunks_mut(OF_MPI) {
            collective.all_reduce_sum_f32(few).unwrap();
        }
        let rounding = 1e3 * f64::from(world_size) * f64::from(f32::EPSILON);
        let differs = |(own, of_mpi): (&f32, &f32)| f64::from(own - of_mpi).abs() > rounding;
        assert!(!values.iter().zip(&of_mpi).any(differs), "sums of {length}");
    }
}

/// Sums that are too large for MPI's own call, in f32 and f64.
fn sum_around_the_ring(collective: &mut Mpi) {
    let (rank, world_size) = (collective.rank().0, collective.world_size() as usize);
    assert_eq!(collective.sum_order(), SumOrder::Ring);
    for length in [131_072, 131_101, 1_000_003] {
        let all: Vec<Vec<f32>> = (0..collective.world_size())
            .map(|rank| addends(rank, length))
            .collect();
        let mut single = all[rank as usize].clone();
        let mut double: Vec<f64> = single.iter().map(|value| f64::from(*value)).collect();
        collective.all_reduce_sum_f32(&mut single).unwrap();
        collective.all_reduce_sum_f64(&mut double).unwrap();
        let count = single.len();
        for chunk in 0..world_size {
            let ranks = (0..world_size).map(|step| &all[(chunk + step) % world_size]);
            for index in count * chunk / world_size..count * (chunk + 1) / world_size {
                let sum = ranks
                    .clone()
                    .map(|of_rank| of_rank[index])
                    .reduce(|sum, next| sum + next);
                assert_eq!(Some(single[index]), sum, "f32 number {index} of {length}");
                let sum = ranks
                    .clone()
                    .map(|of_rank| f64::from(of_rank[index]))
                    .reduce(|sum, next| sum + next);
                assert_eq!(Some(double[index]), sum, "f64 number {index} of {length}");
            }
        }
    }
}

/// Rank 1 stops or is killed by another thread of its own while it adds up.
fn lose_a_rank_in_a_sum(mut collective: Mpi, signal: &str) {
    let mut values = vec![1.0_f32; 1_000_000];
    collective.all_reduce_sum_f32(&mut values).unwrap();
    let signal = match signal {
        "stopped" => Signal::STOP,
        _ => Signal::KILL,
    };
    if collective.rank() == Rank(1) {
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
        });
    }
    let error = loop {
        if let Err(error) = collective.all_reduce_sum_f32(&mut values) {
            break error;
        }
    };
    assert!(matches!(error, CollectiveError::Deadline { .. }), "{error}");
    eprintln!("rank {} says: {error}", collective.rank());
    collective.abort(&error.to_string());
}

/// Rank 1 makes another second call than the others.
fn differ(mut collective: Mpi, how: &str) {
    collective.barrier().unwrap();
    let own = collective.rank();
    let result = match (own, how) {
        (Rank(1), "operation") => collective.all_gather(&[1, 2, 3]).map(drop),
        (Rank(1), "length") => collective.all_reduce_sum_f32(&mut vec![1.0; 100_001]),
        (Rank(1), "small length") => collective.all_reduce_sum_u64(&mut [1, 2]),
        (Rank(1), "kind") => collective.all_reduce_sum_f64(&mut vec![1.0; 50_000]),
        (Rank(1), "small kind") => collective.all_reduce_sum_f64(&mut [1.0]),
        (Rank(1), "root") => collective.broadcast(Rank(1), &mut vec![1; 10]),
        (Rank(1), "leaves") => return,
        (_, "small length" | "small kind") => collective.all_reduce_sum_u64(&mut [1]),
        (_, "root") => collective.broadcast(Rank(0), &mut vec![0; 10]),
        _ => collective.all_reduce_sum_f32(&mut vec![1.0; 100_000]),
    };
    let error = result.unwrap_err();
    assert!(
        matches!(error, CollectiveError::Mismatch { other: Rank(1), call, .. } if call.sequence == 2),
        "{error}"
    );
    eprintln!("rank {own} says: {error}");
}

fn ranks_that_differ_are_named() {
    for (how, expected) in [
        ("operation", "rank 1 made all-gather number 2"),
        (
            "length",
            "rank 1 made all-reduce (sum) number 2 of 100001 f32 (400004 bytes)",
        ),
        ("small length", "rank 1 made all-reduce (sum) number 2 of 2 u64"),
        (
            "kind",
            "rank 1 made all-reduce (sum) number 2 of 50000 f64 (400000 bytes)",
        ),
        (
            "small kind",
            "rank 1 made all-reduce (sum) number 2 of 1 f64 (8 bytes)",
        ),
        (
            "root",
            "broadcast number 2 from rank 0 while rank 1 made broadcast number 2 from rank 1",
        ),
        // Whoever ends the others has said it before: rank 1 in its log, they on their own.
        ("leaves", "rank 1 made finish number 2"),
    ] {
        let outcome = launch(3, &["differ", "zero-copy", how]);
        assert_ne!(outcome.code, Some(0), "{}", outcome.output);
        assert!(outcome.output.contains(expected), "{how}: {}", outcome.output);
    }
}

fn a_rank_lost_in_a_sum_ends_all() {
    for way in ["zero-copy", "apart"] {
        let stopped = launch(3, &["lost", way, "stopped"]);
        assert_ne!(stopped.code, Some(0), "{way}: {}", stopped.output);
        assert!(
            stopped.output.contains("did not finish within 2 s"),
            "{way}: {}",
            stopped.output
        );
        let killed = launch(3, &["lost", way, "killed"]);
        assert_ne!(killed.code, Some(0), "{way}: {}", killed.output);
    }
}

fn a_late_rank_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let outcome = launch(2, &["late", seen.to_str().unwrap()]);
    assert_ne!(outcome.code, Some(0), "{}", outcome.output);
    assert!(
        outcome
            .output
            .contains("rank 0: all-reduce (sum) number 2 did not finish within 1 s"),
        "{}",
        outcome.output
    );
}

fn the_rank_that_all_others_wait_for_is_named() {
    let begun = Instant::now();
    let outcome = launch(4, &["away"]);
    assert_ne!(outcome.code, Some(0), "{}", outcome.output);
    let said = &outcome.output;
    assert!(
        said.contains("rank 1 (host here, pid ") && said.contains("is late, "),
        "{said}"
    );
    assert!(
        said.contains("did not finish within 2 s") && !said.contains("panicked"),
        "{said}"
    );
    assert!(begun.elapsed() < Duration::from_secs(15), "{said}");
}

fn an_abort_ends_all_ranks() {
    let outcome = launch(4, &["abort"]);
    assert_ne!(outcome.code, Some(0), "{}", outcome.output);
    assert!(outcome.output.contains("the disk is full"), "{}", outcome.output);
}

fn a_rank_that_panics_ends_the_others() {
    let outcome = launch(2, &["panic"]);
    assert_ne!(outcome.code, Some(0), "{}", outcome.output);
    assert!(outcome.output.contains("this rank panics"), "{}", outcome.output);
}

struct Outcome {
    code: Option<i32>,
    output: String,
}

fn assert_success(outcome: &Outcome) {
    assert_eq!(outcome.code, Some(0), "{}", outcome.output);
}

/// Runs this program as `world_size` ranks.
fn launch(world_size: u32, arguments: &[&str]) -> Outcome {
    let mut child = Command::new("mpirun")
        .args([
            "--allow-run-as-root",
            "--oversubscribe",
            "-n",
            &world_size.to_string(),
        ])
        .arg(std::env::current_exe().unwrap())
        .arg(AS_RANK)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let group = Pid::from_child(&child);
    let mut stderr = child.stderr.take().unwrap();
    let reader = thread::spawn(move || {
        let mut output = Vec::new();
        let _ = stderr.read_to_end(&mut output);
        String::from_utf8_lossy(&output).into_owned()
    });
    let deadline = Instant::now() + TIME_LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() >= deadline {
            let _ = kill_process_group(group, Signal::KILL);
            panic!("mpirun did not end within {TIME_LIMIT:?}");
        }
        thread::sleep(Duration::from_millis(20));
    };
    let _ = kill_process_group(group, Signal::KILL);
    Outcome {
        code: status.code(),
        output: reader.join().unwrap(),
    }
}

//! What is asked of NCCL and of the GPU, and in which order: against a stand-in, whose GPUs are
//! host memory and threads. It shows the calls, not that NCCL does with them what is wanted.

#![expect(clippy::unwrap_used, reason = "a test's own failure is its message")]
#![expect(
    clippy::float_cmp,
    reason = "the values are small integers, whose sums are exact"
)]

mod properties;

use std::{
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use collectives::{
    Bucket, Collective, CollectiveError, DeviceBuffer, DeviceElement, DeviceReduce, Gpu, GpuRuntime, Nccl,
    NcclError, NcclLibrary, NcclReduce, NcclTimes, Threads,
};
use nccl_stand_in::{Fault, Memory, StandIn};

const TIMES: NcclTimes = NcclTimes {
    call: Duration::from_secs(20),
    abort: Duration::from_secs(5),
};
/// For tests that wait for one of them.
const SHORT: NcclTimes = NcclTimes {
    call: Duration::from_millis(300),
    abort: Duration::from_millis(300),
};

fn connect(
    stand_in: &StandIn,
    collective: &mut dyn Collective,
    gpu: usize,
    times: NcclTimes,
) -> Result<NcclReduce, CollectiveError> {
    let library = NcclLibrary::open(Some(stand_in.path()))?;
    let gpu = Gpu::open(&GpuRuntime::of_file(stand_in.path())?, gpu)?;
    NcclReduce::connect(collective, library, gpu, times, Box::new(|_| {}))
}

/// Within which a rank has ended that waits for something for [`SHORT`] alone; the rest is for a busy machine.
const IN_TIME: Duration = Duration::from_secs(10);

/// One rank of a world with a GPU each.
struct Trial<'a> {
    stand_in: &'a StandIn,
    rank: usize,
    gpu: usize,
    collective: Threads,
}

/// Runs `body` on every rank; its results in rank order.
fn on_ranks<T: Send>(count: u32, body: impl Fn(Trial<'_>) -> T + Sync) -> Vec<T> {
    on_these_gpus(&StandIn::load(), count, |_, _| {}, body)
}

/// As [`on_ranks`], after `prepare` has had its way with the GPUs.
fn on_these_gpus<T: Send>(
    stand_in: &StandIn,
    count: u32,
    prepare: impl Fn(&StandIn, usize),
    body: impl Fn(Trial<'_>) -> T + Sync,
) -> Vec<T> {
    let gpus = stand_in.gpus(count as usize);
    prepare(stand_in, gpus.start);
    let world = Threads::world(count, Duration::from_secs(20));
    thread::scope(|scope| {
        let ranks: Vec<_> = (0..)
            .zip(world)
            .map(|(rank, collective)| {
                let gpu = gpus.start + rank;
                let body = &body;
                scope.spawn(move || {
                    body(Trial {
                        stand_in,
                        rank,
                        gpu,
                        collective,
                    })
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn numbers(memory: Memory, count: usize) -> DeviceBuffer {
    DeviceBuffer {
        address: memory.address(),
        count,
        element: DeviceElement::F32,
    }
}

fn bucket(number: u32) -> Bucket {
    Bucket { number, of: 3 }
}

fn value(rank: usize) -> f32 {
    [1.0, 10.0, 100.0, 1000.0][rank]
}

#[test]
fn nccl_over_another_backend_has_its_common_properties() {
    on_ranks(2, |mut trial| {
        let reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, TIMES).unwrap();
        let mut nccl = Nccl::new(&mut trial.collective, reduce);
        properties::check_all(&mut nccl);
        nccl.leave().unwrap();
    });
}

/// Kernels that are not finished when the sum is asked for, and one that reads the sum before the
/// host has waited for it.
#[test]
fn a_sum_comes_after_the_kernels_that_make_its_numbers_and_before_those_that_use_them() {
    let results = on_ranks(3, |mut trial| {
        let mut reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, TIMES).unwrap();
        let [gradient, used] = [4, 4].map(|count| trial.stand_in.memory(trial.gpu, count));
        trial.stand_in.fill(trial.gpu, gradient, value(trial.rank), 5_000);
        reduce.start(numbers(gradient, 4), bucket(1)).unwrap();
        reduce.finish().unwrap();
        trial.stand_in.copy(trial.gpu, gradient, used);
        trial.stand_in.synchronize(trial.gpu);
        reduce.leave().unwrap();
        used.read()
    });
    assert_eq!(results, vec![vec![111.0; 4]; 3]);
}

/// The first bucket is queued while the second is still being made: its sum does not wait for it.
#[test]
fn sums_go_on_beside_the_kernels_of_later_buckets() {
    on_ranks(2, |mut trial| {
        let mut reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, TIMES).unwrap();
        let [first, second] = [3, 5].map(|count| trial.stand_in.memory(trial.gpu, count));
        trial.stand_in.fill(trial.gpu, first, value(trial.rank), 0);
        reduce.start(numbers(first, 3), bucket(1)).unwrap();
        // Longer than the test waits for the first bucket below.
        trial
            .stand_in
            .fill(trial.gpu, second, value(trial.rank), 1_000_000);
        let begun = Instant::now();
        while first.read() != [11.0; 3] {
            assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", first.read());
            thread::yield_now();
        }
        assert!(second.read().iter().all(|value| value.is_nan()));
        reduce.start(numbers(second, 5), bucket(2)).unwrap();
        reduce.finish().unwrap();
        assert_eq!(second.read(), [11.0; 5]);
        reduce.leave().unwrap();
    });
}

#[test]
fn the_calls_come_in_this_order_and_none_is_misuse() {
    let traces = on_ranks(2, |mut trial| {
        let mut reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, TIMES).unwrap();
        let memory = trial.stand_in.memory(trial.gpu, 7);
        trial.stand_in.fill(trial.gpu, memory, 1.0, 0);
        reduce.start(numbers(memory, 4), bucket(1)).unwrap();
        reduce.start(numbers(memory.part(4, 3), 3), bucket(2)).unwrap();
        reduce.finish().unwrap();
        reduce.leave().unwrap();
        assert_eq!(memory.read(), [2.0; 7]);
        trial.stand_in.trace(trial.gpu)
    });
    let bucket = |count: usize| {
        [
            "record in current".to_owned(),
            "wait in own".to_owned(),
            format!("sum {count}"),
            format!("launch {count}"),
            "record in own".to_owned(),
        ]
    };
    for (rank, trace) in traces.iter().enumerate() {
        let mut expected = vec![format!("init rank {rank} of 2")];
        expected.extend(bucket(4));
        expected.extend(bucket(3));
        expected.extend(["wait in current", "finalize", "destroy"].map(str::to_owned));
        assert_eq!(*trace, expected);
    }
}

#[test]
fn every_kind_of_number_is_summed_and_steps_follow_each_other() {
    on_ranks(2, |mut trial| {
        let mut reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, TIMES).unwrap();
        for step in 0..3_u8 {
            let mut double = vec![f64::from(step) + 0.5; 10];
            // 1.5 + step, in bf16.
            let mut halves = vec![half::bf16::from_f32(1.5 + f32::from(step)); 10];
            for (address, bytes, element) in [
                (double.as_mut_ptr().addr(), 80, DeviceElement::F64),
                (halves.as_mut_ptr().addr(), 20, DeviceElement::Bf16),
            ] {
                trial.stand_in.adopt(trial.gpu, address, bytes);
                let numbers = DeviceBuffer {
                    address,
                    count: 10,
                    element,
                };
                reduce.start(numbers, bucket(1)).unwrap();
            }
            reduce.finish().unwrap();
            assert_eq!(std::hint::black_box(&double)[9], f64::from(step) * 2.0 + 1.0);
            let sum = std::hint::black_box(&halves)[9].to_f32();
            assert_eq!(sum, 3.0 + 2.0 * f32::from(step));
        }
        reduce.finish().unwrap();
        reduce.leave().unwrap();
    });
}

#[test]
fn one_rank_alone_keeps_its_numbers() {
    on_ranks(1, |mut trial| {
        let mut reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, TIMES).unwrap();
        let memory = trial.stand_in.memory(trial.gpu, 3);
        trial.stand_in.fill(trial.gpu, memory, 7.0, 1_000);
        reduce.start(numbers(memory, 3), bucket(1)).unwrap();
        reduce.finish().unwrap();
        assert_eq!(memory.read(), [7.0; 3]);
    });
}

/// What rank 1 says after `fault` in the second of three buckets, and what rank 0 does.
fn said_after(fault: Fault, times: NcclTimes) -> (Vec<String>, Vec<Vec<String>>) {
    let stand_in = StandIn::load();
    let fail = |stand_in: &StandIn, first_gpu: usize| stand_in.fail(first_gpu + 1, fault, 2);
    let results = on_these_gpus(&stand_in, 2, fail, |mut trial| {
        let mut reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, times).unwrap();
        let memory = trial.stand_in.memory(trial.gpu, 9);
        trial.stand_in.fill(trial.gpu, memory, 1.0, 0);
        let begun = Instant::now();
        let mut start =
            |first: usize, number| reduce.start(numbers(memory.part(first, 3), 3), bucket(number));
        let started = start(0, 1).and_then(|()| start(3, 2)).and_then(|()| start(6, 3));
        let error = started.and_then(|()| reduce.finish()).unwrap_err();
        // From here on everything is refused, and nothing is asked of NCCL or the GPU.
        let again = [
            reduce.start(numbers(memory, 3), bucket(1)),
            reduce.look(),
            reduce.finish(),
            reduce.leave(),
        ];
        for again in again.map(Result::unwrap_err) {
            assert!(
                matches!(again, CollectiveError::Nccl(NcclError::Unusable { .. })),
                "{again}"
            );
        }
        assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
        assert_eq!(trial.stand_in.last_error(), 0);
        (error.to_string(), trial.stand_in.trace(trial.gpu))
    });
    results.into_iter().unzip()
}

/// Aborted once, and not destroyed.
fn assert_aborted(traces: &[Vec<String>]) {
    for trace in traces {
        let count = |line: &str| trace.iter().filter(|other| *other == line).count();
        assert_eq!((count("abort"), count("destroy")), (1, 0), "{trace:?}");
        assert!(trace.iter().all(|line| !line.contains("MISUSE")), "{trace:?}");
    }
}

#[test]
fn a_sum_that_is_refused_names_rank_operation_bucket_and_function() {
    let (said, traces) = said_after(Fault::SumIsRefused, SHORT);
    assert!(
        said[1].starts_with(
            "rank 1: the all-reduce (sum) of bucket 2 of 3 (3 f32) over NCCL failed in ncclAllReduce: stand-in: unhandled cuda error (code 1): stand-in: its last words"
        ),
        "{}",
        said[1]
    );
    assert_aborted(&traces);
}

#[test]
fn an_error_that_comes_later_is_found_long_before_the_deadline_and_names_its_bucket() {
    let begun = Instant::now();
    let stand_in = StandIn::load();
    let fail = |stand_in: &StandIn, first_gpu: usize| stand_in.fail(first_gpu, Fault::SumBreaks, 1);
    let said = on_these_gpus(&stand_in, 1, fail, |mut trial| {
        let mut reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, TIMES).unwrap();
        let memory = trial.stand_in.memory(trial.gpu, 3);
        reduce.start(numbers(memory, 3), bucket(1)).unwrap();
        let error = reduce.finish().unwrap_err();
        drop(reduce);
        let trace = trial.stand_in.trace(trial.gpu);
        // Asked again, a library might know nothing any more.
        let told = trace.iter().filter(|line| *line == "tells an error").count();
        assert_eq!(told, 1, "{trace:?}");
        assert_aborted(&[trace]);
        error.to_string()
    });
    assert!(
        said[0].contains("rank 0: the all-reduce (sum) of bucket 1 of 3")
            && said[0].contains("failed in ncclCommGetAsyncError: stand-in: remote process exited"),
        "{}",
        said[0]
    );
    assert!(begun.elapsed() < TIMES.call / 2);
}

#[test]
fn a_sum_that_hangs_is_met_at_the_deadline_on_every_rank_with_its_bucket_and_aborted() {
    let (said, traces) = said_after(Fault::SumHangs, SHORT);
    for (rank, said) in said.iter().enumerate() {
        let expected = format!(
            "rank {rank}: the all-reduce (sum) of bucket 2 of 3 (3 f32) over NCCL did not finish within 0.3 s"
        );
        assert!(
            said.starts_with(&expected) && said.contains("parallel.timeout_s"),
            "{said}"
        );
    }
    assert_aborted(&traces);
}

#[test]
fn sums_and_an_abort_that_hang_end_every_rank_in_time_and_ask_the_gpu_for_nothing_more() {
    // All ranks, one of them, and its first and its last bucket.
    for hung in [&[0, 1][..], &[0], &[1]] {
        for at in [1, 3] {
            let stand_in = StandIn::load();
            let fail = |stand_in: &StandIn, first_gpu: usize| {
                for rank in hung {
                    stand_in.fail(first_gpu + rank, Fault::SumAndAbortHang, at);
                }
            };
            let said = on_these_gpus(&stand_in, 2, fail, |mut trial| {
                let mut reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, SHORT).unwrap();
                let memory = trial.stand_in.memory(trial.gpu, 9);
                trial.stand_in.fill(trial.gpu, memory, 1.0, 0);
                let begun = Instant::now();
                for index in 0..3 {
                    let part = numbers(memory.part(3 * index, 3), 3);
                    let number = u32::try_from(index + 1).unwrap();
                    reduce.start(part, bucket(number)).unwrap();
                }
                let said = reduce.finish().unwrap_err().to_string();
                assert!(reduce.finish().is_err() && reduce.leave().is_err());
                assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
                let trace = trial.stand_in.trace(trial.gpu);
                // libtorch's stream was given nothing that it would wait for without end.
                assert!(!trace.contains(&"wait in current".to_owned()), "{trace:?}");
                assert!(trace.iter().all(|call| !call.contains("MISUSE")), "{trace:?}");
                assert_eq!(trace.last().unwrap(), "abort");
                said
            });
            for (rank, said) in said.iter().enumerate() {
                let expected = format!(
                    "rank {rank}: the all-reduce (sum) of bucket {at} of 3 (3 f32) over NCCL did not finish within 0.3 s"
                );
                assert!(said.starts_with(&expected), "{said}");
            }
        }
    }
}

/// Connects with what goes wrong told to a channel.
fn connect_and_tell(trial: &mut Trial<'_>, times: NcclTimes) -> (NcclReduce, mpsc::Receiver<String>) {
    let library = NcclLibrary::open(Some(trial.stand_in.path())).unwrap();
    let gpu = Gpu::open(&GpuRuntime::of_file(trial.stand_in.path()).unwrap(), trial.gpu).unwrap();
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let on_failure = move |error: &NcclError| {
        // Nobody listens any more at the end of a test.
        let _ = tell.lock().unwrap().send(error.to_string());
    };
    let reduce = NcclReduce::connect(&mut trial.collective, library, gpu, times, Box::new(on_failure));
    (reduce.unwrap(), told)
}

#[test]
fn a_failure_is_told_before_nccl_is_aborted_and_once() {
    let stand_in = StandIn::load();
    let fail = |stand_in: &StandIn, first_gpu: usize| stand_in.fail(first_gpu, Fault::SumAndAbortHang, 1);
    on_these_gpus(&stand_in, 1, fail, |mut trial| {
        let slow_to_abort = NcclTimes {
            abort: Duration::from_secs(4),
            ..SHORT
        };
        let (mut reduce, told) = connect_and_tell(&mut trial, slow_to_abort);
        let memory = trial.stand_in.memory(trial.gpu, 3);
        reduce.start(numbers(memory, 3), bucket(1)).unwrap();
        thread::scope(|scope| {
            let begun = Instant::now();
            let finish = scope.spawn(move || reduce.finish().unwrap_err().to_string());
            let first = told.recv_timeout(IN_TIME).unwrap();
            assert!(begun.elapsed() < slow_to_abort.abort, "{:?}", begun.elapsed());
            assert_eq!(finish.join().unwrap(), first);
        });
        assert!(told.recv().is_err(), "told twice");
    });
}

/// The thread that calls is lost, so that another one has to tell.
#[test]
fn a_call_that_does_not_come_back_is_told_by_another_thread() {
    for (fault, work) in [
        (
            Fault::SumDoesNotReturn,
            "the all-reduce (sum) of bucket 1 of 3 (3 f32)",
        ),
        (
            Fault::QueryDoesNotReturn,
            "the all-reduce (sum) of bucket 1 of 3 (3 f32)",
        ),
    ] {
        let stand_in = StandIn::load();
        let fail = |stand_in: &StandIn, first_gpu: usize| stand_in.fail(first_gpu, fault, 1);
        on_these_gpus(&stand_in, 1, fail, |mut trial| {
            let (mut reduce, told) = connect_and_tell(&mut trial, SHORT);
            let memory = trial.stand_in.memory(trial.gpu, 3);
            // Not a scoped thread: it never ends.
            thread::spawn(move || {
                reduce.start(numbers(memory, 3), bucket(1)).unwrap();
                reduce.finish().unwrap();
            });
            let said = told.recv_timeout(IN_TIME).unwrap();
            let expected = format!("rank 0: a call of {work} has not come back from NCCL");
            assert!(said.starts_with(&expected), "{said}");
        });
    }
}

#[test]
fn a_library_that_does_not_come_back_from_leaving_is_left_alone() {
    let stand_in = StandIn::load();
    let fail =
        |stand_in: &StandIn, first_gpu: usize| stand_in.fail(first_gpu, Fault::DestroyDoesNotReturn, 0);
    on_these_gpus(&stand_in, 1, fail, |mut trial| {
        let reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, SHORT).unwrap();
        let begun = Instant::now();
        let said = reduce.leave().unwrap_err().to_string();
        assert!(
            said.starts_with("rank 0: a call of leaving has not come back"),
            "{said}"
        );
        assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
    });
}

/// A rank whose backward pass waits for a GPU that hangs does not come to the end of its sums.
#[test]
fn a_look_finds_a_sum_that_is_late_or_broken_before_anybody_waits_for_it() {
    // What is broken is told by the next call too, so it is the last sum that breaks; and it breaks all
    // that are under way, so that the first of them is named.
    for (fault, at, of, expected) in [
        (Fault::SumHangs, 2, "bucket 2 of 3", "did not finish within 0.3 s"),
        (Fault::SumBreaks, 3, "of 3", "failed in ncclCommGetAsyncError"),
    ] {
        let stand_in = StandIn::load();
        let fail = |stand_in: &StandIn, first_gpu: usize| stand_in.fail(first_gpu, fault, at);
        on_these_gpus(&stand_in, 1, fail, |mut trial| {
            let mut reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, SHORT).unwrap();
            let memory = trial.stand_in.memory(trial.gpu, 9);
            reduce.look().unwrap();
            for (number, first) in [(1, 0), (2, 3), (3, 6)] {
                reduce
                    .start(numbers(memory.part(first, 3), 3), bucket(number))
                    .unwrap();
            }
            let begun = Instant::now();
            let said = loop {
                match reduce.look() {
                    Ok(()) => assert!(begun.elapsed() < IN_TIME),
                    Err(error) => break error.to_string(),
                }
                thread::sleep(Duration::from_millis(5));
            };
            let is_named = said.starts_with("rank 0: the all-reduce (sum) of bucket ") && said.contains(of);
            assert!(is_named && said.contains(expected), "{said}");
        });
    }
}

/// Each thread has a last error of its own, which libtorch's next kernel would throw.
#[test]
fn no_call_leaves_an_error_on_its_thread() {
    let traces = on_ranks(2, |mut trial| {
        let mut reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, TIMES).unwrap();
        let clean = |after: &str| assert_eq!(trial.stand_in.last_error(), 0, "after {after}");
        clean("connecting");
        for on_another_thread in [false, true] {
            for element in [DeviceElement::F32, DeviceElement::Bf16] {
                let memory = trial.stand_in.memory(trial.gpu, 6);
                let numbers = |first: usize| DeviceBuffer {
                    element,
                    ..numbers(memory.part(first, 3), 3)
                };
                // Long enough for the question whether it is over to be answered with no.
                trial.stand_in.fill(trial.gpu, memory, 1.0, 20_000);
                let mut sum = || {
                    reduce.start(numbers(0), bucket(1)).unwrap();
                    clean("the first start");
                    reduce.look().unwrap();
                    clean("a look");
                    reduce.start(numbers(3), bucket(2)).unwrap();
                    clean("the second start");
                    reduce.finish().unwrap();
                    clean("the end");
                };
                if on_another_thread {
                    thread::scope(|scope| scope.spawn(sum).join().unwrap());
                } else {
                    sum();
                }
                // Would be thrown by the kernels that come behind.
                trial
                    .stand_in
                    .copy(trial.gpu, memory.part(0, 3), memory.part(3, 3));
                trial.stand_in.synchronize(trial.gpu);
            }
        }
        reduce.leave().unwrap();
        clean("leaving");
        trial.stand_in.trace(trial.gpu)
    });
    for trace in traces {
        assert!(trace.iter().all(|call| !call.contains("MISUSE")), "{trace:?}");
    }
}

#[test]
fn an_error_that_is_reported_or_means_no_is_taken_off_its_thread() {
    let stand_in = StandIn::load();
    let runtime = GpuRuntime::of_file(stand_in.path()).unwrap();
    let clean = || assert_eq!(stand_in.last_error(), 0);
    assert!(runtime.select(1_000_000).is_err());
    clean();
    assert!(runtime.uuid(1_000_000).is_err());
    clean();
    for fault in [Fault::QueryFails, Fault::HostMemoryIsInvalid] {
        let fail = |stand_in: &StandIn, first_gpu: usize| stand_in.fail(first_gpu, fault, 0);
        on_these_gpus(&stand_in, 1, fail, |mut trial| {
            let mut reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, TIMES).unwrap();
            let (on_gpu, on_host) = (trial.stand_in.memory(trial.gpu, 4), [0.0_f32; 4]);
            let said = if fault == Fault::QueryFails {
                reduce.start(numbers(on_gpu, 4), bucket(1)).unwrap();
                reduce.finish().unwrap_err().to_string()
            } else {
                let address = on_host.as_ptr().addr();
                let numbers = DeviceBuffer {
                    address,
                    ..numbers(on_gpu, 4)
                };
                reduce.start(numbers, bucket(1)).unwrap_err().to_string()
            };
            let expected = if fault == Fault::QueryFails {
                "cudaEventQuery failed: stand-in: an error (CUDA error 700)"
            } else {
                "are not in the memory of GPU"
            };
            assert!(said.contains(expected), "{said}");
            assert_eq!(trial.stand_in.last_error(), 0);
            assert_aborted(&[trial.stand_in.trace(trial.gpu)]);
        });
    }
}

#[test]
fn a_gpu_is_known_by_its_uuid_whatever_its_number_is() {
    let stand_in = StandIn::load();
    let runtime = GpuRuntime::of_file(stand_in.path()).unwrap();
    let gpus: Vec<usize> = stand_in.gpus(3).collect();
    stand_in.twin(gpus[2], gpus[0]);
    let uuids: Vec<_> = gpus.iter().map(|&gpu| runtime.uuid(gpu).unwrap()).collect();
    assert_ne!(uuids[0], uuids[1]);
    assert_eq!(uuids[0], uuids[2]);
    thread::spawn(move || {
        stand_in.show(&[gpus[1]]);
        assert_eq!(runtime.uuid(0).unwrap(), uuids[1]);
        assert!(runtime.uuid(1).is_err());
        runtime.select(0).unwrap();
        assert_eq!(stand_in.selected(), gpus[1]);
    })
    .join()
    .unwrap();
}

#[test]
fn an_abort_that_hangs_does_not_keep_the_process() {
    let stand_in = StandIn::load();
    let fail = |stand_in: &StandIn, first_gpu: usize| stand_in.fail(first_gpu, Fault::AbortHangs, 0);
    on_these_gpus(&stand_in, 1, fail, |mut trial| {
        let reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, SHORT).unwrap();
        let begun = Instant::now();
        drop(reduce);
        let waited = begun.elapsed();
        assert!(
            waited >= SHORT.abort && waited < Duration::from_secs(10),
            "{waited:?}"
        );
    });
}

#[test]
fn a_set_up_that_fails_or_hangs_on_one_rank_is_an_error_on_all_of_them() {
    for fault in [Fault::InitFails, Fault::InitNeverEnds] {
        let stand_in = StandIn::load();
        let fail = |stand_in: &StandIn, first_gpu: usize| stand_in.fail(first_gpu + 1, fault, 0);
        let said = on_these_gpus(&stand_in, 2, fail, |mut trial| {
            let error = connect(trial.stand_in, &mut trial.collective, trial.gpu, SHORT).unwrap_err();
            assert_eq!(trial.stand_in.last_error(), 0);
            assert_aborted(&[trial.stand_in.trace(trial.gpu)]);
            error.to_string()
        });
        let deadline = "the set-up over NCCL did not finish within 0.15 s";
        assert!(said[0].starts_with(&format!("rank 0: {deadline}")), "{}", said[0]);
        let expected = if fault == Fault::InitFails {
            "rank 1: the set-up over NCCL failed in ncclCommInitRankConfig: stand-in: unhandled system error (code 2)"
        } else {
            "rank 1: the set-up over NCCL did not finish within 0.15 s"
        };
        assert!(said[1].starts_with(expected), "{}", said[1]);
    }
}

#[test]
fn leaving_that_never_ends_is_met_at_the_deadline_and_aborted() {
    let stand_in = StandIn::load();
    let fail = |stand_in: &StandIn, first_gpu: usize| stand_in.fail(first_gpu, Fault::FinalizeNeverEnds, 0);
    on_these_gpus(&stand_in, 1, fail, |mut trial| {
        let reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, SHORT).unwrap();
        let said = reduce.leave().unwrap_err().to_string();
        assert!(
            said.starts_with("rank 0: leaving over NCCL did not finish within 0.15 s"),
            "{said}"
        );
        assert_aborted(&[trial.stand_in.trace(trial.gpu)]);
    });
}

#[test]
fn numbers_that_do_not_lie_on_the_ranks_gpu_to_the_last_are_refused() {
    let said = on_ranks(2, |mut trial| {
        let other_gpu = if trial.rank == 0 {
            trial.gpu + 1
        } else {
            trial.gpu - 1
        };
        let (own, other) = (
            trial.stand_in.memory(trial.gpu, 4),
            trial.stand_in.memory(other_gpu, 4),
        );
        let on_host = [0.0_f32; 4];
        let refused = [
            numbers(other, 4),
            DeviceBuffer {
                address: on_host.as_ptr().addr(),
                ..numbers(own, 4)
            },
            numbers(own.part(3, 1), usize::MAX),
        ];
        refused.map(|numbers| {
            let mut reduce = connect(trial.stand_in, &mut trial.collective, trial.gpu, TIMES).unwrap();
            reduce.start(numbers, bucket(1)).unwrap_err().to_string()
        })
    });
    for said in said.iter().flatten() {
        assert!(said.contains("are not in the memory of GPU"), "{said}");
    }
}

#[test]
fn a_gpu_that_is_not_there_and_a_libtorch_that_fails_are_told_with_the_function() {
    let stand_in = StandIn::load();
    let runtime = GpuRuntime::of_file(stand_in.path()).unwrap();
    let said = Gpu::open(&runtime, 1_000_000).unwrap_err().to_string();
    assert_eq!(
        said,
        "GPU 1000000: cudaSetDevice failed: stand-in: invalid device ordinal (CUDA error 101)"
    );
    let gpu = stand_in.gpus(1).start;
    stand_in.fail(gpu, Fault::NoStream, 0);
    let said = Gpu::open(&runtime, gpu).unwrap_err().to_string();
    assert!(
        said.contains("aoti_torch_get_current_cuda_stream failed"),
        "{said}"
    );
}

use std::{
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{
    farewell::LAST_WORD,
    wire::{Inbox, Message},
    *,
};
use crate::{Bucket, Call, Operation, Rank, Threads};

/// Nothing takes as long; a test that waits for it fails.
const TIMEOUT: Duration = Duration::from_mins(1);

/// One rank of the channel and what it heard.
struct OneRank {
    liveness: Liveness,
    failures: Receiver<RankFailure>,
}

/// No rank is silent for as long as a test takes: a machine under load must not lose one.
fn patient() -> LivenessOptions {
    LivenessOptions {
        beat: Duration::from_millis(5),
        silence: TIMEOUT * 10,
        late_silence: TIMEOUT * 10,
        join: TIMEOUT,
    }
}

/// Both ends of a connection, the first one as the channel has it: it never waits.
pub(super) fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let calling = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (called, _) = listener.accept().unwrap();
    called.set_nonblocking(true).unwrap();
    (called, calling)
}

/// Waits until `stream` has something to read.
pub(super) fn other_end_sees(stream: &TcpStream) {
    wire::wait_readable([stream].into_iter(), TIMEOUT);
}

/// A process on no host of this machine.
pub(super) fn another_process(rank: u32) -> Process {
    Process {
        rank: Rank(rank),
        host: "elsewhere".to_owned(),
        pid: 0,
    }
}

/// A sign of life of a rank that works on `step`.
pub(super) fn beat_at(step: u64) -> Message {
    let position = Position {
        step,
        ..Position::default()
    };
    Message::Beat { position }
}

/// A channel over threads of this process; each rank with its own options.
fn channel_of(options: &[LivenessOptions]) -> Vec<OneRank> {
    let world = Threads::world(u32::try_from(options.len()).unwrap(), TIMEOUT);
    let starts: Vec<_> = world
        .into_iter()
        .zip(options.iter().copied())
        .map(|(mut collective, options)| {
            thread::spawn(move || {
                let (tell, failures) = channel();
                let on_failure = move |failure: &RankFailure| tell.send(failure.clone()).unwrap();
                let liveness = Liveness::start(&mut collective, "here", options, on_failure).unwrap();
                OneRank {
                    liveness: liveness.unwrap(),
                    failures,
                }
            })
        })
        .collect();
    starts.into_iter().map(|start| start.join().unwrap()).collect()
}

/// The failure that a rank hears; it must be the only one.
fn only_failure(failures: &Receiver<RankFailure>) -> RankFailure {
    let failure = failures.recv_timeout(TIMEOUT).unwrap();
    assert!(failures.recv().is_err(), "a failure is told once");
    failure
}

#[test]
fn one_rank_alone_has_no_channel() {
    let started = Liveness::start(&mut crate::Single::new(), "here", patient(), |_| {});
    assert!(started.unwrap().is_none());
}

#[test]
fn ranks_that_say_goodbye_in_any_order_are_no_loss() {
    for first in 0..3 {
        let mut members = channel_of(&[patient(); 3]);
        members.rotate_left(first);
        let failures: Vec<_> = members
            .into_iter()
            .map(|member| {
                let leaving = thread::spawn(move || member.liveness.leave());
                (leaving, member.failures)
            })
            .collect();
        for (leaving, failures) in failures {
            leaving.join().unwrap();
            assert!(failures.recv().is_err(), "its thread has ended and told nothing");
        }
    }
}

/// A machine under load may be late once, so the quickest of several deaths counts.
#[test]
fn a_death_is_told_to_every_other_rank_within_a_second_with_its_place() {
    let mut quickest = TIMEOUT;
    for dead in 0..4 {
        let mut members = channel_of(&[patient(); 4]);
        let watched = &members[dead].liveness;
        watched.watch(&mut crate::Single::new()).at_step(17);
        watched.position.wait_until_told();
        let begun = Instant::now();
        drop(members.remove(dead));
        for member in &members {
            let failure = only_failure(&member.failures);
            assert_eq!(
                (
                    failure.process.rank.0 as usize,
                    &failure.cause,
                    failure.position.step
                ),
                (dead, &Cause::Closed, 17)
            );
            assert!(failure.to_string().contains("(host here, pid "), "{failure}");
        }
        quickest = quickest.min(begun.elapsed());
    }
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
}

#[test]
fn a_silent_rank_is_named_by_the_one_that_waits_for_it() {
    for silent in 0..2 {
        let mut options = [patient(); 2];
        options[silent].beat = TIMEOUT * 10;
        options[1 - silent].silence = Duration::from_millis(100);
        let mut members = channel_of(&options);
        let silent_one = members.remove(silent);
        let failure = only_failure(&members[0].failures);
        assert_eq!(failure.process.rank.0 as usize, silent);
        assert!(matches!(failure.cause, Cause::Silent { .. }), "{failure:?}");
        drop(silent_one);
    }
}

#[test]
fn the_reason_of_a_rank_that_gives_up_reaches_the_others() {
    for failing in 0..3 {
        let mut members = channel_of(&[patient(); 3]);
        members.remove(failing).liveness.fail("the disk is full");
        for member in &members {
            let failure = only_failure(&member.failures);
            assert_eq!(failure.process.rank.0 as usize, failing);
            assert!(failure.to_string().ends_with("the disk is full"), "{failure}");
        }
    }
}

#[test]
fn a_rank_that_is_ended_from_outside_tells_the_others_before_its_process_is_gone() {
    for ended in 0..3 {
        let mut members = channel_of(&[patient(); 3]);
        let OneRank { liveness, failures } = members.remove(ended);
        liveness.end_notice().tell("a second signal");
        // The process ends here, whatever its other threads do.
        for member in &members {
            let failure = only_failure(&member.failures);
            assert_eq!(failure.process.rank.0 as usize, ended);
            let message = "a second signal".to_owned();
            assert_eq!(failure.cause, Cause::Ended { message });
        }
        assert!(failures.recv().is_err(), "it has no failure itself");
    }
}

#[test]
fn whoever_ends_a_process_whose_channel_is_closed_waits_for_nobody() {
    let members = channel_of(&[patient(); 2]);
    let notices: Vec<_> = members
        .iter()
        .map(|member| member.liveness.end_notice())
        .collect();
    let leaving: Vec<_> = members
        .into_iter()
        .map(|member| thread::spawn(move || member.liveness.leave()))
        .collect();
    for leaving in leaving {
        leaving.join().unwrap();
    }
    let begun = Instant::now();
    for notice in &notices {
        notice.tell("a second signal");
    }
    assert!(begun.elapsed() < LAST_WORD, "{:?}", begun.elapsed());
}

/// Its ranks are in step 17 with so many calls made; 0 stands for a rank that makes none.
fn ranks_after_calls(calls: &[u64]) -> Vec<OneRank> {
    let members = channel_of(&vec![patient(); calls.len()]);
    for (member, calls) in members.iter().zip(calls) {
        let mut single = crate::Single::new();
        let mut watched = member.liveness.watch(&mut single);
        watched.at_step(17);
        for _ in 0..*calls {
            watched.barrier().unwrap();
        }
        member.liveness.position.wait_until_told();
    }
    members
}

#[test]
fn the_rank_furthest_behind_is_named_by_all_when_one_has_waited_too_long() {
    for (waiting, late, calls, others) in [
        (0, 2, [3, 3, 1, 2], vec![Rank(3)]),
        (1, 2, [3, 3, 1, 2], vec![Rank(3)]),
        (3, 0, [0, 3, 3, 3], vec![]),
    ] {
        let mut members = ranks_after_calls(&calls);
        let OneRank { liveness, failures } = members.remove(waiting);
        liveness.waited("a minute is over");
        for failures in members.iter().map(|member| &member.failures).chain([&failures]) {
            let failure = only_failure(failures);
            assert_eq!(failure.process.rank, Rank(late), "{failure}");
            let waited = "a minute is over".to_owned();
            assert_eq!(
                failure.cause,
                Cause::Late {
                    others: others.clone(),
                    waited
                }
            );
            assert!(failure.to_string().contains("is late"), "{failure}");
            assert_eq!(
                failure.position.call.map_or(0, |call| call.sequence),
                calls[late as usize]
            );
        }
    }
}

#[test]
fn a_wait_for_none_in_particular_is_told_to_all_by_the_rank_that_waited() {
    for waiting in 0..3 {
        let mut members = ranks_after_calls(&[3; 3]);
        let OneRank { liveness, failures } = members.remove(waiting);
        liveness.waited("a minute is over");
        for failures in members.iter().map(|member| &member.failures).chain([&failures]) {
            let failure = only_failure(failures);
            assert_eq!(failure.process.rank.0 as usize, waiting);
            let waited = "a minute is over".to_owned();
            assert_eq!(failure.cause, Cause::Stuck { waited });
            assert!(
                failure.to_string().contains("waited in vain in step 17"),
                "{failure}"
            );
        }
    }
}

#[test]
fn the_last_collective_call_is_part_of_the_place() {
    let mut members = channel_of(&[patient(); 2]);
    let member = members.remove(1);
    let mut single = crate::Single::new();
    let mut watched = member.liveness.watch(&mut single);
    watched.barrier().unwrap();
    watched.all_reduce_sum_f64(&mut [1.0]).unwrap();
    member.liveness.position.wait_until_told();
    drop(member);
    let position = only_failure(&members[0].failures).position;
    let call = Call {
        operation: Operation::AllReduceSum,
        sequence: 2,
    };
    assert_eq!(
        position,
        Position {
            call: Some(call),
            ..Position::default()
        }
    );
}

#[test]
fn the_bucket_is_part_of_the_place_until_the_next_step() {
    let mut members = channel_of(&[patient(); 2]);
    let member = members.remove(1);
    let mut single = crate::Single::new();
    let mut watched = member.liveness.watch(&mut single);
    let bucket = Bucket { number: 3, of: 11 };
    watched.at_bucket(bucket);
    watched.at_step(17);
    assert_eq!(member.liveness.position.get().bucket, None);
    watched.at_bucket(bucket);
    member.liveness.position.wait_until_told();
    drop(member);
    let failure = only_failure(&members[0].failures);
    assert_eq!(failure.position.bucket, Some(bucket));
    let said = failure.to_string();
    assert!(
        said.contains("in step 17, in or after bucket 3 of 11 of its gradients"),
        "{said}"
    );
}

#[test]
fn a_stopped_process_is_told_from_a_silent_one() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    assert!(!process::is_stopped(child.id()));
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let begun = Instant::now();
    while !process::is_stopped(child.id()) && begun.elapsed() < TIMEOUT {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(process::is_stopped(child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
}

fn any_message() -> impl Strategy<Value = Message> {
    let place = (any::<u64>(), 0..=u64::MAX, prop::option::of(1..=u64::MAX));
    let position = place.prop_map(|(step, bucket, sequence)| Position {
        step,
        bucket: Bucket::from_u64(bucket),
        call: sequence.map(|sequence| Call {
            operation: Operation::Broadcast,
            sequence,
        }),
    });
    let silent = any::<u32>().prop_map(|millis| Duration::from_millis(millis.into()));
    let cause = prop_oneof![
        Just(Cause::Closed),
        Just(Cause::Orphaned),
        silent.clone().prop_map(|silent| Cause::Stopped { silent }),
        (silent, prop::collection::vec(any::<u32>().prop_map(Rank), 0..9))
            .prop_map(|(silent, others)| Cause::Silent { silent, others }),
        ".{0,40}".prop_map(|message| Cause::Failed { message }),
        ".{0,40}".prop_map(|waited| Cause::Stuck { waited }),
        ".{0,40}".prop_map(|message| Cause::Ended { message }),
        (
            prop::collection::vec(any::<u32>().prop_map(Rank), 0..9),
            ".{0,40}"
        )
            .prop_map(|(others, waited)| Cause::Late { others, waited }),
    ];
    prop_oneof![
        position.clone().prop_map(|position| Message::Beat { position }),
        Just(Message::Goodbye),
        (position.clone(), ".{0,40}").prop_map(|(position, message)| Message::Failed { position, message }),
        (position.clone(), ".{0,40}").prop_map(|(position, message)| Message::Waited { position, message }),
        (position.clone(), ".{0,40}").prop_map(|(position, message)| Message::Ended { position, message }),
        (any::<u32>(), cause, position).prop_map(|(rank, cause, position)| Message::Lost {
            rank: Rank(rank),
            cause,
            position
        }),
    ]
}

proptest! {
    #[test]
    fn messages_read_back_however_the_bytes_arrive(
        messages in prop::collection::vec(any_message(), 1..6),
        cut in 1usize..50,
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(Message::encode).collect();
        let (mut inbox, mut read) = (Inbox::default(), Vec::new());
        for part in bytes.chunks(cut) {
            inbox.fill(&mut &part[..]).unwrap();
            while let Some(message) = inbox.next().unwrap() {
                read.push(message);
            }
        }
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn strange_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut inbox = Inbox::default();
        inbox.fill(&mut &bytes[..]).unwrap();
        for _ in 0..10 {
            let _ = inbox.next();
        }
    }
}

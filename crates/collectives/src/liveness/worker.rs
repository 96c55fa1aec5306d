//! The side of every rank but 0: it beats, and hears from rank 0 who is lost.

use std::{
    convert::Infallible,
    net::TcpStream,
    sync::mpsc::{Receiver, Sender, TryRecvError},
    time::{Duration, Instant},
};

use super::{
    farewell::Farewell,
    options::LivenessOptions,
    position::{Position, PositionCell},
    process::Process,
    rank_failure::{Cause, OnRankFailure, RankFailure},
    wire::{Inbox, Message, close, send, wait_readable},
};
use crate::Rank;

/// For rank 0 to take the last message.
const CLOSING: Duration = Duration::from_millis(300);

/// For rank 0 to name the rank that this one waited for in vain, beside the silence by which rank 0
/// itself is judged then.
const VERDICT: Duration = Duration::from_secs(1);

/// The connection to rank 0.
pub(super) struct Worker {
    processes: Vec<Process>,
    own_host: String,
    stream: TcpStream,
    options: LivenessOptions,
    /// Dropped with the worker: whoever has this process ended waits for it.
    ended: Option<Sender<Infallible>>,
}

/// What is known of rank 0.
struct First {
    inbox: Inbox,
    heard: Instant,
    position: Position,
}

impl First {
    fn new(heard: Instant) -> Self {
        Self {
            inbox: Inbox::default(),
            heard,
            position: Position::default(),
        }
    }
}

/// What rank 0 said, or its silence.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Nothing,
    Goodbye,
    Failure(RankFailure),
}

impl Worker {
    /// `rank`'s connection.
    pub(super) fn new(
        processes: Vec<Process>,
        rank: Rank,
        stream: TcpStream,
        options: LivenessOptions,
    ) -> Self {
        let own_host = processes
            .get(rank.0 as usize)
            .map(|process| process.host.clone())
            .unwrap_or_default();
        Self {
            processes,
            own_host,
            stream,
            options,
            ended: None,
        }
    }

    /// Beats until this rank's farewell, rank 0's goodbye, or a failure.
    #[expect(clippy::needless_pass_by_value, reason = "it ends with the thread")]
    pub(super) fn watch(
        mut self,
        own: &PositionCell,
        farewell: &Receiver<Farewell>,
        on_failure: OnRankFailure,
    ) {
        let failure = self.listen_and_beat(own, farewell);
        close(&mut self.stream, CLOSING);
        if let Some(failure) = failure {
            on_failure(&failure);
        }
    }

    fn listen_and_beat(&mut self, own: &PositionCell, farewell: &Receiver<Farewell>) -> Option<RankFailure> {
        let (mut last_beat, mut last_round) = (Instant::now(), Instant::now());
        let mut first = First::new(Instant::now());
        let mut waited: Option<Instant> = None;
        loop {
            match farewell.try_recv() {
                Ok(Farewell::Waited(message)) => {
                    let position = own.get();
                    send(&mut self.stream, &Message::Waited { position, message });
                    self.options.silence = self.options.silence.min(self.options.late_silence);
                    waited = Some(Instant::now());
                }
                Ok(farewell) => {
                    self.say(farewell, own);
                    return None;
                }
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            let verdict = self.options.late_silence + VERDICT;
            if waited.is_some_and(|since| since.elapsed() > verdict) {
                return None;
            }
            if last_beat.elapsed() >= self.options.beat {
                last_beat = Instant::now();
                send(&mut self.stream, &Message::Beat { position: own.get() });
            }
            wait_readable([&self.stream].into_iter(), self.options.beat / 4);
            // A rank that was stopped itself must hear rank 0 out before it judges.
            if last_round.elapsed() > self.options.silence / 2 {
                first.heard = Instant::now();
            }
            last_round = Instant::now();
            match self.listen(&mut first, last_round) {
                Heard::Nothing => {}
                Heard::Goodbye => {
                    // Rank 0 may end before this rank does; that is no failure.
                    if waited.is_none()
                        && let Ok(farewell) = farewell.recv()
                    {
                        self.say(farewell, own);
                    }
                    return None;
                }
                Heard::Failure(failure) => return Some(failure),
            }
        }
    }

    fn say(&mut self, farewell: Farewell, own: &PositionCell) {
        let position = own.get();
        let message = match farewell {
            Farewell::Done => Message::Goodbye,
            Farewell::Failed(message) | Farewell::Waited(message) => Message::Failed { position, message },
            Farewell::Ended { message, ended } => {
                self.ended = Some(ended);
                Message::Ended { position, message }
            }
        };
        send(&mut self.stream, &message);
    }

    /// Reads what has come from rank 0 by `now`.
    fn listen(&mut self, first: &mut First, now: Instant) -> Heard {
        let open = first.inbox.fill(&mut self.stream).unwrap_or(false);
        while let Ok(Some(message)) = first.inbox.next() {
            first.heard = now;
            match message {
                Message::Beat { position } => first.position = position,
                Message::Goodbye => return Heard::Goodbye,
                Message::Failed { position, message } => {
                    return self.failure(Rank(0), Cause::Failed { message }, position);
                }
                Message::Ended { position, message } => {
                    return self.failure(Rank(0), Cause::Ended { message }, position);
                }
                Message::Lost {
                    rank,
                    cause,
                    position,
                } => return self.failure(rank, cause, position),
                Message::Waited { .. } => {}
            }
        }
        if !open {
            return self.failure(Rank(0), Cause::Closed, first.position);
        }
        let silent = now.saturating_duration_since(first.heard);
        if silent < self.options.silence {
            return Heard::Nothing;
        }
        let cause = Cause::of_silence(&self.processes[0], &self.own_host, silent);
        self.failure(Rank(0), cause, first.position)
    }

    fn failure(&self, rank: Rank, cause: Cause, position: Position) -> Heard {
        let unknown = || Process {
            rank,
            host: "unknown".to_owned(),
            pid: 0,
        };
        let process = self.processes.get(rank.0 as usize).cloned();
        Heard::Failure(RankFailure {
            process: process.unwrap_or_else(unknown),
            cause,
            position,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::tests::{another_process, beat_at, connection, other_end_sees};

    #[test]
    fn rank_0_is_lost_when_it_has_been_silent_for_the_stated_time_and_not_before() {
        let silence = LivenessOptions::default().silence;
        let (stream, mut other) = connection();
        let processes = (0..2).map(another_process).collect();
        let mut worker = Worker::new(processes, Rank(1), stream, LivenessOptions::default());
        let begun = Instant::now();
        let mut first = First::new(begun);
        let almost = silence.saturating_sub(Duration::from_millis(1));
        assert_eq!(worker.listen(&mut first, begun + almost), Heard::Nothing);
        send(&mut other, &beat_at(17));
        other_end_sees(&worker.stream);
        assert_eq!(worker.listen(&mut first, begun + almost), Heard::Nothing);
        assert_eq!(worker.listen(&mut first, begun + almost * 2), Heard::Nothing);
        let Heard::Failure(failure) = worker.listen(&mut first, begun + almost + silence) else {
            panic!("a silent rank 0 is no failure");
        };
        assert_eq!(
            (failure.process.rank, failure.cause, failure.position.step),
            (
                Rank(0),
                Cause::Silent {
                    silent: silence,
                    others: Vec::new()
                },
                17
            )
        );
    }
}

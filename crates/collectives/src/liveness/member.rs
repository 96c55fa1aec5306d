//! The side of every rank but 0: it beats, and hears from rank 0 who is lost.

use std::{
    net::TcpStream,
    sync::mpsc::{Receiver, TryRecvError},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};

use super::{
    Cause, Farewell, LivenessOptions, Loss, OnLoss, Position, Process,
    position::PositionCell,
    wire::{Inbox, Message, close, send},
};
use crate::Rank;

/// For rank 0 to take the last message.
const CLOSING: Duration = Duration::from_millis(300);

/// The connection to rank 0.
pub(super) struct Member {
    processes: Vec<Process>,
    own_host: String,
    stream: TcpStream,
    options: LivenessOptions,
}

/// What rank 0 said, or its silence.
enum Heard {
    Nothing,
    Goodbye,
    Loss(Loss),
}

impl Member {
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
        }
    }

    /// Beats until this rank's farewell, rank 0's goodbye, or a loss.
    #[expect(clippy::needless_pass_by_value, reason = "it ends with the thread")]
    pub(super) fn watch(mut self, own: &PositionCell, farewell: &Receiver<Farewell>, on_loss: OnLoss) {
        let loss = self.listen_and_beat(own, farewell);
        close(&mut self.stream, CLOSING);
        if let Some(loss) = loss {
            on_loss(&loss);
        }
    }

    fn listen_and_beat(&mut self, own: &PositionCell, farewell: &Receiver<Farewell>) -> Option<Loss> {
        let (mut last_beat, mut last_round) = (Instant::now(), Instant::now());
        let (mut inbox, mut heard, mut position) = (Inbox::default(), Instant::now(), Position::default());
        loop {
            match farewell.try_recv() {
                Ok(farewell) => {
                    self.say(farewell, own);
                    return None;
                }
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            if last_beat.elapsed() >= self.options.beat {
                last_beat = Instant::now();
                send(&mut self.stream, &Message::Beat { position: own.get() });
            }
            wait_readable([&self.stream].into_iter(), self.options.beat / 4);
            // A rank that was stopped itself must hear rank 0 out before it judges.
            if last_round.elapsed() > self.options.silence / 2 {
                heard = Instant::now();
            }
            last_round = Instant::now();
            match self.listen(&mut inbox, &mut heard, &mut position) {
                Heard::Nothing => {}
                Heard::Goodbye => {
                    // Rank 0 may end before this rank does; that is no loss.
                    if let Ok(farewell) = farewell.recv() {
                        self.say(farewell, own);
                    }
                    return None;
                }
                Heard::Loss(loss) => return Some(loss),
            }
        }
    }

    fn say(&mut self, farewell: Farewell, own: &PositionCell) {
        let message = match farewell {
            Farewell::Done => Message::Goodbye,
            Farewell::Failed(message) => Message::Failed {
                position: own.get(),
                message,
            },
        };
        send(&mut self.stream, &message);
    }

    fn listen(&mut self, inbox: &mut Inbox, heard: &mut Instant, position: &mut Position) -> Heard {
        let open = inbox.fill(&mut self.stream).unwrap_or(false);
        while let Ok(Some(message)) = inbox.next() {
            *heard = Instant::now();
            match message {
                Message::Beat { position: at } => *position = at,
                Message::Goodbye => return Heard::Goodbye,
                Message::Failed { position, message } => {
                    return self.loss(Rank(0), Cause::Failed { message }, position);
                }
                Message::Lost {
                    rank,
                    cause,
                    position,
                } => return self.loss(rank, cause, position),
                Message::Hello { .. } => {}
            }
        }
        if !open {
            return self.loss(Rank(0), Cause::Closed, *position);
        }
        let silent = heard.elapsed();
        if silent < self.options.silence {
            return Heard::Nothing;
        }
        let first = &self.processes[0];
        let cause = if first.host == self.own_host && is_stopped(first.pid) {
            Cause::Stopped { silent }
        } else {
            Cause::Silent { silent }
        };
        self.loss(Rank(0), cause, *position)
    }

    fn loss(&self, rank: Rank, cause: Cause, position: Position) -> Heard {
        let unknown = || Process {
            rank,
            host: "unknown".to_owned(),
            pid: 0,
        };
        let process = self.processes.get(rank.0 as usize).cloned();
        Heard::Loss(Loss {
            process: process.unwrap_or_else(unknown),
            cause,
            position,
        })
    }
}

/// Waits until one of `streams` has something to read, at most for `within`.
pub(super) fn wait_readable<'a>(streams: impl Iterator<Item = &'a TcpStream>, within: Duration) {
    let mut waiting: Vec<PollFd<'_>> = streams.map(|stream| PollFd::new(stream, PollFlags::IN)).collect();
    let timeout = rustix::event::Timespec {
        tv_sec: within.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: within.subsec_nanos().into(),
    };
    // Interrupted or not, the reads that follow find out what there is.
    let _ = poll(&mut waiting, Some(&timeout));
}

/// Whether the process on this host is stopped by a signal or a debugger
/// (state `T` or `t` in `/proc/PID/stat`, proc(5)).
pub(super) fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('T' | 't'))
}

//! Rank 0's side: it hears all ranks, and names a lost one to all others.

use std::{
    convert::Infallible,
    net::{Shutdown, TcpStream},
    sync::mpsc::{Receiver, Sender, TryRecvError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, getppid};

use super::{
    connected::Connected,
    farewell::Farewell,
    options::LivenessOptions,
    position::{Position, PositionCell},
    process::Process,
    rank_failure::{Cause, OnRankFailure, RankFailure},
    wire::{Message, close, send, wait_readable},
};
use crate::Rank;

/// For the other ranks' goodbyes, once rank 0 has said its own.
const GOODBYES: Duration = Duration::from_secs(2);

/// For the other ranks to take the last message.
const CLOSING: Duration = Duration::from_millis(300);

/// The connections of all ranks from 1 on.
pub(super) struct Coordinator {
    own: Process,
    /// What started this process.
    parent: Option<Pid>,
    ranks: Vec<Connected>,
    options: LivenessOptions,
    /// What this rank said when others did not come in time.
    waited: Option<String>,
    /// Dropped with the coordinator: whoever has this process ended waits for it.
    ended: Option<Sender<Infallible>>,
}

impl Coordinator {
    /// `streams` are those of ranks 1.. of `processes`.
    pub(super) fn new(
        mut processes: Vec<Process>,
        streams: Vec<TcpStream>,
        options: LivenessOptions,
    ) -> Self {
        let others = processes.split_off(1);
        let own = processes.remove(0);
        let connected = |(process, stream)| Connected::new(process, stream, Instant::now());
        Self {
            own,
            parent: getppid(),
            ranks: others.into_iter().zip(streams).map(connected).collect(),
            options,
            waited: None,
            ended: None,
        }
    }

    /// Watches until this rank's farewell, or until a failure was reported.
    #[expect(clippy::needless_pass_by_value, reason = "it ends with the thread")]
    pub(super) fn watch(
        mut self,
        own: &PositionCell,
        farewell: &Receiver<Farewell>,
        on_failure: OnRankFailure,
    ) {
        let failure = self.listen_to_all(own, farewell);
        self.close();
        if let Some(failure) = failure {
            on_failure(&failure);
        }
    }

    fn listen_to_all(&mut self, own: &PositionCell, farewell: &Receiver<Farewell>) -> Option<RankFailure> {
        let (mut last_beat, mut last_round) = (Instant::now(), Instant::now());
        let mut leaving: Option<Instant> = None;
        loop {
            let streams = self
                .ranks
                .iter()
                .filter(|rank| !rank.ended)
                .map(|rank| &rank.stream);
            wait_readable(streams, self.options.beat / 4);
            // A rank 0 that was stopped itself must hear the others out before it judges.
            if last_round.elapsed() > self.options.silence / 2 {
                self.ranks.iter_mut().for_each(|rank| rank.heard = Instant::now());
            }
            last_round = Instant::now();
            match self.listen(own, last_round) {
                // It has its result already, as this rank has.
                Some(failure) if leaving.is_some() && matches!(failure.cause, Cause::Ended { .. }) => {}
                Some(failure) => return Some(self.tell_failure(failure, last_round)),
                None => {}
            }
            match farewell.try_recv() {
                // The others are heard once more before one of them is blamed.
                Ok(Farewell::Waited(message)) => self.waited = Some(message),
                Ok(Farewell::Failed(message)) => {
                    self.tell(&Message::Failed {
                        position: own.get(),
                        message,
                    });
                    return None;
                }
                Ok(Farewell::Ended { message, ended }) => {
                    self.ended = Some(ended);
                    self.tell(&Message::Ended {
                        position: own.get(),
                        message,
                    });
                    return None;
                }
                Ok(Farewell::Done) => {
                    self.tell(&Message::Goodbye);
                    leaving = Some(Instant::now());
                }
                // Dropped without a farewell: the sockets close, which the others see.
                Err(TryRecvError::Disconnected) if leaving.is_none() => return None,
                Err(_) => {}
            }
            let all_left = self.ranks.iter().all(|rank| rank.ended);
            if leaving.is_some_and(|since| all_left || since.elapsed() > GOODBYES) {
                return None;
            }
            if leaving.is_none() && last_beat.elapsed() >= self.options.beat {
                last_beat = Instant::now();
                self.tell(&Message::Beat { position: own.get() });
            }
        }
    }

    /// Reads what has come from all ranks by `now`; the failure that it is, or that their silence is.
    fn listen(&mut self, own: &PositionCell, now: Instant) -> Option<RankFailure> {
        if getppid() != self.parent {
            return Some(RankFailure {
                process: self.own.clone(),
                cause: Cause::Orphaned,
                position: own.get(),
            });
        }
        // All are heard out before one is judged by its silence.
        let heard: Vec<_> = self.ranks.iter_mut().map(|rank| rank.listen(now)).collect();
        heard
            .into_iter()
            .find_map(|failure| failure)
            .or_else(|| self.find_silent(now))
            .or_else(|| self.judge_wait(own, now))
    }

    fn find_silent(&mut self, now: Instant) -> Option<RankFailure> {
        let mut ranks = self.ranks.iter_mut();
        ranks.find_map(|rank| rank.judge(now, self.options.silence, &self.own.host))
    }

    fn tell_failure(&mut self, mut failure: RankFailure, now: Instant) -> RankFailure {
        self.find_others(&mut failure, now);
        let message = Message::Lost {
            rank: failure.process.rank,
            cause: failure.cause.clone(),
            position: failure.position,
        };
        // The lost one too: if it comes back, it must not take the closed connection for a death of
        // rank 0.
        for rank in &mut self.ranks {
            send(&mut rank.stream, &message);
        }
        failure
    }

    /// The failure behind the message of a rank that waited for others in vain.
    fn judge_wait(&mut self, own: &PositionCell, now: Instant) -> Option<RankFailure> {
        let of_own = |message| (self.own.clone(), own.get(), message);
        let of_rank = |rank: &mut Connected| Some((rank.process.clone(), rank.position, rank.waited.take()?));
        let mut others = self.ranks.iter_mut();
        let waiter = self.waited.take().map(of_own);
        let (process, position, waited) = waiter.or_else(|| others.find_map(of_rank))?;
        let late = self.find_behind(own.get(), position, &waited, now);
        let late = late.or_else(|| self.find_most_silent(now));
        Some(late.unwrap_or(RankFailure {
            process,
            cause: Cause::Stuck { waited },
            position,
        }))
    }

    /// The rank that is furthest behind one at `waiter`.
    fn find_behind(
        &mut self,
        own: Position,
        waiter: Position,
        waited: &str,
        now: Instant,
    ) -> Option<RankFailure> {
        let others = self.ranks.iter().filter(|rank| !rank.ended);
        let mut behind: Vec<(Rank, Position)> = std::iter::once((self.own.rank, own))
            .chain(others.map(|rank| (rank.process.rank, rank.position)))
            .filter(|(_, position)| position.progress() < waiter.progress())
            .collect();
        behind.sort_by_key(|(_, position)| position.progress());
        let (&(late, position), others) = behind.split_first()?;
        let cause = Cause::Late {
            others: others.iter().map(|&(rank, _)| rank).collect(),
            waited: waited.to_owned(),
        };
        let Some(rank) = self.ranks.iter_mut().find(|rank| rank.process.rank == late) else {
            return Some(RankFailure {
                process: self.own.clone(),
                cause,
                position,
            });
        };
        let silent = rank.judge(now, self.options.late_silence, &self.own.host);
        Some(silent.unwrap_or_else(|| rank.lost(cause)))
    }

    /// The rank that is silent for longest, where none is behind: it is lost in the midst of a call.
    fn find_most_silent(&mut self, now: Instant) -> Option<RankFailure> {
        let rank = self
            .ranks
            .iter_mut()
            .filter(|rank| !rank.ended)
            .min_by_key(|rank| rank.heard)?;
        rank.judge(now, self.options.late_silence, &self.own.host)
    }

    /// Which other ranks of the host of a silent one are silent too: they were heard last within the
    /// two beats in which a host that leaves the network falls silent.
    fn find_others(&self, failure: &mut RankFailure, now: Instant) {
        let Cause::Silent { silent, others } = &mut failure.cause else {
            return;
        };
        let since = silent.saturating_sub(self.options.beat * 2);
        let is_silent = |rank: &&Connected| {
            let same_host =
                rank.process.host == failure.process.host && rank.process.rank != failure.process.rank;
            same_host && !rank.ended && now.saturating_duration_since(rank.heard) >= since
        };
        *others = self
            .ranks
            .iter()
            .filter(is_silent)
            .map(|rank| rank.process.rank)
            .collect();
    }

    /// All connections at once: one that does not answer must not delay the report of a failure.
    fn close(&mut self) {
        let deadline = Instant::now() + CLOSING;
        for rank in &self.ranks {
            let _ = rank.stream.shutdown(Shutdown::Write);
        }
        for rank in &mut self.ranks {
            let left = deadline.saturating_duration_since(Instant::now());
            close(&mut rank.stream, left);
        }
    }

    fn tell(&mut self, message: &Message) {
        for rank in self.ranks.iter_mut().filter(|rank| !rank.ended) {
            send(&mut rank.stream, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::{connected::tests::connected, tests::another_process};

    const SILENCE: Duration = Duration::from_secs(15);

    fn coordinator_of(ranks: Vec<Connected>) -> Coordinator {
        Coordinator {
            own: another_process(0),
            parent: None,
            ranks,
            options: LivenessOptions::default(),
            waited: None,
            ended: None,
        }
    }

    #[test]
    fn the_ranks_that_fell_silent_with_their_host_are_named() {
        let begun = Instant::now();
        let heard = [
            begun,
            begun + LivenessOptions::default().beat,
            begun + SILENCE,
            begun,
        ];
        let hosts = ["b", "b", "b", "c"];
        let (ranks, _ends): (Vec<_>, Vec<_>) = (1_u32..)
            .zip(heard.into_iter().zip(hosts))
            .map(|(rank, (heard, host))| {
                let (mut rank_of, end) = connected(heard);
                rank_of.process.rank = Rank(rank);
                host.clone_into(&mut rank_of.process.host);
                (rank_of, end)
            })
            .unzip();
        let mut coordinator = coordinator_of(ranks);
        let mut failure = coordinator.ranks[0].judge(begun + SILENCE, SILENCE, "a").unwrap();
        coordinator.find_others(&mut failure, begun + SILENCE);
        // Rank 3 of the same host was heard of just now, and rank 4 is elsewhere.
        let others = vec![Rank(2)];
        assert_eq!(
            failure.cause,
            Cause::Silent {
                silent: SILENCE,
                others
            }
        );
        let said = failure.to_string();
        assert!(
            said.contains("rank 1 (host b") && said.contains(", like rank 2 of its host,"),
            "{said}"
        );
    }

    #[test]
    fn of_a_wait_in_vain_the_rank_behind_is_named_whoever_else_is_silent() {
        let begun = Instant::now();
        let options = LivenessOptions::default();
        let now = begun + options.late_silence;
        // Rank 1 was silent for a second, rank 2 is two steps behind, rank 3 waited.
        let heard = [begun, now, now];
        let (ranks, _ends): (Vec<_>, Vec<_>) = (1_u32..)
            .zip(heard)
            .map(|(number, heard)| {
                let (mut rank, end) = connected(heard);
                rank.process.rank = Rank(number);
                rank.position.step = [17, 15, 17][number as usize - 1];
                (rank, end)
            })
            .unzip();
        let mut coordinator = coordinator_of(ranks);
        let own = PositionCell::default();
        own.set_step(17);
        let judge = |coordinator: &mut Coordinator, behind: u64| {
            coordinator.ranks[1].position.step = behind;
            coordinator.ranks[2].waited = Some("a minute is over".to_owned());
            coordinator.ranks.iter_mut().for_each(|rank| rank.ended = false);
            let failure = coordinator.judge_wait(&own, now).unwrap();
            (failure.process.rank, failure.cause)
        };
        let late = |waited: &str| Cause::Late {
            others: Vec::new(),
            waited: waited.to_owned(),
        };
        assert_eq!(judge(&mut coordinator, 15), (Rank(2), late("a minute is over")));
        let silent = Cause::Silent {
            silent: options.late_silence,
            others: Vec::new(),
        };
        assert_eq!(judge(&mut coordinator, 17), (Rank(1), silent.clone()));
        // What is behind and silent is silent.
        coordinator.ranks[1].heard = begun;
        assert_eq!(judge(&mut coordinator, 15), (Rank(2), silent));
        for rank in &mut coordinator.ranks {
            rank.heard = now;
        }
        let waited = "a minute is over".to_owned();
        assert_eq!(judge(&mut coordinator, 17), (Rank(3), Cause::Stuck { waited }));
        assert_eq!(coordinator.judge_wait(&own, now), None);
    }
}

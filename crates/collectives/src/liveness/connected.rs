//! One rank as rank 0 sees it: what it says, and when its silence is its failure.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use super::{
    position::Position,
    process::Process,
    rank_failure::{Cause, RankFailure},
    wire::{Inbox, Message},
};

/// A rank from 1 on, as rank 0 sees it.
pub(super) struct Connected {
    pub(super) process: Process,
    pub(super) stream: TcpStream,
    pub(super) inbox: Inbox,
    pub(super) heard: Instant,
    pub(super) position: Position,
    /// What it said when others did not come in time.
    pub(super) waited: Option<String>,
    /// It said goodbye, or its failure is reported.
    pub(super) ended: bool,
}

impl Connected {
    pub(super) fn new(process: Process, stream: TcpStream, now: Instant) -> Self {
        Self {
            process,
            stream,
            inbox: Inbox::default(),
            heard: now,
            position: Position::default(),
            waited: None,
            ended: false,
        }
    }

    /// Reads what has come by `now`; the failure, if that is one.
    pub(super) fn listen(&mut self, now: Instant) -> Option<RankFailure> {
        if self.ended {
            return None;
        }
        let open = self.inbox.fill(&mut self.stream).unwrap_or(false);
        while let Ok(Some(message)) = self.inbox.next() {
            self.heard = now;
            match message {
                Message::Beat { position } => self.position = position,
                Message::Goodbye => {
                    self.ended = true;
                    return None;
                }
                Message::Failed { position, message } => {
                    self.position = position;
                    return Some(self.lost(Cause::Failed { message }));
                }
                Message::Waited { position, message } => {
                    self.position = position;
                    self.waited = Some(message);
                }
                Message::Ended { position, message } => {
                    self.position = position;
                    return Some(self.lost(Cause::Ended { message }));
                }
                Message::Lost { .. } => {}
            }
        }
        (!open).then(|| self.lost(Cause::Closed))
    }

    /// The failure of a rank that has been silent for too long by `now`.
    pub(super) fn judge(&mut self, now: Instant, silence: Duration, own_host: &str) -> Option<RankFailure> {
        if self.ended {
            return None;
        }
        let silent = now.saturating_duration_since(self.heard);
        if silent < silence {
            return None;
        }
        Some(self.lost(Cause::of_silence(&self.process, own_host, silent)))
    }

    pub(super) fn lost(&mut self, cause: Cause) -> RankFailure {
        self.ended = true;
        RankFailure {
            process: self.process.clone(),
            cause,
            position: self.position,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::liveness::{
        tests::{another_process, beat_at, connection, other_end_sees},
        wire::send,
    };

    const SILENCE: Duration = Duration::from_secs(15);

    /// Rank 1 as rank 0 sees it, and rank 1's own end.
    pub(in crate::liveness) fn connected(heard: Instant) -> (Connected, TcpStream) {
        let (stream, other) = connection();
        (Connected::new(another_process(1), stream, heard), other)
    }

    #[test]
    fn a_rank_is_lost_when_it_has_been_silent_for_the_stated_time_and_not_before() {
        let begun = Instant::now();
        let (mut rank, mut other) = connected(begun);
        let almost = SILENCE.saturating_sub(Duration::from_millis(1));
        assert_eq!(rank.judge(begun + almost, SILENCE, "here"), None);
        send(&mut other, &beat_at(17));
        other_end_sees(&rank.stream);
        assert_eq!(rank.listen(begun + almost), None);
        assert_eq!(rank.judge(begun + almost * 2, SILENCE, "here"), None);
        let failure = rank.judge(begun + almost + SILENCE, SILENCE, "here").unwrap();
        assert_eq!(
            (failure.cause, failure.position.step),
            (
                Cause::Silent {
                    silent: SILENCE,
                    others: Vec::new()
                },
                17
            )
        );
    }

    #[test]
    fn a_death_has_the_place_of_the_last_beat_and_is_told_once() {
        let begun = Instant::now();
        let (mut rank, mut other) = connected(begun);
        send(&mut other, &beat_at(16));
        send(&mut other, &beat_at(17));
        other_end_sees(&rank.stream);
        drop(other);
        let failure = std::iter::repeat_with(|| rank.listen(begun))
            .find_map(|failure| failure)
            .unwrap();
        assert_eq!((failure.cause, failure.position.step), (Cause::Closed, 17));
        assert_eq!(rank.listen(begun + SILENCE * 2), None);
        assert_eq!(rank.judge(begun + SILENCE * 2, SILENCE, "here"), None);
    }
}

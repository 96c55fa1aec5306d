//! Rank 0's side of the start: it greets all that connect at once and keeps the ranks of its run.
//!
//! Anybody who reaches the port can connect, say nothing, say something else, or do so thousands of
//! times. None of it holds up a rank: nobody is waited for, of those who have said nothing yet the one who came
//! first makes room for the next, and a rank that was turned away in a crowd calls again.

use std::{
    collections::{HashSet, VecDeque},
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    greeting::{CALL, PROOF, Secret, Talk},
    process::Process,
};
use crate::Rank;

/// For a caller to say all that it has to.
pub(super) const ONE_CALLER: Duration = Duration::from_secs(3);

/// Callers that have not proven anything yet, beside one a rank: each takes a file descriptor.
const MAX_STRANGERS: usize = 64;

/// Connections that are taken before those that are there are heard again.
const AT_ONCE: usize = 64;

/// Between two looks at the clock.
const ROUND: Duration = Duration::from_millis(50);

/// After a connection that the system could not give.
const PAUSE: Duration = Duration::from_millis(5);

/// One that has connected.
struct Caller {
    stream: TcpStream,
    opened: Instant,
    /// What it is saying.
    heard: [u8; CALL],
    filled: usize,
    /// Its rank, once its call and the answer have been said.
    known: Option<(Rank, Talk)>,
}

/// What a caller turned out to be.
enum Verdict {
    /// It has more to say.
    Open,
    /// It said its call.
    Known,
    Stranger,
    Proven(Rank, Talk),
}

/// The listening side.
struct Door<'a> {
    listeners: &'a [TcpListener],
    secret: Secret,
    /// Who has not said a call yet, in the order in which they came.
    strangers: VecDeque<Caller>,
    known: Vec<Caller>,
    /// Each counts once, so that who has overheard one cannot repeat it.
    calls: HashSet<[u8; CALL]>,
    /// Of ranks 1.., in order.
    ranks: Vec<Option<TcpStream>>,
    num_turned_away: u64,
    last_error: Option<io::Error>,
}

/// The connections of ranks 1.. of `processes`, in order.
///
/// # Errors
/// Which ranks have not come `within` this time.
pub(super) fn admit_all(
    listeners: &[TcpListener],
    processes: &[Process],
    secret: Secret,
    within: Duration,
) -> Result<Vec<TcpStream>, String> {
    let mut door = Door {
        listeners,
        secret,
        strangers: VecDeque::new(),
        known: Vec::new(),
        calls: HashSet::new(),
        ranks: (1..processes.len()).map(|_| None).collect(),
        num_turned_away: 0,
        last_error: None,
    };
    let deadline = Instant::now() + within;
    while door.ranks.iter().any(Option::is_none) {
        if Instant::now() >= deadline {
            return Err(door.who_is_missing(processes, within));
        }
        door.wait();
        door.accept();
        door.hear(Instant::now());
    }
    Ok(door.ranks.into_iter().flatten().collect())
}

impl Door<'_> {
    /// Until somebody connects or says something.
    fn wait(&self) {
        let listeners = self.listeners.iter().map(AsFd::as_fd);
        let callers = self.strangers.iter().chain(&self.known);
        let mut waiting: Vec<PollFd<'_>> = listeners
            .chain(callers.map(|caller| caller.stream.as_fd()))
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: ROUND.subsec_nanos().into(),
        };
        // Interrupted or not, the reads that follow find out what there is.
        let _ = poll(&mut waiting, Some(&timeout));
    }

    /// Takes the connections that are there. What the system cannot give now it may give later.
    fn accept(&mut self) {
        for listener in self.listeners {
            for _ in 0..AT_ONCE {
                match listener.accept().and_then(|(stream, _)| Caller::new(stream)) {
                    Ok(caller) => self.let_in(caller),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        // Too many open files, or a caller that has gone again (accept(2)).
                        self.last_error = Some(error);
                        self.turn_away_the_oldest();
                        std::thread::sleep(PAUSE);
                        break;
                    }
                }
            }
        }
    }

    /// A rank says its call as soon as it is connected, so most are heard here already.
    fn let_in(&mut self, mut caller: Caller) {
        match caller.hear(self.secret, &mut self.calls) {
            Verdict::Open => self.strangers.push_back(caller),
            Verdict::Known => self.known.push(caller),
            Verdict::Stranger | Verdict::Proven(..) => self.num_turned_away += 1,
        }
        if self.strangers.len() > MAX_STRANGERS + self.ranks.len() {
            self.turn_away_the_oldest();
        }
    }

    fn turn_away_the_oldest(&mut self) {
        self.num_turned_away += u64::from(self.strangers.pop_front().is_some());
    }

    /// Hears out all that are there; whoever has taken too long by `now` is turned away.
    fn hear(&mut self, now: Instant) {
        let callers = std::mem::take(&mut self.known).into_iter();
        let callers = callers.chain(std::mem::take(&mut self.strangers));
        for mut caller in callers.collect::<Vec<_>>() {
            match caller.hear(self.secret, &mut self.calls) {
                Verdict::Proven(rank, talk) => self.seat(rank, caller.stream, &talk),
                Verdict::Open | Verdict::Known
                    if now.saturating_duration_since(caller.opened) < ONE_CALLER =>
                {
                    if caller.known.is_some() {
                        self.known.push(caller);
                    } else {
                        self.strangers.push_back(caller);
                    }
                }
                Verdict::Open | Verdict::Known | Verdict::Stranger => self.num_turned_away += 1,
            }
        }
    }

    /// A rank that calls again has given up its connection before.
    fn seat(&mut self, rank: Rank, mut stream: TcpStream, talk: &Talk) {
        let index = (rank.0 as usize).checked_sub(1);
        let place = index.and_then(|index| self.ranks.get_mut(index));
        let welcome = self.secret.welcome(talk);
        match place {
            Some(place) if stream.write(&welcome).is_ok_and(|sent| sent == PROOF) => *place = Some(stream),
            _ => self.num_turned_away += 1,
        }
    }

    fn who_is_missing(&self, processes: &[Process], within: Duration) -> String {
        let missing: Vec<String> = processes[1..]
            .iter()
            .zip(&self.ranks)
            .filter(|(_, stream)| stream.is_none())
            .map(|(process, _)| process.to_string())
            .collect();
        let strangers = match self.num_turned_away {
            0 => String::new(),
            count => format!("; connections of other programs that were turned away: {count}"),
        };
        let error = self.last_error.as_ref();
        let error = error.map_or_else(String::new, |error| {
            format!("; the last connection that the system refused: {error}")
        });
        format!(
            "no connection from {} within {:.0} s: the hosts must reach rank 0 over TCP (firewall? private network?){strangers}{error}",
            missing.join(", "),
            within.as_secs_f64()
        )
    }
}

impl Caller {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            opened: Instant::now(),
            heard: [0; CALL],
            filled: 0,
            known: None,
        })
    }

    /// Reads what has come, without waiting and never beyond the message that is due: what follows
    /// the last one belongs to the channel.
    fn hear(&mut self, secret: Secret, calls: &mut HashSet<[u8; CALL]>) -> Verdict {
        let due = if self.known.is_some() { PROOF } else { CALL };
        while self.filled < due {
            match self.stream.read(&mut self.heard[self.filled..due]) {
                Ok(0) => return Verdict::Stranger,
                Ok(length) => self.filled += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Verdict::Open,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Verdict::Stranger,
            }
        }
        self.filled = 0;
        match self.known.take() {
            None => self.answer(secret, calls).unwrap_or(Verdict::Stranger),
            Some((rank, talk)) => {
                let proof = self.heard.first_chunk::<PROOF>();
                if proof.is_some_and(|proof| secret.is_proven(&talk, proof)) {
                    Verdict::Proven(rank, talk)
                } else {
                    Verdict::Stranger
                }
            }
        }
    }

    /// Answers a call; none for a stranger's.
    fn answer(&mut self, secret: Secret, calls: &mut HashSet<[u8; CALL]>) -> Option<Verdict> {
        let call = self.heard;
        let rank = secret.caller(&call).filter(|_| calls.insert(call))?;
        let answer = secret.answer(&call).ok()?;
        // A new connection takes so little at once.
        let sent = self.stream.write(&answer).ok()?;
        self.known = Some((rank, Talk { call, answer }));
        (sent == answer.len()).then_some(Verdict::Known)
    }
}

#[cfg(test)]
mod tests;

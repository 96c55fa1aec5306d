//! Opens the connections at start: rank 0 listens and says where, the others call.
//! Over IPv4, which every cluster's hosts have among themselves.

use std::{
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    LivenessOptions, Process,
    wire::{HEADER, Inbox, Message, send},
};
use crate::{Collective, CollectiveError, Rank};

/// For one address of rank 0 to answer.
const ONE_ADDRESS: Duration = Duration::from_secs(3);

/// The open connections of this process.
pub(super) enum Joined {
    /// Rank 0: one connection a rank from 1 on, in rank order.
    Hub(Vec<Process>, Vec<TcpStream>),
    /// Another rank: its connection to rank 0.
    Member(Vec<Process>, Rank, TcpStream),
}

/// All ranks call it together.
pub(super) fn join(
    collective: &mut dyn Collective,
    host: &str,
    options: LivenessOptions,
) -> Result<Joined, CollectiveError> {
    let rank = collective.rank();
    let failed = |message: String| CollectiveError::Liveness { rank, message };
    let processes = gather_processes(collective, host)?;
    let listener = (rank == Rank(0)).then(listen).transpose();
    let (listener, listen_error) = match listener {
        Ok(listener) => (listener, None),
        Err(error) => (None, Some(error)),
    };
    let mut invitation = listener
        .as_ref()
        .map(|(_, invitation)| invitation.encode())
        .unwrap_or_default();
    collective.broadcast(Rank(0), &mut invitation)?;
    if let Some(error) = listen_error {
        return Err(failed(format!("it cannot listen on any port: {error}")));
    }
    let Some(invitation) = Invitation::decode(&invitation) else {
        return Err(failed("rank 0 cannot listen on any port".to_owned()));
    };
    if let Some((listener, _)) = listener {
        let streams = accept_all(&listener, &processes, invitation.run, options.join).map_err(failed)?;
        Ok(Joined::Hub(processes, streams))
    } else {
        let stream = call(&invitation, rank, options.join).map_err(failed)?;
        Ok(Joined::Member(processes, rank, stream))
    }
}

fn gather_processes(collective: &mut dyn Collective, host: &str) -> Result<Vec<Process>, CollectiveError> {
    let own = format!("{} {host}", std::process::id());
    let all = collective.all_gather(own.as_bytes())?;
    let read = |(rank, bytes): (u32, Vec<u8>)| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (pid, host) = text.split_once(' ').unwrap_or(("0", &text));
        Process {
            rank: Rank(rank),
            host: host.to_owned(),
            pid: pid.parse().unwrap_or(0),
        }
    };
    Ok((0..).zip(all).map(read).collect())
}

/// Where rank 0 listens, and the number that tells its run from others on the same port.
struct Invitation {
    run: u64,
    port: u16,
    addresses: Vec<IpAddr>,
}

impl Invitation {
    fn encode(&self) -> Vec<u8> {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        format!("{} {} {}", self.run, self.port, addresses.join(" ")).into_bytes()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut words = text.split_ascii_whitespace();
        Some(Self {
            run: words.next()?.parse().ok()?,
            port: words.next()?.parse().ok()?,
            addresses: words.map(str::parse).collect::<Result<_, _>>().ok()?,
        })
    }
}

fn listen() -> io::Result<(TcpListener, Invitation)> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    listener.set_nonblocking(true)?;
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    addresses.extend(if_addrs::get_if_addrs()?.into_iter().filter_map(|interface| {
        let address = interface.ip();
        (address.is_ipv4() && !address.is_loopback()).then_some(address)
    }));
    let invitation = Invitation {
        // Nothing depends on it but which run a connection belongs to.
        run: u64::from(std::process::id()) << 32 | u64::from(time.subsec_nanos()),
        port: listener.local_addr()?.port(),
        addresses,
    };
    Ok((listener, invitation))
}

fn accept_all(
    listener: &TcpListener,
    processes: &[Process],
    run: u64,
    within: Duration,
) -> Result<Vec<TcpStream>, String> {
    let mut streams: Vec<Option<TcpStream>> = (1..processes.len()).map(|_| None).collect();
    let deadline = Instant::now() + within;
    while streams.iter().any(Option::is_none) {
        match listener.accept() {
            Ok((stream, _)) => {
                // A stranger's connection is dropped; only a hello of this run counts.
                if let Ok(Some((rank, stream))) = greet(stream, run)
                    && let Some(place) = (rank.0 as usize)
                        .checked_sub(1)
                        .and_then(|index| streams.get_mut(index))
                {
                    *place = Some(stream);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(format!("accepting the other ranks' connections: {error}")),
        }
        if Instant::now() >= deadline {
            let missing: Vec<String> = processes[1..]
                .iter()
                .zip(&streams)
                .filter(|(_, stream)| stream.is_none())
                .map(|(process, _)| process.to_string())
                .collect();
            return Err(format!(
                "no connection from {} within {:.0} s: the hosts must reach rank 0 over TCP (firewall? private network?)",
                missing.join(", "),
                within.as_secs_f64()
            ));
        }
    }
    Ok(streams.into_iter().flatten().collect())
}

/// Reads the caller's hello, answers it, and waits for the caller to confirm: a caller that
/// has given up in between calls again over another connection.
fn greet(mut stream: TcpStream, run: u64) -> io::Result<Option<(Rank, TcpStream)>> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    let deadline = Instant::now() + ONE_ADDRESS;
    let Some(caller) = read_hello(&mut stream, run, deadline)? else {
        return Ok(None);
    };
    send(&mut stream, &Message::Hello { rank: Rank(0), run });
    if read_hello(&mut stream, run, deadline)? != Some(caller) {
        return Ok(None);
    }
    ready(&stream)?;
    Ok(Some((caller, stream)))
}

fn call(invitation: &Invitation, rank: Rank, within: Duration) -> Result<TcpStream, String> {
    let deadline = Instant::now() + within;
    let mut failures = Vec::new();
    loop {
        failures.clear();
        for &address in &invitation.addresses {
            let address = SocketAddr::new(address, invitation.port);
            match call_one(address, invitation.run, rank) {
                Ok(stream) => return Ok(stream),
                Err(error) => failures.push(format!("{address}: {error}")),
            }
        }
        if Instant::now() >= deadline {
            return Err(format!(
                "rank 0 is reached over none of its addresses ({}): the hosts must reach rank 0 over TCP (firewall? private network?)",
                failures.join("; ")
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn call_one(address: SocketAddr, run: u64, rank: Rank) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, ONE_ADDRESS)?;
    stream.set_nodelay(true)?;
    let hello = Message::Hello { rank, run };
    send(&mut stream, &hello);
    if read_hello(&mut stream, run, Instant::now() + ONE_ADDRESS)? != Some(Rank(0)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "another program answers there",
        ));
    }
    send(&mut stream, &hello);
    ready(&stream)?;
    Ok(stream)
}

/// From here on the channel reads what there is and never waits.
fn ready(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(None)?;
    stream.set_nonblocking(true)
}

/// The rank that says hello for this run; none for a stranger.
fn read_hello(stream: &mut TcpStream, run: u64, deadline: Instant) -> io::Result<Option<Rank>> {
    let mut header = [0; HEADER];
    let mut filled = 0;
    // No byte beyond it is taken: what follows belongs to the next reader.
    while filled < HEADER {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut header[filled..])? {
            0 => return Ok(None),
            length => filled += length,
        }
    }
    let mut inbox = Inbox::default();
    inbox.fill(&mut &header[..])?;
    Ok(match inbox.next()? {
        Some(Message::Hello { rank, run: number }) if number == run => Some(rank),
        _ => None,
    })
}

//! Opens the connections at start: rank 0 listens and says where, the others call, over IPv4 or
//! IPv6.

use std::{
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
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
    let (listening, listen_error) = match listener {
        Ok(listening) => (listening, None),
        Err(error) => (None, Some(error)),
    };
    let mut invitation = listening
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
    if let Some((listeners, _)) = listening {
        let streams = accept_all(&listeners, &processes, invitation.run, options.join).map_err(failed)?;
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
    addresses: Vec<SocketAddr>,
}

impl Invitation {
    fn encode(&self) -> Vec<u8> {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        format!("{} {}", self.run, addresses.join(" ")).into_bytes()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut words = text.split_ascii_whitespace();
        Some(Self {
            run: words.next()?.parse().ok()?,
            addresses: words.map(str::parse).collect::<Result<_, _>>().ok()?,
        })
    }
}

/// One listener for each family of addresses that this host has. A single one for both would
/// depend on the system's `bindv6only`.
fn listen() -> io::Result<(Vec<TcpListener>, Invitation)> {
    let own: Vec<IpAddr> = if_addrs::get_if_addrs()?
        .iter()
        .map(if_addrs::Interface::ip)
        .filter(|address| !address.is_loopback() && !is_of_one_link(address))
        .collect();
    // IPv4 first: most clusters have it among their hosts.
    let families = [
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::LOCALHOST)),
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    let (mut listeners, mut addresses, mut refused) = (Vec::new(), Vec::new(), None);
    for (any, loopback) in families {
        match TcpListener::bind((any, 0)) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                let port = listener.local_addr()?.port();
                let of_family = own.iter().filter(|address| address.is_ipv4() == any.is_ipv4());
                let of_family = [&loopback].into_iter().chain(of_family);
                addresses.extend(of_family.map(|&address| SocketAddr::new(address, port)));
                listeners.push(listener);
            }
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(error) if listeners.is_empty() => return Err(error),
        _ => {}
    }
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let invitation = Invitation {
        // Nothing depends on it but which run a connection belongs to.
        run: u64::from(std::process::id()) << 32 | u64::from(time.subsec_nanos()),
        addresses,
    };
    Ok((listeners, invitation))
}

/// An IPv6 address that another host can only use with the name of its own interface to it.
fn is_of_one_link(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn accept_all(
    listeners: &[TcpListener],
    processes: &[Process],
    run: u64,
    within: Duration,
) -> Result<Vec<TcpStream>, String> {
    let mut streams: Vec<Option<TcpStream>> = (1..processes.len()).map(|_| None).collect();
    let deadline = Instant::now() + within;
    while streams.iter().any(Option::is_none) {
        match accept(listeners) {
            Ok(stream) => {
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

/// The next connection of any listener; `WouldBlock` where there is none.
fn accept(listeners: &[TcpListener]) -> io::Result<TcpStream> {
    for listener in listeners {
        match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            accepted => return accepted.map(|(stream, _)| stream),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The addresses of one family that this machine has.
    fn only(invitation: &Invitation, is_of_family: fn(&SocketAddr) -> bool) -> Invitation {
        Invitation {
            run: invitation.run,
            addresses: invitation
                .addresses
                .iter()
                .copied()
                .filter(is_of_family)
                .collect(),
        }
    }

    #[test]
    fn a_rank_joins_over_each_family_of_addresses_that_the_host_of_rank_0_has() {
        let processes: Vec<Process> = (0..2).map(crate::liveness::tests::another_process).collect();
        let within = Duration::from_secs(20);
        let mut tried = 0;
        for is_of_family in [SocketAddr::is_ipv4, SocketAddr::is_ipv6] {
            let (listeners, invitation) = listen().unwrap();
            let invitation = Invitation::decode(&invitation.encode()).unwrap();
            let of_family = only(&invitation, is_of_family);
            if of_family.addresses.is_empty() {
                continue;
            }
            let run = invitation.run;
            let calling = std::thread::spawn(move || call(&of_family, Rank(1), within).unwrap());
            let streams = accept_all(&listeners, &processes, run, within).unwrap();
            assert_eq!(
                streams[0].peer_addr().unwrap(),
                calling.join().unwrap().local_addr().unwrap()
            );
            tried += 1;
        }
        assert!(tried > 0, "this machine has no network at all");
    }
}

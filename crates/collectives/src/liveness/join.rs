//! Opens the connections at start: rank 0 listens and says where, the others call, over IPv4 or
//! IPv6; over loopback where all ranks are on one host, and never else.

use std::{
    fs,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use super::{
    door::{ONE_CALLER, admit_all},
    greeting::{Secret, Talk},
    options::LivenessOptions,
    process::Process,
};
use crate::{Collective, CollectiveError, Rank};

/// For one address of rank 0 to answer.
const ONE_ADDRESS: Duration = ONE_CALLER;

/// Between two rounds over rank 0's addresses.
const PAUSE: Duration = Duration::from_millis(50);

/// Connections that the system holds until rank 0 comes to them (it has a limit of its own:
/// `net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// The open connections of this process.
pub(super) enum Joined {
    /// Rank 0: one connection a rank from 1 on, in rank order.
    Coordinator(Vec<Process>, Vec<TcpStream>),
    /// Another rank: its connection to rank 0.
    Worker(Vec<Process>, Rank, TcpStream),
}

/// All ranks call it together.
pub(super) fn join(
    collective: &mut dyn Collective,
    host: &str,
    options: LivenessOptions,
) -> Result<Joined, CollectiveError> {
    let rank = collective.rank();
    let failed = |message: String| CollectiveError::Liveness { rank, message };
    let (processes, reach) = gather_processes(collective, host)?;
    let listening = (rank == Rank(0)).then(|| listen(reach)).transpose();
    let (listening, listen_error) = match listening {
        Ok(listening) => (listening, None),
        Err(error) => (None, Some(error)),
    };
    let mut invitation = listening
        .as_ref()
        .map(|(_, invitation)| invitation.encode())
        .unwrap_or_default();
    collective.broadcast(Rank(0), &mut invitation)?;
    if let Some(error) = listen_error {
        return Err(failed(format!("it cannot listen for the other ranks: {error}")));
    }
    let Some(invitation) = Invitation::decode(&invitation) else {
        return Err(failed("rank 0 cannot listen for the other ranks".to_owned()));
    };
    if let Some((listeners, _)) = listening {
        let streams = admit_all(&listeners, &processes, invitation.secret, options.join).map_err(failed)?;
        Ok(Joined::Coordinator(processes, streams))
    } else {
        let stream = call(&invitation, rank, options.join).map_err(failed)?;
        Ok(Joined::Worker(processes, rank, stream))
    }
}

/// Whom rank 0 has to be reached by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Processes of its own host alone.
    Loopback,
    /// Other hosts.
    Network,
}

impl Reach {
    /// By the network that each rank is in; `None` for one that does not know.
    fn of(networks: &[Option<String>]) -> Self {
        let first = networks.first().and_then(Option::as_ref);
        let is_one = first.is_some_and(|first| networks.iter().all(|other| other.as_ref() == Some(first)));
        if is_one { Self::Loopback } else { Self::Network }
    }
}

/// What processes with one loopback have in common: the running kernel and the network namespace.
/// The names of hosts do not tell: two hosts may have one name, and so may two containers.
fn own_network() -> Option<String> {
    let kernel = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/net").ok()?;
    Some(format!("{}/{}", kernel.trim(), namespace.to_str()?))
}

fn gather_processes(
    collective: &mut dyn Collective,
    host: &str,
) -> Result<(Vec<Process>, Reach), CollectiveError> {
    let network = own_network().unwrap_or_default();
    let own = format!("{}\n{network}\n{host}", std::process::id());
    let all = collective.all_gather(own.as_bytes())?;
    let read = |(rank, bytes): (u32, Vec<u8>)| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines = text.splitn(3, '\n');
        let mut line = || lines.next().unwrap_or_default().to_owned();
        let (pid, network, host) = (line().parse().unwrap_or(0), line(), line());
        let rank = Rank(rank);
        (
            Process { rank, host, pid },
            Some(network).filter(|network| !network.is_empty()),
        )
    };
    let (processes, networks): (Vec<_>, Vec<_>) = (0..).zip(all).map(read).unzip();
    Ok((processes, Reach::of(&networks)))
}

/// Where rank 0 listens, and by what the ranks of its run know each other.
struct Invitation {
    secret: Secret,
    addresses: Vec<SocketAddr>,
}

impl Invitation {
    fn encode(&self) -> Vec<u8> {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        format!("{} {}", self.secret.encode(), addresses.join(" ")).into_bytes()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut words = text.split_ascii_whitespace();
        Some(Self {
            secret: Secret::decode(words.next()?)?,
            addresses: words.map(str::parse).collect::<Result<_, _>>().ok()?,
        })
    }
}

/// One listener for each family of addresses that this host has. A single one for both would
/// depend on the system's `bindv6only`.
fn listen(reach: Reach) -> io::Result<(Vec<TcpListener>, Invitation)> {
    let secret = Secret::draw()?;
    let (mut listeners, mut addresses, mut refused) = (Vec::new(), Vec::new(), None);
    for (at, called) in places(reach)? {
        match listen_at(at) {
            Ok((listener, port)) => {
                addresses.extend(called.into_iter().map(|address| SocketAddr::new(address, port)));
                listeners.push(listener);
            }
            Err(error) => refused = Some(error),
        }
    }
    if listeners.is_empty() {
        let none = || io::Error::other("this host has no address that another host can reach");
        return Err(refused.unwrap_or_else(none));
    }
    Ok((listeners, Invitation { secret, addresses }))
}

/// Where to listen, each with the addresses under which others reach it. IPv4 first: most clusters
/// have it among their hosts.
fn places(reach: Reach) -> io::Result<Vec<(IpAddr, Vec<IpAddr>)>> {
    if reach == Reach::Loopback {
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        return Ok(loopback.map(|address| (address, vec![address])).into());
    }
    let own: Vec<IpAddr> = if_addrs::get_if_addrs()?
        .iter()
        .map(if_addrs::Interface::ip)
        .filter(|address| !address.is_loopback() && !is_of_one_link(address))
        .collect();
    let of_family = |any: IpAddr| {
        let own = own.iter().filter(|address| address.is_ipv4() == any.is_ipv4());
        (any, own.copied().collect::<Vec<_>>())
    };
    let families = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let places = families.map(of_family).into_iter();
    Ok(places.filter(|(_, called)| !called.is_empty()).collect())
}

fn listen_at(address: IpAddr) -> io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind((address, 0))?;
    // Again, for more room than the standard library asks for.
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// An IPv6 address that another host can only use with the name of its own interface to it.
fn is_of_one_link(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn call(invitation: &Invitation, rank: Rank, within: Duration) -> Result<TcpStream, String> {
    let deadline = Instant::now() + within;
    let mut failures = Vec::new();
    loop {
        failures.clear();
        for &address in &invitation.addresses {
            match call_one(address, invitation.secret, rank, deadline) {
                Ok(stream) => return Ok(stream),
                Err(error) => failures.push(format!("{address}: {error}")),
            }
        }
        if Instant::now() >= deadline {
            return Err(format!(
                "rank 0 cannot be reached at any of its addresses ({}): the hosts must reach rank 0 over TCP (firewall? private network?)",
                failures.join("; ")
            ));
        }
        std::thread::sleep(PAUSE);
    }
}

fn call_one(address: SocketAddr, secret: Secret, rank: Rank, deadline: Instant) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, ONE_ADDRESS)?;
    let soon = Instant::now() + ONE_ADDRESS;
    stream.set_nodelay(true)?;
    let call = secret.call(rank)?;
    stream.write_all(&call)?;
    let answer = read_whole(&mut stream, soon)?;
    let talk = Talk { call, answer };
    let other = || io::Error::new(io::ErrorKind::InvalidData, "another program answers there");
    if !secret.is_of_rank_0(&talk) {
        return Err(other());
    }
    stream.write_all(&secret.proof(&talk))?;
    // It is rank 0, which closes the connection if it cannot keep it; to leave before would let it
    // take a connection that is gone.
    let welcome = read_whole(&mut stream, deadline)?;
    if !secret.is_welcome(&talk, &welcome) {
        return Err(other());
    }
    // From here on the channel reads what there is and never waits.
    stream.set_read_timeout(None)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// No byte beyond it is taken: what follows belongs to the next reader.
fn read_whole<const LENGTH: usize>(stream: &mut TcpStream, deadline: Instant) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    let mut filled = 0;
    while filled < LENGTH {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut bytes[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;

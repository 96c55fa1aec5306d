//! Strangers at the port of rank 0, over real sockets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::liveness::{greeting::ANSWER, tests::another_process};

const WITHIN: Duration = Duration::from_secs(50);
const NUM_RANKS: u32 = 4;

fn listener() -> (Vec<TcpListener>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (vec![listener], address)
}

fn processes() -> Vec<Process> {
    (0..=NUM_RANKS).map(another_process).collect()
}

/// What a rank does, once; whether it was taken.
fn greet(address: SocketAddr, secret: Secret, rank: u32) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, ONE_CALLER)?;
    stream.set_read_timeout(Some(ONE_CALLER))?;
    let call = secret.call(Rank(rank))?;
    stream.write_all(&call)?;
    let mut answer = [0; ANSWER];
    stream.read_exact(&mut answer)?;
    let talk = Talk { call, answer };
    stream.write_all(&secret.proof(&talk))?;
    let mut welcome = [0; PROOF];
    stream.read_exact(&mut welcome)?;
    assert!(secret.is_welcome(&talk, &welcome));
    Ok(stream)
}

/// All ranks greet until they are taken, each with what it says afterwards in its connection.
fn admit_beside(address: SocketAddr, listeners: &[TcpListener], secret: Secret) -> Duration {
    let begun = Instant::now();
    thread::scope(|scope| {
        for rank in 1..=NUM_RANKS {
            scope.spawn(move || {
                while begun.elapsed() < WITHIN {
                    if let Ok(mut stream) = greet(address, secret, rank) {
                        stream.write_all(&[u8::try_from(rank).unwrap()]).unwrap();
                        return;
                    }
                }
            });
        }
        let streams = admit_all(listeners, &processes(), secret, WITHIN).unwrap();
        let took = begun.elapsed();
        for (rank, mut stream) in (1..).zip(streams) {
            let mut said = [0];
            stream.set_nonblocking(false).unwrap();
            stream.read_exact(&mut said).unwrap();
            assert_eq!(said, [rank], "each rank has its own place");
        }
        took
    })
}

/// One after the other they would have taken 3 s each.
#[test]
fn silent_strangers_do_not_use_up_the_time_of_the_ranks() {
    let (listeners, address) = listener();
    let strangers: Vec<_> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    let took = admit_beside(address, &listeners, Secret::draw().unwrap());
    assert!(took < Duration::from_secs(20), "{took:?}");
    drop(strangers);
}

#[test]
fn a_flood_of_connections_does_not_keep_the_ranks_out() {
    let (listeners, address) = listener();
    let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for kind in 0..4 {
            let (over, count) = (&over, &count);
            scope.spawn(move || {
                let mut held = VecDeque::new();
                while !over.load(Ordering::Relaxed) {
                    let Ok(mut stream) = TcpStream::connect_timeout(&address, ONE_CALLER) else {
                        continue;
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    match kind {
                        0 => drop(stream),
                        1 => drop(stream.write_all(&[0; 4096])),
                        // One that says all of a call but its end.
                        2 => drop(stream.write_all(&[0; CALL - 1]).map(|()| held.push_back(stream))),
                        _ => held.push_back(stream),
                    }
                    if held.len() > 100 {
                        held.pop_front();
                    }
                }
            });
        }
        while count.load(Ordering::Relaxed) < 50 {
            thread::yield_now();
        }
        let took = admit_beside(address, &listeners, Secret::draw().unwrap());
        over.store(true, Ordering::Relaxed);
        // Those that wait to be taken are refused now.
        drop(listeners);
        assert!(took < Duration::from_secs(40), "{took:?}");
    });
}

/// What comes after `said`: nothing, because rank 0 has closed the connection.
fn is_turned_away(address: SocketAddr, said: &[u8]) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(ONE_CALLER * 4)).unwrap();
    let _ = stream.write_all(said);
    let mut heard = Vec::new();
    // A connection that is closed with unread bytes is reset.
    match stream.read_to_end(&mut heard) {
        Ok(_) => heard.is_empty(),
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn greetings_that_are_too_long_foreign_repeated_or_of_no_rank_are_turned_away() {
    let (listeners, address) = listener();
    let (secret, foreign) = (Secret::draw().unwrap(), Secret::draw().unwrap());
    let overheard = secret.call(Rank(2)).unwrap();
    thread::scope(|scope| {
        let door = scope.spawn(|| admit_all(&listeners, &processes(), secret, WITHIN));
        let mut first = TcpStream::connect(address).unwrap();
        first.write_all(&overheard).unwrap();
        first.read_exact(&mut [0; ANSWER]).unwrap();
        assert!(is_turned_away(address, &overheard), "a call counts once");
        assert!(is_turned_away(address, &vec![0; 1 << 20]), "a long one");
        assert!(
            is_turned_away(address, &foreign.call(Rank(1)).unwrap()),
            "of another run"
        );
        assert!(
            is_turned_away(address, b"GET / HTTP/1.1\r\nHost: rank-0\r\n\r\n"),
            "a short one, in time"
        );
        for rank in [0, NUM_RANKS + 1, u32::MAX] {
            assert!(greet(address, secret, rank).is_err(), "rank {rank}");
        }
        // A right call with a wrong proof.
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&secret.call(Rank(1)).unwrap()).unwrap();
        stream.read_exact(&mut [0; ANSWER]).unwrap();
        stream.write_all(&[0; PROOF]).unwrap();
        assert!(stream.read_exact(&mut [0; PROOF]).is_err());
        let kept: Vec<_> = (1..=NUM_RANKS)
            .map(|rank| greet(address, secret, rank).unwrap())
            .collect();
        assert_eq!(door.join().unwrap().unwrap().len(), kept.len());
    });
}

#[test]
fn a_rank_that_calls_again_is_heard_on_its_new_connection() {
    let (listeners, address) = listener();
    let secret = Secret::draw().unwrap();
    thread::scope(|scope| {
        let door = scope.spawn(|| admit_all(&listeners, &processes(), secret, WITHIN));
        drop(greet(address, secret, 1).unwrap());
        let kept: Vec<_> = (1..=NUM_RANKS)
            .map(|rank| greet(address, secret, rank).unwrap())
            .collect();
        let streams = door.join().unwrap().unwrap();
        for (stream, own) in streams.iter().zip(&kept) {
            assert_eq!(stream.peer_addr().unwrap(), own.local_addr().unwrap());
        }
    });
}

#[test]
fn ranks_that_do_not_come_are_named_with_the_number_of_strangers_that_did() {
    let (listeners, address) = listener();
    let secret = Secret::draw().unwrap();
    let stranger = thread::spawn(move || is_turned_away(address, &[0; CALL]));
    let error = admit_all(&listeners, &processes(), secret, Duration::from_millis(500)).unwrap_err();
    assert!(stranger.join().unwrap());
    assert!(
        error.starts_with("no connection from rank 1 (host elsewhere, pid 0), rank 2")
            && error.contains("connections of other programs that were turned away: 1"),
        "{error}"
    );
}

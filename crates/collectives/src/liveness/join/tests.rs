use std::sync::mpsc::channel;
use std::thread;

use super::*;
use crate::liveness::tests::another_process;

const WITHIN: Duration = Duration::from_secs(40);

/// Ranks 0 and 1.
fn two_processes() -> Vec<Process> {
    (0..2).map(another_process).collect()
}

#[test]
fn ranks_of_one_host_meet_on_loopback_and_nobody_else_reaches_the_port() {
    let (listeners, invitation) = listen(Reach::Loopback).unwrap();
    assert!(!listeners.is_empty());
    for listener in &listeners {
        assert!(listener.local_addr().unwrap().ip().is_loopback());
    }
    assert!(
        invitation
            .addresses
            .iter()
            .all(|address| address.ip().is_loopback())
    );
    let own = if_addrs::get_if_addrs().unwrap();
    let own = own.iter().map(if_addrs::Interface::ip);
    for address in own.filter(|address| address.is_ipv4() && !address.is_loopback()) {
        let port = invitation.addresses[0].port();
        let refused = TcpStream::connect_timeout(&SocketAddr::new(address, port), ONE_ADDRESS);
        assert!(refused.is_err(), "{address} leads to a port of loopback");
    }
}

#[test]
fn ranks_of_several_hosts_never_hear_of_loopback() {
    let Ok((_listeners, invitation)) = listen(Reach::Network) else {
        test_data::skip("this machine has no address but loopback");
        return;
    };
    assert!(!invitation.addresses.is_empty());
    assert!(
        !invitation
            .addresses
            .iter()
            .any(|address| address.ip().is_loopback())
    );
}

#[test]
fn hosts_are_told_apart_by_kernel_and_network_and_not_by_name() {
    let one = || Some("kernel-1/net:[1]".to_owned());
    let container = Some("kernel-1/net:[2]".to_owned());
    let other = Some("kernel-2/net:[1]".to_owned());
    assert_eq!(Reach::of(&[one(), one(), one()]), Reach::Loopback);
    for strange in [container, other, None] {
        assert_eq!(Reach::of(&[one(), one(), strange.clone()]), Reach::Network);
        assert_eq!(Reach::of(&[strange, one()]), Reach::Network);
    }
    assert_eq!(Reach::of(&[None, None]), Reach::Network);
    // The processes of this test are on one host.
    let own = own_network().unwrap();
    assert!(own.contains("net:["), "{own}");
}

#[test]
fn a_rank_joins_over_each_family_of_addresses_that_the_host_of_rank_0_has() {
    let mut tried = 0;
    for reach in [Reach::Loopback, Reach::Network] {
        for is_of_family in [SocketAddr::is_ipv4, SocketAddr::is_ipv6] {
            let Ok((listeners, invitation)) = listen(reach) else {
                continue;
            };
            let mut invitation = Invitation::decode(&invitation.encode()).unwrap();
            invitation.addresses.retain(is_of_family);
            if invitation.addresses.is_empty() {
                continue;
            }
            let secret = invitation.secret;
            let calling = thread::spawn(move || call(&invitation, Rank(1), WITHIN).unwrap());
            let streams = admit_all(&listeners, &two_processes(), secret, WITHIN).unwrap();
            assert_eq!(
                streams[0].peer_addr().unwrap(),
                calling.join().unwrap().local_addr().unwrap()
            );
            tried += 1;
        }
    }
    assert!(tried > 0, "this machine has no network at all");
}

/// An address at which each connection is met by `answer`.
fn impostor(answer: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            answer(stream);
        }
    });
    address
}

/// Docker gives the same address to a bridge of every host, so another program may listen where
/// rank 0 is called.
#[test]
fn a_rank_goes_on_to_the_next_address_where_another_program_answers() {
    let (listeners, mut invitation) = listen(Reach::Loopback).unwrap();
    let secret = invitation.secret;
    let foreign = Secret::draw().unwrap();
    let own_words = impostor(|mut stream| {
        let call: [u8; 56] = read_whole(&mut stream, Instant::now() + WITHIN).unwrap();
        let _ = stream.write_all(&call);
    });
    let other_run = impostor(move |mut stream| {
        let call = read_whole(&mut stream, Instant::now() + WITHIN).unwrap();
        let _ = stream.write_all(&foreign.answer(&call).unwrap());
    });
    let closes = impostor(drop);
    let first = [own_words, other_run, closes];
    invitation.addresses.splice(0..0, first);
    let calling = thread::spawn(move || call(&invitation, Rank(1), WITHIN));
    admit_all(&listeners, &two_processes(), secret, WITHIN).unwrap();
    calling.join().unwrap().unwrap();
}

#[test]
fn a_rank_that_finds_only_other_programs_says_so_with_their_addresses() {
    let address = impostor(|mut stream| drop(stream.write_all(&[7; 1000])));
    let invitation = Invitation {
        secret: Secret::draw().unwrap(),
        addresses: vec![address],
    };
    let error = call(&invitation, Rank(1), Duration::from_millis(300)).unwrap_err();
    assert!(
        error.contains(&format!("{address}: another program answers there")),
        "{error}"
    );
}

/// A connection that rank 0 drops is no end: the rank calls again until its time is over.
#[test]
fn a_rank_that_was_turned_away_calls_again() {
    let (listeners, mut invitation) = listen(Reach::Loopback).unwrap();
    invitation.addresses.truncate(1);
    let secret = invitation.secret;
    let (connected, met) = channel();
    let calling = thread::spawn(move || {
        connected.send(()).unwrap();
        call(&invitation, Rank(1), WITHIN).unwrap()
    });
    met.recv().unwrap();
    let mut turned_away = 0;
    while turned_away < 3 {
        match listeners[0].accept() {
            Ok((stream, _)) => {
                drop(stream);
                turned_away += 1;
            }
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
    admit_all(&listeners, &two_processes(), secret, WITHIN).unwrap();
    calling.join().unwrap();
}

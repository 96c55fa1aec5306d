//! A server that is told to stop answers what it has accepted; a client that goes away stops nothing.

use std::io::Write;
use std::thread::{self, JoinHandle};

use anyhow::{Result, ensure};
use rustix::process::Signal;

use crate::process::{LIMIT, Reply, Served, connect, head, post, wait_until};
use crate::refusals::long_request;

const JSON: &str = "application/json";

fn long_requests(served: &Served, count: u64) -> Result<Vec<JoinHandle<Result<Reply>>>> {
    let address = served.address;
    let clients =
        (0..count).map(|_| thread::spawn(move || post(address, "/invocations", JSON, &long_request())));
    let clients = clients.collect();
    wait_until("all requests are in the queue", || {
        let metrics = served.get("/metrics")?.text();
        let done = metrics
            .lines()
            .any(|line| line.starts_with("tenk_requests_total{path=\"/invocations\""));
        Ok(done || served.metric("tenk_queued_tokens")? >= count * 2048 * 32)
    })?;
    Ok(clients)
}

#[test]
fn requests_in_flight_are_answered_before_a_signal_ends_the_server() -> Result<()> {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut served = Served::start(&["--queue-tokens", "10000000"])?;
        let clients = long_requests(&served, 8)?;
        served.signal(signal)?;
        for client in clients {
            let reply = client.join().expect("a client panicked")?;
            let vectors = reply.vectors()?;
            ensure!(vectors.len() == 2048 && vectors[0].len() == 16);
        }
        let (code, said) = served.end()?;
        ensure!(code == Some(0) && said.is_empty(), "{code:?}: {said}");
        ensure!(served.get("/ping").is_err(), "something still listens");
    }
    Ok(())
}

/// A connection that has sent half a request.
fn half_a_request(served: &Served) -> Result<std::net::TcpStream> {
    let mut stream = connect(served.address)?;
    let headers = [("content-type", "application/x-text"), ("content-length", "100")];
    stream.write_all(format!("{}\r\nhalf", head("POST", "/invocations", &headers)).as_bytes())?;
    Ok(stream)
}

fn wait_until_it_takes_no_more(served: &Served) -> Result<()> {
    wait_until("no connection is taken", || {
        Ok(std::net::TcpStream::connect_timeout(&served.address, LIMIT).is_err())
    })
}

#[test]
fn a_connection_that_never_sends_its_request_does_not_hold_up_the_end() -> Result<()> {
    let mut served = Served::start(&[])?;
    let _idle = connect(served.address)?;
    let _half = half_a_request(&served)?;
    ensure!(served.get("/ping")?.status == 200);
    served.signal(Signal::TERM)?;
    let (code, said) = served.end()?;
    ensure!(
        code == Some(0) && said.contains("no whole request"),
        "{code:?}: {said}"
    );
    Ok(())
}

#[test]
fn a_second_signal_ends_the_server_at_once_and_says_so() -> Result<()> {
    let mut served = Served::start(&[])?;
    let _half = half_a_request(&served)?;
    ensure!(served.get("/ping")?.status == 200);
    served.signal(Signal::TERM)?;
    wait_until_it_takes_no_more(&served)?;
    served.signal(Signal::TERM)?;
    let (code, said) = served.end()?;
    ensure!(
        code == Some(1) && said.contains("second signal"),
        "{code:?}: {said}"
    );
    Ok(())
}

#[test]
fn the_texts_of_a_closed_connection_are_not_embedded() -> Result<()> {
    let served = Served::start(&["--queue-tokens", "10000000", "--batch-tokens", "64"])?;
    let (body, mut streams) = (long_request(), Vec::new());
    for _ in 0..4 {
        let mut stream = connect(served.address)?;
        let length = body.len().to_string();
        let headers = [("content-type", JSON), ("content-length", &length)];
        stream.write_all(format!("{}\r\n", head("POST", "/invocations", &headers)).as_bytes())?;
        stream.write_all(&body)?;
        streams.push(stream);
    }
    wait_until("a request is in the queue", || {
        Ok(served.metric("tenk_queued_tokens")? > 0)
    })?;
    drop(streams);
    drop(half_a_request(&served)?);
    wait_until("nothing waits any more", || {
        Ok(served.metric("tenk_queued_tokens")? == 0)
    })?;
    let texts = served.metric("tenk_texts_total")?;
    ensure!(texts < 4 * 2048, "all {texts} texts were embedded");
    ensure!(served.post("/invocations", "application/x-text", b"next")?.status == 200);
    Ok(())
}

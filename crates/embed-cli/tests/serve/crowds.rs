//! Crowds of clients that send nothing, send drop by drop, send much, or take no answer: the server's
//! memory stays under the bound that `docs/serving.md` states, and `/ping` is answered throughout.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::json;

use crate::process::{LIMIT, Served, connect, exchange, head, wait_until};

const JSON: &str = "application/json";
/// Sockets of one crowd.
const CROWD: usize = 1000;
/// `/ping` is answered within it.
const PING: Duration = Duration::from_secs(2);
const MEMORY_MIB: u64 = 64;

fn ping(served: &Served) -> Result<()> {
    let begun = Instant::now();
    ensure!(served.get("/ping")?.status == 200);
    let took = begun.elapsed();
    ensure!(took < PING, "/ping took {took:?}");
    Ok(())
}

/// This process opens as many files as its crowds need.
fn allow_files(files: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum;
    let current = maximum.map_or(files, |most| most.min(files));
    ensure!(
        current >= files,
        "this test needs {files} open files: raise the hard limit of `ulimit -n`"
    );
    if limit.current.is_some_and(|now| now < current) {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(current),
                maximum,
            },
        )?;
    }
    Ok(())
}

/// A socket that does not wait: it has what the kernel takes, and no more.
fn send(served: &Served, bytes: &[u8]) -> Result<TcpStream> {
    let mut stream = connect(served.address)?;
    stream.set_nonblocking(true)?;
    // The server may have closed it by then, to make place for others.
    let _ = stream.write(bytes);
    Ok(stream)
}

fn request(body: &[u8], length: usize) -> Vec<u8> {
    let length = length.to_string();
    let headers = [("content-type", JSON), ("content-length", length.as_str())];
    [
        format!("{}\r\n", head("POST", "/invocations", &headers)).as_bytes(),
        body,
    ]
    .concat()
}

#[test]
fn three_thousand_clients_of_ill_will_stay_within_the_memory_and_ping_is_answered() -> Result<()> {
    allow_files(4096)?;
    let served = Served::start(&["--memory-mib", &MEMORY_MIB.to_string()])?;
    // What the program and one of its largest requests take by themselves.
    let largest = json!(["revenue ".repeat((6 << 20) / 8 - 2)])
        .to_string()
        .into_bytes();
    ensure!(served.post("/invocations", JSON, &largest)?.status == 200);
    let before = served.peak_mib()?;

    let many_texts = json!(vec![""; 2048]).to_string();
    let never_read = request(many_texts.as_bytes(), many_texts.len());
    let drip = request(b"[", 6 << 20);
    let large = request(&largest, largest.len());
    let mut streams = Vec::new();
    for index in 0..CROWD {
        for bytes in [&never_read, &drip, &large] {
            streams.push(send(&served, bytes)?);
        }
        if index % 50 == 0 {
            for stream in streams.iter_mut().rev().take(200) {
                let _ = stream.write(&largest[..1 << 16]);
            }
            ping(&served)?;
        }
    }
    for _ in 0..10 {
        for stream in &mut streams {
            let _ = stream.write(b"a");
        }
        ping(&served)?;
    }
    let more = served.peak_mib()?.saturating_sub(before);
    // Bodies and answers, 1024 connections of 64 KiB, and as much again for what the allocator keeps.
    let bound = 2 * (MEMORY_MIB + 64);
    ensure!(
        more <= bound,
        "{more} MiB more than {before} MiB, {bound} are stated"
    );
    let open = served.metric("tenk_open_connections")?;
    ensure!(open <= 1024, "{open} connections");
    let held = served.metric("tenk_held_bytes")?;
    ensure!(held <= MEMORY_MIB << 20, "{held} bytes held");
    drop(streams);
    wait_until("all room is given back", || {
        Ok(served.metric("tenk_held_bytes")? == 0)
    })?;
    ensure!(served.post("/invocations", JSON, b"[\"a\"]")?.status == 200);
    Ok(())
}

#[test]
fn with_1024_files_and_1020_half_sent_heads_ping_is_alive() -> Result<()> {
    allow_files(2048)?;
    let served = Served::start_with_files(1024)?;
    let half = b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-ty";
    let mut streams = Vec::new();
    for index in 0..1020 {
        streams.push(send(&served, half)?);
        if index % 100 == 0 {
            ping(&served)?;
        }
    }
    for _ in 0..5 {
        ping(&served)?;
    }
    ensure!(served.metric("tenk_open_connections")? <= 960);
    ensure!(served.closed("room")? >= 60, "{}", served.closed("room")?);
    ensure!(served.post("/invocations", JSON, b"[\"a\"]")?.status == 200);
    Ok(())
}

#[test]
fn a_client_that_keeps_the_server_waiting_is_closed_in_its_time() -> Result<()> {
    let times = [
        "--head-timeout-s",
        "1",
        "--idle-timeout-s",
        "2",
        "--body-timeout-s",
        "1",
        "--write-timeout-s",
        "1",
    ];
    let served = Served::start(&times)?;
    let mut silent = connect(served.address)?;
    let mut drips = connect(served.address)?;
    for byte in b"GET /ping HTT" {
        // It is closed before the last one.
        let _ = drips.write(&[*byte]);
        std::thread::sleep(Duration::from_millis(150));
    }
    ensure!(is_closed(&mut silent)? && is_closed(&mut drips)?);
    ensure!(served.closed("head")? == 2);

    let mut idle = connect(served.address)?;
    idle.write_all(b"GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
    ensure!(is_closed(&mut idle)? && served.closed("idle")? == 1);

    let slow = exchange(
        served.address,
        &head(
            "POST",
            "/invocations",
            &[("content-type", JSON), ("content-length", "9")],
        ),
        b"[",
    )?;
    ensure!(
        slow.status == 408 && slow.message()?.contains("within 1 s"),
        "{}",
        slow.text()
    );

    // Many requests on one connection: what their answers take is more than the kernel holds.
    let texts = json!(vec![""; 2048]).to_string();
    let mut stalled = connect(served.address)?;
    stalled.set_nonblocking(true)?;
    let keep_alive = format!(
        "POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-type: {JSON}\r\ncontent-length: {}\r\n\r\n{texts}",
        texts.len()
    );
    let begun = Instant::now();
    while served.closed("write")? == 0 {
        ensure!(begun.elapsed() < LIMIT, "the stalled client is not closed");
        let _ = stalled.write(keep_alive.as_bytes());
        std::thread::sleep(Duration::from_millis(50));
    }
    wait_until("the room is given back", || {
        Ok(served.metric("tenk_held_bytes")? == 0)
    })?;
    Ok(())
}

/// Whether nothing more comes.
fn is_closed(stream: &mut TcpStream) -> Result<bool> {
    std::io::copy(stream, &mut std::io::sink()).map_or_else(
        |error| Ok(error.kind() == std::io::ErrorKind::ConnectionReset),
        |_| Ok(true),
    )
}

#[test]
fn clients_that_stall_do_not_hold_up_the_end_and_who_waits_is_answered() -> Result<()> {
    let mut served = Served::start(&["--queue-tokens", "10000000"])?;
    let texts = json!(vec![""; 2048]).to_string();
    // First, so that it has been taken when the signal comes.
    let mut waits = connect(served.address)?;
    waits.write_all(&request(texts.as_bytes(), texts.len()))?;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(send(&served, &request(texts.as_bytes(), texts.len()))?);
        streams.push(send(&served, &request(b"[", 100))?);
        streams.push(send(&served, b"GET /ping HT")?);
    }
    wait_until("all connections are taken", || {
        Ok(served.metric("tenk_open_connections")? > 40)
    })?;
    let begun = Instant::now();
    served.signal(Signal::TERM)?;
    let reply = crate::process::read_reply(waits)?;
    ensure!(reply.vectors()?.len() == 2048);
    let (code, said) = served.end()?;
    let took = begun.elapsed();
    ensure!(
        code == Some(0) && took < Duration::from_secs(40),
        "{code:?} after {took:?}: {said}"
    );
    Ok(())
}

#[test]
fn a_request_by_another_name_is_refused_on_the_loopback_address() -> Result<()> {
    let served = Served::start(&[])?;
    let ask = |host: &str, path: &str| {
        let mut stream = connect(served.address)?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{host}\r\n").as_bytes())?;
        crate::process::read_reply(stream)
    };
    for path in ["/ping", "/info", "/invented"] {
        let reply = ask("host: rebound.example:8080\r\n", path)?;
        ensure!(reply.status == 403, "{path}: {}", reply.status);
        let said = reply.message()?;
        ensure!(
            said.contains("rebound.example") && said.contains("--allowed-hosts"),
            "{said}"
        );
    }
    ensure!(ask("host: localhost:1\r\n", "/ping")?.status == 200);
    ensure!(ask("host: [::1]\r\n", "/ping")?.status == 200);
    ensure!(ask("", "/ping")?.status == 400);
    let named = Served::start(&["--allowed-hosts", "rebound.example,other.example"])?;
    let headers = "GET /ping HTTP/1.1\r\nhost: rebound.example\r\nconnection: close\r\n";
    ensure!(exchange(named.address, headers, b"")?.status == 200);
    Ok(())
}

//! Answers that no archive gives: too long, packed to burst, and leading elsewhere.

use std::io::Write;
use std::sync::Arc;

use super::connection::{is_loopback, is_web_address};
use super::test_server::{Answer, TestServer};
use super::*;

const MOST_BYTES: u64 = 10_000;

/// The body for `/a`, or what the last attempt met.
fn fetched(server: &TestServer) -> Result<Vec<u8>, String> {
    let client = Client::new(&server.connection(), Arc::new(TestClock::default())).unwrap();
    let url = format!("{}/a", server.base_url);
    let request = Request {
        url: &url,
        first_byte: 0,
        most_bytes: MOST_BYTES,
    };
    let received = client.fetch(&request, |mut transfer| {
        let mut bytes = Vec::new();
        let passed = transfer.each_chunk(|chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        });
        match passed {
            Ok(()) => Ok(bytes),
            Err(Stopped::Transfer(fault)) => Err(fault.into()),
            Err(Stopped::Receiver(error)) => Err(Fault::cut(&error).into()),
        }
    });
    received.map_err(|error| match error {
        FetchError::GivenUp { fault, .. } => fault.to_string(),
        error => error.to_string(),
    })
}

fn gzip(bytes: &[u8]) -> Answer {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    Answer::ok(encoder.finish().unwrap()).header("Content-Encoding", "gzip")
}

fn redirect(to: &str) -> Answer {
    Answer::status(302, "<html>over there</html>").header("Location", to)
}

#[test]
fn an_answer_of_the_limit_is_taken_and_a_longer_one_is_not_packed_or_plain() {
    let (most, more) = (vec![7; 10_000], vec![7; 10_001]);
    let server = TestServer::start();
    for whole in [
        Answer::ok(most.clone()),
        Answer::ok(most.clone()).without_length(),
        gzip(&most),
    ] {
        server.on("/a", [whole]);
        assert_eq!(fetched(&server).unwrap(), most);
    }
    let bomb = gzip(&vec![0; 50 << 20]);
    assert!(bomb.body.len() < 100_000);
    for long in [
        Answer::ok(more.clone()),
        Answer::ok(more.clone()).without_length(),
        gzip(&more),
        bomb,
    ] {
        server.on("/a", [long]);
        let error = fetched(&server).unwrap_err();
        assert!(error.contains("longer than the 10000 bytes"), "{error}");
    }
}

#[test]
fn an_answer_that_is_packed_otherwise_is_refused() {
    let server = TestServer::start();
    server.on("/a", [Answer::ok("x").header("Content-Encoding", "br")]);
    let error = fetched(&server).unwrap_err();
    assert!(error.contains("packed by br"), "{error}");
    server.on("/a", [Answer::ok("x").header("Content-Encoding", "identity")]);
    assert_eq!(fetched(&server).unwrap(), b"x");
}

#[test]
fn redirects_are_followed_on_the_given_server_alone_and_not_in_a_circle() {
    let (server, other) = (TestServer::start(), TestServer::start());
    other.on("/b", [Answer::ok("foreign")]);
    server.on("/b", [redirect("c")]);
    server.on("/c", [Answer::ok("own")]);
    server.on("/a", [redirect("/c")]);
    assert_eq!(fetched(&server).unwrap(), b"own");
    server.on("/a", [redirect(&format!("{}/c", server.base_url))]);
    assert_eq!(fetched(&server).unwrap(), b"own");

    let before = server.asked().len();
    server.on("/a", [redirect(&format!("{}/b", other.base_url))]);
    let error = fetched(&server).unwrap_err();
    assert!(
        error.contains("a host that does not serve the archive"),
        "{error}"
    );
    assert_eq!(other.asked(), [], "the other server is not asked");
    assert_eq!(
        server.asked().len(),
        before + 1,
        "nor is the first one asked again"
    );

    server.on("/a", [redirect("/a")]);
    let error = fetched(&server).unwrap_err();
    assert!(error.contains("on and on"), "{error}");
    server.on("/a", [redirect("/b")]);
    let error = fetched(&server).unwrap_err();
    assert!(error.contains("no address"), "{error}");
}

#[test]
fn only_this_machine_is_asked_without_its_proxy_and_no_address_names_a_user() {
    for url in [
        "http://127.0.0.1:80",
        "http://127.9.9.9/x",
        "http://localhost",
        "https://[::1]:1/",
    ] {
        assert!(is_loopback(url) && is_web_address(url), "{url}");
    }
    for url in [
        "http://127.evil.example",
        "http://localhost.evil.example",
        "http://10.0.0.1",
    ] {
        assert!(!is_loopback(url), "{url}");
    }
    assert!(!is_web_address("http://user:word@127.0.0.1/") && is_web_address("http://a.example/@b"));
}

#[test]
fn a_redirect_without_an_address_is_refused() {
    let server = TestServer::start();
    server.on("/a", [Answer::status(301, "")]);
    let error = fetched(&server).unwrap_err();
    assert!(error.contains("status 301"), "{error}");
}

//! What cannot be answered is refused with what is wrong, where, and the way out; the server goes on.

use std::io::Write;
use std::net::Shutdown;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::process::{
    Served, connect, exchange, export, head, post, read_reply, run, tenk_embed, wait_until,
};

const JSON: &str = "application/json";
const LINES: &str = "application/jsonlines";
const TEXT: &str = "application/x-text";

/// Path, content type, body, status, and words of the message.
type Case = (
    &'static str,
    &'static str,
    &'static [u8],
    u16,
    &'static [&'static str],
);

#[test]
fn a_malformed_request_is_refused_with_its_place() -> Result<()> {
    let served = Served::start(&[])?;
    let cases: [Case; 21] = [
        ("/invocations", TEXT, b"good \xff\xfe", 400, &["byte 5", "UTF-8"]),
        (
            "/invocations",
            JSON,
            b"{\"text_inputs\": ",
            400,
            &["line 1 column 16"],
        ),
        ("/invocations", JSON, b"", 400, &["JSON"]),
        ("/invocations", JSON, b"[[]]", 400, &["[0]", "line 1"]),
        ("/invocations", JSON, b"{}", 400, &["text_inputs"]),
        (
            "/invocations",
            JSON,
            b"{\"text_inputs\": 7}",
            400,
            &["a text or a list of texts", "column 17"],
        ),
        (
            "/invocations",
            JSON,
            b"{\"text_inputs\": [\"a\", null]}",
            400,
            &["null", "column 26"],
        ),
        (
            "/invocations",
            JSON,
            b"{\"text_inputs\": \"a\", \"mode\": \"x\"}",
            400,
            &["mode"],
        ),
        (
            "/invocations",
            JSON,
            b"{\"text_inputs\": \"a\"} b",
            400,
            &["column 22"],
        ),
        (
            "/invocations",
            JSON,
            b"{\"text_inputs\": \"\\ud800\"}",
            400,
            &["column"],
        ),
        (
            "/invocations",
            LINES,
            b"{\"inputs\": \"a\"}\n\n{\"inputs\": \"b\"}",
            400,
            &["line 2"],
        ),
        (
            "/invocations",
            LINES,
            b"{\"inputs\": \"a\"}\n{\"inputs\": 3}\n",
            400,
            &["line 2", "column 12"],
        ),
        (
            "/invocations",
            "text/html",
            b"a",
            415,
            &["text/html", TEXT, JSON, LINES],
        ),
        (
            "/invocations",
            "application/x-text; charset=latin-1",
            b"a",
            415,
            &["latin-1", "UTF-8"],
        ),
        ("/v1/embeddings", TEXT, b"a", 415, &[TEXT, JSON]),
        ("/v1/embeddings", JSON, b"{\"model\": \"m\"}", 400, &["input"]),
        (
            "/v1/embeddings",
            JSON,
            b"{\"input\": [[1, 2]]}",
            400,
            &["sequence", "column 11"],
        ),
        (
            "/v1/embeddings",
            JSON,
            b"{\"input\": \"a\", \"encoding_format\": \"int8\"}",
            400,
            &["int8", "base64"],
        ),
        (
            "/v1/embeddings",
            JSON,
            b"{\"input\": \"a\", \"dimensions\": 4}",
            400,
            &["dimensions", "16"],
        ),
        (
            "/endpoints/a/b",
            JSON,
            b"{}",
            404,
            &["/endpoints/a/b", "/invocations"],
        ),
        ("/ping", JSON, b"{}", 405, &["POST", "/ping"]),
    ];
    for (path, content_type, body, status, words) in cases {
        let reply = served.post(path, content_type, body)?;
        let case = format!("{path}, {content_type}, {}", String::from_utf8_lossy(body));
        ensure!(
            reply.status == status,
            "{case}: {} {}",
            reply.status,
            reply.text()
        );
        let message = reply.message()?;
        for word in words {
            ensure!(message.contains(word), "{case}: no {word} in {message}");
        }
    }
    let bare = exchange(
        served.address,
        &head("POST", "/invocations", &[("content-length", "1")]),
        b"a",
    )?;
    ensure!(
        bare.status == 415 && bare.message()?.contains("(none)"),
        "{}",
        bare.text()
    );
    ensure!(served.get("/ping")?.status == 200);
    Ok(())
}

#[test]
fn bytes_that_are_no_http_close_their_connection_alone() -> Result<()> {
    let served = Served::start(&[])?;
    for bytes in [
        &b"\0\xff\x16\x03\x01"[..],
        b"GET\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    ] {
        let mut stream = connect(served.address)?;
        stream.write_all(bytes)?;
        stream.shutdown(Shutdown::Write)?;
        // Whatever comes back, the connection ends.
        let _ = read_reply(stream);
    }
    ensure!(served.get("/ping")?.status == 200);
    Ok(())
}

#[test]
fn a_body_over_the_limit_is_refused_however_it_is_sent() -> Result<()> {
    let served = Served::start(&["--max-body-mib", "1"])?;
    let fits = vec![b'a'; 1 << 20];
    ensure!(served.post("/invocations", TEXT, &fits)?.status == 200);
    let too_large = vec![b'a'; (1 << 20) + 1];
    let reply = served.post("/invocations", TEXT, &too_large)?;
    ensure!(reply.status == 413, "{}", reply.status);
    let message = reply.message()?;
    ensure!(
        message.contains("1048576") && message.contains("--max-body-mib"),
        "{message}"
    );

    let headers = [("content-type", TEXT), ("transfer-encoding", "chunked")];
    let mut chunks = Vec::new();
    for chunk in too_large.chunks(100_000) {
        chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunks.extend_from_slice(chunk);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    let reply = exchange(served.address, &head("POST", "/invocations", &headers), &chunks)?;
    ensure!(reply.status == 413, "{}", reply.status);
    Ok(())
}

#[test]
fn more_texts_than_one_request_may_have_are_refused_with_the_number() -> Result<()> {
    let served = Served::start(&[])?;
    let body = |count: usize| json!({ "input": vec![""; count] }).to_string();
    ensure!(served.post("/v1/embeddings", JSON, body(2048).as_bytes())?.status == 200);
    let reply = served.post("/v1/embeddings", JSON, body(2049).as_bytes())?;
    ensure!(
        reply.status == 413 && reply.message()?.contains("2048"),
        "{}",
        reply.text()
    );
    let none = served.post("/v1/embeddings", JSON, body(0).as_bytes())?;
    ensure!(
        none.status == 200 && none.json()?["data"] == json!([]),
        "{}",
        none.text()
    );
    Ok(())
}

/// A request that keeps a small model busy for a while.
pub(crate) fn long_request() -> Vec<u8> {
    let text = "The company reported revenue of 12 million dollars. ".repeat(8);
    json!({ "text_inputs": vec![text; 2048] })
        .to_string()
        .into_bytes()
}

#[test]
fn a_full_queue_turns_requests_away_with_the_time_to_come_again() -> Result<()> {
    let served = Served::start(&["--queue-tokens", "1"])?;
    let address = served.address;
    // How long the model is busy depends on the machine: the first request that is found there counts.
    for _ in 0..20 {
        let long = std::thread::spawn(move || post(address, "/invocations", JSON, &long_request()));
        wait_until("the long request is in the queue", || {
            Ok(long.is_finished() || served.metric("tenk_queued_tokens")? > 0)
        })?;
        let reply = served.post("/invocations", TEXT, b"short")?;
        let answer = long.join().expect("a client panicked")?;
        ensure!(answer.status == 200, "{}", answer.text());
        if reply.status == 200 {
            continue;
        }
        ensure!(reply.status == 503, "{}", reply.text());
        let seconds: u64 = reply
            .headers
            .get("retry-after")
            .context("no Retry-After")?
            .parse()?;
        ensure!(
            (1..=60).contains(&seconds) && reply.message()?.contains("try again"),
            "{}",
            reply.text()
        );
        ensure!(
            served.post("/invocations", TEXT, b"short")?.status == 200,
            "there is room again"
        );
        return Ok(());
    }
    anyhow::bail!("the queue was never found full");
}

fn refusal(command: &mut std::process::Command) -> Result<String> {
    let ended = run(command)?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(
        ended.status.code() == Some(1) && !said.contains("panicked"),
        "{}: {said}",
        ended.status
    );
    Ok(said)
}

#[test]
fn a_taken_port_and_a_strange_host_are_named_with_the_way_out() -> Result<()> {
    let served = Served::start(&[])?;
    let port = served.address.port().to_string();
    let serve = |more: &[&str]| {
        refusal(
            tenk_embed()
                .arg("serve")
                .arg("--model")
                .arg(&served.model)
                .args(more),
        )
    };
    let said = serve(&["--port", &port])?;
    ensure!(
        said.contains(&port) && said.contains("taken") && said.contains("--port"),
        "{said}"
    );
    let said = serve(&["--port", "0", "--host", "192.0.2.1"])?;
    ensure!(said.contains("192.0.2.1") && said.contains("--host"), "{said}");
    Ok(())
}

#[test]
fn a_folder_that_cannot_be_served_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let model = export(folder.path());
    durable::commit_bytes(&durable::DISK, &model.join("text_dates.json"), b"{\"latest\": 3}")?;
    let mut command = tenk_embed();
    command.args(["serve", "--port", "0", "--model"]);
    let said = refusal(command.arg(&model))?;
    ensure!(said.contains("text_dates.json"), "{said}");
    Ok(())
}

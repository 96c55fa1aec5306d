//! A server that ends with its test, and a client that sends any bytes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// `tenk-embed` with its messages on.
pub(crate) fn tenk_embed() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenk-embed"));
    command.env("RUST_LOG", "warn").stdin(Stdio::null());
    command
}

/// A small model's folder.
pub(crate) fn export(folder: &Path) -> PathBuf {
    let model = folder.join("model");
    hf_folder::testing::export_tiny(&model);
    model
}

/// A running server; killed when it is dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) model: PathBuf,
    _folder: tempfile::TempDir,
}

impl Served {
    /// Serves a small model.
    pub(crate) fn start(more: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let model = export(folder.path());
        Self::start_on(folder, model, more)
    }

    /// Serves a small model by a process that may open so many files.
    pub(crate) fn start_with_files(files: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let model = export(folder.path());
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--nofile={files}:{files}"));
        limited
            .arg(env!("CARGO_BIN_EXE_tenk-embed"))
            .env("RUST_LOG", "warn");
        Self::start_by(limited, folder, model, &[])
    }

    pub(crate) fn start_on(folder: tempfile::TempDir, model: PathBuf, more: &[&str]) -> Result<Self> {
        Self::start_by(tenk_embed(), folder, model, more)
    }

    fn start_by(
        mut command: Command,
        folder: tempfile::TempDir,
        model: PathBuf,
        more: &[&str],
    ) -> Result<Self> {
        let mut child = command
            .args(["serve", "--port", "0", "--threads", "1", "--json", "--model"])
            .arg(&model)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("no output")?);
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            // An error is a line that says nothing.
            let _ = stdout.read_line(&mut line);
            sender.send(line)
        });
        let line = receiver.recv_timeout(LIMIT).unwrap_or_default();
        let address = serde_json::from_str::<Value>(&line)
            .ok()
            .and_then(|line| line["listening"].as_str()?.parse().ok());
        let Some(address) = address else {
            child.kill()?;
            let said = child.wait_with_output()?.stderr;
            anyhow::bail!("no address in {line:?}; {}", String::from_utf8_lossy(&said));
        };
        Ok(Self {
            child,
            address,
            model,
            _folder: folder,
        })
    }

    pub(crate) fn get(&self, path: &str) -> Result<Reply> {
        exchange(self.address, &head("GET", path, &[]), b"")
    }

    pub(crate) fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Reply> {
        post(self.address, path, content_type, body)
    }

    /// The value of a counter or gauge without labels.
    pub(crate) fn metric(&self, name: &str) -> Result<u64> {
        let text = self.get("/metrics")?.text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.with_context(|| format!("no {name} in {text}"))?
            .parse()
            .context("not a number")
    }

    /// Connections that the server closed for `reason`.
    pub(crate) fn closed(&self, reason: &str) -> Result<u64> {
        let text = self.get("/metrics")?.text();
        let name = format!("tenk_closed_connections_total{{reason=\"{reason}\"}} ");
        let count = text.lines().find_map(|line| line.strip_prefix(&name));
        count.map_or(Ok(0), |count| count.parse().context("not a number"))
    }

    /// Most memory that the process has had, in MiB.
    pub(crate) fn peak_mib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .context("no VmHWM")?;
        Ok(kib.parse::<u64>()? >> 10)
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id())?;
        Ok(kill_process(
            Pid::from_raw(id).context("a process without a number")?,
            signal,
        )?)
    }

    /// Its exit code and what it said, once it has ended by itself.
    pub(crate) fn end(&mut self) -> Result<(Option<i32>, String)> {
        let mut code = None;
        wait_until("the server ends", || {
            Ok(self
                .child
                .try_wait()?
                .inspect(|status| code = status.code())
                .is_some())
        })?;
        let mut said = String::new();
        self.child
            .stderr
            .take()
            .context("no messages")?
            .read_to_string(&mut said)?;
        Ok((code, said))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks every 10 ms whether `condition` holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !condition()? {
        ensure!(begun.elapsed() < LIMIT, "waited {LIMIT:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Runs a command that ends by itself.
pub(crate) fn run(command: &mut Command) -> Result<Output> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ended = wait_until("the command ends", || Ok(child.try_wait()?.is_some()));
    if ended.is_err() {
        child.kill()?;
    }
    ended?;
    Ok(child.wait_with_output()?)
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    /// The message of a refusal.
    pub(crate) fn message(&self) -> Result<String> {
        let json = self.json()?;
        Ok(json["error"]["message"]
            .as_str()
            .context("no message")?
            .to_owned())
    }

    /// The vectors of an answer, of a text or of a list.
    pub(crate) fn vectors(&self) -> Result<Vec<Vec<f32>>> {
        ensure!(self.status == 200, "{} {}", self.status, self.text());
        let embedding = self.json()?["embedding"].take();
        if embedding[0].is_array() {
            return Ok(serde_json::from_value(embedding)?);
        }
        Ok(vec![serde_json::from_value(embedding)?])
    }
}

/// The head of a request that is the last one of its connection, without the empty line.
pub(crate) fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let own = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    let line = |(name, value): &(&str, &str)| format!("{name}: {value}\r\n");
    own + &headers.iter().map(line).collect::<String>()
}

pub(crate) fn post(address: SocketAddr, path: &str, content_type: &str, body: &[u8]) -> Result<Reply> {
    let length = body.len().to_string();
    let headers = [("content-type", content_type), ("content-length", &length)];
    exchange(address, &head("POST", path, &headers), body)
}

/// Sends a head and a body, and reads to the end of the connection.
pub(crate) fn exchange(address: SocketAddr, head: &str, body: &[u8]) -> Result<Reply> {
    let mut stream = connect(address)?;
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    read_reply(stream)
}

pub(crate) fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

pub(crate) fn read_reply(mut stream: TcpStream) -> Result<Reply> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = bytes.split_at(end.context("no whole head came back")? + 4);
    let head = std::str::from_utf8(head)?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let headers: BTreeMap<String, String> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").context("no length")?.parse()?;
    ensure!(body.len() == length, "{} bytes of {length} came", body.len());
    Ok(Reply {
        status,
        headers,
        body: body.to_vec(),
    })
}

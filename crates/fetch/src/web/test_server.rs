//! A server on the loopback address that plays an archive: it answers what it is told to, keeps
//! what was asked, and cuts connections in the middle of a body.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::{Connection, RequestRate, UserAgent};

/// What the server sends for a path.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// The connection ends after so many bytes of the body, whatever was promised.
    pub(crate) cut_after: Option<usize>,
    /// The length is not promised: the body ends where the connection ends.
    pub(crate) without_length: bool,
    /// `Range` is obeyed.
    pub(crate) ranges: bool,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    pub(crate) fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            cut_after: None,
            without_length: false,
            ranges: false,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        self.cut_after = Some(bytes);
        self
    }

    pub(crate) fn without_length(mut self) -> Self {
        self.without_length = true;
        self
    }

    pub(crate) fn with_ranges(mut self) -> Self {
        self.ranges = true;
        self
    }
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Script {
    /// The answers of a path in turn; the last one stays.
    answers: BTreeMap<String, Vec<Answer>>,
    asked: Vec<Asked>,
}

/// Lives until the test process ends.
#[derive(Debug)]
pub(crate) struct TestServer {
    pub(crate) base_url: String,
    script: Arc<Mutex<Script>>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script::default()));
        let played = Arc::clone(&script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let script = Arc::clone(&played);
                // A client that hangs up early is part of the play.
                std::thread::spawn(move || stream.and_then(|stream| serve(stream, &script)));
            }
        });
        Self { base_url, script }
    }

    /// Asks this server, as somebody who may.
    pub(crate) fn connection(&self) -> Connection {
        Connection {
            user_agent: UserAgent::new("Example Research someone@example.com").unwrap(),
            rate: RequestRate::default(),
            retries: 3,
            base_url: Some(self.base_url.clone()),
        }
    }

    /// From now on `path` is answered so, in turn.
    pub(crate) fn on(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        let mut answers: Vec<Answer> = answers.into_iter().collect();
        answers.reverse();
        self.script
            .lock()
            .unwrap()
            .answers
            .insert(path.to_owned(), answers);
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }

    /// How often a path that ends so was asked for.
    pub(crate) fn count(&self, ending: &str) -> usize {
        self.asked()
            .iter()
            .filter(|asked| asked.path.ends_with(ending))
            .count()
    }
}

fn serve(stream: TcpStream, script: &Mutex<Script>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let range = headers.get("range").cloned();
    let answer = next_answer(script, Asked { path, headers });
    send(stream, answer, range.as_deref())
}

fn next_answer(script: &Mutex<Script>, asked: Asked) -> Answer {
    let mut script = script.lock().unwrap();
    let answer = match script.answers.get_mut(&asked.path) {
        Some(answers) if answers.len() > 1 => answers.pop(),
        Some(answers) => answers.last().cloned(),
        None => None,
    };
    script.asked.push(asked);
    answer.unwrap_or_else(|| Answer::status(404, "<html>no such file</html>"))
}

fn send(mut stream: TcpStream, answer: Answer, range: Option<&str>) -> std::io::Result<()> {
    let first: Option<usize> = range
        .filter(|_| answer.ranges)
        .and_then(|range| range.strip_prefix("bytes=")?.trim_end_matches('-').parse().ok());
    let (mut status, mut head, mut body) = (answer.status, Vec::new(), answer.body);
    if let Some(first) = first {
        let length = body.len();
        if first >= length {
            (status, body) = (416, Vec::new());
        } else {
            status = 206;
            write!(head, "Content-Range: bytes {first}-{}/{length}\r\n", length - 1)?;
            body.drain(..first);
        }
    }
    for (name, value) in &answer.headers {
        write!(head, "{name}: {value}\r\n")?;
    }
    if !answer.without_length {
        write!(head, "Content-Length: {}\r\n", body.len())?;
    }
    write!(stream, "HTTP/1.1 {status} Play\r\nConnection: close\r\n")?;
    stream.write_all(&head)?;
    stream.write_all(b"\r\n")?;
    let sent = answer.cut_after.map_or(body.len(), |cut| cut.min(body.len()));
    stream.write_all(&body[..sent])?;
    stream.flush()?;
    stream.shutdown(Shutdown::Write)
}

//! `fetch` as a program: killed in the middle and run again, and refused before it asks anybody.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use crate::programs::{message, run, tenk_corpus};

const NUM_FILINGS: usize = 6;
const USER_AGENT: &str = "Example Research someone@example.com";

fn accession(number: usize) -> String {
    format!("0000000007-15-{number:06}")
}

fn submission(accession: &str) -> String {
    format!("<SEC-DOCUMENT>{accession}.txt : 20150301\nOak and ash.\n</SEC-DOCUMENT>\n")
}

fn master() -> String {
    let rows = (0..NUM_FILINGS).map(|number| {
        let accession = accession(number);
        format!("7|EXAMPLE MILLS INC|10-K|2015-03-01|edgar/data/7/{accession}.txt\n")
    });
    let rule = "-".repeat(80);
    format!(
        "CIK|Company Name|Form Type|Date Filed|Filename\n{rule}\n{}",
        rows.collect::<String>()
    )
}

/// An archive whose fourth filing stops in the middle of its body, until it is told to go on.
#[derive(Debug, Default)]
struct Archive {
    asked: Mutex<BTreeMap<String, usize>>,
    stalled: Mutex<bool>,
    stall: Condvar,
    is_sound: Mutex<bool>,
}

impl Archive {
    fn start(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let archive = Arc::clone(self);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let archive = Arc::clone(&archive);
                std::thread::spawn(move || stream.and_then(|stream| archive.serve(stream)));
            }
        });
        address
    }

    fn serve(&self, mut stream: std::net::TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        *self.asked.lock().unwrap().entry(path.clone()).or_default() += 1;
        let name = path.rsplit('/').next().unwrap_or_default();
        let body = match name.strip_suffix(".txt") {
            Some(accession) => submission(accession),
            None => master(),
        };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )?;
        if name.starts_with(&accession(3)) && !*self.is_sound.lock().unwrap() {
            stream.write_all(&body.as_bytes()[..20])?;
            *self.stalled.lock().unwrap() = true;
            self.stall.notify_all();
            std::thread::park();
        }
        stream.write_all(body.as_bytes())
    }

    fn wait_for_stall(&self) {
        let mut stalled = self.stalled.lock().unwrap();
        while !*stalled {
            stalled = self.stall.wait(stalled).unwrap();
        }
    }
}

fn arguments(address: &str, out: &Path) -> Vec<String> {
    let words = [
        "fetch",
        "--threads",
        "1",
        "--user-agent",
        USER_AGENT,
        "--all-companies",
        "--form",
        "10-K",
        "--filed-from",
        "2015-01-01",
        "--filed-to",
        "2015-03-31",
        "--listing",
        "master.idx",
        "--json",
        "--base-url",
        address,
        "--out",
    ];
    let words = words.iter().map(ToString::to_string);
    words.chain([out.to_str().unwrap().to_owned()]).collect()
}

#[test]
fn a_fetch_that_is_killed_goes_on_and_fetches_nothing_twice() {
    let archive = Arc::new(Archive::default());
    let address = archive.start();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("raw");
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("tenk-corpus"))
        .args(arguments(&address, &out))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    archive.wait_for_stall();
    child.kill().unwrap();
    child.wait().unwrap();
    let stored = out.join("filings/0000000007").join(accession(3) + ".txt");
    assert!(!stored.exists(), "half a filing has no name");

    *archive.is_sound.lock().unwrap() = true;
    let report: serde_json::Value = serde_json::from_str(&run(arguments(&address, &out))).unwrap();
    assert_eq!(
        (&report["selected"], &report["already_there"], &report["fetched"]),
        (&6.into(), &3.into(), &3.into())
    );
    for (path, times) in archive.asked.lock().unwrap().iter() {
        let expected = if path.contains(&accession(3)) { 2 } else { 1 };
        assert_eq!(*times, expected, "{path}");
    }
    let ledger = std::fs::read_to_string(out.join("filings.tsv")).unwrap();
    assert_eq!(ledger.lines().count(), NUM_FILINGS + 1);
}

#[test]
fn a_fetch_without_a_declared_user_or_too_fast_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let good = arguments("http://127.0.0.1:9", &folder.path().join("raw"));
    let with = |option: &str, value: &str| {
        let kept = good
            .iter()
            .filter(|word| *word != USER_AGENT && *word != "--user-agent");
        let mut words: Vec<String> = kept.cloned().collect();
        words.extend([option.to_owned(), value.to_owned()]);
        if option != "--user-agent" {
            words.extend(["--user-agent".to_owned(), USER_AGENT.to_owned()]);
        }
        words
    };
    for (words, says) in [
        (with("--user-agent", "Mozilla/5.0"), "no e-mail address"),
        (with("--user-agent", "someone@example.com"), "no name"),
        (with("--requests-per-second", "10.5"), "at most 10"),
        (with("--requests-per-second", "0"), "at most 10"),
        (with("--ticker", "OAK"), "cannot be used with"),
    ] {
        let output = tenk_corpus(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", message(&output));
        assert!(message(&output).contains(says), "{}", message(&output));
    }
    assert!(!folder.path().join("raw").exists());
}

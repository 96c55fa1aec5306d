//! A real browser, driven through its pipe: opens a page at a width and says what went wrong.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// The programs that Debian and others install.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// Opens a page: it speaks on the descriptors 3 and 4, which are our pipes.
const SCRIPT: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// What a browser saw of a page.
#[derive(Debug)]
pub struct Seen {
    /// Errors and exceptions that the console got.
    pub complaints: Vec<String>,
    /// Width of the page's content and of the window, in CSS pixels.
    pub widths: (u64, u64),
    /// The text that is shown.
    pub text: String,
}

/// The installed browser; `None` where there is none.
pub fn browser() -> Option<&'static str> {
    BROWSERS.into_iter().find(|name| {
        let found = Command::new("sh")
            .args(["-c", "command -v \"$0\"", name])
            .output();
        found.is_ok_and(|output| output.status.success())
    })
}

/// Opens a local page in a window of so many CSS pixels, dark or light.
///
/// # Errors
/// Where the browser does not start or answers nothing that is expected.
pub fn open_page(browser: &str, page: &Path, width: u64, dark: bool) -> Result<Seen> {
    let profile = tempfile::tempdir()?;
    let mut command = Command::new("sh");
    command.args([
        "-c",
        SCRIPT,
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
    ]);
    command.args([
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]);
    command
        .arg("--remote-debugging-pipe")
        .arg(format!("--user-data-dir={}", profile.path().display()));
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().context("starting the browser")?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let mut pipe = Pipe {
        stdin: stdin.context("stdin")?,
        stdout: BufReader::new(stdout.context("stdout")?),
        last_id: 0,
        page: None,
        events: Vec::new(),
    };
    let seen = pipe.look(page, width, dark);
    // It ends by itself when asked to, else when its pipe is closed.
    let _ = pipe.call("Browser.close", &json!({}));
    drop(pipe);
    child.wait()?;
    seen
}

struct Pipe {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    last_id: u64,
    /// The session of the opened page, once there is one.
    page: Option<String>,
    events: Vec<Value>,
}

impl Pipe {
    fn look(&mut self, page: &Path, width: u64, dark: bool) -> Result<Seen> {
        let target = self.call("Target.createTarget", &json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", &attach)?;
        self.page = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            self.call(domain, &json!({}))?;
        }
        let metrics = json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": true});
        self.call("Emulation.setDeviceMetricsOverride", &metrics)?;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &media)?;
        self.call(
            "Page.navigate",
            &json!({"url": format!("file://{}", page.display())}),
        )?;
        while !self.is_loaded() {
            let event = self.read()?;
            self.events.push(event);
        }
        let measured = self.call(
            "Runtime.evaluate",
            &json!({"returnByValue": true, "expression":
                "({content: document.documentElement.scrollWidth, window: innerWidth, text: document.body.innerText})"}),
        )?;
        let value = &measured["result"]["value"];
        let width = |name: &str| {
            value[name]
                .as_u64()
                .with_context(|| format!("no width: {measured}"))
        };
        Ok(Seen {
            complaints: self.complaints(),
            widths: (width("content")?, width("window")?),
            text: value["text"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// The empty page before it has loaded too, perhaps only now: what comes after our address counts.
    fn is_loaded(&self) -> bool {
        let mut events = self.events.iter();
        let is_ours = |event: &Value| {
            let url = event["params"]["frame"]["url"].as_str();
            event["method"] == "Page.frameNavigated" && url.is_some_and(|url| url.starts_with("file:"))
        };
        events.any(is_ours) && events.any(|event| event["method"] == "Page.loadEventFired")
    }

    fn complaints(&self) -> Vec<String> {
        let is_complaint = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        let complaints = self.events.iter().filter(is_complaint);
        complaints.map(ToString::to_string).collect()
    }

    /// Calls a method and keeps the events that arrive before its answer.
    fn call(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.last_id += 1;
        let mut request = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(page) = &self.page {
            request["sessionId"] = json!(page);
        }
        self.stdin.write_all(request.to_string().as_bytes())?;
        self.stdin.write_all(&[0])?;
        self.stdin.flush()?;
        loop {
            let mut message = self.read()?;
            if message["id"] != self.last_id {
                self.events.push(message);
                continue;
            }
            if message["error"].is_object() {
                bail!("{method}: {}", message["error"]);
            }
            return Ok(message["result"].take());
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut message = Vec::new();
        self.stdout.read_until(0, &mut message)?;
        ensure!(message.pop() == Some(0), "the browser has closed its pipe");
        Ok(serde_json::from_slice(&message)?)
    }
}

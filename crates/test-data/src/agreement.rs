//! How well the text of a filing agrees with what a reader sees: its words against a browser or
//! the raw text. Tests hold the bounds, `make bench` prints the figures.

mod word_shares;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use word_shares::{Agreement, words};

const FOLDERS: [&str; 3] = ["filings", "filings-older", "sections"];

/// The filings of the test data in the order of their names.
///
/// # Panics
/// Where a folder cannot be listed.
pub fn filings(data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|name| data.join(name)).collect();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        assert!(entries.is_ok(), "cannot list {}", folder.display());
        for path in entries.into_iter().flatten().map(|entry| entry.path()) {
            let extension = path.extension().unwrap_or_default();
            if path.is_dir() {
                folders.push(path);
            } else if extension != "tsv" && extension != "json" {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The page that EDGAR's viewer would serve of a filing's first document: what `<TEXT>` holds,
/// without an XML declaration.
pub fn page(filing: &[u8]) -> &[u8] {
    let start = find(filing, b"<TEXT>").map_or(0, |at| at + b"<TEXT>".len());
    let body = &filing[start..];
    let body = &body[..find(body, b"</TEXT>").unwrap_or(body.len())];
    match find(body, b"?>") {
        Some(end) if body.trim_ascii_start().starts_with(b"<?xml") => &body[end + 2..],
        _ => body,
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

/// The raw text of the reports and annual reports of a file, in order.
pub fn raw_parts(text: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split("<DOCUMENT>").collect();
    if parts.len() == 1 {
        return parts;
    }
    parts.remove(0);
    let is_kept = |part: &&str| {
        let kind = part.split("<TYPE>").nth(1).unwrap_or_default().trim_start();
        ["10-K", "10-Q", "EX-13"]
            .iter()
            .any(|form| kind.starts_with(form))
    };
    let body = |part| {
        let text: &str = str::split_once(part, "<TEXT>").map_or("", |(_, text)| text);
        text.rsplit_once("</TEXT>").map_or(text, |(text, _)| text)
    };
    parts.into_iter().filter(is_kept).map(body).collect()
}

/// A plain-text document as its reader sees it: without SGML tags, entities resolved.
pub fn without_sgml_tags(part: &str) -> String {
    let tag = regex::Regex::new("</?[A-Z][A-Z0-9-]*>");
    let text = tag.map_or_else(|_| part.into(), |tag| tag.replace_all(part, " "));
    htmlize::unescape(&*text).into_owned()
}

/// The era of a filing by its period of report (`YYYY-MM-DD`); one without is of these years.
pub fn era(period_of_report: Option<&str>) -> &'static str {
    let year = period_of_report.and_then(|period| period.get(..4)?.parse().ok());
    match year.unwrap_or(2019) {
        ..=2008 => "1996-2008",
        2009..=2018 => "2009-2018",
        _ => "2019 on",
    }
}

/// `document.body.innerText` of a page in headless Chromium; `None` without a browser.
///
/// # Panics
/// Where the page cannot be written to a scratch folder.
pub fn browser_text(html: &[u8]) -> Option<String> {
    let script = "<script>addEventListener('load',()=>{const t=document.body.innerText;\
        document.documentElement.innerHTML='<body><pre id=t></pre></body>';document.getElementById('t').textContent=t;});</script>";
    let charset = if std::str::from_utf8(html).is_ok() {
        "utf-8"
    } else {
        "windows-1252"
    };
    let charset = format!("<meta charset=\"{charset}\">");
    let page = [charset.as_bytes(), html, script.as_bytes()].concat();
    let folder = tempfile::tempdir().and_then(|folder| {
        let path = folder.path().join("page.html");
        let mut file = OpenOptions::new().create_new(true).write(true).open(path)?;
        file.write_all(&page)?;
        Ok(folder)
    });
    assert!(folder.is_ok(), "cannot write a page for the browser: {folder:?}");
    let folder = folder.ok()?;
    // `timeout`: a page that the browser never finishes must not hold the caller for ever.
    let output = Command::new("timeout")
        .args(["300", "chromium", "--headless", "--no-sandbox", "--disable-gpu"])
        .args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-quic",
        ])
        .args(["--disable-component-update", "--disable-sync", "--dump-dom"])
        .args([
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--virtual-time-budget=60000",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!("file://{}", folder.path().join("page.html").display()))
        .output();
    let dom = String::from_utf8_lossy(&output.ok()?.stdout).into_owned();
    let text = dom.split_once("<pre id=\"t\">")?.1.rsplit_once("</pre>")?.0;
    Some(htmlize::unescape(text).into_owned())
}

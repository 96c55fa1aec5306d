//! Whole fetches against a server on the loopback address, which plays real index files,
//! submissions, filings and error pages, read in place, and cuts connections.

use std::io::{Read, Write};
use std::path::Path;

use documents::NoProgress;

use super::*;
use crate::web::TestClock;
use crate::web::test_server::{Answer, TestServer};

const MASTER: &str = "/Archives/edgar/full-index/2015/QTR1/master.idx";

fn options(server: &TestServer, out: &Path) -> FetchOptions {
    FetchOptions {
        out: out.to_path_buf(),
        connection: server.connection(),
        companies: CompanyChoice::default(),
        forms: vec!["10-K".to_owned()],
        filed_from: Some("2015-01-01".parse().unwrap()),
        filed_to: Some("2015-03-31".parse().unwrap()),
        listing: Listing::MasterPlain,
        threads: 2,
    }
}

/// The report, and the pauses in seconds.
fn fetch(options: &FetchOptions) -> (Result<FetchReport, FetchError>, Vec<u64>) {
    let clock = Arc::new(TestClock::default());
    let report = fetch_filings_by(options, Arc::clone(&clock) as Arc<dyn Clock>, &NoProgress);
    (report, clock.pauses())
}

fn accession(number: usize) -> String {
    format!("0000000007-15-{number:06}")
}

fn submission(accession: &str) -> String {
    let text = "The mill saws oak and ash.\n".repeat(100);
    format!(
        "<SEC-DOCUMENT>{accession}.txt : 20150301\n<SEC-HEADER>\nACCESSION NUMBER:\t\t{accession}\n</SEC-HEADER>\n\
         <DOCUMENT>\n<TYPE>10-K\n<TEXT>\n{text}</TEXT>\n</DOCUMENT>\n</SEC-DOCUMENT>\n"
    )
}

fn master(rows: impl IntoIterator<Item = (u64, String)>) -> String {
    let head = "Description: Master Index\n \nCIK|Company Name|Form Type|Date Filed|Filename\n";
    let row = |(cik, accession): (u64, String)| {
        format!("{cik}|EXAMPLE MILLS INC|10-K|2015-03-01|edgar/data/{cik}/{accession}.txt\n")
    };
    format!(
        "{head}{}\n{}",
        "-".repeat(80),
        rows.into_iter().map(row).collect::<String>()
    )
}

fn path(cik: u64, accession: &str) -> String {
    format!("/Archives/edgar/data/{cik}/{accession}.txt")
}

/// A server with `count` filings of company 7.
fn archive(count: usize) -> TestServer {
    let server = TestServer::start();
    server.on(
        MASTER,
        [Answer::ok(master(
            (0..count).map(|number| (7, accession(number))),
        ))],
    );
    for number in 0..count {
        server.on(
            &path(7, &accession(number)),
            [Answer::ok(submission(&accession(number)))],
        );
    }
    server
}

fn ledger_rows(out: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(out.join("filings.tsv")).unwrap();
    assert!(text.ends_with('\n'));
    text.lines()
        .skip(1)
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

fn real(name: &str) -> Option<Vec<u8>> {
    let path = test_data::find("")?.join("edgar").join(name);
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::fast())
        .read_to_end(&mut packed)
        .unwrap();
    packed
}

#[test]
fn a_stored_filing_that_cannot_be_opened_is_an_error_and_is_not_fetched_again() {
    let (server, folder) = (archive(1), tempfile::tempdir().unwrap());
    let options = options(&server, folder.path());
    assert_eq!(fetch(&options).0.unwrap().fetched, 1);
    let file = folder.path().join(&ledger_rows(folder.path())[0][5]);
    std::fs::remove_file(&file).unwrap();
    // A link in a circle: even root cannot open it.
    std::os::unix::fs::symlink(&file, &file).unwrap();
    let error = fetch(&options).0.unwrap_err();
    assert!(
        matches!(&error, FetchError::Read { path, .. } if *path == file),
        "{error:?}"
    );
}

#[test]
fn every_filing_of_a_real_index_is_fetched_once_and_accounted_for() {
    let Some(index) = real("form.20200318.idx") else {
        return;
    };
    let text = String::from_utf8_lossy(&index).into_owned();
    let files: BTreeSet<&str> = text
        .lines()
        .filter(|line| line.starts_with("10-K "))
        .map(|line| line.split_whitespace().last().unwrap())
        .collect();
    assert!(files.len() > 50, "{}", files.len());
    let served = [
        (Listing::FormPlain, "form.idx", index.clone()),
        (Listing::FormGzip, "form.gz", gzip(&index)),
    ];
    for (listing, name, body) in served {
        let (server, folder) = (TestServer::start(), tempfile::tempdir().unwrap());
        server.on(
            &format!("/Archives/edgar/full-index/2020/QTR1/{name}"),
            [Answer::ok(body)],
        );
        for file in &files {
            let accession = file.rsplit('/').next().unwrap().trim_end_matches(".txt");
            server.on(&format!("/Archives/{file}"), [Answer::ok(submission(accession))]);
        }
        let options = FetchOptions {
            listing,
            filed_from: Some("2020-03-01".parse().unwrap()),
            filed_to: Some("2020-03-31".parse().unwrap()),
            ..options(&server, folder.path())
        };
        let report = fetch(&options).0.unwrap();
        assert_eq!(
            (report.selected, report.fetched),
            (files.len() as u64, files.len() as u64)
        );
        assert_eq!(server.asked().len(), files.len() + 1);
        for row in ledger_rows(folder.path()) {
            let stored = std::fs::read(folder.path().join(&row[5])).unwrap();
            assert_eq!(row[7], durable::sha256_hex(&stored));
            assert!(files.contains(row[8].split_once("/Archives/").unwrap().1));
        }
        let again = fetch(&options).0.unwrap();
        assert_eq!(
            (again.already_there, again.fetched, again.requests),
            (files.len() as u64, 0, 0)
        );
    }
}

#[test]
fn real_submissions_are_listed_with_the_older_page_only_when_the_days_reach_into_it() {
    let (Some(recent), Some(older)) = (
        real("CIK0000320193.json"),
        real("CIK0000320193-submissions-001.json"),
    ) else {
        return;
    };
    for (from, num_filings, num_older_pages) in [("2010-01-01", 13, 1), ("2013-02-08", 10, 0)] {
        let (server, folder) = (TestServer::start(), tempfile::tempdir().unwrap());
        server.on(
            "/submissions/CIK0000320193.json",
            [Answer::ok(gzip(&recent)).header("Content-Encoding", "gzip")],
        );
        server.on(
            "/submissions/CIK0000320193-submissions-001.json",
            [Answer::ok(older.clone())],
        );
        let options = FetchOptions {
            listing: Listing::Submissions,
            companies: CompanyChoice {
                ciks: vec![320_193, 9_999_999],
                ..CompanyChoice::default()
            },
            filed_from: Some(from.parse().unwrap()),
            filed_to: None,
            ..options(&server, folder.path())
        };
        let report = fetch(&options).0.unwrap();
        assert_eq!(report.selected, num_filings, "from {from}");
        assert_eq!(server.count("-submissions-001.json"), num_older_pages);
        assert_eq!(report.companies_without_filings, ["CIK 9999999"]);
        // The server has none of the filings: each is named with its reason, and asked for once.
        assert_eq!(report.not_fetched.len() as u64, num_filings);
        assert!(report.not_fetched[0].reason.contains("no such file (status 404)"));
        assert_eq!(report.retries, 0);
        let listed = std::fs::read_to_string(folder.path().join("not_fetched.tsv")).unwrap();
        assert_eq!(listed.lines().count() as u64, num_filings + 1);
    }
}

#[test]
fn every_submissions_file_at_hand_is_read() {
    let Some(folder) = test_data::find("") else { return };
    let mut num_read = 0;
    for entry in std::fs::read_dir(folder.join("edgar/submissions")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(cik) = name.trim_start_matches("CIK").trim_end_matches(".json").parse() else {
            continue;
        };
        let (server, out) = (TestServer::start(), tempfile::tempdir().unwrap());
        server.on(
            &format!("/submissions/{name}"),
            [Answer::ok(std::fs::read(&path).unwrap())],
        );
        let options = FetchOptions {
            listing: Listing::Submissions,
            companies: CompanyChoice {
                ciks: vec![cik],
                ..CompanyChoice::default()
            },
            forms: vec!["NO SUCH FORM".to_owned()],
            filed_from: Some("2024-04-30".parse().unwrap()),
            filed_to: None,
            ..options(&server, out.path())
        };
        let report = fetch(&options).0.unwrap();
        assert_eq!((report.selected, report.requests), (0, 1), "{name}");
        num_read += 1;
    }
    assert!(num_read > 20, "{num_read}");
}

#[test]
fn real_submissions_of_every_period_are_stored_byte_for_byte_and_never_cut() {
    let Some(folder) = test_data::find("") else { return };
    let stated =
        regex::bytes::Regex::new(r"(?:ACCESSION NUMBER:\s*|<ACCESSION-NUMBER>)(\d{10}-\d\d-\d{6})").unwrap();
    let frames = ["<SEC-DOCUMENT>", "-----BEGIN", "<SUBMISSION>", "<IMS-DOCUMENT>"];
    let mut filings = BTreeMap::new();
    for part in ["filings", "filings-older", "filings-other"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            let is_submission = frames.iter().any(|frame| bytes.starts_with(frame.as_bytes()));
            if let Some(found) = stated.captures(&bytes).filter(|_| is_submission) {
                filings.insert(String::from_utf8_lossy(&found[1]).into_owned(), bytes.clone());
            }
        }
    }
    assert!(filings.len() > 15, "{}", filings.len());
    let (server, out) = (TestServer::start(), tempfile::tempdir().unwrap());
    server.on(
        MASTER,
        [Answer::ok(master(
            filings.keys().map(|accession| (7, accession.clone())),
        ))],
    );
    for (number, (accession, bytes)) in filings.iter().enumerate() {
        // Cut once against the promised length, once without a promise; then whole, gzip or not.
        let whole = if number % 2 == 0 {
            Answer::ok(gzip(bytes)).header("Content-Encoding", "gzip")
        } else {
            Answer::ok(bytes.clone())
        };
        let cut = whole.clone().cut_after(whole.body.len() / 2);
        let unnoticed = Answer::ok(&bytes[..bytes.len() / 2]).without_length();
        server.on(&path(7, accession), [cut, unnoticed, whole]);
    }
    let (report, pauses) = fetch(&options(&server, out.path()));
    let report = report.unwrap();
    assert_eq!(
        (report.fetched, report.not_fetched.as_slice()),
        (filings.len() as u64, [].as_slice())
    );
    assert_eq!(pauses.len(), 2 * filings.len(), "each was tried three times");
    for (accession, bytes) in &filings {
        let stored = std::fs::read(out.path().join(format!("filings/0000000007/{accession}.txt"))).unwrap();
        assert!(stored == *bytes, "{accession}");
    }
}

#[test]
fn what_a_page_is_called_is_one_line_of_the_list_of_filings_that_are_missing() {
    let (server, out) = (archive(1), tempfile::tempdir().unwrap());
    let page = "<!DOCTYPE html>\n<title>Gone\taway\n\u{1b}[2Jfor\r\never\u{202e}</title>";
    server.on(&path(7, &accession(0)), [Answer::ok(page)]);
    let report = fetch(&options(&server, out.path())).0.unwrap();
    assert_eq!(report.not_fetched.len(), 1);
    let listed = std::fs::read_to_string(out.path().join("not_fetched.tsv")).unwrap();
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed:?}");
    assert_eq!(lines[1].split('\t').count(), 3, "{listed:?}");
    assert!(lines[1].contains("(Gone away [2Jfor ever)"), "{listed:?}");
    assert!(!listed.contains('\u{1b}'));
}

#[test]
fn a_name_with_a_tab_in_the_index_leaves_the_ledger_readable() {
    let (server, out) = (archive(1), tempfile::tempdir().unwrap());
    let index = master([(7, accession(0))]).replace("EXAMPLE MILLS INC", "EXAMPLE\tMILLS\u{7} INC");
    server.on(MASTER, [Answer::ok(index)]);
    assert_eq!(fetch(&options(&server, out.path())).0.unwrap().fetched, 1);
    assert_eq!(ledger_rows(out.path())[0][2], "EXAMPLE MILLS INC");
    assert_eq!(fetch(&options(&server, out.path())).0.unwrap().fetched, 0);
}

#[test]
fn real_error_pages_are_never_stored_whatever_their_status() {
    let Some(folder) = test_data::find("") else { return };
    let mut num_pages = 0;
    for entry in std::fs::read_dir(folder.join("edgar/errors")).unwrap() {
        let file = entry.unwrap().path();
        let page = std::fs::read(&file).unwrap();
        for status in [200, 403, 429, 503] {
            let (server, out) = (archive(2), tempfile::tempdir().unwrap());
            server.on(&path(7, &accession(0)), [Answer::status(status, page.clone())]);
            let report = fetch(&options(&server, out.path())).0.unwrap();
            assert_eq!(report.fetched, 1, "{} as {status}", file.display());
            assert_eq!(report.not_fetched[0].accession, accession(0));
            let stored: Vec<_> = std::fs::read_dir(out.path().join("filings/0000000007"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            assert_eq!(
                stored,
                [format!("{}.txt", accession(1))],
                "{} as {status}",
                file.display()
            );
            num_pages += 1;
        }
    }
    assert!(num_pages >= 20, "{num_pages}");
}

#[test]
fn faults_are_waited_out_as_each_asks() {
    let page = || Answer::status(403, "<html>Request Rate Threshold Exceeded</html>");
    let undeclared = || Answer::status(403, "<html>an Undeclared Automated Tool</html>");
    let unavailable = |after: &str| Answer::status(503, "").header("Retry-After", after);
    for (fault, pause) in [
        (Answer::status(503, ""), 1),
        (Answer::status(500, ""), 1),
        (unavailable("17"), 17),
        (unavailable("Wed, 01 May 2024 12:01:40 GMT"), 99),
        (Answer::status(429, "").header("Retry-After", "7"), 7),
        (Answer::status(429, ""), 30),
        (page(), 30),
        (undeclared(), 30),
        (Answer::ok("<html>Request Rate Threshold Exceeded</html>"), 30),
    ] {
        let (server, out) = (archive(1), tempfile::tempdir().unwrap());
        let whole = Answer::ok(submission(&accession(0)));
        server.on(&path(7, &accession(0)), [fault.clone(), whole]);
        let (report, pauses) = fetch(&options(&server, out.path()));
        let report = report.unwrap();
        assert_eq!((report.fetched, report.retries), (1, 1), "{fault:?}");
        assert_eq!(pauses.first(), Some(&pause), "{fault:?}");
    }
}

#[test]
fn an_outage_ends_the_run_and_the_next_one_fetches_only_the_rest() {
    let (server, out) = (archive(30), tempfile::tempdir().unwrap());
    let mut options = options(&server, out.path());
    (options.threads, options.connection.retries) = (1, 0);
    for number in 5..30 {
        server.on(&path(7, &accession(number)), [Answer::status(503, "")]);
    }
    let error = fetch(&options).0.unwrap_err();
    assert!(
        matches!(error, FetchError::OutOfReach { failures: 10, .. }),
        "{error:?}"
    );
    assert_eq!(ledger_rows(out.path()).len(), 5);
    for number in 5..30 {
        server.on(
            &path(7, &accession(number)),
            [Answer::ok(submission(&accession(number)))],
        );
    }
    let report = fetch(&options).0.unwrap();
    assert_eq!((report.already_there, report.fetched), (5, 25));
    assert_eq!(server.count(&path(7, &accession(0))), 1);
    assert_eq!(
        server.count("master.idx"),
        1,
        "the index of a quarter that is over is kept"
    );
}

#[test]
fn what_a_kill_leaves_behind_is_put_right_without_a_second_download() {
    let (server, out) = (archive(4), tempfile::tempdir().unwrap());
    let options = options(&server, out.path());
    fetch(&options).0.unwrap();
    // Killed in the middle of a ledger line, of a file, and before the row of a whole file; and
    // somebody has shortened a stored file.
    let ledger = out.path().join("filings.tsv");
    let text = std::fs::read_to_string(&ledger).unwrap();
    let kept: usize = text.match_indices('\n').map(|(at, _)| at + 1).nth(3).unwrap();
    let cut = std::fs::OpenOptions::new().write(true).open(&ledger).unwrap();
    cut.set_len(kept as u64 + 25).unwrap();
    let rows = text[..kept]
        .lines()
        .skip(1)
        .map(|line| line.split('\t').nth(5).unwrap().to_owned());
    let shortened = rows.last().unwrap();
    std::fs::OpenOptions::new()
        .write(true)
        .open(out.path().join(&shortened))
        .unwrap()
        .set_len(40)
        .unwrap();
    let mut partial = std::fs::File::create_new(
        out.path()
            .join("filings/0000000007/.0000000007-15-000009.txt.partial-00000000-1-1-0"),
    )
    .unwrap();
    partial.write_all(b"<SEC-DOCUMENT>").unwrap();

    let report = fetch(&options).0.unwrap();
    assert_eq!((report.selected, report.already_there, report.fetched), (4, 3, 1));
    let rows = ledger_rows(out.path());
    assert_eq!(rows.len(), 5, "the shortened file has a second row");
    assert!(
        rows.iter()
            .all(|row| row.len() == 9 && row[8].starts_with("http://"))
    );
    for name in std::fs::read_dir(out.path().join("filings/0000000007")).unwrap() {
        let name = name.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with('.'), "{name}");
    }
}

#[test]
fn a_stored_filing_is_trusted_by_its_hash_and_never_by_its_length() {
    let (server, out) = (archive(3), tempfile::tempdir().unwrap());
    let options = options(&server, out.path());
    fetch(&options).0.unwrap();
    let stored = out
        .path()
        .join(format!("filings/0000000007/{}.txt", accession(1)));
    let whole = std::fs::read(&stored).unwrap();
    let mut changed = std::fs::OpenOptions::new().write(true).open(&stored).unwrap();
    changed.write_all(b"?").unwrap();
    let report = fetch(&options).0.unwrap();
    assert_eq!((report.already_there, report.damaged, report.fetched), (2, 1, 1));
    assert_eq!(std::fs::read(&stored).unwrap(), whole);
    assert_eq!(server.count(&path(7, &accession(0))), 1);
}

#[test]
fn a_filing_of_two_companies_is_fetched_once() {
    let (server, out) = (TestServer::start(), tempfile::tempdir().unwrap());
    server.on(
        MASTER,
        [Answer::ok(master([(9, accession(1)), (7, accession(1))]))],
    );
    server.on(&path(7, &accession(1)), [Answer::ok(submission(&accession(1)))]);
    let report = fetch(&options(&server, out.path())).0.unwrap();
    assert_eq!((report.selected, report.fetched, server.asked().len()), (1, 1, 2));
}

#[test]
fn every_request_declares_its_user_and_takes_gzip() {
    let (server, out) = (archive(3), tempfile::tempdir().unwrap());
    fetch(&options(&server, out.path())).0.unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 4);
    for request in asked {
        assert_eq!(
            request.headers["user-agent"],
            "Example Research someone@example.com"
        );
        assert_eq!(request.headers["accept-encoding"], "gzip");
    }
}

#[test]
fn tickers_are_found_in_the_real_list_and_every_former_member_is_found_or_named() {
    let (Some(tickers), Some(folder)) = (real("company_tickers.json"), test_data::find("")) else {
        return;
    };
    let (server, out) = (archive(0), tempfile::tempdir().unwrap());
    server.on("/files/company_tickers.json", [Answer::ok(tickers)]);
    let mut options = options(&server, out.path());
    options.companies.tickers = ["aapl", "BRK.B", "NOSUCH"].map(str::to_owned).to_vec();
    let report = fetch(&options).0.unwrap();
    assert_eq!(report.tickers_not_found, ["NOSUCH"]);
    assert_eq!(
        report.companies_without_filings,
        [
            "AAPL Apple Inc. (CIK 320193)",
            "BRK-B BERKSHIRE HATHAWAY INC (CIK 1067983)"
        ]
    );
    let members = folder.join("sp500/sp500_ticker_start_end.csv");
    if !members.is_file() {
        return;
    }
    let text = std::fs::read_to_string(&members).unwrap();
    let all: BTreeSet<String> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap().replace('.', "-"))
        .collect();
    options.companies = CompanyChoice {
        members: Some(members),
        ..CompanyChoice::default()
    };
    let report = fetch(&options).0.unwrap();
    let found: BTreeSet<String> = all
        .iter()
        .filter(|ticker| !report.tickers_not_found.contains(ticker))
        .cloned()
        .collect();
    assert_eq!(found.len() + report.tickers_not_found.len(), all.len());
    assert!(
        found.len() > 500 && report.tickers_not_found.len() > 200,
        "{} found",
        found.len()
    );
}

#[test]
fn a_quarter_without_an_index_is_an_error_unless_it_has_just_begun() {
    let Some(denied) = real("errors/403__www.sec.gov_Archives_edgar_full-index_2099_QTR1_form.gz.html")
    else {
        return;
    };
    for (quarter, day, is_error) in [
        ("2015/QTR1", "2015-03-01", true),
        ("2024/QTR2", "2024-04-01", false),
    ] {
        let (server, out) = (TestServer::start(), tempfile::tempdir().unwrap());
        let index = format!("/Archives/edgar/full-index/{quarter}/master.idx");
        server.on(&index, [Answer::status(403, denied.clone())]);
        let day = Some(day.parse().unwrap());
        let options = FetchOptions {
            filed_from: day,
            filed_to: day,
            ..options(&server, out.path())
        };
        assert_eq!(fetch(&options).0.is_err(), is_error, "{quarter}");
        assert_eq!(
            server.count("master.idx"),
            1,
            "what is not there is not asked for again"
        );
    }
}

#[test]
fn options_that_cannot_be_followed_are_refused_before_anything_is_asked() {
    let (server, out) = (archive(1), tempfile::tempdir().unwrap());
    let good = options(&server, out.path());
    let reversed = FetchOptions {
        filed_to: Some("2014-12-31".parse().unwrap()),
        ..good.clone()
    };
    let future = FetchOptions {
        filed_from: Some("2031-01-01".parse().unwrap()),
        filed_to: None,
        ..good.clone()
    };
    let formless = FetchOptions {
        forms: Vec::new(),
        ..good.clone()
    };
    let nobody = FetchOptions {
        listing: Listing::Submissions,
        ..good.clone()
    };
    let mut elsewhere = good.clone();
    elsewhere.connection.base_url = Some("archive".to_owned());
    for (options, says) in [
        (elsewhere, "--base-url"),
        (reversed, "--filed-to"),
        (future, "no day"),
        (formless, "--form"),
        (nobody, "--cik"),
    ] {
        let error = fetch(&options).0.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let _other = FolderLock::acquire(out.path(), "fetch").unwrap();
    let error = fetch(&good).0.unwrap_err();
    assert!(
        matches!(error, FetchError::Durable(DurableError::Locked { .. })),
        "{error:?}"
    );
    assert!(server.asked().is_empty());
}

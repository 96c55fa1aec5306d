//! A dump fetched from a server on the loopback address that cuts connections.

use documents::NoProgress;

use super::*;
use crate::web::TestClock;
use crate::web::test_server::{Answer, TestServer};

const NAME: &str = "testwiki-20240501-pages-articles-multistream.xml.bz2";
const DUMP: &str = "/testwiki/20240501/testwiki-20240501-pages-articles-multistream.xml.bz2";
const SUMS: &str = "/testwiki/20240501/testwiki-20240501-sha1sums.txt";

fn options(server: &TestServer, out: &Path) -> DumpOptions {
    DumpOptions {
        out: out.to_path_buf(),
        connection: server.connection(),
        wiki: "testwiki".to_owned(),
        dump: "20240501".to_owned(),
        file: ARTICLES.to_owned(),
    }
}

fn body() -> Vec<u8> {
    (0_u32..60_000).flat_map(u32::to_le_bytes).collect()
}

fn sums(body: &[u8], kind: checksums::Kind) -> Answer {
    let mut hash = Hasher::new(kind);
    hash.update(body);
    Answer::ok(format!("{}  {NAME}\n", hash.hex()))
}

fn server() -> TestServer {
    let server = TestServer::start();
    server.on(SUMS, [sums(&body(), checksums::Kind::Sha1)]);
    server
}

fn fetch(options: &DumpOptions) -> Result<DumpFetched, FetchError> {
    fetch_dump_by(options, Arc::new(TestClock::default()), &NoProgress)
}

#[test]
fn a_pipe_in_the_place_of_a_dump_that_was_fetched_is_refused_at_once() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    durable::testing::lay_pipe(&folder.path().join(NAME)).unwrap();
    let options = options(&server, folder.path());
    let error = durable::testing::within_a_minute(move || fetch(&options)).unwrap_err();
    let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
    let said = format!("{error}: {cause}");
    assert!(said.contains(NAME) && said.contains("it is a pipe"), "{said}");
}

#[test]
fn a_beginning_of_a_dump_that_another_user_owns_is_refused() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let part = folder.path().join(format!(".{NAME}.part"));
    durable::commit_bytes(&DISK, &part, b"").unwrap();
    // Only the administrator can give files away.
    if std::os::unix::fs::chown(&part, Some(12345), None).is_ok() {
        let error = fetch(&options(&server, folder.path())).unwrap_err();
        let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
        assert!(cause.contains("belongs to another user"), "{error}: {cause}");
    }
}

#[test]
fn a_dump_that_is_cut_many_times_goes_on_from_where_it_was() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let cut = Answer::ok(body()).with_ranges().cut_after(40_000);
    server.on(DUMP, [cut]);
    let fetched = fetch(&options(&server, folder.path())).unwrap();
    assert_eq!(std::fs::read(&fetched.path).unwrap(), body());
    assert_eq!(fetched.fetched_bytes, body().len() as u64);
    assert_eq!(server.count(NAME), 6, "240,000 bytes in pieces of 40,000");
}

#[test]
fn a_run_that_gave_up_is_continued_and_a_finished_one_asks_for_nothing() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let options = options(&server, folder.path());
    let down = Answer::status(503, "");
    server.on(DUMP, [Answer::ok(body()).with_ranges().cut_after(100_000), down]);
    let error = fetch(&options).unwrap_err();
    assert!(matches!(error, FetchError::GivenUp { .. }), "{error:?}");
    assert!(!folder.path().join(NAME).exists());

    server.on(DUMP, [Answer::ok(body()).with_ranges()]);
    let fetched = fetch(&options).unwrap();
    assert_eq!(fetched.fetched_bytes, body().len() as u64 - 100_000);
    assert_eq!(std::fs::read(&fetched.path).unwrap(), body());
    let num_asked = server.count(NAME);
    assert_eq!(fetch(&options).unwrap().fetched_bytes, 0);
    assert_eq!(server.count(NAME), num_asked);
}

#[test]
fn a_dump_that_is_there_is_trusted_by_its_checksum_and_never_by_its_name() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let path = folder.path().join(NAME);
    let mut other = body();
    other[1000] ^= 1;
    File::create_new(&path).unwrap().write_all(&other).unwrap();
    let error = fetch(&options(&server, folder.path())).unwrap_err();
    assert!(
        matches!(error, FetchError::Stored { kind: "SHA-1", .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("remove it"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), other, "it is left to its owner");
    assert_eq!(server.count(NAME), 0);
}

#[test]
fn a_server_without_ranges_and_a_part_that_is_too_long_begin_again() {
    for answer in [Answer::ok(body()), Answer::ok(body()).with_ranges()] {
        let (server, folder) = (server(), tempfile::tempdir().unwrap());
        let mut part = File::create_new(folder.path().join(format!(".{NAME}.part"))).unwrap();
        part.write_all(&vec![7; body().len() + 5]).unwrap();
        server.on(DUMP, [answer]);
        let fetched = fetch(&options(&server, folder.path())).unwrap();
        assert_eq!(std::fs::read(&fetched.path).unwrap(), body());
    }
}

#[test]
fn a_whole_part_without_its_name_is_not_fetched_again() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let mut part = File::create_new(folder.path().join(format!(".{NAME}.part"))).unwrap();
    part.write_all(&body()).unwrap();
    let fetched = fetch(&options(&server, folder.path())).unwrap();
    assert_eq!((fetched.fetched_bytes, server.count(NAME)), (0, 0));
}

#[test]
fn a_dump_with_another_checksum_is_removed_and_said() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let mut other = body();
    other[1000] ^= 1;
    server.on(DUMP, [Answer::ok(other)]);
    let error = fetch(&options(&server, folder.path())).unwrap_err();
    assert!(
        matches!(error, FetchError::Checksum { kind: "SHA-1", .. }),
        "{error:?}"
    );
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != ".lock")
        .collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn md5_sums_serve_where_there_are_no_others_and_a_dump_without_any_is_refused() {
    let (server, folder) = (TestServer::start(), tempfile::tempdir().unwrap());
    let options = options(&server, folder.path());
    let error = fetch(&options).unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::GivenUp {
                fault: Fault::Missing { .. },
                ..
            }
        ),
        "{error:?}"
    );
    server.on(
        &SUMS.replace("sha1", "md5"),
        [sums(&body(), checksums::Kind::Md5)],
    );
    server.on(DUMP, [Answer::ok(body())]);
    assert!(fetch(&options).unwrap().checksum.starts_with("MD5 "));
}

#[test]
fn latest_is_fetched_under_its_day() {
    let (server, folder) = (TestServer::start(), tempfile::tempdir().unwrap());
    server.on(
        &SUMS.replace("20240501", "latest"),
        [sums(&body(), checksums::Kind::Sha1)],
    );
    server.on(DUMP, [Answer::ok(body())]);
    let latest = DumpOptions {
        dump: "latest".to_owned(),
        ..options(&server, folder.path())
    };
    assert_eq!(fetch(&latest).unwrap().path, folder.path().join(NAME));
}

#[test]
fn names_that_leave_the_archive_are_refused() {
    let (server, folder) = (TestServer::start(), tempfile::tempdir().unwrap());
    for wiki in ["", "../enwiki", "en/wiki", "en wiki"] {
        let options = DumpOptions {
            wiki: wiki.to_owned(),
            ..options(&server, folder.path())
        };
        assert!(
            matches!(fetch(&options), Err(FetchError::Options { .. })),
            "{wiki}"
        );
    }
    assert!(server.asked().is_empty());
}

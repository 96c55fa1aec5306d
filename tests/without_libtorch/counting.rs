//! What `make test` says at its end: a test that found no data is skipped, not passed.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use tests::{repository, run};

const LOG: &str = "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured\n\
                   test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\n";

/// Standard output and the exit code.
fn count(log: &str, skips: &[&str]) -> Result<(String, Option<i32>)> {
    let folder = tempfile::tempdir()?;
    let (log_file, skips_file) = (folder.path().join("log"), folder.path().join("skips"));
    write(&log_file, log)?;
    if !skips.is_empty() {
        write(&skips_file, &(skips.join("\n") + "\n"))?;
    }
    let mut command = Command::new(repository().join("scripts/count_tests.sh"));
    command.arg(&log_file).arg(&skips_file);
    let output = run(&mut command, Duration::from_secs(10))?;
    Ok((
        String::from_utf8_lossy(&output.stdout).into_owned(),
        output.status.code(),
    ))
}

fn write(path: &Path, text: &str) -> Result<()> {
    Ok(durable::commit_bytes(&durable::DISK, path, text.as_bytes())?)
}

#[test]
fn tests_that_found_no_data_are_counted_as_skipped_and_named() -> Result<()> {
    let skips = [
        "corpus::a::b\tno test data",
        "corpus::a::b\tno test data",
        "tests::c\tno test data",
    ];
    let (said, code) = count(LOG, &skips)?;
    assert_eq!(
        said.lines().last(),
        Some("tests: 8 passed, 0 failed, 3 skipped"),
        "{said}"
    );
    assert!(
        said.contains("skipped: corpus::a::b") && said.contains("skipped: tests::c"),
        "{said}"
    );
    assert_eq!(code, Some(0));
    Ok(())
}

#[test]
fn the_count_fails_where_a_test_failed_or_none_ran() -> Result<()> {
    assert_eq!(
        count(LOG, &[])?,
        ("tests: 10 passed, 0 failed, 1 skipped\n".to_owned(), Some(0))
    );
    assert_eq!(count(&LOG.replace("0 failed", "1 failed"), &[])?.1, Some(1));
    assert_eq!(count("", &[])?.1, Some(1));
    Ok(())
}

#[test]
fn a_skipped_test_reports_itself_by_its_name() -> Result<()> {
    const ASKED: &str = "TENK_TEST_OF_SKIPS";
    if std::env::var_os(ASKED).is_some() {
        test_data::skip("a reason");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let list = folder.path().join("skips");
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args([
            "--exact",
            "counting::a_skipped_test_reports_itself_by_its_name",
            "--test-threads=2",
        ])
        .env(ASKED, "1")
        .env("TENK_SKIPS", &list);
    tests::run_ok(&mut command, Duration::from_secs(30))?;
    assert_eq!(
        std::fs::read_to_string(&list)?,
        "tests::counting::a_skipped_test_reports_itself_by_its_name\ta reason\n"
    );
    Ok(())
}

//! The pages that `stats --html` writes, in a real browser.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use tests::browser::{browser, open_page};
use tests::{program, run_ok};

fn tenk_corpus(arguments: &[&str], folder: &Path) -> Result<String> {
    let mut command = Command::new(program("tenk-corpus")?);
    command.args(arguments).current_dir(folder);
    run_ok(&mut command, Duration::from_mins(2))
}

#[test]
fn the_report_opens_in_a_browser_without_an_error_and_without_sideways_scroll() -> Result<()> {
    let Some(browser) = browser() else {
        ensure!(
            !test_data::is_required(),
            "no browser is installed; install chromium"
        );
        test_data::skip("no chromium is installed");
        return Ok(());
    };
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().canonicalize()?;
    for words in [
        "sample --filings 60 --pages 60 --out sample",
        "ingest --filings sample/filings --wiki sample/wiki --out docs",
        "tokenizer --docs docs --vocab-size 600 --out tokenizer",
        "build --docs docs --tokenizer tokenizer --shards 4 --out corpus",
        "stats --docs docs --html docs.html",
        "stats --corpus corpus --html corpus.html",
    ] {
        tenk_corpus(&words.split(' ').collect::<Vec<_>>(), &folder)?;
    }
    let both = [
        "By source",
        "By form",
        "By year of filing",
        "By company",
        "Lengths",
        "Rejected",
        "Duplicates",
    ];
    for (page, also) in [("docs.html", "Raw input"), ("corpus.html", "Fertility")] {
        let text = std::fs::read_to_string(folder.join(page))?;
        for outside in ["http://", "https://", "<script", "src=", "@import"] {
            ensure!(!text.contains(outside), "{page} is not self-contained: {outside}");
        }
        for (width, dark) in [(390, false), (390, true), (1280, false)] {
            let seen = open_page(browser, &folder.join(page), width, dark)?;
            ensure!(seen.complaints.is_empty(), "{page}: {:?}", seen.complaints);
            let (content, window) = seen.widths;
            ensure!(window == width, "the window is {window} wide");
            ensure!(
                content <= window,
                "{page} is {content} wide in a window of {window}"
            );
            for heading in both.into_iter().chain([also]) {
                ensure!(seen.text.contains(heading), "{page} does not show {heading:?}");
            }
        }
    }
    Ok(())
}

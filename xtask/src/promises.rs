//! `promises`: every promise of `docs/promises.toml` names tests that exist.
//!
//! A test is written `crate::name`; it must be a function `name` under `#[test]` (or another
//! attribute that ends in `test`) in that crate's sources.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use regex::Regex;
use serde::Deserialize;

use crate::outcome::Outcome;
use crate::sources::{files_under, member_folder, read};

const PROMISES: &str = "docs/promises.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Promises {
    promise: Vec<Promise>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Promise {
    id: String,
    title: String,
    tests: Vec<String>,
    /// The last measurement, in words.
    figure: String,
    /// When it was taken: 2026-01-31.
    date: String,
}

pub(crate) fn check(root: &Path) -> Result<Outcome> {
    let promises: Promises =
        toml::from_str(&read(&root.join(PROMISES))?).with_context(|| format!("cannot read {PROMISES}"))?;
    let mut outcome = Outcome::default();
    let mut ids = BTreeSet::new();
    let mut num_tests = 0;
    for promise in &promises.promise {
        let mut problems = problems_of(promise)?;
        if !ids.insert(&promise.id) {
            problems.push("the id is given twice".to_owned());
        }
        for test in &promise.tests {
            problems.extend(problem_of_test(root, test)?);
            num_tests += 1;
        }
        let id = &promise.id;
        outcome.findings.extend(
            problems
                .into_iter()
                .map(|problem| format!("{PROMISES}, `{id}`: {problem}")),
        );
    }
    outcome.looked_at = format!(
        "{} promises, {num_tests} tests, all there",
        promises.promise.len()
    );
    Ok(outcome)
}

fn problems_of(promise: &Promise) -> Result<Vec<String>> {
    let date = Regex::new(r"^\d{4}-\d{2}-\d{2}$")?;
    let mut problems = Vec::new();
    if promise.tests.is_empty() {
        problems.push("no test breaks when it breaks".to_owned());
    }
    for (field, text) in [("title", &promise.title), ("figure", &promise.figure)] {
        if text.trim().is_empty() {
            problems.push(format!("`{field}` is empty"));
        }
    }
    if !date.is_match(&promise.date) {
        problems.push(format!("`date` is {}, expected year-month-day", promise.date));
    }
    Ok(problems)
}

fn problem_of_test(root: &Path, test: &str) -> Result<Option<String>> {
    let Some((crate_name, function)) = test.split_once("::") else {
        return Ok(Some(format!("`{test}` is not crate::test_name")));
    };
    let Some(folder) = member_folder(root, crate_name) else {
        return Ok(Some(format!("`{test}`: there is no crate {crate_name}")));
    };
    for source in files_under(&folder, "rs")? {
        if has_test(&read(&source)?, function) {
            return Ok(None);
        }
    }
    Ok(Some(format!(
        "`{test}`: {crate_name} has no test of this name (a function under #[test])"
    )))
}

/// Whether `source` has the function with a test attribute among the lines above it.
fn has_test(source: &str, function: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let opening = format!("fn {function}(");
    lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.starts_with(&opening) || line.contains(&format!(" {opening}")))
        .any(|(index, _)| {
            lines[..index]
                .iter()
                .rev()
                .take_while(|line| !line.is_empty() && !line.ends_with(['}', ';']))
                .any(|line| is_test_attribute(line))
        })
}

fn is_test_attribute(line: &str) -> bool {
    let Some(attribute) = line.strip_prefix("#[") else {
        return false;
    };
    let name = attribute.split([']', '(']).next().unwrap_or_default();
    name.rsplit("::")
        .next()
        .is_some_and(|last| last.ends_with("test"))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes into a throwaway tree")]
mod tests {
    use std::fs;

    use super::*;

    const SOURCE: &str = "\
fn order_helper() {}
#[test]
fn order_is_a_function() {}

proptest! {
    /// Over a grid of worlds.
    #[test]
    fn order_is_a_permutation(
        n in 1..9_u64,
    ) {}
}

#[tokio::test]
#[ignore = \"long\"]
async fn order_lasts() {}
";

    fn findings(promises: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            (PROMISES, promises),
            ("crates/loader/Cargo.toml", ""),
            ("crates/loader/src/order.rs", SOURCE),
            ("tests/Cargo.toml", ""),
            ("tests/worlds.rs", "#[test]\nfn worlds_agree() {}\n"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        check(root.path()).unwrap().findings
    }

    fn promise(tests: &str) -> String {
        format!(
            "[[promise]]\nid = \"order\"\ntitle = \"t\"\ntests = [{tests}]\nfigure = \"f\"\ndate = \"2026-01-31\"\n"
        )
    }

    #[test]
    fn tests_that_exist_pass() {
        let tests = r#""loader::order_is_a_function", "loader::order_is_a_permutation", "loader::order_lasts", "tests::worlds_agree""#;
        assert_eq!(findings(&promise(tests)), [] as [&str; 0]);
    }

    #[test]
    fn a_test_that_does_not_exist_is_reported() {
        for (test, expected) in [
            ("loader::order_is_a_fact", "loader has no test of this name"),
            ("loader::order_helper", "loader has no test of this name"),
            ("loader::order", "loader has no test of this name"),
            ("lader::order_lasts", "there is no crate lader"),
            ("order_lasts", "is not crate::test_name"),
        ] {
            let found = findings(&promise(&format!("\"{test}\"")));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0].contains(expected) && found[0].contains(test),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_promise_without_a_test_an_id_given_twice_and_a_bad_date_are_reported() {
        let found = findings(&promise(""));
        assert!(found[0].contains("no test breaks"), "{found:?}");
        let one = promise("\"tests::worlds_agree\"");
        let found = findings(&format!("{one}{one}"));
        assert!(found[0].contains("given twice"), "{found:?}");
        let found = findings(&one.replace("2026-01-31", "soon"));
        assert!(found[0].contains("`date` is soon"), "{found:?}");
    }
}

//! `docs-check`: what the documents point to exists.
//!
//! In `README.md` and everything under `docs/`: relative links; paths in back quotes that
//! begin with a folder of this repository; `make TARGET`; `configs/NAME.toml`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use regex::Regex;

use crate::Outcome;
use crate::sources::{files_under, read};

/// Folders whose paths are meant literally. `docs/` is not among them: it is also what the
/// corpus tools' examples call their output; links cover it.
const FOLDERS: [&str; 9] = [
    ".ci/",
    "benches/",
    "configs/",
    "corpus-tools/",
    "crates/",
    "launch/",
    "scripts/",
    "tests/",
    "xtask/",
];

pub(crate) fn check(root: &Path) -> Result<Outcome> {
    let mut documents = vec![root.join("README.md")];
    documents.extend(files_under(&root.join("docs"), "md")?);
    let patterns = Patterns::new()?;
    let targets = make_targets(&read(&root.join("Makefile"))?);
    let mut outcome = Outcome::default();
    for document in &documents {
        let text = read(document)?;
        for (line, problem) in patterns.problems(root, document, &text, &targets) {
            let document = document.strip_prefix(root).unwrap_or(document);
            outcome
                .findings
                .push(format!("{}, line {line}: {problem}", document.display()));
        }
    }
    outcome.looked_at = format!("{} documents, everything they name exists", documents.len());
    Ok(outcome)
}

struct Patterns {
    link: Regex,
    quoted: Regex,
    make: Regex,
    config: Regex,
}

impl Patterns {
    fn new() -> Result<Self> {
        Ok(Self {
            link: Regex::new(r"\]\(([^()\s]+)\)")?,
            quoted: Regex::new(r"`([^`\s]+)`")?,
            make: Regex::new(r"(?:^|[`\s&;(])make ([a-z][a-z-]*)")?,
            config: Regex::new(r"configs/[A-Za-z0-9_-]+\.toml")?,
        })
    }

    /// Line numbers and what is wrong there.
    fn problems(
        &self,
        root: &Path,
        document: &Path,
        text: &str,
        targets: &BTreeSet<String>,
    ) -> Vec<(usize, String)> {
        let folder = document.parent().unwrap_or(root);
        let mut found = Vec::new();
        let mut in_code = false;
        for (index, line) in text.lines().enumerate() {
            let is_fence = line.trim_start().starts_with("```");
            in_code ^= is_fence;
            let mut problem = |text: String| found.push((index + 1, text));
            if !in_code {
                for link in self.link.captures_iter(line) {
                    if link_target(folder, &link[1]).is_some_and(|target| !target.exists()) {
                        problem(format!("the link {} leads nowhere", &link[1]));
                    }
                }
            }
            for path in self.quoted.captures_iter(line) {
                if is_literal_path(&path[1]) && !root.join(&path[1]).exists() {
                    problem(format!("there is no {}", &path[1]));
                }
            }
            for config in self.config.find_iter(line) {
                if !root.join(config.as_str()).is_file() && !is_quoted(line, config.as_str()) {
                    problem(format!("there is no {}", config.as_str()));
                }
            }
            for target in code_of(line, in_code)
                .iter()
                .flat_map(|code| self.make.captures_iter(code))
            {
                if !targets.contains(&target[1]) {
                    problem(format!("the Makefile has no target {}", &target[1]));
                }
            }
        }
        found
    }
}

/// Where a relative link leads; `None` for addresses and places in the same page.
fn link_target(folder: &Path, link: &str) -> Option<PathBuf> {
    let path = link.split('#').next().unwrap_or_default();
    let is_address = link.contains("://") || link.starts_with("mailto:");
    (!is_address && !path.is_empty()).then(|| folder.join(path))
}

/// Whether a word in back quotes is a path of this repository and not a pattern for several.
fn is_literal_path(word: &str) -> bool {
    FOLDERS.iter().any(|folder| word.starts_with(folder))
        && !word.contains(['*', '{', '<', '$', '=', ':', '|'])
        && !word.split(['/', '.', '-']).any(is_placeholder)
}

/// `NAME`, `N`, `DIR`: to be replaced by the reader. `README` and `MANIFEST` are real names.
fn is_placeholder(part: &str) -> bool {
    let is_name = ["README", "MANIFEST", "LICENSE"].contains(&part);
    !is_name && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Whether the path stands alone in back quotes, where it is looked at as a path already.
fn is_quoted(line: &str, path: &str) -> bool {
    line.contains(&format!("`{path}`"))
}

/// The parts of a line that are code: all of it inside a fence, else what is in back quotes.
fn code_of(line: &str, in_code: bool) -> Vec<&str> {
    if in_code {
        vec![line]
    } else {
        line.split('`').skip(1).step_by(2).collect()
    }
}

fn make_targets(makefile: &str) -> BTreeSet<String> {
    makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', '.', ' ']))
        .filter_map(|line| line.split_once(':'))
        .filter(|(_, rest)| !rest.starts_with('='))
        .flat_map(|(names, _)| names.split_whitespace())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes into a throwaway tree")]
mod tests {
    use std::fs;

    use super::*;

    fn findings(readme: &str, design: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for folder in ["docs/decisions", "configs", "crates/durable/src"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for (path, text) in [
            ("README.md", readme),
            ("docs/design.md", design),
            ("docs/decisions/0001-x.md", "back to [the map](../design.md)"),
            ("configs/demo.toml", ""),
            ("crates/durable/src/lock.rs", ""),
            (
                "Makefile",
                "OUT := x\n.PHONY: demo\ndemo test: setup ## runs\n\tmake nothing\n",
            ),
        ] {
            fs::write(root.path().join(path), text).unwrap();
        }
        check(root.path()).unwrap().findings
    }

    #[test]
    fn what_exists_is_not_reported() {
        let readme = "\
[map](docs/design.md#parts), [top](#top), [site](https://example.org/x), `make demo FILINGS=DIR`,
make sure of `crates/durable/src/lock.rs`, `crates/*/src`, `configs/NAME.toml`, `docs/*.jsonl.zst`
```
make test
tenk-pretrain train --config configs/demo.toml   # [1](x)
```
";
        assert_eq!(findings(readme, "[0001](decisions/0001-x.md)"), [] as [&str; 0]);
    }

    #[test]
    fn what_does_not_exist_is_reported_with_its_line() {
        let readme = "\
[map](docs/desing.md)
`make demmo` and `crates/durable/src/log.rs`
```
make tests
tenk-pretrain train --config configs/debug.toml
```
";
        let expected = [
            "README.md, line 1: the link docs/desing.md leads nowhere",
            "README.md, line 2: there is no crates/durable/src/log.rs",
            "README.md, line 2: the Makefile has no target demmo",
            "README.md, line 4: the Makefile has no target tests",
            "README.md, line 5: there is no configs/debug.toml",
            "docs/design.md, line 1: there is no configs/large.toml",
        ];
        assert_eq!(findings(readme, "see `configs/large.toml`"), expected);
    }

    #[test]
    fn a_missing_readme_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        check(root.path()).unwrap_err();
    }
}

//! `docs-check`: what the documents point to exists.
//!
//! In the pages (`README.md`, `CONTRIBUTING.md`, the tarball's and everything under `docs/`): relative
//! links with their anchors; paths in back quotes that begin with a folder of this repository;
//! `make TARGET`; `configs/NAME.toml`. In the comments of all code: paths in back quotes, pages of
//! `docs/`, sections and decisions that are cited; and that a doc comment describes the item under it.

mod anchors;
mod doc_comments;
mod references;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use regex::Regex;

use self::references::{References, has_anchor};
use crate::outcome::Outcome;
use crate::sources::{files_under, read};

/// Folders whose paths are meant literally. `docs/` is not among them: it is also what the
/// corpus tools' examples call their output; links cover it.
const FOLDERS: [&str; 10] = [
    ".ci/",
    "benches/",
    "configs/",
    "corpus-tools/",
    "crates/",
    "fuzz/",
    "launch/",
    "scripts/",
    "tests/",
    "xtask/",
];

/// Folders whose code is read for what its comments name.
const CODE: [&str; 9] = [
    "benches",
    "configs",
    "corpus-tools",
    "crates",
    "fuzz",
    "launch",
    "scripts",
    "tests",
    "xtask",
];

pub(crate) fn check(root: &Path) -> Result<Outcome> {
    let documents = documents(root)?;
    let patterns = Patterns::new()?;
    let targets = make_targets(&read(&root.join("Makefile"))?);
    let mut outcome = Outcome::default();
    let mut add = |file: &Path, problems: Vec<(usize, String)>| {
        let file = file.strip_prefix(root).unwrap_or(file).display();
        let problems = problems.into_iter();
        outcome
            .findings
            .extend(problems.map(|(line, problem)| format!("{file}, line {line}: {problem}")));
    };
    for document in &documents {
        let text = read(document)?;
        add(document, patterns.problems(root, document, &text, &targets));
    }
    let code = code(root)?;
    for file in &code {
        let text = read(file)?;
        add(file, patterns.problems_of_comments(root, file, &text));
        if file.extension().is_some_and(|extension| extension == "rs") {
            let syntax =
                syn::parse_file(&text).with_context(|| format!("cannot parse {}", file.display()))?;
            add(file, doc_comments::problems(&text, &syntax));
        }
    }
    outcome.looked_at = format!(
        "{} documents and the comments of {} files, everything they name exists",
        documents.len(),
        code.len()
    );
    Ok(outcome)
}

fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    let mut documents = vec![root.join("README.md")];
    let others = ["CONTRIBUTING.md", "launch/tarball/README.md"].map(|page| root.join(page));
    documents.extend(others.into_iter().filter(|page| page.is_file()));
    documents.extend(files_under(&root.join("docs"), "md")?);
    Ok(documents)
}

/// Files whose comments are read.
fn code(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in CODE
        .map(|folder| root.join(folder))
        .iter()
        .filter(|folder| folder.is_dir())
    {
        for extension in ["rs", "py", "sh", "toml", "c", "cpp", "h"] {
            files.extend(files_under(folder, extension)?);
        }
    }
    Ok(files)
}

struct Patterns {
    link: Regex,
    quoted: Regex,
    make: Regex,
    config: Regex,
    references: References,
}

impl Patterns {
    fn new() -> Result<Self> {
        Ok(Self {
            link: Regex::new(r"\]\(([^()\s]+)\)")?,
            quoted: Regex::new(r"`([^`\s]+)`")?,
            make: Regex::new(r"(?:^|[`\s&;(])make ([a-z][a-z-]*)")?,
            config: Regex::new(r"configs/[A-Za-z0-9_-]+\.toml")?,
            references: References::new()?,
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
        let mut found = Vec::new();
        let mut in_code = false;
        for (index, line) in text.lines().enumerate() {
            let is_fence = line.trim_start().starts_with("```");
            in_code ^= is_fence;
            let mut problem = |text: String| found.push((index + 1, text));
            if !in_code {
                for link in self.link.captures_iter(line) {
                    if leads_nowhere(document, &link[1]) {
                        problem(format!("the link {} leads nowhere", &link[1]));
                    }
                }
                for missing in self.references.problems(root, line) {
                    problem(missing);
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

    /// The same for the comments of a file of code.
    fn problems_of_comments(&self, root: &Path, file: &Path, text: &str) -> Vec<(usize, String)> {
        let is_rust = file.extension().is_some_and(|extension| extension == "rs");
        let mut found = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            if is_rust && !is_comment {
                continue;
            }
            let mut missing = self.references.problems(root, line);
            for path in self.quoted.captures_iter(line) {
                if is_comment && is_literal_path(&path[1]) && !root.join(&path[1]).exists() {
                    missing.push(format!("there is no {}", &path[1]));
                }
            }
            found.extend(missing.into_iter().map(|problem| (index + 1, problem)));
        }
        found
    }
}

/// Whether a relative link names a file that is not there, or a page without the anchor.
fn leads_nowhere(document: &Path, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return false;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => document.to_owned(),
        path => document.parent().unwrap_or(document).join(path),
    };
    let is_page = target.extension().is_some_and(|extension| extension == "md");
    !target.exists() || (is_page && !anchor.is_empty() && !has_anchor(&target, anchor))
}

/// Whether a word in back quotes is a path of this repository and not a pattern for several.
fn is_literal_path(word: &str) -> bool {
    FOLDERS.iter().any(|folder| word.starts_with(folder))
        && !word.contains(['*', '{', '<', '$', '=', ':', '|'])
        && !word.split(['/', '.', '-', '_']).any(is_placeholder)
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
        findings_with(readme, design, "//! Nothing is cited here.\n")
    }

    fn findings_with(readme: &str, design: &str, code: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for folder in ["docs/decisions", "configs", "crates/durable/src"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for (path, text) in [
            ("README.md", readme),
            ("docs/design.md", design),
            ("crates/durable/src/own.rs", code),
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
# Top
[map](docs/design.md#the-parts), [top](#top), [site](https://example.org/x), `make demo FILINGS=DIR`,
make sure of `crates/durable/src/lock.rs`, `crates/*/src`, `configs/NAME.toml`, `docs/*.jsonl.zst`
```
make test
tenk-pretrain train --config configs/demo.toml   # [1](x)
```
";
        let design = "[0001](decisions/0001-x.md)\n## The parts\n";
        assert_eq!(findings(readme, design), [] as [&str; 0]);
    }

    #[test]
    fn what_a_comment_cites_is_looked_for() {
        let found = findings_with(
            "",
            "",
            "//! See `docs/design.md`, section \"Parts\", and `crates/none.rs`.\n",
        );
        let expected = [
            "crates/durable/src/own.rs, line 1: docs/design.md has no section \"Parts\"",
            "crates/durable/src/own.rs, line 1: there is no crates/none.rs",
        ];
        assert_eq!(found, expected);
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
[parts](docs/design.md#parts), [top](#top)
";
        let expected = [
            "README.md, line 1: the link docs/desing.md leads nowhere",
            "README.md, line 2: there is no crates/durable/src/log.rs",
            "README.md, line 2: the Makefile has no target demmo",
            "README.md, line 4: the Makefile has no target tests",
            "README.md, line 5: there is no configs/debug.toml",
            "README.md, line 7: the link docs/design.md#parts leads nowhere",
            "README.md, line 7: the link #top leads nowhere",
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

//! What comments and pages cite of the documents: pages, their anchors and sections, decisions.

use std::path::Path;

use anyhow::Result;
use regex::Regex;

use super::anchors::{anchors, headings};
use crate::sources::read;

/// The forms in which a page is cited.
pub(crate) struct References {
    page: Regex,
    decision: Regex,
    section: Regex,
}

impl References {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            page: Regex::new(r"(?:^|[^\w(/\[])docs/([a-z0-9/-]+\.md)(?:#([a-z0-9_-]+))?")?,
            decision: Regex::new(r"\bdecisions? (\d{4})\b")?,
            section: Regex::new(
                r#"\b(DESIGN|STYLE|(?:docs/)?[a-z-]+\.md)`?(?:\([^)]*\))?(?:'s)?,? section (?:"([^"]+)"|([0-9A-Za-z.]+))"#,
            )?,
        })
    }

    /// What a line cites that is not there.
    pub(crate) fn problems(&self, root: &Path, line: &str) -> Vec<String> {
        let docs = root.join("docs");
        let mut found = Vec::new();
        for cited in self.page.captures_iter(line) {
            let page = docs.join(&cited[1]);
            match cited.get(2) {
                _ if !page.is_file() => found.push(format!("there is no docs/{}", &cited[1])),
                Some(anchor) if !has_anchor(&page, anchor.as_str()) => {
                    found.push(format!(
                        "docs/{} has no heading for #{}",
                        &cited[1],
                        anchor.as_str()
                    ));
                }
                _ => {}
            }
        }
        for cited in self.decision.captures_iter(line) {
            if !has_decision(&docs, &cited[1]) {
                found.push(format!("there is no decision {}", &cited[1]));
            }
        }
        for cited in self.section.captures_iter(line) {
            let page = page_of(&cited[1]);
            let title = cited.get(2).or(cited.get(3)).map_or("", |title| title.as_str());
            if !has_heading(&docs.join(&page), title) {
                found.push(format!("docs/{page} has no section \"{title}\""));
            }
        }
        found
    }
}

/// `DESIGN`, `design.md` and `docs/design.md` are one page.
fn page_of(cited: &str) -> String {
    let name = cited.strip_prefix("docs/").unwrap_or(cited).to_lowercase();
    format!("{}.md", name.strip_suffix(".md").unwrap_or(&name))
}

pub(crate) fn has_anchor(page: &Path, anchor: &str) -> bool {
    read(page).is_ok_and(|text| anchors(&text).contains(anchor))
}

fn has_heading(page: &Path, title: &str) -> bool {
    read(page).is_ok_and(|text| headings(&text).iter().any(|heading| heading == title))
}

fn has_decision(docs: &Path, number: &str) -> bool {
    let Ok(mut entries) = docs.join("decisions").read_dir() else {
        return false;
    };
    entries.any(|entry| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            name.to_string_lossy().starts_with(&format!("{number}-"))
        })
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes into a throwaway tree")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_cited_and_missing_is_found() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("docs/decisions")).unwrap();
        fs::write(root.path().join("docs/design.md"), "# Design\n## One step\n").unwrap();
        fs::write(root.path().join("docs/decisions/0004-x.md"), "# X\n").unwrap();
        let references = References::new().unwrap();
        for (line, expected) in [
            (
                "see `docs/design.md#one-step`, section \"One step\"; decision 0004",
                "",
            ),
            ("`docs/design.md`, section \"One step\"", ""),
            ("Liu et al. 2019, section 3.1", ""),
            ("`docs/desing.md`", "there is no docs/desing.md"),
            ("docs/design.md#step", "docs/design.md has no heading for #step"),
            ("(decision 0005)", "there is no decision 0005"),
            (
                "DESIGN section 2 names every line",
                "docs/design.md has no section \"2\"",
            ),
            (
                "`docs/design.md`, section \"Two\"",
                "docs/design.md has no section \"Two\"",
            ),
        ] {
            assert_eq!(
                references.problems(root.path(), line).join("; "),
                expected,
                "{line}"
            );
        }
    }
}

//! Files are opened through `durable` alone, which waits for no pipe and says how large a file may be.

use std::path::Path;

use anyhow::Result;
use regex::Regex;

use crate::sources::{files_under, read};

/// Files that open others themselves: what a user names on the command line may be a pipe, and what the
/// system tells stands in no folder of anybody.
const EXCEPTIONS: [(&str, &str); 7] = [
    (
        "crates/config-file/src/load.rs",
        "a configuration that a user names",
    ),
    ("crates/fetch/src/edgar/companies.rs", "lists that a user names"),
    (
        "crates/corpus/src/selection/exclude.rs",
        "a list that a user names",
    ),
    ("crates/embed-cli/src/lines.rs", "texts that a user names"),
    ("crates/trainer/src/ranks/affinity.rs", "/proc"),
    ("crates/trainer/src/ranks/crowd.rs", "/proc"),
    ("crates/trainer/src/run/memory.rs", "/sys/fs/cgroup"),
];
/// Crates for tests alone, and the one that opens.
const EXEMPT: [&str; 3] = ["crates/durable/", "crates/nccl-stand-in/", "crates/test-data/"];

/// Ways to open a file that wait for a pipe.
const OPENS: &str = r"\b(File::open|fs::read|fs::read_to_string)\b";

/// Where a file of a product is opened in another way, and exceptions that are none any more.
pub(crate) fn findings(root: &Path) -> Result<Vec<String>> {
    let opens = Regex::new(OPENS)?;
    let (mut findings, mut used) = (Vec::new(), Vec::new());
    for folder in ["crates", "corpus-tools"] {
        for path in files_under(&root.join(folder), "rs")? {
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            if is_for_tests(&name) || EXEMPT.iter().any(|exempt| name.starts_with(exempt)) {
                continue;
            }
            for line in lines_that_open(&read(&path)?, &opens) {
                match EXCEPTIONS.iter().find(|(file, _)| *file == name) {
                    Some((file, _)) => used.push(*file),
                    None => findings.push(format!(
                        "{name}, line {line}: a file is read by durable::open_file, read_file or read_text"
                    )),
                }
            }
        }
    }
    let unused = EXCEPTIONS.iter().filter(|(file, _)| !used.contains(file));
    findings.extend(unused.map(|(file, _)| format!("{file} opens no file itself: take it off the list")));
    Ok(findings)
}

fn is_for_tests(name: &str) -> bool {
    [
        "/tests/",
        "/tests.rs",
        "/testing.rs",
        "/oracle.rs",
        "/agreement.rs",
        "/real_filings.rs",
    ]
    .iter()
    .any(|part| name.contains(part))
}

/// Numbers of the lines before the tests of a file that open a file which is not the system's.
fn lines_that_open<'t>(text: &'t str, opens: &'t Regex) -> impl Iterator<Item = usize> + 't {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = code.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter(|(_, line)| opens.is_match(line) && !line.contains("\"/proc/"))
        .map(|(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_opened_past_durable_is_found_with_its_line() {
        let opens = Regex::new(OPENS).unwrap();
        let text = "use x;\n// fs::read is not it\nlet a = File::open(path);\nstd::fs::read_to_string(\"/proc/stat\")\n\
                    fs::read_dir(p);\nlet b = std::fs::read(&path);\n\n#[cfg(test)]\nmod tests {\n fs::read(p)\n}\n";
        let found: Vec<usize> = lines_that_open(text, &opens).collect();
        assert_eq!(found, [3, 6]);
    }

    #[test]
    fn every_file_of_the_products_is_opened_through_durable() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        assert_eq!(findings(root).unwrap(), Vec::<String>::new());
    }
}

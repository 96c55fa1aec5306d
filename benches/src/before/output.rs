//! What a job wrote, so that two runs can be compared.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

/// What is compared of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Output {
    /// How many things it counted.
    Count(u64),
    /// Nothing to compare: the job works for a fixed time.
    FixedTime,
    /// Hashes of the files that it wrote, by their paths.
    Files(BTreeMap<String, u128>),
    /// Of each step its digest and its loss.
    Steps(Vec<(String, f64)>),
}

impl Output {
    /// Of a job that prints what it counted.
    pub(super) fn printed(line: &str) -> Result<Self> {
        let printed: Value = serde_json::from_str(line).with_context(|| format!("a job printed {line:?}"))?;
        Ok(Self::Count(printed["counted"].as_u64().unwrap_or_default()))
    }

    /// Of a job that writes files: those that have one of the extensions. Manifests have times in
    /// them and are left out.
    pub(super) fn files(folder: &Path, extensions: &[&str]) -> Result<Self> {
        let mut hashes = BTreeMap::new();
        add_files(folder, folder, extensions, &mut hashes)?;
        ensure!(!hashes.is_empty(), "{} has no output", folder.display());
        Ok(Self::Files(hashes))
    }

    /// Of a job that trains.
    pub(super) fn metrics(run: &Path) -> Result<Self> {
        let path = run.join("metrics.jsonl");
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let lines = text.lines().map(serde_json::from_str::<Value>);
        let steps = lines
            .collect::<Result<Vec<_>, _>>()?
            .iter()
            .filter_map(|line| Some((line["digest"].to_string(), line["loss"].as_f64()?)))
            .filter(|(digest, _)| digest != "null")
            .collect::<Vec<_>>();
        ensure!(!steps.is_empty(), "{} has no step", path.display());
        Ok(Self::Steps(steps))
    }

    /// How `self`, the later one, differs from `before`, in a few words.
    pub(super) fn beside(&self, before: &Self) -> String {
        match (before, self) {
            (Self::Count(before), Self::Count(now)) if before != now => format!("{before} became {now}"),
            (Self::Files(before), Self::Files(now)) if before != now => {
                let names = before
                    .keys()
                    .chain(now.keys().filter(|name| !before.contains_key(*name)));
                let differing: Vec<&String> =
                    names.filter(|name| before.get(*name) != now.get(*name)).collect();
                format!(
                    "{} of {} files differ",
                    differing.len(),
                    before.len().max(now.len())
                )
            }
            (Self::Steps(before), Self::Steps(now)) if before != now => steps_beside(before, now),
            (_, Self::FixedTime) => "of a fixed time: the rate counts".to_owned(),
            _ => "same".to_owned(),
        }
    }
}

fn steps_beside(before: &[(String, f64)], now: &[(String, f64)]) -> String {
    if before.len() != now.len() {
        return format!("{} steps became {}", before.len(), now.len());
    }
    let pairs = before.iter().zip(now);
    if pairs.clone().any(|((before, _), (now, _))| before != now) {
        return "other batches".to_owned();
    }
    let worst = pairs
        .map(|((_, before), (_, now))| (now - before).abs() / before.abs())
        .fold(0.0, f64::max);
    format!("losses differ by {worst:.1e}")
}

fn add_files(
    root: &Path,
    folder: &Path,
    extensions: &[&str],
    hashes: &mut BTreeMap<String, u128>,
) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            add_files(root, &path, extensions, hashes)?;
        } else if path
            .extension()
            .is_some_and(|extension| extensions.iter().any(|one| extension == *one))
        {
            let name = path.strip_prefix(root)?.display().to_string();
            hashes.insert(name, xxh3_128(&std::fs::read(&path)?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(losses: &[f64]) -> Output {
        Output::Steps(losses.iter().map(|loss| ("a".to_owned(), *loss)).collect())
    }

    #[test]
    fn outputs_are_the_same_or_the_difference_is_named() {
        assert_eq!(steps(&[2.0]).beside(&steps(&[2.0])), "same");
        assert_eq!(steps(&[2.2]).beside(&steps(&[2.0])), "losses differ by 1.0e-1");
        assert_eq!(steps(&[2.0]).beside(&steps(&[2.0, 1.0])), "2 steps became 1");
        let other = Output::Steps(vec![("b".to_owned(), 2.0)]);
        assert_eq!(other.beside(&steps(&[2.0])), "other batches");
        let files = |hash| Output::Files([("x".to_owned(), 1), ("y".to_owned(), hash)].into());
        assert_eq!(files(2).beside(&files(2)), "same");
        assert_eq!(files(3).beside(&files(2)), "1 of 2 files differ");
        assert_eq!(Output::Count(3).beside(&Output::Count(2)), "2 became 3");
        assert!(Output::FixedTime.beside(&Output::FixedTime).contains("rate"));
    }

    #[test]
    fn only_files_of_the_named_kinds_are_compared() {
        let folder = tempfile::tempdir().unwrap();
        durable::commit_bytes(&durable::DISK, &folder.path().join("a.bin"), b"1").unwrap();
        durable::commit_bytes(&durable::DISK, &folder.path().join("manifest.json"), b"2").unwrap();
        let Output::Files(files) = Output::files(folder.path(), &["bin"]).unwrap() else {
            panic!("files were expected");
        };
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a.bin"]);
        assert!(Output::files(folder.path(), &["idx"]).is_err());
    }
}

//! The timed runs of a group so far, a line each in `rates.jsonl`, so that a measurement of half
//! an hour can be stopped. Runs of another program are forgotten.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Debug, Serialize, Deserialize)]
struct RecordLine<M> {
    program: String,
    round: usize,
    contestant: String,
    #[serde(flatten)]
    measured: M,
}

/// The file and what it holds: of each run what it came to, an `M`.
#[derive(Debug)]
pub(crate) struct Record<M> {
    path: PathBuf,
    program: String,
    runs: BTreeMap<(String, usize), M>,
    /// Why contestants failed in this call; the next one tries them again.
    failures: BTreeMap<String, String>,
}

impl<M: Copy + Serialize + DeserializeOwned> Record<M> {
    /// Reads the runs of `program`, told apart from others by size and time of change. A last
    /// line that a killed measurement left unfinished is dropped.
    pub(crate) fn open(folder: &Path, program: &Path) -> Result<Self> {
        let metadata = program
            .metadata()
            .with_context(|| format!("{}: build it first", program.display()))?;
        let changed = metadata.modified()?.duration_since(std::time::UNIX_EPOCH)?;
        let mut record = Self {
            path: folder.join("rates.jsonl"),
            program: format!("{} bytes of {}", metadata.len(), changed.as_secs()),
            runs: BTreeMap::new(),
            failures: BTreeMap::new(),
        };
        let text = std::fs::read_to_string(&record.path).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |last| &text[..=last]);
        if whole != text {
            durable::commit_bytes(&durable::DISK, &record.path, whole.as_bytes())?;
        }
        for line in whole.lines() {
            let line: RecordLine<M> = serde_json::from_str(line)
                .with_context(|| format!("{} is damaged; remove it", record.path.display()))?;
            if line.program == record.program {
                record.runs.insert((line.contestant, line.round), line.measured);
            }
        }
        Ok(record)
    }

    /// Whether a contestant needs no run in this round: it had it, or it fails.
    pub(crate) fn is_settled(&self, round: usize, contestant: &str) -> bool {
        self.runs.contains_key(&(contestant.to_owned(), round)) || self.failures.contains_key(contestant)
    }

    /// Notes a run.
    pub(crate) fn add(&mut self, round: usize, contestant: String, measured: M) -> Result<()> {
        let line = serde_json::to_string(&RecordLine {
            program: self.program.clone(),
            round,
            contestant: contestant.clone(),
            measured,
        })?;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(&self.path)?;
        file.write_all(format!("{line}\n").as_bytes())?;
        self.runs.insert((contestant, round), measured);
        Ok(())
    }

    /// Notes that a contestant fails.
    pub(crate) fn fail(&mut self, contestant: String, reason: String) {
        self.failures.insert(contestant, reason);
    }

    /// Every failure of this call as one error.
    pub(crate) fn none_failed(&self) -> Result<()> {
        let failed = self
            .failures
            .iter()
            .map(|(name, reason)| format!("{name}: {reason}"));
        let failed: Vec<String> = failed.collect();
        ensure!(failed.is_empty(), "{}", failed.join("\n"));
        Ok(())
    }

    /// A contestant's runs, by round.
    ///
    /// # Errors
    /// Why it has not all of them.
    pub(crate) fn of(&self, contestant: &str, rounds: usize) -> Result<Vec<M>> {
        if let Some(reason) = self.failures.get(contestant) {
            return Err(anyhow!("{reason}"));
        }
        let runs = (0..rounds).filter_map(|round| self.runs.get(&(contestant.to_owned(), round)));
        let runs: Vec<M> = runs.copied().collect();
        ensure!(
            runs.len() == rounds,
            "{contestant} ran {} of {rounds} times",
            runs.len()
        );
        Ok(runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
    struct Measured {
        rate: f64,
    }

    fn measured(rate: f64) -> Measured {
        Measured { rate }
    }

    #[test]
    fn a_measurement_that_was_killed_goes_on_behind_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        durable::commit_bytes(&durable::DISK, &program, b"one").unwrap();
        let mut record = Record::open(folder.path(), &program).unwrap();
        record.add(0, "ours".to_owned(), measured(2.0)).unwrap();
        let path = folder.path().join("rates.jsonl");
        let whole = std::fs::read_to_string(&path).unwrap();
        let cut = format!("{whole}{}", &whole[..whole.len() / 2]);
        durable::commit_bytes(&durable::DISK, &path, cut.as_bytes()).unwrap();

        let mut record = Record::open(folder.path(), &program).unwrap();
        assert!(record.is_settled(0, "ours") && !record.is_settled(1, "ours"));
        record.add(1, "ours".to_owned(), measured(3.0)).unwrap();
        let record: Record<Measured> = Record::open(folder.path(), &program).unwrap();
        assert_eq!(record.of("ours", 2).unwrap(), [measured(2.0), measured(3.0)]);

        durable::commit_bytes(&durable::DISK, &program, b"another").unwrap();
        let record: Record<Measured> = Record::open(folder.path(), &program).unwrap();
        assert!(
            !record.is_settled(0, "ours"),
            "another program's runs do not count"
        );
    }

    #[test]
    fn a_contestant_that_fails_is_not_run_again_in_the_same_call_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        durable::commit_bytes(&durable::DISK, &program, b"one").unwrap();
        let mut record: Record<Measured> = Record::open(folder.path(), &program).unwrap();
        record.fail("peer".to_owned(), "no torch".to_owned());
        assert!(record.is_settled(3, "peer"));
        assert!(record.of("peer", 1).unwrap_err().to_string().contains("no torch"));
        assert!(
            record
                .none_failed()
                .unwrap_err()
                .to_string()
                .contains("peer: no torch")
        );
    }
}

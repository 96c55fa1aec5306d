//! The figures that the runs come to, each with what is asked of it.

use anyhow::Result;

use super::beside::AT_MOST;
use super::contestant::{COUNTED_STEPS, Measured, ModelSize, Precision, Sharer, Trainer, ours, peer};
use super::inputs::{TrainingInputs, WARM_UP_STEPS};
use crate::machine;
use crate::record::Record;
use crate::report::row;

const HEADER: &str =
    "| training | asked | ours | peer | | ratio, round by round |\n|---|---|---|---|---|---|\n";

/// One figure: ours over the peer's.
struct TableLine {
    name: String,
    asked: String,
    ours: Result<Vec<f64>>,
    peer: Result<Vec<f64>>,
    peer_name: &'static str,
}

impl TableLine {
    /// A figure without all its runs has the reason instead.
    fn row(&self) -> String {
        match (&self.ours, &self.peer) {
            (Ok(ours), Ok(peer)) => row(&self.name, &self.asked, Ok((ours, peer)), self.peer_name),
            (Err(error), _) | (_, Err(error)) => {
                row(&self.name, &self.asked, Err(&error.to_string()), self.peer_name)
            }
        }
    }
}

/// A model whose steps are timed.
struct TimedModel {
    name: &'static str,
    size: ModelSize,
    precision: Precision,
    /// Of the steps that are timed.
    tokens: f64,
}

/// Where the figures come from.
struct TrainingFigures<'a> {
    record: &'a Record<Measured>,
    rounds: usize,
    best: Precision,
}

impl TrainingFigures<'_> {
    fn runs(&self, contestant: Trainer) -> Result<Vec<Measured>> {
        self.record.of(&contestant.name(), self.rounds)
    }

    fn rates(&self, contestant: Trainer) -> Result<Vec<f64>> {
        Ok(self.runs(contestant)?.iter().map(|run| run.rate).collect())
    }

    fn peak_gb(&self, contestant: Trainer) -> Result<Vec<f64>> {
        let runs = self.runs(contestant)?;
        Ok(runs.iter().map(|run| run.peak_bytes / 1e9).collect())
    }

    fn auto(&self) -> Result<Vec<f64>> {
        self.rates(ours(ModelSize::Base, self.best, true))
    }

    /// What is asked where the processor has bf16, and where it has not.
    fn by_processor(&self, with_bf16: f64, without: f64) -> String {
        let bound = if self.best == Precision::Bf16 {
            with_bf16
        } else {
            without
        };
        format!("at least {bound}")
    }

    fn beside_peers(&self) -> Vec<TableLine> {
        let (base, small, f32) = (ModelSize::Base, ModelSize::Small, Precision::F32);
        let run_mlm = |size, precision| self.rates(peer(size, "run_mlm.py", precision));
        let mut lines = vec![
            TableLine {
                name: "RoBERTa-base, `auto`".to_owned(),
                asked: self.by_processor(1.7, 1.45),
                ours: self.auto(),
                peer: self.rates(peer(base, "tuned.py", self.best)),
                peer_name: "tuned PyTorch",
            },
            TableLine {
                name: "the same".to_owned(),
                asked: self.by_processor(3.3, 2.1),
                ours: self.auto(),
                peer: run_mlm(base, f32),
                peer_name: "run_mlm, f32",
            },
        ];
        if self.best == Precision::Bf16 {
            lines.push(TableLine {
                name: "the same".to_owned(),
                asked: "at least 2.1".to_owned(),
                ours: self.auto(),
                peer: run_mlm(base, self.best),
                peer_name: "run_mlm, bf16 autocast",
            });
        }
        lines.extend([
            TableLine {
                name: "the same in f32".to_owned(),
                asked: self.by_processor(1.55, 2.1),
                ours: self.rates(ours(base, f32, true)),
                peer: run_mlm(base, f32),
                peer_name: "run_mlm, f32",
            },
            TableLine {
                name: "small model (256 wide, 4 layers), f32".to_owned(),
                asked: "at least 4".to_owned(),
                ours: self.rates(ours(small, f32, true)),
                peer: run_mlm(small, f32),
                peer_name: "run_mlm, f32",
            },
            TableLine {
                name: "peak memory of RoBERTa-base in f32, GB".to_owned(),
                asked: "at most 0.8".to_owned(),
                ours: self.peak_gb(ours(base, f32, true)),
                peer: self.peak_gb(peer(base, "run_mlm.py", f32)),
                peer_name: "run_mlm, f32",
            },
        ]);
        lines
    }

    /// `tokens`: of the steps that are timed.
    fn beside_ourselves(&self, tokens: f64) -> Vec<TableLine> {
        let seconds = self.rates(Trainer::Products { precision: self.best });
        let limit = seconds.map(|seconds| {
            let least = seconds.iter().copied().fold(f64::INFINITY, f64::min);
            vec![tokens / COUNTED_STEPS as f64 / least; self.rounds]
        });
        vec![
            TableLine {
                name: "RoBERTa-base, `auto`, dropout 0.1".to_owned(),
                asked: "at least 0.9".to_owned(),
                ours: self.auto(),
                peer: self.rates(ours(ModelSize::Base, self.best, false)),
                peer_name: "ours without dropout",
            },
            TableLine {
                name: "share of the rate of the matrix products".to_owned(),
                asked: "at least 0.8".to_owned(),
                ours: self.auto(),
                peer: limit,
                peer_name: "best of the model's shapes alone",
            },
        ]
    }

    /// Seconds of a step of each model.
    fn beside_a_busy_process(&self, models: [TimedModel; 2]) -> Vec<TableLine> {
        let mut lines = Vec::new();
        for TimedModel {
            name,
            size,
            precision,
            tokens,
        } in models
        {
            let seconds = |contestant| {
                let rates = self.rates(contestant)?;
                Ok(rates
                    .iter()
                    .map(|rate| tokens / COUNTED_STEPS as f64 / rate)
                    .collect())
            };
            lines.extend(Sharer::ALL.map(|sharer| TableLine {
                name: format!(
                    "{name}, {}, beside one busy process, s a step",
                    sharer.described()
                ),
                asked: if sharer == Sharer::Tuned { "shown" } else { AT_MOST }.to_owned(),
                ours: seconds(sharer.beside(size, precision)),
                peer: seconds(sharer.alone(size, precision)),
                peer_name: "the same alone",
            }));
        }
        lines
    }

    fn of_the_loader(&self) -> Vec<TableLine> {
        vec![
            TableLine {
                name: "masks and micro-batches of 8 x 512, one thread".to_owned(),
                asked: "at least 50".to_owned(),
                ours: self.rates(Trainer::Loader),
                peer: self.rates(Trainer::Collator),
                peer_name: "DataCollatorForLanguageModeling",
            },
            TableLine {
                name: "data wait, %".to_owned(),
                asked: "below 1".to_owned(),
                ours: self.rates(Trainer::DataWait),
                peer: Ok(vec![100.0; self.rounds]),
                peer_name: "all the time of a null model of 8 x 200,000 tokens/s, cold page cache",
            },
        ]
    }
}

/// The table of the group.
pub(super) fn table(
    inputs: &TrainingInputs,
    record: &Record<Measured>,
    best: Precision,
    rounds: usize,
) -> Result<String> {
    let figures = TrainingFigures { record, rounds, best };
    let mut text = format!(
        "Machine: {}. Filings, sequence 512, dropout 0.1, tokens/s without padding, {rounds} rounds in turn of \
         {COUNTED_STEPS} step after {WARM_UP_STEPS} that warm up; `auto` is {best:?} here. Loss of the first micro-batch, \
         ours and transformers': {} (base), {} (small).\n\n{HEADER}",
        machine::description(),
        inputs.losses(ModelSize::Base)?,
        inputs.losses(ModelSize::Small)?,
    );
    let lines = figures.beside_peers().into_iter();
    let lines = lines
        .chain(figures.beside_ourselves(inputs.counted_tokens(ModelSize::Base)?))
        .chain(figures.beside_a_busy_process([
            TimedModel {
                name: "RoBERTa-base, `auto`",
                size: ModelSize::Base,
                precision: best,
                tokens: inputs.counted_tokens(ModelSize::Base)?,
            },
            TimedModel {
                name: "small model, f32",
                size: ModelSize::Small,
                precision: Precision::F32,
                tokens: inputs.counted_tokens(ModelSize::Small)?,
            },
        ]))
        .chain(figures.of_the_loader());
    text.extend(lines.map(|line| line.row()));
    Ok(text)
}

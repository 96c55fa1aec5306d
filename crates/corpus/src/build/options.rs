//! What `build` is asked for.

use std::path::PathBuf;

use shards::PackingMode;

use crate::build::duplicate_rule::DuplicateRule;
use crate::selection::subset::Subset;
use crate::selection::window::DateWindow;

/// What to build and where.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The documents folder.
    pub docs: PathBuf,
    /// The tokenizer folder.
    pub tokenizer: PathBuf,
    /// The corpus folder to make.
    pub out: PathBuf,
    /// How many shards.
    pub num_shards: u32,
    /// Share of the filers that is held out.
    pub held_out_fraction: f64,
    /// Which days documents may have.
    pub window: DateWindow,
    /// Which forms, and which items of their text.
    pub subset: Subset,
    /// Which documents are duplicates and leave; `None` keeps all.
    pub duplicates: Option<DuplicateRule>,
    /// A file of document ids to leave out, one a line.
    pub exclude: Option<PathBuf>,
    /// Packing indices to write with it.
    pub packings: Vec<PackingChoice>,
    /// Worker threads; 0 means one a core.
    pub threads: usize,
}

/// A packing index: how blocks are put into sequences, and how long those are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackingChoice {
    /// How.
    pub mode: PackingMode,
    /// Sequence length in tokens, `<s>` and `</s>` included.
    pub max_length: u32,
}

impl std::str::FromStr for PackingChoice {
    type Err = String;

    /// Reads `full-sentences:512`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = || format!("{text} is not MODE:LENGTH; give for example full-sentences:512");
        let (mode, length) = text.split_once(':').ok_or_else(expected)?;
        let mode = PackingMode::from_name(mode).ok_or_else(|| {
            let known = PackingMode::ALL.map(PackingMode::name).join(", ");
            format!("there is no packing mode {mode}; there are {known}")
        })?;
        let max_length = length
            .parse()
            .ok()
            .filter(|length| *length >= 3)
            .ok_or_else(expected)?;
        Ok(Self { mode, max_length })
    }
}

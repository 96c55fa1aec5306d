//! The arguments by which commands name a run's configuration.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{config::RunConfig, error::TrainError};

#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    /// The run's TOML file.
    #[arg(long)]
    pub(crate) config: PathBuf,
    /// Override a key: section.key=value, with a TOML value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

/// A run by its configuration, its folder, or both.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The run's TOML file [default: the one in the run folder].
    #[arg(long, required_unless_present = "run")]
    pub(crate) config: Option<PathBuf>,
    /// The run folder.
    #[arg(long)]
    pub(crate) run: Option<PathBuf>,
    /// Override a key: section.key=value, with a TOML value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

impl RunArguments {
    /// The configuration of the file that was given, else of that of the run folder.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub(crate) fn load(&self) -> Result<RunConfig, TrainError> {
        Ok(RunConfig::load(&self.path(), &self.overrides)?)
    }

    /// The file that was given, else that of the run folder; one of them is there.
    fn path(&self) -> PathBuf {
        let of_run = || self.run.as_deref().unwrap_or(Path::new("")).join("config.toml");
        self.config.clone().unwrap_or_else(of_run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_a_run_folder_is_the_one_in_it() {
        let arguments = RunArguments {
            config: None,
            run: Some(PathBuf::from("runs/a")),
            overrides: Vec::new(),
        };
        assert_eq!(arguments.path(), Path::new("runs/a/config.toml"));
    }
}

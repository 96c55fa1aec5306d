//! Reads TOML into a typed, checked struct and fingerprints the result.
//!
//! A key that the struct does not know is refused, with file, line, column and the key that
//! was probably meant; `section.key=value` overrides are refused the same way, by their own
//! text. What the values mean, and which of them fit together, is for who owns the struct.
//!
//! ```
//! #[derive(serde::Deserialize, Debug)]
//! #[serde(deny_unknown_fields)]
//! struct Schedule { warmup_steps: u64 }
//! #[derive(serde::Deserialize, Debug)]
//! #[serde(deny_unknown_fields)]
//! struct Run { schedule: Schedule }
//!
//! let text = "[schedule]\nwarmup_step = 10\n";
//! let error = config_file::load_str::<Run>(text, "run.toml".as_ref(), &[]).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "run.toml, line 2, column 1: unknown key `schedule.warmup_step`; \
//!      did you mean `warmup_steps`?",
//! );
//! ```

mod differences;
mod error;
mod explain;
mod fingerprint;
mod load;
mod nearest;
mod overrides;
mod places;
mod wording;

pub use differences::{Difference, differences};
pub use error::{ConfigError, Place};
pub use fingerprint::{fingerprint, to_toml};
pub use load::{load, load_str, load_with_places};
pub use places::Places;

//! The command line of `tenk-embed`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use embed_cli::Patience;
use embedding::{PoolingMode, PrecisionChoice};

/// Turn texts into vectors with a RoBERTa model from a Hugging Face folder.
#[derive(Debug, Parser)]
#[command(name = "tenk-embed", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Turn each line of a file into a vector, and write a .npy file.
    Encode(EncodeArguments),
    /// Serve vectors over HTTP until SIGTERM.
    Serve(ServeArguments),
    /// Predict the masked words in each line of a file.
    FillMask(FillMaskArguments),
    /// Print the lines of a file that are closest to a query.
    Nearest(NearestArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ModelArguments {
    /// The model's folder: written by `tenk-pretrain export`, or any Hugging Face RoBERTa.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Number of computing threads [default: all cores that the process may use].
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Number format of the matrix products.
    #[arg(long, value_enum, default_value_t = PrecisionName::F32)]
    pub(crate) precision: PrecisionName,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PrecisionName {
    /// Always f32.
    F32,
    /// Always bf16. Faster if the processor has bf16 instructions; vectors differ in the third digit.
    Bf16,
    /// bf16 if the processor has instructions for it, else f32.
    Auto,
}

impl From<PrecisionName> for PrecisionChoice {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::F32 => Self::F32,
            PrecisionName::Bf16 => Self::Bf16,
            PrecisionName::Auto => Self::Auto,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PoolingArguments {
    /// How the vectors of the tokens become one vector of the text [default: the mode in the model's
    /// folder, else mean].
    #[arg(long, value_enum)]
    pub(crate) pooling: Option<PoolingName>,
    /// Most tokens that go through the model together, padding included.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub(crate) batch_tokens: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PoolingName {
    /// Mean over all tokens.
    Mean,
    /// First token.
    Cls,
    /// Largest value of each component.
    Max,
    /// Mean with weights 1, 2, 3 ... by position.
    TokenWeighted,
    /// Sum over all tokens, divided by the square root of their number.
    MeanSqrtLen,
    /// Last token.
    LastToken,
}

impl From<PoolingName> for PoolingMode {
    fn from(name: PoolingName) -> Self {
        match name {
            PoolingName::Mean => Self::Mean,
            PoolingName::Cls => Self::Cls,
            PoolingName::Max => Self::Max,
            PoolingName::TokenWeighted => Self::TokenWeighted,
            PoolingName::MeanSqrtLen => Self::MeanSqrtLen,
            PoolingName::LastToken => Self::LastToken,
        }
    }
}

/// The texts of the commands that print the best of many.
#[derive(Debug, Args)]
pub(crate) struct LinesArguments {
    /// UTF-8 file with one text a line; `-` is standard input. If a line has no `<mask>`, `fill-mask` masks
    /// one of its words.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// How many tokens to print for each mask, or how many lines.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) top: usize,
}

#[derive(Debug, Args)]
pub(crate) struct EncodeArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    #[command(flatten)]
    pub(crate) pooling: PoolingArguments,
    /// UTF-8 file with one text a line; `-` is standard input. An empty line is an empty text.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// The .npy file to write: float32, shape [lines, dimension].
    #[arg(long, value_name = "FILE.npy")]
    pub(crate) output: PathBuf,
    /// Replace the output file if it exists.
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    #[command(flatten)]
    pub(crate) pooling: PoolingArguments,
    /// Name or address to listen on. 0.0.0.0 means every address of this machine.
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Port to listen on. 0 takes a free port and prints it.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) port: u16,
    /// Most tokens that may wait. New requests then get status 503.
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) queue_tokens: usize,
    /// Largest request body, in MiB.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    pub(crate) max_body_mib: usize,
    /// Most memory for bodies and answers together, in MiB. New requests then get status 503
    /// [default: 512, or enough for two of the largest requests].
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1 << 24))]
    pub(crate) memory_mib: Option<usize>,
    /// Most open connections. For one more, the server closes the one that has waited longest
    /// [default: 1024, or as many as `ulimit -n` allows].
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<usize>,
    /// Names that a request may have in its Host header, besides localhost and this machine's addresses
    /// [default: any name if --host is open to other machines, else none].
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) allowed_hosts: Vec<String>,
    #[command(flatten)]
    pub(crate) patience: PatienceArguments,
}

/// How many seconds the server waits for a client.
#[derive(Debug, Args)]
pub(crate) struct PatienceArguments {
    /// Seconds until the head of a request must have arrived.
    #[arg(long = "head-timeout-s", value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=A_DAY))]
    pub(crate) head: u64,
    /// Seconds until the next request on a connection must begin.
    #[arg(long = "idle-timeout-s", value_name = "S", default_value_t = 75, value_parser = clap::value_parser!(u64).range(1..=A_DAY))]
    pub(crate) idle: u64,
    /// Seconds until the body of a request must have arrived.
    #[arg(long = "body-timeout-s", value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=A_DAY))]
    pub(crate) body: u64,
    /// Seconds in which the client must take some part of its answer. For the whole answer it has one
    /// second more for each 256 KiB.
    #[arg(long = "write-timeout-s", value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=A_DAY))]
    pub(crate) write: u64,
}

impl From<&PatienceArguments> for Patience {
    fn from(arguments: &PatienceArguments) -> Self {
        Self {
            head: Duration::from_secs(arguments.head),
            idle: Duration::from_secs(arguments.idle),
            body: Duration::from_secs(arguments.body),
            write: Duration::from_secs(arguments.write),
        }
    }
}

/// Longer is for ever.
const A_DAY: u64 = 86_400;

#[derive(Debug, Args)]
pub(crate) struct FillMaskArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    #[command(flatten)]
    pub(crate) lines: LinesArguments,
}

#[derive(Debug, Args)]
pub(crate) struct NearestArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    #[command(flatten)]
    pub(crate) pooling: PoolingArguments,
    #[command(flatten)]
    pub(crate) lines: LinesArguments,
    /// The text to compare the lines with.
    #[arg(long, value_name = "TEXT")]
    pub(crate) query: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_for_the_best_none_is_refused_with_the_least_number() {
        for command in ["fill-mask", "nearest --query x"] {
            let line = |top: &str| format!("tenk-embed {command} --model m --input t.txt --top {top}");
            let parse = |top: &str| Arguments::try_parse_from(line(top).split(' '));
            assert!(parse("1").is_ok());
            let error = parse("0").unwrap_err().to_string();
            assert!(error.contains("--top") && error.contains("1.."), "{error}");
        }
    }
}

//! The command line of `tenk-embed`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use embed_cli::Patience;
use embedding::{PoolingMode, PrecisionChoice};

/// Vectors of texts by a Hugging Face folder with a RoBERTa encoder.
#[derive(Debug, Parser)]
#[command(name = "tenk-embed", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the vectors of a file's lines as a .npy file.
    Encode(EncodeArguments),
    /// Answer requests for vectors over HTTP until SIGTERM.
    Serve(ServeArguments),
    /// Fill in the masked words of a file's lines.
    FillMask(FillMaskArguments),
    /// Print the lines of a file that are nearest to a query.
    Nearest(NearestArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ModelArguments {
    /// Folder of the model: `tenk-pretrain export` writes one, any Hugging Face RoBERTa is one.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Threads of the computation [default: all cores that the process may use].
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Arithmetic of the matrix products.
    #[arg(long, value_enum, default_value_t = PrecisionName::F32)]
    pub(crate) precision: PrecisionName,
    /// Print the answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PrecisionName {
    /// f32 throughout.
    F32,
    /// bf16: faster where the processor has instructions for it, vectors differ in the third digit.
    Bf16,
    /// bf16 where the processor has instructions for it, else f32.
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
    /// How the vectors of tokens become the vector of a text [default: what the model's folder says,
    /// else mean].
    #[arg(long, value_enum)]
    pub(crate) pooling: Option<PoolingName>,
    /// Tokens that go through the model together, padding included.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub(crate) batch_tokens: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PoolingName {
    /// The mean over all tokens.
    Mean,
    /// The first token.
    Cls,
    /// The largest value of each component.
    Max,
    /// The mean with weights 1, 2, 3 ... by position.
    TokenWeighted,
    /// The sum over all tokens, divided by the square root of their number.
    MeanSqrtLen,
    /// The last token.
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
    /// UTF-8 file, a text a line; `-` is standard input. `fill-mask` masks a word of a line that has no `<mask>`.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// How many to print: tokens for each mask, or lines.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) top: usize,
}

#[derive(Debug, Args)]
pub(crate) struct EncodeArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    #[command(flatten)]
    pub(crate) pooling: PoolingArguments,
    /// UTF-8 file, a text a line; an empty line is an empty text. `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// The .npy file to write: float32, [lines, dimension].
    #[arg(long, value_name = "FILE.npy")]
    pub(crate) output: PathBuf,
    /// Replace the output where it exists.
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    #[command(flatten)]
    pub(crate) pooling: PoolingArguments,
    /// Name or address to listen on; 0.0.0.0 is every address of this machine.
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Port to listen on; 0 takes a free one, which is printed.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) port: u16,
    /// While this many tokens wait, new requests are turned away with 503.
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) queue_tokens: usize,
    /// Largest body of a request, in MiB.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    pub(crate) max_body_mib: usize,
    /// MiB of bodies and answers that are held together; above, requests are turned away with 503
    /// [default: 512, more where two of the largest requests need it].
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1 << 24))]
    pub(crate) memory_mib: Option<usize>,
    /// Connections that are open together; for another one the longest waiting is closed [default: 1024,
    /// fewer where `ulimit -n` says so].
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<usize>,
    /// Names that requests may ask for in their Host header, besides localhost and addresses of this
    /// machine [default: any name where other machines are listened to, none else].
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) allowed_hosts: Vec<String>,
    #[command(flatten)]
    pub(crate) patience: PatienceArguments,
}

/// How many seconds the server waits for a client.
#[derive(Debug, Args)]
pub(crate) struct PatienceArguments {
    /// Seconds for the head of a request to arrive.
    #[arg(long = "head-timeout-s", value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=A_DAY))]
    pub(crate) head: u64,
    /// Seconds for the next request on a connection to begin.
    #[arg(long = "idle-timeout-s", value_name = "S", default_value_t = 75, value_parser = clap::value_parser!(u64).range(1..=A_DAY))]
    pub(crate) idle: u64,
    /// Seconds for the body of a request to arrive.
    #[arg(long = "body-timeout-s", value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=A_DAY))]
    pub(crate) body: u64,
    /// Seconds without any part of an answer being taken; the whole may take a second more for each
    /// 256 KiB.
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
    /// The text to compare with.
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

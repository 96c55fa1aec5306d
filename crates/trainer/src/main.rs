//! bin tenk-pretrain: reads the arguments and hands over to the library.

use clap::Parser;
use trainer::{Arguments, end, run_command};

fn main() {
    let arguments = Arguments::parse();
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the start-up code that reads the environment"
    )]
    let status = run_command(arguments, |name| std::env::var(name).ok());
    end(status);
}

//! bin tenk-pretrain: reads the arguments and hands over to the library.

use clap::Parser;
use trainer::{
    commands::{Arguments, run},
    run::exit,
};

fn main() {
    let arguments = Arguments::parse();
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the start-up code that reads the environment"
    )]
    let status = run(arguments, |name| std::env::var(name).ok());
    exit::end(status);
}

//! Behaviour that links neither libtorch nor MPI: set-up, launchers, and the data path through its program.

mod counting;
mod documents;
mod launch_files;
mod launchers;
mod opening;
mod real_filings;
mod report;
mod set_up;
mod token_ids;

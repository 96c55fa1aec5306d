//! Behaviour that needs neither libtorch nor MPI: set-up, and the data path through its program.

mod counting;
mod documents;
mod opening;
mod real_filings;
mod report;
mod set_up;
mod token_ids;

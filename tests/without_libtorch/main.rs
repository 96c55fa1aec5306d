//! Behavior that links neither libtorch nor MPI: set-up, launchers, and the data path through its program.

mod counting;
mod dist;
mod documents;
mod install;
mod launch_files;
mod launchers;
mod opening;
mod real_filings;
mod report;
mod set_up;
mod slurm;
mod small_corpus;
mod token_ids;
mod tokenizer_folders;

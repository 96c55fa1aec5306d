//! `tenk-corpus` from outside: the whole path on the sample, and everything that can be wrong
//! with what it is given.

#![expect(clippy::unwrap_used, reason = "what fails here is the test")]

mod bad_input;
mod disks;
mod fetch;
mod kills;
mod memory;
mod path;
mod programs;
mod sections;
mod table;
mod texts;

//! `tenk-embed serve` as its clients meet it: a real process, real sockets on the loopback address.

mod answers;
mod crowds;
mod ends;
mod pipes;
mod process;
mod refusals;

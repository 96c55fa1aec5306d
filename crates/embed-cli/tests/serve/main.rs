//! `tenk-embed serve` as its clients meet it: a real process, real sockets on the loopback address.

mod answers;
mod ends;
mod process;
mod refusals;

//! Training on several hosts, which are network namespaces of this machine: their links are slow,
//! lose packets or go down, and they share no more files than a test lets them.

mod data;
mod job;
mod links;
mod machines;
mod training;
mod wire;

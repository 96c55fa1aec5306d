//! Behavior of training, export and embedding, through the product's programs and libtorch.

mod bad_input;
mod beside;
mod checkpoint_activations;
mod demo;
mod disks;
mod exported_folder;
mod folders;
mod gpu_peer;
mod init_from;
mod lost_ranks;
mod philox;
mod point_in_time;
mod quiet;
mod replay;
mod run_path;
mod running;
mod stopping;
mod worlds;

use tests::run_folder;

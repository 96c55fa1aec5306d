//! Saves and finds training state, whole or absent.
//!
//! A checkpoint is a folder `step-00012345/`:
//!
//! | file | content |
//! |---|---|
//! | `model.safetensors` | weights by name |
//! | `optimizer.safetensors` | the optimizer's tensors by name |
//! | `trainer.json` | step and whatever else the trainer needs to go on |
//! | `MANIFEST.json` | format version, step, size and SHA-256 of each file; written last |
//!
//! Step N means "N optimizer steps are finished". This crate knows names, shapes and bytes,
//! and neither the model nor libtorch, so that it does not change when the model does.

mod error;
mod folder_name;
mod manifest;
mod restore;
mod retention;
mod save;
mod state;
mod tensor_file;

pub use error::CheckpointError;
pub use folder_name::folder_name;
pub use manifest::{FileEntry, MANIFEST_FILE, MODEL_FILE, Manifest, OPTIMIZER_FILE, TRAINER_FILE};
pub use restore::{Latest, Skipped, latest, list, restore, restore_model, restore_trainer, verify};
pub use retention::{FailedDelete, Retained, apply, plan};
pub use save::save;
pub use state::{Checkpoint, Dtype, NamedTensor, SavedModel};
pub use tensor_file::{read_tensors, write_tensors};

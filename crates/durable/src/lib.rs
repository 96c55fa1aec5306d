//! Makes a file or a folder appear whole or not at all, and reads what may be somebody else's.
//!
//! Everything that the product writes under a final name goes through here: it is written
//! beside, flushed to the disk, renamed, and the rename itself is flushed. A process that is
//! killed at any moment leaves the old state or the new one, never a half. Files of folders are
//! opened here as well, because anything may lie under their names. This crate knows nothing about
//! what is in the files.
//!
//! ```
//! use durable::{commit_file, DISK};
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("note.txt");
//! commit_file(&DISK, &path, |file| file.write_all(b"whole or absent"))?;
//! assert_eq!(std::fs::read(&path)?, b"whole or absent");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod above;
mod checksum;
mod commit;
mod error;
mod file_name;
mod flush;
mod lock;
mod own;
mod partial;
mod read;
mod storage;
pub mod testing;
mod unflushed;

pub use checksum::{Sha256Writer, sha256_file, sha256_hex};
pub use commit::{StagedDir, commit_bytes, commit_dir, commit_file, commit_new_file, remove_dir};
pub use error::{DurableError, Operation};
pub use file_name::FileName;
pub use lock::{FolderLock, LOCK_FILE};
pub use own::{is_own, open_own, others_can_change, private_folder};
pub use partial::{is_partial, remove_all_partials, remove_stale_partials};
pub use read::{MOST_JSON_BYTES, open_file, read_file, read_text};
pub use storage::{DISK, Disk, Storage, StorageFile};

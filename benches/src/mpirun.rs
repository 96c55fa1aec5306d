//! How several ranks are started.

use std::path::Path;

/// The script that starts ranks on this machine.
pub(crate) fn mpirun() -> &'static Path {
    Path::new("scripts/mpirun.sh")
}

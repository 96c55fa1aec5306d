//! Files in shared memory through which the MPI library joins the ranks of a host.
//!
//! The launcher removes them when its job is over; where it was killed, nobody would, and they
//! hold memory until the host restarts.

use std::{fs, path::Path};

/// Beginnings of their names: Open MPI 4, Open MPI 5, MPICH.
const SEGMENTS: [&str; 3] = [
    "/dev/shm/vader_segment",
    "/dev/shm/sm_segment",
    "/dev/shm/mpich_shar",
];

/// Removes the segments that this process has mapped. Ranks that live keep what they have.
pub(crate) fn remove_mapped_segments() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for path in segments(&maps) {
        // Another rank may have been faster.
        if let Err(error) = fs::remove_file(path) {
            tracing::debug!("{} was not removed: {error}", path.display());
        }
    }
}

/// The segments in a list of mappings as `/proc/PID/maps` has it (proc(5)): the path is the
/// sixth word, and may be followed by `(deleted)`.
fn segments(maps: &str) -> impl Iterator<Item = &Path> {
    maps.lines()
        .filter_map(|line| line.split_ascii_whitespace().nth(5))
        .filter(|path| SEGMENTS.iter().any(|start| path.starts_with(start)))
        .map(Path::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_mpi_are_found_among_the_mappings_and_nothing_else() {
        let maps = "\
7f00-7f10 rw-s 00000000 00:19 42 /dev/shm/vader_segment.vm.0.3fd40001.0
7f10-7f20 rw-s 00000000 00:19 43 /dev/shm/vader_segment.vm.0.3fd40001.1 (deleted)
7f20-7f30 rw-s 00000000 00:19 44 /dev/shm/somebody_elses
7f30-7f40 r-xp 00000000 08:01 45 /usr/lib/libmpi.so.40
7f40-7f50 rw-p 00000000 00:00 0
7f50-7f60 rw-p 00000000 00:00 0 [heap]
";
        let found: Vec<&Path> = segments(maps).collect();
        let expected = ["0", "1"].map(|rank| format!("/dev/shm/vader_segment.vm.0.3fd40001.{rank}"));
        assert_eq!(found, expected.each_ref().map(Path::new));
    }
}

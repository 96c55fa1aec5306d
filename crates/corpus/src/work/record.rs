//! Records of fixed size, as files between passes have them.

/// `N` bytes from `first` on.
pub(crate) fn part<const N: usize>(bytes: &[u8], first: usize) -> [u8; N] {
    std::array::from_fn(|at| bytes[first + at])
}

//! Numbers in memory, as MPI and the ways of our own to sum take them.

use std::{ffi::c_void, ptr};

use crate::Element;

/// Numbers that lie one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buffer {
    /// Where the first begins.
    pub(super) start: *mut c_void,
    /// How many.
    pub(super) count: usize,
    /// Their kind.
    pub(super) element: Element,
}

impl Buffer {
    pub(super) fn num_bytes(&self) -> usize {
        self.count * self.element.size_bytes()
    }

    /// `count` of them from this one on.
    pub(super) fn part(&self, first: usize, count: usize) -> Self {
        Self {
            start: self.start.wrapping_byte_add(first * self.element.size_bytes()),
            count,
            ..*self
        }
    }

    /// The same numbers, where each is a `T`.
    pub(super) fn numbers<T>(&self) -> *mut [T] {
        debug_assert_eq!(size_of::<T>(), self.element.size_bytes());
        ptr::slice_from_raw_parts_mut(self.start.cast(), self.count)
    }
}

//! Counts the bytes that the passes look at, so that a test can tell work that grows faster than
//! the text from a slow machine. Outside of tests it does nothing.

#[cfg(test)]
thread_local! {
    static BYTES: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Notes that so many bytes are looked at.
#[inline]
pub(super) fn looks_at(num_bytes: usize) {
    #[cfg(test)]
    BYTES.with(|bytes| bytes.set(bytes.get() + num_bytes as u64));
    #[cfg(not(test))]
    let _ = num_bytes;
}

/// Bytes that `read` looks at on this thread.
#[cfg(test)]
pub(super) fn of(read: impl FnOnce()) -> u64 {
    let before = BYTES.get();
    read();
    BYTES.get() - before
}

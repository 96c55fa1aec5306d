//! Calls that may never come back: each on a thread of its own, which is left alone where it hangs.

use std::{sync::mpsc, thread, time::Duration};

/// What `call` gives, or `None` where it has not come back within `limit` or no thread could be
/// started for it.
pub(super) fn aside<T: Send + 'static>(
    name: &str,
    limit: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (ended, end) = mpsc::channel();
    let body = move || {
        // Nobody listens any more where it took too long.
        let _ = ended.send(call());
    };
    thread::Builder::new().name(name.to_owned()).spawn(body).ok()?;
    end.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_given_and_what_hangs_is_left_alone() {
        let long = Duration::from_mins(1);
        assert_eq!(aside("quick", long, || 7), Some(7));
        let (never, hears_nothing) = mpsc::channel::<()>();
        let hangs = move || hears_nothing.recv().is_ok();
        assert_eq!(aside("hangs", Duration::from_millis(20), hangs), None);
        drop(never);
    }
}

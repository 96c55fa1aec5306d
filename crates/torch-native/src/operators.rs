//! Which operators libtorch runs, by its own account: what a pass costs beside the arithmetic, and what
//! makes the host wait for a GPU.

#![expect(unsafe_code, reason = "calls the C++ shim")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::sync::{Mutex, PoisonError};

use crate::TorchError;
use crate::ffi::{check, tenk_count_operators, tenk_counted_operators, tenk_stop_counting};

/// One count at a time: the shim has one table.
static COUNTING: Mutex<()> = Mutex::new(());

/// Counts until it is dropped.
struct Counting {
    handle: u64,
}

impl Counting {
    fn start() -> Result<Self, TorchError> {
        let mut handle = 0;
        // SAFETY: the number lives through the call.
        check("count_operators", unsafe {
            tenk_count_operators(&raw mut handle)
        })?;
        Ok(Self { handle })
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        // SAFETY: the handle is that of `tenk_count_operators`, given back once.
        let stopped = check("stop_counting", unsafe { tenk_stop_counting(self.handle) });
        // libtorch only warns about a handle that it does not know.
        drop(stopped);
    }
}

extern "C" fn take(state: *mut c_void, name: *const c_char, count: u64) {
    // SAFETY: `state` is the map that `count_operators` lends to the call.
    let counts = unsafe { &mut *state.cast::<BTreeMap<String, u64>>() };
    // SAFETY: `name` is a string that lives through the call.
    let name = unsafe { CStr::from_ptr(name) };
    counts.insert(name.to_string_lossy().into_owned(), count);
}

/// What `work` returns, and how often each operator ran meanwhile, by its name as `aten::mm`: on every
/// thread of the process, those of other work too, and those that an operator calls by itself.
///
/// # Errors
/// [`TorchError::Shim`] when libtorch refuses.
pub fn count_operators<T>(work: impl FnOnce() -> T) -> Result<(T, BTreeMap<String, u64>), TorchError> {
    let _alone = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let counting = Counting::start()?;
    let done = work();
    drop(counting);
    let mut counts = BTreeMap::<String, u64>::new();
    let state = (&raw mut counts).cast::<c_void>();
    // SAFETY: `take` gets the map that `state` points to, on this thread and before the call returns.
    check("counted_operators", unsafe {
        tenk_counted_operators(take, state)
    })?;
    Ok((done, counts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Kind, Tensor};

    /// Other tests run beside this one, so only what none of them calls is counted exactly.
    #[test]
    fn operators_are_counted_while_the_work_runs_and_not_afterwards() {
        let numbers = Tensor::from_slice(&[2.0_f64, 1.0]);
        let ((), counts) = count_operators(|| {
            for _ in 0..3 {
                let _ = numbers.flipud();
            }
            let _ = numbers.asinh();
        })
        .unwrap();
        assert_eq!(counts.get("aten::asinh"), Some(&1), "{counts:?}");
        assert_eq!(counts.get("aten::flipud"), Some(&3), "{counts:?}");
        let _ = numbers.asinh();
        let (value, counts) = count_operators(|| numbers.sum(Kind::Double).double_value(&[])).unwrap();
        assert!((value - 3.0).abs() < 1e-12);
        assert_eq!(counts.get("aten::asinh"), None);
        assert!(counts.contains_key("aten::_local_scalar_dense"), "{counts:?}");
    }
}

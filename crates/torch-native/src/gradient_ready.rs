//! Hooks that tell when a backward pass has added its last gradient to a leaf.

#![expect(unsafe_code, reason = "passes closures through the C++ shim")]

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::Tensor;

use crate::TorchError;
use crate::ffi::{check, tenk_on_gradient_ready};

type Ready = dyn Fn() + Send + Sync;

/// Calls `ready` in every backward pass as soon as `leaf.grad` has all that the pass adds to it,
/// on the thread that runs the pass. A hook that was set before is dropped. A panic of `ready`
/// ends there: what waits for the call has to notice by itself that it does not come.
///
/// # Errors
/// [`TorchError::Shim`] when `leaf` is no leaf that requires a gradient.
pub fn on_gradient_ready(leaf: &Tensor, ready: impl Fn() + Send + Sync + 'static) -> Result<(), TorchError> {
    let boxed: Box<Ready> = Box::new(ready);
    let state = Box::into_raw(Box::new(boxed)).cast::<c_void>();
    // SAFETY: the handle is a live `at::Tensor`; `state` belongs to the hook from here on, also
    // when the shim reports an error.
    let message = unsafe { tenk_on_gradient_ready(leaf.as_ptr(), call, drop_state, state) };
    check("on_gradient_ready", message)
}

/// # Safety
/// `state` is that of a hook that lives.
unsafe extern "C" fn call(state: *const c_void) {
    // SAFETY: `state` came from `Box::into_raw` in `on_gradient_ready` and lives as long as the
    // hook that calls.
    let ready = unsafe { &*state.cast::<Box<Ready>>() };
    // A panic must not unwind into C++.
    let _ = catch_unwind(AssertUnwindSafe(ready));
}

/// # Safety
/// `state` is that of a hook, which gives it up here.
unsafe extern "C" fn drop_state(state: *mut c_void) {
    // SAFETY: it came from `Box::into_raw`, and the hook hands it over once, when it is destroyed.
    let boxed = unsafe { Box::from_raw(state.cast::<Box<Ready>>()) };
    drop(catch_unwind(AssertUnwindSafe(|| drop(boxed))));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tch::Kind;

    use super::*;

    fn leaf(value: f32) -> Tensor {
        Tensor::from_slice(&[value]).set_requires_grad(true)
    }

    #[test]
    fn each_leaf_is_ready_once_a_pass_the_last_used_first_and_with_its_whole_gradient() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (first, second, tied) = (leaf(2.0), leaf(3.0), leaf(5.0));
        for (name, leaf) in [("first", &first), ("second", &second), ("tied", &tied)] {
            let (seen, leaf_again) = (Arc::clone(&seen), Mutex::new(leaf.shallow_clone()));
            on_gradient_ready(leaf, move || {
                let grad = leaf_again.lock().unwrap().grad().double_value(&[0]);
                seen.lock().unwrap().push((name, grad));
            })
            .unwrap();
        }
        let pass = || {
            let product = &tied * 1.0 * &first * &second * &tied;
            product.sum(Kind::Float).backward();
        };
        pass();
        // d/dtied = 2 x 5 x 2 x 3; the tied leaf is used first and last.
        let expected = vec![("second", 50.0), ("first", 75.0), ("tied", 60.0)];
        assert_eq!(*seen.lock().unwrap(), expected);
        pass();
        assert_eq!(seen.lock().unwrap()[3..].len(), 3);
    }

    #[test]
    fn a_hook_is_freed_with_its_leaf_and_its_panic_stays_inside() {
        let token = Arc::new(());
        let held = Arc::clone(&token);
        let hooked = leaf(1.0);
        on_gradient_ready(&hooked, move || {
            assert!(Arc::strong_count(&held) == 0, "this hook panics");
        })
        .unwrap();
        (&hooked * 2.0).sum(Kind::Float).backward();
        assert_eq!(Vec::<f32>::try_from(hooked.grad()).unwrap(), [2.0]);
        drop(hooked);
        assert_eq!(Arc::strong_count(&token), 1);
    }

    #[test]
    fn what_is_no_leaf_is_refused() {
        let token = Arc::new(());
        let held = Arc::clone(&token);
        let error = on_gradient_ready(&(leaf(1.0) * 2.0), move || drop(Arc::clone(&held)));
        assert!(matches!(error, Err(TorchError::Shim { .. })));
        assert_eq!(Arc::strong_count(&token), 1);
    }
}

//! Variables of the environment, as tests are told by them where things are.

use std::ffi::OsString;

/// The variable of the environment, unless it is empty.
pub(crate) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

//! Any bytes as each manifest and index of a folder, and as a name in sound ones.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::manifests::check_manifests(bytes);
});

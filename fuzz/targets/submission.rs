//! Any bytes as a filing, and behind the opening of a submission: headers, documents, wrappers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::check_filing("a.txt", bytes);
    let header: &[u8] = b"<SEC-DOCUMENT>\nACCESSION NUMBER: 0000000009-94-000003\nFILER:\n";
    fuzz::check_filing("a.txt", &[header, bytes].concat());
});

//! A lone plain-text filing: tags of the 1990s, tables, pages, line ends of every kind.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::check_filing("a.txt", &[b"FORM 10-K\n\n", bytes].concat());
});

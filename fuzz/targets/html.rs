//! A lone HTML filing: tags, styles, entities, inline facts, in any order and nesting.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::check_filing("a.htm", &[b"<html><p>FORM 10-K</p>", bytes].concat());
});

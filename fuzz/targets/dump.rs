//! A dump's file: any bytes, and any bytes inside a page. In memory, as a file of `/dev/shm`.
#![no_main]

use corpus::Outcome;
use corpus::wikipedia::read_dump;
use std::ops::ControlFlow;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = std::path::PathBuf::from(format!("/dev/shm/tenk-fuzz-{}", std::process::id()));
    let head: &[u8] = b"<mediawiki><siteinfo><dbname>x</dbname></siteinfo><page><title>a</title><ns>0</ns>";
    for dump in [bytes, &[head, bytes].concat()] {
        std::fs::write(&path, dump).expect("room in memory");
        // A damaged dump is an error; the pages before the damage are checked all the same.
        let _ = read_dump(&path, |page| {
            if let Outcome::Document(document) = page.outcome {
                fuzz::check_blocks(&document.blocks);
            }
            ControlFlow::Continue(())
        });
    }
});

//! A dump's file: any bytes, and any bytes inside a page.
#![no_main]

use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::LazyLock;

use documents::Outcome;
use wikipedia::{PageResult, read_dump_from};

static POOL: LazyLock<rayon::ThreadPool> = LazyLock::new(|| {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(1);
    builder.build().expect("a thread can be started")
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let head: &[u8] = b"<mediawiki><siteinfo><dbname>x</dbname></siteinfo><page><title>a</title><ns>0</ns>";
    for dump in [bytes.to_vec(), [head, bytes].concat()] {
        let prepare = |page: PageResult| {
            if let Outcome::Document(document) = page.outcome {
                fuzz::check_blocks(&document.blocks);
            }
        };
        // A damaged dump is an error; the pages before the damage are checked all the same.
        let _ = read_dump_from(
            Path::new("fuzzed"),
            Box::new(Cursor::new(dump)),
            &POOL,
            prepare,
            |()| ControlFlow::Continue(()),
        );
    }
});

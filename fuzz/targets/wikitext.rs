//! The wikitext of a page, links to namespaces among it.
#![no_main]

use wikipedia::{SiteInfo, parse_wikitext};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let site = SiteInfo {
        namespaces: vec![("file".into(), 6), ("category".into(), 14)],
        ..SiteInfo::default()
    };
    fuzz::check_blocks(&parse_wikitext(text, &site).blocks);
});

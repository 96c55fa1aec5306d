//! What holds for everything that a reader makes of any input; the targets feed it.

pub mod manifests;

use documents::{form_type::is_periodic_report, Block, Outcome};
use edgar::read_filing;

/// Reads one filing and checks its results.
///
/// # Panics
/// When a result breaks a promise of the document format: the fuzzer keeps the input.
pub fn check_filing(name: &str, bytes: &[u8]) {
    let results = read_filing(name, bytes);
    assert!(!results.is_empty(), "an input without a result");
    for result in results {
        match result.outcome {
            Outcome::Document(document) => {
                assert!(
                    is_periodic_report(&document.source) || document.exhibit_of.is_some(),
                    "source {:?}",
                    document.source
                );
                assert!(!document.id.is_empty() && document.sha256.len() == 64);
                check_blocks(&document.blocks);
                assert!(!document.blocks.is_empty(), "a document without text");
            }
            Outcome::Skipped { reason, .. } | Outcome::Rejected { reason } => {
                assert!(!reason.is_empty(), "left out without a reason");
            }
        }
    }
}

/// Every block is one clean line.
///
/// # Panics
/// When one is not.
pub fn check_blocks(blocks: &[Block]) {
    for block in blocks {
        assert!(block.is_clean(), "not one clean line: {block:?}");
    }
}

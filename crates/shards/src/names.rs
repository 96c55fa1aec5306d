//! Names of the files of a corpus folder.

use crate::PackingMode;

/// The list of documents.
pub const DOCUMENTS_FILE: &str = "documents.jsonl.zst";

/// Name of a shard without extension: `shard-00017-of-00256`.
pub fn shard_name(index: u32, num_shards: u32) -> String {
    format!("shard-{index:05}-of-{num_shards:05}")
}

/// The folder inside a corpus folder that holds the tokenizer that it was built with.
pub const TOKENIZER_FOLDER: &str = "tokenizer";

/// Name of a source's held-out file without extension; `10-K/A` gives `valid-10-K_A`.
pub fn held_out_name(source: &str) -> String {
    format!("valid-{}", source.replace(['/', '\\', '\0'], "_"))
}

/// Name of a packing index: `packing-full-sentences-512.idx`.
pub fn packing_name(mode: PackingMode, max_length: u32) -> String {
    format!("packing-{}-{max_length}.idx", mode.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_design() {
        assert_eq!(shard_name(17, 256), "shard-00017-of-00256");
        assert_eq!(held_out_name("10-K/A"), "valid-10-K_A");
        assert_eq!(
            packing_name(PackingMode::FullSentences, 512),
            "packing-full-sentences-512.idx"
        );
    }
}

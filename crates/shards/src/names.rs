//! Names of the files of a corpus folder.

use durable::{FileName, sha256_hex};

use crate::PackingMode;

/// The list of documents.
pub const DOCUMENTS_FILE: &str = "documents.jsonl.zst";

/// [`DOCUMENTS_FILE`] as a name.
pub(crate) fn documents_name() -> FileName {
    name(DOCUMENTS_FILE.to_owned())
}

/// Name of a shard without extension: `shard-00017-of-00256`.
pub fn shard_name(index: u32, num_shards: u32) -> FileName {
    name(format!("shard-{index:05}-of-{num_shards:05}"))
}

/// The folder inside a corpus folder that holds the tokenizer that it was built with.
pub const TOKENIZER_FOLDER: &str = "tokenizer";

/// So much of a source stands in the name of its file.
const SOURCE_BYTES: usize = 100;

/// Name of a source's held-out file without extension; `10-K/A` gives `valid-10-K_A`.
///
/// A source that is not made of letters, digits, `.`, `-`, `/`, `@` and blanks alone, or is long, has
/// the beginning of its hash at the end, so that no two sources share a file.
pub fn held_out_name(source: &str) -> FileName {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '/' | '@' | ' ');
    let is_kept = |c: char| FileName::allows(c);
    let cut = source.floor_char_boundary(SOURCE_BYTES);
    let shown: String = source[..cut]
        .chars()
        .map(|c| if is_kept(c) { c } else { '_' })
        .collect();
    if cut == source.len() && source.chars().all(is_plain) {
        return name(format!("valid-{shown}"));
    }
    let hash = sha256_hex(source.as_bytes());
    name(format!("valid-{shown}-{}", &hash[..16]))
}

fn name(name: String) -> FileName {
    FileName::new(name).expect("it begins with a letter, is short, and its characters are allowed")
}

/// How the names of all packing indices begin.
pub(crate) const PACKING_PREFIX: &str = "packing-";

/// Name of a packing index: `packing-full-sentences-512.idx`.
pub fn packing_name(mode: PackingMode, max_length: u32) -> String {
    format!("{PACKING_PREFIX}{}-{max_length}.idx", mode.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_design() {
        assert_eq!(shard_name(17, 256), "shard-00017-of-00256");
        assert_eq!(held_out_name("10-K/A"), "valid-10-K_A");
        assert_eq!(held_out_name("wiki"), "valid-wiki");
        assert_eq!(
            packing_name(PackingMode::FullSentences, 512),
            "packing-full-sentences-512.idx"
        );
    }

    #[test]
    fn sources_that_would_share_a_held_out_file_or_leave_the_folder_do_neither() {
        let long = "x".repeat(5000);
        let sources = [
            "10-K/A",
            "10-K_A",
            "10-K\\A",
            "10-K\0A",
            "10-K\nA",
            "",
            "..",
            "../../x",
            &long,
            &format!("{long}y"),
            "é\u{2028}",
        ];
        let names: std::collections::BTreeSet<FileName> =
            sources.iter().map(|source| held_out_name(source)).collect();
        assert_eq!(names.len(), sources.len(), "{names:?}");
    }
}

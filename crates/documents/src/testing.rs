//! Documents folders as somebody else may have written them.

use std::collections::BTreeMap;
use std::path::Path;

use durable::{DISK, FileName, commit_bytes, sha256_hex};

use crate::manifest::{DOCS_FORMAT_VERSION, DOCS_MANIFEST, DocsFile, DocsManifest, INPUTS_LIST, Inputs};

/// The one documents file of a forged folder.
pub const FORGED_FILE: &str = "filings-00000.jsonl.zst";

/// Writes a documents folder with one file, which holds `json` and is said to hold `json_bytes`.
pub fn forge(docs: &Path, json: &[u8], json_bytes: u64) {
    std::fs::create_dir_all(docs).unwrap();
    let packed = zstd::encode_all(json, 1).unwrap();
    commit_bytes(&DISK, &docs.join(FORGED_FILE), &packed).unwrap();
    commit_bytes(&DISK, &docs.join(INPUTS_LIST), b"").unwrap();
    put_manifest(docs, json_bytes, packed.len() as u64);
}

/// Writes the manifest of such a folder anew: with other lengths of its file, unpacked and packed.
pub fn put_manifest(docs: &Path, json_bytes: u64, bytes: u64) {
    let manifest = DocsManifest {
        format_version: DOCS_FORMAT_VERSION,
        program_version: "0".to_owned(),
        files: vec![DocsFile {
            name: FileName::new(FORGED_FILE).unwrap(),
            documents: 1,
            json_bytes,
            bytes,
            sha256: sha256_hex(b""),
        }],
        documents: BTreeMap::from([("10-K".to_owned(), 1)]),
        skipped: BTreeMap::new(),
        rejected: BTreeMap::new(),
        markup_left_out: BTreeMap::new(),
        inputs: Inputs::default(),
    };
    let text = serde_json::to_vec(&manifest).unwrap();
    commit_bytes(&DISK, &docs.join(DOCS_MANIFEST), &text).unwrap();
}

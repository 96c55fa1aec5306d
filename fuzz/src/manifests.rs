//! What holds for every folder whose files somebody else wrote: what its manifest names lies in it.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Once;

use serde_json::{Value, json};
use shards::{DocumentsReader, MANIFEST_FILE, Packing, ShardReader, TOKENIZER_FOLDER};
use documents::DocsManifest;

static ONCE: Once = Once::new();

/// Reads `bytes` as each file of a corpus, a documents folder and a checkpoint, and as a name in sound
/// manifests of them.
///
/// # Panics
/// When a name that comes out leads out of its folder, or a reader panics: the fuzzer keeps the input.
pub fn check_manifests(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("the folder for temporary files can be written to");
    let folder = folder.path();
    ONCE.call_once(|| check_sound_ones(folder));
    read_all(folder, bytes);
    let name = String::from_utf8_lossy(bytes);
    for text in corpus_manifests(&name).into_iter().filter_map(with_hash) {
        read_corpus(folder, &text);
    }
    read_documents(folder, docs_manifest(&name).to_string().as_bytes());
    read_checkpoint(folder, checkpoint_manifest(&name).to_string().as_bytes());
}

/// A corpus's manifest with the hash that fits: whoever knows the format can make it fit.
fn with_hash(manifest: Value) -> Option<Vec<u8>> {
    let mut manifest: shards::Manifest = serde_json::from_value(manifest).ok()?;
    manifest.corpus_hash = manifest.hash();
    serde_json::to_vec(&manifest).ok()
}

fn read_all(folder: &Path, bytes: &[u8]) {
    read_corpus(folder, bytes);
    read_documents(folder, bytes);
    read_checkpoint(folder, bytes);
    for file in [bytes.to_vec(), [&b"TENKPACK\x01\0\0\0"[..], bytes].concat()] {
        let path = put(folder, "packing-x.idx", &file);
        // A damaged file is an error; a sound one can be verified.
        if let Ok(packing) = Packing::open(&path) {
            let _ = packing.verify();
        }
    }
    let index = &b"MMIDIDX\0\0\x01\0\0\0\0\0\0\0\x08"[..];
    for file in [bytes.to_vec(), [index, bytes].concat()] {
        put(folder, "shard.idx", &file);
        put(folder, "shard.bin", b"");
        let _ = ShardReader::open(&folder.join("shard"));
    }
    if let Ok(list) = DocumentsReader::open(&put(folder, "documents.jsonl.zst", bytes)) {
        list.rows().for_each(drop);
    }
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    // Some file systems flush a file that is emptied and written again, which takes milliseconds.
    let _ = fs::remove_file(&path);
    fs::write(&path, bytes).expect("a file can be written");
    path
}

fn read_corpus(folder: &Path, bytes: &[u8]) {
    put(folder, MANIFEST_FILE, bytes);
    let Ok(manifest) = shards::Manifest::read(folder) else {
        return;
    };
    for (file, _) in manifest.files() {
        let inner = file.strip_prefix(TOKENIZER_FOLDER).unwrap_or(&file);
        check_name(inner);
    }
}

fn read_documents(folder: &Path, bytes: &[u8]) {
    put(folder, "manifest.json", bytes);
    if let Ok(manifest) = DocsManifest::open(folder) {
        manifest
            .files
            .iter()
            .for_each(|file| check_name(file.name.as_ref()));
    }
}

fn read_checkpoint(folder: &Path, bytes: &[u8]) {
    put(folder, checkpoint::MANIFEST_FILE, bytes);
    if let Ok(manifest) = checkpoint::Manifest::read(folder) {
        manifest.files.keys().for_each(|name| check_name(name.as_ref()));
    }
}

/// It is one normal part of a path.
fn check_name(name: &Path) {
    let parts: Vec<Component<'_>> = name.components().collect();
    assert!(
        matches!(parts[..], [Component::Normal(part)] if part == name.as_os_str()),
        "{} leads out of its folder",
        name.display()
    );
}

/// A corpus's manifest with `name` in each place that has one.
fn corpus_manifests(name: &str) -> Vec<Value> {
    let mut sound = serde_json::to_value(shards::Manifest::default()).expect("a manifest is JSON");
    sound["kind"] = "corpus".into();
    sound["format_version"] = shards::MANIFEST_FORMAT_VERSION.into();
    let counts = json!({"tokens": 0, "documents": 0, "blocks": 0, "bin_sha256": "", "idx_sha256": ""});
    let entry = |more: Value| {
        let mut entry = counts.clone();
        entry["name"] = name.into();
        for (key, value) in more.as_object().into_iter().flatten() {
            entry[key] = value.clone();
        }
        entry
    };
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut manifest = sound.clone();
        edit(&mut manifest);
        manifest
    };
    vec![
        with(&|manifest| manifest["documents_file"]["file"] = name.into()),
        with(&|manifest| manifest["tokenizer_files"] = json!({ name: "" })),
        with(&|manifest| manifest["held_out"]["sources"] = json!({"10-K": entry(Value::Null)})),
        with(&|manifest| {
            manifest["num_shards"] = 1.into();
            manifest["shards"] = json!([entry(json!({"by_source": {}}))]);
        }),
    ]
}

fn docs_manifest(name: &str) -> Value {
    json!({
        "format_version": documents::DOCS_FORMAT_VERSION,
        "program_version": "0",
        "files": [{"name": name, "documents": 1, "json_bytes": 1, "bytes": 1, "sha256": ""}],
        "documents": {},
        "skipped": {},
        "rejected": {},
        "inputs": {"files": 0, "bytes": 0, "sha256": ""},
    })
}

fn checkpoint_manifest(name: &str) -> Value {
    let entry = json!({"size_bytes": 0, "sha256": ""});
    json!({
        "format_version": 1,
        "step": 0,
        "files": {
            "model.safetensors": entry,
            "optimizer.safetensors": entry,
            "trainer.json": entry,
            name: entry,
        },
    })
}

/// The manifests around a name are read when the name is one: otherwise nothing would be looked at.
fn check_sound_ones(folder: &Path) {
    let name = "a-name";
    for manifest in corpus_manifests(name) {
        put(
            folder,
            MANIFEST_FILE,
            &with_hash(manifest).expect("its form fits"),
        );
        let read = shards::Manifest::read(folder).expect("it is sound");
        let mut files = read.files().into_iter();
        assert!(files.any(|(file, _)| file.to_string_lossy().contains(name)));
    }
    put(
        folder,
        "manifest.json",
        docs_manifest(name).to_string().as_bytes(),
    );
    DocsManifest::open(folder).expect("it is sound");
    let text = checkpoint_manifest(name).to_string();
    put(folder, checkpoint::MANIFEST_FILE, text.as_bytes());
    checkpoint::Manifest::read(folder).expect("it is sound");
}

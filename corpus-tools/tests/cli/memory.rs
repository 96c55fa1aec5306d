//! Peak memory of `build` on a small and on a large documents folder: the same.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::programs::finished;

/// Writes a documents folder of about this much JSON: reports of numbered words.
fn write_docs(folder: &Path, megabytes: usize) {
    std::fs::create_dir(folder).unwrap();
    let name = "filings-00000.jsonl.zst";
    let file = std::fs::File::create_new(folder.join(name)).unwrap();
    let mut encoder = zstd::Encoder::new(file, 1).unwrap();
    let (mut json_bytes, mut documents) = (0, 0_usize);
    while json_bytes < megabytes << 20 {
        let blocks: Vec<_> = (0..400)
            .map(|line| {
                let words =
                    (0..12).map(|word| format!("item{}", (documents * 31 + line * 7 + word * word) % 9973));
                let text = words.collect::<Vec<_>>().join(" ");
                serde_json::json!({ "kind": "paragraph", "text": text })
            })
            .collect();
        let cik = format!("{:010}", documents / 8 + 1);
        let mut line = serde_json::json!({
            "id": format!("{cik}-15-{documents:06}:1"),
            "source": "10-K",
            "cik": cik,
            "filed": "2015-06-30",
            "sha256": "",
            "blocks": blocks,
        })
        .to_string();
        line.push('\n');
        encoder.write_all(line.as_bytes()).unwrap();
        (json_bytes, documents) = (json_bytes + line.len(), documents + 1);
    }
    encoder.finish().unwrap();
    let path = folder.join(name);
    let manifest = serde_json::json!({
        "format_version": 1,
        "program_version": "test",
        "files": [{
            "name": name,
            "documents": documents,
            "json_bytes": json_bytes,
            "bytes": path.metadata().unwrap().len(),
            "sha256": durable::sha256_file(&path).unwrap(),
        }],
        "documents": { "10-K": documents },
        "skipped": {},
        "rejected": {},
        "inputs": [],
    });
    let text = manifest.to_string();
    durable::commit_bytes(&durable::DISK, &folder.join("manifest.json"), text.as_bytes()).unwrap();
}

/// Builds a corpus; the last peak that the kernel told of the process, in kilobytes.
fn peak_of_build(docs: &Path, out: &Path) -> u64 {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("tenk-corpus"))
        .args(["build", "--shards", "16", "--threads", "2", "--docs"])
        .arg(docs)
        .arg("--tokenizer")
        .arg(finished().at("tokenizer"))
        .arg("--out")
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kilobytes.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return peak;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[test]
fn the_peak_memory_of_a_build_does_not_grow_with_the_corpus() {
    let root = tempfile::tempdir().unwrap();
    let peak = |megabytes: usize| {
        let docs = root.path().join(format!("docs-{megabytes}"));
        write_docs(&docs, megabytes);
        peak_of_build(&docs, &root.path().join(format!("corpus-{megabytes}")))
    };
    let (small, large) = (peak(64), peak(192));
    assert!(small > 0 && large < 1 << 20, "{small} kB and {large} kB");
    assert!(
        large < small + small / 4,
        "three times the text took {large} kB in place of {small} kB"
    );
}

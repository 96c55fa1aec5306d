//! Peak memory: that of `build` and of `table` is the same on a small and on a large documents folder,
//! that of `ingest` grows by the paths of the inputs alone.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::programs::finished;

/// Writes a documents folder of so many documents; `document` gives each.
fn write_docs(folder: &Path, number: usize, document: impl Fn(usize) -> serde_json::Value) {
    std::fs::create_dir(folder).unwrap();
    let name = "filings-00000.jsonl.zst";
    let file = std::fs::File::create_new(folder.join(name)).unwrap();
    let mut encoder = zstd::Encoder::new(file, 1).unwrap();
    let mut json_bytes = 0;
    for index in 0..number {
        let line = document(index).to_string() + "\n";
        encoder.write_all(line.as_bytes()).unwrap();
        json_bytes += line.len();
    }
    encoder.finish().unwrap();
    let path = folder.join(name);
    let manifest = serde_json::json!({
        "format_version": documents::DOCS_FORMAT_VERSION,
        "program_version": "test",
        "files": [{
            "name": name,
            "documents": number,
            "json_bytes": json_bytes,
            "bytes": path.metadata().unwrap().len(),
            "sha256": durable::sha256_file(&path).unwrap(),
        }],
        "documents": { "10-K": number },
        "skipped": {},
        "rejected": {},
        "inputs": { "files": 0, "bytes": 0, "sha256": "" },
    });
    let text = manifest.to_string();
    durable::commit_bytes(&durable::DISK, &folder.join("manifest.json"), text.as_bytes()).unwrap();
}

/// A report of numbered words, 46 kB of JSON.
fn report(number: usize) -> serde_json::Value {
    let blocks: Vec<_> = (0..400)
        .map(|line| {
            let words = (0..12).map(|word| format!("item{}", (number * 31 + line * 7 + word * word) % 9973));
            let text = words.collect::<Vec<_>>().join(" ");
            serde_json::json!({ "kind": "paragraph", "text": text })
        })
        .collect();
    let cik = format!("{:010}", number / 8 + 1);
    serde_json::json!({
        "id": format!("{cik}-15-{number:06}:1"),
        "source": "10-K",
        "cik": cik,
        "filed": "2015-06-30",
        "sha256": "",
        "blocks": blocks,
    })
}

/// A page that is hardly more than its id.
fn stub(number: usize) -> serde_json::Value {
    serde_json::json!({
        "id": format!("wiki:{number}:{number}"),
        "source": "wiki",
        "sha256": "",
        "blocks": [{ "kind": "paragraph", "text": format!("item {number}") }],
    })
}

/// Builds a corpus; its peak memory in kilobytes.
fn peak_of_build(docs: &Path, out: &Path) -> u64 {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("tenk-corpus"));
    command
        .args(["build", "--shards", "16", "--threads", "2", "--docs"])
        .arg(docs)
        .arg("--tokenizer")
        .arg(finished().at("tokenizer"))
        .arg("--out")
        .arg(out);
    peak_of(&mut command)
}

/// Runs a command to success; the last peak that the kernel told of its process, in kilobytes.
fn peak_of(command: &mut Command) -> u64 {
    let mut child = command
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
    let peak = |documents: usize| {
        let docs = root.path().join(format!("docs-{documents}"));
        write_docs(&docs, documents, report);
        peak_of_build(&docs, &root.path().join(format!("corpus-{documents}")))
    };
    let (small, large) = (peak(1_400), peak(4_200));
    assert!(small > 0 && large < 1 << 20, "{small} kB and {large} kB");
    assert!(
        large < small + small / 4,
        "three times the text took {large} kB in place of {small} kB"
    );
}

/// A report all of whose text is an item too.
fn report_with_an_item(number: usize) -> serde_json::Value {
    let mut report = report(number);
    report["sections"] =
        serde_json::json!([{ "item": "7", "status": "found", "first_block": 0, "end_block": 400 }]);
    report
}

#[test]
fn the_peak_memory_of_a_table_does_not_grow_with_the_documents() {
    let root = tempfile::tempdir().unwrap();
    for (documents, name) in [(1_400, "few"), (4_200, "many")] {
        write_docs(&root.path().join(name), documents, report_with_an_item);
    }
    for ending in ["parquet", "csv"] {
        let peak = |name: &str| {
            let mut command = Command::new(assert_cmd::cargo::cargo_bin("tenk-corpus"));
            command
                .args(["table", "--items", "7", "--threads", "2", "--docs"])
                .arg(root.path().join(name))
                .arg("--out")
                .arg(root.path().join(format!("{name}.{ending}")));
            peak_of(&mut command)
        };
        let (few, many) = (peak("few"), peak("many"));
        assert!(few > 0 && many < 512 << 10, "{ending}: {few} kB and {many} kB");
        assert!(
            many < few + few / 4,
            "{ending}: three times the text took {many} kB in place of {few} kB"
        );
    }
}

#[test]
#[ignore = "builds a corpus of 1,200,000 documents, minutes"]
fn a_build_keeps_less_than_100_bytes_in_memory_of_each_document_however_small() {
    let root = tempfile::tempdir().unwrap();
    let peak = |documents: usize| {
        let docs = root.path().join(format!("docs-{documents}"));
        write_docs(&docs, documents, stub);
        peak_of_build(&docs, &root.path().join(format!("corpus-{documents}")))
    };
    let (few, many) = (peak(400_000), peak(1_200_000));
    let bytes_each = (many.saturating_sub(few)) * 1024 / 800_000;
    assert!(
        few > 0 && bytes_each < 100,
        "{few} kB and {many} kB, {bytes_each} bytes each"
    );
}

/// Writes small filings, each with an accession number of its own.
fn write_filings(folder: &Path, number: usize) {
    std::fs::create_dir(folder).unwrap();
    for company in 0..number {
        let accession = format!("{company:010}-10-000001");
        let text = format!(
            "<SEC-DOCUMENT>{accession}.txt : 20100301\n<SEC-HEADER>{accession}.hdr.sgml : 20100301\n\
             ACCESSION NUMBER:\t\t{accession}\nCONFORMED SUBMISSION TYPE:\t10-K\n</SEC-HEADER>\n<DOCUMENT>\n\
             <TYPE>10-K\n<SEQUENCE>1\n<TEXT>\nThe year was a good one.\n</TEXT>\n</DOCUMENT>\n</SEC-DOCUMENT>\n"
        );
        let mut file = std::fs::File::create_new(folder.join(format!("{accession}.txt"))).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

#[test]
fn an_ingest_keeps_less_than_a_kilobyte_in_memory_of_each_input() {
    let root = tempfile::tempdir().unwrap();
    let peak = |number: usize| {
        let filings = root.path().join(format!("filings-{number}"));
        write_filings(&filings, number);
        let docs = root.path().join(format!("docs-{number}"));
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("tenk-corpus"));
        command
            .args(["ingest", "--threads", "2", "--filings"])
            .arg(&filings);
        let peak = peak_of(command.arg("--out").arg(&docs));
        let manifest = std::fs::read(docs.join("manifest.json")).unwrap();
        assert!(manifest.len() < 4096, "{} bytes of manifest", manifest.len());
        peak
    };
    // The fewer fill every buffer whose size has a bound.
    let (few, many) = (peak(20_000), peak(60_000));
    assert!(few > 0 && many < few + 40_000, "{few} kB and {many} kB");
}

/// Peaks of an ingest of one line each, which say where its 60 MiB are.
#[test]
fn one_long_line_takes_a_bounded_multiple_of_its_length() {
    const BYTES: usize = 60 << 20;
    let root = tempfile::tempdir().unwrap();
    let peak = |name: &str, (begin, element, end): (&str, &str, &str)| {
        let path = root.path().join(format!("{name}.jsonl"));
        let mut file = std::io::BufWriter::new(std::fs::File::create_new(&path).unwrap());
        file.write_all(b"{\"id\": 1, \"text\": \"Oak.\"}\n").unwrap();
        let line = [begin, &element.repeat(BYTES / element.len()), end].concat();
        writeln!(file, "{line}").unwrap();
        file.flush().unwrap();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("tenk-corpus"));
        command
            .args(["ingest", "--threads", "2", "--texts"])
            .arg(&path)
            .arg("--out")
            .arg(root.path().join(name));
        let peak = peak_of(&mut command);
        let rejected = std::fs::read_to_string(root.path().join(name).join("rejected.jsonl")).unwrap();
        assert!(rejected.contains("line 2"), "{rejected}");
        std::fs::remove_file(&path).unwrap();
        peak
    };
    let long = r#"{"id": 2, "text": "Oak.", "#;
    let list = peak("list", (&format!("{long}\"cik\": ["), r#"{"":0},"#, "0]}"));
    let object = peak(
        "object",
        (&format!("{long}\"year\": {{"), r#""":0,"#, r#""":0}}"#),
    );
    let company = peak("company", (&format!("{long}\"company\": \""), "oak ", "\"}"));
    let blocks = peak("blocks", (r#"{"id": 2, "text": ""#, r"a\n", "\"}"));
    for (peak, most) in [(list, 400), (object, 400), (company, 600), (blocks, 1_200)] {
        assert!(
            peak > 0 && peak < most << 10,
            "{list}, {object}, {company} and {blocks} kB"
        );
    }
}

/// Writes texts of 100 kB each.
fn write_texts(path: &Path, number: usize) {
    let mut file = std::io::BufWriter::new(std::fs::File::create_new(path).unwrap());
    for index in 0..number {
        let text = format!("The mill saws log {index}. ").repeat(4_000);
        let line = serde_json::json!({ "id": index, "text": text });
        writeln!(file, "{line}").unwrap();
    }
    file.flush().unwrap();
}

#[test]
fn the_peak_memory_of_an_ingest_of_texts_does_not_grow_with_the_file() {
    let root = tempfile::tempdir().unwrap();
    let peak = |number: usize| {
        let texts = root.path().join(format!("{number}.jsonl"));
        write_texts(&texts, number);
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("tenk-corpus"));
        command
            .args(["ingest", "--threads", "2", "--texts"])
            .arg(&texts)
            .arg("--out")
            .arg(root.path().join(format!("docs-{number}")));
        peak_of(&mut command)
    };
    let (small, large) = (peak(500), peak(2_000));
    assert!(
        small > 0 && large < small + small / 4,
        "four times the text took {large} kB in place of {small} kB"
    );
}

//! `tenk-corpus sections` on the sample.

use serde_json::Value;

use crate::programs::{finished, run, tenk_corpus};

#[test]
fn sections_are_shown_with_their_headings_and_chosen_by_item_and_status() {
    let docs = finished().at("docs");
    let docs = docs.to_str().unwrap();
    let all = run(["sections", "--docs", docs]);
    assert!(all.contains("not_found") || all.contains("found"), "{all}");
    let lines = run(["sections", "--docs", docs, "--item", "1a,7", "--json"]);
    let mut num_lines = 0;
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(matches!(line["item"].as_str(), Some("1A" | "7")), "{line}");
        num_lines += 1;
    }
    assert!(num_lines > 0);
    let omitted = run(["sections", "--docs", docs, "--status", "omitted", "--json"]);
    for line in omitted.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["status"], "omitted");
    }
}

#[test]
fn a_status_that_is_none_is_refused_with_the_names() {
    let output = tenk_corpus(["sections", "--docs", "x", "--status", "lost"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("incorporated_by_reference"));
}

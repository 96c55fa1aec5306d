//! Inputs shaped after public bug reports, read in place: what a browser shows of a page, which form
//! a page is, and what becomes of the parts of a submission.

use super::*;

fn wild(name: &str) -> Option<Vec<Outcome>> {
    let path = test_data::find(&format!("wild/{name}"))?;
    let results = read_filing(name, &std::fs::read(path).unwrap());
    Some(results.into_iter().map(|result| result.outcome).collect())
}

fn texts_of(outcomes: &[Outcome]) -> Vec<&str> {
    let [Outcome::Document(document)] = outcomes else {
        panic!("{outcomes:?}")
    };
    document.blocks.iter().map(|block| block.text.as_str()).collect()
}

#[test]
fn pages_of_bug_reports_hold_what_a_reader_sees() {
    for (name, expected) in [
        (
            "charset-mixed.txt",
            "The company\u{2019}s \u{201c}oak\u{201d} \u{2014} caf\u{e9}.",
        ),
        ("html-duplicate-style.txt", "A shown B"),
        ("html-important.txt", "A B"),
        ("html-visibility-inherit.txt", "Oak is shown here."),
        (
            "html-superscript-digits.txt",
            "Net income of 2023\u{b2} was $1,234\u{b3}, 10\u{2076} tons.",
        ),
    ] {
        let Some(outcomes) = wild(name) else { return };
        assert_eq!(texts_of(&outcomes), [expected], "{name}");
    }
}

#[test]
fn a_lone_20_f_is_no_10_k() {
    let Some(outcomes) = wild("form-20f-taken-for-10k.htm") else {
        return;
    };
    let [Outcome::Skipped { form, .. }] = &outcomes[..] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(form.as_deref(), Some("20-F"));
}

#[test]
fn a_submission_that_ends_inside_its_text_is_rejected() {
    let Some(outcomes) = wild("submission-cut.txt") else {
        return;
    };
    let [Outcome::Rejected { reason }] = &outcomes[..] else {
        panic!("{outcomes:?}")
    };
    assert!(
        reason.contains("byte 1028") && reason.contains("<TEXT>"),
        "{reason}"
    );
}

#[test]
fn the_name_of_a_submission_makes_no_part_of_it_html() {
    let Some(path) = test_data::find("wild/submission-named.html") else {
        return;
    };
    let bytes = std::fs::read(path).unwrap();
    let blocks = |name: &str| {
        let document = read_filing(name, &bytes).remove(0).outcome.document().unwrap();
        document.blocks
    };
    assert_eq!(blocks("a.html"), blocks("a.txt"));
    let cells = |block: &documents::Block| {
        let cells: Vec<String> = documents::split_cells(&block.text).map(str::to_owned).collect();
        cells
            .into_iter()
            .filter(|cell| !cell.is_empty())
            .collect::<Vec<_>>()
    };
    let expected: [&[&str]; 6] = [
        &["FORM 10-K"],
        &["The mill cuts oak."],
        &["1995", "1994"],
        &["Oak", "120", "110"],
        &["Pine", "20", "10"],
        &["The end."],
    ];
    assert_eq!(blocks("a.html").iter().map(cells).collect::<Vec<_>>(), expected);
}

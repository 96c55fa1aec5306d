//! Headers that name the company, a section or a report, and titles that look like them.

use super::*;

/// A page of a statement under its title and above its reference to the notes.
fn statement(company: &str, title: &str) -> Vec<String> {
    let lines = [
        "<PAGE>",
        company,
        title,
        "(Dollars in thousands)",
        "| 2008 | 2007",
        "| Sales | 12 | 11",
        "| Costs | 10 | 9",
        "See accompanying notes to the financial statements of the company.",
    ];
    lines.map(str::to_owned).to_vec()
}

fn statements(company: &str) -> Vec<String> {
    ["INCOME", "CASH FLOWS", "EQUITY", "OPERATIONS"]
        .into_iter()
        .flat_map(|name| statement(company, &format!("# STATEMENTS OF {name}")))
        .collect()
}

#[test]
fn the_company_above_a_statement_and_the_reference_to_the_notes_below_it_are_text() {
    assert_eq!(furniture(&statements("# ALDER MILLS, INC.")), NOTHING);
    let notes = [
        "# ALDER MILLS, INC.",
        "# NOTES TO FINANCIAL STATEMENTS (Continued)",
    ];
    let all = [statements(notes[0]), pages_below(4, &notes)].concat();
    let plain = ["ALDER MILLS, INC.", "NOTES TO FINANCIAL STATEMENTS (Continued)"];
    assert_eq!(furniture(&all), plain.repeat(4));
    // Where the company's name heads the pages of prose by itself, its series goes through.
    let report = [pages_below(9, &[notes[0]]), statements(notes[0])].concat();
    assert_eq!(furniture(&report), ["ALDER MILLS, INC."; 13]);
}

#[test]
fn the_reference_to_the_notes_is_a_footer_at_the_foot_of_prose() {
    let footer = "See accompanying notes to consolidated financial statements.";
    let lines = pages(4, |number| vec![rest(number), half(number), footer.to_owned()]);
    assert_eq!(furniture(&lines), [footer; 4]);
}

#[test]
fn titles_and_salutations_of_reports_are_text_however_often_they_come_back() {
    let lines = pages(8, |number| {
        vec![
            "# REPORT OF INDEPENDENT ACCOUNTANTS".to_owned(),
            "To the Board of Directors and Shareholders of Alder Mills, Inc.".to_owned(),
            sentence(number),
            sentence(number * 10),
        ]
    });
    assert_eq!(furniture(&lines), NOTHING);
}

#[test]
fn a_head_that_says_that_an_item_goes_on_is_furniture_even_once() {
    let lines = [
        vec!["# Item 3. Legal Proceedings".to_owned(), half(1)],
        vec![
            "<PAGE>".into(),
            "# Item 3. Legal Proceedings (Continued)".into(),
            rest(1),
        ],
        vec![
            "<PAGE>".into(),
            "# ITEM 14. EXHIBITS AND SCHEDULES".into(),
            "(Continued)".into(),
        ],
        vec!["| 10.1 | Lease".into()],
        vec![
            "<PAGE>".into(),
            "# ALDER MILLS, INC.".into(),
            "# NOTES TO CONDENSED FINANCIAL STATEMENTS".into(),
        ],
        vec!["(PARENT COMPANY ONLY) \u{2014} (Continued)".into(), sentence(2)],
    ]
    .concat();
    assert_eq!(furniture(&lines).len(), 6);
}

#[test]
fn heads_of_notes_of_tables_and_of_statements_that_go_on_are_text() {
    let heads = [
        "# Note 4. Debt (continued)",
        "# Liquidity (continued)",
        "# CONSOLIDATED BALANCE SHEETS (continued)",
        "# SCHEDULE II (Continued)",
    ];
    for head in heads {
        let lines = [
            "<PAGE>",
            head,
            "| Oak | 12 | 11",
            "<PAGE>",
            head,
            "| Elm | 12 | 11",
        ];
        assert_eq!(furniture(&lines), NOTHING, "{head}");
    }
}

#[test]
fn what_comes_back_below_a_head_on_most_pages_is_of_its_group() {
    let head = "# NOTES TO FINANCIAL STATEMENTS\u{2014}(Continued)";
    let lines = pages_below(4, &["# ALDER MILLS, INC.", head, "# December 31, 2014 and 2013"]);
    assert_eq!(furniture(&lines).len(), 12);
    // A title that some of the pages have is that of their tables.
    let tables = pages(8, |number| {
        let company = if number % 2 == 0 {
            "# ALDER MILLS, INC."
        } else {
            "# Land"
        };
        vec![
            head.to_owned(),
            company.to_owned(),
            "# Condensed Balance Sheet".to_owned(),
            "| Oak | 12".to_owned(),
        ]
    });
    assert_eq!(furniture(&tables).len(), 8);
}

#[test]
fn a_set_that_heads_many_pages_is_a_header_above_headings_too() {
    let lines = pages(9, |number| {
        let header = [
            "# Notes to Financial Statements (unaudited)",
            "# Alder Mills, Inc.",
        ]
        .map(str::to_owned);
        [
            header.to_vec(),
            vec![format!("# Note {number} Land"), sentence(number)],
        ]
        .concat()
    });
    assert_eq!(furniture(&lines).len(), 16);
    // The heads of columns are those of the tables.
    let lines = pages(4, |number| {
        let header = ["# ITEM 14. EXHIBITS", "(Continued)", "| Designation | Method"].map(str::to_owned);
        [header.to_vec(), vec![format!("| Lease {number} | filed")]].concat()
    });
    assert_eq!(furniture(&lines).len(), 8);
}

#[test]
fn headers_that_name_parts_and_items_are_one_series() {
    let header = |number: usize| match number {
        1..=5 => ["# PART I", "# Item 1"],
        6 => ["# PART I", "# Item 1, 1A"],
        7 => ["# PART I, II", "# Item 2, 3, 4, 5"],
        _ => ["# PART II", "# Item 7"],
    };
    let lines = pages(12, |number| {
        let header = header(number).map(str::to_owned).to_vec();
        let heading = if number == 1 {
            vec!["# Item 1. Business".to_owned()]
        } else {
            Vec::new()
        };
        [header, heading, vec![rest(number), half(number)]].concat()
    });
    assert_eq!(furniture(&lines).len(), 24);
}

#[test]
fn a_header_is_the_heading_of_what_begins_below_its_first() {
    let lines = pages(6, |number| {
        let text = if number == 1 {
            sentence(number)
        } else {
            rest(number)
        };
        vec![
            "# Notes to Financial Statements (unaudited)".to_owned(),
            text,
            half(number),
        ]
    });
    assert_eq!(furniture(&lines).len(), 5);
}

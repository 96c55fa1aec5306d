//! The rules by which furniture is told from text, each by invented pages, and the shapes of public
//! bug reports where they are at hand.

use documents::Outcome;

use super::*;

/// `<PAGE>` breaks pages, `# ` begins a heading, `| ` a row of a table; the rest are paragraphs.
fn page(lines: &[&str]) -> Page {
    let mut page = Page::default();
    for line in lines {
        match (line.strip_prefix("# "), line.strip_prefix("| ")) {
            _ if *line == "<PAGE>" => page.mark_page_break(),
            (Some(heading), _) => page.push(BlockKind::Heading, heading, false),
            (_, Some(row)) => page.push(BlockKind::TableRow, row, false),
            _ => page.push(BlockKind::Paragraph, line, false),
        }
    }
    page
}

fn furniture(lines: &[impl AsRef<str>]) -> Vec<String> {
    let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
    let mut page = page(&lines);
    mark_furniture(&mut page);
    let furniture = page
        .blocks
        .into_iter()
        .filter(|block| block.kind == BlockKind::PageFurniture);
    furniture.map(|block| block.text).collect()
}

const NOTHING: [&str; 0] = [];

/// A sentence of its own on each page.
fn sentence(page: usize) -> String {
    format!("The mill sold the oak of its forest number {page} and a little pine.")
}

/// Half a sentence, which the next page's [`rest`] ends.
fn half(page: usize) -> String {
    format!(
        "In the forest number {page} the mill cut so much oak, pine, ash, elm and fir in the year that its \
         yard was full and what was left had to be sold to"
    )
}

fn rest(page: usize) -> String {
    format!("other mills in the north of the state, {page} of them in all.")
}

/// Pages one after the other, each behind a break, with the lines that `of` gives.
fn pages(count: usize, of: impl Fn(usize) -> Vec<String>) -> Vec<String> {
    (1..=count)
        .flat_map(|number| [vec!["<PAGE>".to_owned()], of(number)].concat())
        .collect()
}

/// Pages of notes over whose breaks sentences go on.
fn pages_below(count: usize, header: &[&str]) -> Vec<String> {
    let header: Vec<String> = header.iter().map(|line| (*line).to_owned()).collect();
    pages(count, |number| {
        [header.clone(), vec![rest(number), half(number)]].concat()
    })
}

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
fn numbers_and_repeated_lines_at_page_breaks_are_furniture() {
    let lines = [
        sentence(1),
        "1".into(),
        "<PAGE>".into(),
        "Alder Mills, Inc.".into(),
        sentence(2),
        "2".into(),
        "<PAGE>".into(),
        "Alder Mills, Inc.".into(),
        sentence(3),
        "Page 3".into(),
        "<PAGE>".into(),
        "Alder Mills, Inc.".into(),
        sentence(4),
        "- 4 -".into(),
        "<PAGE>".into(),
    ];
    let header = "Alder Mills, Inc.";
    assert_eq!(
        furniture(&lines),
        ["1", header, "2", header, "Page 3", header, "- 4 -"]
    );
}

#[test]
fn footers_whose_number_changes_are_one_footer() {
    let lines = [
        "a b",
        "| Alder Mills | 2024 Form 10-K | 1",
        "<PAGE>",
        "c d",
        "| Alder Mills |  | 2024 Form 10-K | 2",
        "<PAGE>",
        "e f",
        "| Alder Mills | 2024 Form 10-K | 4",
        "<PAGE>",
    ];
    assert_eq!(furniture(&lines).len(), 3);
}

#[test]
fn footers_whose_words_change_with_the_section_go_on_in_their_numbers() {
    let part = |number: usize| {
        [
            "Part I", "Part I", "Part I", "Part II", "Part III", "Part IV", "Part IV", "Part IV",
        ][number]
    };
    let lines: Vec<String> = (0..8)
        .flat_map(|number| {
            [
                sentence(number),
                format!("| {} | {}", part(number), number + 1),
                "<PAGE>".to_owned(),
            ]
        })
        .collect();
    assert_eq!(furniture(&lines).len(), 8);
}

#[test]
fn headings_that_differ_in_their_years_and_heads_of_tables_are_text() {
    let years = pages(9, |number| {
        let year = 1990 + number;
        vec![format!("{year} compared to {}", year - 1), sentence(number)]
    });
    assert_eq!(furniture(&years), NOTHING);
    let tables = pages(5, |number| {
        let row = format!(
            "| 10.{number} | Lease of {}",
            ["a", "b", "c", "d", "e"][number - 1]
        );
        vec!["| Exhibit | Description".to_owned(), row]
    });
    assert_eq!(furniture(&tables), NOTHING);
    let heads = pages(8, |number| {
        let row = format!("| Sales {number} | 12 | 11");
        vec![
            "# Three Months Ended".to_owned(),
            "# March 31,".to_owned(),
            row,
            half(number),
        ]
    });
    assert_eq!(furniture(&heads), NOTHING);
}

#[test]
fn the_first_and_last_page_have_furniture_too() {
    let pages = [
        "Contents", "oak", "F-1", "<PAGE>", "Contents", "pine", "F-2", "<PAGE>", "Contents", "ash", "F-3",
    ];
    assert_eq!(
        furniture(&pages),
        ["Contents", "F-1", "Contents", "F-2", "Contents", "F-3"]
    );
}

#[test]
fn items_answers_and_markers_that_come_back_at_page_breaks_are_text() {
    let items = pages(8, |number| {
        vec![format!("# Item {number}"), sentence(number), "None.".to_owned()]
    });
    assert_eq!(furniture(&items), NOTHING);
    let notes = pages(8, |number| {
        vec![format!("# NOTE {number}"), "# Land".to_owned(), half(number)]
    });
    assert_eq!(furniture(&notes), NOTHING);
    for marker in ["(#)", "#.", "(ii)", "*", "[#]", "#)"] {
        let lists = pages(8, |number| {
            vec![marker.replace('#', &number.to_string()), half(number)]
        });
        assert_eq!(furniture(&lists), NOTHING, "{marker}");
    }
}

#[test]
fn a_line_that_comes_back_everywhere_is_text_at_page_breaks_too() {
    let lines = pages(6, |number| {
        let far = (0..8)
            .map(|line| sentence(number * 20 + line))
            .collect::<Vec<_>>();
        let inside = [vec!["(in millions)".to_owned(), sentence(number)], far].concat();
        let top = vec!["(in millions)".to_owned(), rest(number)];
        [top, inside.clone(), inside.clone(), inside, vec![half(number)]].concat()
    });
    assert_eq!(furniture(&lines), NOTHING);
}

#[test]
fn a_heading_that_begins_a_page_once_and_stands_near_breaks_elsewhere_is_text() {
    let heading = "# Compared to the Prior Year".to_owned();
    let lines = pages(7, |number| {
        let lines = if number == 4 {
            [heading.clone(), sentence(number)]
        } else {
            [sentence(number), heading.clone()]
        };
        [
            vec!["Alder Mills, Inc.".to_owned()],
            lines.to_vec(),
            vec![sentence(number * 10)],
        ]
        .concat()
    });
    assert_eq!(furniture(&lines), ["Alder Mills, Inc."; 7]);
}

#[test]
fn headers_set_as_a_row_of_a_table_are_furniture_above_prose() {
    let lines = pages_below(5, &["| Alder Mills and Subsidiaries | Annual Report 2008"]);
    assert_eq!(furniture(&lines).len(), 5);
}

#[test]
fn the_heading_of_a_table_of_contents_is_not_the_link_to_it_on_every_page() {
    for heading in ["TABLE OF CONTENTS", "Table of Contents"] {
        let lines = pages(5, |number| {
            let below = if number == 1 {
                heading.to_owned()
            } else {
                sentence(number)
            };
            vec![
                "Table of Contents".to_owned(),
                below,
                "| Item 1. | 3".to_owned(),
                half(number),
            ]
        });
        assert_eq!(furniture(&lines), ["Table of Contents"; 5]);
    }
    let lines = pages(5, |number| {
        let below = if number == 1 {
            "| Item | Page".to_owned()
        } else {
            sentence(number)
        };
        vec!["Table of Contents".to_owned(), below]
    });
    assert_eq!(furniture(&lines), ["Table of Contents"; 4]);
}

#[test]
fn headers_are_found_where_only_page_numbers_tell_the_pages() {
    let lines: Vec<String> = (1..7)
        .flat_map(|number| {
            [
                "Alder Mills, Inc.".to_owned(),
                rest(number),
                half(number),
                format!("FS-{number}"),
            ]
        })
        .collect();
    // The first page has no end before it.
    assert_eq!(furniture(&lines).len(), 6 + 5);
}

#[test]
fn what_stands_in_the_middle_of_a_page_is_text() {
    let lines = ["Oak.", "7", "Pine sells well.", "1", "<PAGE>", "2019", "Ash."];
    assert_eq!(furniture(&lines), ["1"]);
}

#[test]
fn numbers_that_count_up_over_pages_are_page_numbers_even_without_breaks() {
    let of_pages: Vec<String> = (1..7)
        .flat_map(|number| {
            let whole = (0..8).map(move |line| sentence(number * 10 + line));
            [rest(number)]
                .into_iter()
                .chain(whole)
                .chain([half(number), number.to_string()])
        })
        .collect();
    assert_eq!(furniture(&of_pages), ["1", "2", "3", "4", "5", "6"]);
    // The numbers of a list stand before its items.
    let of_a_list: Vec<String> = (1..9)
        .flat_map(|number| [number.to_string(), sentence(number)])
        .collect();
    assert_eq!(furniture(&of_a_list), NOTHING);
    let of_a_long_list: Vec<String> = (1..9)
        .flat_map(|number| [number.to_string(), sentence(number).repeat(8)])
        .collect();
    assert_eq!(furniture(&of_a_long_list), NOTHING);
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

#[test]
fn remarks_about_the_page_and_codes_of_files_are_furniture() {
    let lines = [
        "Oak sells well.",
        "(continued on next page)",
        "<PAGE>",
        "(This page intentionally left blank)",
        "<PAGE>",
        "Pine does not.",
        "J:\\10K\\page",
        "- 4 -",
        "<PAGE>",
        "Return to Table of Contents",
        "Ash and elm.",
        "c48823_10k.htm",
        "<PAGE>",
        "Fir.",
        "NY-118201 v3",
        "<PAGE>",
    ];
    assert_eq!(furniture(&lines).len(), 7);
    assert_eq!(
        furniture(&["<PAGE>", "www.alder.example", "| a.htm | Oak", "<PAGE>"]),
        NOTHING
    );
}

/// The blocks of an input shaped after a public bug report that are furniture.
fn wild(name: &str) -> Option<Vec<String>> {
    let path = test_data::find("wild")?.join(name);
    let bytes = std::fs::read(&path).unwrap();
    let outcome = crate::read_filing(name, &bytes).remove(0).outcome;
    let Outcome::Document(document) = outcome else {
        panic!("{name}: {outcome:?}")
    };
    let furniture = document
        .blocks
        .into_iter()
        .filter(|block| block.kind == BlockKind::PageFurniture);
    Some(furniture.map(|block| block.text).collect())
}

#[test]
fn shapes_of_public_bug_reports_have_the_furniture_that_a_reader_sees() {
    let Some(of_a_list) = wild("furniture-list-numbers.txt") else {
        return;
    };
    assert_eq!(of_a_list, NOTHING);
    let of_notes = wild("furniture-note-headings.txt").unwrap();
    assert_eq!(
        of_notes,
        (31..=38)
            .map(|number: usize| number.to_string())
            .collect::<Vec<_>>()
    );
    let of_reports = wild("furniture-report-titles.txt").unwrap();
    assert_eq!(of_reports, ["30", "31", "32"]);
}

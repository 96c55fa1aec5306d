//! The rules by which furniture is told from text, each by invented pages, and the shapes of public
//! bug reports where they are at hand.

mod headers;

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

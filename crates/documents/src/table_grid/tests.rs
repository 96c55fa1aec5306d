//! Invented tables of the kinds that filings have.

use super::*;
use crate::document::Block;
use crate::join_cells;

fn grid(before: &[&str], rows: &[&str]) -> TableGrid {
    let line = |text: &&str| Block::new(BlockKind::Paragraph, *text);
    let row = |text: &&str| Block::new(BlockKind::TableRow, *text);
    let document = Document {
        blocks: before.iter().map(line).chain(rows.iter().map(row)).collect(),
        ..Document::default()
    };
    let index = |count: usize| u32::try_from(count).unwrap();
    let range = TableRange {
        first_block: index(before.len()),
        end_block: index(document.blocks.len()),
    };
    TableGrid::of(&document, range)
}

fn headers(grid: &TableGrid) -> Vec<&str> {
    (0..grid.num_columns())
        .map(|column| grid.column_header(column))
        .collect()
}

#[test]
fn a_statement_has_years_over_its_columns_and_a_scale_of_its_caption() {
    let grid = grid(
        &[
            "Some text.",
            "Statements of Income",
            "(Dollars in millions, except share and per share data)",
        ],
        &[
            "| Year ended December 31,",
            "| 2023 | 2022",
            "Net sales:",
            "Oak | $ 1,234 | $ 56",
            "Impairment |  | (17)",
            "Change | 12.5% | \u{2014}",
            "Earnings per share:",
            "Basic | 1.25 | (.12)",
            "Shares outstanding | 1,000 | 900",
        ],
    );
    assert_eq!(
        grid.caption,
        [
            "Statements of Income",
            "(Dollars in millions, except share and per share data)"
        ]
    );
    assert_eq!(grid.header_rows(), 2);
    assert_eq!(
        headers(&grid),
        ["", "Year ended December 31, 2023", "Year ended December 31, 2022"]
    );
    let number = |row, column| grid.number(row, column).map(|n| (n.value, n.scale, n.unit));
    let dollars = || Some("$".to_owned());
    assert_eq!(number(3, 1), Some((1234.0, Some(6), dollars())));
    assert_eq!(number(4, 1), None);
    assert_eq!(number(4, 2), Some((-17.0, Some(6), dollars())));
    assert_eq!(number(5, 1), Some((12.5, None, Some("%".to_owned()))));
    assert_eq!(number(5, 2), None);
    assert_eq!(number(7, 2), Some((-0.12, None, None)));
    assert_eq!(number(8, 1), Some((1000.0, None, None)));
    assert_eq!(number(1, 1), None, "a heading is no number");
}

#[test]
fn rows_of_one_cell_at_the_top_are_the_caption() {
    let grid = grid(
        &[],
        &[
            "Sales by Wood",
            "(In thousands)",
            "Wood | North | South",
            "Oak | 1 | 2",
            "Ash | 3 |  | 4",
        ],
    );
    assert_eq!(grid.caption, ["Sales by Wood", "(In thousands)"]);
    assert_eq!(headers(&grid), ["Wood", "North", "South", ""]);
    assert_eq!((grid.num_rows(), grid.num_columns()), (5, 4));
    assert_eq!(
        (grid.cell(4, 2), grid.cell(4, 3), grid.cell(3, 3), grid.cell(9, 9)),
        ("", "4", "", "")
    );
    assert_eq!(grid.number(3, 1).unwrap().scale, Some(3));
}

#[test]
fn a_spanning_heading_goes_with_what_has_headings_below_it() {
    let spanned = grid(
        &[],
        &[
            "| Three months |  | Nine months",
            "| 2023 | 2022 | 2023 | 2022",
            "Oak | 1 | 2 | 3 | 4",
        ],
    );
    assert_eq!(
        headers(&spanned),
        [
            "",
            "Three months 2023",
            "Three months 2022",
            "Nine months 2023",
            "Nine months 2022"
        ]
    );
    let stacked = grid(
        &[],
        &[
            "| Number | Weighted",
            "| of shares | average",
            "| (000) | price",
            "Oak | 1 | 2",
        ],
    );
    assert_eq!(
        headers(&stacked),
        ["", "Number of shares (000)", "Weighted average price"]
    );
    let one_row = grid(&[], &["| 2023 |  | 2022", "Oak | 1 | (1) | 2"]);
    assert_eq!(headers(&one_row), ["", "2023", "", "2022"]);
}

#[test]
fn a_scale_in_the_heading_of_a_column_or_in_a_label_comes_first() {
    let grid = grid(
        &["(In millions)"],
        &[
            "| Sales (in thousands) | Share of total (%) | Cost",
            "Oak | 5 | 12 | 7",
            "Trees felled (in thousands) | 3 | 1 | 9",
            "Average price per log | 3.25 | 2 | 4.00",
        ],
    );
    let number = |row, column| grid.number(row, column).map(|n| (n.scale, n.unit)).unwrap();
    assert_eq!(number(1, 1), (Some(3), None));
    assert_eq!(number(1, 2), (None, Some("%".to_owned())));
    assert_eq!(number(1, 3), (Some(6), None));
    assert_eq!(number(2, 3), (Some(3), None));
    assert_eq!(number(3, 1), (None, None));
}

#[test]
fn a_remark_under_the_headings_scales_too() {
    let grid = grid(&[], &["| 2023 | 2022", "(In thousands)", "Oak | 1 | 2"]);
    assert_eq!(
        (grid.header_rows(), grid.number(2, 1).unwrap().scale),
        (1, Some(3))
    );
}

#[test]
fn a_first_row_of_dashes_is_no_heading() {
    let grid = grid(
        &[],
        &["| 2023 | 2022", "Oak | \u{2014} | \u{2014}", "Ash | 1 | 2"],
    );
    assert_eq!(
        (grid.header_rows(), headers(&grid)),
        (1, vec!["", "2023", "2022"])
    );
}

#[test]
fn a_table_of_words_has_no_headings() {
    let grid = grid(&["Officers"], &["Name | Office", "J. Oak | President"]);
    assert_eq!((grid.header_rows(), grid.column_header(1)), (0, ""));
}

#[test]
fn furniture_is_left_out_another_table_ends_the_caption_and_ranges_are_cut() {
    let document = Document {
        blocks: vec![
            Block::new(BlockKind::Heading, "Sales"),
            Block::new(BlockKind::TableRow, "Oak | 1"),
            Block::new(BlockKind::PageFurniture, "12"),
            Block::new(BlockKind::TableRow, "Ash | 2"),
        ],
        ..Document::default()
    };
    let of = |first_block, end_block| {
        TableGrid::of(
            &document,
            TableRange {
                first_block,
                end_block,
            },
        )
    };
    assert_eq!(of(1, 9).num_rows(), 2);
    assert_eq!(of(1, 4).caption, ["Sales"]);
    assert!(of(3, 4).caption.is_empty());
    assert_eq!(of(7, 2).num_rows(), 0);
}

#[test]
fn a_hostile_table_takes_work_that_is_linear_in_its_text() {
    let wide = join_cells((0..20_000).map(|index| if index % 19_999 == 0 { "a" } else { "" }));
    let full = join_cells((0..20_000).map(|_| "b"));
    let figures = join_cells((0..20_000).map(|_| "1"));
    let mut rows = vec![&wide[..]; 10];
    rows.push(&full);
    rows.push(&figures);
    rows.resize(20_000, "c");
    let grid = grid(&[], &rows);
    assert_eq!(grid.header_rows(), 11);
    assert_eq!(grid.cell(19_999, 19_999), "");
}

proptest::proptest! {
    #[test]
    fn any_rows_are_a_grid(rows in proptest::collection::vec("[a-c0-9$()|, ]{1,20}", 0..12), first: u32, end: u32) {
        let blocks = rows.iter().map(|row| Block::new(BlockKind::TableRow, row.as_str())).collect();
        let document = Document { blocks, ..Document::default() };
        for (first_block, end_block) in [(0, end), (first, end), (first % 8, end % 16)] {
            let grid = TableGrid::of(&document, TableRange { first_block, end_block });
            for row in 0..=grid.num_rows() {
                for column in 0..=grid.num_columns() {
                    let _ = (grid.number(row, column), grid.cell(row, column), grid.column_header(column));
                }
            }
        }
    }
}

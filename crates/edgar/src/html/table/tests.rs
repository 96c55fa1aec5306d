//! Tables by hand, row by row, as blocks.

use super::*;

fn page_of(rows: &[&[&str]]) -> Page {
    let mut table = Table::default();
    for row in rows {
        for cell in *row {
            table.begin_cell(Spans::ONE);
            for line in cell.split('/').filter(|line| !line.is_empty()) {
                table.push_line(line, Looks::default());
            }
            table.end_cell();
        }
        table.end_row();
    }
    let mut page = Page::default();
    table.spill(&mut page);
    page
}

fn blocks_of(rows: &[&[&str]]) -> Vec<(BlockKind, String)> {
    let blocks = page_of(rows).blocks.into_iter();
    blocks.map(|block| (block.kind, block.text)).collect()
}

fn row(cells: &[&str]) -> String {
    blocks_of(&[cells]).remove(0).1
}

#[test]
fn units_and_brackets_are_joined_to_their_number() {
    assert_eq!(
        row(&["Sales", "$", "1,234", "", "$", "(56", ")"]),
        "Sales | $ 1,234 | $ (56)"
    );
    assert_eq!(row(&["Tax", "21.0", "%", "(3", ")%"]), "Tax | 21.0% | (3)%");
    assert_eq!(row(&["Loss", "$ (", "1,234", ")"]), "Loss | $ (1,234)");
    assert_eq!(row(&["Loss", "($", "1,234", ")"]), "Loss | ($ 1,234)");
    assert_eq!(row(&["Loss", "HK$", "(5", ")", "(", "3"]), "Loss | HK$ (5) | (3");
    assert_eq!(row(&["Loss", "$ (1,234 )", "12 %"]), "Loss | $ (1,234) | 12%");
}

#[test]
fn tables_that_lay_out_bullets_and_paragraphs_give_list_items_and_paragraphs() {
    use BlockKind::{Heading, ListItem, Paragraph, TableRow};
    let kinds = |rows| {
        blocks_of(rows)
            .into_iter()
            .map(|block| block.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        kinds(&[&["", "\u{2022}", "pine and oak"], &["\u{2022}", "ash trees"]]),
        [ListItem, ListItem]
    );
    assert_eq!(
        blocks_of(&[&["(1)", "pine and oak/and more"]])[0].1,
        "(1) pine and oak"
    );
    assert_eq!(kinds(&[&["a first line/a second"]]), [Paragraph, Paragraph]);
    assert_eq!(kinds(&[&["ASSETS"], &["Cash", "1"]]), [TableRow, TableRow]);
    assert_eq!(
        blocks_of(&[&["Item 1.", "Business"]]),
        [(Heading, "Item 1. Business".to_owned())]
    );
}

#[test]
fn a_table_without_words_gives_nothing() {
    assert!(blocks_of(&[&[], &["", ""], &["\u{2014}"]]).is_empty());
}

/// Texts of the blocks of a page with one table.
fn rows(html: &str) -> Vec<String> {
    let page = crate::html::read_html(&format!("<table>{html}</table>")).0;
    page.blocks.into_iter().map(|block| block.text).collect()
}

#[test]
fn an_empty_cell_keeps_its_place_and_an_empty_column_goes() {
    let table = [
        &["", "", "2023", "", "2022"][..],
        &["Impairment", "", "", "", "17"],
        &["Gain on sale", "", "31", "", ""],
        &["Land", "", "\u{2014}", "", "3"],
    ];
    assert_eq!(
        blocks_of(&table)
            .into_iter()
            .map(|block| block.1)
            .collect::<Vec<_>>(),
        [
            "| 2023 | 2022",
            "Impairment |  | 17",
            "Gain on sale | 31",
            "Land | \u{2014} | 3"
        ]
    );
}

#[test]
fn a_year_that_spans_sign_number_and_bracket_stands_above_the_number() {
    let html = "<tr><td colspan=3></td><td colspan=9>Year ended</td></tr>\
        <tr><td colspan=3></td><td colspan=3>2023</td><td colspan=3>&nbsp;</td><td colspan=3>2022</td></tr>\
        <tr><td colspan=3>Sales</td><td>$</td><td>1,234</td><td></td><td colspan=3></td><td>$</td><td>56</td><td></td></tr>\
        <tr><td colspan=3>Impairment</td><td colspan=2></td><td></td><td colspan=3></td><td colspan=2>(17</td><td>)</td></tr>\
        <tr><td colspan=3>Share</td><td colspan=2>12.5</td><td>%</td><td colspan=3></td><td colspan=2>\u{2014}</td><td>%</td></tr>\
        <tr><td colspan=12>All amounts are net of tax.</td></tr>";
    assert_eq!(
        rows(html),
        [
            "| Year ended",
            "| 2023 | 2022",
            "Sales | $ 1,234 | $ 56",
            "Impairment |  | (17)",
            "Share | 12.5% | \u{2014}%",
            "All amounts are net of tax.",
        ]
    );
}

#[test]
fn a_cell_that_spans_rows_stands_in_the_first() {
    let html = "<tr><td rowspan=2>Oak</td><td>north</td><td>1</td></tr><tr><td>south</td><td>2</td></tr>\
        <tr><td>Ash</td><td>north</td><td>3</td></tr>";
    assert_eq!(rows(html), ["Oak | north | 1", "| south | 2", "Ash | north | 3"]);
    let sections = "<thead><tr><td rowspan=9>Oak</td><td>2023</td></tr></thead><tbody><tr><td>Ash</td><td>3</td></tr></tbody>";
    assert_eq!(rows(sections), ["Oak | 2023", "Ash | 3"]);
}

#[test]
fn a_heading_of_two_lines_alone_above_the_figures_is_a_row() {
    let html = "<tr><td></td><td>Year ended<br>December 31</td></tr><tr><td>Oak</td><td>1</td></tr>\
        <tr><td>A note.<br>And one more.</td></tr>";
    assert_eq!(
        rows(html),
        ["| Year ended December 31", "Oak | 1", "A note.", "And one more."]
    );
}

#[test]
fn rules_and_list_items_give_no_column() {
    let html = "<tr><td>Oak</td><td></td><td>1</td><td></td><td>2</td></tr>\
        <tr><td></td><td>---</td><td></td><td>---</td></tr>\
        <tr><td></td><td>(1)</td><td colspan=3>In the north only.</td></tr>";
    assert_eq!(rows(html), ["Oak | 1 | 2", "(1) In the north only."]);
}

#[test]
fn cells_without_a_row_begin_one() {
    assert_eq!(rows("<td>Oak<td>1<tr><td>Ash<td>2"), ["Oak | 1", "Ash | 2"]);
}

#[test]
fn a_table_of_data_is_a_range_of_its_rows() {
    use documents::TableRange;
    let page = crate::html::read_html(
        "<p>Before</p><table><tr><td>Oak<td>1<tr><td>Ash<td>2</table><p>After</p>\
        <table><tr><td>\u{2022}<td>pine and oak</table><table><tr><td>Item 1.<td>Business</table>\
        <table><tr><td>Yew<td>3<tr><td>Elm<td>4</table>",
    )
    .0;
    let range = |first_block, end_block| TableRange {
        first_block,
        end_block,
    };
    assert_eq!(page.tables, [range(1, 3), range(6, 8)]);
}

#[test]
fn spans_of_any_size_make_no_large_table() {
    let wide = "<tr><td colspan=250></td><td>x</td></tr>".repeat(10_000);
    let header = format!("<tr>{}</tr>", "<td>y</td>".repeat(251));
    let texts = rows(&(header + &wide));
    assert_eq!(texts.len(), 10_001);
    assert_eq!(texts[10_000], "x");
    assert!(texts.iter().map(String::len).sum::<usize>() < 20_000);
}

#[test]
fn rows_with_an_empty_cell_in_different_columns_differ() {
    use documents::{Document, TableGrid};
    let Some(path) = test_data::find("wild/html-empty-figure-cell.txt") else {
        return;
    };
    let page = std::fs::read_to_string(path).unwrap();
    let (_, page) = page.split_once("<TEXT>").unwrap();
    let page = crate::html::read_html(page).0;
    let (blocks, tables) = (page.blocks, page.tables);
    let document = Document {
        blocks,
        ..Document::default()
    };
    let grid = TableGrid::of(&document, tables[0]);
    let numbers = (1..grid.num_rows()).flat_map(|row| (1..3).map(move |column| (row, column)));
    let numbers = numbers.filter_map(|(row, column)| {
        let number = grid.number(row, column)?;
        Some((grid.cell(row, 0), grid.column_header(column), number.value))
    });
    assert_eq!(
        numbers.collect::<Vec<_>>(),
        [("Impairment", "2022", 17.0), ("Gain on sale", "2023", 31.0)]
    );
}

//! Tables of plain text: their columns, their heads, and the text between their rows.

use documents::BlockKind::{Heading, Paragraph, TableRow};

use crate::plain_text::read_plain_text;
use crate::plain_text::tests::{block, blocks, rows};

#[test]
fn tables_become_rows_of_cells() {
    let text = "<TABLE>\n<CAPTION>\n                  1997      1996\n<S>               <C>       <C>\nNet sales        $  1,234  $(  56)\n  Less: returns       12%     --\n</TABLE>\nText after.";
    assert_eq!(
        blocks(text),
        [
            block(TableRow, "| 1997 | 1996"),
            block(TableRow, "Net sales | $ 1,234 | $(56)"),
            block(TableRow, "Less: returns | 12% | --"),
            block(Paragraph, "Text after."),
        ]
    );
}

#[test]
fn figures_stand_in_their_columns() {
    let table = "                         2023      2022\n\nImpairment                           17\nGain on sale               31\n";
    let expected = ["| 2023 | 2022", "Impairment |  | 17", "Gain on sale | 31"];
    assert_eq!(rows(table), expected);
    assert_eq!(rows(&format!("<TABLE>\n{table}</TABLE>")), expected);
    let page = read_plain_text(&format!("Text before it.\n\n{table}\nText after it."));
    let tables: Vec<_> = page
        .tables
        .iter()
        .map(|table| (table.first_block, table.end_block))
        .collect();
    assert_eq!(tables, [(1, 4)]);
}

#[test]
fn heads_over_several_columns_and_totals_without_a_label_keep_their_place() {
    let text = "<TABLE>\n<CAPTION>\n                        Years ended December 31,       Change\n                        ------------------------       ------\n\
        \x20                          2023          2022\n                           ----          ----\n<S>                        <C>           <C>           <C>\n\
        Oak ................    $  100        $   90              10\nPine                                      10            (10)\n\
        \x20                       ------        ------          ------\n                        $  100        $  100              --\n</TABLE>";
    assert_eq!(
        rows(text),
        [
            "| Years ended December 31, |  | Change",
            "| 2023 | 2022",
            "Oak | $ 100 | $ 90 | 10",
            "Pine |  | 10 | (10)",
            "| $ 100 | $ 100 | --",
        ]
    );
}

#[test]
fn heads_that_do_not_stand_above_their_figures_are_of_the_zone_of_their_mark() {
    let text = "<TABLE>\n                            2023           2022\n<S>                     <C>            <C>\n\
        Impairment                               17\nGain on sale            31\n</TABLE>";
    assert_eq!(
        rows(text),
        ["| 2023 | 2022", "Impairment |  | 17", "Gain on sale | 31"]
    );
}

#[test]
fn labels_on_several_lines_stay_in_front_and_words_of_a_column_below_each_other() {
    let text = "<TABLE>\nName                 Position                         Age\n<S>                  <C>                              <C>\n\
        Ann Oak              Chairman of the Board,           61\n                     Chief Executive Officer\nBob Pine             Secretary                        44\n\
        Deductions of the\n  mill before tax    None                              2\n</TABLE>";
    assert_eq!(
        rows(text),
        [
            "Name | Position | Age",
            "Ann Oak | Chairman of the Board, | 61",
            "| Chief Executive Officer",
            "Bob Pine | Secretary | 44",
            "Deductions of the",
            "mill before tax | None | 2",
        ]
    );
}

#[test]
fn leaders_of_dots_part_cells() {
    let text = "<TABLE>\nTrucks.......................  5.7   .6\nAll........................  100.0%\nOther . . . . . . . . . . .          1.2\n</TABLE>";
    assert_eq!(
        rows(text),
        ["Trucks | 5.7 | .6", "All | 100.0%", "Other |  | 1.2"]
    );
}

#[test]
fn columns_without_table_tags_are_rows_too() {
    let text = "Class                Outstanding\nCommon stock         1,000,000";
    assert_eq!(
        blocks(text),
        [
            block(TableRow, "Class | Outstanding"),
            block(TableRow, "Common stock | 1,000,000")
        ]
    );
}

#[test]
fn running_text_inside_table_tags_is_text() {
    let text = "<TABLE>\n<CAPTION>\nThe following table sets forth information concerning the losses of\nthe mill on its oak in the years before.\n\n\
        \x20                  2023      2022\n<S>                <C>       <C>\nOak                  10         9\nPine                  1         2\n\n\
        \x20    The mills are regulated by the office of forests of the state.\nTheir roofs are insured by the federation of the mills in the\nnorth.\n<PAGE>\n\
        Ash Mills\n\nThe mill of Ash is old and was bought from the town of Alder for a\nlow price.\n</TABLE>";
    let expected = [
        block(
            Paragraph,
            "The following table sets forth information concerning the losses of the mill on its oak in the years before.",
        ),
        block(TableRow, "| 2023 | 2022"),
        block(TableRow, "Oak | 10 | 9"),
        block(TableRow, "Pine | 1 | 2"),
        block(
            Paragraph,
            "The mills are regulated by the office of forests of the state. Their roofs are insured by the federation of the mills in the north.",
        ),
        block(Heading, "Ash Mills"),
        block(
            Paragraph,
            "The mill of Ash is old and was bought from the town of Alder for a low price.",
        ),
    ];
    assert_eq!(blocks(text), expected);
    assert_eq!(read_plain_text(text).breaks, [5]);
}

#[test]
fn a_figure_behind_a_label_that_reaches_into_its_column_is_parted_from_it() {
    let text = "<TABLE>\n                           1997     1996\nOak                          12       14\nPine                        123       34\n\
        Accrued benefits of the mill 20        31\nElm...                        5        6\nFive years ended in May 27, and 28\n</TABLE>";
    assert_eq!(
        rows(text),
        [
            "| 1997 | 1996",
            "Oak | 12 | 14",
            "Pine | 123 | 34",
            "Accrued benefits of the mill | 20 | 31",
            "Elm | 5 | 6",
            "Five years ended in May 27, and 28",
        ]
    );
}

#[test]
fn the_end_of_a_label_behind_two_blanks_is_no_column_and_rules_beside_words_no_cell() {
    let text = "<TABLE>\n              -------------    1997     1996\nCash                             12       14\nReceivables                     123       34\n\
        Net of the allowance  (of oak)   20       31\n</TABLE>";
    assert_eq!(
        rows(text),
        [
            "| 1997 | 1996",
            "Cash | 12 | 14",
            "Receivables | 123 | 34",
            "Net of the allowance (of oak) | 20 | 31",
        ]
    );
}

#[test]
fn a_page_number_behind_text_inside_table_tags_is_no_table() {
    let text = "<TABLE>\nOak     12     14\n\nThe mill of Ash is old and was bought from the town of Alder for a\nlow price.\n\n                          -13-\n<PAGE>\n\n\
        The mill of Elm is new and was bought from the town of Alder for a\nhigh price.\n</TABLE>";
    let page = read_plain_text(text);
    assert_eq!(page.tables.len(), 1);
    assert_eq!(page.blocks[2].text, "-13-");
    assert_ne!(page.blocks[2].kind, TableRow);
}

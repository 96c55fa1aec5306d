//! Plain text as a whole: what becomes of lines, tables, lists, pages and tags.

use documents::BlockKind::{self, Heading, ListItem, PageFurniture, Paragraph};
use documents::Document;
use proptest::prelude::*;

use super::*;
use crate::real_filings::data_folder;

pub(super) fn blocks(text: &str) -> Vec<(BlockKind, String)> {
    read_plain_text(text)
        .blocks
        .into_iter()
        .map(|block| (block.kind, block.text))
        .collect()
}

pub(super) fn rows(text: &str) -> Vec<String> {
    blocks(text).into_iter().map(|(_, text)| text).collect()
}

pub(super) fn block(kind: BlockKind, text: &str) -> (BlockKind, String) {
    (kind, text.to_owned())
}

#[test]
fn paragraphs_are_reflowed_and_a_hyphen_at_a_line_end_is_kept() {
    let text = "     The mill bought timber on an as-\nneeded basis from three long-\r\nterm suppliers.\n\nIt paid -\nin cash.";
    assert_eq!(
        blocks(text),
        [
            block(
                Paragraph,
                "The mill bought timber on an as-needed basis from three long-term suppliers."
            ),
            block(Paragraph, "It paid - in cash."),
        ]
    );
}

#[test]
fn carriage_returns_alone_end_lines() {
    assert_eq!(
        blocks("ONE THING\r\rThe other\rthing."),
        [block(Heading, "ONE THING"), block(Paragraph, "The other thing.")]
    );
}

#[test]
fn stretched_lines_are_running_text_with_and_without_table_tags() {
    let text = "     General.   We  have  received  letters  under  various  federal  and  state\n\
        laws   that   the   mill   may   owe   money   for  the   costs   of   clearing\n\
        the   river   near   our   mill   in   the   north.\n";
    let paragraph = [block(
        Paragraph,
        "General. We have received letters under various federal and state laws that the mill may owe money for the costs of clearing the river near our mill in the north.",
    )];
    assert_eq!(blocks(text), paragraph);
    assert_eq!(blocks(&format!("<TABLE>\n{text}</TABLE>\n")), paragraph);
    let line = "The   costs   of   the   mill   rose   with   those   of   the   trees.";
    assert_eq!(blocks(line)[0].0, Paragraph);
    assert_eq!(blocks(&format!("<TABLE>\n{line}\n</TABLE>\n"))[0].0, Paragraph);
}

#[test]
fn an_underline_ends_a_heading_of_its_own_but_not_the_paragraph_that_a_heading_begins() {
    let text = "Environmental Matters\n---------------------\nWe own a mill.\n\n\
        General. We have letters under the law that\n-------\nwe may owe money.\n\n\
        See the Annual Report of the mill for the\n        _____________\ncosts of oak.\n\n\
        Oak grew.\n- ------------------------------\n(1) As of May.\n";
    assert_eq!(
        blocks(text),
        [
            block(Heading, "Environmental Matters"),
            block(Paragraph, "We own a mill."),
            block(
                Paragraph,
                "General. We have letters under the law that we may owe money."
            ),
            block(
                Paragraph,
                "See the Annual Report of the mill for the costs of oak."
            ),
            block(Paragraph, "Oak grew."),
            block(ListItem, "(1) As of May."),
        ]
    );
}

#[test]
fn an_o_is_a_bullet_and_its_text_goes_on_below_it() {
    let text = "Profit depends on:\n\n     o    the price of oak\n     o    the costs for claims and other\n          actions of Alder Town\n\
        \x20    o    the weather\nThe mill is old.\n\n     o    pine\n\n  --  ash\n  --  elm\n";
    assert_eq!(
        blocks(text),
        [
            block(Paragraph, "Profit depends on:"),
            block(ListItem, "o the price of oak"),
            block(ListItem, "o the costs for claims and other actions of Alder Town"),
            block(ListItem, "o the weather"),
            block(Paragraph, "The mill is old."),
            block(ListItem, "o pine"),
            block(ListItem, "-- ash"),
            block(ListItem, "-- elm"),
        ]
    );
    let justified = "  o    costs   of   the   mill   that   rise   and   the\n       prices   of   the   trees   in   the   north";
    assert_eq!(
        blocks(justified),
        [block(
            ListItem,
            "o costs of the mill that rise and the prices of the trees in the north"
        )]
    );
}

#[test]
fn a_number_in_brackets_that_a_sentence_was_wrapped_before_is_no_marker() {
    let text = "Ann Oak, the president of the mill and a director of its bank in Alder (age\n55) joined the mill in May.\n\n\
        (8) The mill pays for the pension of each of its workers under its plan of 401\n    (k) plans of the state.\n(9) The mill\n    owns oak.\n\n\
        Each mill must:\n(a) own oak, and\n(b) own pine.\n";
    assert_eq!(
        blocks(text),
        [
            block(
                Paragraph,
                "Ann Oak, the president of the mill and a director of its bank in Alder (age 55) joined the mill in May."
            ),
            block(
                ListItem,
                "(8) The mill pays for the pension of each of its workers under its plan of 401 (k) plans of the state."
            ),
            block(ListItem, "(9) The mill owns oak."),
            block(Paragraph, "Each mill must:"),
            block(ListItem, "(a) own oak, and"),
            block(ListItem, "(b) own pine."),
        ]
    );
}

#[test]
fn centered_lines_capitals_and_items_are_headings_and_bullets_list_items() {
    let text = "                         ALDER MILLS, INC.\n                     NOTES TO THE STATEMENTS\n\nITEM 2.  PROPERTIES\n\nGross Margin\n\n  - pine from\n    the north\n  - oak";
    assert_eq!(
        blocks(text),
        [
            block(Heading, "ALDER MILLS, INC."),
            block(Heading, "NOTES TO THE STATEMENTS"),
            block(Heading, "ITEM 2. PROPERTIES"),
            block(Heading, "Gross Margin"),
            block(ListItem, "- pine from the north"),
            block(ListItem, "- oak"),
        ]
    );
}

#[test]
fn a_dash_before_a_line_that_begins_with_one_is_an_escape() {
    assert_eq!(
        blocks("- -   oak\n- -   pine"),
        [block(ListItem, "- oak"), block(ListItem, "- pine")]
    );
}

#[test]
fn pages_are_marked_where_they_end() {
    let page = read_plain_text("One.\n\n   3\n<PAGE>   4\n\nTwo.\n\x0cThree.\n<PAGE>");
    assert_eq!(page.breaks, [2, 4]);
    assert_eq!(page.blocks[2].text, "4");
}

#[test]
fn footers_whose_pages_nothing_marks_end_them() {
    let page = |number: u32, footer: &str| {
        let oak = "Oak grew in the year of the flood, and ".repeat(6);
        format!("{oak}\n\n{}\n\n\n", footer.replace('#', &number.to_string()))
    };
    for footer in [
        "Alder Mills, Inc.            #",
        "   #        2023 Form 10-K",
        "Alder Mills - Page #",
    ] {
        let text: String = (4..9).map(|number| page(number, footer)).collect();
        let read = read_plain_text(&text);
        assert_eq!(read.breaks, [2, 4, 6, 8, 10], "{footer}");
        let mut read = read;
        crate::furniture::mark_furniture(&mut read);
        let kinds: Vec<BlockKind> = read.blocks.iter().map(|block| block.kind).collect();
        assert_eq!(kinds, [Paragraph, PageFurniture].repeat(5), "{footer}");
    }
    let page = |number: u32| {
        format!("Oak      {number}5     7\nPine     12     9\n\nAlder Mills, Inc.       {number}\n\n")
    };
    let in_table: String = (4..9).map(page).collect();
    let read = read_plain_text(&format!("<TABLE>\n{in_table}</TABLE>"));
    assert_eq!(read.breaks, [3, 6, 9, 12, 15]);
    assert_eq!(read.blocks[2].kind, Paragraph);
}

#[test]
fn tags_inside_a_line_leave_no_blanks_and_keep_the_columns_behind_them() {
    assert_eq!(
        blocks("<R>Revised text</R> stays and <B>b</B>old<FN> too.\n</R>"),
        [block(Paragraph, "Revised text stays and bold too.")]
    );
    let table = "<TABLE>\n                  1997      1996\nOak<F1>             12\nPine                          34\n</TABLE>";
    assert_eq!(rows(table), ["| 1997 | 1996", "Oak | 12", "Pine |  | 34"]);
}

#[test]
fn entities_are_resolved_behind_the_tags_and_only_with_their_semicolon() {
    assert_eq!(
        blocks("AT&T &amp; R&D: &lt;B&gt; &copy 1999 is a&amp;b, &lt;PAGE&gt; too."),
        [block(Paragraph, "AT&T & R&D: <B> &copy 1999 is a&b, <PAGE> too.")]
    );
}

#[test]
fn encoded_files_in_the_middle_of_the_text_are_left_out() {
    let data = format!(
        "M{}",
        "&lt;<B>".to_uppercase().repeat(9).get(..60).unwrap_or_default()
    );
    let text = format!("Oak grew.\nbegin 644 chart.gif\n{data}\n{data}\n`\nend\nPine did not.");
    assert_eq!(
        blocks(&text),
        [block(Paragraph, "Oak grew."), block(Paragraph, "Pine did not.")]
    );
}

#[test]
fn angle_brackets_that_are_no_tags_are_text() {
    assert_eq!(
        blocks("if a <b and c> d or x<5 &lt; y"),
        [block(Paragraph, "if a <b and c> d or x<5 < y")]
    );
}

fn read_hostile_texts(bytes: usize) {
    for piece in [
        "<R>",
        "<S>",
        "<C> ",
        "&",
        "&a",
        "a  ",
        "$1 ",
        "1,2 ",
        ". ",
        ".. ",
        ".",
        " .5",
        "-",
        "\n-----",
        "a\n---\n",
        "begin 644 a\n",
        "begin 644 a\nMAA\n",
        "a  b\n<PAGE>\n",
        "o   a\n",
        "1\n\n",
        "a   1\n\n",
        "\t",
        "\u{a0}",
        "\x0c",
        "<TABLE>\n",
        "</TABLE>",
        "(   ",
        ")   ",
        "a  b  c\n",
        "\n",
        "\r",
        "- ",
    ] {
        let pieces = piece.repeat(bytes / piece.len());
        for text in [
            pieces.clone(),
            format!("<TABLE>\n{pieces}"),
            format!("{}{pieces}", " ".repeat(bytes)),
            format!("<TABLE>\n{} {pieces}", "oak ".repeat(bytes / 4)),
        ] {
            read_plain_text(&text);
        }
    }
}

#[test]
fn hostile_texts_are_read() {
    read_hostile_texts(20_000);
}

/// A reader whose work grew with the square of a text would not come to the end.
#[test]
#[ignore = "takes minutes without optimization"]
fn hostile_texts_are_read_in_time_that_grows_with_their_length() {
    read_hostile_texts(3_000_000);
}

fn wild(name: &str) -> Option<Document> {
    let path = data_folder()?.join("wild").join(name);
    let bytes = std::fs::read(path).unwrap();
    let outcome = crate::read_filing(name, &bytes).remove(0).outcome;
    Some(outcome.document().unwrap())
}

#[test]
fn the_reported_inputs_are_read_right() {
    for (name, expected) in [
        (
            "plain-inline-tags.txt",
            vec![block(Paragraph, "Revised text stays and bold too.")],
        ),
        (
            "plain-justified.txt",
            vec![
                block(Heading, "Environmental Matters"),
                block(
                    Paragraph,
                    "General. We have received letters under various federal and state laws that we may owe money for the costs of clearing the river near our mill in the north.",
                ),
            ],
        ),
        (
            "plain-list-o.txt",
            vec![
                block(Paragraph, "The profit of the mill depends on:"),
                block(ListItem, "o the price of oak"),
                block(
                    ListItem,
                    "o the costs for customer claims and other customer satisfaction actions",
                ),
                block(ListItem, "o the weather"),
            ],
        ),
    ] {
        let Some(document) = wild(name) else { return };
        let blocks = document.blocks.into_iter().skip(1);
        let found: Vec<_> = blocks.map(|block| (block.kind, block.text)).collect();
        assert_eq!(found, expected, "{name}");
    }
}

/// Words of lines and what may stand between them, without tags, entities and encoded data.
const PARTS: [&str; 34] = [
    "oak",
    "the mill of",
    "12",
    "1,234",
    "$",
    "(",
    ")",
    "%",
    "o",
    "--",
    "- ",
    "(a)",
    "Item 1.",
    " ",
    "  ",
    "   ",
    "          ",
    "\n",
    "\n\n",
    "\r\n",
    "\t",
    "\x0c",
    "-----",
    "____",
    "....",
    ". . . . ",
    "|",
    " | ",
    "\u{e9}",
    "1999",
    ":",
    "Page",
    "\u{a0}",
    "for",
];

proptest! {
    #[test]
    fn every_letter_and_digit_is_kept_in_order_and_lines_are_clean(
        parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..150),
        is_table in any::<bool>(),
    ) {
        let text = parts.concat();
        let read = read_plain_text(&format!("{}{text}", if is_table { "<TABLE>\n" } else { "" }));
        let mut kept = String::new();
        for block in &read.blocks {
            prop_assert!(block.is_clean(), "{block:?}");
            kept.push_str(&block.text);
        }
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        prop_assert_eq!(letters(&kept), letters(&text));
        prop_assert!(read.breaks.is_sorted());
        let ends: Vec<u32> = read.tables.iter().flat_map(|table| [table.first_block, table.end_block]).collect();
        prop_assert!(ends.is_sorted() && ends.last().is_none_or(|&end| end as usize <= read.blocks.len()));
    }
}

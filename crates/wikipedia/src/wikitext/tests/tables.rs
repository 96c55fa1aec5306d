//! Tables that end in any way, their cells and attributes, and lines of every kind.

use super::*;

fn texts(wikitext: &str) -> Vec<String> {
    parsed(wikitext).into_iter().map(|(_, text)| text).collect()
}

fn assert_texts(wikitext: &str, expected: &[&str]) {
    assert_eq!(texts(wikitext), expected, "{wikitext}");
}

#[test]
fn a_table_ends_by_a_template_a_heading_or_a_paragraph_where_it_has_no_end() {
    let rows = "{|\n! A !! B\n|-\n| 1 || 2\n";
    for end in ["{{end}}", "{{Table end}}", "{{End}}", "|}", "|}\n{{x}}", ""] {
        assert_texts(
            &format!("{rows}{end}\n\nText after.\n\n== Next ==\nMore text."),
            &["A | B", "1 | 2", "Text after.", "Next", "More text."],
        );
    }
    assert_texts(
        &format!("{rows}== Next ==\nMore\ntext.\n* x"),
        &["A | B", "1 | 2", "Next", "More text.", "x"],
    );
    assert_texts(rows, &["A | B", "1 | 2"]);
    // A template that has no table to end is a template.
    assert_texts("a {{end}} b", &["a b"]);
}

#[test]
fn a_table_without_an_end_leaves_later_tables_as_they_are() {
    assert_texts(
        "{|\n| a\n\nText.\n{|\n| b || c\n|}\n\nMore.",
        &["a", "Text.", "b | c", "More."],
    );
    let many = "{|\n| a\n{{end}}\n".repeat(200);
    let texts = texts(&format!("{many}{{|\n| b || c\n|}}"));
    assert_eq!(texts.last().unwrap(), "b | c");
}

#[test]
fn headings_and_text_in_a_table_that_has_an_end_are_text_in_their_order() {
    assert_texts(
        "{|\n| a || b\n|-\n|\n== Inside ==\nLong text\ngoes on.\n\n* item\n| c || d\n|}\nEnd",
        &["a | b", "Inside", "Long text goes on.", "item", "c | d", "End"],
    );
}

#[test]
fn tables_in_tables_keep_their_order() {
    assert_texts(
        "{|\n| a\n|\n{| class=x\n| b || c\n|}\n| d || e\n|-\n| f\n|}\ng",
        &["a", "b | c", "d | e", "f", "g"],
    );
    assert_texts(
        "{|\n|{{x}}\n{|\n| b\n|-\n|\n{|\n| c\n|}\n|}\ntext behind\n|}",
        &["b", "c", "text behind"],
    );
}

#[test]
fn attributes_are_never_text() {
    assert_texts(
        "{|\n|-\n|align=center|{{flag|Norway}}||5||7\n|-\n| 3 || — ||bgcolor=\"pink\"|{{Nuclide|6}}||x\n|}",
        &["5 | 7", "3 | — | x"],
    );
    assert_texts(
        "{| class=\"a\"\nstyle=\"b: c\"\n|+ align=top | Cap\n|- style=\"x\"\n! scope=\"row\" | A !! colspan={{x}} | B\n|-\n| align=center\n| style=\"{{y}}\" | 2\n|}",
        &["Cap", "A | B", "| 2"],
    );
    assert_texts("{|\n| style=\"a\" Text || width=5% | b\n|}", &["Text | b"]);
    assert_texts("{|\n|{{x}}-\n|{{x}}+ 5\n|}", &["- | + 5"]);
}

#[test]
fn empty_cells_keep_their_columns_and_empty_columns_go() {
    assert_texts(
        "{|\n! !! 2023 !! !! 2022\n|-\n| Oak || || || 17\n|-\n| Ash || 5 || || \n|}",
        &["| 2023 | 2022", "Oak |  | 17", "Ash | 5"],
    );
    assert_texts(
        "{|\n| rowspan=2 | 2019 || a || b\n|-\n| c || d\n|-\n| colspan=\"2\" | e || f\n|}",
        &["2019 | a | b", "| c | d", "e |  | f"],
    );
}

#[test]
fn a_caption_may_have_several_lines_and_a_cell_too() {
    assert_texts(
        "{|\n|+ The\ncaption\n|-\n| a\nb\n* c\n|}",
        &["The caption", "a b c"],
    );
}

#[test]
fn the_tables_of_a_page_are_ranges_of_its_rows() {
    let article = parse_wikitext(
        "== Gone ==\n{{x}}\n== Kept ==\nText\n{|\n| a\n|-\n| b\n|}\n{|\n| c\n{|\n| d\n|}\n|}\n",
        &SiteInfo::default(),
    );
    let ranges: Vec<_> = article
        .tables
        .iter()
        .map(|table| (table.first_block, table.end_block))
        .collect();
    assert_eq!(ranges, [(2, 4), (4, 5), (5, 6)]);
    assert_tables_are_apart(&article);
}

#[test]
fn a_comment_alone_in_its_line_goes_with_the_line() {
    for wikitext in [
        "a and\n<!-- x -->\nb",
        "a and\n  <!-- x\ny --> <!-- z -->  \nb",
        "a and\n<!-- x -->\n<!-- y -->\nb",
        "a <!-- x -->and\nb",
    ] {
        assert_eq!(paragraph(wikitext), "a and b", "{wikitext}");
    }
    assert_texts("* a\n<!-- x -->\n* b", &["a", "b"]);
    assert_texts(
        "{|\n| a\n<!-- x -->\n|-\n|\n<!-- y -->{|\n| b\n|}\n|}",
        &["a", "b"],
    );
    assert_texts("a\n\n<!-- x -->\n\nb", &["a", "b"]);
}

#[test]
fn lines_that_begin_with_a_blank_stand_on_their_own() {
    assert_texts(
        "Text\n one\n two = 2 ==\n * three\nmore\ntext",
        &["Text", "one", "two = 2 ==", "* three", "more text"],
    );
    // What was dropped at the beginning of a line leaves no such blank.
    assert_eq!(
        paragraph("{{x}} one\n<ref>y</ref> two\n[[File:z.png]] three"),
        "one two three"
    );
}

#[test]
fn a_rule_ends_a_paragraph_and_what_follows_it_is_text() {
    assert_texts("a\n-----b c\nd\n----\ne", &["a", "b c d", "e"]);
}

#[test]
fn only_the_switches_of_mediawiki_vanish() {
    assert_eq!(
        paragraph("The macros __LINE__ and __FILE__ exist. __NOTOC____notoc__"),
        "The macros __LINE__ and __FILE__ exist."
    );
}

#[test]
fn one_language_variant_stands_for_all() {
    assert_eq!(
        paragraph("a -{zh-hans:one; zh-hant:two}- -{T|b}- -{c}- -{{{x}}}- -{[[d|e]]}-"),
        "a one c e"
    );
}

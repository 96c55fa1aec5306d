//! Pages by hand, one for each thing that real filings do, and pages that attack the reader.

mod of_styles;

use documents::{Block, BlockKind};
use proptest::prelude::*;

use super::elements::{SEARCH_DEPTH, VISITS};
use super::*;

fn blocks(html: &str) -> Vec<Block> {
    read_html(html).0.blocks
}

fn texts(html: &str) -> Vec<String> {
    blocks(html).into_iter().map(|block| block.text).collect()
}

#[test]
fn inline_elements_join_and_blocks_break() {
    assert_eq!(
        texts("<p>Inte<b>re</b><i>st</i> on <span>oak </span> logs"),
        ["Interest on oak logs"]
    );
    assert_eq!(
        texts("<div>one<div>two</div>three</div>four<br>five<br/>six"),
        ["one", "two", "three", "four", "five", "six"]
    );
    assert_eq!(
        texts("<div style='display:inline'>pi</div><div style='display:inline'>ne</div>"),
        ["pine"]
    );
    assert_eq!(
        texts("<span style='display:block'>a</span>b<span style='position:absolute'>c</span>d"),
        ["a", "b", "c", "d"]
    );
    assert_eq!(
        texts("<div style='display:flex'><span>a</span><span>b</span></div>"),
        ["a", "b"]
    );
    assert_eq!(texts("x</p>y</br>z"), ["x", "y", "z"]);
}

#[test]
fn entities_are_decoded_once_and_windows_ones_mapped() {
    assert_eq!(
        texts("<p>A&amp;B &amp;lt; 5&#150;6&nbsp;&#146;s &#x201C;q&#148; &unknown; &euro1"),
        ["A&B &lt; 5\u{2013}6 \u{2019}s \u{201c}q\u{201d} &unknown; &euro1"]
    );
    assert_eq!(texts("<p>co&shy;op&#8203;erate"), ["cooperate"]);
}

#[test]
fn hidden_text_is_dropped_and_what_follows_is_kept() {
    for (page, expected) in [
        ("<div style='display:none'>x<div>y</div></div>z", "z"),
        ("<p style='display:none'>x<p>z", "z"),
        ("<p style='display:none'>x<div>z</div>", "z"),
        ("<table><tr style='display:none'><td>x<tr><td>z</table>", "z"),
        ("<ul><li style='display:none'>x<li>z</ul>", "z"),
        ("<div><span style='DISPLAY : none'>x</div>z", "z"),
        (
            "<ix:header><ix:hidden><ix:nonNumeric>x</ix:nonNumeric></ix:hidden></ix:header>z",
            "z",
        ),
        ("<ix:header/>z", "z"),
        ("<br style='display:none'><img style='display:none'>z", "z"),
        ("<div style='display:none'/>z", "z"),
        (
            "<span style='visibility:hidden'>x<b style='visibility:visible'>z</b>y</span>",
            "z",
        ),
        (
            "<script>var a='<p>x</p>'</script><style>p{}</style><noscript>x</noscript>z",
            "z",
        ),
        ("<div hidden>x</div>z", "z"),
        ("<html><head><title>x</title></head><body>z", "z"),
        ("<!-- x --><![CDATA[y]]>z<?xml version='1.0'?>", "z"),
    ] {
        assert_eq!(texts(page), [expected], "{page}");
    }
}

#[test]
fn text_between_the_rows_of_a_table_stands_before_it() {
    assert_eq!(
        texts("<table>a<tr><td>b</td>c<td>d</td></tr></table>e"),
        ["a", "c", "b | d", "e"]
    );
    assert_eq!(texts("<td>no table</td><tr>x"), ["no tablex"]);
}

#[test]
fn nested_tables_keep_their_order() {
    let page = "<table><tr><td>a</td><td>b<table><tr><td>c</td><td>d</td></tr></table>e</td><td>f</td></tr></table>g";
    assert_eq!(texts(page), ["a | b", "c | d", "e | f", "g"]);
}

#[test]
fn cells_and_rows_end_where_the_next_begin() {
    let page =
        "<TABLE><TR><TD>Sales<TD ALIGN=right>$<TD>(12<TD>)<TR><TD>Costs<TD><FONT SIZE=2>5</FONT></TABLE>";
    assert_eq!(texts(page), ["Sales | $ (12)", "Costs | 5"]);
}

#[test]
fn kinds_come_from_looks() {
    use BlockKind::{Heading, ListItem, Paragraph, TableRow};
    let page = "<p align=center>ALDER MILLS</p><p><b>Our</b> mills.</p><p><b>Our mills</b></p><h2>x y</h2><ul><li>oak</ul>\
        <p style='font-weight:700'>Bold</p><p><i>Cost of Sales</i></p><div style='font-weight:bold'><span style='font-weight:400'>Plain</span></div>\
        <p>Item 1. Business<p>\u{2022} pine<table><tr><td>a<td>1</table><table><tr><td><b>Lone</b></table>";
    let kinds: Vec<BlockKind> = blocks(page).iter().map(|block| block.kind).collect();
    let expected = [
        Heading, Paragraph, Heading, Heading, ListItem, Heading, Heading, Paragraph, Heading, ListItem,
        TableRow, Heading,
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn misnested_formatting_ends_where_its_end_tag_stands() {
    let page = blocks("<b><p>Bold</b> and not</p><b><i>both</b> one</i> end");
    assert_eq!(page[0].text, "Bold and not");
    assert_eq!(page[0].kind, BlockKind::Paragraph);
    assert_eq!(page[1].text, "both one end");
}

#[test]
fn pages_end_at_rules_styles_and_marks() {
    for mark in [
        "<hr>",
        "<div style='page-break-before:always'></div>",
        "<p style='page-break-after: always'></p>",
        "<PAGE>",
        "<!-- Field: Page; Sequence: 1 -->",
        "<br style='page-break-before:always'>",
    ] {
        let page = read_html(&format!("<p>a</p>{mark}<p>b</p>")).0;
        assert_eq!(page.breaks, [1], "{mark}");
    }
}

#[test]
fn preformatted_text_is_read_as_plain_text() {
    let page = "<pre>  One long sentence that was\n  broken.\n\n<b>Class</b>       Shares\nCommon      100\n<hr>next</pre>after";
    assert_eq!(
        texts(page),
        [
            "One long sentence that was broken.",
            "Class | Shares",
            "Common | 100",
            "next",
            "after"
        ]
    );
}

#[test]
fn facts_are_read_from_hidden_and_shown_elements() {
    let page = "<div style='display:none'><ix:header><ix:nonNumeric contextRef='c' name='dei:DocumentType'>10-Q/A</ix:nonNumeric></ix:header></div>\
        <p><ix:nonNumeric name=\"dei:EntityRegistrantName\">Alder <b>Mills</b></ix:nonNumeric> \
        <ix:nonNumeric name='dei:DocumentPeriodEndDate' format='ixt:x'>March 31, 2024</ix:nonNumeric></p>";
    let facts = read_html(page).1;
    assert_eq!(facts.form.as_deref(), Some("10-Q/A"));
    assert_eq!(facts.company.as_deref(), Some("Alder Mills"));
    assert_eq!(facts.period.as_deref(), Some("2024-03-31"));
    assert_eq!(texts(page), ["Alder Mills March 31, 2024"]);
}

/// What `scraper` (a full tree builder) says the page's words are.
fn words_by_tree(html: &str) -> Vec<String> {
    fn walk(node: scraper::ElementRef<'_>, words: &mut String) {
        for child in node.children() {
            if let Some(text) = child.value().as_text() {
                words.push_str(text);
            } else if let Some(element) = scraper::ElementRef::wrap(child) {
                let name = element.value().name();
                let style = element.value().attr("style").unwrap_or_default().replace(' ', "");
                if style.contains("display:none") || matches!(name, "title" | "script" | "style") {
                    continue;
                }
                let is_inline = matches!(name, "b" | "i" | "font" | "span" | "a" | "u");
                words.push_str(if is_inline { "" } else { "\n" });
                walk(element, words);
                words.push_str(if is_inline { "" } else { "\n" });
            }
        }
    }
    let mut words = String::new();
    walk(scraper::Html::parse_document(html).root_element(), &mut words);
    words.split_whitespace().map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Random soup of the tags that filings use, without text directly in tables.
    #[test]
    fn words_are_those_of_a_full_tree_builder(pieces in prop::collection::vec(prop::sample::select(vec![
        "<p>", "</p>", "<div>", "</div>", "<b>", "</b>", "<i>", "</i>", "<span>", "</span>", "<br>", "<hr>", "<ul>", "<li>", "</ul>",
        "<center>", "</center>", "<p style='display:none'>", "<h2>", "</h2>", "<font>", "</font>", "<dl>", "<dt>", "<dd>", "</dl>",
        "oak", "pine ", " ash", "&amp;", "<!-- c -->", "<div style='display: none'>", "<table><tr><td>", "</td></tr></table>", "<td>",
        "<tr><td>",
    ]), 0..40)) {
        let html: String = pieces.concat();
        let ours: String = texts(&html).join("\n");
        let words = |text: &str| {
            let mut words: Vec<String> =
                text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect();
            words.sort();
            words
        };
        prop_assert_eq!(words(&ours), words(&words_by_tree(&html).join(" ")), "{}", html);
    }

    #[test]
    fn any_text_is_read_without_panic(text in "(?s)([<>/a-z&;=\"' \\-!]|<(p|td|table|tr|div|pre|b|ix:header)( style='display:none')?>|</(p|td|table|tr|div|pre|b)>|.){0,200}") {
        for block in blocks(&text) {
            prop_assert!(block.is_clean(), "{:?}", block);
        }
    }
}

#[test]
fn a_hundred_thousand_unclosed_tags_take_work_that_is_linear_in_their_number() {
    const COUNT: usize = 100_000;
    for opening in [
        "<div><font>",
        "<b><p>",
        "<table><tr><td>",
        "<table><td>x",
        "<ul><li>",
        "<ix:nonNumeric name='dei:DocumentType'>x",
        "<pre>",
    ] {
        for closing in ["", "</span>", "</b>", "</p>", "</table>", "</x>"] {
            let page = format!("{}end{}", opening.repeat(COUNT), closing.repeat(COUNT));
            let before = VISITS.get();
            let texts = texts(&page);
            assert!(
                texts.iter().any(|text| text.contains("end")),
                "{opening} {closing}"
            );
            // Each tag looks at no more open elements than the depth of search, three times at most:
            // for what it ends, for a list around it, and to give what it held new states.
            let num_tags = COUNT * (opening.matches('<').count() + closing.matches('<').count());
            let visits = VISITS.get() - before;
            assert!(
                visits <= 3 * SEARCH_DEPTH * num_tags,
                "{opening} {closing}: {visits}"
            );
        }
    }
}

#[test]
fn entities_of_the_file_multiply_nothing_and_endless_lines_are_kept() {
    let page = format!(
        "<!DOCTYPE x [<!ENTITY a '&b;&b;'>]><p>{}{}",
        "&a;&amp;".repeat(500_000),
        "x".repeat(20_000_000)
    );
    let texts = texts(&page);
    let letters: usize = texts.iter().map(String::len).sum();
    // The rest of the document type, ` ]>`, is text to a browser, too.
    assert!((22_000_000..22_000_100).contains(&letters), "{letters}");
}

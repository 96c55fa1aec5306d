//! What wikitext reads as: markup of every kind, values of templates ([`values`]), tables and lines
//! ([`tables`]), and the work that it takes.

mod counted;
mod tables;
mod values;

use super::*;
use documents::BlockKind::{self, Heading, ListItem, Paragraph, TableRow};
use proptest::prelude::*;

fn parsed(wikitext: &str) -> Vec<(BlockKind, String)> {
    let article = parse_wikitext(wikitext, &SiteInfo::default());
    article
        .blocks
        .into_iter()
        .map(|block| (block.kind, block.text))
        .collect()
}

fn paragraph(wikitext: &str) -> String {
    let blocks = parsed(wikitext);
    assert_eq!(blocks.len(), 1, "{blocks:?}");
    blocks.into_iter().next().unwrap().1
}

#[test]
fn links_show_their_text_and_files_and_categories_nothing() {
    assert_eq!(
        paragraph("A [[red fox|fox]] in [[London]]s [[:Category:Foxes]]."),
        "A fox in Londons Category:Foxes."
    );
    assert_eq!(
        paragraph("a[[File:x.png|thumb|a [[b]] c]][[Category:C]]d[[de:Ding]]"),
        "ad"
    );
    assert_eq!(
        paragraph("see [http://a.example the site], [https://b.example] and https://c.example."),
        "see the site, and https://c.example."
    );
}

#[test]
fn templates_and_references_leave_but_their_words_in_a_sentence_stay() {
    assert_eq!(
        paragraph(
            "It is {{convert|12|km|mi}} long,{{cn|date={{x}}}} ''so'' '''they''' say.<ref name=a>{{cite|b}}</ref><ref name=b />"
        ),
        "It is 12 km long, so they say."
    );
    assert_eq!(
        paragraph("the {{lang|fr|[[chat]] noir}} of {{nowrap|Rue X}}"),
        "the chat noir of Rue X"
    );
    assert_eq!(
        paragraph("Bodmin ({{lang-kw|}}; {{IPA|x}}) is a town"),
        "Bodmin is a town"
    );
}

#[test]
fn headings_lists_and_rows_have_their_kinds() {
    let blocks = parsed(
        "Lead\nsame\n\n== History ==\n* one\n** two\n# three\n{| class=x\n|+ Cap\n! A !! style=\"x\" | B\n|-\n| 1 || 2\n|-\n| 3\n| [[x|4]]\nmore\n|}\nEnd",
    );
    let expected = [
        (Paragraph, "Lead same"),
        (Heading, "History"),
        (ListItem, "one"),
        (ListItem, "two"),
        (ListItem, "three"),
        (Paragraph, "Cap"),
        (TableRow, "A | B"),
        (TableRow, "1 | 2"),
        (TableRow, "3 | 4 more"),
        (Paragraph, "End"),
    ];
    assert_eq!(blocks, expected.map(|(kind, text)| (kind, text.to_owned())));
}

#[test]
fn nowiki_code_and_mathematics_are_text_without_markup() {
    assert_eq!(
        paragraph("Write <nowiki>[[x]] ''y''</nowiki> &amp; <math>\\frac{a}{{b}}</math>"),
        "Write [ [x]] ''y'' & \\frac{a}{ {b} }"
    );
    assert_eq!(paragraph("a<!-- {{ [[ -->b"), "ab");
}

#[test]
fn sections_that_lost_all_their_text_lose_their_heading() {
    let blocks = parsed("Text\n== References ==\n{{reflist}}\n== Links ==\n=== Web ===\n* x\n== End ==\n");
    let texts: Vec<&str> = blocks.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["Text", "Links", "Web", "x"]);
}

#[test]
fn unclosed_markup_costs_its_markers_and_no_text() {
    assert_eq!(paragraph("a {{small|b [[c <ref>d"), "a b c d");
    assert_eq!(paragraph("a }} b ]] c"), "a b c");
    let rows = parsed("{|\n|-\n| {{small|x || 1\n|-\n| {{small|y || 2\n|}\nend");
    assert_eq!(
        rows.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(),
        ["x | 1", "y | 2", "end"]
    );
}

#[test]
fn disambiguation_pages_are_known_by_their_template() {
    for template in [
        "{{disambiguation|geo}}",
        "{{Disambig}}",
        "{{Hndis|x}}",
        "{{school disambiguation}}",
        "{{пояснение}}",
        "__DISAMBIG__",
    ] {
        assert!(
            parse_wikitext(&format!("X may be:\n* y\n{template}"), &SiteInfo::default()).is_disambiguation,
            "{template}"
        );
    }
    assert!(!parse_wikitext("x {{disambiguation needed}}", &SiteInfo::default()).is_disambiguation);
}

/// Bytes that are looked at of a text.
fn work(text: &str) -> u64 {
    work::of(|| drop(parse_wikitext(text, &SiteInfo::default())))
}

#[test]
fn work_grows_as_the_text_does_whatever_is_nested_or_left_open_in_it() {
    for (unit, closing) in [
        ("{{", ""),
        ("[[", ""),
        ("{|\n", ""),
        ("\n|}", ""),
        ("<ref>", ""),
        ("<div ", ""),
        ("<!--", ""),
        ("[http://", ""),
        ("{{a|", ""),
        ("[[a|", ""),
        ("''", ""),
        ("(", ""),
        ("]]", ""),
        ("}}", ""),
        ("|", ""),
        ("<nowiki>", ""),
        ("{{{", ""),
        ("( ", ""),
        ("\n{|\n|", ""),
        ("\n=", ""),
        ("[ht", ""),
        ("&", ""),
        ("__", ""),
        ("[[a|{{b|", ""),
        ("</ref>", ""),
        ("{{lang|a|", ""),
        ("!||", ""),
        ("{{frac|1|", ""),
        ("{{val|1|", "}}"),
        ("{{hlist|a|", "}}"),
        ("{{hlist||", ""),
        ("{{sup|1", "}}"),
        ("<sup>1", ""),
        ("1<sup>1</sup>", ""),
        ("-{", "}-"),
        ("-{a|", ""),
        ("}-", ""),
        ("__a", ""),
        ("__A__", ""),
        ("\n<!---->", "\n"),
        ("<!---->", ""),
        ("\n<!----> <!---->", ""),
        ("<!---->|}", ""),
        ("{|\n|rowspan=9|a\n|-\n", ""),
        ("|-\n|rowspan=999 colspan=999|a\n|b\n", ""),
        ("{|\n|colspan=64|a\n|-\n|b\n|}\n", ""),
        ("{|\n\n== a ==\n", ""),
        ("{{end}}", ""),
        ("{|\n{{end}}\n", ""),
        ("{{x}} ,", ""),
        ("{{x}};) ", ""),
        ("{{ \u{a0}", ""),
        ("{{convert|5|ft|1|in|to|", ""),
        ("!!!", ""),
        ("( ,", ")"),
        ("[[", "]]"),
        ("{{", "}}"),
        ("[[a|", "]]"),
        ("[[a|{{small|", "}}]]"),
        ("{{convert|1|", "}}"),
        ("{{lang|a|", "}}"),
        ("{|\n|", "\n|}"),
        ("<ref>", "</ref>"),
        ("<nowiki>", "</nowiki>"),
        ("[http://a ", "]"),
    ] {
        let nested = unit.repeat(2_000) + &closing.repeat(2_000);
        for text in [format!("{{|\n!{nested}"), nested] {
            let twice = work(&text.repeat(2));
            let (once, text_bytes) = (work(&text), text.len() as u64);
            assert!(
                once > text_bytes,
                "{unit:?}: nothing counts {once} of {text_bytes}"
            );
            assert!(once < 40 * text_bytes, "{unit:?}: {once} for {text_bytes} bytes");
            assert!(twice < 3 * once, "{unit:?}: {once}, then {twice}");
        }
    }
}

/// Ranges of tables are in order, not empty, and hold rows alone.
fn assert_tables_are_apart(article: &Article) {
    let mut last_end = 0;
    for table in &article.tables {
        let rows = &article.blocks[table.first_block as usize..table.end_block as usize];
        assert!(table.first_block >= last_end && !rows.is_empty(), "{table:?}");
        assert!(rows.iter().all(|row| row.kind == TableRow), "{rows:?}");
        last_end = table.end_block;
    }
}

const RESIDUE: [&str; 5] = ["[[", "{{", "}}", "|}", "<ref"];

proptest! {
    #[test]
    fn any_text_gives_clean_lines_without_residue(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("{{"), Just("}}"), Just("[["), Just("]]"), Just("{|"), Just("|}"), Just("|-"), Just("||"), Just("|"), Just("!"),
                Just("\n"), Just("<ref>"), Just("</ref>"), Just("<nowiki>"), Just("</nowiki>"), Just("<!--"), Just("-->"), Just("'''"),
                Just("=="), Just("*"), Just("File:"), Just("word "), Just("é\u{a0}"), Just("<br/>"), Just("&lt;"), Just("&#91;"), Just("["),
                Just("]"), Just("{"), Just("}"), Just("<"), Just("ref"), Just("\u{e05b}"), Just("http://x "), Just("convert|"), Just("<math>"),
                Just("frac|1|"), Just("1"), Just("-{"), Just("}-"), Just("<sup>"), Just("</sup>"), Just("end}}"), Just("\n\n"), Just("rowspan=3|"),
                Just("colspan=\"2\"|"), Just("sup|"), Just("val|"), Just("as of|"), Just("."), Just(","), Just(")"), Just("("), Just("\u{e0f3}"),
            ],
            0..60,
        )
    ) {
        let article = parse_wikitext(&pieces.concat(), &SiteInfo::default());
        for block in &article.blocks {
            let text = &block.text;
            prop_assert!(RESIDUE.iter().all(|mark| !text.contains(mark)), "{text:?}");
            prop_assert!(block.is_clean(), "{block:?}");
            prop_assert!(!text.chars().any(sentinel::is_ours), "{text:?}");
        }
        assert_tables_are_apart(&article);
    }

    #[test]
    fn arbitrary_characters_never_panic(text in ".{0,300}") {
        let _ = parsed(&text);
    }
}

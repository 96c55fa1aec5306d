//! What attributes and styles do to text: which count, what they hide, and what they raise.

use super::*;

#[test]
fn letters_have_the_case_that_a_browser_shows() {
    for (page, expected) in [
        (
            "<p style='text-transform:uppercase'>oak &amp; ash</p>",
            "OAK & ASH",
        ),
        (
            "<p style='text-transform:lowercase'>OAK <b>Ash</b></p>",
            "oak ash",
        ),
        (
            "<p style='text-transform:capitalize'>oak and ASH</p>",
            "Oak And ASH",
        ),
        (
            "<p style='text-transform:capitalize'>o<b>ak</b> <i>and</i> pi&#110;e</p>",
            "Oak And Pine",
        ),
        (
            "<p style='text-transform:uppercase'>oak <span style='text-transform:none'>ash</span> elm</p>",
            "OAK ash ELM",
        ),
        (
            "<p style='text-transform:uppercase'>oak <span style='text-transform:lowercase'>ASH</span></p>",
            "OAK ash",
        ),
        (
            "<p style='text-transform:uppercase'>oak <span style='text-transform:inherit'>ash</span></p>",
            "OAK ASH",
        ),
    ] {
        assert_eq!(texts(page), [expected], "{page}");
    }
}

#[test]
fn of_two_attributes_of_one_name_the_first_counts() {
    for (page, expected) in [
        (
            "A <span style='color:red' style='display:none'>shown</span> B",
            "A shown B",
        ),
        ("A <span style style='display:none'>shown</span> B", "A shown B"),
        (
            "A <span style='display:none' style='display:inline'>x</span> B",
            "A B",
        ),
        (
            "A <span hidden style='display:inline'>shown</span> B",
            "A shown B",
        ),
        ("A <span hidden style='color:red'>x</span> B", "A B"),
        ("A <span style='color:red' hidden>x</span> B", "A B"),
    ] {
        assert_eq!(texts(page), [expected], "{page}");
    }
    let page = "<p align=center align=left>ALDER MILLS</p>";
    assert_eq!(blocks(page)[0].kind, BlockKind::Heading);
    let page = "<p style='text-align:left' align=center>ALDER MILLS</p>";
    assert_eq!(blocks(page)[0].kind, BlockKind::Paragraph);
    let page = "<ix:nonNumeric name='dei:DocumentType' name='dei:TradingSymbol'>10-Q</ix:nonNumeric>";
    assert_eq!(read_html(page).1.form.as_deref(), Some("10-Q"));
}

#[test]
fn styles_count_as_a_browser_weighs_them() {
    for (page, expected) in [
        (
            "A <i style='display:none !important;display:inline'>x</i> B",
            "A B",
        ),
        (
            "A <i style='display:none;display:inline !important'>shown</i> B",
            "A shown B",
        ),
        ("A <i style='/* display:none */'>shown</i> B", "A shown B"),
        ("A <i style='/* ; */display/**/:/**/none'>x</i> B", "A B"),
        ("A <i style='visibility:inherit'>shown</i> B", "A shown B"),
        ("A <i style='visibility:collapse'>x</i> B", "A B"),
        (
            "A <i style='visibility:hidden'>x<b>y</b><b style='visibility:visible'>shown</b></i> B",
            "A shown B",
        ),
        (
            "A <i style='visibility:hidden'>x<b style='visibility:inherit'>y</b></i> B",
            "A B",
        ),
    ] {
        assert_eq!(texts(page), [expected], "{page}");
    }
}

/// The lines of each page, with ` / ` between.
fn assert_texts(pages: &[(&str, &str)]) {
    for (page, expected) in pages {
        assert_eq!(texts(page).join(" / "), *expected, "{page}");
    }
}

#[test]
fn digits_that_are_raised_or_lowered_behind_a_number_have_their_own_form() {
    assert_texts(&[
        (
            "2023<sup>2</sup> was $1,234<sup>3</sup>",
            "2023\u{b2} was $1,234\u{b3}",
        ),
        ("10<SUP><FONT SIZE=1>6</FONT></SUP> tons", "10\u{2076} tons"),
        ("10<sup>-6</sup> and 5<sup>+</sup>", "10\u{207b}\u{2076} and 5+"),
        ("2023<sup>1, 2</sup> x", "2023\u{b9}, \u{b2} x"),
        ("2023<sup>1</sup><sup>2</sup> x", "2023\u{b9}\u{b2} x"),
        ("2023<sup>1&#50;</sup> x", "2023\u{b9}\u{b2} x"),
        (
            "2023,<sup>2</sup> 12%<sup>3</sup> (5)<sup>4</sup>",
            "2023,\u{b2} 12%\u{b3} (5)\u{2074}",
        ),
        ("7<sup>1</sup>/<sub>2</sub>%", "7\u{b9}/\u{2082}%"),
        ("log 10<sub>2</sub>", "log 10\u{2082}"),
        ("x <sup>1</sup>2023", "x \u{b9}2023"),
        (
            "2023<span style='display:none'>x</span><sup>4</sup>",
            "2023\u{2074}",
        ),
        (
            "2023<sup>4 and 5 of 2024<b>6</b></sup>",
            "2023\u{2074} and 5 of 20246",
        ),
        (
            "<pre>\nOak grew in 2023<sup>2</sup> and fell.\n</pre>",
            "Oak grew in 2023\u{b2} and fell.",
        ),
        (
            "<table><tr><td>Oak<td>1,234<sup>3</sup><td style='vertical-align:super'>5<td>6<sup>(a)</sup></table>",
            "Oak | 1,234\u{b3} | 5 | 6 (a)",
        ),
    ]);
}

#[test]
fn marks_of_footnotes_stand_apart_from_a_number_and_ordinals_do_not() {
    assert_texts(&[
        (
            "2023<sup>(2)</sup> and 2023<sup>[a]</sup>",
            "2023 (2) and 2023 [a]",
        ),
        (
            "1,234<sup>a</sup>, 5<sup>b,c</sup> 6<sup>iv</sup>",
            "1,234 a, 5 b,c 6 iv",
        ),
        (
            "31<sup>st</sup>, 2<sup>ND</sup>, 3<sup>rd</sup> 4<sup><u>th</u></sup>",
            "31st, 2ND, 3rd 4th",
        ),
        (
            "Model 3<sup>TM</sup>, 20<sup>o</sup>C, 5<sup>*</sup>",
            "Model 3TM, 20oC, 5*",
        ),
        (
            "Oak<sup>1</sup> and CO<sub>2</sub>, C<sub>6</sub>H<sub>1</sub><sub>2</sub>",
            "Oak1 and CO2, C6H12",
        ),
        ("x <sup>(1)</sup>2023", "x (1)2023"),
        ("<sup>20</sup><sup>23</sup> x", "2023 x"),
        ("2023 <sup>2</sup> x", "2023 2 x"),
        ("2023<sup> 2</sup> x", "2023 2 x"),
        ("7 <sup>1</sup>/<sub>2</sub>%", "7 1/2%"),
        ("2023<br><sup>4</sup> x", "2023 / 4 x"),
    ]);
}

#[test]
fn text_is_raised_by_its_element_or_its_style() {
    for (open, is_raised) in [
        ("<sup>", true),
        ("<sup style='vertical-align:baseline'>", false),
        ("<sup style='font-size:85%;vertical-align:text-top'>", true),
        ("<span style='vertical-align:super;font-size:5pt'>", true),
        ("<font style='vertical-align:text-top;font-size:70%'>", true),
        (
            "<span style='font-size:6.5pt;position:relative;top:-3.5pt;vertical-align:baseline'>",
            true,
        ),
        ("<span style='position:relative;top:-50px'>", false),
        ("<sup><span style='vertical-align:baseline'>", true),
    ] {
        let expected = if is_raised { "2023\u{b2}" } else { "20232" };
        assert_eq!(texts(&format!("2023{open}2")), [expected], "{open}");
    }
    assert_eq!(
        texts("2023<div style='vertical-align:super'>2</div>"),
        ["2023", "2"]
    );
}

//! Templates that carry values: whole, or not there.

use super::*;

fn assert_read(cases: &[(&str, &str)]) {
    for (wikitext, expected) in cases {
        assert_eq!(
            paragraph(&format!("a {wikitext} b")),
            format!("a {expected} b"),
            "{wikitext}"
        );
    }
}

fn assert_left_out(cases: &[&str]) {
    for wikitext in cases {
        assert_eq!(paragraph(&format!("a {wikitext} b")), "a b", "{wikitext}");
    }
}

#[test]
fn measures_are_shown_as_they_were_given_with_their_ranges() {
    assert_read(&[
        ("{{convert|12|km|mi}}", "12 km"),
        ("{{convert|140|and|160|mph|km/h|abbr=on}}", "140 and 160 mph"),
        ("{{convert|3|to|4|m|ft|0}}", "3 to 4 m"),
        ("{{convert|20|–|25|cm}}", "20–25 cm"),
        ("{{convert|20|&ndash;|25|cm}}", "20–25 cm"),
        ("{{convert|7|by|8|by|9|ft}}", "7 by 8 by 9 ft"),
        ("{{convert|2|x|4|in}}", "2 × 4 in"),
        ("{{convert|100|±|5|kg}}", "100 ± 5 kg"),
        ("{{convert|5|or|6|mi|disp=or}}", "5 or 6 mi"),
        ("{{convert|5|ft|11|in|cm}}", "5 ft 11 in"),
        ("{{convert|5|ft|6|in|to|6|ft|2|in|cm}}", "5 ft 6 in to 6 ft 2 in"),
        ("{{convert|11|st|4|lb}}", "11 st 4 lb"),
        ("{{convert|12345|km2|sqmi|0}}", "12,345 km2"),
        ("{{convert|12345.6|C|F|comma=off}}", "12345.6 °C"),
        ("{{convert|5|km|0|abbr=on}}", "5 km"),
        ("{{convert|5|mi|km|adj=mid|-long}}", "5 mi"),
        ("{{convert|1.5|e6acre|e6ha|abbr=off}}", "1.5 million acres"),
        ("{{convert|1+1/2|in|mm}}", "1 1/2 in"),
        ("{{convert|5-10|km}}", "5–10 km"),
        ("{{convert|1=5|2=km}}", "5 km"),
        ("{{cvt| 5 | km }}", "5 km"),
        ("{{Convert<!-- x -->|5<!-- y -->|[[kilometre|km]]}}", "5 km"),
        ("{{convert|{{val|5}}|km}}", "5 km"),
        ("{{convert|5|km<ref>x|y</ref>|mi}}", "5 km"),
        ("{{convert|-40|C}}", "-40 °C"),
        ("{{convert|5{{efn|x}}|km{{cn}}}}", "5 km"),
        ("{{convert|5{{frac|1|2}}|in}}", "5 1/2 in"),
    ]);
}

#[test]
fn a_template_that_cannot_be_read_whole_leaves_nothing() {
    assert_left_out(&[
        "{{convert|110|till|125|mph|km/h}}",
        "{{convert|about five|km}}",
        "{{convert|5}}",
        "{{convert||km}}",
        "{{convert}}",
        "{{convert|5|km|mi|disp=output number only}}",
        "{{convert|5|km|mi|disp=unit}}",
        "{{convert|{{unknown|5}}|km}}",
        "{{convert|5|to|km}}",
        "{{convert|5|km|6|mi}}",
        "{{val|x}}",
        "{{val|5|u=km|angle=1}}",
        "{{val|1|2|3|4}}",
        "{{val|1|e=x}}",
        "{{height|ft=x}}",
        "{{frac}}",
        "{{formatnum:x}}",
        "{{formatnum:{{#expr:1+1}}}}",
        "{{US$|five}}",
        "{{start date|1990|13|1}}",
        "{{start date|1990|1|32}}",
        "{{as of|x}}",
        "{{age|1950|1|1}}",
        "{{chem|{{x}}|2|{{!}}}}",
        "{{chem|{{x}}|2|O}}",
        "{{US$|{{x|5}}00}}",
        "{{convert|5{{x}}|km}}",
        "{{lang|fr}}",
        "{{lang|fr| }}",
        "{{INRConvert|5|q}}",
        "{{currency|5|XXX}}",
    ]);
}

#[test]
fn numbers_with_uncertainties_powers_and_units_are_read_whole() {
    assert_read(&[
        ("{{val|1.496|e=8|u=km}}", "1.496×10^8 km"),
        ("{{val|30000|u=C}}", "30000 C"),
        ("{{val|30000|fmt=commas|ul=m}}", "30,000 m"),
        ("{{val|1.00794|0.00007}}", "1.00794±0.00007"),
        ("{{val|1.00794|(7)}}", "1.00794(7)"),
        ("{{val|1.00794(7)|e=-3}}", "1.00794(7)×10^−3"),
        ("{{val|1.5|0.2|e=6|u=J|up=s}}", "(1.5±0.2)×10^6 J/s"),
        ("{{val|11|+2|-3}}", "11 +2 −3"),
        ("{{val|200|-|300|u=m}}", "200–300 m"),
        ("{{val|50|u=%}}", "50%"),
        ("{{val|50|u=°C}}", "50 °C"),
        ("{{val|5e-6|u=m}}", "5×10^−6 m"),
        ("{{val|p=~|5|s=+}}", "~5+"),
        ("{{height|ft=5|in=11}}", "5 ft 11 in"),
        ("{{height|m=1.77}}", "1.77 m"),
        ("{{frac|1|2}}", "1/2"),
        ("{{frac|2}}", "1/2"),
        ("3{{frac|1|2}}", "3 1/2"),
        ("{{frac|3|1|2}}", "3 1/2"),
        ("{{sfrac|3''n'' + 1|2}}", "(3n + 1)/2"),
        ("{{formatnum: 12345}}", "12,345"),
        ("{{formatnum:12,345|R}}", "12345"),
        ("{{#formatnum:1234567.891}}", "1,234,567.891"),
        ("{{nts|1234}}", "1,234"),
        ("{{ordinal|21}} {{ordinal|112}}", "21st 112th"),
        ("{{gaps|1|234|567}}", "1234567"),
        ("5{{e|9}}", "5×10^9"),
        ("10{{sup|6}} m{{sup|2}}", "10⁶ m2"),
        (
            "10<sup>−6</sup> x<sup>2</sup> 31<sup>st</sup> 2<sup>''n''</sup>",
            "10⁻⁶ x2 31st 2ⁿ",
        ),
        ("10<sub>2</sub> H<sub>2</sub>O", "10₂ H2O"),
        ("2<sup>x+1</sup>", "2^x+1"),
    ]);
}

#[test]
fn dates_and_amounts_are_read_whole() {
    assert_read(&[
        ("{{As of|2020}}, c", "As of 2020, c"),
        ("{{as of|2010|lc=y}}", "as of 2010"),
        ("{{as of|lc=y|2012}}", "as of 2012"),
        ("{{as of|2010|5}}", "As of May 2010"),
        ("{{as of|2010|May|7|df=us|lc=y}}", "as of May 7, 2010"),
        ("{{as of|2010|05|07|since=y|lc=y}}", "since 7 May 2010"),
        ("{{as of|lc=y|2005|06|alt=in 2005}}", "in 2005"),
        (
            "{{circa|1850}} {{c.|1850|1860}} {{circa}}",
            "c. 1850 c. 1850 – c. 1860 c.",
        ),
        ("{{fl.|1850|1860}}", "fl. 1850–1860"),
        ("{{start date|1990|05|12}}", "May 12, 1990"),
        ("{{birth date|df=yes|1894|7|26}}", "26 July 1894"),
        ("{{birth date and age|1894|7}}", "July 1894"),
        ("{{death date and age|2000|1|2|1920|3|4}}", "January 2, 2000"),
        ("{{date|2010-05-12|dmy}}", "12 May 2010"),
        (
            "{{start-date|July 16, 1969, 13:32:00|timezone=yes}}",
            "July 16, 1969, 13:32:00",
        ),
        ("{{dts|1990|5|12}} {{dts||10|17}}", "May 12, 1990 October 17"),
        ("{{age|1950|1|31|2000|1|1}}", "49"),
        (
            "{{US$|5 million}} {{USD|7}} {{£|5}} {{€|5}}",
            "US$5 million US$7 £5 €5",
        ),
        (
            "{{INR|500}} {{INRConvert|5|c}} {{currency|5|GBP}}",
            "₹500 ₹5 crore £5",
        ),
        ("{{US$}}7", "US$7"),
    ]);
    // MediaWiki would show a capital in the middle of the sentence.
    assert_eq!(paragraph("It has 5,783 men {{as of|2012}}."), "It has 5,783 men.");
    assert_eq!(paragraph("It has 5 {{as of|2012|lc=y}}."), "It has 5 as of 2012.");
}

#[test]
fn words_in_a_sentence_are_read_whole() {
    assert_read(&[
        ("{{chem|H|2|O}}", "H2O"),
        ("{{chem|SO|4|2-}}", "SO4²⁻"),
        ("{{chem|NH|4|+}} {{chem|Na|+}}", "NH4⁺ Na+"),
        ("{{chem|C|''n''|H|2''n''+2}}", "CnH2n+2"),
        ("{{chem2|SO4(2-)}} {{chem2|Ca(OH)2}}", "SO4²⁻ Ca(OH)2"),
        ("{{transl|ar|ALA|alif}} {{transl|ja|dō}}", "alif dō"),
        ("{{transliteration|ar|DIN|x|italic=no}}", "x"),
        (
            "{{lang|fr|[[chat]] noir}} {{lang-grc|x|y}} {{langx|grc|z}}",
            "chat noir x z",
        ),
        ("{{lang|1=fr|2=noir}} {{lang|fr|text=chat}}", "noir chat"),
        (
            "{{ill|Oak|de|Eiche}} {{ill|Oak|de|Eiche|lt=the oak}}",
            "Oak the oak",
        ),
        ("{{ill|de|Oak|Eiche}}", "Eiche"),
        ("{{angbr|x}}", "⟨x⟩"),
        (
            "{{sic|teh}} {{sic|hide=y|teh}} x {{sic}}",
            "teh [sic] teh x [sic]",
        ),
        (
            "{{abbr|US|United States}} {{tooltip|x|y}} {{nowrap|a b}}",
            "US x a b",
        ),
        ("{{not a typo|te|h}}", "teh"),
        ("{{hlist|x|y|class=z}}", "x, y"),
        ("{{sortname|The|Oak}}", "The Oak"),
        ("{{USS|Oak|AB-1}}", "USS Oak"),
        ("B{{music|flat}}", "B♭"),
        ("{{nowrap|{{convert|5|km}} of {{lang|fr|x}}}}", "5 km of x"),
        ("{{yes}} {{n/a|none}} {{won}}", "Yes none Won"),
    ]);
}

#[test]
fn numbers_of_other_languages_are_not_grouped_as_english_does() {
    let site = SiteInfo {
        database: Some("dewiki".to_owned()),
        ..SiteInfo::default()
    };
    let blocks = parse_wikitext("{{formatnum:12345}} {{convert|12345|km}}", &site).blocks;
    assert_eq!(blocks[0].text, "12345 12345 km");
}

#[test]
fn values_in_values_are_read_to_a_depth_and_left_out_beyond_it() {
    let nested = |depth: usize| "{{hlist|x|".repeat(depth) + "y" + &"}}".repeat(depth);
    assert_eq!(paragraph(&nested(3)), "x, x, x, y");
    assert_eq!(paragraph(&nested(100_000)), "x, x, x, x");
}

#[test]
fn marks_that_parted_what_was_dropped_go_with_it() {
    for (wikitext, expected) in [
        (
            "'''Achilles''' ({{lang-grc|Ἀχιλλεύς}}, ''Akhilleus'', {{IPA-el|y}}) was a hero",
            "Achilles (Ἀχιλλεύς, Akhilleus) was a hero",
        ),
        ("A (b; {{x}}) c", "A (b) c"),
        ("A ( {{x}} , b ) c", "A (b) c"),
        ("men {{x}} .", "men."),
        ("men ({{x}}).", "men."),
        ("(born 5, {{x}}; {{y}})", "(born 5)"),
        ("the tuple (1,)", "the tuple (1,)"),
    ] {
        assert_eq!(paragraph(wikitext), expected);
    }
}

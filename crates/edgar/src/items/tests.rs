use documents::BlockKind::{Heading, PageFurniture, Paragraph, TableRow};
use documents::{Block, BlockKind, SectionStatus};
use proptest::prelude::*;

use super::{Report, find_sections};

/// Lines as blocks: `# ` begins a heading, `| ` a table row, `~ ` furniture, others are paragraphs.
fn blocks(text: &str) -> Vec<Block> {
    let block = |line: &str| {
        let (kind, text): (BlockKind, &str) = match line.split_once(' ') {
            Some(("#", text)) => (Heading, text),
            Some(("|", text)) => (TableRow, text),
            Some(("~", text)) => (PageFurniture, text),
            _ => (Paragraph, line),
        };
        Block::new(kind, text)
    };
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(block)
        .collect()
}

/// `ITEM STATUS FIRST..END with WITH` of each section that is there.
fn sections(form: &str, text: &str) -> Vec<String> {
    let report = Report {
        form,
        period: Some("2008-12-31"),
    };
    find_sections(report, &blocks(text))
        .into_iter()
        .filter(|section| section.status != SectionStatus::NotFound)
        .map(|section| {
            let with = section.with.join("+");
            let with = if with.is_empty() { with } else { format!(" {with}") };
            format!(
                "{} {} {}..{}{with}",
                section.item,
                section.status.name(),
                section.first_block,
                section.end_block
            )
        })
        .collect()
}

#[test]
fn items_are_found_behind_their_table_of_contents() {
    let text = "
        # FORM 10-K
        | PART I
        | Item 1. | Business | 3
        | Item 1A. | Risk Factors | 5
        | Item 2. | Properties | 9
        | Item 3. | Legal Proceedings | 9
        | Item 4. | Submission of Matters | 9
        # PART I
        # Item 1. Business
        We sell oak to mills in Ohio and to nobody else in the world.
        ~ 3
        # Item 1A. Risk Factors
        Oak may rot before anybody buys it, and then we have nothing.
        # Item 1B. Unresolved Staff Comments
        None.
        # Item 2. Properties
        We own a mill.
        # Item 3. Legal Proceedings
        See Note 7 to the financial statements in Item 8.
        # PART III
        # Item 10. Directors
        The information required by this item is incorporated by reference to our Proxy Statement.
        # SIGNATURES
        Pursuant to the requirements of the Act.";
    assert_eq!(
        sections("10-K", text),
        [
            "1 found 8..11",
            "1A found 11..13",
            "1B omitted 13..15",
            "2 found 15..17",
            "3 incorporated_by_reference 17..19 8",
            "10 incorporated_by_reference 20..22 proxy",
        ]
    );
}

#[test]
fn headings_in_cells_and_with_letters_spaced_out_are_headings() {
    let text = "
        # P A R T  I
        | Item 1. | Business
        We sell oak to mills in Ohio.
        # I T E M  2 .  P R O P E R T I E S
        We own a mill.
        | Item | 3. | Legal Proceedings
        We are not a party to any proceedings.
        # Item 4.
        # Submission of Matters to a Vote of Security Holders
        None.";
    assert_eq!(
        sections("10-K405", text),
        ["1 found 1..3", "2 found 3..5", "3 found 5..7", "4 omitted 7..10"]
    );
}

#[test]
fn running_heads_begin_and_end_nothing() {
    let text = "
        # Item 1
        # Item 1. Business
        We sell oak to mills in Ohio.
        # Item 1
        We sell pine to mills in Iowa.
        # Item 1A. Risk Factors
        Oak may rot before anybody buys it.
        # Item 1A. Risk Factors (Continued)
        Pine may burn before anybody buys it.
        # Item 1A. Risk Factors
        Ash may be eaten before anybody buys it.
        # Item 2. Properties
        We own a mill.
        # Item 3. Legal Proceedings
        None.";
    assert_eq!(
        sections("10-K", text),
        [
            "1 found 1..5",
            "1A found 5..11",
            "2 found 11..13",
            "3 omitted 13..15"
        ]
    );
}

#[test]
fn a_heading_that_stands_in_the_running_head_alone_begins_its_item() {
    let text = "
        # Item 1. Business
        We sell oak to mills in Ohio.
        ~ Item 1A. Risk Factors
        Oak may rot before anybody buys it.
        ~ Item 1A. Risk Factors
        Pine may burn before anybody buys it.
        # Item 1B. Unresolved Staff Comments
        None.";
    assert_eq!(
        sections("10-K", text),
        ["1 found 0..2", "1A found 2..6", "1B omitted 6..8"]
    );
}

#[test]
fn items_that_share_a_heading_or_a_text_are_combined() {
    let text = "
        # Items 1 and 2. Business and Properties
        We sell oak to mills in Ohio, and own one there.
        # Item 3. Legal Proceedings
        # Item 4. Submission of Matters to a Vote of Security Holders
        There was one proceeding, and it was voted on by all holders.
        # ITEMS 10-14.
        The information required by Items 10 through 14 is incorporated by reference to the proxy statement.
        # Item 15. Exhibits and Item 16. Form 10-K Summary
        | 3.1 | Bylaws of Alder Mills";
    assert_eq!(
        sections("10-K", text),
        [
            "1 combined 0..2 2",
            "2 combined 0..2 1",
            "3 combined 2..5 4",
            "4 combined 2..5 3",
            "10 incorporated_by_reference 5..7 proxy",
            "11 incorporated_by_reference 5..7 proxy",
            "12 incorporated_by_reference 5..7 proxy",
            "13 incorporated_by_reference 5..7 proxy",
            "14 incorporated_by_reference 5..7 proxy",
            "15 combined 7..9 16",
            "16 combined 7..9 15",
        ]
    );
}

#[test]
fn the_parts_of_a_quarterly_report_have_their_own_numbers() {
    let text = "
        # PART I. FINANCIAL INFORMATION
        # Item 1. Financial Statements
        | Oak | 1,200 | 1,300
        # Item 2. Management's Discussion and Analysis of Financial Condition and Results of Operations
        Sales of oak rose.
        # Item 3. Quantitative and Qualitative Disclosures About Market Risk
        There has been no material change since our annual report.
        # Item 4. Controls and Procedures
        They work as they should, says the miller.
        # PART II. OTHER INFORMATION
        # Item 1. Legal Proceedings
        See Note 7 to the financial statements.
        # Item 1(a). Risk Factors
        No mill has burned since our annual report.
        # Item 2. Unregistered Sales of Equity Securities and Use of Proceeds
        None
        # Item 6. Exhibits
        See exhibit index on page 35.
        # SIGNATURE";
    assert_eq!(
        sections("10-Q", text),
        [
            "I.1 found 1..3",
            "I.2 found 3..5",
            "I.3 found 5..7",
            "I.4 found 7..9",
            "II.1 incorporated_by_reference 10..12 I.1",
            "II.1A found 12..14",
            "II.2 omitted 14..16",
            "II.6 incorporated_by_reference 16..18 other",
        ]
    );
}

/// The statements of an invented company, from the auditor's report on.
fn statements() -> String {
    let opinion = "We have audited the balance sheets of Alder Mills. ".repeat(5);
    let rows = "| Oak | 1,200 | 1,300\n".repeat(6);
    format!("# REPORT OF INDEPENDENT AUDITORS\n{opinion}\n# CONSOLIDATED BALANCE SHEETS\n{rows}")
}

#[test]
fn statements_behind_the_signatures_are_a_piece_of_their_item() {
    let text = format!(
        "# Item 7A. Quantitative and Qualitative Disclosures About Market Risk
        Not applicable.
        # Item 8. Financial Statements and Supplementary Data
        Our financial statements begin on page F-1.
        # Item 9. Changes in and Disagreements with Accountants on Accounting and Financial Disclosure
        None.
        # SIGNATURES
        By the miller.
        ~ ALDER MILLS, INC.
        # INDEX TO FINANCIAL STATEMENTS
        | Balance sheets | F-2
        {}
        # EXHIBIT INDEX
        3.1 Bylaws",
        statements()
    );
    assert_eq!(
        sections("10-K", &text),
        [
            "7A omitted 0..2",
            "8 incorporated_by_reference 2..4 F-pages",
            "8 found 8..20 F-pages",
            "9 omitted 4..6",
        ]
    );
}

#[test]
fn statements_among_the_exhibits_part_their_item() {
    let text = format!(
        "# Item 8. Financial Statements and Supplementary Data
        The financial statements are listed under Item 15 and filed as part of this report.
        # PART IV
        # Item 15. Exhibits and Financial Statement Schedules
        The following statements are filed with the exhibits of this report:
        | Report of Independent Auditors | 40
        {}
        (a)(3) Exhibits.
        | 3.1 | Bylaws of Alder Mills
        # SIGNATURES",
        statements()
    );
    assert_eq!(
        sections("10-K", &text),
        [
            "8 incorporated_by_reference 0..2 15",
            "8 found 6..15 F-pages",
            "15 found 3..6",
            "15 found 15..17",
        ]
    );
}

#[test]
fn lists_of_links_behind_the_report_are_contents() {
    let text = "
        # Item 1. Business
        We sell oak to mills in Ohio.
        # Item 2. Properties
        We own a mill.
        # Item 3. Legal Proceedings
        We are not a party to any proceedings.
        # Item 4. Submission of Matters to a Vote of Security Holders
        None.
        # SIGNATURES
        # QuickLinks
        # Item 1. Business
        # Item 2. Properties
        # Item 3. Legal Proceedings
        # Item 4. Submission of Matters to a Vote of Security Holders";
    assert_eq!(
        sections("10-K", text),
        ["1 found 0..2", "2 found 2..4", "3 found 4..6", "4 omitted 6..8"]
    );
}

#[test]
fn an_item_that_runs_into_something_else_is_uncertain() {
    let text = "
        # Item 1. Business
        We sell oak to mills in Ohio.
        # Item 2. Properties
        We own a mill and its yard in Ohio.
        # Item 3. Legal Proceedings
        We are not a party to any proceedings.
        # Item 15. Exhibits
        | 3.1 | Bylaws of Alder Mills
        # Item 1. Business
        # Item 2. Properties
        # Item 3. Legal Proceedings
        # Item 15. Exhibits";
    let found = sections("10-K", text);
    assert_eq!(found.last().unwrap(), "15 uncertain 6..12");
}

#[test]
fn items_that_one_sentence_omits_are_omitted() {
    let text = "
        # PART I
        The following items have been omitted in accordance with General Instruction J to Form 10-K:
        | Item 1. | Business.
        | Item 1A. | Risk Factors.
        | Item 2. | Properties.
        | Item 3. | Legal Proceedings.
        # Item 4. Mine Safety Disclosures.
        Not applicable.
        # Item 1117 of Regulation AB. Legal Proceedings.
        There are no proceedings against the trust.";
    assert_eq!(
        sections("10-K", text),
        [
            "1 omitted 2..3",
            "1A omitted 3..4",
            "2 omitted 4..5",
            "3 omitted 5..6",
            "4 omitted 6..8",
            "1117 found 8..10",
        ]
    );
}

#[test]
fn a_paragraph_under_a_part_answers_for_its_items() {
    let text = "
        # Item 9. Changes in and Disagreements with Accountants on Accounting and Financial Disclosure
        None.
        # PART III
        The information required by Items 10, 11, 12, 13 and 14 is incorporated by reference to our proxy statement.
        # PART IV
        # Item 15. Exhibits and Financial Statement Schedules
        | 3.1 | Bylaws of Alder Mills";
    let found = sections("10-K", text);
    assert_eq!(found.len(), 7, "{found:?}");
    assert_eq!(found[1], "10 incorporated_by_reference 3..4 proxy");
}

#[test]
fn other_numbers_and_wrong_numbers_end_the_item_before() {
    let text = "
        # Item 3. Legal Proceedings
        We are not a party to any proceedings.
        # Item 4. Submission of Matters to a Vote of Security Holders
        None.
        # Item 4A. Executive Officers of the Registrant
        Ann Alder runs the mill and has done so since 1990.
        # Item X. Directors of the Mill
        Bob Birch directs it.
        # PART II
        # Item 5. Market for the Registrant's Common Equity and Related Stockholder Matters
        Nobody trades the shares of our mills.
        # Item 5. Selected Financial Data
        | Oak | 1,200
        # Item 7. Management's Discussion and Analysis of Financial Condition and Results of Operations
        Sales of oak rose.
        # Item 8. Financial Statements and Supplementary Data
        None.";
    assert_eq!(
        sections("10-K", text),
        [
            "3 found 0..2",
            "4 omitted 2..4",
            "4A found 4..6",
            "X found 6..8",
            "5 found 9..11",
            "6 found 11..13",
            "7 found 13..15",
            "8 omitted 15..17",
        ]
    );
}

#[test]
fn sentences_that_name_items_are_no_headings() {
    let text = "
        # Item 1. Business
        Item 7 of this report says how oak sells.
        Item 2 \u{201c}Properties\u{201d} has our mills.
        Part II, Item 8 of this report has the figures.
        # Item 2. Properties
        We own a mill.
        # Item 3. Legal Proceedings
        None.";
    assert_eq!(
        sections("10-K", text),
        ["1 found 0..4", "2 found 4..6", "3 omitted 6..8"]
    );
}

#[test]
fn text_that_may_be_another_item_is_uncertain() {
    let text = "
        # Item 6. Selected Financial Data
        | Oak | 1,200
        # Item 7. Management's Discussion and Analysis of Financial Condition and Results of Operations
        Sales of oak rose, and those of pine fell a little.
        # PART III
        # Item 10. Directors and Executive Officers of the Registrant
        Ann Alder runs the mill and has done so since 1990.";
    let found = sections("10-K", text);
    assert!(found.contains(&"7 uncertain 2..4".to_owned()), "{found:?}");
}

#[test]
fn an_item_of_its_time_that_is_nowhere_is_not_found() {
    let lines = blocks("# Item 1. Business\nWe sell oak to mills in Ohio.");
    let missing = |period| {
        let report = Report {
            form: "10-K",
            period: Some(period),
        };
        let sections = find_sections(report, &lines);
        let missing = sections
            .into_iter()
            .filter(|section| section.status == SectionStatus::NotFound);
        missing.map(|section| section.item).collect::<Vec<_>>()
    };
    assert!(!missing("1994-12-31").contains(&"7A".to_owned()));
    assert!(missing("2008-12-31").contains(&"1A".to_owned()));
    assert!(
        find_sections(
            Report {
                form: "EX-99",
                period: None
            },
            &lines
        )
        .is_empty()
    );
}

proptest! {
    #[test]
    fn sections_stay_inside_whatever_the_lines_are(
        lines in prop::collection::vec(
            (
                prop::sample::select(vec![Heading, Paragraph, TableRow, PageFurniture, BlockKind::ListItem]),
                prop::sample::select(vec![
                    "Item 1. Business", "Item 1A. | Risk Factors", "Items 1 and 2.", "ITEMS 10-14.", "PART I", "PART IV",
                    "Item 8. Financial Statements | F-1", "None.", "SIGNATURES", "Item 15(a)(1)", "Item 9A(T).",
                    "BALANCE SHEETS", "Oak | 1,200 | 1,300", "We sell oak to mills in Ohio and to nobody else.",
                    "Item \u{e9}. x", "Item 1112(b) of Regulation AB", "Item 1112(\u{e9}", "12", "I T E M 3", "\u{2014}",
                    "REPORT OF INDEPENDENT AUDITORS", "EXHIBIT INDEX", "Item", "Part", "1. Business", "Item 99",
                ]),
            ),
            0..60,
        ),
        form in prop::sample::select(vec!["10-K", "10-KSB", "10-Q", "EX-13"]),
    ) {
        let blocks: Vec<Block> = lines.iter().map(|(kind, text)| Block::new(*kind, *text)).collect();
        for section in find_sections(Report { form, period: Some("2023-12-31") }, &blocks) {
            prop_assert!(section.first_block <= section.end_block);
            prop_assert!(section.end_block as usize <= blocks.len());
        }
    }

    #[test]
    fn no_line_is_too_strange(lines in prop::collection::vec("(Item|PART|ITEMS|) ?[0-9A-Z.,()&|\u{e9}\u{2014} -]{0,12}", 0..30)) {
        let blocks: Vec<Block> = lines.iter().map(|text| Block::new(Heading, text.as_str())).collect();
        for form in ["10-K", "10-Q"] {
            find_sections(Report { form, period: None }, &blocks);
        }
    }
}

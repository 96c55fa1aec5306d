//! The page as text; a real browser opens it in the tests over crates.

use super::elements::bytes;
use super::*;

#[test]
fn names_from_filings_never_become_markup() {
    let amounts = BTreeMap::from([("<script>\"A&B'".to_owned(), Amount::default())]);
    let page = render(&Report {
        companies: amounts.clone(),
        rejected: BTreeMap::from([("<img src=x>".to_owned(), 1)]),
        ..Report::default()
    });
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    assert!(page.contains("&lt;script&gt;&quot;A&amp;B&#39;"));
}

#[test]
fn all_but_the_largest_companies_share_a_row() {
    let company = |number: u64| {
        let amount = Amount {
            documents: 1,
            size: number,
            ..Amount::default()
        };
        (format!("Company {number:02}"), amount)
    };
    let page = render(&Report {
        companies: (1..=25).map(company).collect(),
        unit: "tokens",
        ..Report::default()
    });
    assert!(page.contains("Company 25") && page.contains("Company 06") && !page.contains("Company 05"));
    assert!(page.contains("5 others</th><td>5</td><td>15</td>"), "{page}");
}

#[test]
fn years_without_filings_are_gaps_and_undated_filings_are_said() {
    let amount = Amount {
        documents: 1,
        size: 10,
        ..Amount::default()
    };
    let years = ["1994", "1997", "unknown"].map(|year| (year.to_owned(), amount));
    let page = render(&Report {
        years: years.into(),
        unit: "tokens",
        ..Report::default()
    });
    assert!(page.contains("1995: 0") && page.contains("1996: 0"), "{page}");
    assert!(page.contains("Filings that state no date: 1"), "{page}");
}

#[test]
fn an_empty_folder_gives_a_page_and_no_division_by_zero() {
    let page = render(&Report {
        title: "Nothing".into(),
        unit: "tokens",
        ..Report::default()
    });
    assert!(page.contains("<dd>0</dd>") && !page.contains("NaN"));
}

#[test]
fn bytes_are_said_in_a_unit_that_can_be_read() {
    assert_eq!([999, 1500, 2_500_000].map(bytes), ["999 B", "1.5 kB", "2.5 MB"]);
}

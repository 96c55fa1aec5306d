//! Columns: filings by year, documents by length. Screen readers skip them and read the same numbers
//! as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::elements::{amount, amount_row, capital, escape, key, percent, section};
use crate::inspect::grouped::grouped;
use crate::inspect::report::counts::{Amount, Report};

pub(super) fn years(report: &Report) -> String {
    let known: BTreeMap<u16, Amount> = report
        .years
        .iter()
        .filter_map(|(year, amount)| Some((year.parse().ok()?, *amount)))
        .collect();
    let (Some(first), Some(last)) = (known.keys().next(), known.keys().next_back()) else {
        return String::new();
    };
    let size = |amount: &Amount| amount.size + amount.held_out_size;
    let largest = known.values().map(size).max().unwrap_or(1).max(1);
    let mut columns = String::new();
    // A year without filings is a gap in the chart, not left out of it.
    for year in *first..=*last {
        let value = known.get(&year).copied().unwrap_or_default();
        let _ = write!(
            columns,
            "<li title=\"{year}: {}\"><b class=\"held\" style=\"height:{:.2}%\"></b><b style=\"height:{:.2}%\"></b></li>",
            amount(report.unit, size(&value)),
            percent(value.held_out_size, largest),
            percent(value.size, largest)
        );
    }
    let undated = report.years.get("unknown").copied().unwrap_or_default();
    let undated = match undated.documents + undated.held_out_documents {
        0 => String::new(),
        count => format!(
            "<p>Filings that state no date: {}; they are only in the numbers.</p>",
            grouped(count)
        ),
    };
    let rows: String = report
        .years
        .iter()
        .map(|(year, value)| amount_row(&escape(year), value, report.unit))
        .collect::<Vec<_>>()
        .concat();
    let body = format!(
        "{}{undated}{}<details><summary>The numbers</summary><table><caption>Filings and {} by year of filing</caption>\
         <thead><tr><th scope=\"col\">Year</th><th scope=\"col\">Filings</th><th scope=\"col\">{}</th></tr></thead>\
         <tbody>{rows}</tbody></table></details>",
        key(report),
        chart(&columns, &first.to_string(), &last.to_string()),
        report.unit,
        capital(report.unit)
    );
    section("wide", "By year of filing", &body)
}

fn chart(columns: &str, first: &str, last: &str) -> String {
    format!(
        "<ol class=\"columns\" aria-hidden=\"true\">{columns}</ol>\
         <div class=\"axis\" aria-hidden=\"true\"><span>{first}</span><span>{last}</span></div>"
    )
}

pub(super) fn lengths(report: &Report) -> String {
    let used = |count: &u64| *count > 0;
    let (Some(first), Some(last)) = (
        report.lengths.iter().position(used),
        report.lengths.iter().rposition(used),
    ) else {
        return String::new();
    };
    let largest = report.lengths.iter().copied().max().unwrap_or(1).max(1);
    let (mut columns, mut rows) = (String::new(), String::new());
    for class in first..=last {
        let (from, to, count) = (1_u64 << class, (2_u64 << class) - 1, report.lengths[class]);
        let range = if class + 1 == report.lengths.len() {
            format!("{} and more", grouped(from))
        } else {
            format!(
                "{} to {}",
                grouped(if class == 0 { 0 } else { from }),
                grouped(to)
            )
        };
        let _ = write!(
            columns,
            "<li title=\"{range}: {} documents\"><b style=\"height:{:.2}%\"></b></li>",
            grouped(count),
            percent(count, largest)
        );
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{range}</th><td>{}</td></tr>",
            grouped(count)
        );
    }
    let body = format!(
        "<p>Documents by {}; each column is twice as long as the one before.</p>{}\
         <details><summary>The numbers</summary><table><caption>Documents by length</caption><thead><tr>\
         <th scope=\"col\">{}</th><th scope=\"col\">Documents</th></tr></thead><tbody>{rows}</tbody></table></details>",
        report.unit,
        chart(&columns, &grouped(1 << first), &grouped((2 << last) - 1)),
        capital(report.unit)
    );
    section("wide", "Lengths", &body)
}

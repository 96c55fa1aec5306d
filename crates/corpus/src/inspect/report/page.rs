//! The page: HTML with its style inside, no script and nothing from elsewhere. Every chart has its
//! numbers as a table, so that it can be read without seeing it.

mod charts;
pub(super) mod elements;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::inspect::grouped::grouped;
use crate::inspect::report::counts::{Amount, Report};
use charts::{lengths, years};
use elements::{amount, amount_row, capital, escape, key, percent, section};

/// Rows of a table before the rest is summed up: a page, not a list of all companies.
const TOP: usize = 20;

/// The report as one HTML page.
pub fn render(report: &Report) -> String {
    let total = report.total();
    let mut facts = vec![("Documents", grouped(total.documents + total.held_out_documents))];
    facts.push((
        if report.unit == "tokens" { "Tokens" } else { "Text" },
        amount(report.unit, total.size + total.held_out_size),
    ));
    facts.extend(report.facts.clone());
    let facts: String = facts
        .iter()
        .map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value)))
        .collect::<Vec<_>>()
        .concat();
    let title = escape(&report.title);
    let sections = [
        amounts_table("By source", "Source", report, &report.sources),
        amounts_table("By form", "Form", report, &report.forms),
        years(report),
        lengths(report),
        amounts_table("By company", "Company", report, &report.companies),
        fertility(report),
        reasons("Rejected", "Raw inputs that could not be used.", &report.rejected),
        reasons("Duplicates", "Documents left out, by kind.", &report.duplicates),
        reasons("Left out of the shards", "Documents, by reason.", &report.dropped),
        reasons("Skipped", "Raw inputs left out on purpose.", &report.skipped),
    ]
    .concat();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <link rel=\"icon\" href=\"data:,\"><title>{title}</title><style>\n{}</style></head>\n\
         <body><main><h1>{title}</h1><p>Written by tenk-corpus stats {}.</p>\n<dl>{facts}</dl>\n\
         <div class=\"grid\">\n{sections}</div></main></body></html>\n",
        include_str!("style.css"),
        env!("CARGO_PKG_VERSION")
    )
}

/// The largest first, the rest in one row.
fn amounts_table(heading: &str, column: &str, report: &Report, amounts: &BTreeMap<String, Amount>) -> String {
    if amounts.is_empty() {
        return String::new();
    }
    let size = |amount: &Amount| amount.size + amount.held_out_size;
    let mut rows: Vec<(&str, Amount)> = amounts
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    rows.sort_by(|a, b| size(&b.1).cmp(&size(&a.1)).then(a.0.cmp(b.0)));
    let largest = rows.first().map_or(1, |row| size(&row.1).max(1));
    let rest = rows.split_off(rows.len().min(TOP));
    let mut body = String::new();
    for (name, value) in &rows {
        let bars = [value.size, value.held_out_size]
            .map(|part| format!("<i style=\"width:{:.2}%\"></i>", percent(part, largest)))
            .concat();
        let bar = format!("<span class=\"bar\" aria-hidden=\"true\">{bars}</span>");
        body += &amount_row(&(escape(name) + &bar), value, report.unit);
    }
    if !rest.is_empty() {
        let mut sum = Amount::default();
        for (_, value) in &rest {
            sum.documents += value.documents;
            sum.size += value.size;
            sum.held_out_documents += value.held_out_documents;
            sum.held_out_size += value.held_out_size;
        }
        body += &amount_row(
            &format!("{} others", grouped(rest.len() as u64)),
            &sum,
            report.unit,
        );
    }
    let table = format!(
        "{}<table><caption>Documents and {}, held-out ones included</caption><thead><tr><th scope=\"col\">{column}</th>\
         <th scope=\"col\">Documents</th><th scope=\"col\">{}</th></tr></thead><tbody>{body}</tbody></table>",
        key(report),
        report.unit,
        capital(report.unit)
    );
    section("", heading, &table)
}

fn fertility(report: &Report) -> String {
    if report.fertility.is_empty() {
        return String::new();
    }
    let ratio = |above: u64, below: u64| format!("{:.3}", above as f64 / below.max(1) as f64);
    let rows: String = report
        .fertility
        .iter()
        .map(|(name, counts)| {
            let cells = [
                ratio(counts.tokens, counts.words),
                ratio(counts.bytes, counts.tokens),
                grouped(counts.documents),
            ];
            let cells = cells.map(|cell| format!("<td>{cell}</td>")).concat();
            format!("<tr><th scope=\"row\">{}</th>{cells}</tr>", escape(name))
        })
        .collect::<Vec<_>>()
        .concat();
    let body = format!(
        "<table><caption>Tokens a word (by white space), from a sample of training documents</caption><thead><tr>\
         <th scope=\"col\">Form</th><th scope=\"col\">Tokens a word</th><th scope=\"col\">Bytes a token</th>\
         <th scope=\"col\">Documents</th></tr></thead><tbody>{rows}</tbody></table>"
    );
    section("", "Fertility", &body)
}

/// The most frequent first.
fn reasons(heading: &str, caption: &str, counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return section("", heading, "<p>None.</p>");
    }
    let mut rows: Vec<(&String, &u64)> = counts.iter().collect();
    rows.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let rows: String = rows
        .iter()
        .map(|(reason, count)| {
            format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
                escape(reason),
                grouped(**count)
            )
        })
        .collect::<Vec<_>>()
        .concat();
    let body = format!(
        "<table><caption>{caption} {} together.</caption><thead><tr><th scope=\"col\">Reason</th>\
         <th scope=\"col\">Count</th></tr></thead><tbody>{rows}</tbody></table>",
        grouped(counts.values().sum())
    );
    section("", heading, &body)
}

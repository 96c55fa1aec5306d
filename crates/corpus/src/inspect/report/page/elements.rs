//! What every section of the page is made of.

use crate::inspect::grouped::grouped;
use crate::inspect::report::counts::{Amount, Report};

pub(super) fn section(class: &str, heading: &str, body: &str) -> String {
    format!(
        "<section class=\"{class}\"><h2>{}</h2>{body}</section>\n",
        escape(heading)
    )
}

pub(super) fn key(report: &Report) -> &'static str {
    if report.total().held_out_documents == 0 {
        return "";
    }
    "<ul class=\"key\"><li>training</li><li>held out</li></ul>"
}

pub(super) fn amount_row(name: &str, value: &Amount, unit: &str) -> String {
    format!(
        "<tr><th scope=\"row\">{name}</th><td>{}</td><td>{}</td></tr>",
        grouped(value.documents + value.held_out_documents),
        amount(unit, value.size + value.held_out_size)
    )
}

pub(super) fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole as f64
}

pub(super) fn amount(unit: &str, size: u64) -> String {
    if unit == "tokens" {
        grouped(size)
    } else {
        bytes(size)
    }
}

/// A number of bytes in the largest unit that leaves something before the point.
pub(crate) fn bytes(count: u64) -> String {
    let units = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let found = units.into_iter().find(|(_, size)| count as f64 >= *size);
    found.map_or_else(
        || format!("{count} B"),
        |(unit, size)| format!("{:.1} {unit}", count as f64 / size),
    )
}

pub(super) fn capital(unit: &str) -> String {
    let mut characters = unit.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

/// Text of filings is anybody's: it must not become markup.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            other => escaped.push(other),
        }
    }
    escaped
}

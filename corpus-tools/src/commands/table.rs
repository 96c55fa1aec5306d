//! `tenk-corpus table`.

use anyhow::Result;
use columns::{TableOptions, TableReport, write_table};
use corpus::grouped;

use crate::arguments::Table as Arguments;
use crate::output::{Table, print, print_json, push_line};
use crate::progress_bar::Bar;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let options = TableOptions {
        docs: arguments.docs.clone(),
        out: arguments.out.clone(),
        items: arguments.items.clone(),
        members: arguments.members.clone(),
        threads: arguments.threads.threads,
    };
    let report = write_table(&options, &Bar::default())?;
    if arguments.json {
        return print_json(&report);
    }
    print(&summary(&report))?;
    print(&format!("written: {}\n", arguments.out.display()))
}

fn summary(report: &TableReport) -> String {
    let mut text = String::new();
    if !report.items.is_empty() {
        let mut table = Table::new(&["item", "status", "documents"]);
        for (item, statuses) in &report.items {
            for (status, documents) in statuses {
                table.row(vec![item.clone(), status.clone(), grouped(*documents)]);
            }
        }
        text.push_str(&table.render());
    }
    push_line(&mut text, format_args!("{} rows", grouped(report.rows)));
    if let Some(without_cik) = report.members_without_cik {
        push_line(
            &mut text,
            format_args!(
                "{} of them have a ticker: that of the company on the day of filing",
                grouped(report.with_ticker)
            ),
        );
        if without_cik > 0 {
            push_line(
                &mut text,
                format_args!(
                    "note: {} rows of the table of members have no CIK and were not used",
                    grouped(without_cik)
                ),
            );
        }
    }
    if report.unreadable_dates > 0 {
        push_line(
            &mut text,
            format_args!(
                "note: {} dates in the documents are none and left empty",
                grouped(report.unreadable_dates)
            ),
        );
    }
    text
}

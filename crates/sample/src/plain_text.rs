//! Renders a filing as the plain text of the 1990s: 78 columns, `<PAGE>`, tables with `<S>` and
//! `<C>`.

use super::parts::{Part, Table};
use super::plan::FilingPlan;

const WIDTH: usize = 78;

/// The text of the filing.
pub(super) fn plain_text(plan: &FilingPlan, parts: &[Part]) -> String {
    let mut out = String::new();
    let mut page: usize = 0;
    for part in parts {
        let piece = match part {
            Part::Cover(text) | Part::SubHeading(text) => centered(text),
            Part::Heading(text) => wrapped(&text.to_uppercase(), 0, 0) + "\n",
            Part::Paragraph(text) => wrapped(text, 5, 0) + "\n",
            Part::Bullet(text) => wrapped(&format!("o    {text}"), 5, 10) + "\n",
            Part::Table(table) => ruled_table(table),
            Part::PageBreak => {
                page += 1;
                format!(
                    "\n{}<PAGE>\n\n{}",
                    centered(&page.to_string()),
                    running_head(plan, page)
                )
            }
        };
        out.push_str(&piece);
    }
    out
}

/// Even pages carry the company's name at their head.
fn running_head(plan: &FilingPlan, page: usize) -> String {
    if page.is_multiple_of(2) {
        format!("{}\n", centered(&plan.company.name.to_uppercase()))
    } else {
        String::new()
    }
}

fn centered(text: &str) -> String {
    let mut out = String::new();
    for line in wrapped(text, 0, 0).lines() {
        let margin = (WIDTH - line.len().min(WIDTH)) / 2;
        out.push_str(&" ".repeat(margin));
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
    out
}

/// `text` in lines of at most `WIDTH` columns; the first is indented by `first`, others by `next`.
fn wrapped(text: &str, first: usize, next: usize) -> String {
    let mut out = " ".repeat(first);
    let mut column = first;
    let mut at_start = true;
    for word in text.split(' ') {
        if !at_start && column + 1 + word.len() > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(next));
            column = next;
        } else if !at_start {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
        at_start = false;
    }
    out.push('\n');
    out
}

fn ruled_table(table: &Table) -> String {
    let mut out = format!("<TABLE>\n<CAPTION>\n{}\n\n", table.caption);
    let line = |label: &str, cells: &[String], is_total: bool| {
        let mut line = format!("{label:<44}");
        for cell in cells {
            let cell = if is_total {
                format!("${cell}")
            } else {
                cell.clone()
            };
            // The parenthesis of a negative number hangs to the right of the column.
            let column = if cell.ends_with(')') {
                format!("{cell:>16}")
            } else {
                format!("{cell:>15} ")
            };
            line.push_str(&column);
        }
        format!("{}\n", line.trim_end())
    };
    out.push_str(&line("", &table.columns, false));
    out.push_str(&line(
        "",
        &table
            .columns
            .iter()
            .map(|_| "----------".to_owned())
            .collect::<Vec<_>>(),
        false,
    ));
    out.push_str(&line(
        "<S>",
        &table.columns.iter().map(|_| "<C>".to_owned()).collect::<Vec<_>>(),
        false,
    ));
    for row in &table.rows {
        out.push_str(&line(&row.label, &row.cells, row.is_total));
        if row.is_total {
            out.push_str(&line(
                "",
                &row.cells
                    .iter()
                    .map(|_| "==========".to_owned())
                    .collect::<Vec<_>>(),
                false,
            ));
        }
    }
    out.push_str("</TABLE>\n\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_within_the_width_and_lose_no_word() {
        let text = "word ".repeat(60) + "end";
        let lines = wrapped(&text, 5, 0);
        assert!(lines.lines().all(|line| line.len() <= WIDTH));
        assert_eq!(lines.split_whitespace().count(), 61);
    }
}

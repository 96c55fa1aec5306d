//! Renders a filing as the plain text of the 1990s: 78 columns, `<PAGE>`, tables with `<S>` and
//! `<C>`.

use super::filing::{FilingPlan, Part, Table};

const WIDTH: usize = 78;

/// The text of the filing.
pub(super) fn plain_text(plan: &FilingPlan, parts: &[Part]) -> String {
    let mut out = String::new();
    let mut page = 0;
    for part in parts {
        match part {
            Part::Cover(text) | Part::SubHeading(text) => out.push_str(&centred(text)),
            Part::Heading(text) => out.push_str(&format!("{}\n", wrapped(&text.to_uppercase(), 0, 0))),
            Part::Paragraph(text) => out.push_str(&format!("{}\n", wrapped(text, 5, 0))),
            Part::Bullet(text) => out.push_str(&format!("{}\n", wrapped(&format!("o    {text}"), 5, 10))),
            Part::Table(table) => out.push_str(&ruled_table(table)),
            Part::PageBreak => {
                page += 1;
                out.push_str(&format!(
                    "\n{}<PAGE>\n\n{}",
                    centred(&page.to_string()),
                    running_head(plan, page)
                ));
            }
        }
    }
    out
}

/// Even pages carry the company's name at their head.
fn running_head(plan: &FilingPlan, page: usize) -> String {
    if page % 2 == 0 {
        format!("{}\n", centred(&plan.company.name.to_uppercase()))
    } else {
        String::new()
    }
}

fn centred(text: &str) -> String {
    let mut out = String::new();
    for line in wrapped(text, 0, 0).lines() {
        let margin = (WIDTH - line.len().min(WIDTH)) / 2;
        out.push_str(&format!("{}{line}\n", " ".repeat(margin)));
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

//! Renders a filing as HTML: as it was written about 2010 (nested tables, `<font>`), and as
//! inline XBRL with hidden facts.

use std::fmt::Write as _;

use super::calendar::Date;
use super::parts::{Part, Table};
use super::plan::FilingPlan;

/// Text with the characters that HTML reserves written as entities.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Pages as they are printed: a number at the foot, the company's name at the head.
struct Pages {
    number: usize,
}

impl Pages {
    fn turn(&mut self) -> usize {
        self.number += 1;
        self.number
    }
}

/// HTML of about 2010: upper-case tags, fonts, tables inside tables, windows-1252 entities.
pub(super) fn html_of_2010(plan: &FilingPlan, parts: &[Part]) -> String {
    let font = |size: u8, text: &str| {
        format!(
            "<FONT STYLE=\"font-family:Times New Roman\" SIZE=\"{size}\">{}</FONT>",
            escaped(text).replace('\'', "&#146;").replace("; ", ";&nbsp; ")
        )
    };
    let mut pages = Pages { number: 0 };
    let mut out = format!(
        "<HTML><HEAD>\n<TITLE>{}</TITLE>\n</HEAD>\n <BODY BGCOLOR=\"WHITE\">\n",
        plan.form()
    );
    for part in parts {
        let piece = match part {
            Part::Cover(text) => format!(
                "<P STYLE=\"margin-top:6px\" ALIGN=\"center\"><B>{}</B></P>\n",
                font(3, text)
            ),
            Part::Heading(text) => format!(
                "<P STYLE=\"margin-top:18px\"><A NAME=\"toc\"></A><B>{}</B></P>\n",
                font(2, text)
            ),
            Part::SubHeading(text) => format!(
                "<P STYLE=\"margin-top:12px\"><B><I>{}</I></B></P>\n",
                font(2, text)
            ),
            Part::Paragraph(text) => format!(
                "<P STYLE=\"margin-top:6px;text-indent:4%\">{}</P>\n",
                font(2, text)
            ),
            Part::Bullet(text) => bullet_of_2010(&font(2, text)),
            Part::Table(table) => table_of_2010(table, &font),
            Part::PageBreak => format!(
                "<P ALIGN=\"center\">{}</P>\n<P STYLE=\"page-break-before:always\"></P>\n<HR SIZE=\"3\" NOSHADE>\n<H5 ALIGN=\"left\"><A HREF=\"#toc\">Table of Contents</A></H5>\n",
                font(2, &pages.turn().to_string())
            ),
        };
        out.push_str(&piece);
    }
    out.push_str("</BODY></HTML>\n");
    out
}

fn bullet_of_2010(text: &str) -> String {
    format!(
        "<TABLE STYLE=\"BORDER-COLLAPSE:COLLAPSE\" BORDER=\"0\" WIDTH=\"100%\"><TR><TD WIDTH=\"4%\">&nbsp;</TD><TD WIDTH=\"2%\" VALIGN=\"top\"><FONT SIZE=\"2\">&#149;</FONT></TD><TD ALIGN=\"left\">{text}</TD></TR></TABLE>\n"
    )
}

fn table_of_2010(table: &Table, font: &dyn Fn(u8, &str) -> String) -> String {
    let mut out = format!(
        "<P><B>{}</B></P>\n<TABLE WIDTH=\"100%\" CELLPADDING=\"0\"><TR><TD>\n<TABLE CELLSPACING=\"0\" BORDER=\"0\" WIDTH=\"92%\">\n<TR><TD WIDTH=\"70%\"></TD>",
        font(2, &table.caption)
    );
    for column in &table.columns {
        let _ = write!(
            out,
            "<TD>&nbsp;</TD><TD COLSPAN=\"2\" ALIGN=\"center\" NOWRAP><B>{}</B></TD><TD>&nbsp;</TD>",
            font(1, column)
        );
    }
    out.push_str("</TR>\n");
    for (index, row) in table.rows.iter().enumerate() {
        let shade = if index % 2 == 0 {
            " BGCOLOR=\"#cceeff\""
        } else {
            ""
        };
        let _ = write!(
            out,
            "<TR{shade}><TD VALIGN=\"top\"><P STYLE=\"margin-left:1em\">{}</P></TD>",
            font(2, &row.label)
        );
        for cell in &row.cells {
            let dollar = if row.is_total { "$" } else { "&nbsp;" };
            // The closing parenthesis of a negative number stands in a cell of its own.
            let (number, close) = cell
                .strip_suffix(')')
                .map_or((cell.as_str(), "&nbsp;"), |number| (number, ")&nbsp;"));
            let _ = write!(
                out,
                "<TD>&nbsp;</TD><TD><FONT SIZE=\"2\">{dollar}</FONT></TD><TD ALIGN=\"right\">{}</TD><TD NOWRAP><FONT SIZE=\"2\">{close}</FONT></TD>",
                font(2, number)
            );
        }
        out.push_str("</TR>\n");
    }
    out.push_str("</TABLE></TD></TR></TABLE>\n");
    out
}

/// Inline XBRL as of 2019 on: hidden facts in `ix:header`, `span`s with styles, tagged numbers.
pub(super) fn inline_xbrl(plan: &FilingPlan, parts: &[Part]) -> String {
    let mut out = inline_xbrl_head(plan);
    let mut pages = Pages { number: 0 };
    let mut facts = 100;
    for part in parts {
        let piece = match part {
            Part::Cover(text) => div("text-align:center", &span(400, &cover_fact(plan, text))),
            Part::Heading(text) => div("margin-top:18pt", &span(700, &escaped(text))),
            Part::SubHeading(text) => div("margin-top:9pt;font-style:italic", &span(700, &escaped(text))),
            Part::Paragraph(text) => div(
                "margin-bottom:6pt;text-indent:24pt",
                &span(400, &escaped(text).replace('\'', "&#8217;")),
            ),
            Part::Bullet(text) => div(
                "padding-left:36pt;text-indent:-18pt",
                &format!("{}{}", span(400, "&#8226;"), span(400, &escaped(text))),
            ),
            Part::Table(table) => inline_xbrl_table(table, &mut facts),
            Part::PageBreak => format!(
                "{}<hr style=\"page-break-after:always\"/>{}",
                div(
                    "text-align:center",
                    &span(
                        400,
                        &format!(
                            "{} | {} | Form {} | {}",
                            escaped(&plan.company.short_name),
                            plan.year,
                            plan.form(),
                            pages.turn()
                        )
                    )
                ),
                div(
                    "",
                    &format!("<a href=\"#toc\">{}</a>", span(400, "Table of Contents"))
                )
            ),
        };
        out.push_str(&piece);
    }
    out.push_str("</body></html>\n");
    out
}

fn div(style: &str, inner: &str) -> String {
    format!("<div style=\"{style}\">{inner}</div>\n")
}

fn span(weight: u16, inner: &str) -> String {
    format!(
        "<span style=\"color:#000000;font-family:'Times New Roman',sans-serif;font-size:10pt;font-weight:{weight};line-height:120%\">{inner}</span>"
    )
}

fn inline_xbrl_head(plan: &FilingPlan) -> String {
    let Date { year, month, day } = plan.period_end();
    let company = &plan.company;
    let ticker = company.ticker.to_lowercase();
    let focus = plan
        .quarter
        .map_or("FY".to_owned(), |quarter| format!("Q{quarter}"));
    let hidden: [(&str, String); 6] = [
        ("EntityCentralIndexKey", format!("{:010}", company.cik)),
        ("EntityRegistrantName", escaped(&company.name)),
        (
            "CurrentFiscalYearEndDate",
            format!("--{:02}-{:02}", company.year_end.0, company.year_end.1),
        ),
        ("AmendmentFlag", "false".to_owned()),
        ("DocumentFiscalYearFocus", plan.year.to_string()),
        ("DocumentFiscalPeriodFocus", focus),
    ];
    let mut facts = String::new();
    for (index, (name, value)) in hidden.iter().enumerate() {
        let _ = write!(
            facts,
            "<ix:nonNumeric contextRef=\"c-1\" name=\"dei:{name}\" id=\"f-{index}\">{value}</ix:nonNumeric>"
        );
    }
    format!(
        "<?xml version='1.0' encoding='ASCII'?>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:dei=\"http://xbrl.sec.gov/dei/{year}\" xmlns:us-gaap=\"http://fasb.org/us-gaap/{year}\" xmlns:ix=\"http://www.xbrl.org/2013/inlineXBRL\" xmlns:xbrli=\"http://www.xbrl.org/2003/instance\" xmlns:link=\"http://www.xbrl.org/2003/linkbase\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" xml:lang=\"en-US\"><head><meta http-equiv=\"Content-Type\" content=\"text/html\"/>\n<title>{ticker}-{year}{month:02}{day:02}</title></head><body><div style=\"display:none\"><ix:header><ix:hidden>{facts}</ix:hidden><ix:references xml:lang=\"en-US\"><link:schemaRef xlink:type=\"simple\" xlink:href=\"{ticker}.xsd\"/></ix:references><ix:resources><xbrli:context id=\"c-1\"><xbrli:entity><xbrli:identifier scheme=\"http://www.sec.gov/CIK\">{cik:010}</xbrli:identifier></xbrli:entity><xbrli:period><xbrli:instant>{year}-{month:02}-{day:02}</xbrli:instant></xbrli:period></xbrli:context><xbrli:unit id=\"usd\"><xbrli:measure>iso4217:USD</xbrli:measure></xbrli:unit></ix:resources></ix:header></div>\n",
        cik = company.cik
    )
}

/// The cover's own facts are tagged where they stand.
fn cover_fact(plan: &FilingPlan, text: &str) -> String {
    let tagged = |name: &str, value: &str| {
        format!(
            "<ix:nonNumeric contextRef=\"c-1\" name=\"dei:{name}\" id=\"f-{name}\">{value}</ix:nonNumeric>"
        )
    };
    if text == format!("FORM {}", plan.form()) {
        return format!("FORM {}", tagged("DocumentType", plan.form()));
    }
    if text == plan.company.name.to_uppercase() {
        return tagged("EntityRegistrantName", &escaped(text));
    }
    if let Some((before, date)) = text.split_once(" ended ") {
        return format!("{before} ended {}", tagged("DocumentPeriodEndDate", date));
    }
    escaped(text)
}

fn inline_xbrl_table(table: &Table, facts: &mut usize) -> String {
    let mut out = div("margin-top:6pt", &span(700, &escaped(&table.caption)));
    out.push_str(
        "<div><table style=\"border-collapse:collapse;width:100%\"><tr><td style=\"width:60%\"></td>",
    );
    for column in &table.columns {
        let _ = write!(
            out,
            "<td colspan=\"3\" style=\"text-align:center\">{}</td>",
            span(700, column)
        );
    }
    out.push_str("</tr>\n");
    for row in &table.rows {
        let _ = write!(
            out,
            "<tr><td style=\"padding:2px 1pt\">{}</td>",
            span(400, &escaped(&row.label))
        );
        for cell in &row.cells {
            *facts += 1;
            out.push_str(&inline_xbrl_cell(cell, row.concept, row.is_total, *facts));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
    out
}

fn inline_xbrl_cell(cell: &str, concept: &str, is_total: bool, fact: usize) -> String {
    if concept.is_empty() {
        return format!("<td colspan=\"3\">{}</td>", span(400, &escaped(cell)));
    }
    let dollar = if is_total { "$" } else { "" };
    let number = cell.trim_matches(['(', ')']);
    let tagged = format!(
        "<ix:nonFraction unitRef=\"usd\" contextRef=\"c-1\" decimals=\"-3\" name=\"us-gaap:{concept}\" format=\"ixt:num-dot-decimal\" scale=\"3\" id=\"f-{fact}\">{number}</ix:nonFraction>"
    );
    let (open, close) = if cell.starts_with('(') {
        ("(", ")")
    } else {
        ("", "")
    };
    format!(
        "<td>{}</td><td style=\"text-align:right\">{}</td><td>{}</td>",
        span(400, dollar),
        span(400, &format!("{open}{tagged}")),
        span(400, close)
    )
}

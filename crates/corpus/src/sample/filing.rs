//! One invented filing as a list of parts, before any format: what it says, in which order.

use super::company::Company;
use super::draw::Draw;
use super::figures::{Figures, dollars, percent_change};
use super::frames;
use super::prose::{Drawn, Lexicon, Prose, capitalised};
use super::tables;
use super::words;

/// A piece of a filing.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// A centred line of the cover page.
    Cover(String),
    /// `Item 7. ...`
    Heading(String),
    /// A heading inside an item.
    SubHeading(String),
    /// A paragraph of prose.
    Paragraph(String),
    /// A list item.
    Bullet(String),
    /// A financial table.
    Table(Table),
    /// A page ends here.
    PageBreak,
}

/// A table: column heads, then rows of a label and its cells.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// A row of a financial table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) label: String,
    /// The XBRL concept of the row's numbers.
    pub(super) concept: &'static str,
    pub(super) cells: Vec<String>,
    /// Totals have a dollar sign and a rule above them.
    pub(super) is_total: bool,
}

/// Which filing of which company, and when.
#[derive(Debug, Clone)]
pub(super) struct FilingPlan {
    pub(super) company: Company,
    pub(super) year: i64,
    /// `None` for a 10-K, else the quarter that a 10-Q covers.
    pub(super) quarter: Option<u8>,
    /// Position of the filing in the sample.
    pub(super) index: u64,
    pub(super) seed: u64,
}

impl FilingPlan {
    /// The form type as filed.
    pub(super) fn form(&self) -> &'static str {
        if self.quarter.is_some() { "10-Q" } else { "10-K" }
    }

    /// Last day of the period: year, month, day.
    pub(super) fn period_end(&self) -> (i64, i8, i8) {
        let (month, day, _) = self.company.year_end;
        let Some(quarter) = self.quarter else {
            return (self.year, month, day);
        };
        let month = month - 12 + i8::try_from(quarter).unwrap_or(1) * 3;
        let (year, month) = if month < 1 {
            (self.year - 1, month + 12)
        } else {
            (self.year, month)
        };
        (year, month, if matches!(month, 6 | 9) { 30 } else { 31 })
    }

    /// The day of filing: in the second month after the period, as yyyy-mm-dd parts.
    pub(super) fn filed(&self) -> (i64, i8, i8) {
        let (year, month, _) = self.period_end();
        let mut draw = Draw::new(self.seed, "filed", self.index);
        let day = i8::try_from(draw.between(1, 27)).unwrap_or(1);
        if month > 10 {
            (year + 1, month - 10, day)
        } else {
            (year, month + 2, day)
        }
    }

    /// The accession number.
    pub(super) fn accession(&self) -> String {
        let (year, _, _) = self.filed();
        format!("{:010}-{:02}-{:06}", self.company.cik, year % 100, self.index + 1)
    }

    /// `fiscal 2019` or `the second quarter of fiscal 2019`.
    fn period_name(&self, year: i64) -> String {
        match self.quarter {
            None => format!("fiscal {year}"),
            Some(quarter) => format!(
                "the {} quarter of fiscal {year}",
                ["first", "second", "third"][usize::from(quarter - 1) % 3]
            ),
        }
    }

    /// The figures of this filing's period and of the same period a year before.
    pub(super) fn figures(&self) -> (Figures, Figures) {
        let of = |year| match self.quarter {
            None => Figures::of_year(self.seed, &self.company, year),
            Some(quarter) => Figures::of_quarter(self.seed, &self.company, year, quarter),
        };
        (of(self.year), of(self.year - 1))
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// `March 31, 2019`.
pub(super) fn long_date((year, month, day): (i64, i8, i8)) -> String {
    format!(
        "{} {day}, {year}",
        MONTHS[usize::try_from(month - 1).unwrap_or(0) % 12]
    )
}

/// `increased` or `decreased` and its company, by what the figures did.
fn set_direction(prose: &mut Prose, names: [&'static str; 4], before: i64, now: i64) {
    let up = now >= before;
    prose.fact(names[0], if up { "increased" } else { "decreased" });
    prose.fact(names[1], percent_change(before, now));
    prose.fact(names[2], if up { "higher" } else { "lower" });
    prose.fact(names[3], if up { "increase" } else { "decrease" });
}

fn ratio(part: i64, whole: i64) -> String {
    percent_change(0, part * 1_000 / whole.max(1))
        .replace('%', "")
        .parse::<f64>()
        .map(|tenths| format!("{:.1}%", tenths / 1_000.0))
        .unwrap_or_default()
}

/// The words and facts of one filing.
fn filing_prose(plan: &FilingPlan, now: &Figures, before: &Figures) -> Prose {
    let company = &plan.company;
    let topic = company.topic;
    let mut lexicon = Lexicon::general(usize::try_from(company.index % 12).expect("below 12"));
    for (name, list) in [
        ("materials", topic.materials),
        ("process", topic.processes),
        ("customers", topic.customers),
        ("hazards", topic.hazards),
        ("quality", topic.qualities),
    ] {
        lexicon.insert(name, words::items(list));
    }
    lexicon.insert("segment", company.segments.clone());
    lexicon.insert(
        "products",
        company
            .products
            .iter()
            .map(|product| words::plural(product))
            .collect(),
    );
    lexicon.insert(
        "site",
        company.sites.iter().map(|(site, _)| site.clone()).collect(),
    );
    lexicon.insert(
        "place",
        company.sites.iter().map(|(_, place)| place.clone()).collect(),
    );
    let mut prose = Prose::new(lexicon);
    company_facts(&mut prose, plan);
    money_facts(&mut prose, now, before);
    prose
}

fn company_facts(prose: &mut Prose, plan: &FilingPlan) {
    let company = &plan.company;
    prose.fact("company", company.name.as_str());
    prose.fact("short", company.short_name.as_str());
    prose.fact("city", company.city.as_str());
    prose.fact("state", company.state.1);
    prose.fact("street", company.street.as_str());
    prose.fact("founded", company.founded.to_string());
    prose.fact("industry", company.topic.industry);
    prose.fact("competitor", company.competitor.as_str());
    prose.fact("auditor", company.auditor.as_str());
    prose.fact("ceo", company.officers[0].name.as_str());
    prose.fact("cfo", company.officers[1].name.as_str());
    prose.fact("year", plan.year.to_string());
    prose.fact("prior_year", (plan.year - 1).to_string());
    prose.fact("next_year", (plan.year + 1).to_string());
    prose.fact("late_year", (plan.year + 11).to_string());
    prose.fact("period", plan.period_name(plan.year));
    prose.fact("prior_period", plan.period_name(plan.year - 1));
}

/// Reads one amount out of the figures.
type Amount = fn(&Figures) -> i64;

fn money_facts(prose: &mut Prose, now: &Figures, before: &Figures) {
    let amounts: [(&'static str, &'static str, Amount); 12] = [
        ("revenue", "prior_revenue", |f| f.revenue),
        ("gross", "prior_gross", |f| f.gross_profit),
        ("selling", "prior_selling", |f| f.selling),
        ("research", "prior_research", |f| f.research),
        ("net", "prior_net", |f| f.net_income),
        ("interest", "prior_interest", |f| f.interest),
        ("cash", "prior_cash", |f| f.cash),
        ("debt", "prior_debt", |f| f.debt),
        ("capital", "prior_capital", |f| f.capital_spending),
        ("operating_cash", "prior_operating_cash", |f| f.operating_cash),
        ("receivables", "prior_receivables", |f| f.receivables),
        ("inventories", "prior_inventories", |f| f.inventories),
    ];
    for (name, prior_name, of) in amounts {
        prose.fact(name, dollars(of(now)));
        prose.fact(prior_name, dollars(of(before)));
    }
    set_direction(
        prose,
        ["revenue_dir", "revenue_pct", "revenue_adj", "revenue_noun"],
        before.revenue,
        now.revenue,
    );
    set_direction(
        prose,
        ["selling_dir", "selling_pct", "selling_adj", "selling_noun"],
        before.selling,
        now.selling,
    );
    set_direction(
        prose,
        ["research_dir", "research_pct", "research_adj", "research_noun"],
        before.research,
        now.research,
    );
    set_direction(
        prose,
        ["net_dir", "net_pct", "net_adj", "net_noun"],
        before.net_income,
        now.net_income,
    );
    let names = [
        "operating_cash_dir",
        "operating_cash_pct",
        "operating_cash_adj",
        "operating_cash_noun",
    ];
    set_direction(prose, names, before.operating_cash, now.operating_cash);
    let margins = [before, now].map(|f| f.gross_profit * 1_000 / f.revenue.max(1));
    prose.fact(
        "margin_dir",
        if margins[1] >= margins[0] {
            "improved"
        } else {
            "declined"
        },
    );
    prose.fact(
        "margin_cause",
        if margins[1] >= margins[0] { "fell" } else { "rose" },
    );
    prose.fact("margin", ratio(now.gross_profit, now.revenue));
    prose.fact("prior_margin", ratio(before.gross_profit, before.revenue));
    let taxes = [before, now].map(|f| f.tax * 1_000 / f.pretax_income.max(1));
    prose.fact("tax_dir", if taxes[1] >= taxes[0] { "rose" } else { "fell" });
    prose.fact("tax_rate", ratio(now.tax, now.pretax_income));
    prose.fact("prior_tax_rate", ratio(before.tax, before.pretax_income));
    prose.fact("goodwill", dollars(now.goodwill));
    prose.fact("employees", super::figures::grouped(now.employees));
    prose.fact("eps", tables::cents(now.earnings_cents));
    prose.fact("prior_eps", tables::cents(before.earnings_cents));
    prose.fact("risk_amount", dollars(now.cost_of_sales / 90));
    prose.fact("rate_amount", dollars(now.debt / 100));
}

/// Writes the parts of one filing.
struct Writer {
    prose: Prose,
    draw: Draw,
    parts: Vec<Part>,
    since_break: usize,
}

impl Writer {
    fn push(&mut self, part: Part) {
        self.since_break += match &part {
            Part::Table(table) => 4 + table.rows.len(),
            Part::Paragraph(_) => 5,
            _ => 1,
        };
        self.parts.push(part);
        // About a printed page of text.
        if self.since_break > 42 {
            self.parts.push(Part::PageBreak);
            self.since_break = 0;
        }
    }

    fn heading(&mut self, text: &str) {
        self.push(Part::Heading(text.to_owned()));
    }

    /// `count` of the frames, in a drawn order, each a paragraph.
    fn section(&mut self, frames: &[&str], count: usize) {
        let chosen: Vec<&str> = self.draw.shuffled(frames).into_iter().take(count).collect();
        for frame in chosen {
            let text = capitalised(&self.prose.paragraph(frame, &mut self.draw));
            self.push(Part::Paragraph(text));
        }
    }

    fn risks(&mut self, count: usize) {
        let chosen: Vec<(&str, &str)> = self
            .draw
            .shuffled(frames::RISKS)
            .into_iter()
            .take(count)
            .collect();
        for (heading, body) in chosen {
            let mut drawn = Drawn::new();
            let heading = self.prose.fill(heading, &mut drawn, &mut self.draw);
            let body = self.prose.fill(body, &mut drawn, &mut self.draw);
            self.push(Part::SubHeading(capitalised(&heading)));
            self.push(Part::Paragraph(capitalised(&body)));
        }
    }

    fn bullets(&mut self, frame: &str, count: usize) {
        for _ in 0..count {
            let text = capitalised(&self.prose.paragraph(frame, &mut self.draw));
            self.push(Part::Bullet(text));
        }
    }

    fn segment_results(&mut self, plan: &FilingPlan, now: &Figures, before: &Figures) {
        for (index, segment) in plan.company.segments.iter().enumerate() {
            self.push(Part::SubHeading(format!("{segment} Segment")));
            self.prose.fact("seg", segment.as_str());
            self.prose.fact("seg_now", dollars(now.segments[index]));
            self.prose.fact("seg_before", dollars(before.segments[index]));
            let names = ["seg_dir", "seg_pct", "seg_adj", "seg_noun"];
            set_direction(
                &mut self.prose,
                names,
                before.segments[index],
                now.segments[index],
            );
            self.prose.fact(
                "seg_more",
                if now.segments[index] >= before.segments[index] {
                    "more"
                } else {
                    "fewer"
                },
            );
            self.section(frames::SEGMENT_RESULTS, 2);
        }
    }
}

/// The parts of the filing that `plan` names.
pub(super) fn filing_parts(plan: &FilingPlan) -> Vec<Part> {
    let (now, before) = plan.figures();
    let prose = filing_prose(plan, &now, &before);
    let draw = Draw::new(plan.seed, "filing", plan.index);
    let mut writer = Writer {
        prose,
        draw,
        parts: cover(plan),
        since_break: 0,
    };
    if plan.quarter.is_none() {
        annual_report(&mut writer, plan, &now, &before);
    } else {
        quarterly_report(&mut writer, plan, &now, &before);
    }
    writer.push(Part::Heading("SIGNATURES".to_owned()));
    writer.push(Part::Paragraph(format!(
        "Pursuant to the requirements of the Securities Exchange Act of 1934, {} has duly caused this report to be signed on its behalf by {}, {}, on {}.",
        plan.company.name,
        plan.company.officers[1].name,
        plan.company.officers[1].title,
        long_date(plan.filed())
    )));
    writer.parts
}

fn annual_report(writer: &mut Writer, plan: &FilingPlan, now: &Figures, before: &Figures) {
    writer.heading("PART I");
    writer.heading("Item 1. Business");
    writer.section(&frames::BUSINESS[..1], 1);
    writer.section(&frames::BUSINESS[1..], 10);
    writer.bullets(
        "{quality} {products}, made by {process} and sold to {customers};",
        4,
    );
    writer.heading("Item 1A. Risk Factors");
    writer.risks(7);
    writer.heading("Item 1B. Unresolved Staff Comments");
    writer.push(Part::Paragraph("None.".to_owned()));
    writer.heading("Item 2. Properties");
    writer.section(frames::PROPERTIES, 2);
    writer.heading("Item 3. Legal Proceedings");
    writer.section(frames::LEGAL, 2);
    writer.heading("Item 4. Mine Safety Disclosures");
    writer.push(Part::Paragraph("Not applicable.".to_owned()));
    writer.heading("PART II");
    writer.heading(
        "Item 7. Management's Discussion and Analysis of Financial Condition and Results of Operations",
    );
    discussion(writer, plan, now, before);
    writer.heading("Item 7A. Quantitative and Qualitative Disclosures About Market Risk");
    writer.section(frames::MARKET_RISK, 2);
    writer.heading("Item 8. Financial Statements and Supplementary Data");
    statements(writer, plan, now, before);
    writer.heading("Item 9A. Controls and Procedures");
    writer.section(frames::CONTROLS, 2);
    writer.heading("PART III");
    writer.heading("Item 10. Directors, Executive Officers and Corporate Governance");
    writer.push(Part::Table(tables::officers(&plan.company)));
    writer.section(frames::GENERAL, 3);
    writer.heading("PART IV");
    writer.heading("Item 15. Exhibits and Financial Statement Schedules");
    writer.bullets("Form of {adjective} {noun} for {ing} {nouns}", 5);
}

fn quarterly_report(writer: &mut Writer, plan: &FilingPlan, now: &Figures, before: &Figures) {
    writer.heading("PART I. FINANCIAL INFORMATION");
    writer.heading("Item 1. Financial Statements");
    statements(writer, plan, now, before);
    writer.heading(
        "Item 2. Management's Discussion and Analysis of Financial Condition and Results of Operations",
    );
    discussion(writer, plan, now, before);
    writer.heading("Item 3. Quantitative and Qualitative Disclosures About Market Risk");
    writer.section(frames::MARKET_RISK, 2);
    writer.heading("Item 4. Controls and Procedures");
    writer.section(frames::CONTROLS, 2);
    writer.heading("PART II. OTHER INFORMATION");
    writer.heading("Item 1. Legal Proceedings");
    writer.section(frames::LEGAL, 2);
    writer.heading("Item 1A. Risk Factors");
    writer.risks(3);
    writer.heading("Item 6. Exhibits");
    writer.bullets("Form of {adjective} {noun} for {ing} {nouns}", 3);
}

fn discussion(writer: &mut Writer, plan: &FilingPlan, now: &Figures, before: &Figures) {
    writer.push(Part::SubHeading("Results of Operations".to_owned()));
    writer.section(frames::OVERVIEW, 7);
    writer.push(Part::Table(tables::segments(plan, now, before)));
    writer.segment_results(plan, now, before);
    writer.push(Part::SubHeading("Liquidity and Capital Resources".to_owned()));
    writer.section(frames::LIQUIDITY, 5);
    writer.section(frames::GENERAL, 2);
}

fn statements(writer: &mut Writer, plan: &FilingPlan, now: &Figures, before: &Figures) {
    writer.push(Part::Table(tables::income(plan, now, before)));
    writer.push(Part::Table(tables::balance(plan, now, before)));
    writer.push(Part::SubHeading(
        "Note 1. Summary of Significant Accounting Policies".to_owned(),
    ));
    writer.section(frames::POLICIES, 4);
    writer.push(Part::SubHeading(
        "Note 2. Commitments and Contingencies".to_owned(),
    ));
    writer.section(frames::GENERAL, 3);
}

fn cover(plan: &FilingPlan) -> Vec<Part> {
    let company = &plan.company;
    let kind = if plan.quarter.is_some() {
        ("QUARTERLY", "quarterly period")
    } else {
        ("ANNUAL", "fiscal year")
    };
    let lines = [
        "UNITED STATES".to_owned(),
        "SECURITIES AND EXCHANGE COMMISSION".to_owned(),
        "Washington, D.C. 20549".to_owned(),
        format!("FORM {}", plan.form()),
        format!(
            "{} REPORT PURSUANT TO SECTION 13 OR 15(d) OF THE SECURITIES EXCHANGE ACT OF 1934",
            kind.0
        ),
        format!("For the {} ended {}", kind.1, long_date(plan.period_end())),
        format!("Commission file number {}", company.file_number),
        company.name.to_uppercase(),
        "(Exact name of registrant as specified in its charter)".to_owned(),
        format!("{} {}", company.state.1, company.irs_number),
        "(State of incorporation) (I.R.S. Employer Identification No.)".to_owned(),
        format!(
            "{}, {}, {} {}",
            company.street, company.city, company.state.1, company.zip
        ),
        format!(
            "Registrant's telephone number, including area code: {}",
            company.phone
        ),
    ];
    let mut parts: Vec<Part> = lines.into_iter().map(Part::Cover).collect();
    parts.push(Part::PageBreak);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(index: u64, quarter: Option<u8>) -> FilingPlan {
        FilingPlan {
            company: Company::new(1, index),
            year: 2_012,
            quarter,
            index,
            seed: 1,
        }
    }

    #[test]
    fn every_frame_finds_its_slots() {
        let plan = plan(0, None);
        let (now, before) = plan.figures();
        let mut writer = Writer {
            prose: filing_prose(&plan, &now, &before),
            draw: Draw::new(1, "test", 0),
            parts: Vec::new(),
            since_break: 0,
        };
        for frames in [
            frames::BUSINESS,
            frames::OVERVIEW,
            frames::LIQUIDITY,
            frames::POLICIES,
            frames::PROPERTIES,
            frames::LEGAL,
            frames::MARKET_RISK,
            frames::CONTROLS,
            frames::GENERAL,
        ] {
            writer.section(frames, frames.len());
        }
        writer.risks(frames::RISKS.len());
        writer.segment_results(&plan, &now, &before);
        let texts = writer.parts.iter().filter_map(|part| match part {
            Part::Paragraph(text) => Some(text),
            _ => None,
        });
        for text in texts {
            assert!(!text.contains(['{', '}']), "{text}");
            assert!(
                text.starts_with(|letter: char| letter.is_uppercase() || !letter.is_alphabetic()),
                "{text}"
            );
        }
    }

    #[test]
    fn last_years_revenue_recurs_in_this_years_filing() {
        let this = plan(4, None);
        let last = FilingPlan {
            year: 2_011,
            ..this.clone()
        };
        assert_eq!(this.figures().1.revenue, last.figures().0.revenue);
    }

    #[test]
    fn periods_end_in_the_quarters_of_the_fiscal_year() {
        let mut first = plan(0, Some(1));
        first.company.year_end = (6, 30, "June");
        assert_eq!(first.period_end(), (2_011, 9, 30));
        first.company.year_end = (12, 31, "December");
        assert_eq!(first.period_end(), (2_012, 3, 31));
        first.quarter = None;
        assert_eq!(first.period_end(), (2_012, 12, 31));
    }
}

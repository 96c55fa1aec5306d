//! What an invented filing says, in which order, before any format.

use super::draw::Draw;
use super::facts::{filing_prose, set_direction};
use super::figures::{Figures, dollars};
use super::frames;
use super::parts::Part;
use super::plan::FilingPlan;
use super::prose::{Drawn, Prose, capitalized};
use super::tables;

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
            let text = capitalized(&self.prose.paragraph(frame, &mut self.draw));
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
            self.push(Part::SubHeading(capitalized(&heading)));
            self.push(Part::Paragraph(capitalized(&body)));
        }
    }

    fn bullets(&mut self, frame: &str, count: usize) {
        for _ in 0..count {
            let text = capitalized(&self.prose.paragraph(frame, &mut self.draw));
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
        plan.filed().long()
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
        format!("For the {} ended {}", kind.1, plan.period_end().long()),
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
    use crate::company::Company;

    #[test]
    fn every_frame_finds_its_slots() {
        let plan = FilingPlan {
            company: Company::new(1, 0),
            year: 2_012,
            quarter: None,
            index: 0,
            seed: 1,
        };
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
}

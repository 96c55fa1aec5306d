//! The header of a submission: its fields, and those of its filer. It does not look for documents.

use documents::one_line;

use crate::dates;
use crate::inline_facts::cik;

/// The header's fields; `None` where the header is silent or absent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) accession: Option<String>,
    pub(crate) form: Option<String>,
    pub(crate) period: Option<String>,
    pub(crate) filed: Option<String>,
    pub(crate) accepted_at: Option<String>,
    /// The filer, the first of several.
    pub(crate) filer: Filer,
}

/// One company of a header.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Filer {
    pub(crate) company: Option<String>,
    pub(crate) cik: Option<String>,
    pub(crate) sic: Option<String>,
    pub(crate) business_state: Option<String>,
    pub(crate) state_of_incorporation: Option<String>,
    pub(crate) fiscal_year_end: Option<String>,
}

/// Which part of a filer's entry a field stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Company,
    BusinessAddress,
    /// Mail address, former names: nothing that is kept.
    Other,
}

/// What a company is to the submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Relation {
    Filer,
    Subject,
    Other,
}

impl Header {
    pub(super) fn parse(head: &str) -> Self {
        let mut header = Self::default();
        let mut filers: Vec<(Relation, Filer)> = Vec::new();
        let mut section = Section::Company;
        for (key, value) in fields(head) {
            if let Some(relation) = relation(key).filter(|_| value.trim().is_empty()) {
                filers.push((relation, Filer::default()));
                section = Section::Company;
            } else if let Some(next) = section_of(key) {
                section = next;
            } else if let Some((_, filer)) = filers.last_mut() {
                filer.field(key, value, section);
            } else {
                header.field(key, value);
            }
        }
        // The first filer; a submission without one is about its subject.
        filers.sort_by_key(|(relation, _)| *relation);
        header.filer = filers
            .into_iter()
            .next()
            .map(|(_, filer)| filer)
            .unwrap_or_default();
        header
    }

    fn field(&mut self, key: &str, value: &str) {
        let value = value.trim();
        match key {
            "ACCESSION NUMBER" | "ACCESSION-NUMBER" => keep(&mut self.accession, accession(value)),
            "CONFORMED SUBMISSION TYPE" | "TYPE" => keep(&mut self.form, text(value)),
            "CONFORMED PERIOD OF REPORT" | "PERIOD" => keep(&mut self.period, dates::compact_date(value)),
            "FILED AS OF DATE" | "FILING-DATE" => keep(&mut self.filed, dates::compact_date(value)),
            "ACCEPTANCE-DATETIME" => keep(&mut self.accepted_at, dates::acceptance_time(value)),
            _ => {}
        }
    }
}

impl Filer {
    fn field(&mut self, key: &str, value: &str, section: Section) {
        let value = value.trim();
        match (section, key) {
            (Section::Company, "COMPANY CONFORMED NAME" | "CONFORMED-NAME") => {
                keep(&mut self.company, text(value));
            }
            (Section::Company, "CENTRAL INDEX KEY" | "CIK") => keep(&mut self.cik, cik(value)),
            (Section::Company, "STANDARD INDUSTRIAL CLASSIFICATION" | "ASSIGNED-SIC") => {
                keep(&mut self.sic, sic(value));
            }
            (Section::Company, "STATE OF INCORPORATION" | "STATE-OF-INCORPORATION") => {
                keep(&mut self.state_of_incorporation, text(value));
            }
            (Section::Company, "FISCAL YEAR END" | "FISCAL-YEAR-END") => {
                keep(&mut self.fiscal_year_end, dates::year_end(value));
            }
            (Section::BusinessAddress, "STATE") => keep(&mut self.business_state, text(value)),
            _ => {}
        }
    }
}

fn keep(field: &mut Option<String>, value: Option<String>) {
    if field.is_none() {
        *field = value;
    }
}

fn text(value: &str) -> Option<String> {
    Some(one_line(value)).filter(|value| !value.is_empty())
}

fn accession(value: &str) -> Option<String> {
    let is_number = value.len() == 20 && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    is_number.then(|| value.to_owned())
}

/// The four digits in `MOTOR VEHICLES [3711]` or `3711`.
fn sic(value: &str) -> Option<String> {
    let code = value
        .rsplit_once('[')
        .map_or(value, |(_, code)| code.trim_end_matches(']'))
        .trim();
    let is_code =
        (3..=4).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit()) && code != "0000";
    is_code.then(|| format!("{code:0>4}"))
}

fn relation(key: &str) -> Option<Relation> {
    match key {
        "FILER" => Some(Relation::Filer),
        "SUBJECT COMPANY" | "SUBJECT-COMPANY" | "ISSUER" => Some(Relation::Subject),
        "FILED BY" | "FILED-BY" | "REPORTING-OWNER" | "REPORTING OWNER" | "DEPOSITOR" | "SECURITIZER"
        | "FILED FOR" | "FILED-FOR" | "SERIAL COMPANY" | "UNDERWRITER" => Some(Relation::Other),
        _ => None,
    }
}

fn section_of(key: &str) -> Option<Section> {
    match key {
        "COMPANY DATA" | "COMPANY-DATA" | "OWNER DATA" | "OWNER-DATA" => Some(Section::Company),
        "BUSINESS ADDRESS" | "BUSINESS-ADDRESS" => Some(Section::BusinessAddress),
        "MAIL ADDRESS" | "MAIL-ADDRESS" | "FORMER COMPANY" | "FORMER-COMPANY" | "FORMER NAME"
        | "FORMER-NAME" | "FILING VALUES" | "FILING-VALUES" => Some(Section::Other),
        _ => None,
    }
}

/// The fields of a header in order, from `KEY: value` lines and `<KEY>value` tags alike; end
/// tags are left out.
pub(super) fn fields(head: &str) -> impl Iterator<Item = (&str, &str)> {
    head.split(['\n', '\r']).flat_map(|line| {
        let (before_tags, tags) = line.split_at(line.find('<').unwrap_or(line.len()));
        let colon_field = before_tags
            .split_once(':')
            .map(|(key, value)| (key.trim(), value));
        let tag_fields = tags
            .split('<')
            .filter_map(|tag| tag.split_once('>'))
            .filter(|(key, _)| !key.starts_with('/'));
        colon_field.into_iter().chain(tag_fields)
    })
}

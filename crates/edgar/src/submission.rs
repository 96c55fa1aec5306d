//! The SGML frame of an EDGAR submission: its header fields and its documents, in every dialect
//! since 1993 (`<SEC-DOCUMENT>`, `<IMS-DOCUMENT>`, `<SUBMISSION>` with one tag a field, headers
//! inside a privacy-enhanced message, end tags missing, all tags gone). It does not read the
//! documents' text.

mod untagged;

use documents::{form_type, one_line};
use memchr::memmem;

use super::dates;
use super::inline_facts::cik;
use untagged::{UntaggedPart, untagged_parts};

/// A submission, or a lone file as a submission of one document.
#[derive(Debug, Default)]
pub(crate) struct Submission<'t> {
    pub(crate) header: Header,
    pub(crate) documents: Vec<Part<'t>>,
}

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

/// One `<DOCUMENT>`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Part<'t> {
    pub(crate) form: Option<String>,
    pub(crate) sequence: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) text: &'t str,
}

/// A header with hundreds of filers is smaller; text without a document is read no further.
const LONGEST_HEADER_BYTES: usize = 1 << 20;
/// What no header lacks.
const HEADER_MARKS: [&str; 4] = [
    "ACCESSION NUMBER:",
    "<ACCESSION-NUMBER>",
    "CONFORMED SUBMISSION TYPE:",
    "<SUBMISSION>",
];

/// The header and documents of a submission; `None` when the text has no SGML frame at all.
pub(crate) fn read_submission(text: &str) -> Option<Submission<'_>> {
    let mut starts = memmem::find_iter(text.as_bytes(), b"<DOCUMENT>").peekable();
    let head_end = starts
        .peek()
        .copied()
        .unwrap_or(text.len())
        .min(LONGEST_HEADER_BYTES);
    let head = &text[..text.floor_char_boundary(head_end)];
    let has_header = HEADER_MARKS.iter().any(|mark| head.contains(mark));
    if starts.peek().is_none() && !has_header {
        return None;
    }
    let mut header = if has_header {
        Header::parse(head)
    } else {
        Header::default()
    };
    let mut documents = Vec::new();
    if starts.peek().is_none()
        && let Some(form) = header.form.as_deref()
    {
        let parts = untagged_parts(text, form);
        documents.extend(parts.iter().map(Part::untagged));
        if let Some(first) = parts.first() {
            // Lines of the text are no fields.
            header = Header::parse(&text[..first.start]);
        }
    }
    while let Some(start) = starts.next() {
        let end = starts.peek().copied().unwrap_or(text.len());
        documents.push(Part::parse(&text[start..end]));
    }
    Some(Submission { header, documents })
}

impl<'t> Part<'t> {
    fn untagged(part: &UntaggedPart<'t>) -> Self {
        Self {
            form: Some(part.form.to_owned()),
            sequence: Some(part.sequence.to_owned()),
            text: part.text,
            ..Self::default()
        }
    }

    fn parse(document: &'t str) -> Self {
        let text_start = document.find("<TEXT>");
        let head = &document[..text_start.unwrap_or(document.len())];
        let body = text_start.map_or("", |start| &document[start + "<TEXT>".len()..]);
        let mut part = Self {
            text: &body[..body.rfind("</TEXT>").unwrap_or(body.len())],
            ..Self::default()
        };
        for (key, value) in fields(head) {
            let value = one_line(value);
            match key {
                _ if value.is_empty() => {}
                "TYPE" if part.form.is_none() => part.form = Some(value),
                "SEQUENCE" if part.sequence.is_none() => part.sequence = Some(value),
                "DESCRIPTION" if part.description.is_none() => part.description = Some(value),
                _ => {}
            }
        }
        part
    }

    /// The type as EDGAR writes it; empty where there is none.
    pub(crate) fn form(&self) -> String {
        self.form.as_deref().map(form_type::normalize).unwrap_or_default()
    }

    /// Whether the part is a file of another kind in text clothes: uuencoded, or a PDF.
    pub(crate) fn is_encoded_binary(&self) -> bool {
        let text = self.text.trim_start();
        text.starts_with("<PDF>")
            || text.lines().take(3).any(|line| {
                line.strip_prefix("begin ")
                    .is_some_and(|rest| rest.len() > 4 && rest.as_bytes()[..3].iter().all(u8::is_ascii_digit))
            })
    }
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
    fn parse(head: &str) -> Self {
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
fn fields(head: &str) -> impl Iterator<Item = (&str, &str)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const MODERN: &str = "<SEC-DOCUMENT>0000000001-24-000002.txt : 20240229\n<SEC-HEADER>0000000001-24-000002.hdr.sgml : 20240229\n\
        <ACCEPTANCE-DATETIME>20240229161502\nACCESSION NUMBER:\t\t0000000001-24-000002\nCONFORMED SUBMISSION TYPE:\t10-K/A\n\
        CONFORMED PERIOD OF REPORT:\t20231231\nFILED AS OF DATE:\t\t20240229\n\nSUBJECT COMPANY:\n\tCOMPANY DATA:\n\
        \t\tCOMPANY CONFORMED NAME:\tOTHER CO\nFILER:\n\n\tCOMPANY DATA:\t\n\t\tCOMPANY CONFORMED NAME:\t\t\tALDER MILLS INC: THE\n\
        \t\tCENTRAL INDEX KEY:\t\t\t0000012345\n\t\tSTANDARD INDUSTRIAL CLASSIFICATION:\tSAWMILLS [2421]\n\
        \t\tSTATE OF INCORPORATION:\tDE\n\t\tFISCAL YEAR END:\t1231\n\n\tBUSINESS ADDRESS:\t\n\t\tSTATE:\tOR\n\n\
        \tMAIL ADDRESS:\n\t\tSTATE:\tWA\n\tFORMER COMPANY:\n\t\tFORMER CONFORMED NAME:\tOAK\nFILER:\n\tCOMPANY DATA:\n\
        \t\tCOMPANY CONFORMED NAME:\tSECOND FILER\n</SEC-HEADER>\n\
        <DOCUMENT>\n<TYPE>10-K/A\n<SEQUENCE>1\n<FILENAME>a.htm\n<DESCRIPTION>THE REPORT\n<TEXT>\nfirst\n</TEXT>\n</DOCUMENT>\n\
        <DOCUMENT>\n<TYPE>EX-21\n<SEQUENCE>2\n<TEXT>\nsecond";

    #[test]
    fn a_header_gives_all_fields_of_the_first_filer() {
        let submission = read_submission(MODERN).unwrap();
        let header = &submission.header;
        assert_eq!(header.accession.as_deref(), Some("0000000001-24-000002"));
        assert_eq!(header.form.as_deref(), Some("10-K/A"));
        assert_eq!(header.period.as_deref(), Some("2023-12-31"));
        assert_eq!(header.filed.as_deref(), Some("2024-02-29"));
        assert_eq!(header.accepted_at.as_deref(), Some("2024-02-29T16:15:02-05:00"));
        let filer = &header.filer;
        assert_eq!(filer.company.as_deref(), Some("ALDER MILLS INC: THE"));
        assert_eq!(filer.cik.as_deref(), Some("0000012345"));
        assert_eq!(filer.sic.as_deref(), Some("2421"));
        assert_eq!(filer.business_state.as_deref(), Some("OR"));
        assert_eq!(filer.state_of_incorporation.as_deref(), Some("DE"));
        assert_eq!(filer.fiscal_year_end.as_deref(), Some("12-31"));
    }

    #[test]
    fn documents_end_where_the_next_begins_when_end_tags_are_missing() {
        let submission = read_submission(MODERN).unwrap();
        let texts: Vec<&str> = submission.documents.iter().map(|part| part.text.trim()).collect();
        assert_eq!(texts, ["first", "second"]);
        assert_eq!(submission.documents[0].description.as_deref(), Some("THE REPORT"));
        assert_eq!(submission.documents[1].sequence.as_deref(), Some("2"));
    }

    #[test]
    fn headers_of_one_tag_a_field_read_the_same_on_one_line_or_many() {
        let tags = "<SUBMISSION>\n<ACCESSION-NUMBER>0000000001-01-000002\n<TYPE>10-Q\n<PERIOD>20010331\n<FILING-DATE>20010510\n<FILER>\n\
            <COMPANY-DATA>\n<CONFORMED-NAME>ALDER MILLS\n<CIK>0000012345\n<ASSIGNED-SIC>2421\n<FISCAL-YEAR-END>1231\n</COMPANY-DATA>\n\
            <BUSINESS-ADDRESS>\n<STATE>OR\n</BUSINESS-ADDRESS>\n</FILER>\n<DOCUMENT>\n<TYPE>10-Q\n<TEXT>x</TEXT>";
        let many = read_submission(tags).unwrap();
        let joined = tags.replace('\n', "");
        let one = read_submission(&joined).unwrap();
        assert_eq!(many.header, one.header);
        assert_eq!(many.header.filer.business_state.as_deref(), Some("OR"));
        assert_eq!(many.header.filer.sic.as_deref(), Some("2421"));
        let carriage_returns = tags.replace('\n', "\r");
        assert_eq!(read_submission(&carriage_returns).unwrap().header, one.header);
    }

    #[test]
    fn uuencoded_parts_and_pdf_wrappers_are_binary() {
        let part = |text| Part {
            text,
            ..Part::default()
        };
        assert!(part("\nbegin 644 report.pdf\nM)5!$1BTQ").is_encoded_binary());
        assert!(part("\n<PDF>\nbegin 644 report.pdf").is_encoded_binary());
        assert!(!part("begin with oak\nand pine").is_encoded_binary());
    }

    #[test]
    fn text_without_a_frame_is_no_submission() {
        assert!(read_submission("<html><p>A note: <b>x</b></p>").is_none());
        assert!(read_submission("").is_none());
        assert!(read_submission(&"\u{20ac}: <x>y".repeat(200_000)).is_none());
    }
}

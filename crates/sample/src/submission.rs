//! Wraps a rendered filing as EDGAR hands it out: a full submission (`.txt`) or the older
//! dissemination form (`.nc`), each with a second document that readers must leave aside.

use super::plan::FilingPlan;

/// How the main document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// Plain text, as it stands.
    Text,
    /// HTML, as it stands.
    Html,
    /// Inline XBRL, inside `<XBRL>`.
    InlineXbrl,
}

/// A full submission with `<SEC-HEADER>` (`<IMS-HEADER>` before 1996).
pub(super) fn full_submission(plan: &FilingPlan, body: Body, text: &str) -> String {
    let company = &plan.company;
    let filed = plan.filed().compact();
    let accession = plan.accession();
    let kind = if plan.filed().year < 1996 { "IMS" } else { "SEC" };
    let accepted = if kind == "SEC" {
        format!(
            "<ACCEPTANCE-DATETIME>{filed}{:06}\n",
            90_000 + plan.index % 80 * 101 % 5_900
        )
    } else {
        String::new()
    };
    let sic = format!("{} [{}]", company.topic.sic.1, company.topic.sic.0);
    let (month, day, _) = company.year_end;
    format!(
        "<{kind}-DOCUMENT>{accession}.txt : {filed}\n<{kind}-HEADER>{accession}.hdr.sgml : {filed}\n{accepted}ACCESSION NUMBER:\t\t{accession}\nCONFORMED SUBMISSION TYPE:\t{form}\nPUBLIC DOCUMENT COUNT:\t\t2\nCONFORMED PERIOD OF REPORT:\t{period}\nFILED AS OF DATE:\t\t{filed}\n\nFILER:\n\n\tCOMPANY DATA:\t\n\t\tCOMPANY CONFORMED NAME:\t\t\t{name}\n\t\tCENTRAL INDEX KEY:\t\t\t{cik:010}\n\t\tSTANDARD INDUSTRIAL CLASSIFICATION:\t{sic}\n\t\tIRS NUMBER:\t\t\t\t{irs}\n\t\tSTATE OF INCORPORATION:\t\t\t{state}\n\t\tFISCAL YEAR END:\t\t\t{month:02}{day:02}\n\n\tFILING VALUES:\n\t\tFORM TYPE:\t\t{form}\n\t\tSEC ACT:\t\t1934 Act\n\t\tSEC FILE NUMBER:\t{file}\n\t\tFILM NUMBER:\t\t{film}\n\n\tBUSINESS ADDRESS:\t\n\t\tSTREET 1:\t\t{street}\n\t\tCITY:\t\t\t{city}\n\t\tSTATE:\t\t\t{state}\n\t\tZIP:\t\t\t{zip}\n\t\tBUSINESS PHONE:\t\t{phone}\n</{kind}-HEADER>\n{main}{exhibit}</{kind}-DOCUMENT>\n",
        form = plan.form(),
        period = plan.period_end().compact(),
        name = company.name.to_uppercase().replace(['.', ','], ""),
        cik = company.cik,
        irs = company.irs_number.replace('-', ""),
        state = company.state.0,
        file = company.file_number,
        film = 10_000_000 + plan.index,
        street = company.street.to_uppercase(),
        city = company.city.to_uppercase(),
        zip = company.zip,
        phone = company.phone,
        main = main_document(plan, body, text),
        exhibit = exhibit(plan, true),
    )
}

/// The `<SUBMISSION>` form, whose header is tags without ends.
pub(super) fn dissemination(plan: &FilingPlan, body: Body, text: &str) -> String {
    let company = &plan.company;
    let filed = plan.filed().compact();
    let (month, day, _) = company.year_end;
    format!(
        "<SUBMISSION>\n<ACCESSION-NUMBER>{accession}\n<TYPE>{form}\n<PUBLIC-DOCUMENT-COUNT>2\n<PERIOD>{period}\n<FILING-DATE>{filed}\n<FILER>\n<COMPANY-DATA>\n<CONFORMED-NAME>{name}\n<CIK>{cik:010}\n<ASSIGNED-SIC>{sic}\n<IRS-NUMBER>{irs}\n<STATE-OF-INCORPORATION>{state}\n<FISCAL-YEAR-END>{month:02}{day:02}\n</COMPANY-DATA>\n<FILING-VALUES>\n<FORM-TYPE>{form}\n<ACT>34\n<FILE-NUMBER>{file}\n</FILING-VALUES>\n<BUSINESS-ADDRESS>\n<STREET1>{street}\n<CITY>{city}\n<STATE>{state}\n<ZIP>{zip}\n</BUSINESS-ADDRESS>\n</FILER>\n{main}{exhibit}</SUBMISSION>\n",
        accession = plan.accession(),
        form = plan.form(),
        period = plan.period_end().compact(),
        name = company.name.to_uppercase().replace(['.', ','], ""),
        cik = company.cik,
        sic = company.topic.sic.0,
        irs = company.irs_number.replace('-', ""),
        state = company.state.0,
        file = company.file_number,
        street = company.street.to_uppercase(),
        city = company.city.to_uppercase(),
        zip = company.zip,
        main = main_document(plan, body, text),
        exhibit = exhibit(plan, false),
    )
}

fn main_document(plan: &FilingPlan, body: Body, text: &str) -> String {
    let (open, close, extension) = match body {
        Body::Text => ("", "", "txt"),
        Body::Html => ("", "", "htm"),
        Body::InlineXbrl => ("<XBRL>\n", "</XBRL>\n", "htm"),
    };
    let form = plan.form();
    let file = format!(
        "{}{}.{extension}",
        plan.company.ticker.to_lowercase(),
        form.to_lowercase().replace('-', "")
    );
    format!(
        "<DOCUMENT>\n<TYPE>{form}\n<SEQUENCE>1\n<FILENAME>{file}\n<DESCRIPTION>FORM {form}\n<TEXT>\n{open}{text}{close}</TEXT>\n</DOCUMENT>\n"
    )
}

/// A certification: another document of the same submission.
fn exhibit(plan: &FilingPlan, has_description: bool) -> String {
    let officer = &plan.company.officers[0];
    let description = if has_description {
        "<DESCRIPTION>CERTIFICATION\n"
    } else {
        ""
    };
    format!(
        "<DOCUMENT>\n<TYPE>EX-31.1\n<SEQUENCE>2\n<FILENAME>ex31.txt\n{description}<TEXT>\nI, {}, certify that I have reviewed this report on Form {} of {}.\n\nDate: {}\n\n/s/ {}\n</TEXT>\n</DOCUMENT>\n",
        officer.name,
        plan.form(),
        plan.company.name,
        plan.filed().long(),
        officer.name
    )
}

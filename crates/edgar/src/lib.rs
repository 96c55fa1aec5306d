//! EDGAR filings to documents: full submissions of every period, lone HTML files with or without
//! inline XBRL, plain text. Annual and quarterly reports become documents; every other form is
//! skipped by name; what is no filing is rejected with its reason.
//!
//! Pure: bytes in, outcomes out. It reads no files and keeps no state.

mod cover_page;
mod dates;
mod decode;
mod exhibits;
mod furniture;
mod html;
mod inline_facts;
mod items;
mod page;
mod plain_text;
mod submission;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod labeled_items;
#[cfg(test)]
mod real_filings;
#[cfg(test)]
mod tests;

pub use decode::decode;
pub use exhibits::{Exhibits, UnknownExhibits};

use std::borrow::Cow;
use std::collections::HashMap;

use documents::{
    Document, Outcome, Section,
    form_type::{self, is_periodic_report},
};
use durable::sha256_hex;

use cover_page::CoverPage;
use decode::{not_text, single_bytes};
use inline_facts::InlineFacts;
use page::Page;
use submission::{Header, Part, Submission};

/// The version of what these readers make of an input; raised with every change to it, so that work
/// of another version is not gone on with.
pub const READER_VERSION: u32 = 2;

/// Where HTML must show itself in a text of unknown kind.
const MARKUP_PROBE_BYTES: usize = 16 * 1024;
/// Digits of a lone file's hash in its id.
const FILE_ID_DIGITS: usize = 16;

/// What became of one filing, or of one report inside a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilingResult {
    /// The name that the input was given under.
    pub path: String,
    /// The document, or why there is none.
    pub outcome: Outcome,
}

/// Reads one input: a submission gives a result for each annual or quarterly report and each
/// annual report to shareholders (`EX-13`) in it, any other input exactly one. Never empty, never panics, linear in the input's length.
///
/// ```
/// use documents::Outcome;
/// use edgar::read_filing;
///
/// let html = b"<p>FORM 10-Q</p><p>Sales of <b>oak</b> rose.</p>";
/// let results = read_filing("report.htm", html);
/// let Outcome::Document(document) = &results[0].outcome else { panic!() };
/// assert_eq!(document.source, "10-Q");
/// assert_eq!(document.blocks[1].text, "Sales of oak rose.");
/// ```
pub fn read_filing(name: &str, bytes: &[u8]) -> Vec<FilingResult> {
    read_filing_with(name, bytes, Exhibits::default())
}

/// [`read_filing`] with a choice of exhibits: each one that is kept gives a result of its own,
/// behind its report.
pub fn read_filing_with(name: &str, bytes: &[u8], exhibits: Exhibits) -> Vec<FilingResult> {
    read_hashed_filing(name, bytes, &sha256_hex(bytes), exhibits)
}

/// [`read_filing_with`] of bytes whose SHA-256 is known, in hex.
pub fn read_hashed_filing(name: &str, bytes: &[u8], sha256: &str, exhibits: Exhibits) -> Vec<FilingResult> {
    let outcomes = match readable_bytes(bytes) {
        Ok(bytes) => read_bytes(name, &bytes, sha256, exhibits),
        Err(reason) => vec![Outcome::Rejected { reason }],
    };
    let result = |outcome| FilingResult {
        path: name.to_owned(),
        outcome,
    };
    outcomes.into_iter().map(result).collect()
}

/// The text that the document of this id was read from, as it stands in the input.
pub fn raw_text(bytes: &[u8], id: &str) -> Option<String> {
    let readable = readable_bytes(bytes).ok()?;
    let Some(submission) = submission::read_submission(&readable) else {
        return Some(decode(&readable).ok()?.into_owned());
    };
    let sha256 = sha256_hex(bytes);
    let mut parts = with_ids(&submission, &sha256);
    parts
        .find(|(own, _)| own == id)
        .map(|(_, part)| part.text().into_owned())
}

/// The bytes of a file that may hold text, of one byte a letter of ASCII; else why it does not.
fn readable_bytes(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    if bytes.trim_ascii().is_empty() {
        return Err("the file holds white space only".to_owned());
    }
    if let Some(what) = not_text(bytes) {
        return Err(format!("the file is {what}, not a filing"));
    }
    single_bytes(bytes).map_err(not_utf16)
}

fn not_utf16(position: usize) -> String {
    format!("the file begins as UTF-16, but byte {position} is none")
}

fn read_bytes(name: &str, bytes: &[u8], sha256: &str, exhibits: Exhibits) -> Vec<Outcome> {
    match submission::read_submission(bytes) {
        Some(Submission { cut: Some(cut), .. }) => vec![Outcome::Rejected {
            reason: cut.to_string(),
        }],
        Some(submission) => read_reports(name, &submission, sha256, exhibits),
        None => vec![match decode(bytes) {
            Ok(text) => read_lone_file(name, &text, sha256),
            Err(position) => Outcome::Rejected {
                reason: not_utf16(position),
            },
        }],
    }
}

/// The annual and quarterly reports of a submission and the exhibits that are wanted, in order.
fn read_reports(name: &str, submission: &Submission<'_>, sha256: &str, exhibits: Exhibits) -> Vec<Outcome> {
    let header = &submission.header;
    let is_report = |part: &Part<'_>| is_periodic_report(&part.form());
    let is_readable_report = |part: &Part<'_>| is_report(part) && !part.is_encoded_binary();
    if !submission.documents.iter().any(is_readable_report) {
        return vec![no_report(submission, submission.documents.iter().any(is_report))];
    }
    let parts: Vec<(String, &Part<'_>)> = with_ids(submission, sha256)
        .filter(|(_, part)| is_readable_report(part) || exhibits.keep(&part.form()))
        .collect();
    let report = parts
        .iter()
        .find(|(_, part)| is_report(part))
        .map(|(id, _)| id.clone());
    let mut outcomes: Vec<Outcome> = parts
        .into_iter()
        .map(|(id, part)| {
            let exhibit_of = report.clone().filter(|_| !is_report(part));
            read_part(name, id, exhibit_of, header, part, sha256)
        })
        .collect();
    find_items_of_annual_reports(&mut outcomes);
    outcomes
}

/// The items that the reports of a submission refer to their `EX-13`, as sections of that.
fn find_items_of_annual_reports(outcomes: &mut [Outcome]) {
    let documents = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Document(document) => Some(&**document),
        _ => None,
    });
    let wanted = items::in_annual_report(documents);
    for outcome in outcomes {
        if let Outcome::Document(document) = outcome
            && document.exhibit_of.is_some()
            && document.source.starts_with("EX-13")
        {
            document.sections = items::find_in_annual_report(&wanted, &document.blocks);
        }
    }
}

fn no_report(submission: &Submission<'_>, is_binary: bool) -> Outcome {
    let stated = submission
        .header
        .form
        .clone()
        .or_else(|| submission.documents.first()?.form.clone());
    let form = stated.map(|form| form_type::normalize(&form));
    let reason = match &form {
        _ if is_binary => "the report is an encoded binary file, not text".to_owned(),
        Some(form) if is_periodic_report(form) => {
            format!("a {form} submission without a document of that type")
        }
        Some(form) => format!("form {form} is no annual or quarterly report"),
        None => "a submission that names no form type".to_owned(),
    };
    Outcome::Skipped { form, reason }
}

/// All documents of a submission with their ids, which so do not depend on which are kept.
fn with_ids<'s, 't>(
    submission: &'s Submission<'t>,
    sha256: &'s str,
) -> impl Iterator<Item = (String, &'s Part<'t>)> {
    let mut ids = Ids::default();
    let id = move |part| (ids.next(&submission.header, part, sha256), part);
    submission.documents.iter().map(id)
}

/// The ids of the documents of one submission.
#[derive(Debug, Default)]
struct Ids {
    /// How often each id came up, suffixed ones included.
    uses: HashMap<String, usize>,
}

impl Ids {
    /// Accession number and sequence; a repeated sequence number gets a suffix, in order.
    fn next(&mut self, header: &Header, part: &Part<'_>, sha256: &str) -> String {
        let stated = match (&header.accession, &part.sequence) {
            (Some(accession), Some(sequence)) => format!("{accession}:{sequence}"),
            (Some(accession), None) => format!("{accession}:1"),
            (None, _) => format!("file:{}", &sha256[..FILE_ID_DIGITS]),
        };
        let mut id = stated.clone();
        while self.uses.contains_key(&id) {
            let uses = self.uses.entry(stated.clone()).or_default();
            *uses += 1;
            id = format!("{stated}.{uses}");
        }
        self.uses.insert(id.clone(), 1);
        id
    }
}

fn read_part(
    name: &str,
    id: String,
    exhibit_of: Option<String>,
    header: &Header,
    part: &Part<'_>,
    sha256: &str,
) -> Outcome {
    let form = part.form();
    if part.is_encoded_binary() {
        let reason = "the exhibit is an encoded binary file, not text".to_owned();
        return Outcome::Skipped {
            form: Some(form),
            reason,
        };
    }
    let text = part.text();
    // The name of the submission says nothing about its parts.
    let is_html = match part.is_named_html() {
        Some(false) => false,
        // Plain text was filed under such names too.
        Some(true) => is_html("", &text) || has_tag(&text.to_ascii_lowercase(), &HTML_TAGS),
        None => is_html("", &text),
    };
    let (page, facts) = read_page(is_html, &text);
    if page.blocks.is_empty() {
        return Outcome::Rejected {
            reason: format!("the {form} document {id} holds no text"),
        };
    }
    // An exhibit has no cover of a form.
    let cover = if exhibit_of.is_none() {
        cover_page::read_cover(&page.blocks)
    } else {
        CoverPage::default()
    };
    let mut document = describe(page, facts, cover, header);
    document.id = id;
    document.source = form;
    document.exhibit_of = exhibit_of;
    document.path = Some(name.to_owned());
    document.title = document.title.or_else(|| part.description.clone());
    sha256.clone_into(&mut document.sha256);
    document.sections = sections(&document);
    Outcome::Document(Box::new(document))
}

/// A file without an SGML frame: its form is what its facts, else its cover, say.
fn read_lone_file(name: &str, text: &str, sha256: &str) -> Outcome {
    let (page, facts) = read_page(is_html(name, text), text);
    if page.blocks.is_empty() {
        return Outcome::Rejected {
            reason: "the file holds no text".to_owned(),
        };
    }
    let cover = cover_page::read_cover(&page.blocks);
    let Some(form) = facts.form.clone().or_else(|| cover.form.clone()) else {
        let reason =
            "no form type: neither a dei:DocumentType fact, nor a <TYPE>, nor a form on the cover page"
                .to_owned();
        return Outcome::Skipped { form: None, reason };
    };
    if !is_periodic_report(&form) {
        let reason = format!("form {form} is no annual or quarterly report");
        return Outcome::Skipped {
            form: Some(form),
            reason,
        };
    }
    let mut document = describe(page, facts, cover, &Header::default());
    document.id = format!("file:{}", &sha256[..FILE_ID_DIGITS]);
    document.source = form;
    document.path = Some(name.to_owned());
    sha256.clone_into(&mut document.sha256);
    document.sections = sections(&document);
    Outcome::Document(Box::new(document))
}

/// The items of a report as sections.
fn sections(document: &Document) -> Vec<Section> {
    let report = items::Report {
        form: &document.source,
        period: document.period.as_deref().or(document.filed.as_deref()),
    };
    items::find_sections(report, &document.blocks)
}

/// The text's blocks, with page furniture marked, and its facts.
fn read_page(is_html: bool, text: &str) -> (Page, InlineFacts) {
    let (mut page, facts) = if is_html {
        html::read_html(text)
    } else {
        (plain_text::read_plain_text(text), InlineFacts::default())
    };
    furniture::mark_furniture(&mut page);
    (page, facts)
}

/// Whether a document's text is HTML, by its file name (empty where it has none) and its beginning.
///
/// Plain text of the 1990s has tags too, so HTML must show one of its own.
pub fn is_html(name: &str, text: &str) -> bool {
    let probe = text[..text.floor_char_boundary(MARKUP_PROBE_BYTES)].to_ascii_lowercase();
    if has_tag(&probe, &HTML_TAGS) {
        return true;
    }
    let lower_name = name.to_ascii_lowercase();
    let is_named_html = [".htm", ".html", ".xhtml"]
        .iter()
        .any(|extension| lower_name.ends_with(extension));
    is_named_html || has_tag(&probe, &["<p>", "<div>", "<p ", "<div ", "<td", "<tr"])
}

/// Tags that HTML has and the SGML of plain text has not.
const HTML_TAGS: [&str; 11] = [
    "<html",
    "<!doctype html",
    "<body",
    "</p>",
    "</div>",
    "</td>",
    "<br>",
    "<br/>",
    "<br />",
    "</font>",
    "</span>",
];

fn has_tag(lower_text: &str, tags: &[&str]) -> bool {
    tags.iter().any(|tag| lower_text.contains(tag))
}

/// Everything that is known about a report: header first, then its facts, then its cover.
fn describe(page: Page, facts: InlineFacts, cover: CoverPage, header: &Header) -> Document {
    let filer = header.filer.clone();
    Document {
        cik: filer.cik.or(facts.cik),
        company: filer.company.or(facts.company).or(cover.company),
        tickers: facts.tickers,
        sic: filer.sic,
        state: filer.business_state.or(filer.state_of_incorporation),
        filed: header.filed.clone(),
        accepted_at: header.accepted_at.clone(),
        period: header.period.clone().or(facts.period).or(cover.period),
        fiscal_year: facts.fiscal_year,
        fiscal_period: facts.fiscal_period,
        fiscal_year_end: filer.fiscal_year_end.or(facts.fiscal_year_end),
        filer_category: facts.filer_category,
        title: page.title,
        blocks: page.blocks,
        tables: page.tables,
        ..Document::default()
    }
}

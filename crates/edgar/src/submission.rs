//! The SGML frame of an EDGAR submission: its header and its documents, in every dialect since 1993
//! (`<SEC-DOCUMENT>`, `<IMS-DOCUMENT>`, `<SUBMISSION>` with one tag a field, headers inside a
//! privacy-enhanced message, end tags missing, all tags gone). It does not read the documents' text.
//!
//! A submission is bytes: each of its documents is a file of its own, in an encoding of its own.

mod header;
mod untagged;

use std::borrow::Cow;
use std::fmt;

use documents::{ends_with_tag, form_type, one_line, submission_frame};
use memchr::memmem;

use super::decode::decode_part;
pub(crate) use header::Header;
use header::fields;
use untagged::{UntaggedPart, untagged_parts};

/// A submission, or a lone file as a submission of one document.
#[derive(Debug, Default)]
pub(crate) struct Submission<'t> {
    pub(crate) header: Header,
    pub(crate) documents: Vec<Part<'t>>,
    /// Where it breaks off, if it does.
    pub(crate) cut: Option<Cut>,
}

/// One `<DOCUMENT>`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Part<'t> {
    pub(crate) form: Option<String>,
    pub(crate) sequence: Option<String>,
    pub(crate) file_name: Option<String>,
    pub(crate) description: Option<String>,
    /// What `<TEXT>` holds.
    pub(crate) bytes: &'t [u8],
}

/// Where a submission breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The byte where it ends.
    end: usize,
    inside: Inside,
}

/// In what a submission breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Header,
    /// The tags of the document that begins at this byte.
    Document(usize),
    /// Its text.
    Text(usize),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the submission is cut: it ends at byte {} inside ", self.end)?;
        match self.inside {
            Inside::Header => f.write_str("its header"),
            Inside::Document(start) => write!(f, "the document that begins at byte {start}"),
            Inside::Text(start) => write!(f, "the <TEXT> of the document that begins at byte {start}"),
        }?;
        f.write_str("; fetch it again")
    }
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
const TEXT: &[u8] = b"<TEXT>";
const TEXT_END: &[u8] = b"</TEXT>";

/// The header and documents of a submission; `None` when the bytes have no SGML frame at all.
pub(crate) fn read_submission(bytes: &[u8]) -> Option<Submission<'_>> {
    let mut starts = memmem::find_iter(bytes, b"<DOCUMENT>").peekable();
    let head_end = starts.peek().copied().unwrap_or(bytes.len());
    let head = &bytes[..head_end.min(LONGEST_HEADER_BYTES)];
    let has_header = HEADER_MARKS
        .iter()
        .any(|mark| memmem::find(head, mark.as_bytes()).is_some());
    if starts.peek().is_none() && !has_header {
        return None;
    }
    let mut header = if has_header {
        Header::parse(&decode_part(whole_lines(head, bytes.len())))
    } else {
        Header::default()
    };
    let mut documents = Vec::new();
    if starts.peek().is_none()
        && let Some(form) = header.form.as_deref()
    {
        let parts = untagged_parts(bytes, form);
        documents.extend(parts.iter().map(Part::untagged));
        if let Some(first) = parts.first() {
            // Lines of the text are no fields.
            header = Header::parse(&decode_part(&bytes[..first.start]));
        }
    }
    let mut last = None;
    while let Some(start) = starts.next() {
        let end = starts.peek().copied().unwrap_or(bytes.len());
        documents.push(Part::parse(&bytes[start..end]));
        last = Some(start);
    }
    let has_documents = !documents.is_empty();
    Some(Submission {
        header,
        documents,
        cut: cut(bytes, last).filter(|cut| cut.inside != Inside::Header || !has_documents),
    })
}

/// A head that ends inside the input, up to the end of its last line: no character is cut in two.
fn whole_lines(head: &[u8], input_bytes: usize) -> &[u8] {
    let end = memchr::memrchr2(b'\n', b'\r', head).filter(|_| head.len() < input_bytes);
    &head[..end.unwrap_or(head.len())]
}

/// Where a submission breaks off whose last document begins at this byte. It is whole when that
/// document's text ends, or with the tag that its first tag asks for.
fn cut(bytes: &[u8], last_document: Option<usize>) -> Option<Cut> {
    let frame = submission_frame(bytes);
    let last_tag = frame.map_or("</DOCUMENT>", |(_, last)| last);
    let inside = match last_document {
        None => frame.map(|_| Inside::Header),
        Some(start) => {
            let document = &bytes[start..];
            match memmem::find(document, TEXT) {
                Some(text) if memmem::rfind(&document[text..], TEXT_END).is_some() => None,
                Some(_) => Some(Inside::Text(start)),
                None => Some(Inside::Document(start)),
            }
        }
    };
    let inside = inside.filter(|_| !ends_with_tag(bytes, last_tag))?;
    Some(Cut {
        end: bytes.len(),
        inside,
    })
}

impl<'t> Part<'t> {
    fn untagged(part: &UntaggedPart<'t>) -> Self {
        Self {
            form: Some(part.form.to_owned()),
            sequence: Some(part.sequence.to_owned()),
            bytes: part.bytes,
            ..Self::default()
        }
    }

    fn parse(document: &'t [u8]) -> Self {
        let text_start = memmem::find(document, TEXT);
        let head = &document[..text_start.unwrap_or(document.len())];
        let body = text_start.map_or(&[][..], |start| &document[start + TEXT.len()..]);
        let mut part = Self {
            bytes: &body[..memmem::rfind(body, TEXT_END).unwrap_or(body.len())],
            ..Self::default()
        };
        for (key, value) in fields(&decode_part(head)) {
            let value = one_line(value);
            match key {
                _ if value.is_empty() => {}
                "TYPE" if part.form.is_none() => part.form = Some(value),
                "SEQUENCE" if part.sequence.is_none() => part.sequence = Some(value),
                "FILENAME" if part.file_name.is_none() => part.file_name = Some(value),
                "DESCRIPTION" if part.description.is_none() => part.description = Some(value),
                _ => {}
            }
        }
        part
    }

    /// Its text, in its own encoding.
    pub(crate) fn text(&self) -> Cow<'t, str> {
        decode_part(self.bytes)
    }

    /// The type as EDGAR writes it; empty where there is none.
    pub(crate) fn form(&self) -> String {
        self.form.as_deref().map(form_type::normalize).unwrap_or_default()
    }

    /// Whether its file name says that it is HTML, or plain text; `None` where it says nothing.
    pub(crate) fn is_named_html(&self) -> Option<bool> {
        let (_, extension) = self.file_name.as_ref()?.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "htm" | "html" | "xhtml" => Some(true),
            "txt" => Some(false),
            _ => None,
        }
    }

    /// Whether the part is a file of another kind in text clothes: uuencoded, or a PDF.
    pub(crate) fn is_encoded_binary(&self) -> bool {
        let text = self.bytes.trim_ascii_start();
        let mut lines = text.split(|byte| *byte == b'\n').take(3);
        text.starts_with(b"<PDF>")
            || lines.any(|line| {
                line.strip_prefix(b"begin ")
                    .is_some_and(|rest| rest.len() > 4 && rest[..3].iter().all(u8::is_ascii_digit))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Submission<'_> {
        read_submission(text.as_bytes()).unwrap()
    }

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
        let submission = read(MODERN);
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
        let submission = read(MODERN);
        let texts: Vec<&str> = submission
            .documents
            .iter()
            .map(|part| std::str::from_utf8(part.bytes).unwrap().trim())
            .collect();
        assert_eq!(texts, ["first", "second"]);
        assert_eq!(submission.documents[0].description.as_deref(), Some("THE REPORT"));
        assert_eq!(submission.documents[1].sequence.as_deref(), Some("2"));
    }

    #[test]
    fn headers_of_one_tag_a_field_read_the_same_on_one_line_or_many() {
        let tags = "<SUBMISSION>\n<ACCESSION-NUMBER>0000000001-01-000002\n<TYPE>10-Q\n<PERIOD>20010331\n<FILING-DATE>20010510\n<FILER>\n\
            <COMPANY-DATA>\n<CONFORMED-NAME>ALDER MILLS\n<CIK>0000012345\n<ASSIGNED-SIC>2421\n<FISCAL-YEAR-END>1231\n</COMPANY-DATA>\n\
            <BUSINESS-ADDRESS>\n<STATE>OR\n</BUSINESS-ADDRESS>\n</FILER>\n<DOCUMENT>\n<TYPE>10-Q\n<TEXT>x</TEXT>";
        let many = read(tags);
        let joined = tags.replace('\n', "");
        let one = read(&joined);
        assert_eq!(many.header, one.header);
        assert_eq!(many.header.filer.business_state.as_deref(), Some("OR"));
        assert_eq!(many.header.filer.sic.as_deref(), Some("2421"));
        let carriage_returns = tags.replace('\n', "\r");
        assert_eq!(read(&carriage_returns).header, one.header);
    }

    #[test]
    fn uuencoded_parts_and_pdf_wrappers_are_binary() {
        let part = |text: &'static str| Part {
            bytes: text.as_bytes(),
            ..Part::default()
        };
        assert!(part("\nbegin 644 report.pdf\nM)5!$1BTQ").is_encoded_binary());
        assert!(part("\n<PDF>\nbegin 644 report.pdf").is_encoded_binary());
        assert!(!part("begin with oak\nand pine").is_encoded_binary());
    }

    #[test]
    fn text_without_a_frame_is_no_submission() {
        assert!(read_submission(b"<html><p>A note: <b>x</b></p>").is_none());
        assert!(read_submission(b"").is_none());
        assert!(read_submission("\u{20ac}: <x>y".repeat(200_000).as_bytes()).is_none());
    }

    #[test]
    fn a_file_name_says_whether_a_part_is_html() {
        for (name, is_html) in [
            ("a.htm", Some(true)),
            ("D10K.HTML", Some(true)),
            ("a.b.txt", Some(false)),
            ("a.pdf", None),
            ("htm", None),
        ] {
            let text = format!("<DOCUMENT>\n<TYPE>10-K\n<FILENAME>{name}\n<TEXT>\nx\n</TEXT>\n");
            assert_eq!(read(&text).documents[0].is_named_html(), is_html, "{name}");
        }
        assert_eq!(
            read("<DOCUMENT>\n<TYPE>10-K\n<TEXT>x</TEXT>").documents[0].is_named_html(),
            None
        );
    }

    #[test]
    fn parts_are_decoded_one_by_one() {
        let part = |text: &[u8]| {
            [
                b"<DOCUMENT>\n<TYPE>10-K\n<TEXT>\n",
                text,
                b"\n</TEXT>\n</DOCUMENT>\n",
            ]
            .concat()
        };
        let bytes = [
            part("caf\u{e9}".as_bytes()),
            part(b"mill\x92s"),
            part(b"\xef\xbb\xbfoak"),
        ]
        .concat();
        let submission = read_submission(&bytes).unwrap();
        let texts: Vec<String> = submission
            .documents
            .iter()
            .map(|part| part.text().trim().to_owned())
            .collect();
        assert_eq!(texts, ["caf\u{e9}", "mill\u{2019}s", "oak"]);
    }

    #[test]
    fn a_submission_that_breaks_off_inside_a_document_is_cut_wherever_that_is() {
        let whole = format!("{MODERN}\n</TEXT>\n</DOCUMENT>\n</SEC-DOCUMENT>\n");
        assert_eq!(read(&whole).cut, None);
        let document = whole.rfind("<DOCUMENT>").unwrap();
        let text_end = whole.rfind("</TEXT>").unwrap() + "</TEXT>".len();
        let text = whole.rfind("<TEXT>").unwrap() + "<TEXT>".len();
        for end in document + "<DOCUMENT>".len()..whole.len() {
            let inside = match end {
                end if end < text => Some(Inside::Document(document)),
                end if end < text_end => Some(Inside::Text(document)),
                _ => None,
            };
            assert_eq!(
                read(&whole[..end]).cut,
                inside.map(|inside| Cut { end, inside }),
                "{end}"
            );
        }
        let header = whole.find("</SEC-HEADER>").unwrap();
        let cut = read(&whole[..header]).cut.unwrap();
        assert_eq!(
            cut.to_string(),
            format!("the submission is cut: it ends at byte {header} inside its header; fetch it again")
        );
        // End tags may be missing, but for that of the frame.
        assert_eq!(read(&format!("{MODERN}\n</SEC-DOCUMENT>")).cut, None);
        assert_eq!(
            read("<DOCUMENT>\n<TYPE>10-K\n<TEXT>\noak\n</DOCUMENT>\n").cut,
            None
        );
        let cut = Cut {
            end: 33,
            inside: Inside::Text(0),
        };
        assert_eq!(read("<DOCUMENT>\n<TYPE>10-K\n<TEXT>\noak\n").cut, Some(cut));
    }
}

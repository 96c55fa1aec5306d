//! One line of texts to a document, or to the reason why it is none. Pure.
//!
//! A line is a JSON object. `id` and `text` must be there. `source`, `company`, `cik`, `ticker`,
//! `form`, `year`, `filed` and `section` may be; null and empty ones say nothing, other fields are
//! passed over.

use documents::{Block, BlockKind, Document, MOST_DOCUMENT_BYTES, Outcome, Section, SectionStatus, one_line};
use durable::sha256_hex;
use serde::Deserialize;

use crate::selection::day::Day;
use crate::sources::texts::field::Field;
use crate::sources::texts::lines::{Line, MOST_LINE_BYTES};

/// What ids of texts begin with: `text:ID`, the id as the line states it.
pub(in crate::sources) const ID_PREFIX: &str = "text";
/// The source of a text that names neither `source` nor `form`.
const SOURCE: &str = "text";
/// Ids are shown, and listed one a line.
const MOST_ID_BYTES: usize = 512;
/// Sources become columns of tables and names of files.
const MOST_SOURCE_BYTES: usize = 128;
/// Names of companies, tickers and sections are kept in memory and shown.
const MOST_WORD_BYTES: usize = 512;
const CIK_DIGITS: usize = 10;
/// What a block takes in a document's JSON beside its text.
const BLOCK_JSON_BYTES: u64 = r#"{"kind":"paragraph","text":""}"#.len() as u64;
/// What programs write where they have no name: as a name it would join all such texts into one filer.
const NO_NAMES: [&str; 7] = ["nan", "none", "null", "n/a", "na", "unknown", "-"];

/// The fields as they stand there, of whatever type.
#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    id: Field,
    #[serde(default)]
    text: Field,
    #[serde(default)]
    source: Field,
    #[serde(default)]
    company: Field,
    #[serde(default)]
    cik: Field,
    #[serde(default)]
    ticker: Field,
    #[serde(default)]
    form: Field,
    #[serde(default)]
    year: Field,
    #[serde(default)]
    filed: Field,
    #[serde(default)]
    section: Field,
}

/// What became of a line of the file of this name.
pub(super) fn outcome_of(line: &Line, name: &str) -> Outcome {
    let document = match line {
        Line::Text(line) => document_of(line, name),
        Line::TooLong => Err(format!(
            "the line has more than {MOST_LINE_BYTES} bytes, the most that are read of one"
        )),
    };
    match document {
        Ok(document) => Outcome::Document(Box::new(document)),
        Err(reason) => Outcome::Rejected { reason },
    }
}

/// Whether a document was read from this line.
pub(super) fn is_of(line: &[u8], document: &Document) -> bool {
    hash_of(line) == document.sha256
}

/// The text of a line as it stands there.
pub(super) fn text_of(line: &[u8]) -> Option<String> {
    match fields_of(line).ok()?.text {
        Field::Text(text) => Some(text),
        _ => None,
    }
}

fn hash_of(line: &[u8]) -> String {
    sha256_hex(line.trim_ascii())
}

fn fields_of(line: &[u8]) -> Result<Fields, String> {
    let text = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8")?;
    // A list would be taken for the fields in their order.
    if !text.trim_start().starts_with('{') {
        return Err("the line is not a JSON object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| {
        let problem = error.to_string();
        // Where in the line it is would make every reason another one.
        let problem = problem.split(" at line ").next().unwrap_or_default();
        if error.is_data() {
            "the line has a field twice".to_owned()
        } else {
            format!("the line is not JSON: {problem}")
        }
    })
}

fn document_of(line: &[u8], name: &str) -> Result<Document, String> {
    let fields = fields_of(line)?;
    let blocks = blocks(&fields.text, MOST_DOCUMENT_BYTES)?;
    Ok(Document {
        id: format!("{ID_PREFIX}:{}", id(&fields.id)?),
        source: source(&fields)?,
        cik: cik(&fields.cik)?,
        company: name_of("company", &fields.company)?,
        tickers: name_of("ticker", &fields.ticker)?.into_iter().collect(),
        filed: filed(&fields.filed)?,
        fiscal_year: year(&fields.year)?,
        path: Some(name.to_owned()),
        sha256: hash_of(line),
        sections: section(&fields.section, blocks.len())?,
        blocks,
        ..Document::default()
    })
}

fn id(field: &Field) -> Result<String, String> {
    let id = match field {
        Field::Nothing => return Err("`id` is missing".to_owned()),
        Field::Text(id) => id.trim().to_owned(),
        Field::Number(id) if is_whole(id.strip_prefix('-').unwrap_or(id)) => id.clone(),
        _ => return Err("`id` is neither text nor a whole number".to_owned()),
    };
    if id.is_empty() {
        Err("`id` is empty".to_owned())
    } else if id.len() > MOST_ID_BYTES {
        Err(format!("`id` has more than {MOST_ID_BYTES} bytes"))
    } else if id.contains(is_unseen) {
        Err("`id` has a line break or another invisible character".to_owned())
    } else {
        Ok(id)
    }
}

/// Whether a character has no ink, breaks a line or turns its direction: two ids that look alike
/// would be two.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn source(fields: &Fields) -> Result<String, String> {
    let form = word("form", &fields.form)?;
    let source = word("source", &fields.source)?.or(form);
    let source = source.unwrap_or_else(|| SOURCE.to_owned());
    if source.len() > MOST_SOURCE_BYTES {
        Err(format!(
            "`source` or `form` has more than {MOST_SOURCE_BYTES} bytes"
        ))
    } else if source.contains('@') {
        Err("`source` or `form` has an @, which stands before a date in names of held-out sources".to_owned())
    } else if source == "wiki" {
        Err("`source` or `form` is wiki, the source of Wikipedia's pages".to_owned())
    } else {
        Ok(source)
    }
}

/// The lines of the text, each a paragraph: nobody here knows what else they are. What would be too
/// long as JSON is refused before it is all in memory.
fn blocks(field: &Field, most_bytes: u64) -> Result<Vec<Block>, String> {
    let text = match field {
        Field::Nothing => return Err("`text` is missing".to_owned()),
        Field::Text(text) => text,
        _ => return Err("`text` is not text".to_owned()),
    };
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    for line in text.split(['\n', '\r']) {
        let line = one_line(line);
        if line.is_empty() {
            continue;
        }
        // At least so many: what JSON escapes takes more.
        bytes += BLOCK_JSON_BYTES + line.len() as u64;
        if bytes > most_bytes {
            return Err(format!("the document has more than {most_bytes} bytes as JSON"));
        }
        blocks.push(Block::new(BlockKind::Paragraph, line));
    }
    if blocks.is_empty() {
        return Err("`text` is empty".to_owned());
    }
    Ok(blocks)
}

/// A field of one line; `None` where it says nothing.
fn word(name: &str, field: &Field) -> Result<Option<String>, String> {
    match field {
        Field::Nothing => Ok(None),
        Field::Text(text) => Ok(Some(one_line(text)).filter(|text| !text.is_empty())),
        Field::Number(_) | Field::Other => Err(format!("`{name}` is not text")),
    }
}

fn short(name: &str, word: Option<String>) -> Result<Option<String>, String> {
    match word {
        Some(word) if word.len() > MOST_WORD_BYTES => {
            Err(format!("`{name}` has more than {MOST_WORD_BYTES} bytes"))
        }
        word => Ok(word),
    }
}

/// A name; `None` also where what stands there only says that there is none.
fn name_of(name: &str, field: &Field) -> Result<Option<String>, String> {
    let found = short(name, word(name, field)?)?;
    let is_name = |found: &String| !NO_NAMES.iter().any(|none| none.eq_ignore_ascii_case(found));
    Ok(found.filter(is_name))
}

/// The digits of a field that may be written as a number or as text, without zeros before them.
fn digits(name: &str, field: &Field) -> Result<Option<String>, String> {
    let text = match field {
        Field::Number(number) => Some(number.clone()),
        field => word(name, field).map_err(|_| format!("`{name}` is neither text nor a number"))?,
    };
    let Some(text) = text else { return Ok(None) };
    // Tables with gaps are often saved with their whole numbers as 2019.0, some of them as text.
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if !is_whole(text) {
        return Err(format!("`{name}` is not a whole number"));
    }
    let trimmed = text.trim_start_matches('0');
    Ok(Some(if trimmed.is_empty() { "0" } else { trimmed }.to_owned()))
}

fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn cik(field: &Field) -> Result<Option<String>, String> {
    match digits("cik", field)? {
        Some(cik) if cik.len() > CIK_DIGITS => Err(format!("`cik` has more than {CIK_DIGITS} digits")),
        Some(cik) if cik == "0" => Err("`cik` is 0".to_owned()),
        cik => Ok(cik.map(|cik| format!("{cik:0>CIK_DIGITS$}"))),
    }
}

fn year(field: &Field) -> Result<Option<i32>, String> {
    let year = digits("year", field)?;
    let parsed = year.map(|year| year.parse::<i32>().ok().filter(|year| *year <= 9999));
    match parsed {
        Some(None) => Err("`year` is not a year".to_owned()),
        parsed => Ok(parsed.flatten()),
    }
}

fn filed(field: &Field) -> Result<Option<String>, String> {
    let filed = word("filed", field)?;
    match filed.as_deref().map(str::parse::<Day>) {
        Some(Err(_)) => Err("`filed` is not a date like 2019-12-31".to_owned()),
        Some(Ok(day)) => Ok(Some(day.to_string())),
        None => Ok(None),
    }
}

/// The item that the text is, all of it.
fn section(field: &Field, num_blocks: usize) -> Result<Vec<Section>, String> {
    let item = match field {
        Field::Number(item) => Some(item.clone()),
        field => word("section", field)?,
    };
    let section = |item| Section::new(item, SectionStatus::Stated, 0..num_blocks);
    Ok(short("section", item)?.map(section).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_cut_no_further_than_a_document_may_be_long() {
        let text = Field::Text("a\n".repeat(1_000));
        let bytes = 1_000 * (BLOCK_JSON_BYTES + 1);
        assert_eq!(blocks(&text, bytes).unwrap().len(), 1_000);
        let refused = blocks(&text, bytes - 1).unwrap_err();
        assert!(
            refused.contains("more than") && refused.contains("as JSON"),
            "{refused}"
        );
        let block = documents::json_line(&Block::new(BlockKind::Paragraph, "")).unwrap();
        assert_eq!(block.trim_ascii_end().len() as u64, BLOCK_JSON_BYTES);
    }
}

//! One line of texts to a document, or to the reason why it is none. Pure.
//!
//! A line is a JSON object. `id` and `text` must be there. `source`, `company`, `cik`, `ticker`,
//! `form`, `year`, `filed` and `section` may be; null and empty ones say nothing, other fields are
//! passed over.

use documents::{Block, BlockKind, Document, Outcome, Section, one_line};
use durable::sha256_hex;
use serde::Deserialize;
use serde_json::Value;

use crate::selection::day::Day;
use crate::sources::texts::lines::{Line, MOST_LINE_BYTES};

/// What ids of texts begin with: `text:ID`, the id as the line states it.
pub(in crate::sources) const ID_PREFIX: &str = "text";
/// The source of a text that names neither `source` nor `form`.
const SOURCE: &str = "text";
/// How a section was found: the line says so.
const STATED: &str = "stated";
/// Ids are shown, and listed one a line.
const MOST_ID_BYTES: usize = 512;
/// Sources become columns of tables and names of files.
const MOST_SOURCE_BYTES: usize = 128;
const CIK_DIGITS: usize = 10;

/// The fields as they stand there, of whatever type.
#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    text: Value,
    #[serde(default)]
    source: Value,
    #[serde(default)]
    company: Value,
    #[serde(default)]
    cik: Value,
    #[serde(default)]
    ticker: Value,
    #[serde(default)]
    form: Value,
    #[serde(default)]
    year: Value,
    #[serde(default)]
    filed: Value,
    #[serde(default)]
    section: Value,
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
        Value::String(text) => Some(text),
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
        return Err("the line is no JSON object".to_owned());
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
    let blocks = blocks(&fields.text)?;
    let form = word("form", &fields.form)?;
    let source = word("source", &fields.source)?.or(form);
    let source = source.unwrap_or_else(|| SOURCE.to_owned());
    if source.len() > MOST_SOURCE_BYTES {
        return Err(format!(
            "`source` or `form` has more than {MOST_SOURCE_BYTES} bytes"
        ));
    }
    Ok(Document {
        id: format!("{ID_PREFIX}:{}", id(&fields.id)?),
        source,
        cik: cik(&fields.cik)?,
        company: word("company", &fields.company)?,
        tickers: word("ticker", &fields.ticker)?.into_iter().collect(),
        filed: filed(&fields.filed)?,
        fiscal_year: year(&fields.year)?,
        path: Some(name.to_owned()),
        sha256: hash_of(line),
        sections: section(&fields.section, blocks.len())?,
        blocks,
        ..Document::default()
    })
}

fn id(value: &Value) -> Result<String, String> {
    let id = match value {
        Value::Null => return Err("`id` is missing".to_owned()),
        Value::String(id) => id.trim().to_owned(),
        Value::Number(id) if id.is_i64() || id.is_u64() => id.to_string(),
        _ => return Err("`id` is neither text nor a whole number".to_owned()),
    };
    if id.is_empty() {
        Err("`id` is empty".to_owned())
    } else if id.len() > MOST_ID_BYTES {
        Err(format!("`id` has more than {MOST_ID_BYTES} bytes"))
    } else if id.contains(char::is_control) {
        Err("`id` has a line break or another control character".to_owned())
    } else {
        Ok(id)
    }
}

/// The lines of the text, each a paragraph: nobody here knows what else they are.
fn blocks(value: &Value) -> Result<Vec<Block>, String> {
    let text = match value {
        Value::Null => return Err("`text` is missing".to_owned()),
        Value::String(text) => text,
        _ => return Err("`text` is no text".to_owned()),
    };
    let lines = text.split(['\n', '\r']).map(one_line);
    let blocks: Vec<Block> = lines
        .filter(|line| !line.is_empty())
        .map(|line| Block::new(BlockKind::Paragraph, line))
        .collect();
    if blocks.is_empty() {
        return Err("`text` is empty".to_owned());
    }
    Ok(blocks)
}

/// A field of one line; `None` where it says nothing.
fn word(name: &str, value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(one_line(text)).filter(|text| !text.is_empty())),
        _ => Err(format!("`{name}` is no text")),
    }
}

/// The digits of a field that may be written as a number or as text.
fn digits(name: &str, value: &Value) -> Result<Option<String>, String> {
    let text = match value {
        // Tables with gaps are often saved with their whole numbers as 2019.0.
        Value::Number(number) => {
            let text = number.to_string();
            Some(text.strip_suffix(".0").unwrap_or(&text).to_owned())
        }
        value => word(name, value).map_err(|_| format!("`{name}` is neither text nor a number"))?,
    };
    let is_number = |text: &String| text.bytes().all(|byte| byte.is_ascii_digit());
    match text {
        Some(text) if !is_number(&text) => Err(format!("`{name}` is no whole number")),
        text => Ok(text),
    }
}

fn cik(value: &Value) -> Result<Option<String>, String> {
    match digits("cik", value)? {
        Some(cik) if cik.len() > CIK_DIGITS => Err(format!("`cik` has more than {CIK_DIGITS} digits")),
        Some(cik) if cik.trim_start_matches('0').is_empty() => Err("`cik` is 0".to_owned()),
        cik => Ok(cik.map(|cik| format!("{cik:0>CIK_DIGITS$}"))),
    }
}

fn year(value: &Value) -> Result<Option<i32>, String> {
    let year = digits("year", value)?;
    let parsed = year.map(|year| year.parse::<i32>().ok().filter(|year| *year <= 9999));
    match parsed {
        Some(None) => Err("`year` is no year".to_owned()),
        parsed => Ok(parsed.flatten()),
    }
}

fn filed(value: &Value) -> Result<Option<String>, String> {
    let filed = word("filed", value)?;
    match filed.as_deref().map(str::parse::<Day>) {
        Some(Err(_)) => Err("`filed` is no date as 2019-12-31".to_owned()),
        _ => Ok(filed),
    }
}

/// The item that the text is, all of it.
fn section(value: &Value, num_blocks: usize) -> Result<Vec<Section>, String> {
    let item = match value {
        Value::Number(item) => Some(item.to_string()),
        value => word("section", value)?,
    };
    let section = |item| Section {
        item,
        status: STATED.to_owned(),
        first_block: 0,
        end_block: u32::try_from(num_blocks).unwrap_or(u32::MAX),
    };
    Ok(item.map(section).into_iter().collect())
}

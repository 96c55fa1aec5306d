//! Documents that `WikiExtractor` wrote: `<doc id= url= title=>`, the title, a line a paragraph.

use documents::{Block, BlockKind, Document, Outcome};
use memchr::memchr;

use super::page::{PageResult, rejected, skipped};
use super::wikitext::plain_line;

/// How an item of a list begins, as its versions write it.
const BULLETS: [&str; 3] = ["BULLET::::", "- ", "* "];

/// Reads `<doc ...>` to `</doc>`; `position` in the file names it when it cannot be read.
pub(super) fn read_extract(bytes: &[u8], position: u64) -> PageResult {
    let (tag, body) = match memchr(b'\n', bytes) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[][..]),
    };
    // Enough to name a document that is rejected.
    let title = attribute(&String::from_utf8_lossy(tag), "title").map(|title| plain_line(&title));
    let outcome = match (str::from_utf8(tag), str::from_utf8(body)) {
        (Ok(tag), Ok(body)) => outcome(tag, body, title.as_deref()),
        _ => rejected("the document is not UTF-8"),
    };
    let title = title.unwrap_or_else(|| format!("the document at byte {position}"));
    PageResult::new(title, outcome)
}

fn outcome(tag: &str, body: &str, title: Option<&str>) -> Outcome {
    let number = |name| attribute(tag, name)?.parse::<u64>().ok();
    let (Some(page_id), Some(title)) = (number("id"), title) else {
        return rejected("the document has no id or no title");
    };
    let body = body.rsplit_once("</doc>").map_or(body, |(body, _)| body);
    let mut lines = body.lines().filter(|line| !line.trim().is_empty()).peekable();
    // The first line repeats the title.
    lines.next_if(|line| plain_line(line) == title);
    let blocks: Vec<Block> = lines.map(block).filter(|block| !block.text.is_empty()).collect();
    if blocks.is_empty() {
        return skipped("no text");
    }
    let heading = Block::new(BlockKind::Heading, title);
    Outcome::Document(Box::new(Document {
        // Most versions state no revision.
        id: format!("wiki:{page_id}:{}", number("revid").unwrap_or(0)),
        source: "wiki".to_owned(),
        url: attribute(tag, "url").filter(|url| url.starts_with("http")),
        title: Some(title.to_owned()),
        sha256: durable::sha256_hex(body.as_bytes()),
        blocks: std::iter::once(heading)
            .filter(|heading| !heading.text.is_empty())
            .chain(blocks)
            .collect(),
        ..Document::default()
    }))
}

fn block(line: &str) -> Block {
    let line = line.trim();
    let item = BULLETS.iter().find_map(|bullet| line.strip_prefix(bullet));
    match item {
        Some(item) => Block::new(
            BlockKind::ListItem,
            plain_line(item.trim_start_matches(['-', ' '])),
        ),
        None => Block::new(BlockKind::Paragraph, plain_line(line)),
    }
}

/// The value of ` name="value"`; titles hold unescaped quotes, so the last attribute ends where
/// the tag does.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = tag.trim_end().strip_suffix('>')?;
    let (_, value) = tag.split_once(&format!(" {name}=\""))?;
    let end = value.find("\" ").filter(|_| name != "title");
    let value = match end {
        Some(end) => &value[..end],
        None => value.strip_suffix('"')?,
    };
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> PageResult {
        read_extract(text.as_bytes(), 7)
    }

    #[test]
    fn a_document_has_its_identity_and_a_block_a_line() {
        let result = read(
            "<doc id=\"12\" revid=\"34\" url=\"https://x.example/wiki?curid=12\" title=\"\"A\" &amp; B\">\n\"A\" &amp; B\n\nOne &lt;two&gt; [[x]].\nBULLET::::- three\n</doc>",
        );
        assert_eq!(result.title, "\"A\" & B");
        let Outcome::Document(document) = result.outcome else {
            panic!("{:?}", result.outcome)
        };
        assert_eq!(document.id, "wiki:12:34");
        assert_eq!(document.url.as_deref(), Some("https://x.example/wiki?curid=12"));
        assert_eq!(
            document.blocks,
            [
                Block::new(BlockKind::Heading, "\"A\" & B"),
                Block::new(BlockKind::Paragraph, "One <two> [ [x]]."),
                Block::new(BlockKind::ListItem, "three"),
            ]
        );
    }

    #[test]
    fn a_document_that_is_not_utf_8_is_rejected_by_its_title() {
        for (tag, body) in [(&b"Caf\xe9"[..], &b"text"[..]), (b"Cafe", b"na\xefve")] {
            let bytes = [b"<doc id=\"12\" title=\"", tag, b"\">\nA\n", body, b"\n</doc>"].concat();
            let result = read_extract(&bytes, 7);
            assert!(result.title.starts_with("Caf"), "{result:?}");
            assert_eq!(result.outcome, rejected("the document is not UTF-8"));
        }
    }

    #[test]
    fn a_title_alone_is_no_text_and_a_document_without_id_is_rejected() {
        let empty = read("<doc id=\"12\" url=\"?curid=12\" title=\"A\">\nA\n\n\n</doc>");
        assert_eq!(empty.outcome, skipped("no text"));
        let nameless = read("<doc title=\"A\">\nA\ntext\n</doc>");
        assert!(matches!(nameless.outcome, Outcome::Rejected { .. }));
        let broken = read("<doc ");
        assert_eq!(broken.title, "the document at byte 7");
    }
}

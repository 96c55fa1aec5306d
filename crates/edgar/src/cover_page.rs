//! What a filing says about itself in the words of its cover page, for files that come without a
//! header. It reads the first lines only and never infers.

mod named_form;

use std::sync::LazyLock;

use documents::{Block, split_cells};
use regex::Regex;

use super::dates;
use named_form::pattern;

/// A cover page has about fifty lines; a contents page in front of it happens.
const COVER_BLOCKS: usize = 150;
/// The name of a company is short.
const LONGEST_NAME_BYTES: usize = 120;

static PERIOD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:fiscal year|quarterly period|quarter|year|period|months) (?:ended|ending)\s*:?\s*(.{0,60})",
    )
});
static REGISTRANT_NAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)exact\s+name\s+of\s+(?:the\s+)?(?:registrant|small business issuer|company)")
});

/// What the cover states; `None` where it is silent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CoverPage {
    pub(crate) form: Option<String>,
    pub(crate) period: Option<String>,
    pub(crate) company: Option<String>,
}

/// Reads the cover out of a document's first blocks.
pub(crate) fn read_cover(blocks: &[Block]) -> CoverPage {
    let cover = &blocks[..blocks.len().min(COVER_BLOCKS)];
    CoverPage {
        form: form(cover),
        period: period(cover),
        company: company(cover),
    }
}

fn form(cover: &[Block]) -> Option<String> {
    let cells = cover.iter().flat_map(|block| split_cells(&block.text));
    named_form::named_form(&cells.collect::<Vec<_>>())
}

fn period(cover: &[Block]) -> Option<String> {
    cover.iter().enumerate().find_map(|(index, block)| {
        let captures = PERIOD.captures(&block.text)?;
        // The date may stand in the next line.
        let next = cover
            .get(index + 1)
            .map(|block| block.text.as_str())
            .unwrap_or_default();
        dates::first_date(&captures[1])
            .or_else(|| captures[1].len().lt(&4).then(|| dates::first_date(next))?)
    })
}

fn company(cover: &[Block]) -> Option<String> {
    let label = cover
        .iter()
        .position(|block| REGISTRANT_NAME.is_match(&block.text))?;
    let line = &cover.get(label.checked_sub(1)?)?.text;
    let mut cells = split_cells(line).filter(|cell| !cell.is_empty());
    let name = cells.next()?;
    let is_name = name.len() <= LONGEST_NAME_BYTES
        && cells.next().is_none()
        && !name.to_ascii_lowercase().contains("file n")
        && name.chars().any(char::is_alphabetic);
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use documents::BlockKind;

    fn cover(lines: &[&str]) -> CoverPage {
        let blocks: Vec<Block> = lines
            .iter()
            .map(|line| Block::new(BlockKind::Paragraph, *line))
            .collect();
        read_cover(&blocks)
    }

    #[test]
    fn the_covers_own_words_give_form_period_and_company() {
        let page = cover(&[
            "UNITED STATES",
            "Form 10\u{2011}K",
            "(Mark One)",
            "For the fiscal year ended",
            "December 31, 1998",
            "ALDER MILLS, INC.",
            "(Exact name of registrant as specified in its charter)",
        ]);
        assert_eq!(page.form.as_deref(), Some("10-K"));
        assert_eq!(page.period.as_deref(), Some("1998-12-31"));
        assert_eq!(page.company.as_deref(), Some("ALDER MILLS, INC."));
    }
}

//! What a filing says about itself in the words of its cover page, for files that come without a
//! header. It reads the first lines only and never infers.

use std::sync::LazyLock;

use documents::{Block, form_type, split_cells};
use regex::Regex;

use super::dates;

/// A cover page has about fifty lines; a contents page in front of it happens.
const COVER_BLOCKS: usize = 150;
/// A line that states the form is short.
const LONGEST_FORM_LINE_BYTES: usize = 60;

static FORM_LINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:united states )?(?:annual report on |quarterly report on )?form\s*:?\s*(\d{1,2}-?[a-z]{1,4}\d{0,3}(?:/a)?|[a-z]{1,3}-\d{1,2}(?:/a)?)\b",
    )
});
static AMENDMENT_LINE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^\(?amendment no\b"));
static REPORT_LINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(annual|quarterly) report (?:pursuant to|under) section 13 or 15\s?\(d\)")
});
static PERIOD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:fiscal year|quarterly period|quarter|year|period|months) (?:ended|ending)\s*:?\s*(.{0,60})",
    )
});
static REGISTRANT_NAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)exact\s+name\s+of\s+(?:the\s+)?(?:registrant|small business issuer|company)")
});

#[expect(
    clippy::expect_used,
    reason = "the patterns are literals and a test compiles each"
)]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a literal pattern")
}

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
    let cells = || cover.iter().flat_map(|block| split_cells(&block.text));
    let stated = cells()
        .filter(|cell| cell.len() <= LONGEST_FORM_LINE_BYTES)
        .find_map(|cell| {
            Some(form_type::normalize(
                &FORM_LINE.captures(&form_type::normalize_dashes(cell))?[1],
            ))
        });
    let form = stated.or_else(|| {
        let report = cells().find_map(|cell| Some(REPORT_LINE.captures(cell)?[1].to_ascii_lowercase()))?;
        Some(if report == "annual" { "10-K" } else { "10-Q" }.to_owned())
    })?;
    let is_amendment = cells().any(|cell| AMENDMENT_LINE.is_match(cell)) && !form.ends_with("/A");
    Some(if is_amendment { form + "/A" } else { form })
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
    let is_name = name.len() <= LONGEST_FORM_LINE_BYTES * 2
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

    #[test]
    fn amendments_are_told_by_their_line() {
        assert_eq!(cover(&["FORM 10-Q/A"]).form.as_deref(), Some("10-Q/A"));
        assert_eq!(
            cover(&["FORM 10-K", "(Amendment No. 1)"]).form.as_deref(),
            Some("10-K/A")
        );
        assert_eq!(cover(&["Form 8-K | x"]).form.as_deref(), Some("8-K"));
    }

    #[test]
    fn a_cover_without_a_form_line_is_known_by_the_section_it_names() {
        let line =
            "[X] QUARTERLY REPORT PURSUANT TO SECTION 13 OR 15(d) OF THE SECURITIES EXCHANGE ACT OF 1934";
        assert_eq!(cover(&[line]).form.as_deref(), Some("10-Q"));
    }

    #[test]
    fn talk_about_forms_states_no_form() {
        let line = "We refer to our annual report on Form 10-K for the year, which was filed with the Commission in March";
        assert_eq!(
            cover(&[line, "formal matters", "Format 10"]),
            CoverPage::default()
        );
    }
}

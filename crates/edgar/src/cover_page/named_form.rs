//! Which form the words of a cover name. A form is named where a line begins with it, behind what
//! covers have above it; a page that lists forms, or speaks of them, names none.

use std::sync::LazyLock;

use documents::form_type::{self, without_amendment};
use regex::Regex;

/// A line that states nothing but the form is short.
const LONGEST_FORM_LINE_BYTES: usize = 60;
/// A box to check, in a cell of its own.
const LONGEST_BOX_BYTES: usize = 8;
/// How far into a line it is looked at: a page may be one.
const MOST_LINE_BYTES: usize = 2_000;
/// Words of a cover that a page has at least which is one.
const LEAST_COVER_WORDS: usize = 2;
/// So many titles in a page that has no words of a cover are a list.
const TITLES_OF_A_LIST: usize = 3;

/// A form's number as covers write it: `10-K405`, `10 - K`, `20F`, `S-1`, `12b-25`.
const CODE: &str = r"(?:12b\s?-\s?25|\d{1,3}\s?-\s?[A-Z]{1,4}\d{0,3}|(?:10|20|40|6|8|11)\s?(?:KSB(?:40)?|K(?:405|T)?|QSB|QT|Q|F)|[A-Z]{1,3}\s?-\s?\d{1,2}[A-Z]{0,3}|N-[A-Z]{1,4})(?:\s?/\s?A)?";

/// A line that begins with a form, behind other words of a cover; the number alone (`FORM 10`)
/// counts here.
static TITLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?i)^(?:{ABOVE})*form\s*(?:type)?\s*[:.]?\s*({CODE}|SD|ARS|CB|\d{{1,3}})(?:\b|$)"
    ))
});
/// What stands above the form on a cover.
const ABOVE: &str = r"(?:united states|securities and exchange commission|washington,? d\.? ?c\.?|20549(?:-\d{4})?|(?:annual|quarterly|transition|current|special) report(?: on| pursuant to)?|registration statement on|(?:pre-|post-)?(?:effective )?amendment (?:no\.? ?)?\d*(?: to)?(?: the)?|\(mark one\)|conformed copy|on|u\.s\.)[\s,;:*.()-]*";
/// Behind the form in a line of running text: `Form 10-K is`, `Form 10-K, which`.
static TALK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^[,;]? ?(?:is|are|was|were|has|have|had|and|or|that|which|as|may|can|must|will|shall|should|to|by|with|in|on|at|from|filed|contains?|includes?|does|do)\b",
    )
});
/// Behind the form where a whole cover is one line.
static COVER_BEHIND: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^[^\pL\d]*(?:x |$|mark one|check one|annual|quarterly|current|transition|registration|report|pursuant|amendment|general form|notification|united states|securities)|^[^\pL\d]*(?:For|FOR) (?i:the (?:fiscal|quarter|year|period|transition))",
    )
});
/// Any form in a line.
static MENTION: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"(?i)\bforms?\s*:?\s*({CODE})\b")));
static REPORT_LINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(annual|quarterly) report (?:pursuant to|under) sections? 13 or 15\s?\(?d\)?")
});
/// What may stand before the report in its line: boxes, checked or not, and [`ABOVE`].
static BEFORE_REPORT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?i)^[^\pL\d]*(?:(?:{ABOVE}|x|o|q|þ|ý|ü|mark one|check one|[^\pL\d])[^\pL\d]*)*$"
    ))
});
static CHECKED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)(?:^|[\[(\s_/|])x(?:$|[\])\s_/|])|[\x{2611}\x{2612}þý\x{2714}\x{2713}\x{f0fe}\x{f0fd}]")
});
static AMENDMENT_LINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\(?amendment no\b[.:]?\s*(?:\d+|[ivx]+|one|two|three|four|five|_+)?\s*\)?\s*(?:$|[*,:(-]|on |form |to (?:the )?(?:annual|quarterly|form|registrant|report|\d))",
    )
});
/// What covers say.
static COVER_WORDS: LazyLock<[Regex; 7]> = LazyLock::new(|| {
    [
        r"(?i)commission file n(?:umber|o)",
        r"(?i)exact\s+name\s+of\s+(?:the\s+)?(?:registrant|small business issuer|company|issuer)",
        r"(?i)employer identification",
        r"(?i)securities registered (?:pursuant|under)",
        r"(?i)\b(?:year|quarter|quarterly period|period|months) (?:ended|ending)\b",
        r"(?i)principal executive offices",
        r"(?i)indicate by check ?mark",
    ]
    .map(pattern)
});

#[expect(
    clippy::expect_used,
    reason = "the patterns are literals and a test compiles each"
)]
pub(super) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a literal pattern")
}

/// The form that a cover names, given as the lines and cells of its first blocks.
pub(super) fn named_form(cells: &[&str]) -> Option<String> {
    let lines: Vec<String> = cells.iter().map(|cell| as_read(cell)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let form = titled_form(&lines).or_else(|| form_of_report_line(&lines))?;
    let is_amended = lines.iter().any(|line| AMENDMENT_LINE.is_match(line));
    Some(if is_amended && !form.ends_with("/A") {
        form + "/A"
    } else {
        form
    })
}

/// The form of the first line that is a title; none where titles make a list.
fn titled_form(lines: &[&str]) -> Option<String> {
    let titles: Vec<String> = (0..lines.len()).filter_map(|line| title(lines, line)).collect();
    let first = titles.first()?;
    let is_list = form_type::is_periodic_report(first)
        && (titles.len() >= TITLES_OF_A_LIST || titles.iter().any(|form| kind(form) != kind(first)));
    (!is_list || num_cover_words(lines) >= LEAST_COVER_WORDS).then(|| first.clone())
}

/// Annual reports of every kind are one kind of form, and so are quarterly ones.
fn kind(form: &str) -> &str {
    match without_amendment(form) {
        form if form.starts_with("10-K") => "10-K",
        form if form.starts_with("10-Q") => "10-Q",
        form => form,
    }
}

/// The form that a line is the title of.
fn title(lines: &[&str], index: usize) -> Option<String> {
    let line = lines[index];
    let joined;
    // "FORM" in one line or cell and "10-K" in the next.
    let line = match lines.get(index + 1) {
        Some(next) if is_form_word(line) => {
            joined = format!("{line} {next}");
            &joined
        }
        _ => line,
    };
    let captures = TITLE.captures(line)?;
    let code = captures.get(1)?;
    let (before, behind) = (&line[..code.start()], &line[code.end()..]);
    let is_title = if before.contains("FORM") || line.len() <= LONGEST_FORM_LINE_BYTES {
        !TALK.is_match(behind)
    } else {
        COVER_BEHIND.is_match(behind)
    };
    is_title.then(|| normalize(code.as_str()))
}

fn is_form_word(line: &str) -> bool {
    let is_last = |line: &str| line.to_ascii_lowercase().ends_with("form");
    line.len() <= LONGEST_FORM_LINE_BYTES && is_last(line.trim_end_matches([':', ' ']))
}

/// A cover without a title is known by the section of the law that it names, unless it speaks of
/// another form first.
fn form_of_report_line(lines: &[&str]) -> Option<String> {
    let mut reports: Vec<(&str, bool)> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(captures) = REPORT_LINE.captures(line) else {
            continue;
        };
        let (Some(report), Some(which)) = (captures.get(0), captures.get(1)) else {
            continue;
        };
        let before = &line[..report.start()];
        if BEFORE_REPORT.is_match(before) {
            let cell_before = index.checked_sub(1).map_or("", |index| lines[index]);
            let is_box = cell_before.len() <= LONGEST_BOX_BYTES;
            let is_checked = CHECKED.is_match(before) || is_box && CHECKED.is_match(cell_before);
            let form = if which.as_str().eq_ignore_ascii_case("annual") {
                "10-K"
            } else {
                "10-Q"
            };
            reports.push((form, is_checked));
        }
    }
    let checked = reports.iter().find(|(_, is_checked)| *is_checked);
    let (form, is_checked) = *checked.or(reports.first())?;
    let is_list = checked.is_none() && reports.iter().any(|(other, _)| *other != form);
    let is_cover = is_checked || num_cover_words(lines) >= LEAST_COVER_WORDS;
    if is_list || !is_cover {
        return None;
    }
    let mention = lines
        .iter()
        .find_map(|line| Some(normalize(&MENTION.captures(line)?[1])));
    match mention {
        Some(other) if !form_type::is_periodic_report(&other) => Some(other),
        _ => Some(form.to_owned()),
    }
}

fn num_cover_words(lines: &[&str]) -> usize {
    let is_said = |words: &&Regex| lines.iter().any(|line| words.is_match(line));
    COVER_WORDS.iter().filter(is_said).count()
}

/// The beginning of a line, its dashes and its letters set apart (`F O R M 1 0 - K`) made plain.
fn as_read(line: &str) -> String {
    let line = form_type::normalize_dashes(&line[..line.floor_char_boundary(MOST_LINE_BYTES)]);
    let words: Vec<&str> = line.split(' ').collect();
    let mut read = String::with_capacity(line.len());
    let mut at = 0;
    while at < words.len() {
        let num_letters = words[at..]
            .iter()
            .take_while(|word| word.chars().count() == 1)
            .count();
        // "X A B" are marks and letters of a list; four are a word.
        let length = if num_letters >= 4 { num_letters } else { 1 };
        if at > 0 {
            read.push(' ');
        }
        words[at..at + length].iter().for_each(|word| read.push_str(word));
        at += length;
    }
    read
}

/// A form's number as EDGAR writes it.
fn normalize(code: &str) -> String {
    let code: String = code.split_whitespace().collect();
    let form = form_type::normalize(&code);
    // "20F" and "8K", as "10K".
    let (number, rest) = form.split_at(form.find(|c: char| !c.is_ascii_digit()).unwrap_or(form.len()));
    if !number.is_empty() && rest.starts_with(['K', 'Q', 'F']) {
        format!("{number}-{rest}")
    } else {
        form
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(lines: &[&str]) -> Option<String> {
        named_form(lines)
    }

    const RULE: &str = "PURSUANT TO SECTION 13 OR 15(d) OF THE SECURITIES EXCHANGE ACT OF 1934";

    #[test]
    fn the_form_that_a_cover_names_is_its_form_whatever_section_it_cites() {
        let annual = format!("[X] ANNUAL REPORT {RULE}");
        for (title, form) in [
            ("FORM 20-F", "20-F"),
            ("Form 40-F", "40-F"),
            ("FORM 20F", "20-F"),
            ("FORM S-1", "S-1"),
            ("AMENDMENT NO. 2 TO FORM S-1", "S-1/A"),
            ("FORM 11-K", "11-K"),
            ("FORM 12b-25", "12B-25"),
            ("FORM 10", "10"),
            ("FORM 10-K405", "10-K405"),
            ("FORM 10 - K", "10-K"),
            ("F O R M 1 0 - K", "10-K"),
            ("F O R M 2 0 - F", "20-F"),
            ("FORM 10-KSB/A", "10-KSB/A"),
            (
                "SECURITIES AND EXCHANGE COMMISSION Washington, D.C. 20549 FORM 20-F",
                "20-F",
            ),
            (
                "UNITED STATES SECURITIES AND EXCHANGE COMMISSION WASHINGTON, DC 20549 FORM 10-K",
                "10-K",
            ),
            ("ANNUAL REPORT ON FORM 10-K", "10-K"),
        ] {
            assert_eq!(named(&[title, &annual]).as_deref(), Some(form), "{title}");
        }
        let one_line = format!(
            "FORM 20-F (Mark One) X ANNUAL REPORT {RULE} For the fiscal year ended December 31, 2000"
        );
        assert_eq!(named(&[&one_line]).as_deref(), Some("20-F"));
        let one_line =
            format!("Form 40-F [ ] Registration statement or [X] annual report {RULE} for the year 2001");
        assert_eq!(named(&[&one_line]).as_deref(), Some("40-F"));
        assert_eq!(named(&["FORM", "20-F", &annual]).as_deref(), Some("20-F"));
        assert_eq!(named(&["FORM", "10-K"]).as_deref(), Some("10-K"));
        assert_eq!(
            named(&["As filed, this is our Form 20-F.", &annual]).as_deref(),
            Some("20-F")
        );
    }

    #[test]
    fn a_page_that_lists_forms_or_speaks_of_them_names_none() {
        let rows = [
            "Form 10-K",
            &format!("Annual report {RULE}"),
            "Form 10-Q",
            &format!("Quarterly report {RULE}"),
            "Form 8-K",
        ];
        assert_eq!(named(&rows), None);
        let codes = ["10-K", rows[1], "10-Q", rows[3], "20-F", rows[1]];
        assert_eq!(named(&codes), None);
        assert_eq!(
            named(&["Form 10-K 2019", "Form 10-K 2018", "Form 10-K 2017"]),
            None
        );
        for line in [
            "We refer to our annual report on Form 10-K for the year, which was filed with the Commission in March",
            "Form 10-K is the annual report of a company",
            "Form 10-K, which companies file",
            "Companies file an annual report pursuant to Section 13 or 15(d) each year",
            "Forms 10-K, 10-Q and 8-K",
            "formal matters",
            "Format 10",
        ] {
            assert_eq!(named(&[line]), None, "{line}");
        }
        assert_eq!(named(&[rows[1]]), None);
    }

    #[test]
    fn a_cover_with_other_forms_below_its_own_keeps_it() {
        let cover = [
            "FORM 10-K/A",
            "For the fiscal year ended December 31, 2003",
            "Commission file number 1-1",
            "Form 8-K",
            "Form S-1",
        ];
        assert_eq!(named(&cover).as_deref(), Some("10-K/A"));
        assert_eq!(named(&["FORM 10-K405", "Form 10-K"]).as_deref(), Some("10-K405"));
        assert_eq!(
            named(&["FORM 6-K", "Form 20-F X Form 40-F"]).as_deref(),
            Some("6-K")
        );
    }

    #[test]
    fn a_cover_without_a_title_is_known_by_the_report_that_is_checked() {
        let (annual, quarterly) = (
            format!("ANNUAL REPORT {RULE}"),
            format!("QUARTERLY REPORT {RULE}"),
        );
        let checked = |report: &str| format!("[X] {report}");
        assert_eq!(named(&[&checked(&quarterly)]).as_deref(), Some("10-Q"));
        assert_eq!(
            named(&["[ ]", &annual, "[X]", &quarterly]).as_deref(),
            Some("10-Q")
        );
        assert_eq!(named(&["\u{2612}", &annual]).as_deref(), Some("10-K"));
        let words = ["Commission file number 1-1", "(Exact name of registrant)"];
        assert_eq!(named(&[&annual, words[0], words[1]]).as_deref(), Some("10-K"));
        assert_eq!(named(&[&annual]), None);
    }

    #[test]
    fn amendments_are_told_by_their_line_and_not_by_amended_contracts() {
        assert_eq!(
            named(&["FORM 10-K", "(Amendment No. 1)"]).as_deref(),
            Some("10-K/A")
        );
        assert_eq!(
            named(&["FORM 10-K", "Amendment No. 2"]).as_deref(),
            Some("10-K/A")
        );
        assert_eq!(
            named(&["FORM 10-K", "AMENDMENT NO. 1 TO ANNUAL REPORT"]).as_deref(),
            Some("10-K/A")
        );
        let contract = "Amendment No. 1 to Credit Agreement";
        assert_eq!(named(&["FORM 10-K", contract]).as_deref(), Some("10-K"));
    }
}

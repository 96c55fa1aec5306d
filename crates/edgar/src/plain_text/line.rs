//! One line of a page that was set on a typewriter's grid: how its words are spaced, and the rule
//! below it.

use super::lists;
use super::pieces::is_figure;

/// The grid that these filings were set on.
pub(super) const PAGE_WIDTH: usize = 80;
/// This many spaces in a row part two columns in running text; two may follow a full stop.
const COLUMN_GAP: usize = 3;
/// How far a line's middle may lie from the page's, and how far in it must begin, to be centered.
const CENTER_TOLERANCE: usize = 8;
const SMALLEST_CENTERED_INDENT: usize = 10;
/// A line whose blanks are stretched to fill it has so many wide gaps, one gap in so many is wide,
/// and none is wider.
const FEWEST_STRETCHED_GAPS: usize = 3;
const ONE_GAP_IN: usize = 3;
const WIDEST_STRETCHED_GAP: usize = 5;
/// Every so many words of a sentence there is a word of `FUNCTION_WORDS`.
const WORDS_FOR_A_FUNCTION_WORD: usize = 8;
const SHORTEST_SENTENCE_WORDS: usize = 4;
/// A stretched line with fewer words has two function words.
const SHORTEST_STRETCHED_WORDS: usize = 6;
/// How far a rule may reach beyond the words that it underlines.
const UNDERLINE_TOLERANCE: usize = 1;

/// Words that hardly a sentence does without, and that the head of a column hardly has.
const FUNCTION_WORDS: [&str; 42] = [
    "a", "all", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "for", "from", "had",
    "has", "have", "if", "in", "is", "it", "its", "may", "no", "not", "of", "on", "or", "our", "such",
    "that", "the", "their", "this", "to", "was", "we", "were", "which", "will", "with", "would",
];

/// How the words of a line are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    /// As running text is.
    Running,
    /// As running text whose blanks are stretched so that the line is full.
    Stretched,
    /// In columns.
    Columns,
}

/// What the rule below a line underlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Underline {
    /// Some words: the heading that a paragraph begins with, or a title in it.
    Words,
    /// All of the line.
    Whole,
}

/// One line with its tabs set and its tags taken out.
#[derive(Debug)]
pub(super) struct GridLine {
    pub(super) text: String,
    pub(super) indent: usize,
    pub(super) words: WordCounts,
    /// The rule below, and what it underlines.
    pub(super) rule: Option<(String, Underline)>,
}

impl GridLine {
    pub(super) fn new(text: String) -> Self {
        let indent = text.len() - text.trim_start().len();
        let body = text.trim();
        let words = WordCounts::of(&body[lists::marker_bytes(body)..]);
        Self {
            text,
            indent,
            words,
            rule: None,
        }
    }

    pub(super) fn trimmed(&self) -> &str {
        self.text.trim()
    }

    pub(super) fn spacing(&self) -> Spacing {
        self.words.spacing()
    }

    /// The column behind the last character.
    fn end(&self) -> usize {
        self.indent + self.trimmed().chars().count()
    }

    pub(super) fn is_centered(&self) -> bool {
        self.indent >= SMALLEST_CENTERED_INDENT
            && !self.starts_in_lower_case()
            && (self.indent + self.end()).abs_diff(PAGE_WIDTH) <= 2 * CENTER_TOLERANCE
    }

    pub(super) fn starts_in_lower_case(&self) -> bool {
        self.trimmed().starts_with(|c: char| c.is_lowercase())
    }

    pub(super) fn is_underlined(&self) -> bool {
        matches!(self.rule, Some((_, Underline::Whole)))
    }

    /// Takes the rule in the next line if it underlines words of this one; else it parts what stands
    /// above it from what stands below, and comes back.
    pub(super) fn underline(&mut self, rule: String) -> Option<String> {
        match self.underline_of(&rule) {
            Some(underline) if self.rule.is_none() => {
                self.rule = Some((rule, underline));
                None
            }
            _ => Some(rule),
        }
    }

    fn underline_of(&self, rule: &str) -> Option<Underline> {
        // A second rule would read the line again.
        if self.rule.is_some() {
            return None;
        }
        let first = rule.len() - rule.trim_start().len();
        let last = first + rule.trim().chars().count();
        let end = self.end();
        if first + UNDERLINE_TOLERANCE < self.indent || last > end + UNDERLINE_TOLERANCE {
            return None;
        }
        if first <= self.indent + UNDERLINE_TOLERANCE && last + 2 * UNDERLINE_TOLERANCE >= end {
            return Some(Underline::Whole);
        }
        let (mut begins_word, mut ends_word) = (false, false);
        let mut before = ' ';
        for (column, character) in self.text.chars().chain([' ']).enumerate() {
            begins_word |= before == ' ' && character != ' ' && column.abs_diff(first) <= UNDERLINE_TOLERANCE;
            // The stop behind the last word is not underlined.
            ends_word |= before != ' ' && character == ' ' && column.abs_diff(last) <= UNDERLINE_TOLERANCE;
            before = character;
        }
        (begins_word && ends_word).then_some(Underline::Words)
    }
}

/// The words of a line and the gaps between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WordCounts {
    pub(super) words: usize,
    pub(super) function_words: usize,
    figures: usize,
    /// Words that begin with a small letter, and those with none at all.
    lower_case: usize,
    upper_case: usize,
    /// The widest gap.
    pub(super) widest: usize,
    /// Gaps between words that are no figures: all, wide ones, the widest and the narrowest.
    gaps: usize,
    wide: usize,
    narrowest: usize,
    /// A gap that parts columns, if blanks are not stretched.
    is_parted: bool,
}

impl WordCounts {
    fn of(text: &str) -> Self {
        let mut counts = Self {
            words: 0,
            function_words: 0,
            figures: 0,
            lower_case: 0,
            upper_case: 0,
            widest: 0,
            gaps: 0,
            wide: 0,
            narrowest: usize::MAX,
            is_parted: false,
        };
        let mut gap = 0;
        let mut before = "";
        for word in text.split(' ') {
            gap += 1;
            if !word.is_empty() {
                counts.add(before, gap, word);
                (before, gap) = (word, 0);
            }
        }
        counts
    }

    fn add(&mut self, before: &str, gap: usize, word: &str) {
        self.words += 1;
        self.figures += usize::from(is_figure(word));
        self.function_words += usize::from(is_function_word(word));
        self.lower_case += usize::from(word.starts_with(char::is_lowercase));
        self.upper_case += usize::from(!word.contains(char::is_lowercase));
        if before.is_empty() {
            return;
        }
        self.widest = self.widest.max(gap);
        // Neither a leader nor the number of an item.
        let num_letters = before.chars().filter(|c| c.is_alphabetic()).take(2).count();
        let ends_sentence =
            before.ends_with(['.', ':', '?', '!']) && !before.ends_with("..") && num_letters > 1;
        self.is_parted |= gap >= COLUMN_GAP && !(ends_sentence && gap <= COLUMN_GAP + 1);
        if !is_figure(before) && !is_figure(word) {
            self.gaps += 1;
            self.wide += usize::from(gap > 1);
            self.narrowest = self.narrowest.min(gap);
        }
    }

    /// Whether these may be words of a sentence.
    fn is_sentence(&self) -> bool {
        self.words >= SHORTEST_SENTENCE_WORDS
            && self.function_words * WORDS_FOR_A_FUNCTION_WORD >= self.words
            && self.figures * 2 < self.words
    }

    pub(super) fn is_stretched(&self) -> bool {
        let is_even = self.narrowest > 1 && self.widest.saturating_sub(self.narrowest) <= 1;
        let is_filled = self.wide * ONE_GAP_IN >= self.gaps && self.widest <= WIDEST_STRETCHED_GAP;
        // The heads of columns begin with capitals.
        let is_text =
            self.lower_case * 5 >= self.words * 2 || self.upper_case == self.words && self.function_words > 1;
        let is_long = self.words >= SHORTEST_STRETCHED_WORDS || self.function_words > 1;
        self.wide >= FEWEST_STRETCHED_GAPS
            && (is_even || is_filled)
            && self.is_sentence()
            && is_text
            && is_long
    }

    fn spacing(&self) -> Spacing {
        let may_be_running = self.widest < COLUMN_GAP || !self.is_parted && self.is_sentence();
        if self.is_stretched() {
            Spacing::Stretched
        } else if may_be_running {
            Spacing::Running
        } else {
            Spacing::Columns
        }
    }
}

fn is_function_word(word: &str) -> bool {
    const LONGEST: usize = 5;
    if word.len() > LONGEST + 2 {
        return false;
    }
    let word = word.trim_matches(|c: char| !c.is_ascii_alphabetic());
    FUNCTION_WORDS
        .iter()
        .any(|function| word.eq_ignore_ascii_case(function))
}

/// Tabs as spaces up to the next multiple of eight, other blanks as one space each.
pub(super) fn set_tabs(line: &str) -> String {
    const TAB: usize = 8;
    let mut set = String::with_capacity(line.len());
    let mut column = 0;
    for character in line.chars() {
        let width = if character == '\t' { TAB - column % TAB } else { 1 };
        if character == '\t' {
            set.extend(std::iter::repeat_n(' ', width));
        } else if character.is_whitespace() {
            set.push(' ');
        } else {
            set.push(character);
        }
        column += width;
    }
    set
}

/// Whether a line is nothing but rules.
pub(super) fn is_rule(line: &str) -> bool {
    let mut ink = line.chars().filter(|c| !c.is_whitespace()).peekable();
    ink.peek().is_some()
        && ink.all(|c| {
            matches!(
                c,
                '-' | '=' | '_' | '~' | '\u{2014}' | '\u{2013}' | '\u{2500}' | '\u{2550}'
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spacing(text: &str) -> Spacing {
        GridLine::new(text.to_owned()).spacing()
    }

    #[test]
    fn stretched_lines_are_told_from_rows() {
        for line in [
            "     General.   We  have  received  letters  under  various  federal  and  state",
            "The   Company  designs,  manufactures  and  markets  mill-based",
            "in one    principal   industry   segment   across   the   land",
            "CERTAIN   STATEMENTS   MADE  IN  THIS   ANNUAL   REPORT  ARE",
            "  o    costs   of   the   mill   that   rise",
            "the      mill      in      the      north",
        ] {
            assert_eq!(spacing(line), Spacing::Stretched, "{line}");
        }
        for line in [
            "Cash at end of the year   12   14   16",
            "Balance  Recognized  Performing  Balance  Recognized   Performing",
            "                    Estate   and Other     Commercial    Total",
            "Cost   and Fair   Gross Gains   Gross Losses   of",
            "President of the Mill   Director of the Bank    1994",
            "Balance at beginning of year   $ 1,234   $ 1,200   $ 1,100",
            "Common stock         1,000,000",
            "Alder Mills, Inc.   Oregon",
        ] {
            assert_eq!(spacing(line), Spacing::Columns, "{line}");
        }
        for line in [
            "We own the mill.   It is old and in the north.",
            "Item 1.  Business",
            "  o    the price of oak",
            "(a)     the price of oak",
            "oak",
            "",
        ] {
            assert_eq!(spacing(line), Spacing::Running, "{line}");
        }
    }

    #[test]
    fn a_rule_underlines_words_or_the_line_or_parts() {
        let underline = |text: &str, rule: &str| {
            let mut line = GridLine::new(text.to_owned());
            let rest = line.underline(rule.to_owned());
            assert_eq!(rest.is_none(), line.rule.is_some());
            line.rule.map(|(_, underline)| underline)
        };
        for (text, rule, expected) in [
            ("  Oak Mills", "  ---------", Some(Underline::Whole)),
            ("  Oak Mills.", "  ---------", Some(Underline::Whole)),
            ("  Oak Mills", "  ___ _____", Some(Underline::Whole)),
            ("  General.   We own a mill", "  -------", Some(Underline::Words)),
            (
                "the Annual Report of the mill",
                "    _____________",
                Some(Underline::Words),
            ),
            ("We own a mill in the north.", "----------", None),
            ("Oak", "--------------------", None),
            ("     Oak", "---", None),
        ] {
            assert_eq!(underline(text, rule), expected, "{text}");
        }
    }

    #[test]
    fn rules_have_ink_and_no_words() {
        assert!(is_rule("  -----   ====="));
        assert!(!is_rule("") && !is_rule("   ") && !is_rule("- 3 -") && !is_rule("* * *"));
    }
}

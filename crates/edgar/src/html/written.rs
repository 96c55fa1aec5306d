//! How shown text is put behind what is written already: in the letters that its style asks for,
//! and with raised and lowered text told from the number before it.
//!
//! A page shows `2023` with a small 2 above it; written one behind the other they are another
//! number. So digits that are raised or lowered behind a number get the form that Unicode has for
//! them, and `(2)` or the letter of a footnote stands apart. What else is raised (`31st`, a
//! trademark, the 2 of `CO2`) stays where it is.

use documents::{LineBuffer, lowered_digit, plain_digit, raised_digit};

use super::elements::State;
use super::script::Script;

/// A text in the making.
pub(super) trait Written {
    fn as_str(&self) -> &str;
    /// Whether what is pushed next stands apart.
    fn is_apart(&self) -> bool;
    fn push(&mut self, text: &str);
    fn replace_tail(&mut self, start: usize, tail: &str);
}

impl Written for LineBuffer {
    fn as_str(&self) -> &str {
        self.as_str()
    }

    fn is_apart(&self) -> bool {
        self.is_apart()
    }

    fn push(&mut self, text: &str) {
        self.push(text);
    }

    fn replace_tail(&mut self, start: usize, tail: &str) {
        self.replace_tail(start, tail);
    }
}

/// Preformatted text.
impl Written for String {
    fn as_str(&self) -> &str {
        self
    }

    fn is_apart(&self) -> bool {
        self.is_empty() || self.ends_with(char::is_whitespace)
    }

    fn push(&mut self, text: &str) {
        self.push_str(text);
    }

    fn replace_tail(&mut self, start: usize, tail: &str) {
        self.truncate(start);
        self.push_str(tail);
    }
}

/// Writes one line after the other.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// The raised or lowered text at the end of the line.
    run: Option<Run>,
}

/// Raised or lowered text that stands in one piece.
#[derive(Debug, Clone, Copy)]
struct Run {
    script: Script,
    /// Where it begins and ends in what is written.
    start: usize,
    end: usize,
    way: Way,
}

/// How raised or lowered text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    AsItIs,
    /// Its digits in their own form.
    Digits,
    /// Behind a space.
    Apart,
}

/// Longer words are no marks of footnotes.
const LONGEST_FOOTNOTE_LETTERS: usize = 4;
/// Signs that may stand between a number and what is raised behind it.
const MOST_SIGNS: usize = 4;

impl Writer {
    /// Puts text of this state behind what is `written`.
    pub(super) fn write(&mut self, written: &mut impl Written, text: &str, state: State) {
        if self.run.is_none() && !state.has(State::RESHAPED) {
            return written.push(text);
        }
        let text = state.letter_case().of_text(text, shown_before(written));
        let run = self
            .run
            .take()
            .filter(|run| run.end == written.as_str().len() && !written.is_apart());
        match (state.script(), run) {
            (None, run) => {
                let is_number = text.starts_with(|c: char| c.is_ascii_digit());
                if let Some(run) = run.filter(|run| is_number && run.way == Way::AsItIs) {
                    tell_apart(written, run);
                }
                written.push(&text);
            }
            (Some(script), run) => {
                let run = run.filter(|run| run.script == script);
                let run = run.unwrap_or_else(|| Run::new(script, written, &text));
                self.run = Some(run.push(written, &text));
            }
        }
    }

    /// What is written next begins a line.
    pub(super) fn begin_line(&mut self) {
        self.run = None;
    }
}

fn shown_before(written: &impl Written) -> &str {
    if written.is_apart() { "" } else { written.as_str() }
}

/// Digits in front of a number (`¹2023`) are told from it once it is there.
fn tell_apart(written: &mut impl Written, run: Run) {
    let before = &written.as_str()[run.start..];
    let other = before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let digits: String = before[other..]
        .chars()
        .map(|digit| in_script(digit, run.script))
        .collect();
    written.replace_tail(run.start + other, &digits);
}

fn in_script(digit: char, script: Script) -> char {
    let form = match script {
        Script::Raised => raised_digit(digit),
        Script::Lowered => lowered_digit(digit),
    };
    form.unwrap_or(digit)
}

fn sign_in_script(sign: char, script: Script) -> Option<char> {
    Some(match (script, sign) {
        (Script::Raised, '+') => '\u{207a}',
        (Script::Raised, '-' | '\u{2212}' | '\u{2013}') => '\u{207b}',
        (Script::Lowered, '+') => '\u{208a}',
        (Script::Lowered, '-' | '\u{2212}' | '\u{2013}') => '\u{208b}',
        _ => return None,
    })
}

impl Run {
    fn new(script: Script, written: &impl Written, text: &str) -> Self {
        let length = written.as_str().len();
        Self {
            script,
            start: length,
            end: length,
            way: Way::of(script, shown_before(written), text),
        }
    }

    fn push(mut self, written: &mut impl Written, text: &str) -> Self {
        let mut text = text;
        match self.way {
            Way::AsItIs => {}
            Way::Apart => {
                written.push(" ");
                self.way = Way::AsItIs;
            }
            Way::Digits => {
                // Words and brackets are read as they stand, and so is what comes behind them.
                let end = text.find(|c: char| c.is_alphabetic() || matches!(c, '(' | '[' | '{'));
                let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
                written.push(&self.digits(digits, written.as_str().len() == self.start));
                text = rest;
                if end.is_some() {
                    self.way = Way::AsItIs;
                }
            }
        }
        written.push(text);
        self.end = written.as_str().len();
        self
    }

    /// Digits in their raised or lowered form, and the sign of a number at the beginning.
    fn digits(&self, text: &str, is_first: bool) -> String {
        let mut characters = text.chars();
        let sign = characters
            .next()
            .filter(|_| is_first && characters.as_str().starts_with(|c: char| c.is_ascii_digit()))
            .and_then(|sign| sign_in_script(sign, self.script));
        let rest = if sign.is_some() { characters.as_str() } else { text };
        let rest = rest.chars().map(|digit| in_script(digit, self.script));
        sign.into_iter().chain(rest).collect()
    }
}

impl Way {
    /// How a run is written that begins so behind `before`.
    fn of(script: Script, before: &str, text: &str) -> Self {
        let text = text.trim_start_matches(['\u{200b}', '\u{ad}', '\u{feff}', '\u{2060}']);
        let Some(first) = text.chars().next().filter(|first| !first.is_whitespace()) else {
            return Self::AsItIs;
        };
        let is_behind_digit = before.ends_with(is_digit);
        let is_footnote = match first {
            '(' | '[' | '{' => true,
            first => first.is_alphabetic() && is_footnote_letter(text),
        };
        if first.is_alphabetic() || is_footnote {
            let is_apart = script == Script::Raised && is_footnote && is_behind_digit;
            return if is_apart { Self::Apart } else { Self::AsItIs };
        }
        if is_behind_number(before) {
            Self::Digits
        } else {
            Self::AsItIs
        }
    }
}

/// Whether a word of raised letters is the mark of a footnote (`a`, `aa`, `iv`), and no ordinal
/// (`th`), trademark (`TM`) or degree (`o`).
fn is_footnote_letter(text: &str) -> bool {
    let word: String = text
        .chars()
        .take_while(|c| c.is_alphabetic())
        .collect::<String>()
        .to_lowercase();
    let mut letters = word.chars();
    let (first, length) = (letters.next(), word.chars().count());
    match length {
        1 => word != "o",
        2..=LONGEST_FOOTNOTE_LETTERS => {
            letters.all(|letter| Some(letter) == first)
                || word.chars().all(|letter| matches!(letter, 'i' | 'v' | 'x'))
        }
        _ => false,
    }
}

/// Whether a text ends in a number, with what may follow it: `1,234`, `(5)`, `12%`, and the `¹/` of
/// a fraction.
fn is_behind_number(text: &str) -> bool {
    let mut signs = text.chars().rev();
    for _ in 0..=MOST_SIGNS {
        match signs.next() {
            Some(digit) if is_digit(digit) => return true,
            Some('/' | '\u{2044}') => return signs.next().is_some_and(|c| is_digit(c) && !c.is_ascii()),
            Some(
                '.' | ',' | ')' | ']' | '%' | ';' | ':' | '\'' | '"' | '\u{2019}' | '\u{201d}' | '*'
                | '\u{2020}' | '\u{2021}',
            ) => {}
            _ => return false,
        }
    }
    false
}

fn is_digit(character: char) -> bool {
    plain_digit(character).is_ascii_digit()
}

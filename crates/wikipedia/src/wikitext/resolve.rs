//! Writes the text that the paired markup stands for; line structure stays for [`super::lines`].
//!
//! The text of a parameter that is shown as it is goes straight on. A template that is a function
//! of its parameters has them written first, one after the other, and what it says of them put in
//! their place.

use std::collections::BTreeMap;

use super::arguments::{Arguments, Surroundings};
use super::numbers::behind_digit;
use super::parameters::{Parameter, function_start, parameters, shown_text};
use super::sentinel::{self, DROPPED, OPEN_TABLE_OPEN, TABLE_CLOSE, TABLE_OPEN};
use super::template_names;
use super::templates::{self, Reading};
use super::tokens::{Pair, Scanned, Token, TokenKind};
use super::work::looks_at;
use crate::site::SiteInfo;

/// Functions of parameters inside parameters of functions, and so on: text that is written again
/// at each level.
const MAX_FRAMES: usize = 4;
/// A template with more parameters than this is no value.
const MAX_PARAMETERS: usize = 256;
/// What is raised or lowered is short.
const MAX_SHIFTED_BYTES: usize = 24;

/// How often a template was met, and how often it left nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TemplateCount {
    /// All of them, but those inside of what was left out.
    pub uses: u64,
    /// Those that left nothing in the text.
    pub left_out: u64,
}

/// A page without its inline markup.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) text: String,
    pub(super) is_disambiguation: bool,
    /// By name.
    pub(super) templates: BTreeMap<String, TemplateCount>,
}

/// A part of the source being written: up to `stop`, then on from `resume`.
struct Window {
    stop: usize,
    resume: usize,
    /// It is a parameter of the innermost frame.
    is_parameter: bool,
}

/// A template that is a function of its parameters, which are being written.
struct Frame<'a> {
    name: String,
    reading: Reading,
    parameters: Vec<Parameter<'a>>,
    /// Where in the text the parameters that have been written begin; the last one may be open.
    starts: Vec<usize>,
    /// Where in the text the first one begins.
    start: usize,
    /// Where in the source the template ends.
    end: usize,
}

struct Resolver<'a> {
    source: &'a str,
    scanned: &'a Scanned,
    site: &'a SiteInfo,
    out: Resolved,
    windows: Vec<Window>,
    frames: Vec<Frame<'a>>,
    /// Where in the text something begins that is raised (`true`) or lowered.
    shifted: Option<(usize, bool)>,
    at: usize,
}

/// Writes `source` with its markup resolved.
pub(super) fn resolve(source: &str, scanned: &Scanned, site: &SiteInfo) -> Resolved {
    let mut resolver = Resolver {
        source,
        scanned,
        site,
        out: Resolved::default(),
        windows: Vec::new(),
        frames: Vec::new(),
        shifted: None,
        at: 0,
    };
    resolver.out.text.reserve(source.len() / 2);
    for token in &scanned.tokens {
        looks_at(1);
        resolver.write_until(token.start);
        // Inside something that was dropped.
        if token.start >= resolver.at {
            resolver.token(token);
        }
    }
    resolver.write_until(source.len());
    looks_at(resolver.out.text.len());
    resolver.out.is_disambiguation |= resolver.out.text.contains("__DISAMBIG__");
    resolver.out
}

impl Resolver<'_> {
    fn token(&mut self, token: &Token) {
        match token.kind {
            TokenKind::Skip => {}
            TokenKind::Space if self.is_at_line_start() => {}
            TokenKind::Space => self.out.text.push(' '),
            TokenKind::Break => self.out.text.push('\n'),
            TokenKind::Literal {
                inner_start,
                inner_end,
            } => self.literal(inner_start, inner_end),
            TokenKind::Shifted { is_above, is_end } => self.shift(is_above, is_end),
            TokenKind::TableOpen { is_closed: true } => self.line(TABLE_OPEN),
            TokenKind::TableOpen { is_closed: false } => self.line(OPEN_TABLE_OPEN),
            TokenKind::TableClose => self.line(TABLE_CLOSE),
            TokenKind::Template(index) => return self.template(token.end, &self.scanned.pairs[index]),
            TokenKind::Link(index) => return self.link(token.end, &self.scanned.pairs[index]),
        }
        self.at = token.end;
    }

    /// Writes the source up to `end`, leaving windows whose stop lies before it.
    fn write_until(&mut self, end: usize) {
        while let Some(window) = self.windows.pop_if(|window| window.stop <= end) {
            self.copy(window.stop);
            self.at = self.at.max(window.resume);
            if window.is_parameter {
                self.next_parameter();
            }
        }
        self.copy(end);
    }

    fn copy(&mut self, end: usize) {
        if self.at >= end {
            return;
        }
        let mut text = &self.source[self.at..end];
        looks_at(text.len());
        let begins_line = self.at == 0 || self.source.as_bytes()[self.at - 1] == b'\n';
        self.at = end;
        if !begins_line && self.is_at_line_start() {
            // The line began with something that has left nothing, not with a blank.
            text = text.trim_start_matches([' ', '\t']);
        }
        // Private use characters of UTF-8 begin with this byte.
        if memchr::memchr(0xee, text.as_bytes()).is_some() {
            let letters = text.chars().filter(|letter| !sentinel::is_ours(*letter));
            self.out.text.extend(letters);
        } else {
            self.out.text.push_str(text);
        }
    }

    fn is_at_line_start(&self) -> bool {
        let text = self.out.text.strip_suffix(DROPPED).unwrap_or(&self.out.text);
        text.is_empty() || text.ends_with('\n')
    }

    fn literal(&mut self, start: usize, end: usize) {
        let text = &self.source[start..end];
        looks_at(text.len());
        let letters = text.chars().filter(|letter| !sentinel::is_ours(*letter));
        self.out.text.extend(letters.map(|letter| {
            if letter == '&' {
                letter
            } else {
                sentinel::protect(letter)
            }
        }));
    }

    fn line(&mut self, mark: char) {
        self.out.text.push('\n');
        self.out.text.push(mark);
        // What follows a table's start are its attributes; what follows its end is text.
        if mark == TABLE_CLOSE {
            self.out.text.push('\n');
        }
    }

    /// Digits that are raised behind a digit do not join it.
    fn shift(&mut self, is_above: bool, is_end: bool) {
        let here = self.out.text.len();
        if !is_end {
            self.shifted = Some((here, is_above));
            return;
        }
        let Some((start, is_above)) = self.shifted.take() else {
            return;
        };
        // It began outside of the parameter that is being written.
        let is_outside = self
            .frames
            .last()
            .and_then(|frame| frame.starts.last())
            .is_some_and(|first| start < *first);
        if is_outside || !follows_digit(&self.out.text[..start]) {
            return;
        }
        let text = &self.out.text[start..];
        looks_at(text.len());
        if text.len() > MAX_SHIFTED_BYTES || text.chars().any(sentinel::is_ours) {
            return self.out.text.insert(start, ' ');
        }
        let shifted = behind_digit(text.replace("''", "").trim(), is_above);
        self.out.text.truncate(start);
        self.out.text.push_str(&shifted);
    }

    /// Writes `start..stop` next, then goes on at `resume`.
    fn enter(&mut self, start: usize, stop: usize, resume: usize) {
        self.at = start;
        self.windows.push(Window {
            stop,
            resume,
            is_parameter: false,
        });
    }

    fn count(&mut self, name: String, is_left_out: bool) {
        let count = self.out.templates.entry(name).or_default();
        count.uses += 1;
        count.left_out += u64::from(is_left_out);
    }

    /// Goes on behind something that leaves nothing.
    fn leave_out(&mut self, end: usize) {
        if !self.out.text.ends_with(DROPPED) {
            self.out.text.push(DROPPED);
        }
        self.at = end;
    }

    fn leave_out_template(&mut self, name: String, end: usize) {
        let is_in_value = template_names::is_footnote(&name) && !self.frames.is_empty();
        self.count(name, true);
        if is_in_value {
            self.at = end;
        } else {
            self.leave_out(end);
        }
    }
}

impl Resolver<'_> {
    fn template(&mut self, inner: usize, pair: &Pair) {
        let pipes = self.scanned.pipes(pair);
        let name_end = pipes.first().copied().unwrap_or(pair.inner_end);
        let written = &self.source[inner..name_end];
        looks_at(written.len().min(100));
        let name = template_names::normal_name(written);
        self.out.is_disambiguation |= template_names::is_disambiguation(&name);
        let Some(reading) = templates::reading(&name) else {
            return self.leave_out_template(name, pair.end);
        };
        let function_start = function_start(written).map(|start| inner + start);
        if pipes.len() > MAX_PARAMETERS || self.frames.len() >= MAX_FRAMES {
            return self.leave_out_template(name, pair.end);
        }
        let parameters = parameters(self.source, function_start, pipes, (name_end, pair.inner_end));
        match reading {
            Reading::Fixed(text) => {
                self.count(name, false);
                self.out.text.push_str(text);
                self.at = pair.end;
            }
            Reading::Text(_) | Reading::Last => match shown_text(self.source, &parameters, reading) {
                Some((start, end)) => {
                    self.count(name, false);
                    self.enter(start, end, pair.end);
                }
                None => self.leave_out_template(name, pair.end),
            },
            _ => {
                self.frames.push(Frame {
                    name,
                    reading,
                    parameters,
                    starts: Vec::new(),
                    start: self.out.text.len(),
                    end: pair.end,
                });
                self.next_parameter();
            }
        }
    }

    /// Begins the next parameter of the innermost frame, or ends the frame.
    fn next_parameter(&mut self) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let Some(parameter) = frame.parameters.get(frame.starts.len()) else {
            return self.end_frame();
        };
        frame.starts.push(self.out.text.len());
        self.at = parameter.start;
        self.windows.push(Window {
            stop: parameter.end,
            resume: parameter.end,
            is_parameter: true,
        });
    }

    fn end_frame(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        let text = &self.out.text;
        looks_at(text.len() - frame.start);
        let mut arguments = Arguments::of(Surroundings {
            follows_digit: follows_digit(&text[..frame.start]),
            ends_sentence: is_full_stop(&self.source[frame.end..]),
            is_english: self.is_english(),
        });
        let ends = frame.starts.iter().skip(1).copied().chain([text.len()]);
        for ((parameter, start), end) in frame.parameters.iter().zip(&frame.starts).zip(ends) {
            match parameter.name {
                Some(name) => arguments.push_named(name, &text[*start..end]),
                None => arguments.push(&text[*start..end]),
            }
        }
        let said = templates::said(frame.reading, &arguments);
        let said = said.filter(|said| !said.contains([TABLE_OPEN, OPEN_TABLE_OPEN, TABLE_CLOSE]));
        self.out.text.truncate(frame.start);
        self.shifted = self.shifted.filter(|(start, _)| *start <= frame.start);
        let Some(said) = said else {
            return self.leave_out_template(frame.name, frame.end);
        };
        self.count(frame.name, false);
        self.out.text.push_str(&said.replace('\n', " "));
        self.at = frame.end;
    }

    fn is_english(&self) -> bool {
        let database = self.site.database.as_deref();
        database.is_none_or(|database| database.starts_with("en") || database.starts_with("simple"))
    }

    fn link(&mut self, inner: usize, pair: &Pair) {
        let first_pipe = self.scanned.pipes(pair).first().copied();
        let target_end = first_pipe.unwrap_or(pair.inner_end);
        let target = self.source[inner..target_end].trim_start();
        let target_start = target_end - target.len();
        looks_at(target_start - inner);
        if let Some(shown) = target.strip_prefix(':') {
            let start = first_pipe.map_or(target_end - shown.len(), |pipe| pipe + 1);
            return self.enter(start, pair.inner_end, pair.end);
        }
        if self.site.is_dropped_link(target, first_pipe.is_some()) {
            return self.leave_out(pair.end);
        }
        match first_pipe {
            Some(pipe) if pipe + 1 < pair.inner_end => self.enter(pipe + 1, pair.inner_end, pair.end),
            // `[[target|]]` shows its target.
            _ => self.enter(target_start, target_end, pair.end),
        }
    }
}

/// Whether a digit ends the text, quotes of italics aside.
fn follows_digit(text: &str) -> bool {
    let last = text.chars().rev().take(6).find(|letter| *letter != '\'');
    last.is_some_and(|letter| letter.is_ascii_digit())
}

/// Whether a full stop ends a sentence at the beginning of `source`.
fn is_full_stop(source: &str) -> bool {
    let behind = &source.as_bytes()[..source.len().min(8)];
    let mut letters = behind.iter().copied().skip_while(|byte| *byte == b' ');
    letters.next() == Some(b'.') && letters.next().is_none_or(|next| !next.is_ascii_alphanumeric())
}

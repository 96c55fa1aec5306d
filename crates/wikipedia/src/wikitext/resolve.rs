//! Writes the text that the paired markup stands for; line structure stays for [`super::lines`].

use super::scan::{Pair, Scanned, TokenKind};
use super::sentinel::{self, TABLE_CLOSE, TABLE_OPEN};
use super::templates::{self, Standing};
use super::work::looks_at;
use crate::site::SiteInfo;

/// A page without its inline markup.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) text: String,
    pub(super) is_disambiguation: bool,
}

/// A part of the source being written: up to `stop`, then on from `resume`.
struct Window {
    stop: usize,
    resume: usize,
}

struct Resolver<'a> {
    source: &'a str,
    site: &'a SiteInfo,
    out: Resolved,
    windows: Vec<Window>,
    at: usize,
}

/// Writes `source` with its markup resolved.
pub(super) fn resolve(source: &str, scanned: &Scanned, site: &SiteInfo) -> Resolved {
    let mut resolver = Resolver {
        source,
        site,
        out: Resolved::default(),
        windows: Vec::new(),
        at: 0,
    };
    resolver.out.text.reserve(source.len() / 2);
    for token in &scanned.tokens {
        looks_at(1);
        resolver.write_until(token.start);
        // Inside something that was dropped.
        if token.start < resolver.at {
            continue;
        }
        match token.kind {
            TokenKind::Skip => {}
            TokenKind::Space => resolver.out.text.push(' '),
            TokenKind::Break => resolver.out.text.push('\n'),
            TokenKind::Literal {
                inner_start,
                inner_end,
            } => resolver.literal(inner_start, inner_end),
            TokenKind::TableOpen => resolver.line(TABLE_OPEN),
            TokenKind::TableClose => resolver.line(TABLE_CLOSE),
            TokenKind::Template(index) => {
                resolver.template(token.end, &scanned.pairs[index]);
                continue;
            }
            TokenKind::Link(index) => {
                resolver.link(token.end, &scanned.pairs[index]);
                continue;
            }
        }
        resolver.at = token.end;
    }
    resolver.write_until(source.len());
    looks_at(resolver.out.text.len());
    resolver.out.is_disambiguation |= resolver.out.text.contains("__DISAMBIG__");
    resolver.out
}

impl Resolver<'_> {
    /// Writes the source up to `end`, leaving windows whose stop lies before it.
    fn write_until(&mut self, end: usize) {
        while let Some(window) = self.windows.last() {
            if window.stop > end {
                break;
            }
            let (stop, resume) = (window.stop, window.resume);
            self.copy(stop);
            self.at = self.at.max(resume);
            self.windows.pop();
        }
        self.copy(end);
    }

    fn copy(&mut self, end: usize) {
        if self.at >= end {
            return;
        }
        let text = &self.source[self.at..end];
        looks_at(text.len());
        // Private use characters of UTF-8 begin with this byte.
        if memchr::memchr(0xee, text.as_bytes()).is_some() {
            self.out
                .text
                .extend(text.chars().filter(|letter| !sentinel::is_ours(*letter)));
        } else {
            self.out.text.push_str(text);
        }
        self.at = end;
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

    /// Writes `start..stop` next, then goes on at `resume`.
    fn enter(&mut self, start: usize, stop: usize, resume: usize) {
        self.at = start;
        self.windows.push(Window { stop, resume });
    }

    fn template(&mut self, inner: usize, pair: &Pair) {
        let end_of = |pipe: usize| {
            if pipe < pair.num_pipes {
                pair.pipes[pipe]
            } else {
                pair.inner_end
            }
        };
        let name = self.source[inner..end_of(0)].trim();
        looks_at(end_of(0) - inner - name.len());
        self.out.is_disambiguation |= templates::is_disambiguation(name);
        match templates::standing(name) {
            Standing::Text(text) => {
                self.out.text.push_str(text);
                self.at = pair.end;
            }
            Standing::First if pair.num_pipes > 0 => {
                self.enter(self.value(pair.pipes[0] + 1, end_of(1)), end_of(1), pair.end);
            }
            Standing::Second if pair.num_pipes > 1 => {
                self.enter(self.value(pair.pipes[1] + 1, end_of(2)), end_of(2), pair.end);
            }
            Standing::Measure if pair.num_pipes > 1 => {
                let unit = self.source[pair.pipes[1] + 1..end_of(2)].trim();
                let number = self.source[pair.pipes[0] + 1..pair.pipes[1]].trim();
                looks_at(number.len() + unit.len());
                if !number.contains(['{', '[', '<']) && !unit.contains(['{', '[', '<', '=']) {
                    self.out.text.push_str(number);
                    self.out.text.push(' ');
                    self.out.text.push_str(unit);
                }
                self.at = pair.end;
            }
            _ => self.at = pair.end,
        }
    }

    /// Where a parameter's value begins: behind `1=` where it is written so.
    fn value(&self, start: usize, end: usize) -> usize {
        let parameter = &self.source[start..end];
        let named = parameter.trim_start();
        looks_at(parameter.len() - named.len());
        let name = ["1=", "2=", "text=", "1 =", "2 ="]
            .iter()
            .find(|name| named.starts_with(**name));
        name.map_or(start, |name| start + (parameter.len() - named.len()) + name.len())
    }

    fn link(&mut self, inner: usize, pair: &Pair) {
        let has_text = pair.num_pipes > 0;
        let target_end = if has_text { pair.pipes[0] } else { pair.inner_end };
        let target = self.source[inner..target_end].trim_start();
        let target_start = target_end - target.len();
        looks_at(target_start - inner);
        if let Some(shown) = target.strip_prefix(':') {
            let start = if has_text {
                pair.pipes[0] + 1
            } else {
                target_end - shown.len()
            };
            return self.enter(start, pair.inner_end, pair.end);
        }
        if self.site.is_dropped_link(target, has_text) {
            self.at = pair.end;
            return;
        }
        // `[[target|]]` shows its target.
        let is_bare = !has_text || pair.pipes[0] + 1 == pair.inner_end;
        if is_bare {
            self.enter(target_start, target_end, pair.end);
        } else {
            self.enter(pair.pipes[0] + 1, pair.inner_end, pair.end);
        }
    }
}

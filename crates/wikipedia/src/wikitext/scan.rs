//! Finds the markup of a page and pairs what opens with what closes, in one pass over the bytes
//! with a stack.

use memchr::memmem;

use super::tags::{EndTags, TagKind, end_tags, tag_end, tag_kind, tag_name};
use super::template_names::is_table_end;
use super::tokens::{Scanned, Token, TokenKind};
use super::work::looks_at;

/// Tables in tables beyond this depth are read as text.
const MAX_TABLE_DEPTH: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenKind {
    Template,
    Link,
    Table,
}

struct Open {
    kind: OpenKind,
    token_index: usize,
    /// Where its pipes begin in [`Scanner::open_pipes`].
    first_pipe: usize,
}

struct Scanner<'a> {
    source: &'a str,
    bytes: &'a [u8],
    scanned: Scanned,
    stack: Vec<Open>,
    /// The pipes of all that is open; those of the innermost are last.
    open_pipes: Vec<usize>,
    num_templates: usize,
    num_tables: usize,
    /// End tags of each opaque element as (start, end), and how many are behind us.
    end_tags: EndTags,
}

/// Finds and pairs the markup of `source`.
pub(super) fn scan(source: &str) -> Scanned {
    let mut scanner = Scanner {
        source,
        bytes: source.as_bytes(),
        scanned: Scanned::default(),
        stack: Vec::new(),
        open_pipes: Vec::new(),
        num_templates: 0,
        num_tables: 0,
        end_tags: end_tags(source),
    };
    let mut at = 0;
    while at < source.len() {
        looks_at(1);
        at = match scanner.bytes[at] {
            b'<' => scanner.less_than(at),
            b'{' => scanner.open_braces(at),
            b'}' => scanner.close_braces(at),
            b'[' if scanner.byte(at + 1) == Some(b'[') => scanner.open_link(at),
            b']' if scanner.byte(at + 1) == Some(b']') => scanner.close_link(at),
            b'|' => scanner.pipe(at),
            _ => at + 1,
        };
    }
    while let Some(open) = scanner.stack.pop() {
        scanner.leave_open(&open);
    }
    scanner.scanned
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

impl Scanner<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn push(&mut self, start: usize, end: usize, kind: TokenKind) -> usize {
        self.scanned.tokens.push(Token { start, end, kind });
        end
    }

    /// Whether only blanks, list markers and a few comments stand between the line's start and `at`.
    fn is_line_start(&self, mut at: usize) -> bool {
        for token in self.scanned.tokens.iter().rev().take(3) {
            if token.end == at && self.bytes[token.start..].starts_with(b"<!--") {
                at = token.start;
            }
        }
        let before = &self.bytes[at.saturating_sub(32)..at];
        looks_at(before.len());
        let line = memchr::memrchr(b'\n', before);
        if line.is_none() && at > 32 {
            return false;
        }
        before[line.map_or(0, |newline| newline + 1)..]
            .iter()
            .all(|byte| b" \t:*#;".contains(byte))
    }

    fn less_than(&mut self, at: usize) -> usize {
        if self.bytes[at..].starts_with(b"<!--") {
            return self.comment(at);
        }
        let is_end = self.byte(at + 1) == Some(b'/');
        let name_start = at + 1 + usize::from(is_end);
        let name = tag_name(self.source, name_start);
        let Some(kind) = tag_kind(name) else { return at + 1 };
        let after = name_start + name.len();
        let Some(tag_end) = tag_end(self.bytes, after) else {
            return self.push(at, after, TokenKind::Skip);
        };
        let is_empty = self.bytes[tag_end - 2] == b'/';
        match kind {
            TagKind::Space => self.push(at, tag_end, TokenKind::Space),
            TagKind::Break => self.push(at, tag_end, TokenKind::Break),
            TagKind::Inline => self.push(at, tag_end, TokenKind::Skip),
            TagKind::Shifted { .. } if is_empty => self.push(at, tag_end, TokenKind::Skip),
            TagKind::Shifted { is_above } => self.push(at, tag_end, TokenKind::Shifted { is_above, is_end }),
            TagKind::Dropped(_) | TagKind::Literal(_) if is_end || is_empty => {
                self.push(at, tag_end, TokenKind::Skip)
            }
            TagKind::Dropped(opaque) => {
                let end = self.end_tag(opaque, tag_end).map_or(tag_end, |(_, end)| end);
                self.push(at, end, TokenKind::Skip)
            }
            TagKind::Literal(opaque) => match self.end_tag(opaque, tag_end) {
                Some((inner_end, end)) => self.push(
                    at,
                    end,
                    TokenKind::Literal {
                        inner_start: tag_end,
                        inner_end,
                    },
                ),
                None => self.push(at, tag_end, TokenKind::Skip),
            },
        }
    }

    /// The first end tag of the element at or behind `from`; callers come in rising order.
    fn end_tag(&mut self, opaque: usize, from: usize) -> Option<(usize, usize)> {
        let (tags, behind) = &mut self.end_tags[opaque];
        while tags.get(*behind).is_some_and(|(start, _)| *start < from) {
            *behind += 1;
            looks_at(1);
        }
        tags.get(*behind).copied()
    }

    /// An unclosed comment reaches to the end of the page, as it does in `MediaWiki`. Comments that
    /// are alone in their line go with the line.
    fn comment(&mut self, at: usize) -> usize {
        let mut end = self.comment_end(at);
        let indent = self.bytes[..at]
            .iter()
            .rev()
            .take_while(|byte| is_blank(**byte))
            .count();
        looks_at(indent);
        let line = at - indent;
        if line == 0 || self.bytes[line - 1] != b'\n' {
            return self.push(at, end, TokenKind::Skip);
        }
        loop {
            let blanks = self.bytes[end..]
                .iter()
                .take_while(|byte| is_blank(**byte))
                .count();
            looks_at(blanks);
            match self.byte(end + blanks) {
                Some(b'\n') => return self.push(line, end + blanks + 1, TokenKind::Skip),
                Some(b'<') if self.bytes[end + blanks..].starts_with(b"<!--") => {
                    end = self.comment_end(end + blanks);
                }
                _ => return self.push(at, end, TokenKind::Skip),
            }
        }
    }

    fn comment_end(&self, at: usize) -> usize {
        let length = memmem::find(&self.bytes[at + 4..], b"-->");
        let end = length.map_or(self.source.len(), |length| at + 4 + length + 3);
        looks_at(end - at);
        end
    }

    fn open_braces(&mut self, at: usize) -> usize {
        let run = self.bytes[at..].iter().take_while(|byte| **byte == b'{').count();
        looks_at(run);
        if run == 1 {
            let opens_table =
                self.byte(at + 1) == Some(b'|') && self.is_line_start(at) && self.byte(at + 2) != Some(b'}');
            return if opens_table { self.open_table(at) } else { at + 1 };
        }
        let mut start = at;
        if run % 2 == 1 {
            // In `-{{{x}}}-` the first brace begins language variants.
            let is_variants = at > 0 && self.bytes[at - 1] == b'-';
            start = if is_variants {
                at + 1
            } else {
                self.push(at, at + 1, TokenKind::Skip)
            };
        }
        while start < at + run {
            self.open(OpenKind::Template, start, TokenKind::Template(usize::MAX));
            start += 2;
        }
        start
    }

    fn open(&mut self, kind: OpenKind, at: usize, token: TokenKind) {
        self.num_templates += usize::from(kind == OpenKind::Template);
        self.num_tables += usize::from(kind == OpenKind::Table);
        self.stack.push(Open {
            kind,
            token_index: self.scanned.tokens.len(),
            first_pipe: self.open_pipes.len(),
        });
        self.push(at, at + 2, token);
    }

    fn open_link(&mut self, at: usize) -> usize {
        self.open(OpenKind::Link, at, TokenKind::Link(usize::MAX));
        at + 2
    }

    fn open_table(&mut self, at: usize) -> usize {
        if self.num_tables >= MAX_TABLE_DEPTH {
            return self.push(at, at + 2, TokenKind::Skip);
        }
        self.open(OpenKind::Table, at, TokenKind::TableOpen { is_closed: false });
        at + 2
    }

    fn close_braces(&mut self, at: usize) -> usize {
        let run = self.bytes[at..].iter().take_while(|byte| **byte == b'}').count();
        looks_at(run);
        if run == 1 {
            return at + 1;
        }
        let mut start = at;
        while start + 2 <= at + run {
            self.close(OpenKind::Template, start);
            start += 2;
        }
        // The third brace of `}}}`.
        let ends_variants = self.byte(at + run) == Some(b'-');
        if start < at + run && !ends_variants {
            self.push(start, start + 1, TokenKind::Skip)
        } else {
            at + run
        }
    }

    fn close_link(&mut self, at: usize) -> usize {
        if self.stack.last().is_some_and(|open| open.kind == OpenKind::Link) {
            self.close(OpenKind::Link, at);
            return at + 2;
        }
        self.push(at, at + 2, TokenKind::Skip)
    }

    /// Closes the innermost open `kind`; what was opened inside it and not closed stays open.
    fn close(&mut self, kind: OpenKind, at: usize) {
        let is_open = match kind {
            OpenKind::Template => self.num_templates > 0,
            OpenKind::Table => self.num_tables > 0,
            OpenKind::Link => true,
        };
        if !is_open {
            self.push(at, at + 2, TokenKind::Skip);
            return;
        }
        while let Some(open) = self.stack.pop() {
            looks_at(1);
            if open.kind != kind {
                self.leave_open(&open);
                continue;
            }
            self.num_templates -= usize::from(kind == OpenKind::Template);
            self.num_tables -= usize::from(kind == OpenKind::Table);
            if self.is_table_end(&open, at) {
                return self.end_table_by_template(&open, at);
            }
            self.pair(&open, at);
            break;
        }
        let closing = if kind == OpenKind::Table {
            TokenKind::TableClose
        } else {
            TokenKind::Skip
        };
        self.push(at, at + 2, closing);
    }

    /// Whether the template that ends at `at` stands for `|}` of an open table.
    fn is_table_end(&self, open: &Open, at: usize) -> bool {
        let name_start = self.scanned.tokens[open.token_index].end;
        let is_short = open.kind == OpenKind::Template && at - name_start < 20;
        is_short && self.num_tables > 0 && is_table_end(&self.source[name_start..at])
    }

    /// Nothing is left of the template itself.
    fn end_table_by_template(&mut self, open: &Open, at: usize) {
        let start = self.scanned.tokens[open.token_index].start;
        self.scanned.tokens.truncate(open.token_index);
        self.open_pipes.truncate(open.first_pipe);
        self.close(OpenKind::Table, start);
        if let Some(closing) = self.scanned.tokens.last_mut() {
            closing.end = at + 2;
        }
    }

    fn pair(&mut self, open: &Open, at: usize) {
        let index = self.scanned.pairs.len();
        let token = &mut self.scanned.tokens[open.token_index].kind;
        match open.kind {
            OpenKind::Template => *token = TokenKind::Template(index),
            OpenKind::Link => *token = TokenKind::Link(index),
            OpenKind::Table => {
                *token = TokenKind::TableOpen { is_closed: true };
                return;
            }
        }
        let pipes = self.open_pipes.drain(open.first_pipe..);
        self.scanned.push_pair(at, at + 2, pipes);
    }

    /// The marker of something that never closes goes, with a template's name when a pipe ends
    /// it; its text stays.
    fn leave_open(&mut self, open: &Open) {
        self.num_templates -= usize::from(open.kind == OpenKind::Template);
        self.num_tables -= usize::from(open.kind == OpenKind::Table);
        let first_pipe = self.open_pipes.get(open.first_pipe).copied();
        self.open_pipes.truncate(open.first_pipe);
        let token = &mut self.scanned.tokens[open.token_index];
        match open.kind {
            OpenKind::Table => return,
            OpenKind::Link | OpenKind::Template => token.kind = TokenKind::Skip,
        }
        let Some(name_end) = first_pipe.filter(|pipe| pipe - token.end < 40) else {
            return;
        };
        if !self.source[token.end..name_end].contains(['\n', '{', '[', '<', '}', ']']) {
            token.end = name_end + 1;
        }
    }

    fn pipe(&mut self, at: usize) -> usize {
        if self.byte(at + 1) == Some(b'}') && self.is_line_start(at) {
            let top = self.stack.last().map(|open| open.kind);
            let ends_template = self.byte(at + 2) == Some(b'}') && top == Some(OpenKind::Template);
            if !ends_template {
                self.close(OpenKind::Table, at);
                return at + 2;
            }
        }
        if self.stack.last().is_some_and(|open| open.kind != OpenKind::Table) {
            self.open_pipes.push(at);
        }
        at + 1
    }
}

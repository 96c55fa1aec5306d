//! Finds the markup of a page and pairs what opens with what closes, in one pass over the bytes
//! with a stack.

use memchr::memmem;

use super::tags::{NUM_OPAQUE, TagKind, opaque_of, tag_kind};
use super::work::looks_at;

/// A tag or comment may be this long; a `<` without its `>` costs no more than that.
const MAX_TAG_BYTES: usize = 1_000;
/// Tables in tables beyond this depth are read as text.
const MAX_TABLE_DEPTH: usize = 64;

/// A piece of markup, `start..end` in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: TokenKind,
}

/// What a piece of markup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Leaves no trace.
    Skip,
    /// Leaves a space.
    Space,
    /// Ends the line.
    Break,
    /// `inner` is text in which nothing is markup.
    Literal { inner_start: usize, inner_end: usize },
    /// `{{`, paired: index into [`Scanned::pairs`].
    Template(usize),
    /// `[[`, paired.
    Link(usize),
    /// `{|` at the start of a line.
    TableOpen,
    /// `|}` at the start of a line.
    TableClose,
}

/// An opening marker with its closing one and the first pipes between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pair {
    /// Where the content ends.
    pub(super) inner_end: usize,
    /// Where the closing marker ends.
    pub(super) end: usize,
    /// Positions of the first three `|` at this depth.
    pub(super) pipes: [usize; 3],
    /// How many of `pipes` there are.
    pub(super) num_pipes: usize,
}

/// A page's markup, by start.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub(super) tokens: Vec<Token>,
    pub(super) pairs: Vec<Pair>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenKind {
    Template,
    Link,
    Table,
}

struct Open {
    kind: OpenKind,
    token_index: usize,
    pair: Pair,
}

struct Scanner<'a> {
    source: &'a str,
    bytes: &'a [u8],
    scanned: Scanned,
    stack: Vec<Open>,
    num_templates: usize,
    num_tables: usize,
    /// End tags of each opaque element as (start, end), and how many are behind us.
    end_tags: [(Vec<(usize, usize)>, usize); NUM_OPAQUE],
}

/// Finds and pairs the markup of `source`.
pub(super) fn scan(source: &str) -> Scanned {
    let mut scanner = Scanner {
        source,
        bytes: source.as_bytes(),
        scanned: Scanned::default(),
        stack: Vec::new(),
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

/// All end tags of opaque elements, in order.
fn end_tags(source: &str) -> [(Vec<(usize, usize)>, usize); NUM_OPAQUE] {
    let mut found: [(Vec<(usize, usize)>, usize); NUM_OPAQUE] = Default::default();
    looks_at(source.len());
    for start in memmem::find_iter(source.as_bytes(), b"</") {
        let name = tag_name(source, start + 2);
        let Some(opaque) = opaque_of(name) else { continue };
        let after = start + 2 + name.len();
        let window = &source.as_bytes()[after..source.len().min(after + MAX_TAG_BYTES)];
        looks_at_tag(window);
        if let Some(length) = memchr::memchr2(b'>', b'<', window).filter(|length| window[*length] == b'>') {
            found[opaque].0.push((start, after + length + 1));
        }
    }
    found
}

fn looks_at_tag(window: &[u8]) {
    looks_at(memchr::memchr2(b'>', b'<', window).unwrap_or(window.len()));
}

fn tag_name(source: &str, start: usize) -> &str {
    let rest = &source[start..];
    let length = rest
        .bytes()
        .take(20)
        .take_while(u8::is_ascii_alphanumeric)
        .count();
    &rest[..length]
}

impl Scanner<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn push(&mut self, start: usize, end: usize, kind: TokenKind) -> usize {
        self.scanned.tokens.push(Token { start, end, kind });
        end
    }

    /// Whether only blanks and list markers stand between the line's start and `at`.
    fn is_line_start(&self, at: usize) -> bool {
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
        let window = &self.bytes[after..self.source.len().min(after + MAX_TAG_BYTES)];
        looks_at_tag(window);
        let Some(length) = memchr::memchr2(b'>', b'<', window).filter(|length| window[*length] == b'>')
        else {
            return self.push(at, after, TokenKind::Skip);
        };
        let tag_end = after + length + 1;
        let is_empty = self.bytes[tag_end - 2] == b'/';
        match kind {
            TagKind::Space => self.push(at, tag_end, TokenKind::Space),
            TagKind::Break => self.push(at, tag_end, TokenKind::Break),
            TagKind::Inline => self.push(at, tag_end, TokenKind::Skip),
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

    /// An unclosed comment reaches to the end of the page, as it does in `MediaWiki`.
    fn comment(&mut self, at: usize) -> usize {
        let end = memmem::find(&self.bytes[at + 4..], b"-->")
            .map_or(self.source.len(), |length| at + 4 + length + 3);
        looks_at(end - at);
        self.push(at, end, TokenKind::Skip)
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
            start = self.push(at, at + 1, TokenKind::Skip);
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
            pair: Pair::default(),
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
        self.open(OpenKind::Table, at, TokenKind::TableOpen);
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
        if start < at + run {
            self.push(start, start + 1, TokenKind::Skip)
        } else {
            start
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
        while let Some(mut open) = self.stack.pop() {
            looks_at(1);
            if open.kind != kind {
                self.leave_open(&open);
                continue;
            }
            self.num_templates -= usize::from(kind == OpenKind::Template);
            self.num_tables -= usize::from(kind == OpenKind::Table);
            open.pair.inner_end = at;
            open.pair.end = at + 2;
            self.pair(&open);
            break;
        }
        let closing = if kind == OpenKind::Table {
            TokenKind::TableClose
        } else {
            TokenKind::Skip
        };
        self.push(at, at + 2, closing);
    }

    fn pair(&mut self, open: &Open) {
        let index = self.scanned.pairs.len();
        let token = &mut self.scanned.tokens[open.token_index].kind;
        match open.kind {
            OpenKind::Template => *token = TokenKind::Template(index),
            OpenKind::Link => *token = TokenKind::Link(index),
            OpenKind::Table => return,
        }
        self.scanned.pairs.push(open.pair);
    }

    /// The marker of something that never closes goes, with a template's name when a pipe ends
    /// it; its text stays.
    fn leave_open(&mut self, open: &Open) {
        self.num_templates -= usize::from(open.kind == OpenKind::Template);
        self.num_tables -= usize::from(open.kind == OpenKind::Table);
        let token = &mut self.scanned.tokens[open.token_index];
        match open.kind {
            OpenKind::Table => return,
            OpenKind::Link | OpenKind::Template => token.kind = TokenKind::Skip,
        }
        let name_end = open.pair.pipes[0];
        let has_name = open.pair.num_pipes > 0 && name_end - token.end < 40;
        if has_name && !self.source[token.end..name_end].contains(['\n', '{', '[', '<', '}', ']']) {
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
        if let Some(open) = self.stack.last_mut()
            && open.kind != OpenKind::Table
            && open.pair.num_pipes < open.pair.pipes.len()
        {
            open.pair.pipes[open.pair.num_pipes] = at;
            open.pair.num_pipes += 1;
        }
        at + 1
    }
}

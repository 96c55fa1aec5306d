//! The markup of a page as [`super::scan`] hands it on: pieces by start, and which of them belong
//! together.

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
    /// What follows is raised, or lowered; `is_end` where that ends.
    Shifted { is_above: bool, is_end: bool },
    /// `{|` at the start of a line; a table may have no end.
    TableOpen { is_closed: bool },
    /// `|}` at the start of a line, or a template that stands for it.
    TableClose,
}

/// An opening marker with its closing one and the pipes between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pair {
    /// Where the content ends.
    pub(super) inner_end: usize,
    /// Where the closing marker ends.
    pub(super) end: usize,
    /// Where its `|` at this depth stand in [`Scanned::pipes`].
    first_pipe: usize,
    num_pipes: usize,
}

/// A page's markup, by start.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub(super) tokens: Vec<Token>,
    pub(super) pairs: Vec<Pair>,
    pipes: Vec<usize>,
}

impl Scanned {
    /// Takes an opening marker whose content ends at `inner_end` and whose closing one at `end`.
    pub(super) fn push_pair(&mut self, inner_end: usize, end: usize, pipes: impl Iterator<Item = usize>) {
        let first_pipe = self.pipes.len();
        self.pipes.extend(pipes);
        self.pairs.push(Pair {
            inner_end,
            end,
            first_pipe,
            num_pipes: self.pipes.len() - first_pipe,
        });
    }

    /// Positions of the `|` of a pair at its own depth.
    pub(super) fn pipes(&self, pair: &Pair) -> &[usize] {
        &self.pipes[pair.first_pipe..pair.first_pipe + pair.num_pipes]
    }
}

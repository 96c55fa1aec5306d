//! What each HTML element does to the flow of text, as the rendering section of the HTML
//! standard has it. It knows nothing about attributes or styles.

use rustc_hash::FxHasher;
use std::hash::Hasher;

use super::script::Script;

/// The part that an element plays in laying out text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// `html`, `head`, `body`: open by themselves, never closed before the end.
    Document,
    /// Its end tag closes it even when blocks have been opened inside (`b`, `font`, `a` ...).
    Formatting,
    /// Any inline element that is no formatting element, unknown ones and `ix:` included.
    Inline,
    /// A box of its own.
    Block,
    /// `div`, `address`: blocks that the implied end of a list item reaches through.
    Division,
    /// `p`: a block that other blocks end.
    Paragraph,
    /// `h1` to `h6`.
    Heading,
    /// `li`: ended by the next of its kind.
    ListItem,
    /// `dd`, `dt`: ended by the next of their kind.
    DefinitionItem,
    Table,
    TableSection,
    Row,
    Cell,
    Preformatted,
    /// Never shown.
    Hidden,
    /// `br`.
    LineBreak,
    /// `hr`.
    Rule,
    /// `<PAGE>` of the 1990s, left in HTML by conversion.
    Page,
    /// No content and no effect (`img`, `input`, `meta`).
    Void,
}

/// An element's name: equal names have equal ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NameId(u64);

/// One element kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    pub(super) name: NameId,
    pub(super) role: Role,
    pub(super) bold: bool,
    /// Italic or underlined.
    pub(super) emphasized: bool,
    pub(super) centered: bool,
    pub(super) script: Option<Script>,
}

impl Tag {
    /// The kind of a lower-case tag name.
    pub(super) fn of(name: &[u8]) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write(name);
        Self {
            name: NameId(hasher.finish()),
            role: role_of(name),
            bold: matches!(
                name,
                b"b" | b"strong" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6"
            ),
            emphasized: matches!(name, b"i" | b"em" | b"u"),
            centered: name == b"center",
            script: match name {
                b"sup" => Some(Script::Raised),
                b"sub" => Some(Script::Lowered),
                _ => None,
            },
        }
    }
}

fn role_of(name: &[u8]) -> Role {
    match name {
        b"td" | b"th" => Role::Cell,
        b"tr" => Role::Row,
        b"table" => Role::Table,
        b"tbody" | b"thead" | b"tfoot" | b"colgroup" => Role::TableSection,
        b"p" => Role::Paragraph,
        b"br" => Role::LineBreak,
        b"hr" => Role::Rule,
        b"html" | b"head" | b"body" => Role::Document,
        b"a" | b"b" | b"big" | b"code" | b"em" | b"font" | b"i" | b"nobr" | b"s" | b"small" | b"strike"
        | b"strong" | b"tt" | b"u" => Role::Formatting,
        b"article" | b"aside" | b"blockquote" | b"caption" | b"center" | b"details" | b"dialog" | b"dir"
        | b"dl" | b"fieldset" | b"figcaption" | b"figure" | b"footer" | b"form" | b"header" | b"hgroup"
        | b"legend" | b"main" | b"menu" | b"nav" | b"ol" | b"search" | b"section" | b"summary" | b"ul" => {
            Role::Block
        }
        b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => Role::Heading,
        b"li" => Role::ListItem,
        b"dd" | b"dt" => Role::DefinitionItem,
        b"div" | b"address" => Role::Division,
        b"pre" | b"listing" | b"xmp" | b"plaintext" => Role::Preformatted,
        b"title" | b"script" | b"style" | b"template" | b"noscript" | b"iframe" | b"noframes"
        | b"noembed" | b"textarea" | b"select" | b"datalist" | b"object" | b"audio" | b"video"
        | b"ix:header" | b"ix:hidden" | b"ix:references" | b"ix:resources" => Role::Hidden,
        b"page" => Role::Page,
        b"area" | b"base" | b"basefont" | b"bgsound" | b"col" | b"embed" | b"frame" | b"image" | b"img"
        | b"input" | b"keygen" | b"link" | b"meta" | b"param" | b"source" | b"track" | b"wbr" => Role::Void,
        _ => Role::Inline,
    }
}

impl Role {
    /// Whether opening it ends an open `p`.
    pub(super) fn ends_paragraph(self) -> bool {
        matches!(
            self,
            Self::Block
                | Self::Division
                | Self::Paragraph
                | Self::Heading
                | Self::ListItem
                | Self::DefinitionItem
                | Self::Preformatted
                | Self::Rule
        )
    }

    /// Whether the search for an implied end stops here.
    pub(super) fn is_scope(self) -> bool {
        matches!(self, Self::Cell | Self::Row | Self::TableSection | Self::Table)
    }

    /// Whether the end tag of an inline element cannot reach through it.
    pub(super) fn is_special(self) -> bool {
        !matches!(self, Self::Formatting | Self::Inline)
    }
}

//! The few CSS properties that decide what text is shown and how it breaks into lines, read from
//! a `style` attribute. Style sheets are not read: filings may not carry them.

use std::collections::HashMap;

use super::declarations::declarations;
use super::letter_case::LetterCase;
use super::script::{Place, Placing};

/// Styles kept by their text, because a filing repeats a few hundred of them a hundred thousand
/// times; beyond this many the cache stops growing.
const CACHED_STYLES: usize = 8192;

/// How an element takes part in the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Display {
    None,
    Inline,
    Block,
    /// Its children are blocks, whatever they are by themselves.
    Flex,
}

/// What a `style` attribute says; `None` where it says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) display: Option<Display>,
    pub(super) visible: Option<bool>,
    pub(super) bold: Option<bool>,
    /// Italic or underlined.
    pub(super) emphasized: Option<bool>,
    pub(super) centered: Option<bool>,
    pub(super) letter_case: Option<LetterCase>,
    pub(super) place: Option<Place>,
    pub(super) out_of_flow: bool,
    pub(super) break_before: bool,
    pub(super) break_after: bool,
}

/// Parsed styles by their text.
#[derive(Debug, Default)]
pub(super) struct StyleCache(HashMap<Vec<u8>, Style>);

impl StyleCache {
    /// The meaning of a `style` attribute's value.
    pub(super) fn parse(&mut self, text: &[u8]) -> Style {
        if let Some(style) = self.0.get(text) {
            return *style;
        }
        let style = parse(text);
        if self.0.len() < CACHED_STYLES {
            self.0.insert(text.to_vec(), style);
        }
        style
    }
}

/// Declarations that together make one part of a [`Style`].
#[derive(Debug, Default)]
struct Parts {
    italic: Option<bool>,
    underlined: bool,
    is_positioned: bool,
    floats: bool,
    placing: Placing,
}

fn parse(text: &[u8]) -> Style {
    let (mut style, mut parts) = (Style::default(), Parts::default());
    let declarations = declarations(text);
    // The last one counts, of the important ones if there are any.
    for is_important in [false, true] {
        for declaration in declarations.iter().filter(|one| one.is_important == is_important) {
            apply(&mut style, &mut parts, &declaration.name, &declaration.value);
        }
    }
    style.emphasized = if parts.underlined {
        Some(true)
    } else {
        parts.italic
    };
    style.out_of_flow = parts.is_positioned || parts.floats;
    style.place = parts.placing.place();
    style
}

fn apply(style: &mut Style, parts: &mut Parts, name: &[u8], value: &[u8]) {
    match name {
        b"display" => style.display = display_of(value, style.display),
        b"visibility" => style.visible = visible_of(value, style.visible),
        b"font-weight" => style.bold = weight_of(value),
        b"font" if value.split(|&byte| byte == b' ').any(|word| word == b"bold") => {
            style.bold = Some(true);
        }
        b"font-style" => parts.italic = (value != b"inherit").then_some(value != b"normal"),
        b"text-decoration" | b"text-decoration-line" => parts.underlined |= value.starts_with(b"underline"),
        b"text-align" => style.centered = Some(value == b"center"),
        b"text-transform" => style.letter_case = LetterCase::of_style(value, style.letter_case),
        b"position" => {
            parts.is_positioned = matches!(value, b"absolute" | b"fixed");
            parts.placing.is_relative = value == b"relative";
        }
        b"float" => parts.floats = value != b"none",
        b"page-break-before" | b"break-before" => style.break_before = is_forced(value),
        b"page-break-after" | b"break-after" => style.break_after = is_forced(value),
        _ => parts.placing.apply(name, value),
    }
}

/// What `display` says; a value that CSS does not know leaves what was said `before`.
fn display_of(value: &[u8], before: Option<Display>) -> Option<Display> {
    Some(match value {
        b"none" | b"table-column" | b"table-column-group" => Display::None,
        b"flex" | b"grid" => Display::Flex,
        b"inline" | b"contents" | b"inline-block" | b"inline-table" | b"inline-flex" | b"inline-grid"
        | b"ruby" | b"initial" | b"unset" => Display::Inline,
        b"block"
        | b"list-item"
        | b"table"
        | b"table-row"
        | b"table-cell"
        | b"table-caption"
        | b"table-row-group"
        | b"table-header-group"
        | b"table-footer-group"
        | b"flow-root" => Display::Block,
        b"inherit" | b"revert" | b"revert-layer" => return None,
        _ => return before,
    })
}

/// What `visibility` says: only `hidden` and `collapse` hide.
fn visible_of(value: &[u8], before: Option<bool>) -> Option<bool> {
    match value {
        b"hidden" | b"collapse" => Some(false),
        b"visible" | b"initial" => Some(true),
        b"inherit" | b"unset" | b"revert" | b"revert-layer" => None,
        _ => before,
    }
}

fn weight_of(value: &[u8]) -> Option<bool> {
    match value {
        b"bold" | b"bolder" => Some(true),
        b"normal" | b"lighter" => Some(false),
        b"inherit" => None,
        digits => std::str::from_utf8(digits)
            .ok()?
            .parse::<u16>()
            .ok()
            .map(|weight| weight >= 600),
    }
}

fn is_forced(value: &[u8]) -> bool {
    matches!(value, b"always" | b"page" | b"left" | b"right")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_read_whatever_their_case_and_spaces() {
        let style = parse(b"Display : NONE ! important;; FONT-WEIGHT:700;text-align: center");
        assert_eq!(style.display, Some(Display::None));
        assert_eq!(style.bold, Some(true));
        assert_eq!(style.centered, Some(true));
        assert_eq!(parse(b"display:none!important").display, Some(Display::None));
        assert_eq!(parse(b"DISPLAY: None").display, Some(Display::None));
        assert!(parse(b"color:red;page-break-after:always").break_after);
        assert!(!parse(b"page-break-after:avoid").break_after);
        assert_eq!(parse(b":;:;display"), Style::default());
    }

    #[test]
    fn a_property_whose_name_ends_in_display_is_another_property() {
        assert_eq!(parse(b"-sec-display:none;x-visibility:hidden"), Style::default());
    }

    #[test]
    fn important_ones_count_before_later_ones_and_the_last_of_them_does() {
        for (style, display) in [
            ("display:none !important;display:inline", Display::None),
            ("display:inline;display:none", Display::None),
            ("display:none;display:block", Display::Block),
            ("display:none!important;display:block!important", Display::Block),
            ("display:block !important;display:none", Display::Block),
            ("display:none;display:oak", Display::None),
            ("display:none/* kept */;/* display:block */", Display::None),
        ] {
            assert_eq!(parse(style.as_bytes()).display, Some(display), "{style}");
        }
        assert_eq!(
            parse(b"visibility:hidden!important;visibility:visible").visible,
            Some(false)
        );
    }

    #[test]
    fn only_hidden_and_collapse_hide() {
        for (value, visible) in [
            ("hidden", Some(false)),
            ("collapse", Some(false)),
            ("visible", Some(true)),
            ("initial", Some(true)),
            ("inherit", None),
            ("unset", None),
            ("revert", None),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(
                parse(format!("visibility:{value}").as_bytes()).visible,
                visible,
                "{value}"
            );
        }
        assert_eq!(parse(b"visibility:hidden;visibility:none").visible, Some(false));
        assert_eq!(parse(b"visibility:hidden;visibility:inherit").visible, None);
    }

    #[test]
    fn italics_and_underlines_emphasize_whichever_comes_last() {
        for (style, emphasized) in [
            ("font-style:italic", Some(true)),
            ("font-style:normal;text-decoration:underline", Some(true)),
            ("text-decoration:underline;font-style:normal", Some(true)),
            ("font-style:normal", Some(false)),
            ("text-decoration:none", None),
        ] {
            assert_eq!(parse(style.as_bytes()).emphasized, emphasized, "{style}");
        }
    }

    #[test]
    fn the_cache_gives_what_the_parser_gives() {
        let mut cache = StyleCache::default();
        for _ in 0..2 {
            assert_eq!(cache.parse(b"font:bold 10pt Arial").bold, Some(true));
        }
        assert_eq!(cache.0.len(), 1);
    }
}

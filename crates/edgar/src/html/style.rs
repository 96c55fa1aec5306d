//! The few CSS properties that decide what text is shown and how it breaks into lines, read from
//! a `style` attribute. Style sheets are not read: filings may not carry them.

use std::collections::HashMap;

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
    pub(super) uppercase: Option<bool>,
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

fn parse(text: &[u8]) -> Style {
    let mut style = Style::default();
    for declaration in text.split(|&byte| byte == b';') {
        let Some(colon) = memchr::memchr(b':', declaration) else {
            continue;
        };
        let name = declaration[..colon].trim_ascii().to_ascii_lowercase();
        let value = declaration[colon + 1..].trim_ascii().to_ascii_lowercase();
        let value = value.strip_suffix(b"!important").unwrap_or(&value).trim_ascii();
        apply(&mut style, &name, value);
    }
    style
}

fn apply(style: &mut Style, name: &[u8], value: &[u8]) {
    match name {
        b"display" => style.display = display_of(value).or(style.display),
        b"visibility" => style.visible = Some(value == b"visible"),
        b"font-weight" => style.bold = weight_of(value),
        b"font" if value.split(|&byte| byte == b' ').any(|word| word == b"bold") => {
            style.bold = Some(true);
        }
        b"font-style" => style.emphasized = style.emphasized.or(Some(value != b"normal")),
        b"text-decoration" | b"text-decoration-line" if value.starts_with(b"underline") => {
            style.emphasized = Some(true);
        }
        b"text-align" => style.centered = Some(value == b"center"),
        b"text-transform" => style.uppercase = Some(value == b"uppercase"),
        b"position" => style.out_of_flow |= matches!(value, b"absolute" | b"fixed"),
        b"float" => style.out_of_flow |= value != b"none",
        b"page-break-before" | b"break-before" => style.break_before = is_forced(value),
        b"page-break-after" | b"break-after" => style.break_after = is_forced(value),
        _ => {}
    }
}

fn display_of(value: &[u8]) -> Option<Display> {
    Some(match value {
        b"none" => Display::None,
        b"flex" | b"grid" => Display::Flex,
        b"inline" | b"contents" | b"inline-block" | b"inline-table" | b"inline-flex" => Display::Inline,
        b"block" | b"list-item" | b"table" | b"table-row" | b"table-cell" | b"flow-root" => Display::Block,
        _ => return None,
    })
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
        assert_eq!(style.bold, Some(true));
        assert_eq!(style.centered, Some(true));
        assert_eq!(parse(b"display:none!important").display, Some(Display::None));
        assert_eq!(parse(b"DISPLAY: None").display, Some(Display::None));
        assert_eq!(parse(b"visibility:hidden").visible, Some(false));
        assert!(parse(b"color:red;page-break-after:always").break_after);
        assert!(!parse(b"page-break-after:avoid").break_after);
        assert_eq!(parse(b":;:;display"), Style::default());
    }

    #[test]
    fn a_property_whose_name_ends_in_display_is_another_property() {
        assert_eq!(parse(b"-sec-display:none;x-visibility:hidden"), Style::default());
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

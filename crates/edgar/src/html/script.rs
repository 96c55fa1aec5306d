//! Whether text stands above or below its line, by its style: `vertical-align`, or a small shift
//! from its place, as programs that write filings have it.

/// Where text stands that is not on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Raised,
    Lowered,
}

/// Where a style sets text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On its line, even in `sup` and `sub`.
    OnLine,
    OffLine(Script),
}

/// Shifts that are seen and still belong to the line, in CSS pixels: 1.5 is a touch-up of a glyph
/// at most, 12 is most of a line.
const SHIFT_PX: std::ops::RangeInclusive<f32> = 1.5..=12.0;
/// Text of this size and less is small beside the 10 points of filings.
const SMALL_PX: f32 = 10.0;
/// A font of filings.
const EM_PX: f32 = 16.0;

/// What a style says of the place of its text, while it is read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Placing {
    align: Align,
    pub(super) is_relative: bool,
    top: Option<f32>,
    bottom: Option<f32>,
    is_small: bool,
}

/// `vertical-align`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Align {
    #[default]
    Unsaid,
    Baseline,
    /// To the top of the line or its text, which raises small text.
    Top,
    Script(Script),
    Other,
}

impl Placing {
    /// Takes a declaration of a property of its own.
    pub(super) fn apply(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"vertical-align" => self.align = align_of(value).unwrap_or(self.align),
            b"top" => self.top = length_px(value),
            b"bottom" => self.bottom = length_px(value),
            b"font-size" => self.is_small = is_small(value),
            _ => {}
        }
    }

    /// Where the style sets its text, if it does.
    pub(super) fn place(self) -> Option<Place> {
        let shift = self
            .top
            .or(self.bottom.map(|up| -up))
            .filter(|_| self.is_relative);
        let shifted = shift.and_then(script_of_shift).map(Place::OffLine);
        shifted.or(match self.align {
            Align::Script(script) => Some(Place::OffLine(script)),
            Align::Top if self.is_small => Some(Place::OffLine(Script::Raised)),
            Align::Baseline => Some(Place::OnLine),
            _ => None,
        })
    }
}

fn align_of(value: &[u8]) -> Option<Align> {
    Some(match value {
        b"super" => Align::Script(Script::Raised),
        b"sub" => Align::Script(Script::Lowered),
        b"baseline" | b"initial" | b"unset" => Align::Baseline,
        b"top" | b"text-top" => Align::Top,
        b"middle" | b"bottom" | b"text-bottom" | b"inherit" | b"revert" => Align::Other,
        _ => {
            let up = length_px(value)?;
            script_of_shift(-up).map_or(Align::Baseline, Align::Script)
        }
    })
}

/// Of a shift down.
fn script_of_shift(down: f32) -> Option<Script> {
    SHIFT_PX.contains(&down.abs()).then_some(if down < 0.0 {
        Script::Raised
    } else {
        Script::Lowered
    })
}

fn is_small(value: &[u8]) -> bool {
    let is_relative = value.ends_with(b"%") || value.ends_with(b"em");
    match value {
        b"smaller" | b"x-small" | b"xx-small" => true,
        _ => length_px(value).is_some_and(|px| px < if is_relative { EM_PX } else { SMALL_PX }),
    }
}

/// A length in CSS pixels; a per cent is one of a line.
fn length_px(value: &[u8]) -> Option<f32> {
    let value = std::str::from_utf8(value).ok()?;
    let unit = value
        .find(|c: char| c.is_ascii_alphabetic() || c == '%')
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(unit);
    let number: f32 = number.trim_ascii_end().parse().ok()?;
    let px = match unit {
        "" if number == 0.0 => 1.0,
        "px" => 1.0,
        "pt" => 4.0 / 3.0,
        "em" | "rem" | "pc" => EM_PX,
        "ex" | "ch" => EM_PX / 2.0,
        "%" => EM_PX / 100.0,
        "in" => 96.0,
        "cm" => 96.0 / 2.54,
        "mm" => 9.6 / 2.54,
        _ => return None,
    };
    Some(number * px)
}

#[cfg(test)]
mod tests {
    use super::super::declarations::declarations;
    use super::*;

    fn placing(style: &str) -> Placing {
        let mut placing = Placing::default();
        for declaration in declarations(style.as_bytes()) {
            placing.is_relative |= declaration.name == b"position" && declaration.value == b"relative";
            placing.apply(&declaration.name, &declaration.value);
        }
        placing
    }

    #[test]
    fn text_is_raised_by_its_alignment_or_a_small_shift() {
        use Script::{Lowered, Raised};
        for (style, script) in [
            ("vertical-align:super", Some(Raised)),
            ("vertical-align:sub", Some(Lowered)),
            ("vertical-align:3pt", Some(Raised)),
            ("vertical-align:-25%", Some(Lowered)),
            (
                "font-size:6.5pt;position:relative;top:-3.5pt;vertical-align:baseline",
                Some(Raised),
            ),
            ("position:relative;top:-0.4em", Some(Raised)),
            ("position:relative;bottom:3px", Some(Raised)),
            ("position:relative;top:2.5pt", Some(Lowered)),
            ("font-size:85%;vertical-align:text-top", Some(Raised)),
            ("font-size:7pt;vertical-align:top", Some(Raised)),
            ("vertical-align:top", None),
            ("font-size:10pt;vertical-align:top", None),
            ("position:relative;top:-40pt", None),
            ("position:relative;top:-0.5px", None),
            ("position:relative;top:auto", None),
            ("top:-3.5pt", None),
            ("vertical-align:middle;vertical-align:oak", None),
            ("", None),
        ] {
            let script = script.map(Place::OffLine);
            assert_eq!(placing(style).place(), script, "{style}");
        }
        for style in ["vertical-align:baseline", "vertical-align:0"] {
            assert_eq!(placing(style).place(), Some(Place::OnLine), "{style}");
        }
    }
}

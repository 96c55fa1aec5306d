//! A field of a line as it stands there, of whatever type. What lists and objects hold is passed over
//! and not kept: a line of many small ones would take a hundred times its length.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Floating-point numbers beyond this are whole, but may be others than the file says.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// What a field holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Field {
    /// It is not there, or null.
    #[default]
    Nothing,
    Text(String),
    /// As digits; a whole one without `.0`, one too large to be exact as `1e20`.
    Number(String),
    /// A truth value, a list or an object.
    Other,
}

struct FieldVisitor;

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Field, E> {
        Ok(Field::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Field, E> {
        Ok(Field::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field, E> {
        Ok(Field::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Field, E> {
        let is_whole = number.fract() == 0.0;
        Ok(Field::Number(if is_whole && number.abs() >= MOST_EXACT {
            format!("{number:e}")
        } else {
            // A whole one without `.0`.
            number.to_string()
        }))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field, E> {
        Ok(Field::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Field, E> {
        Ok(Field::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Field, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Field, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}

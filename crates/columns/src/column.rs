//! A column by its name and the kind of its values, and the values. It writes nothing.

use jiff::Timestamp;
use jiff::civil::Date;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in the file.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
}

/// What the values of a column are. Any value may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A short text of which there are few: an identifier, a form.
    Word,
    /// Running text of any length.
    Text,
    /// A day.
    Date,
    /// A point in time, with the offset from UTC that it was written with.
    Instant,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Yes or no.
    Flag,
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Not known, or not there.
    Null,
    /// Of a column of [`Kind::Word`] or [`Kind::Text`].
    Text(String),
    /// Of a column of [`Kind::Date`].
    Date(Date),
    /// Of a column of [`Kind::Instant`].
    Instant(Instant),
    /// Of a column of [`Kind::Integer`].
    Integer(i64),
    /// Of a column of [`Kind::Number`]; one that is not finite is written as a missing one.
    Number(f64),
    /// Of a column of [`Kind::Flag`].
    Flag(bool),
}

/// A point in time as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instant {
    at: Timestamp,
    written: String,
}

impl Column {
    /// A column of that name and kind.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
        }
    }
}

impl Value {
    /// The text, or null.
    pub fn text(text: Option<&str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.to_owned()))
    }

    /// The day that a text as `2019-12-31` says.
    pub fn date(text: &str) -> Option<Self> {
        // The parser of dates takes signs and blanks in place of digits.
        let is_plain = |(at, byte): (usize, u8)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        };
        let is_written_so = text.len() == 10 && text.bytes().enumerate().all(is_plain);
        let date = is_written_so.then(|| Date::strptime("%Y-%m-%d", text));
        date.and_then(Result::ok).map(Self::Date)
    }

    /// The point in time that a text as `2019-02-15T16:30:12-05:00` (RFC 3339) says.
    pub fn instant(text: &str) -> Option<Self> {
        // The parser takes other forms of ISO 8601 too.
        let has_offset = text.ends_with('Z') || text.as_bytes().get(19).is_some();
        let is_written_so = text.as_bytes().get(10) == Some(&b'T') && has_offset;
        let at = is_written_so.then(|| text.parse::<Timestamp>());
        let instant = at.and_then(Result::ok).map(|at| Instant {
            at,
            written: text.to_owned(),
        });
        instant.map(Self::Instant)
    }

    /// Whether a column of this kind may have it.
    pub(crate) fn is_of(&self, kind: Kind) -> bool {
        match self {
            Self::Null => true,
            Self::Text(_) => matches!(kind, Kind::Word | Kind::Text),
            Self::Date(_) => kind == Kind::Date,
            Self::Instant(_) => kind == Kind::Instant,
            Self::Integer(_) => kind == Kind::Integer,
            Self::Number(_) => kind == Kind::Number,
            Self::Flag(_) => kind == Kind::Flag,
        }
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + size_of::<u64>(),
            _ => size_of::<u64>(),
        }
    }
}

impl Instant {
    /// The point in time.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_one_way_and_an_instant_has_an_offset() {
        assert!(matches!(Value::date("2020-02-29"), Some(Value::Date(_))));
        for wrong in [
            "2019-02-29",
            "-2019-1-01",
            "2019-1-1",
            "20190101",
            "",
            "2019-02-15T16",
        ] {
            assert_eq!(Value::date(wrong), None, "{wrong}");
        }
        for text in [
            "2019-02-15T16:30:12-05:00",
            "2020-01-02T03:04:05Z",
            "2020-01-02T03:04:05.5+00:00",
        ] {
            let Some(Value::Instant(instant)) = Value::instant(text) else {
                panic!("{text}");
            };
            assert_eq!(instant.as_str(), text);
        }
        for wrong in [
            "2019-02-15",
            "2019-02-15T16:30:12",
            "2019-02-15 16:30:12Z",
            "yesterday",
            "",
        ] {
            assert_eq!(Value::instant(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_instant_keeps_the_offset_that_it_was_written_with() {
        let instant = |text| match Value::instant(text) {
            Some(Value::Instant(instant)) => instant,
            _ => panic!("{text}"),
        };
        let eastern = instant("2019-02-15T16:30:12-05:00");
        assert_eq!(eastern.at(), instant("2019-02-15T21:30:12Z").at());
        assert_ne!(eastern, instant("2019-02-15T21:30:12Z"));
    }
}

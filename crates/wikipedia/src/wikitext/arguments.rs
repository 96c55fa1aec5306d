//! The parameters of a template whose text is a function of them.

use super::sentinel::DROPPED;

/// Parameters beyond this number have no place in a value.
const MAX_POSITIONAL: usize = 64;

/// Where a template stands.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Surroundings {
    /// A digit stands right before the template.
    pub(super) follows_digit: bool,
    /// A full stop, or nothing, follows the template.
    pub(super) ends_sentence: bool,
    /// Numbers are grouped as English does.
    pub(super) is_english: bool,
}

/// What a template was given, with markup resolved.
#[derive(Debug, Default)]
pub(super) struct Arguments<'a> {
    positional: Vec<&'a str>,
    named: Vec<(&'a str, &'a str)>,
    /// A part of a parameter was left out, so that the rest may say something else.
    pub(super) has_lost: bool,
    pub(super) around: Surroundings,
}

impl<'a> Arguments<'a> {
    /// Nothing so far, of a template that stands there.
    pub(super) fn of(around: Surroundings) -> Self {
        Self {
            around,
            ..Self::default()
        }
    }

    /// Takes the next parameter, which has no name.
    pub(super) fn push(&mut self, text: &'a str) {
        let text = self.taken(text);
        self.positional.push(text);
    }

    /// Takes a parameter with a name; a number is the place of one without.
    pub(super) fn push_named(&mut self, name: &'a str, text: &'a str) {
        let place = name
            .parse()
            .ok()
            .filter(|place| (1..=MAX_POSITIONAL).contains(place));
        let text = self.taken(text);
        let Some(place) = place else {
            return self.named.push((name, text));
        };
        if self.positional.len() < place {
            self.positional.resize(place, "");
        }
        self.positional[place - 1] = text;
    }

    fn taken(&mut self, text: &'a str) -> &'a str {
        self.has_lost |= text.contains(DROPPED);
        text.trim()
    }

    /// Parameters without a name, in order, those that are empty among them.
    pub(super) fn positional(&self) -> &[&'a str] {
        &self.positional
    }

    /// The parameter of this number, from 1; empty where it was not given.
    pub(super) fn text(&self, number: usize) -> &'a str {
        self.positional.get(number - 1).copied().unwrap_or("")
    }

    /// The first of these names that was given a text.
    pub(super) fn named(&self, names: &[&str]) -> Option<&'a str> {
        let is_given = |(name, text): &&(&str, &str)| names.contains(name) && !text.is_empty();
        self.named.iter().find(is_given).map(|(_, text)| *text)
    }

    /// Whether one of these names was given as yes.
    pub(super) fn is_on(&self, names: &[&str]) -> bool {
        let answer = self.named(names);
        answer.is_some_and(|answer| !matches!(answer, "n" | "no" | "off" | "0" | "false"))
    }

    /// Whether no other names than these were given a text.
    pub(super) fn has_only(&self, names: &[&str]) -> bool {
        let is_known = |(name, text): &(&str, &str)| names.contains(name) || text.is_empty();
        self.named.iter().all(is_known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_names_are_places() {
        let mut arguments = Arguments::default();
        arguments.push(" a ");
        arguments.push_named("3", "c");
        arguments.push_named("lc", "y");
        arguments.push_named("99", "x");
        assert_eq!(arguments.positional(), ["a", "", "c"]);
        assert_eq!((arguments.text(3), arguments.text(4)), ("c", ""));
        assert!(arguments.is_on(&["lc"]) && !arguments.is_on(&["df"]));
        assert!(arguments.has_only(&["lc", "99"]) && !arguments.has_only(&["lc"]));
    }
}

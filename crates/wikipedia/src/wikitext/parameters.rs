//! Where in the source the parameters of a template stand, and what they are called.

use super::templates::Reading;
use super::work::looks_at;

/// A longer name is none.
const MAX_NAME_BYTES: usize = 40;
/// Names under which a text is given that has no name elsewhere.
const TEXT_NAMES: [&str; 4] = ["text", "quote", "content", "code"];

/// A parameter: its value is `start..end` of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameter<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Where in `{{formatnum:3}}` the first parameter begins, in the text before the first pipe.
pub(super) fn function_start(written: &str) -> Option<usize> {
    const FUNCTIONS: [&str; 2] = ["formatnum", "#formatnum"];
    let colon = written
        .bytes()
        .take(MAX_NAME_BYTES)
        .position(|byte| byte == b':')?;
    let name = written[..colon].trim();
    let is_function = FUNCTIONS
        .iter()
        .any(|function| function.eq_ignore_ascii_case(name));
    is_function.then_some(colon + 1)
}

/// The parameters of a template whose name ends at the first number of `ends` and which itself
/// does at the second.
pub(super) fn parameters<'a>(
    source: &'a str,
    function_start: Option<usize>,
    pipes: &[usize],
    ends: (usize, usize),
) -> Vec<Parameter<'a>> {
    let (name_end, inner_end) = ends;
    let behind_colon = function_start.map(|start| Parameter {
        name: None,
        start,
        end: name_end,
    });
    let stops = pipes.iter().skip(1).copied().chain([inner_end]);
    let behind_pipes = pipes
        .iter()
        .zip(stops)
        .map(|(pipe, end)| parameter(source, pipe + 1, end));
    behind_colon.into_iter().chain(behind_pipes).collect()
}

fn parameter(source: &str, start: usize, end: usize) -> Parameter<'_> {
    let written = &source[start..end];
    let unnamed = Parameter {
        name: None,
        start,
        end,
    };
    let text = written.trim_start();
    let blanks = written.len() - text.len();
    looks_at(blanks + text.len().min(MAX_NAME_BYTES));
    let Some(length) = text.bytes().take(MAX_NAME_BYTES).position(|byte| byte == b'=') else {
        return unnamed;
    };
    let name = text[..length].trim_end();
    let is_name = |letter: char| letter.is_alphanumeric() || " _-+".contains(letter);
    if name.is_empty() || !name.chars().all(is_name) {
        return unnamed;
    }
    Parameter {
        name: Some(name),
        start: start + blanks + length + 1,
        end,
    }
}

/// Where the text stands that is shown as it is; `None` when there is none.
pub(super) fn shown_text(
    source: &str,
    parameters: &[Parameter<'_>],
    reading: Reading,
) -> Option<(usize, usize)> {
    let unnamed = || parameters.iter().filter(|parameter| parameter.name.is_none());
    let of_name = |name: &str| {
        parameters
            .iter()
            .rev()
            .find(|parameter| parameter.name == Some(name))
    };
    let found = match reading {
        Reading::Text(number) => unnamed()
            .nth(number - 1)
            .or_else(|| of_name(&number.to_string()))
            .or_else(|| TEXT_NAMES.iter().find_map(|name| of_name(name))),
        Reading::Last => unnamed()
            .rfind(|parameter| has_text(source, parameter))
            .or_else(|| parameters.iter().rev().find(|parameter| is_place(parameter.name))),
        _ => None,
    };
    let found = found.filter(|parameter| has_text(source, parameter))?;
    Some((found.start, found.end))
}

/// `2` is the name of the second parameter without a name.
fn is_place(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

fn has_text(source: &str, parameter: &Parameter<'_>) -> bool {
    let text = &source[parameter.start..parameter.end];
    let blanks = text.len() - text.trim_start().len();
    looks_at(blanks);
    blanks < text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> Vec<(Option<&str>, &str)> {
        let pipes: Vec<usize> = source.match_indices('|').map(|(at, _)| at).collect();
        let parameters = parameters(source, function_start(source), &pipes, (pipes[0], source.len()));
        parameters
            .into_iter()
            .map(|parameter| (parameter.name, &source[parameter.start..parameter.end]))
            .collect()
    }

    #[test]
    fn parameters_have_names_in_front_of_an_equals_sign() {
        assert_eq!(
            of("x|a| lc = y|http://a.example?b=c|[[d]]=e|=f"),
            [
                (None, "a"),
                (Some("lc"), " y"),
                (None, "http://a.example?b=c"),
                (None, "[[d]]=e"),
                (None, "=f")
            ]
        );
        assert_eq!(of("formatnum: 3 |R"), [(None, " 3 "), (None, "R")]);
        assert_eq!(of("convert:3|R"), [(None, "R")]);
    }
}

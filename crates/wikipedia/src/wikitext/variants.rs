//! Language variants: `-{text}-` and `-{zh-hans:one; zh-hant:two}-`, where a wiki is written in
//! several scripts. The first variant that is given stands for all.

use super::work::looks_at;

/// The text with a variant in the place of each `-{...}-`.
pub(super) fn without_variants(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, inner)) = rest.split_once("-{") {
        // Once none closes, none does further on.
        let Some((inner, behind)) = inner.split_once("}-") else {
            break;
        };
        looks_at(before.len() + inner.len() + 4);
        // The innermost is read; what opened outside of it is text.
        let (outside, inner) = inner.rsplit_once("-{").unwrap_or(("", inner));
        out.push_str(before);
        out.push_str(outside);
        out.push_str(shown(inner));
        rest = behind;
    }
    looks_at(rest.len());
    out.push_str(rest);
    out
}

fn shown(inner: &str) -> &str {
    let Some((flags, rules)) = inner.split_once('|') else {
        return first_variant(inner);
    };
    let mut flags = flags.split(';').map(str::trim);
    // A title, a hidden rule, a rule that is taken back and a description leave nothing.
    if flags.any(|flag| matches!(flag, "T" | "H" | "-")) {
        ""
    } else {
        first_variant(rules)
    }
}

/// The text of the first of `zh-hans:one; zh-hant:two`; a text without codes is itself.
fn first_variant(rules: &str) -> &str {
    let first = rules.split(';').next().unwrap_or(rules);
    let Some((code, text)) = first.split_once(':') else {
        return rules;
    };
    // `one=>zh-hans:two` says what one is in a variant.
    let code = code.rsplit("=>").next().unwrap_or(code).trim();
    let is_code =
        (2..=12).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if is_code { text.trim() } else { rules }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_variant_stands_for_all() {
        for (text, expected) in [
            ("a-{b}-c", "abc"),
            ("-{zh-hans:one; zh-hant:two;}-.", "one."),
            ("-{A|zh-cn:one;zh-tw:two}-", "one"),
            ("-{T|zh:one}--{H|zh-cn:one}-x", "x"),
            ("-{}-x-{", "x-{"),
            ("-{a: b; c}-", "a: b; c"),
        ] {
            assert_eq!(without_variants(text), expected);
        }
    }
}

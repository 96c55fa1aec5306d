//! Doc comments that stand over another item than the one they describe.
//!
//! A comment that was left behind when a function moved speaks of parameters that its new item has not. So
//! a name in back quotes is a finding where the item does not have it and a neighbor takes it as a parameter.

use std::collections::BTreeSet;

use regex::Regex;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, FnArg, Pat, Signature};

/// Something with a doc comment, as far as the check needs it.
#[derive(Debug)]
struct Documented {
    name: String,
    line: usize,
    doc: String,
    /// Its first and last line without the comment.
    code: (usize, usize),
    parameters: BTreeSet<String>,
}

/// Lines of misplaced comments, and what is wrong.
pub(crate) fn problems(text: &str, syntax: &syn::File) -> Vec<(usize, String)> {
    let mut items = Items::default();
    items.visit_file(syntax);
    let quoted = Regex::new(r"`([a-z][a-z0-9_]*)`").expect("a fixed pattern");
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, item) in items.0.iter().enumerate() {
        let code = lines[item.code.0 - 1..item.code.1].join("\n");
        let neighbors = [index.checked_sub(1), Some(index + 1)];
        let neighbors = || neighbors.iter().flatten().filter_map(|place| items.0.get(*place));
        for name in quoted.captures_iter(&item.doc).map(|name| name[1].to_owned()) {
            let owner = neighbors().find(|other| other.parameters.contains(&name));
            if let (Some(owner), false) = (owner, has_word(&code, &name)) {
                let (own, other) = (&item.name, &owner.name);
                found.push((
                    item.line,
                    format!("the comment over `{own}` speaks of `{name}`, a parameter of `{other}`"),
                ));
            }
        }
    }
    found
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|part| part == word)
}

#[derive(Default)]
struct Items(Vec<Documented>);

impl Items {
    fn add(&mut self, attributes: &[Attribute], signature: &Signature, last: usize) {
        let parameters = signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(parameter) => match &*parameter.pat {
                Pat::Ident(name) => Some(name.ident.to_string()),
                _ => None,
            },
            FnArg::Receiver(_) => None,
        });
        let line = signature.fn_token.span.start().line;
        self.0.push(Documented {
            name: signature.ident.to_string(),
            line,
            doc: doc_of(attributes),
            code: (line, last),
            parameters: parameters.collect(),
        });
    }
}

fn doc_of(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            syn::Expr::Lit(literal) => match &literal.lit {
                syn::Lit::Str(line) => Some(line.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<String>>().join("\n")
}

impl<'ast> Visit<'ast> for Items {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.attrs, &function.sig, function.span().end().line);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.attrs, &function.sig, function.span().end().line);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.add(&function.attrs, &function.sig, function.span().end().line);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.0.push(Documented {
            name: item.ident.to_string(),
            line: item.ident.span().start().line,
            doc: doc_of(&item.attrs),
            code: (item.ident.span().start().line, item.span().end().line),
            parameters: BTreeSet::new(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_that_speaks_of_the_next_functions_parameter_is_found() {
        let text = "\
/// Whether `ranks` fit into `bytes`.
fn in_gb(amount: u64) -> String {}

fn fits(ranks: u64, bytes: u64) -> bool {
    true
}

/// What `bytes` are in words, see `fits`.
fn words(bytes: u64) {}
";
        let found = problems(text, &syn::parse_file(text).unwrap());
        let expected = ["ranks", "bytes"].map(|name| {
            let problem = format!("the comment over `in_gb` speaks of `{name}`, a parameter of `fits`");
            (2, problem)
        });
        assert_eq!(found, expected);
    }
}

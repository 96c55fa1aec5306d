//! What of the code is for tests alone.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, ImplItem, Item, Meta, Token, TraitItem};

/// Whether these attributes make what they stand over a test, or part of tests.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => list
            .parse_args::<Meta>()
            .is_ok_and(|condition| needs_test(&condition)),
        Meta::Path(path) => path
            .segments
            .last()
            .is_some_and(|last| last.ident == "test" || last.ident == "bench"),
        _ => false,
    })
}

/// Whether a condition holds in test builds alone. `any(test, feature = "testing")` does not: such code is
/// built for other crates too.
fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            let Ok(parts) = parts else { return false };
            if list.path.is_ident("all") {
                parts.iter().any(needs_test)
            } else {
                list.path.is_ident("any") && !parts.is_empty() && parts.iter().all(needs_test)
            }
        }
        Meta::NameValue(_) => false,
    }
}

/// Whether an item is for tests alone; a module named `tests` is, with or without the attribute.
pub(crate) fn is_test_item(item: &Item) -> bool {
    let is_tests = matches!(item, Item::Mod(module) if module.ident == "tests");
    is_tests || is_for_tests(attributes_of(item))
}

pub(crate) fn is_test_impl_item(item: &ImplItem) -> bool {
    let attributes: &[Attribute] = match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        ImplItem::Macro(item) => &item.attrs,
        _ => &[],
    };
    is_for_tests(attributes)
}

pub(crate) fn is_test_trait_item(item: &TraitItem) -> bool {
    matches!(item, TraitItem::Fn(item) if is_for_tests(&item.attrs))
}

/// The attributes of an item; none of what `syn` does not know.
pub(crate) fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// How many lines of a file are not for tests.
pub(crate) fn lines_without_tests(text: &str, syntax: &syn::File) -> usize {
    let tests = syntax.items.iter().filter(|item| is_test_item(item));
    text.lines().count() - tests.map(|item| num_lines(item.span())).sum::<usize>()
}

fn num_lines(span: Span) -> usize {
    span.end().line - span.start().line + 1
}

//! What of the code is for tests alone.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, ImplItem, Item, Meta, Stmt, Token, TraitItem};

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

/// Takes out of a file what is for tests alone, wherever it stands, and says how many lines that were.
pub(crate) fn take_out_tests(file: &mut syn::File) -> usize {
    let mut stripper = Stripper::default();
    stripper.visit_file_mut(file);
    stripper.lines
}

#[derive(Default)]
struct Stripper {
    /// Of all that was taken out.
    lines: usize,
}

impl Stripper {
    /// Keeps what stays, of things with these attributes.
    fn keep<T: Spanned>(&mut self, things: &mut Vec<T>, attributes: impl Fn(&T) -> &[Attribute]) {
        things.retain(|thing| {
            let is_test = is_for_tests(attributes(thing));
            if is_test {
                self.lines += num_lines(thing.span());
            }
            !is_test
        });
    }
}

impl VisitMut for Stripper {
    fn visit_file_mut(&mut self, file: &mut syn::File) {
        self.keep(&mut file.items, attributes_of);
        visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut module.content {
            self.keep(items, attributes_of);
        }
        visit_mut::visit_item_mod_mut(self, module);
    }

    fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
        self.keep(&mut item.items, |item| match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        });
        visit_mut::visit_item_impl_mut(self, item);
    }

    fn visit_item_trait_mut(&mut self, item: &mut syn::ItemTrait) {
        self.keep(&mut item.items, |item| match item {
            TraitItem::Const(item) => &item.attrs,
            TraitItem::Fn(item) => &item.attrs,
            TraitItem::Type(item) => &item.attrs,
            TraitItem::Macro(item) => &item.attrs,
            _ => &[],
        });
        visit_mut::visit_item_trait_mut(self, item);
    }

    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        self.keep(&mut block.stmts, |statement| match statement {
            Stmt::Item(item) => attributes_of(item),
            Stmt::Local(local) => &local.attrs,
            Stmt::Macro(statement) => &statement.attrs,
            Stmt::Expr(..) => &[],
        });
        visit_mut::visit_block_mut(self, block);
    }
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

fn num_lines(span: Span) -> usize {
    span.end().line - span.start().line + 1
}

//! Sizes and shapes of a file: its functions, its public items, what its parameter lists take.

use syn::visit::{self, Visit};
use syn::{Block, FnArg, Item, Signature, Type, Visibility};

use super::tests_only::{is_test_impl_item, is_test_item, is_test_trait_item, lines_without_tests};
use super::tree::SourceFile;

/// What a file has, tests left out.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    pub(crate) lines: usize,
    pub(crate) public_items: usize,
    pub(crate) functions: Vec<Function>,
    pub(crate) tuples: Vec<TupleParameter>,
}

/// A function or method with a body.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The line of its `fn`.
    pub(crate) line: usize,
    /// From the line of its `fn` to that of its closing brace.
    pub(crate) lines: usize,
}

/// A parameter whose type has a tuple of more than two values, at whatever depth. The values of tuples
/// within it count: a pair of pairs has four.
#[derive(Debug)]
pub(crate) struct TupleParameter {
    pub(crate) function: String,
    pub(crate) line: usize,
    pub(crate) values: usize,
}

impl Shape {
    pub(crate) fn of(file: &SourceFile) -> Self {
        let mut shape = Self {
            lines: lines_without_tests(&file.text, &file.syntax),
            ..Self::default()
        };
        shape.visit_file(&file.syntax);
        shape
    }

    fn add_signature(&mut self, signature: &Signature) {
        for input in &signature.inputs {
            let FnArg::Typed(parameter) = input else { continue };
            let values = largest_tuple(&parameter.ty);
            if values > 2 {
                self.tuples.push(TupleParameter {
                    function: signature.ident.to_string(),
                    line: parameter.colon_token.spans[0].start().line,
                    values,
                });
            }
        }
    }

    fn add_function(&mut self, signature: &Signature, body: &Block) {
        let line = signature.fn_token.span.start().line;
        let last = body.brace_token.span.close().end().line;
        self.functions.push(Function {
            name: signature.ident.to_string(),
            line,
            lines: last - line + 1,
        });
    }

    fn count(&mut self, visibility: &Visibility) {
        self.public_items += usize::from(matches!(visibility, Visibility::Public(_)));
    }
}

/// The values of the largest tuple in a type.
fn largest_tuple(found: &Type) -> usize {
    struct Largest(usize);
    impl<'ast> Visit<'ast> for Largest {
        fn visit_type_tuple(&mut self, tuple: &'ast syn::TypeTuple) {
            self.0 = self.0.max(num_values(tuple));
            visit::visit_type_tuple(self, tuple);
        }
    }
    let mut largest = Largest(0);
    largest.visit_type(found);
    largest.0
}

fn num_values(tuple: &syn::TypeTuple) -> usize {
    let values = tuple.elems.iter().map(|value| match value {
        Type::Tuple(inner) => num_values(inner),
        _ => 1,
    });
    values.sum()
}

impl<'ast> Visit<'ast> for Shape {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test_item(item) {
            return;
        }
        match item {
            Item::Const(item) => self.count(&item.vis),
            Item::Enum(item) => self.count(&item.vis),
            Item::Fn(item) => self.count(&item.vis),
            Item::Mod(item) => self.count(&item.vis),
            Item::Static(item) => self.count(&item.vis),
            Item::Struct(item) => self.count(&item.vis),
            Item::Trait(item) => self.count(&item.vis),
            Item::Type(item) => self.count(&item.vis),
            Item::Union(item) => self.count(&item.vis),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        if !is_test_impl_item(item) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast syn::TraitItem) {
        if !is_test_trait_item(item) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add_signature(&function.sig);
        self.add_function(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.count(&function.vis);
        self.add_signature(&function.sig);
        self.add_function(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.add_signature(&function.sig);
        if let Some(body) = &function.default {
            self.add_function(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

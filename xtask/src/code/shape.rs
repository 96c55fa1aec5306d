//! Sizes and shapes of a file: its functions, its public items, what its parameter lists take.

use syn::visit::{self, Visit};
use syn::{Block, FnArg, Item, Signature, Type, Visibility};

use super::tree::SourceFile;

/// What a file has, tests left out.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    pub(crate) public_items: usize,
    pub(crate) functions: Vec<Function>,
    pub(crate) tuples: Vec<TupleParameter>,
    /// Inside the implementation of a trait, which says what its methods take.
    implements_trait: bool,
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
/// within it count, also behind a reference: a pair of pairs has four. What a callback takes or gives does
/// not count, nor does what a trait makes its implementations take.
#[derive(Debug)]
pub(crate) struct TupleParameter {
    pub(crate) function: String,
    pub(crate) line: usize,
    pub(crate) values: usize,
}

impl Shape {
    pub(crate) fn of(file: &SourceFile) -> Self {
        let mut shape = Self::default();
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
        /// The arguments of `Fn(..)`.
        fn visit_parenthesized_generic_arguments(&mut self, _: &'ast syn::ParenthesizedGenericArguments) {}

        fn visit_type_fn_ptr(&mut self, _: &'ast syn::TypeFnPtr) {}

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
    tuple.elems.iter().map(values_of).sum()
}

fn values_of(value: &Type) -> usize {
    match value {
        Type::Tuple(inner) => num_values(inner),
        Type::Reference(reference) => values_of(&reference.elem),
        Type::Ptr(pointer) => values_of(&pointer.elem),
        Type::Paren(inside) => values_of(&inside.elem),
        Type::Group(inside) => values_of(&inside.elem),
        _ => 1,
    }
}

impl<'ast> Visit<'ast> for Shape {
    fn visit_item(&mut self, item: &'ast Item) {
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

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let outside = self.implements_trait;
        self.implements_trait = item.trait_.is_some();
        visit::visit_item_impl(self, item);
        self.implements_trait = outside;
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add_signature(&function.sig);
        self.add_function(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.count(&function.vis);
        if !self.implements_trait {
            self.add_signature(&function.sig);
        }
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

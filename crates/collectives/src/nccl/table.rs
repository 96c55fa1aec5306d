//! One macro that turns a list of C functions into a table of pointers, looked up by name.
//!
//! The types in the list are this crate's word on what the library's header declares; the tests
//! compare them with the real headers. Nothing is called here.

/// A symbol that a library lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MissingSymbol {
    /// Its name.
    pub(super) symbol: &'static str,
    /// What the loader said.
    pub(super) message: String,
}

/// `struct Name { field: "symbol" fn(arguments) -> result; ... }` with a function `look_up`.
macro_rules! table {
    (
        $(#[$meta:meta])*
        struct $name:ident {
            $( $(#[$field_meta:meta])* $field:ident: $symbol:literal fn($($argument:ty),* $(,)?) -> $result:ty; )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy)]
        pub(super) struct $name {
            $( $(#[$field_meta])* pub(super) $field: unsafe extern "C" fn($($argument),*) -> $result, )*
        }

        impl $name {
            /// Looks all of them up.
            ///
            /// # Safety
            /// The symbols that are found have to be functions of the types in the table, and
            /// `library` has to stay loaded as long as one of them may be called.
            pub(super) unsafe fn look_up(
                library: &libloading::os::unix::Library,
            ) -> Result<Self, super::table::MissingSymbol> {
                Ok(Self {
                    $( $field: {
                        // SAFETY: the caller's promise.
                        let symbol = unsafe {
                            library.get::<unsafe extern "C" fn($($argument),*) -> $result>(
                                concat!($symbol, "\0").as_bytes(),
                            )
                        };
                        *symbol.map_err(|error| super::table::MissingSymbol {
                            symbol: $symbol,
                            message: error.to_string(),
                        })?
                    }, )*
                })
            }
        }
    };
}
pub(super) use table;

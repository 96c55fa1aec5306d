//! The only crate with C++ and raw tensor memory, behind a safe API.

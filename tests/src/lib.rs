//! Shared by both test binaries: where the product binaries and the test data are.

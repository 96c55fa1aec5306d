//! Saves and finds training state, whole or absent.

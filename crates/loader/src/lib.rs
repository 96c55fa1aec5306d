//! Which sequences, with which masks, are in slot k of step s.

//! Which positions are masked and by what: a pure function of its seed.

//! A run from its start to its end: its plan, its data, its folder, its loop, and who watches over it.

pub(crate) mod data;
pub(crate) mod evaluate;
pub(crate) mod folder;
pub(crate) mod launch;
pub(crate) mod plan;
pub(crate) mod session;
pub(crate) mod synthetic;
pub(crate) mod train;
pub(crate) mod watch;

#[cfg(test)]
pub(crate) mod test_corpus;
#[cfg(test)]
pub(crate) mod tests;

//! Which documents of a folder go where: who is held out, which forms, items and days are taken,
//! which ids are left out. Decisions alone; nothing here reads documents or writes files.

pub(crate) mod day;
pub(crate) mod drop_reason;
pub(crate) mod exclude;
pub(crate) mod filer;
pub(crate) mod held_out;
pub(crate) mod subset;
pub(crate) mod window;

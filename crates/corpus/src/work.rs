//! What commands that take long keep between their passes, so that a killed one goes on where it
//! was. It knows neither inputs nor shards.

pub(crate) mod external_sort;
pub(crate) mod record;
pub(crate) mod scratch;
pub(crate) mod segments;
pub(crate) mod threads;
pub(crate) mod work_dir;

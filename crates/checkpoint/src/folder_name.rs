//! The name of a checkpoint's folder.

/// The name of the folder of a step: `step-00012345`.
pub fn folder_name(step: u64) -> String {
    format!("step-{step:08}")
}

/// The step in a folder's name; `None` when it is not exactly what `save` would call it.
pub(crate) fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (folder_name(step) == name).then_some(step)
}

//! What a run does not have to be replayed.

/// An error of the step or slot that is asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// A step that the run does not have.
    #[error(
        "--step {step}: the run has the steps 1 to {max_steps} (training.max_steps), as metrics.jsonl names them"
    )]
    NoSuchStep {
        /// The step.
        step: u64,
        /// The last one.
        max_steps: u64,
    },
    /// A slot that a batch does not have.
    #[error(
        "--slot {slot}: a batch has the slots 0 to {} (training.global_batch_size = {num_slots})",
        num_slots.saturating_sub(1)
    )]
    NoSuchSlot {
        /// The slot.
        slot: u64,
        /// How many there are.
        num_slots: u64,
    },
}

//! How often ranks give signs of life, and how long they are waited for.

use std::time::Duration;

/// Times of the channel.
#[derive(Debug, Clone, Copy)]
pub struct LivenessOptions {
    /// Between two signs of life of a rank.
    pub beat: Duration,
    /// Without a sign of life for this long, a rank counts as lost.
    pub silence: Duration,
    /// The same once another rank has waited in vain beyond the deadline of its call.
    pub late_silence: Duration,
    /// For all ranks to open their connection.
    pub join: Duration,
}

impl Default for LivenessOptions {
    fn default() -> Self {
        Self {
            beat: Duration::from_millis(250),
            silence: Duration::from_secs(15),
            // Four beats: a thread that waits for a core on a busy machine is not taken for lost.
            late_silence: Duration::from_secs(1),
            join: Duration::from_mins(1),
        }
    }
}

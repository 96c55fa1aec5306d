//! A progress bar on stderr; nothing is drawn where stderr is no terminal.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use documents::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Shows one phase after the other; units are bytes, pages or tokens as the phase says.
#[derive(Debug)]
pub(crate) struct Bar {
    shown: Mutex<ProgressBar>,
}

impl Default for Bar {
    fn default() -> Self {
        Self {
            shown: Mutex::new(ProgressBar::hidden()),
        }
    }
}

impl Progress for Bar {
    fn start(&self, what: &str, total: Option<u64>) {
        tracing::info!("{what}");
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        bar.set_style(style(total.is_some()));
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }

    fn advance(&self, n: u64) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).inc(n);
    }

    fn finish(&self) {
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .finish_and_clear();
    }

    fn note(&self, text: &str) {
        tracing::warn!("{text}");
    }
}

impl Drop for Bar {
    /// A command that fails leaves no half bar above its message.
    fn drop(&mut self) {
        self.finish();
    }
}

fn style(has_total: bool) -> ProgressStyle {
    let template = if has_total {
        "{msg} [{bar:30}] {human_pos}/{human_len} {per_sec} {eta}"
    } else {
        "{msg} {spinner} {human_pos} {per_sec}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

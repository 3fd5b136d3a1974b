//! A progress display for operations that take longer than a second, on a terminal only.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console::Console;

/// A growing count, printed with its rate and cleared on drop.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    began: Instant,
    is_shown: bool,
}

/// The time before the progress is displayed.
const SILENT: Duration = Duration::from_secs(1);

impl Progress {
    /// Creates the progress display for counting `what`.
    #[must_use]
    pub fn new(what: &'static str, console: &Console) -> Self {
        Self { bar: None, what, began: Instant::now(), is_shown: console.shows_progress() }
    }

    /// Creates the progress display for counting `what` that is written to standard output.
    #[must_use]
    pub fn beside_output(what: &'static str, console: &Console) -> Self {
        let mut progress = Self::new(what, console);
        progress.is_shown = console.shows_progress_beside_output();
        progress
    }

    /// Sets the current count.
    pub fn at(&mut self, count: u64) {
        if !self.is_shown || self.began.elapsed() < SILENT {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let template = format!("{{spinner}} {{human_pos}} {} ({{msg}} a second)", self.what);
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
            bar
        });
        let rate = u128::from(count) * 1000 / self.began.elapsed().as_millis().max(1);
        bar.set_position(count);
        bar.set_message(rate.to_string());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

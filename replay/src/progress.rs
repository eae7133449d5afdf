//! A progress bar on a terminal; nothing elsewhere.

use std::io::{IsTerminal, stderr};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::queue::Queue;

/// Whether standard error is a terminal, where a bar can be drawn.
pub(crate) fn is_wanted() -> bool {
    stderr().is_terminal()
}

/// Says above the bars what they are of.
pub(crate) fn announce(what: &str) {
    if is_wanted() {
        eprintln!("{what}");
    }
}

/// Returns a bar of so many tasks.
pub(crate) fn bar(tasks: usize, label: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} tasks, {eta} left");
    let bar = ProgressBar::new(tasks as u64).with_prefix(label.to_owned());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Follows a queue until all its tasks are given out.
pub(crate) fn follow(queue: &Queue, label: &str) {
    let tasks = queue.len();
    let bar = bar(tasks, label);
    loop {
        let taken = queue.taken();
        bar.set_position(taken as u64);
        if taken == tasks {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    bar.finish_and_clear();
}

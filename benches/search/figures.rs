//! Figures, and the floors that they keep.

use cpu_time::ThreadTime;

/// Prints a figure that should be small, with the floor and the goal that it has.
pub(crate) fn less(what: &str, value: f64, floors: Option<(f64, f64)>) {
    figure(what, value, floors, |value, bound| value <= bound);
}

/// Prints a figure that should be large, with the floor and the goal that it has.
pub(crate) fn more(what: &str, value: f64, floors: Option<(f64, f64)>) {
    figure(what, value, floors, |value, bound| value >= bound);
}

pub(crate) fn figure(
    what: &str,
    value: f64,
    floors: Option<(f64, f64)>,
    keeps: fn(f64, f64) -> bool,
) {
    print!("    {what:60} {value:>10.2}");
    if let Some((floor, goal)) = floors {
        let reached = match (keeps(value, floor), keeps(value, goal)) {
            (_, true) => "goal reached",
            (true, _) => "floor kept",
            _ => "floor missed",
        };
        print!("  (floor {floor}, goal {goal}: {reached})");
    }
    println!();
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns the processor time of one of so many calls; the median of five times as many.
pub(crate) fn nanoseconds(calls: usize, mut call: impl FnMut(usize)) -> f64 {
    let calls = calls.max(1);
    median((0..5).map(|_| {
        let begin = ThreadTime::now();
        (0..calls).for_each(&mut call);
        begin.elapsed().as_nanos() as f64 / calls as f64
    }))
}

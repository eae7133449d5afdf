//! Work that is shared out among the cores.

use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::shell::Failure;

/// Among how many cores so many items are shared out.
pub(crate) fn count(items: usize) -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(items)
}

/// Does this work on each item, on as many cores as [`count`] says; each core takes the next item that
/// none has taken yet, and the work is told which core it is on. Ends at the first failure, once what
/// has begun is done. The results come in no order.
pub(crate) fn share<'a, T: Sync, R: Send>(
    items: &'a [T],
    work: impl Fn(usize, &'a T) -> Result<R, Failure> + Sync,
) -> Result<Vec<R>, Failure> {
    let waiting = Mutex::new(items.iter());
    let on_core = |core: usize| {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        let mut done = Vec::new();
        while let Some(item) = next() {
            let result = work(core, item).inspect_err(|_| {
                *waiting.lock().unwrap_or_else(PoisonError::into_inner) = [].iter();
            });
            done.push(result?);
        }
        Ok(done)
    };
    thread::scope(|scope| {
        let on_core = &on_core;
        let cores: Vec<_> =
            (0..count(items.len())).map(|core| scope.spawn(move || on_core(core))).collect();
        let done = cores.into_iter().map(|it| it.join().expect("the work does not panic"));
        Ok(done.collect::<Result<Vec<_>, Failure>>()?.into_iter().flatten().collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::failed;

    #[test]
    fn every_item_is_done_once() {
        for length in [0, 1, 2, 100] {
            let items: Vec<u32> = (0..length).collect();
            // Again and again: any of the cores may be the first to take an item.
            for _ in 0..100 {
                let done = share(&items, |core, &item| {
                    assert!(core < count(items.len()));
                    Ok(item)
                });
                let mut done = done.expect("nothing fails");
                done.sort_unstable();
                assert_eq!(done, items);
            }
        }
    }

    #[test]
    fn nothing_begins_after_a_failure() {
        let items: Vec<usize> = (0..10_000).collect();
        let begun = Mutex::new(0);
        let done = share(&items, |_, _| -> Result<(), Failure> {
            *begun.lock().expect("no work panics") += 1;
            Err(failed("this one"))
        });
        assert_eq!(done.expect_err("each fails").to_string(), "this one");
        assert!(*begun.lock().expect("no work panics") <= count(items.len()));
    }
}

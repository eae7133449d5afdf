//! Urgency: how a large transaction gets its turn under a storm of small ones.
//!
//! A transaction over a thousand cells takes so much longer to prepare than one over two that,
//! among many of these, it would hardly ever find all its cells unchanged. After some losses its
//! writer requests quiet, and *beats* as it goes on. Other writers wait before their next attempt,
//! for as long as they hear it beat. A writer that hears no beat for a [`SILENCE`] takes the
//! requesting thread for stopped and withdraws the request, for all. So a stopped thread costs the
//! others one silence, together. If it goes on, its next beat makes the request anew.
//!
//! A request is advice; correctness never depends on it. Only one request stands at a time, and its
//! writer does not wait, so that no writers wait in a circle. A waiting writer holds no gate.

use std::time::{Duration, Instant};

use crate::sync::Hint;

/// Holds the request that stands, if any.
///
/// ```text
/// 0                                   no request
/// beat 24 | number 24 | slot + 1 16   a writer's request, and how far the writer has come
/// ```
#[derive(Default)]
pub(in crate::ledger) struct Urgency(Hint);

/// Bounds the small transactions: one over fewer cells wins often enough without quiet.
const LARGE: usize = 64;

/// Counts the losses after which a writer requests quiet.
const LOSSES: u64 = 2;

/// Counts the steps between two beats: far fewer than fill a silence, and so many that a beat costs
/// nothing beside them.
const STEPS: u32 = 256;

/// Bounds the time between two beats of a thread that runs. Measured by the clock: with more
/// threads than processors, yielding a thousand times can take seconds.
const SILENCE: Duration = Duration::from_millis(1);

const BEAT: u64 = 1 << 40;

/// Describes the request that a writer has made. Another writer may have withdrawn it meanwhile.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct QuietRequest {
    word: u64,
    steps: u32,
}

impl Urgency {
    /// Requests quiet, if the transaction is large and has lost often enough, and if no other
    /// request stands. `number` tells the requests from one slot apart.
    #[cold]
    pub(in crate::ledger) fn request(
        &self,
        slot: u32,
        number: u64,
        cells: usize,
        losses: u64,
    ) -> Option<QuietRequest> {
        if cells < LARGE || losses < LOSSES {
            return None;
        }
        let word = ((number << 16) % BEAT) | (u64::from(slot) + 1);
        self.0.exchange(0, word).then_some(QuietRequest { word, steps: 0 })
    }

    /// Counts a step of a writer that may have made a request.
    #[inline]
    pub(in crate::ledger) fn note_progress(&self, request: &mut Option<QuietRequest>) {
        if let Some(request) = request {
            self.count_step(request);
        }
    }

    /// Counts a step of a writer that has made a request; beats if it is time.
    #[inline]
    pub(in crate::ledger) fn count_step(&self, request: &mut QuietRequest) {
        request.steps += 1;
        if request.steps == STEPS {
            self.beat(request);
        }
    }

    /// Tells the waiting writers that this one goes on. Makes the request anew if it was withdrawn
    /// and no other request stands.
    #[cold]
    fn beat(&self, request: &mut QuietRequest) {
        let next = request.word.wrapping_add(BEAT);
        let _ = self.0.exchange(request.word, next) || self.0.exchange(0, next);
        *request = QuietRequest { word: next, steps: 0 };
    }

    /// Withdraws the request of a transaction that is over.
    #[cold]
    pub(in crate::ledger) fn withdraw(&self, request: QuietRequest) {
        self.0.exchange(request.word, 0);
    }

    /// Waits for a while if a request stands.
    #[inline]
    pub(in crate::ledger) fn give_way(&self) {
        let word = self.0.get();
        if word != 0 {
            self.wait(word);
        }
    }

    /// Begins another attempt of a writer that has made a request; first waits for a while if
    /// another request stands by now.
    #[cold]
    pub(in crate::ledger) fn try_again(&self, request: &mut QuietRequest) {
        self.beat(request);
        let word = self.0.get();
        if word != 0 && !is_same_request(word, request.word) {
            self.wait(word);
        }
    }

    #[cold]
    fn wait(&self, mut word: u64) {
        let mut heard = Instant::now();
        loop {
            std::thread::yield_now();
            let current = self.0.get();
            if !is_same_request(current, word) {
                return;
            }
            if current != word {
                (word, heard) = (current, Instant::now());
            } else if heard.elapsed() >= SILENCE && self.0.exchange(word, 0) {
                return;
            }
        }
    }
}

/// Returns whether two words are the same request, apart from their beats.
fn is_same_request(one: u64, other: u64) -> bool {
    one % BEAT == other % BEAT
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use std::thread;

    use super::*;

    /// Bounds a wait: far less than it takes to yield as often as a large transaction has cells,
    /// and far more than a silence.
    const SOON: Duration = Duration::from_secs(3);

    fn request(urgency: &Urgency, slot: u32) -> QuietRequest {
        urgency.request(slot, 7, 1 << 22, LOSSES).expect("nobody else asks")
    }

    fn time(body: impl FnOnce()) -> Duration {
        let start = Instant::now();
        body();
        start.elapsed()
    }

    #[test]
    fn only_large_transactions_that_have_lost_ask_and_one_at_a_time() {
        let urgency = Urgency::default();
        assert!(urgency.request(3, 1, LARGE - 1, LOSSES).is_none());
        assert!(urgency.request(3, 1, LARGE, LOSSES - 1).is_none());
        let first = urgency.request(3, 1, LARGE, LOSSES).unwrap();
        assert!(urgency.request(4, 1, LARGE, LOSSES).is_none());
        urgency.withdraw(first);
        assert!(urgency.request(4, 1, LARGE, LOSSES).is_some());
    }

    #[test]
    fn a_silent_asker_is_waited_for_once() {
        let urgency = Urgency::default();
        let mut stopped = request(&urgency, 3);
        let first = time(|| urgency.give_way());
        assert!(SILENCE <= first && first < SOON, "{first:?}");
        assert_eq!(urgency.0.get(), 0, "withdrawn for all");

        // It goes on: the others wait for one silence more, and only one.
        urgency.beat(&mut stopped);
        assert_eq!(urgency.0.get(), stopped.word);
        let second = time(|| urgency.give_way());
        assert!(SILENCE <= second && second < SOON, "{second:?}");
        assert_eq!(urgency.0.get(), 0);
        urgency.withdraw(stopped);
    }

    #[test]
    fn who_waits_together_waits_one_silence() {
        let urgency = Urgency::default();
        let _stopped = request(&urgency, 3);
        let waited = time(|| {
            thread::scope(|scope| {
                (0..8).for_each(|_| drop(scope.spawn(|| urgency.give_way())));
            });
        });
        assert!(waited < SOON, "{waited:?}");
        assert_eq!(urgency.0.get(), 0);
    }

    #[test]
    fn an_asker_that_goes_on_is_waited_for() {
        let urgency = Urgency::default();
        // Returns whether the requesting thread was never off its processor for a silence, as it
        // may be on a busy machine.
        let note_progress = || {
            let start = Instant::now();
            let mut last = start;
            let mut asker = request(&urgency, 3);
            thread::scope(|scope| {
                let waiter = scope.spawn(|| urgency.give_way());
                let (mut longest, mut is_left) = (Duration::ZERO, false);
                while start.elapsed() < 8 * SILENCE {
                    is_left |= urgency.0.get() != asker.word || waiter.is_finished();
                    (0..STEPS).for_each(|_| urgency.count_step(&mut asker));
                    let now = Instant::now();
                    longest = longest.max(now - last);
                    last = now;
                }
                urgency.withdraw(asker);
                // There is at most one look at the clock between two beats.
                let is_heard = 2 * longest < SILENCE;
                assert!(!is_heard || !is_left, "silent for {longest:?} at most");
                is_heard
            })
        };
        assert!((0..300).filter(|_| note_progress()).take(20).count() > 0);
    }

    #[test]
    fn nobody_waits_for_itself_and_an_asker_waits_for_who_came_after_it() {
        let urgency = Urgency::default();
        let mut first = request(&urgency, 3);
        let word = first.word;
        urgency.try_again(&mut first);
        assert_eq!(urgency.0.get(), first.word, "still asks");
        assert_ne!(first.word, word, "with another beat");

        urgency.give_way();
        let second = request(&urgency, 4);
        urgency.try_again(&mut first);
        assert_eq!(urgency.0.get(), 0, "the second was silent, too");
        urgency.withdraw(second);
        urgency.try_again(&mut first);
        assert_eq!(urgency.0.get(), first.word, "asks anew");
        urgency.withdraw(first);
        assert_eq!(urgency.0.get(), 0);
    }
}

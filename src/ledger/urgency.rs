//! Urgency: how a large transaction gets its turn under a storm of small ones.
//!
//! A transaction over a thousand cells takes so much longer to prepare than one over two that among
//! many of those it would hardly ever find all its cells unchanged. After it has lost a few times it
//! asks for a moment of quiet; the others wait before their next attempt, for about as long as the
//! large one needs. That is advice: nothing rests on it, and a thread that asked and was stopped
//! costs each of the others one such moment.

use crate::sync::Hint;

/// ```text
/// 0                                   nobody asks
/// number 24 | cells 24 | slot + 1 16  who asks, and for how much
/// ```
#[derive(Default)]
pub(super) struct Urgency(Hint);

/// A transaction over fewer cells wins often enough.
const LARGE: usize = 64;

/// So often it has lost before it asks.
const LOSSES: u64 = 2;

/// How often the others give up their turn, for each cell of the large transaction.
const TURNS_PER_CELL: u64 = 4;

/// What a writer has asked for.
#[derive(Clone, Copy)]
pub(super) struct Asked(u64);

impl Urgency {
    /// Asks for quiet, if that is due and nobody else does.
    #[cold]
    pub(super) fn ask(&self, slot: u32, cells: usize, losses: u64) -> Option<Asked> {
        if cells < LARGE || losses < LOSSES {
            return None;
        }
        let cells = cells as u64 & 0xff_ffff;
        let word = losses << 40 | cells << 16 | (u64::from(slot) + 1);
        self.0.exchange(0, word).then_some(Asked(word))
    }

    /// The transaction is over.
    pub(super) fn done(&self, asked: Asked) {
        self.0.exchange(asked.0, 0);
    }

    /// Waits a while if another writer asks for it.
    #[inline]
    pub(super) fn give_way(&self, mine: Option<Asked>) {
        let word = self.0.get();
        if word != 0 && mine.is_none_or(|mine| mine.0 != word) {
            self.wait(word);
        }
    }

    #[cold]
    fn wait(&self, word: u64) {
        let cells = word >> 16 & 0xff_ffff;
        for _ in 0..TURNS_PER_CELL * cells {
            std::thread::yield_now();
            if self.0.get() != word {
                return;
            }
        }
        // It takes too long, or its thread has stopped.
        self.0.exchange(word, 0);
    }
}

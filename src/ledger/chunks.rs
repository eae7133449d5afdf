//! An array that grows by doubling chunks and never moves.

use crate::sync::{CHUNKS, FIRST_CHUNK_BITS, OnceBox};

/// Positions `0..` in chunks of doubling length, each allocated when first asked for.
///
/// What is once there stays at its address until the array is dropped, so a position is a
/// reference that can be kept in a word.
pub(crate) struct Chunks<T> {
    chunks: [OnceBox<Chunk<T>>; CHUNKS],
    stride: usize,
}

struct Chunk<T> {
    elements: Box<[T]>,
    /// Those before are skipped, so that the first position is where a cache line begins.
    start: usize,
}

/// Bytes of a cache line.
const LINE: usize = 64;

impl<T> Chunk<T> {
    fn new(length: usize, make: impl Fn(usize) -> Box<[T]>) -> Self {
        let most_skipped = LINE.checked_div(size_of::<T>()).unwrap_or(0);
        let elements = make(length + most_skipped);
        let start = elements.as_ptr().align_offset(LINE);
        Chunk { start: if start <= most_skipped { start } else { 0 }, elements }
    }
}

impl<T> Chunks<T> {
    /// An array whose positions are `stride` consecutive elements each.
    pub(crate) fn new(stride: usize) -> Self {
        Chunks { chunks: std::array::from_fn(|_| OnceBox::new()), stride }
    }

    /// The elements at `position`, if its chunk exists.
    #[inline]
    pub(crate) fn get(&self, position: u32) -> Option<&[T]> {
        let (chunk, offset) = locate(position);
        let chunk = self.chunks.get(chunk)?.get()?;
        let start = chunk.start + offset * self.stride;
        chunk.elements.get(start..start + self.stride)
    }

    /// The elements at `position`, allocating its chunk by `make(length)` if need be.
    ///
    /// Lock-free: of several threads that allocate the same chunk one wins, the others drop
    /// theirs and use it.
    #[inline]
    pub(crate) fn get_or_make(&self, position: u32, make: impl Fn(usize) -> Box<[T]>) -> &[T] {
        &self.run_or_make(position, make)[..self.stride]
    }

    /// The elements from `position` to the end of its chunk, which is allocated as by
    /// [`get_or_make`](Self::get_or_make).
    #[inline]
    pub(crate) fn run_or_make(&self, position: u32, make: impl Fn(usize) -> Box<[T]>) -> &[T] {
        let (index, offset) = locate(position);
        let chunk = match self.chunks[index].get() {
            Some(chunk) => chunk,
            None => self.make(index, make),
        };
        let start = chunk.start + offset * self.stride;
        &chunk.elements[start..chunk.start + self.length(index)]
    }

    #[cold]
    fn make(&self, index: usize, make: impl Fn(usize) -> Box<[T]>) -> &Chunk<T> {
        // A loser's chunk is dropped: the winner's serves both.
        drop(self.chunks[index].set(Box::new(Chunk::new(self.length(index), make))));
        self.chunks[index].get().expect("set above, by this thread or the one that beat it")
    }

    /// How many elements a chunk has.
    fn length(&self, index: usize) -> usize {
        self.stride << (index as u32 + FIRST_CHUNK_BITS)
    }
}

/// Chunk `c` holds `first << c` positions, beginning at `first * (2^c - 1)`.
#[inline]
fn locate(position: u32) -> (usize, usize) {
    let shifted = u64::from(position) + (1 << FIRST_CHUNK_BITS);
    let top = shifted.ilog2();
    ((top - FIRST_CHUNK_BITS) as usize, (shifted - (1 << top)) as usize)
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn positions_are_dense_across_chunks() {
        let mut expected = (0, 0);
        for position in 0..10_000 {
            assert_eq!(locate(position), expected, "position {position}");
            expected.1 += 1;
            if expected.1 == 1 << (expected.0 as u32 + FIRST_CHUNK_BITS) {
                expected = (expected.0 + 1, 0);
            }
        }
    }

    #[test]
    fn the_last_position_has_a_chunk() {
        let (chunk, _) = locate(u32::MAX);
        assert!(chunk < CHUNKS);
    }

    #[test]
    fn what_was_never_made_is_absent() {
        let chunks = Chunks::<u8>::new(2);
        assert!(chunks.get(0).is_none());
        assert_eq!(chunks.get_or_make(70, |length| vec![7; length].into()), [7, 7]);
        assert!(chunks.get(0).is_none());
        assert_eq!(chunks.get(70), Some(&[7, 7][..]));
    }

    #[test]
    fn chunks_begin_with_a_cache_line() {
        let chunks = Chunks::<u64>::new(8);
        for position in [0, 64, 1 << 14] {
            let words = chunks.get_or_make(position, |length| vec![0; length].into());
            assert_eq!(words.as_ptr().addr() % LINE, 0);
        }
    }

    #[test]
    fn a_run_ends_with_its_chunk() {
        let chunks = Chunks::<u8>::new(3);
        let run = chunks.run_or_make(61, |length| vec![0; length].into());
        assert_eq!(run.len(), 3 * 3);
    }
}

//! An array that grows by doubling chunks and never moves.

use crate::sync::{CHUNKS, FIRST_CHUNK_BITS, OnceBox};

/// Positions `0..` in chunks of doubling length, each allocated when first asked for.
///
/// What is once there stays at its address until the array is dropped, so a position is a
/// reference that can be kept in a word.
pub(crate) struct Chunks<T> {
    chunks: [OnceBox<Box<[T]>>; CHUNKS],
    stride: usize,
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
        let start = offset * self.stride;
        self.chunks.get(chunk)?.get()?.get(start..start + self.stride)
    }

    /// The elements at `position`, allocating its chunk by `make(length)` if need be.
    ///
    /// Lock-free: of several threads that allocate the same chunk one wins, the others drop
    /// theirs and use it.
    pub(crate) fn get_or_make(&self, position: u32, make: impl Fn(usize) -> Box<[T]>) -> &[T] {
        let (chunk, offset) = locate(position);
        let cell = &self.chunks[chunk];
        if cell.get().is_none() {
            let length = self.stride << (chunk as u32 + FIRST_CHUNK_BITS);
            // A loser's chunk is dropped: the winner's serves both.
            drop(cell.set(Box::new(make(length))));
        }
        let start = offset * self.stride;
        let elements = cell.get().expect("set above, by this thread or the one that beat it");
        &elements[start..start + self.stride]
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
}

//! An array that grows by doubling chunks and never moves.

use crate::sync::{CHUNKS, FIRST_CHUNK_BITS, OnceBox};

/// Holds positions `0..` in chunks, each as long as all chunks before it and allocated when first
/// needed.
///
/// An element stays at its address until the array is dropped, so a position can be kept in a word
/// and used as a reference.
pub(crate) struct Chunks<T> {
    chunks: [OnceBox<Chunk<T>>; CHUNKS],
    stride: usize,
}

struct Chunk<T> {
    elements: Box<[T]>,
    /// The index of position 0 among the elements, modulo 2^64. A few elements at the front are
    /// skipped, so that the chunk's first position begins a cache line.
    origin: usize,
}

/// Counts the bytes of a cache line.
const LINE: usize = 64;

impl<T> Chunk<T> {
    /// Creates a chunk of `length` elements. `before` counts the elements in the chunks before it.
    fn new(length: usize, before: usize, make: impl Fn(usize) -> Box<[T]>) -> Self {
        let most_skipped = LINE.checked_div(size_of::<T>()).unwrap_or(0);
        let elements = make(length + most_skipped);
        let start = elements.as_ptr().align_offset(LINE);
        let skipped = if start <= most_skipped { start } else { 0 };
        Chunk { origin: skipped.wrapping_sub(before), elements }
    }
}

impl<T> Chunks<T> {
    /// Creates an array with `stride` consecutive elements at each position.
    pub(crate) fn new(stride: usize) -> Self {
        Chunks { chunks: std::array::from_fn(|_| OnceBox::new()), stride }
    }

    /// Returns the elements at `position`, if its chunk exists.
    #[inline]
    pub(crate) fn get(&self, position: u32) -> Option<&[T]> {
        let chunk = self.chunks.get(chunk_of(position))?.get()?;
        let start = self.start(chunk, position);
        chunk.elements.get(start..start + self.stride)
    }

    /// Returns the first element at `position`, if its chunk exists.
    #[inline]
    pub(crate) fn first(&self, position: u32) -> Option<&T> {
        let chunk = self.chunks.get(chunk_of(position))?.get()?;
        chunk.elements.get(self.start(chunk, position))
    }

    /// Returns the index in `chunk` of the first element at `position`.
    #[inline]
    fn start(&self, chunk: &Chunk<T>, position: u32) -> usize {
        chunk.origin.wrapping_add(position as usize * self.stride)
    }

    /// Visits the elements of all chunks that exist, including the skipped ones, which no thread
    /// ever sets.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().filter_map(OnceBox::get).flat_map(|chunk| chunk.elements.iter())
    }

    /// Returns the bytes that all elements take.
    pub(crate) fn bytes(&self) -> u64 {
        let chunks = self.chunks.iter().filter_map(OnceBox::get);
        chunks.map(|chunk| size_of_val(&*chunk.elements) as u64).sum()
    }

    /// Returns the elements at `position`; calls `make` with a length to allocate the chunk if it
    /// is missing.
    ///
    /// Lock-free: of several threads that allocate one chunk, the first to publish wins; the others
    /// drop theirs and use the winner's.
    #[inline]
    pub(crate) fn get_or_make(&self, position: u32, make: impl Fn(usize) -> Box<[T]>) -> &[T] {
        match self.get(position) {
            Some(elements) => elements,
            None => self.make(position, make),
        }
    }

    #[cold]
    fn make(&self, position: u32, make: impl Fn(usize) -> Box<[T]>) -> &[T] {
        // A loser's chunk is dropped: the winner's chunk serves both.
        let index = chunk_of(position);
        let length = self.stride * length_of(index);
        let before = self.stride * first_of(index);
        drop(self.chunks[index].set(Box::new(Chunk::new(length, before, make))));
        self.get(position).expect("set above, by this thread or the one that beat it")
    }
}

/// Returns the chunk of `position`. Each chunk after the first has as many positions as all before
/// it.
#[inline]
fn chunk_of(position: u32) -> usize {
    (position >> (FIRST_CHUNK_BITS - 1) | 1).ilog2() as usize
}

/// Returns the first position in a chunk.
#[inline]
fn first_of(chunk: usize) -> usize {
    if chunk == 0 { 0 } else { length_of(chunk) }
}

/// Returns the number of positions in a chunk.
#[inline]
fn length_of(chunk: usize) -> usize {
    1 << (FIRST_CHUNK_BITS as usize + chunk.saturating_sub(1))
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn positions_are_dense_across_chunks() {
        let mut first = 0;
        for chunk in 0..10 {
            assert_eq!(first_of(chunk), first, "chunk {chunk}");
            let next = first + length_of(chunk);
            for position in first..next {
                assert_eq!(chunk_of(position as u32), chunk, "position {position}");
            }
            first = next;
        }
    }

    #[test]
    fn positions_have_elements_of_their_own() {
        let number = std::cell::Cell::new(0);
        let next = |_| number.replace(number.get() + 1);
        let make = |length| (0..length).map(next).collect();
        let chunks = Chunks::new(3);
        for position in 0..300 {
            chunks.get_or_make(position, make);
        }
        let mut all: Vec<u32> =
            (0..300).flat_map(|position| chunks.get(position).unwrap()).copied().collect();
        assert!((0..300).all(|position| {
            chunks.first(position) == chunks.get(position).and_then(|words| words.first())
        }));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 900);
    }

    #[test]
    fn the_last_position_has_a_chunk() {
        assert_eq!(chunk_of(u32::MAX), CHUNKS - 1);
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
}

//! Cheap random numbers.

/// xorshift64*: enough to pick something. The state must not be 0.
pub struct Random(pub u64);

impl Random {
    /// Returns the numbers of one thread.
    pub fn of(thread: usize) -> Self {
        Random((thread as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Returns a number of 32 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    /// Returns a number below `bound`, which is small.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.draw() * bound as u64) >> 32) as usize
    }

    /// Returns a number in 0..1.
    pub fn fraction(&mut self) -> f64 {
        self.draw() as f64 / (1_u64 << 32) as f64
    }
}

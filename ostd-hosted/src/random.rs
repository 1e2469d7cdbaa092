//! Random numbers: seeded, or from the host.

use std::sync::{Mutex, PoisonError};

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use crate::config::Mode;

/// The machine's source of random bytes.
pub(crate) struct Random(Mutex<ChaCha8Rng>);

impl Random {
    pub(crate) fn new(mode: Mode) -> Self {
        let rng = match mode {
            Mode::Deterministic { seed } => ChaCha8Rng::seed_from_u64(seed),
            Mode::Parallel => ChaCha8Rng::seed_from_u64(host_seed()),
        };
        Self(Mutex::new(rng))
    }

    pub(crate) fn fill(&self, out: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(out);
    }
}

/// A seed nobody can guess, from the standard library's per-process randomness, which the host's kernel feeds.
fn host_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::time::Instant::now())
}

/// A small generator for decisions that are made at every safe point (xorshift64*): fast, and only as random as
/// choosing who runs next needs.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // Zero is the one state that never changes.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `sides`, near enough evenly.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % sides.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Dice, Random};
    use crate::config::Mode;

    #[test]
    fn one_seed_gives_one_sequence_and_another_seed_another() {
        let bytes = |seed| {
            let mut out = [0; 32];
            Random::new(Mode::Deterministic { seed }).fill(&mut out);
            out
        };
        assert_eq!(bytes(7), bytes(7));
        assert_ne!(bytes(7), bytes(8));
    }

    #[test]
    fn dice_reach_every_side() {
        let mut dice = Dice::new(3);
        let mut seen = [false; 6];
        (0..200).for_each(|_| seen[dice.roll(6) as usize] = true);
        assert_eq!(seen, [true; 6]);
    }
}

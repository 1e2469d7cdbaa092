//! Random numbers: a generator whose seed comes from whatever the machine has, again and again.

use alloc::vec::Vec;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use crate::lock::Lock;
use crate::virtio::Generator;
use crate::{arch, serial};

/// A seed that somebody else could not know.
pub(crate) type Seed = [u8; 32];

/// Bytes that are drawn until there is a new seed.
const DRAWN_MAX: usize = 64 << 10;
/// How long the machine's start waits for a device's first bytes.
const FIRST_SEED_NS: u64 = 1_000_000_000;

struct Pool {
    generator: Option<ChaCha20Rng>,
    drawn: usize,
    devices: Vec<Generator>,
    /// Something unknown to others went in.
    is_seeded: bool,
}

/// Found out once at boot, but for the generator's state.
static POOL: Lock<Pool> = Lock::new(Pool { generator: None, drawn: 0, devices: Vec::new(), is_seeded: false });

/// Begins with the CPU's own random numbers and what the loader gave.
pub(crate) fn start(loaders: Option<Seed>) {
    let mut pool = POOL.lock();
    let mut weak = Seed::default();
    weak[..8].copy_from_slice(&arch::counter().to_le_bytes());
    pool.mix(&weak);
    for seed in [loaders, arch::hardware_seed()].into_iter().flatten() {
        pool.mix(&seed);
        pool.is_seeded = true;
    }
}

/// Takes seeds from a device too, the first one now.
pub(crate) fn add(device: &Generator) {
    let end = arch::monotonic_ns() + FIRST_SEED_NS;
    let mut seed = Seed::default();
    let mut len = 0;
    while len < seed.len() && arch::monotonic_ns() < end {
        len += device.take(&mut seed[len..]);
        arch::relax();
    }
    let mut pool = POOL.lock();
    pool.mix(&seed);
    pool.is_seeded |= len == seed.len();
    pool.devices.push(device.clone());
}

/// Says so where everybody could know what is drawn.
pub(crate) fn complain() {
    if !POOL.lock().is_seeded {
        serial::write(b"orrery: nothing here gives random numbers: what programs draw can be guessed\n");
    }
}

/// Random bytes.
pub(crate) fn fill(out: &mut [u8]) {
    let mut pool = POOL.lock();
    pool.drawn = pool.drawn.saturating_add(out.len());
    if pool.drawn >= DRAWN_MAX {
        pool.seed_again();
    }
    if let Some(generator) = &mut pool.generator {
        generator.fill_bytes(out);
    }
}

impl Pool {
    /// Goes on with a generator that depends on everything it ever depended on, and on `seed`.
    fn mix(&mut self, seed: &Seed) {
        let mut next = *seed;
        if let Some(generator) = &mut self.generator {
            let mut before = Seed::default();
            generator.fill_bytes(&mut before);
            next.iter_mut().zip(before).for_each(|(to, from)| *to ^= from);
        }
        self.generator = Some(ChaCha20Rng::from_seed(next));
    }

    /// Mixes in what can be had without waiting; a device that has nothing now has been asked for it.
    fn seed_again(&mut self) {
        self.drawn = 0;
        if let Some(seed) = arch::hardware_seed() {
            self.mix(&seed);
        }
        for device in self.devices.clone() {
            let mut seed = Seed::default();
            if device.take(&mut seed) > 0 {
                self.mix(&seed);
            } else {
                // Soon again.
                self.drawn = DRAWN_MAX / 2;
            }
        }
    }
}

//! What is handed out for addresses and registers: the ends of both halves, what lies between them, and chance.

/// The ends of what programs may use, of the kernel's half, of what is neither; and what is not aligned.
pub(crate) const VALUES: &[u64] = &[
    0,
    1,
    0x3f_ffff_f000,
    0x7fff_ffff_f000,
    0x8000_0000_0000,
    0x4141_4141_4141_4141,
    0xffff_7fff_ffff_ffff,
    0xffff_8000_0000_0000,
    0xffff_ffc0_0000_0001,
    0xffff_ffff_8000_0000,
    u64::MAX,
];

/// A row of numbers that is the same at every run.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one (splitmix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

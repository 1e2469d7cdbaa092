//! Floating-point and vector state: an XSAVE area whose size the CPU tells.
#![expect(unsafe_code, reason = "enables, saves and restores the floating-point unit")]

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use alloc::vec;
use alloc::vec::Vec;

use crate::halt;

/// x87, SSE, AVX and AVX-512: what the kernel saves of what the CPU has.
const WANTED: u64 = 0b1110_0111;
/// x87 and SSE, without which no program runs.
const BASE: u64 = 0b11;
/// Where the legacy part keeps its control words, and where the header begins.
const MXCSR: usize = 24;
const MXCSR_MASK: usize = 28;
const HEADER: usize = 512;
/// CR4: XSAVE and SSE are used, and SSE's exceptions taken.
const CR4_BITS: u64 = 1 << 18 | 1 << 9 | 1 << 10;

/// What the CPU has told at boot: not state, but found out rather than known.
static LEN: AtomicUsize = AtomicUsize::new(0);
static COMPONENTS: AtomicU64 = AtomicU64::new(0);
static MXCSR_ALLOWED: AtomicU32 = AtomicU32::new(0xffbf);

/// Turns the unit of this CPU on; says which components it saves.
pub(super) fn enable() -> u64 {
    if __cpuid(1).ecx & 1 << 26 == 0 {
        halt::stop(format_args!("this CPU has no XSAVE"));
    }
    let supported = __cpuid_count(0xd, 0);
    let components = (u64::from(supported.edx) << 32 | u64::from(supported.eax)) & WANTED;
    if components & BASE != BASE {
        halt::stop(format_args!("this CPU's XSAVE does not save what every CPU has"));
    }
    // SAFETY: the CPU has XSAVE, and each component that is turned on; the kernel itself has no use for any of them.
    unsafe {
        asm!("mov {t}, cr4", "or {t}, {bits}", "mov cr4, {t}", "xsetbv", "fninit",
            t = out(reg) _, bits = in(reg) CR4_BITS,
            in("ecx") 0, in("eax") components as u32, in("edx") (components >> 32) as u32, options(nostack));
    }
    components
}

/// Turns the first CPU's unit on, and finds out what all CPUs have.
pub(super) fn start() {
    COMPONENTS.store(enable(), Ordering::Relaxed);
    LEN.store(__cpuid_count(0xd, 0).ebx as usize, Ordering::Relaxed);
    let mut area = Area::new();
    // SAFETY: an area as long as the CPU demands.
    unsafe { fp_save(area.pointer()) };
    let mask = u32::from_le_bytes(area.bytes()[MXCSR_MASK..MXCSR_MASK + 4].try_into().unwrap_or_default());
    if mask != 0 {
        MXCSR_ALLOWED.store(mask, Ordering::Relaxed);
    }
}

/// An area aligned as the instructions demand.
struct Area(Vec<[u64; 8]>);

impl Area {
    fn new() -> Self {
        Self(vec![[0; 8]; LEN.load(Ordering::Relaxed).div_ceil(64) + 1])
    }

    fn offset(&self) -> usize {
        self.0.as_ptr().cast::<u8>().align_offset(64)
    }

    fn pointer(&mut self) -> *mut u8 {
        let offset = self.offset();
        self.0.as_mut_ptr().cast::<u8>().wrapping_add(offset)
    }

    fn bytes(&self) -> Vec<u8> {
        let all: Vec<u8> = self.0.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
        all[self.offset()..][..LEN.load(Ordering::Relaxed)].to_vec()
    }
}

/// The state that a program starts with: everything initial, all exceptions masked.
pub(crate) fn fp_initial() -> Vec<u8> {
    let mut area = vec![0; LEN.load(Ordering::Relaxed)];
    area[0..2].copy_from_slice(&0x37f_u16.to_le_bytes());
    area[MXCSR..MXCSR + 4].copy_from_slice(&0x1f80_u32.to_le_bytes());
    area[MXCSR_MASK..MXCSR_MASK + 4].copy_from_slice(&MXCSR_ALLOWED.load(Ordering::Relaxed).to_le_bytes());
    area[HEADER] = 0b11;
    area
}

/// Whether `fp_restore` takes these bytes without a fault (Intel SDM volume 1, chapter 13.8).
pub(crate) fn fp_accepts(area: &[u8]) -> bool {
    if area.len() < LEN.load(Ordering::Relaxed) {
        return false;
    }
    let long = |at: usize| area[at..at + 8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let components = long(HEADER);
    let control = long(MXCSR) as u32;
    components & !COMPONENTS.load(Ordering::Relaxed) == 0
        && area[HEADER + 8..HEADER + 24].iter().all(|byte| *byte == 0)
        && control & !MXCSR_ALLOWED.load(Ordering::Relaxed) == 0
}

/// Writes the CPU's registers to `area`.
///
/// # Safety
/// 1. `area` is ours, aligned to 64 bytes, and as long as [`fp_initial`]'s answer.
pub(crate) unsafe fn fp_save(area: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { asm!("xsave64 [{}]", in(reg) area, in("eax") -1, in("edx") -1, options(nostack, preserves_flags)) };
}

/// Sets the CPU's registers from `area`.
///
/// # Safety
/// 1. As for [`fp_save`], and [`fp_accepts`] the bytes.
pub(crate) unsafe fn fp_restore(area: *const u8) {
    // SAFETY: the caller's promise.
    unsafe { asm!("xrstor64 [{}]", in(reg) area, in("eax") -1, in("edx") -1, options(nostack, preserves_flags)) };
}

//! Numbers that kernels share without a lock. Each operation is sequentially consistent and a safe point, so a
//! deterministic machine tries other CPUs' turns around it.

use core::sync::atomic::Ordering::SeqCst;

use ostd_hal::SafePoint;

use crate::cpu::CurrentCpu;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $core:ident, $number:ty) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name(core::sync::atomic::$core);

        impl $name {
            /// Holds `value`.
            #[inline]
            pub const fn new(value: $number) -> Self {
                Self(core::sync::atomic::$core::new(value))
            }
            /// Reads.
            #[inline]
            pub fn load(&self) -> $number {
                CurrentCpu::safe_point(SafePoint::Atomic);
                self.0.load(SeqCst)
            }
            /// Writes.
            #[inline]
            pub fn store(&self, value: $number) {
                CurrentCpu::safe_point(SafePoint::Atomic);
                self.0.store(value, SeqCst);
            }
            /// Writes, and returns what was there.
            #[inline]
            pub fn swap(&self, value: $number) -> $number {
                CurrentCpu::safe_point(SafePoint::Atomic);
                self.0.swap(value, SeqCst)
            }
            /// Adds, wrapping, and returns what was there.
            #[inline]
            pub fn fetch_add(&self, value: $number) -> $number {
                CurrentCpu::safe_point(SafePoint::Atomic);
                self.0.fetch_add(value, SeqCst)
            }
            /// Subtracts, wrapping, and returns what was there.
            #[inline]
            pub fn fetch_sub(&self, value: $number) -> $number {
                CurrentCpu::safe_point(SafePoint::Atomic);
                self.0.fetch_sub(value, SeqCst)
            }
            /// Sets bits, and returns what was there.
            #[inline]
            pub fn fetch_or(&self, bits: $number) -> $number {
                CurrentCpu::safe_point(SafePoint::Atomic);
                self.0.fetch_or(bits, SeqCst)
            }
            /// Keeps only some bits, and returns what was there.
            #[inline]
            pub fn fetch_and(&self, bits: $number) -> $number {
                CurrentCpu::safe_point(SafePoint::Atomic);
                self.0.fetch_and(bits, SeqCst)
            }
            /// Writes `new` if `old` is there. Either way returns what was there: as `Ok` if it wrote.
            #[inline]
            pub fn compare_exchange(&self, old: $number, new: $number) -> Result<$number, $number> {
                CurrentCpu::safe_point(SafePoint::Atomic);
                self.0.compare_exchange(old, new, SeqCst, SeqCst)
            }
        }
    };
}

number! {
    /// A shared `u32`.
    AtomicU32, AtomicU32, u32
}
number! {
    /// A shared `u64`.
    AtomicU64, AtomicU64, u64
}
number! {
    /// A shared `i64`.
    AtomicI64, AtomicI64, i64
}
number! {
    /// A shared `usize`.
    AtomicUsize, AtomicUsize, usize
}

/// A shared truth value.
#[derive(Debug, Default)]
pub struct AtomicBool(core::sync::atomic::AtomicBool);

impl AtomicBool {
    /// Holds `value`.
    #[inline]
    pub const fn new(value: bool) -> Self {
        Self(core::sync::atomic::AtomicBool::new(value))
    }
    /// Reads.
    #[inline]
    pub fn load(&self) -> bool {
        CurrentCpu::safe_point(SafePoint::Atomic);
        self.0.load(SeqCst)
    }
    /// Writes.
    #[inline]
    pub fn store(&self, value: bool) {
        CurrentCpu::safe_point(SafePoint::Atomic);
        self.0.store(value, SeqCst);
    }
    /// Writes, and returns what was there.
    #[inline]
    pub fn swap(&self, value: bool) -> bool {
        CurrentCpu::safe_point(SafePoint::Atomic);
        self.0.swap(value, SeqCst)
    }
}

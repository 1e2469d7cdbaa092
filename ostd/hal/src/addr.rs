//! Addresses: virtual and physical, which never mix.

use core::fmt;

/// log2 of the page size.
pub const PAGE_SHIFT: u32 = 12;
/// Bytes in a page, the same on both architectures.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(transparent)]
        pub struct $name(usize);

        impl $name {
            /// The address as a number of bytes from zero.
            pub const fn new(bytes: usize) -> Self {
                Self(bytes)
            }
            /// The number of bytes from zero.
            pub const fn as_usize(self) -> usize {
                self.0
            }
            /// The start of the page that holds this address.
            pub const fn page_floor(self) -> Self {
                Self(self.0 & !(PAGE_SIZE - 1))
            }
            /// The first page start at or after this address; `None` past the end of the address space.
            pub const fn page_ceil(self) -> Option<Self> {
                match self.0.checked_add(PAGE_SIZE - 1) {
                    Some(end) => Some(Self(end & !(PAGE_SIZE - 1))),
                    None => None,
                }
            }
            /// Bytes between the page's start and this address.
            pub const fn page_offset(self) -> usize {
                self.0 & (PAGE_SIZE - 1)
            }
            /// Whether this is the start of a page.
            pub const fn is_page_aligned(self) -> bool {
                self.page_offset() == 0
            }
            /// This address plus `bytes`, unless that leaves the address space.
            pub const fn checked_add(self, bytes: usize) -> Option<Self> {
                match self.0.checked_add(bytes) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }
        }

        impl core::ops::Add<usize> for $name {
            type Output = Self;
            /// Panics on overflow in builds with overflow checks: callers know the range.
            fn add(self, bytes: usize) -> Self {
                Self(self.0 + bytes)
            }
        }

        impl core::ops::Sub<usize> for $name {
            type Output = Self;
            fn sub(self, bytes: usize) -> Self {
                Self(self.0 - bytes)
            }
        }

        impl core::ops::Sub for $name {
            type Output = usize;
            /// Bytes between two addresses.
            fn sub(self, from: Self) -> usize {
                self.0 - from.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

address! {
    /// An address that user programs and page tables speak of.
    Vaddr
}
address! {
    /// An address in the machine's memory. Zero is the first byte of RAM on a hosted machine.
    Paddr
}

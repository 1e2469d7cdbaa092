//! What passes through a program's memory, byte for byte, as the kernel's own headers lay it out.
//!
//! Every type is plain old data: any bytes are a value, a value is its bytes (`zerocopy`), padding is a field. Size and
//! offsets are checked while this compiles. Where the architectures differ, a type without an architecture holds the
//! values and knows both layouts ([`Stat`], [`Sigaction`], [`EpollEvent`]).

pub use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Defines structures with Linux's name, size and field offsets.
macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident as $linux:literal, $size:literal {
        $($offset:literal $field:ident: $ty:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq,
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout,
        )]
        #[repr(C)]
        pub struct $name {
            $(#[doc = concat!("`", stringify!($field), "`")] pub $field: $ty,)*
        }

        impl Default for $name {
            fn default() -> Self {
                zerocopy::FromZeros::new_zeroed()
            }
        }

        impl crate::arg::UserStruct for $name {
            const NAME: &'static str = $linux;
        }

        const _: () = {
            assert!(size_of::<$name>() == $size, concat!("size of ", $linux));
            $(assert!(core::mem::offset_of!($name, $field) == $offset, concat!($linux, "::", stringify!($field)));)*
        };
    )*};
}

mod file;
mod machine;
mod poll;
mod process;
mod sigframe;
mod signal;
mod socket;
mod stat;
mod time;
mod tty;

pub use file::*;
pub use machine::*;
pub use poll::*;
pub use process::*;
pub use sigframe::*;
pub use signal::*;
pub use socket::*;
pub use stat::*;
pub use time::*;
pub use tty::*;

/// The bytes of a structure whose size depends on the architecture: at most `N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Encoded<N> {
    fn of<T: zerocopy::IntoBytes + zerocopy::Immutable>(value: &T) -> Self {
        let from = value.as_bytes();
        let mut bytes = [0; N];
        bytes[..from.len()].copy_from_slice(from);
        Self { bytes, len: from.len() }
    }
}

impl<const N: usize> core::ops::Deref for Encoded<N> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

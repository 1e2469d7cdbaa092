//! Linux's flags and commands by family, with Linux's names, values and types.
//!
//! Three macros say what a family is: `flags!` a set of bits, `values!` one of several numbers, `consts!` plain
//! numbers. The first two can stand in a row of the table. In a test build each value is compared with the kernel's
//! headers while it compiles, except those behind a `+`, which those headers do not have.

/// Defines sets of bits that keep bits without a name.
macro_rules! flags {
    ($($(#[$doc:meta])* $set:ident: $int:ident from $oracle:ident {
        $($name:ident = $value:literal;)*
    } $(+ { $($more:ident = $other:literal;)* })?)*) => {$(
        bitflags::bitflags! {
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
            pub struct $set: $int {
                $(#[doc = concat!("`", stringify!($name), "`")] const $name = $value;)*
                $($(#[doc = concat!("`", stringify!($more), "`")] const $more = $other;)*)?
            }
        }

        impl $set {
            /// The names, as strace shows them.
            pub const NAMES: crate::arg::Names = &[
                $((stringify!($name), $value as u64),)*
                $($((stringify!($more), $other as u64),)*)?
            ];

            /// The bits that have no name here.
            pub const fn unknown(self) -> $int {
                self.bits() & !Self::all().bits()
            }
        }

        impl crate::arg::Arg for $set {
            const KIND: crate::arg::Kind = crate::arg::Kind::Flags(Self::NAMES);
            fn decode(regs: &mut crate::arg::Regs) -> Self {
                Self::from_bits_retain(regs.next_reg() as $int)
            }
        }

        impl crate::arg::Reg for $set {
            fn reg(self) -> usize {
                self.bits() as usize
            }
        }

        #[cfg(test)]
        const _: () = {
            $(assert!(linux_raw_sys::$oracle::$name as $int == $value, stringify!($name));)*
        };
    )*};
}

/// Defines types of which a program chooses one value; values without a name are kept.
macro_rules! values {
    ($($(#[$doc:meta])* $type:ident: $int:ident from $oracle:ident {
        $($name:ident = $value:literal;)*
    } $(+ { $($more:ident = $other:literal;)* })?)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(pub $int);

        impl $type {
            $(#[doc = concat!("`", stringify!($name), "`")] pub const $name: Self = Self($value);)*
            $($(#[doc = concat!("`", stringify!($more), "`")] pub const $more: Self = Self($other);)*)?

            /// The names, as strace shows them.
            pub const NAMES: crate::arg::Names = &[
                $((stringify!($name), $value as $int as u64),)*
                $($((stringify!($more), $other as $int as u64),)*)?
            ];
        }

        impl core::fmt::Debug for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match Self::NAMES.iter().find(|named| named.1 == self.0 as u64) {
                    Some(named) => f.write_str(named.0),
                    None => write!(f, "{}({})", stringify!($type), self.0),
                }
            }
        }

        impl crate::arg::Arg for $type {
            const KIND: crate::arg::Kind = crate::arg::Kind::Enum(Self::NAMES);
            fn decode(regs: &mut crate::arg::Regs) -> Self {
                Self(regs.next_reg() as $int)
            }
        }

        impl crate::arg::Reg for $type {
            fn reg(self) -> usize {
                self.0 as usize
            }
        }

        #[cfg(test)]
        const _: () = {
            $(assert!(linux_raw_sys::$oracle::$name as $int == $value as $int, stringify!($name));)*
        };
    )*};
}

/// Defines plain numbers of one type.
macro_rules! consts {
    ($($int:ident from $oracle:ident { $($name:ident = $value:literal;)* } $(+ { $($more:ident = $other:literal;)* })?)*) => {$(
        $(#[doc = concat!("`", stringify!($name), "`")] pub const $name: $int = $value;)*
        $($(#[doc = concat!("`", stringify!($more), "`")] pub const $more: $int = $other;)*)?

        #[cfg(test)]
        const _: () = {
            $(assert!(linux_raw_sys::$oracle::$name as $int == $value, stringify!($name));)*
        };
    )*};
}

mod auxv;
mod file;
mod ioctl;
mod memory;
mod poll;
mod process;
mod signal;
mod socket;
mod time;
mod tty;

pub use auxv::*;
pub use file::*;
pub use ioctl::*;
pub use memory::*;
pub use poll::*;
pub use process::*;
pub use signal::*;
pub use socket::*;
pub use time::*;
pub use tty::*;

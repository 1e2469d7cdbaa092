//! What the table says, as values: every call's row, and which call a number is.

use crate::arch::Arch;
#[allow(clippy::wildcard_imports, reason = "the rows name most of it")]
use crate::types::*;

/// One call, as strace, the fuzzer and the manual see it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Linux's name.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// The number on each architecture, by [`Arch`].
    pub number: [Option<u16>; 2],
    /// Names and meanings of the arguments.
    pub args: &'static [(&'static str, Kind)],
    /// What is missing of what Linux does.
    pub without: Option<&'static str>,
    /// Whether there is a handler.
    pub implemented: bool,
}

/// Numbers are below this, on both architectures.
pub const NUMBER_MAX: usize = 512;

/// A number as the table writes it.
macro_rules! number {
    (-) => {
        None
    };
    ($number:literal) => {
        Some($number)
    };
}

/// Whether the words before a handler say that it exists.
macro_rules! implemented {
    (later $room:ident) => {
        false
    };
    ($room:ident) => {
        true
    };
}

macro_rules! rows {
    ($($(#[doc = $doc:literal])* $name:ident [$x86:tt $riscv:tt] = $($room:ident)+ :: $handler:ident
        ($($arg:ident: $ty:ty),*) $(without $without:literal)?;)*) => {
        /// A call of the table, by the name of its row. `clone_backwards` is RISC-V's `clone`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(non_camel_case_types, reason = "Linux's names")]
        #[repr(u16)]
        pub enum Call {
            $($(#[doc = $doc])* $name,)*
        }

        impl Call {
            /// All of them, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }

        /// All rows, in the order of [`Call`].
        pub const ROWS: &[Row] = &[$(Row {
            name: linux_name(stringify!($name)),
            doc: concat!($($doc),*).trim_ascii_start(),
            number: [number!($x86), number!($riscv)],
            args: &[$((stringify!($arg), <$ty as Arg>::KIND)),*],
            without: first(&[$($without)?]),
            implemented: implemented!($($room)+),
        }),*];

        $(const _: () = assert!(0 $(+ <$ty as Arg>::REGS)* <= 6, concat!(stringify!($name), " takes more than six registers"));)*
    };
}

crate::for_each_syscall! { rows }

/// What a row says is missing, if it says so.
const fn first(without: &[&'static str]) -> Option<&'static str> {
    if without.is_empty() { None } else { Some(without[0]) }
}

/// What Linux calls a row.
const fn linux_name(row: &'static str) -> &'static str {
    match row.as_bytes() {
        b"clone_backwards" => "clone",
        _ => row,
    }
}

/// Which call a number is on each architecture. Building it refuses a number that is listed twice.
static BY_NUMBER: [[Option<Call>; NUMBER_MAX]; 2] = [by_number(ROWS, Arch::X86_64), by_number(ROWS, Arch::Riscv64)];

const fn by_number(rows: &[Row], arch: Arch) -> [Option<Call>; NUMBER_MAX] {
    let mut calls = [None; NUMBER_MAX];
    let mut at = 0;
    while at < rows.len() {
        if let Some(number) = rows[at].number[arch as usize] {
            assert!(calls[number as usize].is_none(), "a system call's number is listed twice");
            calls[number as usize] = Some(Call::ALL[at]);
        }
        at += 1;
    }
    calls
}

impl Call {
    /// The call that has a number.
    pub fn lookup(arch: Arch, number: usize) -> Option<Self> {
        BY_NUMBER[arch as usize].get(number).copied().flatten()
    }

    /// The call's row.
    pub const fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The call's number, where the architecture has it.
    pub const fn number(self, arch: Arch) -> Option<usize> {
        match self.row().number[arch as usize] {
            Some(number) => Some(number as usize),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, ROWS};
    use crate::arch::Arch;
    use crate::arg::Kind;
    use crate::names::name_of;

    #[test]
    fn names_and_numbers_are_linuxs_on_both_architectures() {
        for (call, row) in Call::ALL.iter().zip(ROWS) {
            for arch in Arch::ALL {
                let Some(number) = call.number(arch) else { continue };
                assert_eq!(name_of(arch, number), Some(row.name), "{arch:?} {number}");
                assert_eq!(Call::lookup(arch, number), Some(*call));
            }
            assert!(row.number.iter().any(Option::is_some), "{} has no number", row.name);
            assert!(row.doc.ends_with('.'), "{} has no sentence", row.name);
        }
        assert_eq!(Call::lookup(Arch::X86_64, 999_999), None);
    }

    #[test]
    fn a_call_that_both_architectures_have_is_listed_for_both() {
        for (call, row) in Call::ALL.iter().zip(ROWS) {
            for arch in Arch::ALL {
                let known = (0..super::NUMBER_MAX).any(|number| name_of(arch, number) == Some(row.name));
                let twin = row.name == "clone";
                assert!(twin || known == call.number(arch).is_some(), "{} on {arch:?}", row.name);
            }
        }
    }

    #[test]
    #[should_panic(expected = "listed twice")]
    fn a_number_listed_twice_is_refused() {
        // The same assertion stops the compiler when the table itself is at fault.
        super::by_number(&[ROWS[0], ROWS[1], ROWS[0]], Arch::Riscv64);
    }

    #[test]
    fn a_row_tells_its_arguments() {
        let args = Call::newfstatat.row().args;
        assert_eq!(args[0], ("dir", Kind::Fd));
        assert_eq!(args[1], ("path", Kind::Path));
        assert!(matches!(args[2].1, Kind::Struct("stat", crate::arg::Direction::Out)));
    }
}

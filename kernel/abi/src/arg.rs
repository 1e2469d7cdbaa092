//! What can stand in a row of the table: an argument's type, how it is read from registers, what it means.

use core::fmt;
use core::marker::PhantomData;

/// Names of values, in the order they are tried. In a set of flags a name of value zero stands for the absence of
/// every name before it (`O_RDONLY`, `PROT_NONE`), and names of several bits come before names of their parts.
pub type Names = &'static [(&'static str, u64)];

/// What an argument means. strace, the fuzzer and the manual read nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number; the bits above `bits` are ignored, as Linux ignores them.
    Int {
        /// How much of the register counts.
        bits: u8,
        /// Whether the highest of them is a sign.
        signed: bool,
        /// Whether people read it in hexadecimal.
        hex: bool,
    },
    /// A file descriptor, or `AT_FDCWD`.
    Fd,
    /// The address of a path that ends in NUL.
    Path,
    /// The address of a name that ends in NUL and is no path.
    Name,
    /// A buffer the call reads: address and length.
    In,
    /// A buffer the call fills: address and length; what it filled is its answer.
    Out,
    /// An array of `struct iovec`: address and count.
    Iovecs(Direction),
    /// A set of bits.
    Flags(Names),
    /// One of several values.
    Enum(Names),
    /// The address of a structure or an array of it, by Linux's name.
    Struct(&'static str, Direction),
    /// An address that the call itself does not look behind.
    Pointer,
    /// A signal's number.
    Signal,
    /// A process, thread or process group.
    Pid,
    /// A user or group; `-1` means no change.
    Id,
    /// Permission bits and file type.
    Mode,
    /// The address of an array of strings that ends in a null pointer.
    Strings,
}

/// Who reads and who writes what an address leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The call reads it.
    In,
    /// The call writes it.
    Out,
    /// Both.
    InOut,
}

/// A cursor over the six argument registers of a call.
#[derive(Clone, Debug)]
pub struct Regs {
    args: [usize; 6],
    at: usize,
}

impl Regs {
    /// Begins at the first argument.
    pub const fn new(args: [usize; 6]) -> Self {
        Self { args, at: 0 }
    }

    /// The next register. The table refuses rows of more than six, so there always is one; zero behind the end.
    pub fn next_reg(&mut self) -> usize {
        let value = self.args.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        value
    }
}

/// A type that can stand in a row of the table. Decoding is total: refusing is the handler's, in Linux's order.
pub trait Arg {
    /// What the argument means.
    const KIND: Kind;
    /// How many registers it takes.
    const REGS: usize = 1;
    /// Takes it from the registers.
    fn decode(regs: &mut Regs) -> Self;
}

/// What a caller may put into a register: the other direction of [`Arg`], for whoever makes calls.
pub trait Reg {
    /// The register's value; a signed number fills it with its sign.
    fn reg(self) -> usize;
}

macro_rules! integers {
    ($($int:ident $bits:literal $signed:literal;)*) => {$(
        impl Arg for $int {
            const KIND: Kind = Kind::Int { bits: $bits, signed: $signed, hex: false };
            fn decode(regs: &mut Regs) -> Self {
                regs.next_reg() as $int
            }
        }

        impl Reg for $int {
            fn reg(self) -> usize {
                self as usize
            }
        }
    )*};
}

integers! {
    i32 32 true;
    u32 32 false;
    i64 64 true;
    u64 64 false;
    isize 64 true;
    usize 64 false;
}

macro_rules! number_types {
    ($($(#[$doc:meta])* $name:ident($int:ident) $kind:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $int);

        impl Arg for $name {
            const KIND: Kind = $kind;
            fn decode(regs: &mut Regs) -> Self {
                Self(regs.next_reg() as $int)
            }
        }

        impl Reg for $name {
            fn reg(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

number_types! {
    /// A file descriptor as a program names it: any number, open or not.
    Fd(i32) Kind::Fd;
    /// A process, thread or process group as a program names it; zero and negative numbers mean what the call says.
    Pid(i32) Kind::Pid;
    /// A user.
    Uid(u32) Kind::Id;
    /// A group.
    Gid(u32) Kind::Id;
    /// A signal's number as a program names it: any number, see [`crate::Signal`].
    SignalNumber(i32) Kind::Signal;
    /// File type and permission bits. Linux's `umode_t` has sixteen bits, and so has this.
    Mode(u16) Kind::Mode;
    /// A number that people read in hexadecimal.
    Hex(usize) Kind::Int { bits: 64, signed: false, hex: true };
    /// An address that the call itself does not look behind: where to map, what to wake.
    UserAddr(usize) Kind::Pointer;
    /// The address of a path that ends in NUL.
    UserPath(usize) Kind::Path;
    /// The address of a string that ends in NUL and is no path.
    UserName(usize) Kind::Name;
    /// The address of an array of strings that ends in a null pointer.
    UserStrings(usize) Kind::Strings;
}

impl Fd {
    /// `AT_FDCWD`: relative to the working directory.
    pub const CWD: Self = Self(-100);
}

impl Uid {
    /// No change, where a call says so.
    pub const UNCHANGED: Self = Self(u32::MAX);
}

impl Gid {
    /// No change, where a call says so.
    pub const UNCHANGED: Self = Self(u32::MAX);
}

macro_rules! pairs {
    ($($(#[$doc:meta])* $name:ident $count:ident: $int:ident $what:literal $kind:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        pub struct $name {
            /// Where it begins in the program's memory.
            pub addr: usize,
            #[doc = $what]
            pub $count: $int,
        }

        impl Arg for $name {
            const KIND: Kind = $kind;
            const REGS: usize = 2;
            fn decode(regs: &mut Regs) -> Self {
                Self { addr: regs.next_reg(), $count: regs.next_reg() as $int }
            }
        }
    )*};
}

pairs! {
    /// A buffer the call reads: two registers, and an allegation about memory, not memory.
    UserIn len: usize "Bytes." Kind::In;
    /// A buffer the call fills: two registers, and an allegation about memory, not memory.
    UserOut len: usize "Bytes." Kind::Out;
    /// A buffer the call reads, whose length is an `int`.
    UserInInt len: i32 "Bytes; negative is whatever the call says it is." Kind::In;
    /// A buffer the call fills, whose length is an `int`.
    UserOutInt len: i32 "Bytes; negative is whatever the call says it is." Kind::Out;
    /// An array of `struct iovec` whose buffers the call reads.
    UserIovecsIn count: usize "How many." Kind::Iovecs(Direction::In);
    /// An array of `struct iovec` whose buffers the call fills.
    UserIovecsOut count: usize "How many." Kind::Iovecs(Direction::Out);
}

/// Something in a program's memory that has a name in Linux.
pub trait UserStruct {
    /// Linux's name, without `struct`.
    const NAME: &'static str;
}

macro_rules! pointers {
    ($($(#[$doc:meta])* $name:ident $direction:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name<T> {
            /// The address; null is whatever the call says it is.
            pub addr: usize,
            of: PhantomData<fn() -> T>,
        }

        impl<T> $name<T> {
            /// Alleges that a `T` is at `addr`.
            pub const fn new(addr: usize) -> Self {
                Self { addr, of: PhantomData }
            }

            /// Whether the program gave no address at all.
            pub const fn is_null(self) -> bool {
                self.addr == 0
            }
        }

        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $name<T> {}

        impl<T: UserStruct> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:#x}: {})", stringify!($name), self.addr, T::NAME)
            }
        }

        impl<T: UserStruct> Arg for $name<T> {
            const KIND: Kind = Kind::Struct(T::NAME, Direction::$direction);
            fn decode(regs: &mut Regs) -> Self {
                Self::new(regs.next_reg())
            }
        }
    )*};
}

pointers! {
    /// The address of a `T` that the call reads.
    UserPtr In;
    /// The address of a `T` that the call writes.
    UserMut Out;
    /// The address of a `T` that the call reads and then writes.
    UserInOut InOut;
}

macro_rules! plain_user_types {
    ($($type:ty = $name:literal;)*) => {$(
        impl UserStruct for $type {
            const NAME: &'static str = $name;
        }
    )*};
}

plain_user_types! {
    i32 = "int";
    u32 = "unsigned int";
    i64 = "long";
    u64 = "unsigned long";
    usize = "size_t";
    u8 = "char";
    Fd = "fd";
    Pid = "pid_t";
    Uid = "uid_t";
    Gid = "gid_t";
}

#[cfg(test)]
mod tests {
    use super::{Arg, Fd, Mode, Pid, Regs, UserIn, UserPtr};

    #[test]
    fn a_narrow_argument_takes_the_low_half_of_its_register() {
        let mut regs = Regs::new([0xdead_beef_ffff_ff9c, 0x1_0000_0007, usize::MAX, 0xf_81a4, 5, 6]);
        assert_eq!(Fd::decode(&mut regs), Fd::CWD);
        assert_eq!(Pid::decode(&mut regs), Pid(7));
        assert_eq!(u32::decode(&mut regs), u32::MAX);
        assert_eq!(Mode::decode(&mut regs), Mode(0o100_644));
    }

    #[test]
    fn a_buffer_is_one_argument_of_two_registers() {
        let mut regs = Regs::new([1, 0x1000, 16, 0x2000, 0, 0]);
        let _ = Fd::decode(&mut regs);
        assert_eq!(UserIn::decode(&mut regs), UserIn { addr: 0x1000, len: 16 });
        assert_eq!(UserPtr::<u32>::decode(&mut regs).addr, 0x2000);
    }
}

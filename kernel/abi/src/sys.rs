//! Calls from the other side: what a test case may do, on Linux or on Orrery.
//!
//! A *subject* implements [`Sys`]; a case uses [`Calls`], where each row of the table is a function:
//!
//! ```
//! use kernel_abi::flags::OpenFlags;
//! use kernel_abi::{Calls, Errno, Fd, Result, Sys};
//!
//! fn a_directory_is_not_written(sys: &dyn Sys) -> Result<()> {
//!     let path = sys.path(sys.page(), "/");
//!     assert_eq!(sys.openat(Fd::CWD, path, OpenFlags::O_WRONLY, 0), Err(Errno::EISDIR));
//!     let file = sys.openat(Fd::CWD, path, OpenFlags::O_RDONLY, 0)?;
//!     assert_eq!(sys.read(file, sys.page(), 5), Err(Errno::EISDIR));
//!     sys.close(file)?;
//!     Ok(())
//! }
//! ```

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::arch::Arch;
use crate::arg::Reg;
use crate::errno::{Errno, Result, from_return};
use crate::flags::CloneFlags;
use crate::row::Call;
use crate::signal::Signal;
use crate::structs::CloneArgs;

/// A signal handler of a case: signal number, and the addresses of siginfo and ucontext.
pub type HandlerFn = fn(&dyn Sys, usize, usize, usize);
/// What a child or a thread of a case does; its answer is the exit status.
pub type ChildFn = fn(&dyn Sys, usize) -> i32;

/// What functions of a case share that is in no process's memory.
pub type Lent = Arc<dyn Any + Send + Sync>;

/// What `rt_sigaction` is to be given for a function to run as a signal handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handler {
    /// `sa_handler`.
    pub entry: usize,
    /// `sa_restorer`, which x86-64 needs together with `SA_RESTORER`; zero elsewhere.
    pub restorer: usize,
}

/// Bytes of mapped memory behind [`Sys::page`].
pub const PAGE_LEN: usize = 16 * 4096;
/// Bytes that [`Sys::fill`] stores at a time on a subject that has no better way.
const FILL_LEN: usize = 1024;

/// What a subject offers a case: raw calls, the program's memory, and the few things that need the subject's help
/// because a case is a function and not a program.
pub trait Sys {
    /// Whose numbers and layouts count.
    fn arch(&self) -> Arch;

    /// Makes a system call and returns what the register held afterwards.
    fn call(&self, number: usize, args: [usize; 6]) -> usize;

    /// Makes a call that this architecture does not have: ENOSYS, unless the subject makes it of a younger one, as a C
    /// library does.
    fn without(&self, _call: Call, _args: &[usize]) -> Result {
        Err(Errno::ENOSYS)
    }

    /// Stores to the program's memory, as the program: a wild address is its SIGSEGV.
    fn poke(&self, addr: usize, bytes: &[u8]);

    /// Stores the same byte `len` times.
    fn fill(&self, addr: usize, byte: u8, len: usize) {
        let bytes = [byte; FILL_LEN];
        for done in (0..len).step_by(FILL_LEN) {
            self.poke(addr + done, &bytes[..FILL_LEN.min(len - done)]);
        }
    }

    /// Loads from the program's memory, as the program: a wild address is its SIGSEGV.
    fn peek(&self, addr: usize, into: &mut [u8]);

    /// The start of [`PAGE_LEN`] bytes that the case may use as it likes; zero when it begins.
    fn page(&self) -> usize;

    /// Makes a function something that can be a signal handler.
    fn handler(&self, run: HandlerFn) -> Handler;

    /// clone3(2) where the child runs `run(arg)` and then exits with its answer: a thread by exit(2), a process by
    /// exit_group(2). With `CLONE_VM` the subject provides a stack; the caller leaves `stack` and `stack_size` zero, unless
    /// it knows that the subject's functions have no frames there.
    fn clone_with(&self, args: &CloneArgs, run: ChildFn, arg: usize) -> Result;

    /// fork(2): the child runs `run(arg)`. Gives the child's pid.
    fn fork_with(&self, run: ChildFn, arg: usize) -> Result {
        let exit_signal = Signal::SIGCHLD.number() as u64;
        self.clone_with(&CloneArgs { exit_signal, ..CloneArgs::default() }, run, arg)
    }

    /// The child of an older call (`fork`, `vfork`, `clone` without a stack), made with these arguments, runs `run(arg)`
    /// and ends by exit_group(2). ENOSYS on a subject that has no way to.
    fn child_of(&self, _call: Call, _args: &[usize], _run: ChildFn, _arg: usize) -> Result {
        Err(Errno::ENOSYS)
    }

    /// Has `what` known to all functions of this case, whatever process they run in, on a subject that runs all of them in
    /// one process of its own.
    fn lend(&self, _what: Lent) {}

    /// What was lent last; nothing on a subject that has no way to.
    fn lent(&self) -> Option<Lent> {
        None
    }

    /// A thread of this process that runs `run(arg)`. Gives its tid. The word at `tid_addr` is the tid until the
    /// thread ends; then it is zero, and a futex waiter there is woken.
    fn thread_with(&self, tid_addr: usize, run: ChildFn, arg: usize) -> Result {
        self.clone_with(&thread_args(tid_addr), run, arg)
    }
}

/// What [`Sys::thread_with`] asks for.
pub fn thread_args(tid_addr: usize) -> CloneArgs {
    let flags = CloneFlags::CLONE_VM
        | CloneFlags::CLONE_FS
        | CloneFlags::CLONE_FILES
        | CloneFlags::CLONE_SIGHAND
        | CloneFlags::CLONE_THREAD
        | CloneFlags::CLONE_SYSVSEM
        | CloneFlags::CLONE_PARENT_SETTID
        | CloneFlags::CLONE_CHILD_CLEARTID;
    let tid = tid_addr as u64;
    CloneArgs { flags: flags.bits(), parent_tid: tid, child_tid: tid, ..CloneArgs::default() }
}

/// One function per row. A buffer takes two parameters, its address and its length.
macro_rules! calls {
    ($($(#[doc = $doc:literal])* $name:ident [$x86:tt $riscv:tt] = $($room:ident)+ :: $handler:ident
        ($($args:tt)*) $(without $without:literal)?;)*) => {
        $(calls! { @function [$(#[doc = $doc])* $name] [] $($args)*, })*
    };
    // What is left of a list that has been used up, or was empty.
    (@function [$(#[doc = $doc:literal])* $name:ident] [$($arg:ident)*] $(,)?) => {
        $(#[doc = $doc])*
        fn $name(&self, $($arg: impl Reg),*) -> Result {
            self.make(Call::$name, &[$($arg.reg()),*])
        }
    };
    (@function $head:tt [$($done:ident)*] $arg:ident: UserIn, $($rest:tt)*) => {
        calls! { @function $head [$($done)* $arg len] $($rest)* }
    };
    (@function $head:tt [$($done:ident)*] $arg:ident: UserOut, $($rest:tt)*) => {
        calls! { @function $head [$($done)* $arg len] $($rest)* }
    };
    (@function $head:tt [$($done:ident)*] $arg:ident: UserInInt, $($rest:tt)*) => {
        calls! { @function $head [$($done)* $arg len] $($rest)* }
    };
    (@function $head:tt [$($done:ident)*] $arg:ident: UserOutInt, $($rest:tt)*) => {
        calls! { @function $head [$($done)* $arg len] $($rest)* }
    };
    (@function $head:tt [$($done:ident)*] $arg:ident: UserIovecsIn, $($rest:tt)*) => {
        calls! { @function $head [$($done)* $arg count] $($rest)* }
    };
    (@function $head:tt [$($done:ident)*] $arg:ident: UserIovecsOut, $($rest:tt)*) => {
        calls! { @function $head [$($done)* $arg count] $($rest)* }
    };
    (@function $head:tt [$($done:ident)*] $arg:ident: $ty:ty, $($rest:tt)*) => {
        calls! { @function $head [$($done)* $arg] $($rest)* }
    };
}

/// The table as functions, and the program's memory as values. Every [`Sys`] has them.
///
/// A call that the subject's architecture does not have is [`Sys::without`]'s. `fork`, `vfork`, `clone` and `clone3` cannot be made
/// this way, because the child would return twice into Rust: use [`Sys::fork_with`] and its relatives.
pub trait Calls: Sys {
    /// Makes a call of the table; registers that are not given are zero.
    fn make(&self, call: Call, args: &[usize]) -> Result {
        let Some(number) = call.number(self.arch()) else { return self.without(call, args) };
        let mut regs = [0; 6];
        for (reg, arg) in regs.iter_mut().zip(args) {
            *reg = *arg;
        }
        from_return(self.call(number, regs))
    }

    /// Stores a value and gives its address back.
    fn store<T: IntoBytes + Immutable + ?Sized>(&self, addr: usize, value: &T) -> usize {
        self.poke(addr, value.as_bytes());
        addr
    }

    /// Loads a value.
    fn load<T: FromBytes + IntoBytes>(&self, addr: usize) -> T {
        let mut value = T::new_zeroed();
        self.peek(addr, value.as_mut_bytes());
        value
    }

    /// Stores a string and its NUL and gives its address back.
    fn path(&self, addr: usize, path: &str) -> usize {
        self.poke(addr, path.as_bytes());
        self.poke(addr + path.len(), &[0]);
        addr
    }

    /// Loads bytes.
    fn bytes(&self, addr: usize, len: usize) -> Vec<u8> {
        let mut bytes = alloc::vec![0; len];
        self.peek(addr, &mut bytes);
        bytes
    }

    crate::for_each_syscall! { calls }
}

impl<S: Sys + ?Sized> Calls for S {}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::cell::{Cell, RefCell};

    use super::{Calls, ChildFn, Handler, HandlerFn, Sys};
    use crate::errno::{Errno, Result};
    use crate::structs::{CloneArgs, Timespec};
    use crate::{Arch, Fd};

    /// Remembers the last call and refuses it.
    struct Recorder {
        arch: Arch,
        last: Cell<Option<(usize, [usize; 6])>>,
        memory: RefCell<[u8; 64]>,
    }

    impl Sys for Recorder {
        fn arch(&self) -> Arch {
            self.arch
        }
        fn call(&self, number: usize, args: [usize; 6]) -> usize {
            self.last.set(Some((number, args)));
            Errno::EPERM.to_return()
        }
        fn poke(&self, addr: usize, bytes: &[u8]) {
            self.memory.borrow_mut()[addr..addr + bytes.len()].copy_from_slice(bytes);
        }
        fn peek(&self, addr: usize, into: &mut [u8]) {
            into.copy_from_slice(&self.memory.borrow()[addr..addr + into.len()]);
        }
        fn page(&self) -> usize {
            0
        }
        fn handler(&self, _run: HandlerFn) -> Handler {
            Handler { entry: 0, restorer: 0 }
        }
        fn clone_with(&self, args: &CloneArgs, _run: ChildFn, _arg: usize) -> Result {
            Ok(args.exit_signal as usize)
        }
    }

    fn recorder(arch: Arch) -> Recorder {
        Recorder { arch, last: Cell::new(None), memory: RefCell::new([0; 64]) }
    }

    #[test]
    fn a_function_puts_its_arguments_where_the_row_says() {
        for (arch, number) in [(Arch::X86_64, 0), (Arch::Riscv64, 63)] {
            let subject = recorder(arch);
            let sys: &dyn Sys = &subject;
            assert_eq!(sys.read(Fd::CWD, 0x1000, 5), Err(Errno::EPERM));
            assert_eq!(subject.last.get(), Some((number, [-100_isize as usize, 0x1000, 5, 0, 0, 0])));
        }
    }

    #[test]
    fn a_call_of_the_other_architecture_is_not_made() {
        let subject = recorder(Arch::Riscv64);
        assert_eq!(subject.open(0, 0, 0), Err(Errno::ENOSYS));
        assert_eq!(subject.last.get(), None);
    }

    #[test]
    fn memory_holds_values() {
        let subject = recorder(Arch::X86_64);
        let time = Timespec { tv_sec: 1, tv_nsec: 2 };
        let addr = subject.store(8, &time);
        assert_eq!(subject.load::<Timespec>(addr), time);
        assert_eq!(subject.bytes(subject.path(32, "a/b"), 4), b"a/b\0");
        assert_eq!(subject.fork_with(|_, _| 0, 0), Ok(17));
    }
}

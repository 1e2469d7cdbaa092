//! An attempt, and the child that makes it.
#![expect(unsafe_code, reason = "runs code that it has written into memory")]

use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use kernel_abi::flags::{MapFlags, ProtFlags, SaFlags};
use kernel_abi::structs::{Sigaction, StackT};
use kernel_abi::{Calls as _, Errno, Fd, Result, SigSet, Signal, Sys};
use ostd_guest::Guest;

use crate::{arch, calls};

/// How a child ends whose attempt had no effect: it went on, and said so by this status.
pub(crate) const WENT_ON: i32 = 42;

/// How an attempt may end: by one of these signals, or zero for a child that goes on. Without any, the hardware decides.
pub(crate) type Ends = &'static [i32];

pub(crate) const GOES_ON: Ends = &[0];
pub(crate) const SEGV: Ends = &[11];
pub(crate) const ILL: Ends = &[4];
pub(crate) const TRAP: Ends = &[5];
pub(crate) const SEGV_OR_BUS: Ends = &[11, 7];
pub(crate) const GOES_ON_OR_BUS: Ends = &[0, 7];
pub(crate) const ANY: Ends = &[];
/// For what may as well go on for ever, until its alarm rings.
pub(crate) const OR_LOOPS: Ends = &[0, 4, 5, 7, 8, 11, ALARM];
pub(crate) const ALARM: i32 = 14;

/// What a child does.
pub(crate) enum Act {
    /// Executes this, and what ends it well behind it. A register has the address of memory that is its own.
    Code(Vec<u8>),
    /// The same, with a handler for every signal of exceptions, which ends the child well.
    Handled(Vec<u8>),
    /// The same, with an alternate stack there.
    OnStack(u64, Vec<u8>),
    /// The same, with a handler there, or with its way back there.
    Handler(u64, u64, Vec<u8>),
    /// The same, with these bytes mapped at this address.
    Mapped(usize, Vec<u8>, Vec<u8>),
    /// Executes this as the last that a program can have mapped.
    AtTheEnd(Vec<u8>),
    /// Returns from a handler with changed words of the frame: offset and value, in `struct ucontext`, or in the
    /// floating-point state behind its own pointer.
    Frame(Vec<(Where, usize, u64)>),
    /// Makes the calls of a row of the table with addresses that are none.
    Calls(kernel_abi::Call),
    /// Makes calls whose argument is an address or not, as another says.
    Commands,
}

/// What a [`Act::Frame`]'s offset counts from.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Where {
    Context,
    FloatingPoint,
}

pub(crate) struct Attempt {
    pub(crate) name: String,
    pub(crate) act: Act,
    pub(crate) ends: Ends,
}

/// Words that the handler puts into its frame; set before there is a handler.
static WORDS: AtomicUsize = AtomicUsize::new(0);

/// Makes an attempt, in a child: `at` is the address of an [`Attempt`].
pub(crate) fn make(_: &dyn Sys, at: usize) -> i32 {
    // SAFETY: the parent passes the address of one that it keeps; this is its copy.
    let attempt = unsafe { &*core::ptr::with_exposed_provenance::<Attempt>(at) };
    // What can be refused here is the kernel's mistake, and shows as this status.
    act(&attempt.act).map_or(1, |()| WENT_ON)
}

fn act(act: &Act) -> Result<()> {
    match act {
        Act::Code(code) => run(code),
        Act::Handled(code) => {
            handle_all(landing()?, 0, SaFlags::empty())?;
            run(code)
        }
        Act::OnStack(start, code) => {
            let stack = StackT { ss_sp: *start as usize, ss_flags: 0, pad0: 0, ss_size: 0x4000 };
            // An address that is refused here is none that a handler gets.
            let _ = Guest.sigaltstack(Guest.store(Guest.page(), &stack), 0);
            handle_all(landing()?, 0, SaFlags::SA_ONSTACK)?;
            run(code)
        }
        Act::Handler(handler, restorer, code) => {
            let handler = if *handler == 0 { arch::returning_handler(&map_code(&arch::RETURN)?) } else { *handler };
            handle_all(handler as usize, *restorer as usize, SaFlags::empty())?;
            run(code)
        }
        Act::Mapped(at, bytes, code) => {
            let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS | MapFlags::MAP_FIXED;
            let all = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE | ProtFlags::PROT_EXEC;
            // Where nothing may be mapped so low, there is nothing to be found either.
            if Guest.mmap(*at, 4096, all, flags, Fd(-1), 0) == Ok(*at) {
                Guest.poke(*at, bytes);
            }
            run(code)
        }
        Act::AtTheEnd(code) => at_the_end(code),
        Act::Frame(words) => {
            WORDS.store(core::ptr::from_ref(words).expose_provenance(), Ordering::Release);
            let handler = Guest.handler(change_frame);
            let action = action(handler.entry, handler.restorer, SaFlags::SA_SIGINFO);
            Guest.rt_sigaction(Signal::SIGUSR1, stored(&action), 0, 8)?;
            let _ = landing()?;
            Guest.tgkill(Guest.getpid()?, Guest.gettid()?, Signal::SIGUSR1)?;
            Err(Errno::EINVAL)
        }
        Act::Calls(call) => {
            calls::make(*call);
            Ok(())
        }
        Act::Commands => {
            calls::command();
            Ok(())
        }
    }
}

/// Maps `code` where it can be written and executed, with what ends a child well behind it.
fn map_code(code: &[u8]) -> Result<usize> {
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS;
    let all = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE | ProtFlags::PROT_EXEC;
    let at = Guest.mmap(0, 0x2000, all, flags, Fd(-1), 0)?;
    Guest.poke(at, code);
    Guest.poke(at + code.len(), arch::TAIL);
    arch::code_written();
    Ok(at)
}

/// The address of what ends a child well; mapped once.
fn landing() -> Result<usize> {
    static AT: AtomicUsize = AtomicUsize::new(0);
    if AT.load(Ordering::Relaxed) == 0 {
        AT.store(map_code(&[])?, Ordering::Relaxed);
    }
    Ok(AT.load(Ordering::Relaxed))
}

fn run(code: &[u8]) -> Result<()> {
    let at = map_code(code)?;
    // SAFETY: none is needed: the child has nothing to lose but itself, and does not come back.
    unsafe { arch::jump(at, Guest.page()) }
}

fn action(handler: usize, restorer: usize, flags: SaFlags) -> Sigaction {
    let flags = if restorer == 0 { flags } else { flags | SaFlags::SA_RESTORER };
    Sigaction { handler, flags, restorer, mask: SigSet::EMPTY }
}

/// Puts an action where the kernel reads it.
fn stored(action: &Sigaction) -> usize {
    Guest.poke(Guest.page(), &action.encode(Guest.arch()));
    Guest.page()
}

/// Has one handler for every signal that an exception can raise.
fn handle_all(handler: usize, restorer: usize, flags: SaFlags) -> Result<()> {
    let restorer = if restorer == 0 { Guest.handler(|_, _, _, _| ()).restorer } else { restorer };
    let at = stored(&action(handler, restorer, flags));
    for signal in [Signal::SIGILL, Signal::SIGTRAP, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGSEGV] {
        Guest.rt_sigaction(signal, at, 0, 8)?;
    }
    Ok(())
}

/// Puts `code` at the end of the last page that can be had, and executes it.
fn at_the_end(code: &[u8]) -> Result<()> {
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS | MapFlags::MAP_FIXED;
    let all = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE | ProtFlags::PROT_EXEC;
    for end in [1 << 47, (1 << 47) - 4096, 1 << 38, (1 << 38) - 4096] {
        if Guest.mmap(end - 4096, 4096, all, flags, Fd(-1), 0) == Ok(end - 4096) {
            let at = end - code.len();
            Guest.poke(at, code);
            arch::code_written();
            // SAFETY: as in `run`.
            unsafe { arch::jump(at, Guest.page()) }
        }
    }
    Err(Errno::ENOMEM)
}

/// The handler of [`Act::Frame`].
fn change_frame(sys: &dyn Sys, _signal: usize, _info: usize, context: usize) {
    // SAFETY: `act` stored the address of these words before the signal.
    let words =
        unsafe { &*core::ptr::with_exposed_provenance::<Vec<(Where, usize, u64)>>(WORDS.load(Ordering::Acquire)) };
    let landing = landing().unwrap_or(0) as u64;
    sys.poke(context + arch::PC_AT, &landing.to_ne_bytes());
    let mut state = [0; 8];
    sys.peek(context + arch::FP_POINTER_AT, &mut state);
    let state = arch::fp_state(context, usize::from_ne_bytes(state));
    for (base, offset, value) in words {
        let start = if *base == Where::Context { context } else { state };
        sys.poke(start + offset, &value.to_ne_bytes());
    }
}

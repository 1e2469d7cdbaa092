//! Signal handlers: what they are told, what is blocked meanwhile, which stack they run on.

use alloc::vec::Vec;
use core::mem::offset_of;

use kernel_abi::flags::{
    BUS_ADRERR, MapFlags, PipeFlags, ProtFlags, SEGV_ACCERR, SEGV_MAPERR, SI_TKILL, SI_USER, SIG_DFL, SIG_IGN, SaFlags,
    SigHow, StackFlags,
};
use kernel_abi::structs::{Sigaction, SigcontextX86, Siginfo, StackT, UcontextRiscv, UcontextX86, status_signaled};
use kernel_abi::{Arch, Calls, Errno, Fd, SigSet, Signal, Sys};

use super::Outcome;
use super::file::{create, write};
use super::memory::{PAGE, PRIVATE, RW, map};
use super::pipe::pipe;
use super::process::{ended, in_child, wait};
use super::signal::{act, action, counted, counts, handle, mask, raise};

cases! { "handler":
    a_handler_is_told_who_sent, a_signal_is_blocked_in_its_own_handler, a_signal_that_is_not_deferred_nests,
    an_actions_mask_counts_in_its_handler, the_mask_is_put_back, the_frames_mask_is_taken_back,
    an_action_that_resets_runs_once, what_an_action_was_is_told, an_action_forgets_unknown_flags_and_unblockables,
    an_alternate_stack_is_used_and_kept, a_stack_disarms_itself, a_fault_tells_its_address,
    a_fault_of_protection_tells_so, a_fault_past_the_end_is_sigbus, a_blocked_fault_kills, an_ignored_fault_kills,
    a_broken_pipe_is_told_twice, ignoring_forgets_what_waits, a_child_has_the_handlers_and_not_what_waits,
    nobody_blocks_kill_and_stop, a_lower_number_goes_first, a_wild_stack_kills,
    a_frame_that_leads_nowhere_kills, a_frame_with_a_foreign_segment_kills,
}

/// Where [`logs`] writes: a count, then the signals.
const LOG: usize = 0x6100;
/// Where the handlers leave a siginfo and more.
const SEEN: usize = 0x6400;

fn log(sys: &dyn Sys, entry: u8) {
    let at = sys.page() + LOG;
    let count: u64 = sys.load(at);
    sys.store(at + 8 + count as usize, &entry);
    sys.store(at, &(count + 1));
}

fn logged(sys: &dyn Sys) -> Vec<u8> {
    let count: u64 = sys.load(sys.page() + LOG);
    sys.bytes(sys.page() + LOG + 8, count as usize)
}

fn logs(sys: &dyn Sys, signal: usize, _: usize, _: usize) {
    log(sys, signal as u8);
}

fn looks(sys: &dyn Sys, _: usize, info: usize, _: usize) {
    let info: Siginfo = sys.load(info);
    sys.store(sys.page() + SEEN, &info);
}

fn seen(sys: &dyn Sys) -> Siginfo {
    sys.load(sys.page() + SEEN)
}

fn a_handler_is_told_who_sent(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGUSR1, action(sys, looks, SaFlags::SA_SIGINFO, SigSet::EMPTY))?;
    let (pid, uid) = (sys.getpid()?, sys.getuid()?);
    sys.kill(pid, Signal::SIGUSR1)?;
    assert_eq!(seen(sys), Siginfo::kill(Signal::SIGUSR1, SI_USER, pid as i32, uid as u32));
    sys.tkill(sys.gettid()?, Signal::SIGUSR1)?;
    assert_eq!(seen(sys), Siginfo::kill(Signal::SIGUSR1, SI_TKILL, pid as i32, uid as u32));
    let child = |sys: &dyn Sys, parent| i32::from(sys.kill(parent, Signal::SIGUSR1).is_err());
    let child = sys.fork_with(child, pid)?;
    while wait(sys, child) == Err(Errno::EINTR) {}
    assert_eq!(seen(sys), Siginfo::kill(Signal::SIGUSR1, SI_USER, child as i32, uid as u32));
    Ok(())
}

/// Logs an opening and a closing bracket, and raises the same signal the first time.
fn nests(sys: &dyn Sys, signal: usize, _: usize, _: usize) {
    log(sys, b'(');
    if logged(sys) == b"(" {
        let _ = sys.getpid().and_then(|me| sys.kill(me, signal));
    }
    log(sys, b')');
}

fn a_signal_is_blocked_in_its_own_handler(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, nests)?;
    raise(sys, Signal::SIGUSR1)?;
    assert_eq!(logged(sys), b"()()");
    Ok(())
}

fn a_signal_that_is_not_deferred_nests(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGUSR1, action(sys, nests, SaFlags::SA_NODEFER, SigSet::EMPTY))?;
    raise(sys, Signal::SIGUSR1)?;
    assert_eq!(logged(sys), b"(())");
    Ok(())
}

fn raises_usr2(sys: &dyn Sys, signal: usize, _: usize, _: usize) {
    log(sys, signal as u8);
    let _ = raise(sys, Signal::SIGUSR2);
    log(sys, signal as u8);
}

fn an_actions_mask_counts_in_its_handler(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR2, logs)?;
    let mut raises = action(sys, raises_usr2, SaFlags::empty(), SigSet::of(&[Signal::SIGUSR2]));
    act(sys, Signal::SIGUSR1, raises)?;
    raise(sys, Signal::SIGUSR1)?;
    assert_eq!(logged(sys), [10, 10, 12]);
    raises.mask = SigSet::EMPTY;
    act(sys, Signal::SIGUSR1, raises)?;
    raise(sys, Signal::SIGUSR1)?;
    assert_eq!(logged(sys)[3..], [10, 12, 10]);
    Ok(())
}

fn looks_at_the_mask(sys: &dyn Sys, _: usize, _: usize, _: usize) {
    let _ = sys.rt_sigprocmask(SigHow::SIG_BLOCK, 0, sys.page() + SEEN, 8);
}

fn the_mask_is_put_back(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGHUP])?;
    let looks = action(sys, looks_at_the_mask, SaFlags::empty(), SigSet::of(&[Signal::SIGTERM, Signal::SIGKILL]));
    act(sys, Signal::SIGUSR1, looks)?;
    raise(sys, Signal::SIGUSR1)?;
    let meanwhile = SigSet::of(&[Signal::SIGHUP, Signal::SIGTERM, Signal::SIGUSR1]);
    assert_eq!(sys.load::<SigSet>(sys.page() + SEEN), meanwhile);
    assert_eq!(mask(sys, SigHow::SIG_BLOCK, &[])?, SigSet::of(&[Signal::SIGHUP]));
    Ok(())
}

fn mask_in_frame(sys: &dyn Sys, context: usize) -> usize {
    context
        + match sys.arch() {
            Arch::X86_64 => offset_of!(UcontextX86, uc_sigmask),
            Arch::Riscv64 => offset_of!(UcontextRiscv, uc_sigmask),
        }
}

fn changes_the_frame(sys: &dyn Sys, _: usize, _: usize, context: usize) {
    let at = mask_in_frame(sys, context);
    let before: SigSet = sys.load(at);
    sys.store(sys.page() + SEEN, &before);
    sys.store(at, &SigSet::of(&[Signal::SIGTERM, Signal::SIGKILL]));
}

fn the_frames_mask_is_taken_back(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGHUP])?;
    act(sys, Signal::SIGUSR1, action(sys, changes_the_frame, SaFlags::SA_SIGINFO, SigSet::EMPTY))?;
    raise(sys, Signal::SIGUSR1)?;
    assert_eq!(sys.load::<SigSet>(sys.page() + SEEN), SigSet::of(&[Signal::SIGHUP]));
    assert_eq!(mask(sys, SigHow::SIG_BLOCK, &[])?, SigSet::of(&[Signal::SIGTERM]));
    Ok(())
}

fn an_action_that_resets_runs_once(sys: &dyn Sys) -> Outcome {
    let once = action(sys, counts, SaFlags::SA_RESETHAND, SigSet::EMPTY);
    act(sys, Signal::SIGUSR1, once)?;
    raise(sys, Signal::SIGUSR1)?;
    assert_eq!(counted(sys), [1, 10]);
    sys.rt_sigaction(Signal::SIGUSR1, 0, sys.page(), 8)?;
    let old = Sigaction::decode(sys.arch(), &sys.bytes(sys.page(), 32));
    assert_eq!(old, Some(Sigaction { handler: SIG_DFL, ..once }));
    let pid = sys.fork_with(|sys, _| i32::from(raise(sys, Signal::SIGUSR1).is_ok()), 0)?;
    assert_eq!(wait(sys, pid)?, status_signaled(10, false));
    Ok(())
}

fn what_an_action_was_is_told(sys: &dyn Sys) -> Outcome {
    let first = action(sys, counts, SaFlags::SA_RESTART | SaFlags::SA_SIGINFO, SigSet::of(&[Signal::SIGHUP]));
    act(sys, Signal::SIGUSR1, first)?;
    let (new, old) = (sys.page() + 64, sys.page() + 128);
    sys.poke(new, &Sigaction { handler: SIG_IGN, ..Sigaction::default() }.encode(sys.arch()));
    sys.rt_sigaction(Signal::SIGUSR1, new, old, 8)?;
    assert_eq!(Sigaction::decode(sys.arch(), &sys.bytes(old, 32)), Some(first));
    // Asking about what has no handler is allowed.
    sys.rt_sigaction(Signal::SIGKILL, 0, old, 8)?;
    assert_eq!(Sigaction::decode(sys.arch(), &sys.bytes(old, 32)).map(|old| old.handler), Some(SIG_DFL));
    // The old action is told last.
    sys.poke(new, &Sigaction::default().encode(sys.arch()));
    assert_eq!(sys.rt_sigaction(Signal::SIGUSR1, new, 8, 8), Err(Errno::EFAULT));
    sys.rt_sigaction(Signal::SIGUSR1, 0, old, 8)?;
    assert_eq!(Sigaction::decode(sys.arch(), &sys.bytes(old, 32)).map(|old| old.handler), Some(SIG_DFL));
    Ok(())
}

fn an_action_forgets_unknown_flags_and_unblockables(sys: &dyn Sys) -> Outcome {
    let wish = Sigaction {
        handler: SIG_IGN,
        flags: SaFlags::SA_NODEFER | SaFlags::SA_UNSUPPORTED | SaFlags::from_bits_retain(1 << 40),
        mask: SigSet::of(&[Signal::SIGKILL, Signal::SIGSTOP, Signal::SIGINT]),
        ..Sigaction::default()
    };
    act(sys, Signal::SIGUSR1, wish)?;
    sys.rt_sigaction(Signal::SIGUSR1, 0, sys.page(), 8)?;
    let kept = Sigaction { flags: SaFlags::SA_NODEFER, mask: SigSet::of(&[Signal::SIGINT]), ..wish };
    assert_eq!(Sigaction::decode(sys.arch(), &sys.bytes(sys.page(), 32)), Some(kept));
    Ok(())
}

/// Leaves the stack as told inside, the refusal of changing it, and where the frame is.
fn looks_at_the_stack(sys: &dyn Sys, _: usize, info: usize, _: usize) {
    let at = sys.page() + SEEN;
    let asked = sys.sigaltstack(0, at).map_or(-1, |_| 0);
    let disable = sys.store(at + 64, &StackT { ss_flags: StackFlags::SS_DISABLE.bits(), ..StackT::default() });
    let changed = sys.sigaltstack(disable, 0).map_or_else(|errno| errno.number(), |_| 0);
    sys.store(at + 128, &[asked, changed]);
    sys.store(at + 136, &info);
}

fn an_alternate_stack_is_used_and_kept(sys: &dyn Sys) -> Outcome {
    let stack = StackT { ss_sp: map(sys, 16 * PAGE, PRIVATE)?, ss_size: 16 * PAGE, ..StackT::default() };
    let new = sys.store(sys.page() + 64, &stack);
    sys.sigaltstack(new, 0)?;
    act(
        sys,
        Signal::SIGUSR1,
        action(sys, looks_at_the_stack, SaFlags::SA_ONSTACK | SaFlags::SA_SIGINFO, SigSet::EMPTY),
    )?;
    raise(sys, Signal::SIGUSR1)?;
    let at = sys.page() + SEEN;
    assert_eq!(sys.load::<StackT>(at), StackT { ss_flags: StackFlags::SS_ONSTACK.bits(), ..stack });
    assert_eq!(sys.load::<[i32; 2]>(at + 128), [0, Errno::EPERM.number()]);
    let frame: usize = sys.load(at + 136);
    assert!((stack.ss_sp..stack.ss_sp + stack.ss_size).contains(&frame));
    sys.sigaltstack(0, at)?;
    assert_eq!(sys.load::<StackT>(at), stack);
    // What a stack may not be.
    sys.store(new, &StackT { ss_flags: 4, ..stack });
    assert_eq!(sys.sigaltstack(new, 0), Err(Errno::EINVAL));
    assert_eq!(sys.sigaltstack(8, 0), Err(Errno::EFAULT));
    assert_eq!(sys.sigaltstack(0, 8), Err(Errno::EFAULT));
    Ok(())
}

fn a_stack_disarms_itself(sys: &dyn Sys) -> Outcome {
    let flags = StackFlags::SS_AUTODISARM.bits();
    let stack =
        StackT { ss_sp: map(sys, 16 * PAGE, PRIVATE)?, ss_size: 16 * PAGE, ss_flags: flags, ..StackT::default() };
    let new = sys.store(sys.page() + 64, &stack);
    sys.sigaltstack(new, 0)?;
    act(
        sys,
        Signal::SIGUSR1,
        action(sys, looks_at_the_stack, SaFlags::SA_ONSTACK | SaFlags::SA_SIGINFO, SigSet::EMPTY),
    )?;
    raise(sys, Signal::SIGUSR1)?;
    let at = sys.page() + SEEN;
    assert_eq!(sys.load::<StackT>(at).ss_flags, StackFlags::SS_DISABLE.bits());
    assert_eq!(sys.load::<[i32; 2]>(at + 128), [0, 0]);
    // The frame knows the stack and gives it back.
    sys.sigaltstack(0, at)?;
    assert_eq!(sys.load::<StackT>(at), stack);
    Ok(())
}

/// Maps or opens up what was missing.
fn repairs(sys: &dyn Sys, signal: usize, info: usize, context: usize) {
    looks(sys, signal, info, context);
    let page = seen(sys).addr() / PAGE * PAGE;
    if seen(sys).si_code == SEGV_MAPERR {
        let _ = sys.mmap(page, PAGE, RW, PRIVATE | MapFlags::MAP_FIXED, Fd(-1), 0);
    } else {
        let _ = sys.mprotect(page, PAGE, RW);
    }
}

fn a_fault_tells_its_address(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    sys.munmap(at, PAGE)?;
    act(sys, Signal::SIGSEGV, action(sys, repairs, SaFlags::SA_SIGINFO, SigSet::EMPTY))?;
    sys.poke(at + 12, b"x");
    assert_eq!(seen(sys), Siginfo::fault(Signal::SIGSEGV, SEGV_MAPERR, at + 12));
    assert_eq!(sys.bytes(at + 12, 1), b"x");
    Ok(())
}

fn a_fault_of_protection_tells_so(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    act(sys, Signal::SIGSEGV, action(sys, repairs, SaFlags::SA_SIGINFO, SigSet::EMPTY))?;
    for protection in [ProtFlags::PROT_READ, ProtFlags::PROT_NONE] {
        sys.mprotect(at, PAGE, protection)?;
        sys.poke(at + 100, b"y");
        assert_eq!(seen(sys), Siginfo::fault(Signal::SIGSEGV, SEGV_ACCERR, at + 100));
        sys.store(sys.page() + SEEN, &Siginfo::default());
    }
    assert_eq!(sys.bytes(at + 100, 1), b"y");
    Ok(())
}

fn lengthens(sys: &dyn Sys, signal: usize, info: usize, context: usize) {
    looks(sys, signal, info, context);
    let _ = sys.ftruncate(Fd(3), 2 * PAGE);
}

fn a_fault_past_the_end_is_sigbus(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    assert_eq!(file, Fd(3));
    write(sys, file, b"short")?;
    let at = sys.mmap(0, 2 * PAGE, RW, MapFlags::MAP_SHARED, file, 0)?;
    act(sys, Signal::SIGBUS, action(sys, lengthens, SaFlags::SA_SIGINFO, SigSet::EMPTY))?;
    // To the end of the last page there is memory.
    assert_eq!(sys.bytes(at + PAGE - 1, 1), [0]);
    sys.poke(at + PAGE + 7, b"z");
    assert_eq!(seen(sys), Siginfo::fault(Signal::SIGBUS, BUS_ADRERR, at + PAGE + 7));
    assert_eq!(sys.pread64(file, sys.page(), 1, PAGE + 7)?, 1);
    assert_eq!(sys.bytes(sys.page(), 1), b"z");
    Ok(())
}

fn faults(sys: &dyn Sys, at: usize) -> i32 {
    sys.poke(at, b"x");
    0
}

fn a_blocked_fault_kills(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    sys.munmap(at, PAGE)?;
    handle(sys, Signal::SIGSEGV, counts)?;
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGSEGV])?;
    let pid = sys.fork_with(faults, at)?;
    assert_eq!(wait(sys, pid)? & !0x80, status_signaled(11, false));
    Ok(())
}

fn an_ignored_fault_kills(sys: &dyn Sys) -> Outcome {
    let at = map(sys, PAGE, PRIVATE)?;
    sys.munmap(at, PAGE)?;
    act(sys, Signal::SIGSEGV, Sigaction { handler: SIG_IGN, ..Sigaction::default() })?;
    let pid = sys.fork_with(faults, at)?;
    assert_eq!(wait(sys, pid)? & !0x80, status_signaled(11, false));
    Ok(())
}

fn a_broken_pipe_is_told_twice(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGPIPE, counts)?;
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    sys.close(reader)?;
    assert_eq!(write(sys, writer, b"x"), Err(Errno::EPIPE));
    assert_eq!(counted(sys), [1, 13]);
    act(sys, Signal::SIGPIPE, Sigaction { handler: SIG_IGN, ..Sigaction::default() })?;
    assert_eq!(write(sys, writer, b"x"), Err(Errno::EPIPE));
    Ok(())
}

fn waiting(sys: &dyn Sys) -> kernel_abi::Result<SigSet> {
    sys.rt_sigpending(sys.page(), 8)?;
    Ok(sys.load(sys.page()))
}

fn ignoring_forgets_what_waits(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1, Signal::SIGWINCH])?;
    handle(sys, Signal::SIGUSR1, counts)?;
    handle(sys, Signal::SIGWINCH, counts)?;
    raise(sys, Signal::SIGUSR1)?;
    raise(sys, Signal::SIGWINCH)?;
    assert_eq!(waiting(sys)?, SigSet::of(&[Signal::SIGUSR1, Signal::SIGWINCH]));
    act(sys, Signal::SIGUSR1, Sigaction { handler: SIG_IGN, ..Sigaction::default() })?;
    // What does nothing by default is forgotten too.
    act(sys, Signal::SIGWINCH, Sigaction::default())?;
    assert_eq!(waiting(sys)?, SigSet::EMPTY);
    mask(sys, SigHow::SIG_SETMASK, &[])?;
    assert_eq!(counted(sys), [0, 0]);
    Ok(())
}

fn a_child_has_the_handlers_and_not_what_waits(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1])?;
    handle(sys, Signal::SIGUSR1, counts)?;
    raise(sys, Signal::SIGUSR1)?;
    fn child(sys: &dyn Sys) -> Outcome {
        assert_eq!(waiting(sys)?, SigSet::EMPTY);
        assert_eq!(mask(sys, SigHow::SIG_SETMASK, &[])?, SigSet::of(&[Signal::SIGUSR1]));
        raise(sys, Signal::SIGUSR1)?;
        assert_eq!(counted(sys), [1, 10]);
        Ok(())
    }
    in_child(sys, |sys, _| ended(child(sys)), 0)?;
    assert_eq!(waiting(sys)?, SigSet::of(&[Signal::SIGUSR1]));
    Ok(())
}

fn nobody_blocks_kill_and_stop(sys: &dyn Sys) -> Outcome {
    let all: Vec<Signal> = SigSet::ALL.iter().collect();
    mask(sys, SigHow::SIG_SETMASK, &all)?;
    let unblockable = SigSet::of(&[Signal::SIGKILL, Signal::SIGSTOP]);
    assert_eq!(mask(sys, SigHow::SIG_BLOCK, &[])?, unblockable.complement());
    Ok(())
}

fn a_lower_number_goes_first(sys: &dyn Sys) -> Outcome {
    let both = [Signal::SIGUSR1, Signal::SIGTERM];
    for signal in both {
        // Each with the other blocked, so that they run one after the other.
        act(sys, signal, action(sys, logs, SaFlags::empty(), SigSet::of(&both)))?;
    }
    mask(sys, SigHow::SIG_BLOCK, &both)?;
    raise(sys, Signal::SIGTERM)?;
    raise(sys, Signal::SIGUSR1)?;
    mask(sys, SigHow::SIG_UNBLOCK, &both)?;
    assert_eq!(logged(sys), [10, 15]);
    Ok(())
}

fn a_wild_stack_kills(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 16 * PAGE, PRIVATE)?;
    sys.munmap(at, 16 * PAGE)?;
    let new = sys.store(sys.page() + 64, &StackT { ss_sp: at, ss_size: 16 * PAGE, ..StackT::default() });
    sys.sigaltstack(new, 0)?;
    act(sys, Signal::SIGUSR1, action(sys, counts, SaFlags::SA_ONSTACK, SigSet::EMPTY))?;
    let pid = sys.fork_with(|sys, _| i32::from(raise(sys, Signal::SIGUSR1).is_ok()), 0)?;
    assert_eq!(wait(sys, pid)? & !0x80, status_signaled(11, false));
    Ok(())
}

/// Has a child's handler spoil its own frame; expects the return from it to be the child's end.
fn kills(sys: &dyn Sys, spoils: fn(&dyn Sys, usize, usize, usize)) -> Outcome {
    act(sys, Signal::SIGUSR1, action(sys, spoils, SaFlags::SA_SIGINFO, SigSet::EMPTY))?;
    // A runtime may have put a handler there.
    act(sys, Signal::SIGSEGV, Sigaction { handler: SIG_DFL, ..Sigaction::default() })?;
    let pid = sys.fork_with(|sys, _| i32::from(raise(sys, Signal::SIGUSR1).is_ok()), 0)?;
    assert_eq!(wait(sys, pid)? & !0x80, status_signaled(11, false));
    Ok(())
}

fn leads_nowhere(sys: &dyn Sys, _: usize, _: usize, context: usize) {
    let at = match sys.arch() {
        Arch::X86_64 => offset_of!(UcontextX86, uc_mcontext) + offset_of!(SigcontextX86, rip),
        // The program counter is the first register.
        Arch::Riscv64 => offset_of!(UcontextRiscv, uc_mcontext),
    };
    sys.store(context + at, &(1_u64 << 63));
}

fn a_frame_that_leads_nowhere_kills(sys: &dyn Sys) -> Outcome {
    kills(sys, leads_nowhere)
}

fn has_a_foreign_segment(sys: &dyn Sys, _: usize, _: usize, context: usize) {
    sys.store(context + offset_of!(UcontextX86, uc_mcontext) + offset_of!(SigcontextX86, ss), &0x18_u16);
}

fn a_frame_with_a_foreign_segment_kills(sys: &dyn Sys) -> Outcome {
    if sys.arch() == Arch::X86_64 { kills(sys, has_a_foreign_segment) } else { Ok(()) }
}

//! Handlers within handlers, and the stacks they run on.

use alloc::vec::Vec;

use kernel_abi::flags::{SIG_DFL, SIG_IGN, SaFlags, SigHow, StackFlags};
use kernel_abi::structs::{Sigaction, Siginfo, StackT, status_exited, status_signaled, status_stopped};
use kernel_abi::{Calls, Errno, Result, SigSet, Signal, Sys};

use super::Outcome;
use super::memory::{PAGE, PRIVATE, map};
use super::process::{in_child, wait};
use super::signal::{act, action, counted, counts, handle, mask, raise};
use super::thread::{join, start};

cases! { "nested":
    a_handler_within_a_handler_stays_on_its_stack, a_stack_is_inherited_by_a_process, a_thread_begins_without_a_stack,
    what_a_stack_may_not_be, a_disabled_stack_is_told, a_mask_is_put_back_level_by_level,
    a_signal_of_its_own_comes_after_its_handler, many_that_wait_run_one_after_another,
    signals_of_one_number_keep_their_order, realtime_signals_come_after_the_others,
    a_handler_may_change_what_is_done_with_its_signal, an_action_that_resets_may_nest, a_default_that_ignores_is_nothing,
    a_default_that_stops_stops, a_default_that_ends_dumps_or_not, a_continued_process_runs_its_handler,
    a_continuation_that_is_ignored_continues, what_is_ignored_is_not_queued,
}

const LOG: usize = 0x6100;
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

fn stack(sys: &dyn Sys) -> Result<StackT> {
    let stack = StackT { ss_sp: map(sys, 16 * PAGE, PRIVATE)?, ss_size: 16 * PAGE, ..StackT::default() };
    sys.sigaltstack(sys.store(sys.page() + 64, &stack), 0)?;
    Ok(stack)
}

/// Leaves where its frame is, and raises the other signal.
fn raises_other(sys: &dyn Sys, signal: usize, info: usize, _: usize) {
    sys.store(sys.page() + SEEN + if signal == 10 { 0 } else { 8 }, &info);
    if signal == 10 {
        let _ = raise(sys, Signal::SIGUSR2);
    }
}

fn a_handler_within_a_handler_stays_on_its_stack(sys: &dyn Sys) -> Outcome {
    let stack = stack(sys)?;
    let on_it = stack.ss_sp..stack.ss_sp + stack.ss_size;
    act(sys, Signal::SIGUSR1, action(sys, raises_other, SaFlags::SA_ONSTACK | SaFlags::SA_SIGINFO, SigSet::EMPTY))?;
    // It does not ask for the stack, but runs where it interrupts.
    act(sys, Signal::SIGUSR2, action(sys, raises_other, SaFlags::SA_SIGINFO, SigSet::EMPTY))?;
    raise(sys, Signal::SIGUSR1)?;
    let [outer, inner]: [usize; 2] = sys.load(sys.page() + SEEN);
    assert!(on_it.contains(&outer) && on_it.contains(&inner) && inner < outer, "{outer:x} {inner:x} {on_it:x?}");
    raise(sys, Signal::SIGUSR2)?;
    assert!(!on_it.contains(&sys.load::<usize>(sys.page() + SEEN + 8)));
    Ok(())
}

fn a_stack_is_inherited_by_a_process(sys: &dyn Sys) -> Outcome {
    let stack = stack(sys)?;
    let child = |sys: &dyn Sys, at| {
        let told = sys.sigaltstack(0, sys.page()).is_ok();
        i32::from(!told || sys.load::<StackT>(sys.page()).ss_sp != at)
    };
    in_child(sys, child, stack.ss_sp)?;
    Ok(())
}

fn tells_its_stack(sys: &dyn Sys, _: usize) -> i32 {
    let _ = sys.sigaltstack(0, sys.page() + SEEN);
    0
}

fn a_thread_begins_without_a_stack(sys: &dyn Sys) -> Outcome {
    stack(sys)?;
    start(sys, 0, tells_its_stack, 0)?;
    join(sys, 0);
    assert_eq!(sys.load::<StackT>(sys.page() + SEEN).ss_flags, StackFlags::SS_DISABLE.bits());
    Ok(())
}

fn what_a_stack_may_not_be(sys: &dyn Sys) -> Outcome {
    let good = StackT { ss_sp: sys.page() + 0x4000, ss_size: 8192, ..StackT::default() };
    let set = |stack: StackT| sys.sigaltstack(sys.store(sys.page(), &stack), 0);
    assert_eq!(set(StackT { ss_flags: 8, ..good }), Err(Errno::EINVAL));
    assert_eq!(set(StackT { ss_flags: 3, ..good }), Err(Errno::EINVAL));
    assert_eq!(set(StackT { ss_size: 2047, ..good }), Err(Errno::ENOMEM));
    assert_eq!(set(StackT { ss_size: 0, ..good }), Err(Errno::ENOMEM));
    // Wrong flags are told before a wrong size, and memory is looked at by who uses it.
    assert_eq!(set(StackT { ss_flags: 8, ss_size: 0, ..good }), Err(Errno::EINVAL));
    set(StackT { ss_sp: 8, ..good })?;
    // To be on the stack may be said, and means nothing.
    set(StackT { ss_flags: StackFlags::SS_ONSTACK.bits(), ..good })?;
    assert_eq!(sys.sigaltstack(8, 0), Err(Errno::EFAULT));
    // What is told last does not undo what is done.
    assert_eq!(sys.sigaltstack(sys.store(sys.page(), &good), 8), Err(Errno::EFAULT));
    sys.sigaltstack(0, sys.page())?;
    assert_eq!(sys.load::<StackT>(sys.page()).ss_sp, good.ss_sp);
    Ok(())
}

fn a_disabled_stack_is_told(sys: &dyn Sys) -> Outcome {
    stack(sys)?;
    let off = StackT { ss_flags: StackFlags::SS_DISABLE.bits(), ss_sp: 77, ss_size: 5, ..StackT::default() };
    sys.sigaltstack(sys.store(sys.page(), &off), sys.page() + 64)?;
    assert_eq!(sys.load::<StackT>(sys.page() + 64).ss_flags, 0);
    sys.sigaltstack(0, sys.page())?;
    let told: StackT = sys.load(sys.page());
    assert_eq!((told.ss_flags, told.ss_sp, told.ss_size), (StackFlags::SS_DISABLE.bits(), 0, 0));
    act(sys, Signal::SIGUSR1, action(sys, counts, SaFlags::SA_ONSTACK, SigSet::EMPTY))?;
    raise(sys, Signal::SIGUSR1)?;
    assert_eq!(counted(sys)[0], 1);
    Ok(())
}

fn looks_at_masks(sys: &dyn Sys, signal: usize, _: usize, _: usize) {
    let at = sys.page() + SEEN + signal * 16;
    let _ = sys.rt_sigprocmask(SigHow::SIG_BLOCK, 0, at, 8);
    if signal == 10 {
        let _ = raise(sys, Signal::SIGUSR2);
        let _ = sys.rt_sigprocmask(SigHow::SIG_BLOCK, 0, at + 8, 8);
    }
}

fn a_mask_is_put_back_level_by_level(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGHUP])?;
    act(sys, Signal::SIGUSR1, action(sys, looks_at_masks, SaFlags::empty(), SigSet::of(&[Signal::SIGINT])))?;
    act(sys, Signal::SIGUSR2, action(sys, looks_at_masks, SaFlags::SA_NODEFER, SigSet::of(&[Signal::SIGQUIT])))?;
    raise(sys, Signal::SIGUSR1)?;
    let at = sys.page() + SEEN;
    let outer = SigSet::of(&[Signal::SIGHUP, Signal::SIGINT, Signal::SIGUSR1]);
    assert_eq!(sys.load::<SigSet>(at + 160), outer);
    assert_eq!(sys.load::<SigSet>(at + 12 * 16), outer.union(SigSet::of(&[Signal::SIGQUIT])));
    assert_eq!(sys.load::<SigSet>(at + 168), outer);
    assert_eq!(mask(sys, SigHow::SIG_BLOCK, &[])?, SigSet::of(&[Signal::SIGHUP]));
    Ok(())
}

/// Raises its own signal twice the first time.
fn raises_itself(sys: &dyn Sys, signal: usize, _: usize, _: usize) {
    log(sys, b'(');
    if logged(sys).len() == 1 {
        for _ in 0..2 {
            let _ = sys.getpid().and_then(|me| sys.kill(me, signal));
        }
    }
    log(sys, b')');
}

fn a_signal_of_its_own_comes_after_its_handler(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, raises_itself)?;
    raise(sys, Signal::SIGUSR1)?;
    // A standard signal waits once, a real-time one each time.
    assert_eq!(logged(sys), b"()()");
    sys.store(sys.page() + LOG, &0_u64);
    handle(sys, Signal::RT_MIN, raises_itself)?;
    raise(sys, Signal::RT_MIN)?;
    assert_eq!(logged(sys), b"()()()");
    Ok(())
}

fn many_that_wait_run_one_after_another(sys: &dyn Sys) -> Outcome {
    let all = [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGTERM, Signal::SIGWINCH];
    mask(sys, SigHow::SIG_BLOCK, &all)?;
    for signal in all {
        act(sys, signal, action(sys, logs, SaFlags::empty(), SigSet::of(&all)))?;
    }
    for signal in all.iter().rev() {
        raise(sys, *signal)?;
    }
    mask(sys, SigHow::SIG_UNBLOCK, &all)?;
    assert_eq!(logged(sys), [1, 10, 12, 15, 28]);
    Ok(())
}

fn logs_value(sys: &dyn Sys, _: usize, info: usize, _: usize) {
    log(sys, sys.load::<Siginfo>(info).value() as u8);
}

fn queue(sys: &dyn Sys, signal: Signal, value: u64) -> Result {
    let mut info = Siginfo { si_code: kernel_abi::flags::SI_QUEUE, ..Siginfo::default() };
    info.fields[1] = value;
    sys.rt_sigqueueinfo(sys.getpid()?, signal, sys.store(sys.page() + 0x200, &info))
}

fn signals_of_one_number_keep_their_order(sys: &dyn Sys) -> Outcome {
    let first = Signal::RT_MIN;
    let second = Signal::from_number(first.number() + 1).expect("33 is a signal");
    let both = SigSet::of(&[first, second]);
    mask(sys, SigHow::SIG_BLOCK, &[first, second])?;
    for signal in [first, second] {
        act(sys, signal, action(sys, logs_value, SaFlags::SA_SIGINFO, both))?;
    }
    for (signal, value) in [(second, 1), (first, 2), (second, 3), (first, 4), (first, 5)] {
        queue(sys, signal, value)?;
    }
    mask(sys, SigHow::SIG_UNBLOCK, &[first, second])?;
    assert_eq!(logged(sys), [2, 4, 5, 1, 3]);
    Ok(())
}

fn realtime_signals_come_after_the_others(sys: &dyn Sys) -> Outcome {
    let both = [Signal::RT_MIN, Signal::SIGTERM];
    mask(sys, SigHow::SIG_BLOCK, &both)?;
    for signal in both {
        act(sys, signal, action(sys, logs, SaFlags::empty(), SigSet::of(&both)))?;
    }
    for signal in [Signal::RT_MIN, Signal::SIGTERM, Signal::RT_MIN, Signal::SIGTERM] {
        raise(sys, signal)?;
    }
    mask(sys, SigHow::SIG_UNBLOCK, &both)?;
    assert_eq!(logged(sys), [15, 32, 32]);
    Ok(())
}

fn ignores_itself(sys: &dyn Sys, signal: usize, _: usize, _: usize) {
    log(sys, signal as u8);
    sys.poke(sys.page(), &Sigaction { handler: SIG_IGN, ..Sigaction::default() }.encode(sys.arch()));
    let _ = sys.rt_sigaction(signal, sys.page(), 0, 8);
}

fn a_handler_may_change_what_is_done_with_its_signal(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, ignores_itself)?;
    raise(sys, Signal::SIGUSR1)?;
    raise(sys, Signal::SIGUSR1)?;
    assert_eq!(logged(sys), [10]);
    Ok(())
}

fn an_action_that_resets_may_nest(sys: &dyn Sys) -> Outcome {
    // Reset and not blocked: what it raises itself is done by default.
    let flags = SaFlags::SA_RESETHAND | SaFlags::SA_NODEFER;
    act(sys, Signal::SIGUSR1, action(sys, raises_itself, flags, SigSet::EMPTY))?;
    let pid = sys.fork_with(|sys, _| i32::from(raise(sys, Signal::SIGUSR1).is_ok()), 0)?;
    assert_eq!(wait(sys, pid)?, status_signaled(10, false));
    // Blocked, it waits until the handler is over.
    act(sys, Signal::SIGUSR1, action(sys, raises_itself, SaFlags::SA_RESETHAND, SigSet::EMPTY))?;
    let pid = sys.fork_with(|sys, _| i32::from(raise(sys, Signal::SIGUSR1).is_ok()), 0)?;
    assert_eq!(wait(sys, pid)?, status_signaled(10, false));
    Ok(())
}

fn a_default_that_ignores_is_nothing(sys: &dyn Sys) -> Outcome {
    for signal in [Signal::SIGCHLD, Signal::SIGURG, Signal::SIGWINCH, Signal::SIGCONT] {
        act(sys, signal, Sigaction { handler: SIG_DFL, ..Sigaction::default() })?;
        raise(sys, signal)?;
    }
    Ok(())
}

/// Does a signal to itself, its argument.
fn does(sys: &dyn Sys, number: usize) -> i32 {
    let _ = sys.getpid().and_then(|me| sys.kill(me, number));
    42
}

fn a_default_that_stops_stops(sys: &dyn Sys) -> Outcome {
    use kernel_abi::flags::WaitOptions;
    let pid = sys.fork_with(does, 19)?;
    let status = sys.page() + 64;
    assert_eq!(sys.wait4(pid, status, WaitOptions::WUNTRACED, 0)?, pid);
    assert_eq!(sys.load::<i32>(status), status_stopped(19));
    sys.kill(pid, Signal::SIGCONT)?;
    assert_eq!(wait(sys, pid)?, status_exited(42));
    Ok(())
}

fn a_default_that_ends_dumps_or_not(sys: &dyn Sys) -> Outcome {
    use kernel_abi::flags::Resource;
    use kernel_abi::structs::Rlimit;
    // Where no core may be, none is told of.
    sys.setrlimit(Resource::RLIMIT_CORE, sys.store(sys.page(), &Rlimit { rlim_cur: 0, rlim_max: 0 }))?;
    for number in (1..=31).chain([32, 34, 64]) {
        if matches!(number, 17..=23 | 28) {
            continue;
        }
        act(sys, Signal::from_number(number).expect("a signal"), Sigaction::default()).or_else(
            |errno| match number {
                9 => Ok(0),
                _ => Err(errno),
            },
        )?;
        let pid = sys.fork_with(does, number as usize)?;
        assert_eq!(wait(sys, pid)?, status_signaled(number, false), "{number}");
    }
    Ok(())
}

fn stops_and_counts(sys: &dyn Sys, _: usize) -> i32 {
    does(sys, 19);
    counted(sys)[0] as i32
}

fn a_continued_process_runs_its_handler(sys: &dyn Sys) -> Outcome {
    use kernel_abi::flags::WaitOptions;
    handle(sys, Signal::SIGCONT, counts)?;
    let pid = sys.fork_with(stops_and_counts, 0)?;
    assert_eq!(sys.wait4(pid, 0, WaitOptions::WUNTRACED, 0)?, pid);
    sys.kill(pid, Signal::SIGCONT)?;
    assert_eq!(wait(sys, pid)?, status_exited(1));
    Ok(())
}

fn a_continuation_that_is_ignored_continues(sys: &dyn Sys) -> Outcome {
    use kernel_abi::flags::WaitOptions;
    act(sys, Signal::SIGCONT, Sigaction { handler: SIG_IGN, ..Sigaction::default() })?;
    let pid = sys.fork_with(does, 19)?;
    assert_eq!(sys.wait4(pid, 0, WaitOptions::WUNTRACED, 0)?, pid);
    sys.kill(pid, Signal::SIGCONT)?;
    assert_eq!(wait(sys, pid)?, status_exited(42));
    // Blocked, it continues as well, and waits.
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGCONT])?;
    let pid = sys.fork_with(does, 19)?;
    assert_eq!(sys.wait4(pid, 0, WaitOptions::WUNTRACED, 0)?, pid);
    sys.kill(pid, Signal::SIGCONT)?;
    assert_eq!(wait(sys, pid)?, status_exited(42));
    Ok(())
}

fn what_is_ignored_is_not_queued(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::RT_MIN, Sigaction { handler: SIG_IGN, ..Sigaction::default() })?;
    for _ in 0..3 {
        raise(sys, Signal::RT_MIN)?;
    }
    handle(sys, Signal::RT_MIN, counts)?;
    assert_eq!(counted(sys)[0], 0);
    // What is blocked is kept, ignored or not, until somebody ignores it anew.
    mask(sys, SigHow::SIG_BLOCK, &[Signal::RT_MIN])?;
    act(sys, Signal::RT_MIN, Sigaction { handler: SIG_IGN, ..Sigaction::default() })?;
    raise(sys, Signal::RT_MIN)?;
    sys.rt_sigpending(sys.page(), 8)?;
    assert_eq!(sys.load::<SigSet>(sys.page()), SigSet::of(&[Signal::RT_MIN]));
    act(sys, Signal::RT_MIN, Sigaction { handler: SIG_IGN, ..Sigaction::default() })?;
    sys.rt_sigpending(sys.page(), 8)?;
    assert_eq!(sys.load::<SigSet>(sys.page()), SigSet::EMPTY);
    Ok(())
}

//! Threads, and the other things that clone can share.
//!
//! What runs on a thread neither allocates nor panics: it leaves numbers for the first thread to look at.

use kernel_abi::flags::{CloneFlags, FutexOp, PipeFlags, Resource, SI_TKILL, SaFlags, SigHow};
use kernel_abi::structs::{CloneArgs, Siginfo, status_exited, status_signaled};
use kernel_abi::sys::ChildFn;
use kernel_abi::{Calls, Errno, Fd, Mode, Result, SigSet, Signal, Sys};

use super::Outcome;
use super::memory::map_shared;
use super::pipe::pipe;
use super::process::{ended, in_child, pauses, wait};
use super::signal::{act, action, counted, counts, handle, mask};

cases! { "thread":
    a_thread_is_of_its_process, a_thread_leaves_zero_behind, threads_share_memory_files_and_folder,
    what_clone_refuses, what_clone3_refuses, what_the_old_clone_refuses, a_limit_refuses_every_way_to_fork,
    nothing_is_restarted_unasked, a_process_outlives_its_first_thread, exit_group_ends_every_thread,
    a_fatal_signal_ends_every_thread, a_signal_for_a_thread_runs_there, a_signal_goes_to_who_takes_it,
    each_thread_has_its_mask, a_fork_has_one_thread, a_vfork_waits_for_its_child, a_vforked_child_has_the_memory,
    files_are_shared_when_asked, a_folder_is_shared_when_asked, the_child_knows_its_number,
    a_brother_is_waited_for_by_the_parent, handlers_may_be_cleared, handlers_may_be_shared,
    an_address_for_the_end_is_remembered,
}

/// Where threads leave numbers.
const SEEN: usize = 0x7000;
/// The words that hold the tids of running threads.
pub(super) const TIDS: usize = 0x7100;

/// Starts a thread; `number` is one of a few.
pub(super) fn start(sys: &dyn Sys, number: usize, run: ChildFn, arg: usize) -> Result {
    sys.thread_with(sys.page() + TIDS + 8 * number, run, arg)
}

/// Waits until a thread has ended.
pub(super) fn join(sys: &dyn Sys, number: usize) {
    let word = sys.page() + TIDS + 8 * number;
    loop {
        let tid: u32 = sys.load(word);
        if tid == 0 {
            return;
        }
        let _ = sys.futex(word, FutexOp::FUTEX_WAIT, tid, 0, 0, 0);
    }
}

fn seen(sys: &dyn Sys) -> [usize; 3] {
    sys.load(sys.page() + SEEN)
}

fn leaves_who_it_is(sys: &dyn Sys, arg: usize) -> i32 {
    let who = [sys.getpid().unwrap_or(0), sys.gettid().unwrap_or(0), arg];
    sys.store(sys.page() + SEEN, &who);
    0
}

fn a_thread_is_of_its_process(sys: &dyn Sys) -> Outcome {
    let tid = start(sys, 0, leaves_who_it_is, 77)?;
    join(sys, 0);
    let me = sys.getpid()?;
    assert_ne!(tid, me);
    assert_eq!(seen(sys), [me, tid, 77]);
    // Its word is cleared while it ends; it is gone a moment later.
    while sys.tgkill(me, tid, 0).is_ok() {
        sys.sched_yield()?;
    }
    assert_eq!(sys.tgkill(me, tid, 0), Err(Errno::ESRCH));
    Ok(())
}

pub(super) fn waits_for_a_word(sys: &dyn Sys, word: usize) -> i32 {
    while sys.load::<u32>(word) == 0 {
        let _ = sys.futex(word, FutexOp::FUTEX_WAIT, 0, 0, 0, 0);
    }
    0
}

pub(super) fn let_go(sys: &dyn Sys, word: usize) -> Result {
    sys.store(word, &1_u32);
    sys.futex(word, FutexOp::FUTEX_WAKE, i32::MAX, 0, 0, 0)
}

fn a_thread_leaves_zero_behind(sys: &dyn Sys) -> Outcome {
    let word = sys.page() + 1024;
    let me = sys.getpid()?;
    let tid = start(sys, 0, waits_for_a_word, word)?;
    assert_eq!(sys.load::<u32>(sys.page() + TIDS) as usize, tid);
    sys.tgkill(me, tid, 0)?;
    // A thread's number names it, and its process for kill(2) alone.
    assert_eq!(sys.tgkill(tid, tid, 0), Err(Errno::ESRCH));
    sys.tkill(tid, 0)?;
    sys.kill(tid, 0)?;
    let_go(sys, word)?;
    join(sys, 0);
    Ok(())
}

fn changes_what_is_shared(sys: &dyn Sys, _: usize) -> i32 {
    let at = sys.page() + 2048;
    let made = sys.mkdirat(Fd::CWD, sys.path(at, "folder"), Mode(0o755)).is_ok();
    let moved = sys.chdir(at).is_ok();
    let masked = sys.umask(Mode(0o077)).is_ok();
    let piped = sys.pipe2(at + 64, PipeFlags::empty()).is_ok();
    sys.store(sys.page() + SEEN, &[usize::from(made && moved), usize::from(masked), usize::from(piped)]);
    0
}

fn threads_share_memory_files_and_folder(sys: &dyn Sys) -> Outcome {
    start(sys, 0, changes_what_is_shared, 0)?;
    join(sys, 0);
    assert_eq!(seen(sys), [1, 1, 1]);
    assert_eq!(sys.umask(Mode(0o022))?, 0o077);
    let len = sys.getcwd(sys.page(), 4096)?;
    assert!(sys.bytes(sys.page(), len).ends_with(b"/folder\0"));
    let [reader, writer]: [i32; 2] = sys.load(sys.page() + 2048 + 64);
    assert_eq!(sys.write(Fd(writer), sys.page(), 3)?, 3);
    assert_eq!(sys.read(Fd(reader), sys.page(), 100)?, 3);
    Ok(())
}

fn what_clone_refuses(sys: &dyn Sys) -> Outcome {
    let refused = |flags: CloneFlags, exit_signal| {
        let args = CloneArgs { flags: flags.bits(), exit_signal, ..CloneArgs::default() };
        sys.clone_with(&args, |_, _| 0, 0)
    };
    let (vm, hand, thread) = (CloneFlags::CLONE_VM, CloneFlags::CLONE_SIGHAND, CloneFlags::CLONE_THREAD);
    assert_eq!(refused(thread, 0), Err(Errno::EINVAL));
    assert_eq!(refused(thread | vm, 0), Err(Errno::EINVAL));
    assert_eq!(refused(hand, 0), Err(Errno::EINVAL));
    assert_eq!(refused(vm | hand | thread, 17), Err(Errno::EINVAL));
    assert_eq!(refused(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS, 0), Err(Errno::EINVAL));
    assert_eq!(refused(vm | hand | CloneFlags::CLONE_CLEAR_SIGHAND, 0), Err(Errno::EINVAL));
    assert_eq!(refused(CloneFlags::empty(), 65), Err(Errno::EINVAL));
    assert_eq!(refused(CloneFlags::CLONE_PARENT, 17), Err(Errno::EINVAL));
    assert_eq!(refused(CloneFlags::from_bits_retain(17), 0), Err(Errno::EINVAL));
    assert_eq!(refused(CloneFlags::from_bits_retain(1 << 40), 0), Err(Errno::EINVAL));
    Ok(())
}

fn what_clone3_refuses(sys: &dyn Sys) -> Outcome {
    let at = sys.store(sys.page(), &CloneArgs::default());
    assert_eq!(sys.clone3(at, 63), Err(Errno::EINVAL));
    assert_eq!(sys.clone3(at, 4097), Err(Errno::E2BIG));
    assert_eq!(sys.clone3(8, 64), Err(Errno::EFAULT));
    // What is longer than known must be zero.
    sys.store(at + 88, &1_u64);
    assert_eq!(sys.clone3(at, 96), Err(Errno::E2BIG));
    let stack = CloneArgs { stack: 4096, ..CloneArgs::default() };
    assert_eq!(sys.clone3(sys.store(at, &stack), 88), Err(Errno::EINVAL));
    let stack = CloneArgs { stack_size: 4096, ..CloneArgs::default() };
    assert_eq!(sys.clone3(sys.store(at, &stack), 88), Err(Errno::EINVAL));
    Ok(())
}

fn what_the_old_clone_refuses(sys: &dyn Sys) -> Outcome {
    // Only refusals: whoever succeeds returns twice.
    let refused = |flags: CloneFlags| match sys.clone(flags, 0, 0, 0, 0) {
        Err(Errno::ENOSYS) => sys.clone_backwards(flags, 0, 0, 0, 0),
        refused => refused,
    };
    assert_eq!(refused(CloneFlags::CLONE_SIGHAND | CloneFlags::SIGCHLD), Err(Errno::EINVAL));
    assert_eq!(refused(CloneFlags::CLONE_THREAD), Err(Errno::EINVAL));
    assert_eq!(refused(CloneFlags::CLONE_THREAD | CloneFlags::CLONE_VM), Err(Errno::EINVAL));
    assert_eq!(refused(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS), Err(Errno::EINVAL));
    Ok(())
}

fn a_limit_refuses_every_way_to_fork(sys: &dyn Sys) -> Outcome {
    fn child(sys: &dyn Sys) -> Outcome {
        super::limit::becomes_nobody(sys)?;
        super::limit::lower(sys, Resource::RLIMIT_NPROC, 1)?;
        let fork = CloneFlags::SIGCHLD;
        let ways = [sys.fork(), sys.vfork(), sys.clone(fork, 0, 0, 0, 0), sys.clone_backwards(fork, 0, 0, 0, 0)];
        // Each architecture has some of them.
        assert!(ways.iter().all(|way| matches!(way, Err(Errno::EAGAIN | Errno::ENOSYS))));
        assert!(ways.contains(&Err(Errno::EAGAIN)));
        // A thread counts as a process does.
        assert_eq!(start(sys, 0, waits_for_a_word, 0), Err(Errno::EAGAIN));
        Ok(())
    }
    in_child(sys, |sys, _| ended(child(sys)), 0)?;
    Ok(())
}

fn nothing_is_restarted_unasked(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.restart_syscall(), Err(Errno::EINTR));
    Ok(())
}

/// Ends the process with 7 once the first thread has gone, as far as signals can tell.
fn ends_the_process(sys: &dyn Sys, word: usize) -> i32 {
    waits_for_a_word(sys, word);
    let _ = sys.exit_group(7);
    0
}

fn a_process_outlives_its_first_thread(sys: &dyn Sys) -> Outcome {
    let word = map_shared(sys)?;
    let child = |sys: &dyn Sys, word| {
        if start(sys, 0, ends_the_process, word).is_ok() {
            let _ = sys.exit(3);
        }
        1
    };
    let pid = sys.fork_with(child, word)?;
    // While a thread lives there is nothing to wait for.
    assert_eq!(sys.wait4(pid, 0, kernel_abi::flags::WaitOptions::WNOHANG, 0)?, 0);
    sys.kill(pid, 0)?;
    let_go(sys, word)?;
    assert_eq!(wait(sys, pid)?, status_exited(7));
    Ok(())
}

fn exit_group_ends_every_thread(sys: &dyn Sys) -> Outcome {
    let word = map_shared(sys)?;
    let child = |sys: &dyn Sys, word| {
        for number in 0..3 {
            if start(sys, number, waits_for_a_word, word).is_err() {
                return 1;
            }
        }
        9
    };
    let pid = sys.fork_with(child, word)?;
    assert_eq!(wait(sys, pid)?, status_exited(9));
    Ok(())
}

fn raises_term(sys: &dyn Sys, _: usize) -> i32 {
    let _ = sys.gettid().and_then(|me| sys.tkill(me, Signal::SIGTERM));
    1
}

fn a_fatal_signal_ends_every_thread(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| match start(sys, 0, raises_term, 0) {
        Ok(_) => pauses(sys, 0),
        Err(_) => 1,
    };
    let pid = sys.fork_with(child, 0)?;
    assert_eq!(wait(sys, pid)?, status_signaled(15, false));
    Ok(())
}

/// Leaves who handled it and how it was sent.
fn notes_the_thread(sys: &dyn Sys, signal: usize, info: usize, context: usize) {
    let info: Siginfo = sys.load(info);
    let who = sys.gettid().unwrap_or(0);
    sys.store(sys.page() + SEEN, &[who, info.si_code as isize as usize, signal]);
    counts(sys, signal, info.si_signo as usize, context);
    let _ = let_go(sys, sys.page() + 1024);
}

fn a_signal_for_a_thread_runs_there(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGUSR1, action(sys, notes_the_thread, SaFlags::SA_SIGINFO, SigSet::EMPTY))?;
    let tid = start(sys, 0, waits_for_a_word, sys.page() + 1024)?;
    sys.tgkill(sys.getpid()?, tid, Signal::SIGUSR1)?;
    join(sys, 0);
    assert_eq!(seen(sys), [tid, SI_TKILL as isize as usize, 10]);
    Ok(())
}

fn a_signal_goes_to_who_takes_it(sys: &dyn Sys) -> Outcome {
    act(sys, Signal::SIGUSR1, action(sys, notes_the_thread, SaFlags::SA_SIGINFO, SigSet::EMPTY))?;
    let tid = start(sys, 0, waits_for_a_word, sys.page() + 1024)?;
    // The first thread would be asked first, but does not take it.
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1])?;
    sys.kill(sys.getpid()?, Signal::SIGUSR1)?;
    join(sys, 0);
    assert_eq!((seen(sys)[0], seen(sys)[2]), (tid, 10));
    Ok(())
}

fn leaves_its_mask(sys: &dyn Sys, _: usize) -> i32 {
    let at = sys.page() + SEEN;
    let _ = sys.rt_sigprocmask(SigHow::SIG_BLOCK, 0, at, 8);
    sys.store(at + 16, &SigSet::of(&[Signal::SIGTERM]));
    let _ = sys.rt_sigprocmask(SigHow::SIG_SETMASK, at + 16, at + 8, 8);
    0
}

fn each_thread_has_its_mask(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGHUP])?;
    start(sys, 0, leaves_its_mask, 0)?;
    join(sys, 0);
    // It began with its maker's.
    assert_eq!(sys.load::<SigSet>(sys.page() + SEEN), SigSet::of(&[Signal::SIGHUP]));
    assert_eq!(mask(sys, SigHow::SIG_BLOCK, &[])?, SigSet::of(&[Signal::SIGHUP]));
    Ok(())
}

fn a_fork_has_one_thread(sys: &dyn Sys) -> Outcome {
    let word = map_shared(sys)?;
    let tid = start(sys, 0, waits_for_a_word, word)?;
    let child = |sys: &dyn Sys, tid| {
        let me = sys.getpid().unwrap_or(0);
        i32::from(sys.tgkill(me, tid, 0) != Err(Errno::ESRCH))
    };
    in_child(sys, child, tid)?;
    let_go(sys, word)?;
    join(sys, 0);
    Ok(())
}

const VFORK: CloneFlags = CloneFlags::CLONE_VM.union(CloneFlags::CLONE_VFORK);

fn a_vfork_waits_for_its_child(sys: &dyn Sys) -> Outcome {
    let args = CloneArgs { flags: VFORK.bits(), exit_signal: 17, ..CloneArgs::default() };
    let child = |sys: &dyn Sys, _| {
        for _ in 0..20 {
            let _ = sys.sched_yield();
        }
        leaves_who_it_is(sys, 5)
    };
    let pid = sys.clone_with(&args, child, 0)?;
    assert_eq!(seen(sys), [pid, pid, 5]);
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn a_vforked_child_has_the_memory(sys: &dyn Sys) -> Outcome {
    let args = CloneArgs { flags: VFORK.bits(), exit_signal: 17, ..CloneArgs::default() };
    let child = |sys: &dyn Sys, at| {
        // Files and signals are its own.
        let closed = sys.close(Fd(3)).is_ok();
        sys.store(at, &usize::from(closed));
        4
    };
    let _ends = pipe(sys, PipeFlags::empty())?;
    let pid = sys.clone_with(&args, child, sys.page() + SEEN)?;
    assert_eq!((seen(sys)[0], wait(sys, pid)?), (1, status_exited(4)));
    sys.close(Fd(3))?;
    Ok(())
}

fn shares(sys: &dyn Sys, flags: CloneFlags, run: ChildFn) -> Result<()> {
    let args = CloneArgs { flags: flags.bits(), exit_signal: 17, ..CloneArgs::default() };
    let pid = sys.clone_with(&args, run, 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn files_are_shared_when_asked(sys: &dyn Sys) -> Outcome {
    let closes = |sys: &dyn Sys, _| i32::from(sys.close(Fd(3)).is_err());
    pipe(sys, PipeFlags::empty())?;
    shares(sys, CloneFlags::empty(), closes)?;
    shares(sys, CloneFlags::CLONE_FILES, closes)?;
    assert_eq!(sys.close(Fd(3)), Err(Errno::EBADF));
    Ok(())
}

fn a_folder_is_shared_when_asked(sys: &dyn Sys) -> Outcome {
    let moves = |sys: &dyn Sys, _| {
        i32::from(sys.umask(Mode(0o027)).is_err() || sys.chdir(sys.path(sys.page() + 2048, "/")).is_err())
    };
    shares(sys, CloneFlags::empty(), moves)?;
    assert_ne!(sys.getcwd(sys.page(), 4096)?, 2);
    shares(sys, CloneFlags::CLONE_FS, moves)?;
    assert_eq!(sys.getcwd(sys.page(), 4096)?, 2);
    assert_eq!(sys.umask(Mode(0o022))?, 0o027);
    Ok(())
}

fn the_child_knows_its_number(sys: &dyn Sys) -> Outcome {
    let flags = CloneFlags::CLONE_PARENT_SETTID | CloneFlags::CLONE_CHILD_SETTID;
    let words = sys.page() + 1024;
    let args = CloneArgs {
        flags: flags.bits(),
        exit_signal: 17,
        parent_tid: words as u64,
        child_tid: words as u64 + 8,
        ..CloneArgs::default()
    };
    let child = |sys: &dyn Sys, word| i32::from(sys.load::<u32>(word) as usize != sys.getpid().unwrap_or(0));
    let pid = sys.clone_with(&args, child, words + 8)?;
    // The parent's word is the parent's, the child's the child's.
    assert_eq!(sys.load::<[u32; 4]>(words), [pid as u32, 0, 0, 0]);
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn a_brother_is_waited_for_by_the_parent(sys: &dyn Sys) -> Outcome {
    fn child(sys: &dyn Sys, word: usize) -> Outcome {
        let args = CloneArgs { flags: CloneFlags::CLONE_PARENT.bits(), ..CloneArgs::default() };
        let parent = sys.getppid()?;
        let brother = |sys: &dyn Sys, parent| i32::from(sys.getppid() != Ok(parent)) + 3;
        let pid = sys.clone_with(&args, brother, parent)?;
        sys.store(word, &pid);
        assert_eq!(sys.wait4(pid, 0, kernel_abi::flags::WaitOptions::__WALL, 0), Err(Errno::ECHILD));
        Ok(())
    }
    let word = map_shared(sys)?;
    in_child(sys, |sys, word| ended(child(sys, word)), word)?;
    assert_eq!(wait(sys, sys.load(word))?, status_exited(3));
    Ok(())
}

fn handlers_may_be_cleared(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, counts)?;
    let raises = |sys: &dyn Sys, _| i32::from(super::signal::raise(sys, Signal::SIGUSR1).is_err());
    shares(sys, CloneFlags::empty(), raises)?;
    let args = CloneArgs { flags: CloneFlags::CLONE_CLEAR_SIGHAND.bits(), exit_signal: 17, ..CloneArgs::default() };
    let pid = sys.clone_with(&args, raises, 0)?;
    assert_eq!(wait(sys, pid)?, status_signaled(10, false));
    Ok(())
}

fn handlers_may_be_shared(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, counts)?;
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK | CloneFlags::CLONE_SIGHAND;
    let ignores = |sys: &dyn Sys, _| {
        use kernel_abi::structs::Sigaction;
        let ignore = Sigaction { handler: kernel_abi::flags::SIG_IGN, ..Sigaction::default() };
        i32::from(act(sys, Signal::SIGUSR1, ignore).is_err())
    };
    shares(sys, flags, ignores)?;
    super::signal::raise(sys, Signal::SIGUSR1)?;
    assert_eq!(counted(sys), [0, 0]);
    Ok(())
}

fn an_address_for_the_end_is_remembered(sys: &dyn Sys) -> Outcome {
    use kernel_abi::flags::PrctlOption;
    assert_eq!(sys.set_tid_address(sys.page() + 64)?, sys.gettid()?);
    match sys.prctl(PrctlOption::PR_GET_TID_ADDRESS, sys.page(), 0, 0, 0) {
        // A kernel may be built without it.
        Err(Errno::EINVAL) => {}
        _ => assert_eq!(sys.load::<usize>(sys.page()), sys.page() + 64),
    }
    // A wild address is found out when it is too late to say so.
    assert_eq!(sys.set_tid_address(8)?, sys.gettid()?);
    sys.set_tid_address(0)?;
    Ok(())
}

//! Children by the older calls: fork, vfork, and clone without a stack.

use kernel_abi::flags::{ArchPrctlCode, CloneFlags, DupFlags, FcntlCommand, SIG_IGN, WaitId, WaitOptions};
use kernel_abi::structs::{Sigaction, status_exited};
use kernel_abi::{Arch, Call, Calls, Errno, Fd, Mode, Pid, Result, Signal, Sys};

use super::Outcome;
use super::exec::exec;
use super::process::wait;
use super::signal::{act, counted, counts, handle};

cases! { "child":
    fork_copies, vfork_shares_and_waits, vfork_waits_for_a_program_too, clone_is_told_its_signal,
    clone_tells_both_sides_who, clone_shares_what_it_is_told_to, clone_lends_memory_until_it_is_given_back,
    clone_shares_what_signals_do, clone_makes_a_sibling, clone_gives_a_descriptor, clone_makes_a_thread,
    clone_heeds_no_more, a_thread_pointer_is_set, what_clone_refuses,
}

/// Where parent and child leave marks.
const MARK: usize = 0x3000;

fn leaves_a_mark(sys: &dyn Sys, mark: usize) -> i32 {
    sys.store(sys.page() + MARK, &mark);
    7
}

fn mark(sys: &dyn Sys) -> usize {
    sys.load(sys.page() + MARK)
}

/// clone(2), whose last two arguments change places between architectures.
fn clone(sys: &dyn Sys, flags: CloneFlags, tids: [usize; 2], run: kernel_abi::sys::ChildFn, arg: usize) -> Result {
    let flags = flags.bits() as usize | Signal::SIGCHLD.number() as usize;
    match sys.arch() {
        Arch::X86_64 => sys.child_of(Call::clone, &[flags, 0, tids[0], tids[1], 0], run, arg),
        Arch::Riscv64 => sys.child_of(Call::clone_backwards, &[flags, 0, tids[0], 0, tids[1]], run, arg),
    }
}

fn fork_copies(sys: &dyn Sys) -> Outcome {
    let pid = sys.child_of(Call::fork, &[], leaves_a_mark, 3)?;
    assert_eq!(wait(sys, pid)?, status_exited(7));
    assert_eq!(mark(sys), 0);
    Ok(())
}

fn vfork_shares_and_waits(sys: &dyn Sys) -> Outcome {
    let pid = sys.child_of(Call::vfork, &[], leaves_a_mark, 3)?;
    // The child is through with our memory before we go on.
    assert_eq!(mark(sys), 3);
    assert_eq!(wait(sys, pid)?, status_exited(7));
    Ok(())
}

fn vfork_waits_for_a_program_too(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        leaves_a_mark(sys, 5);
        let _ = exec(sys, "42");
        1
    };
    let pid = sys.child_of(Call::vfork, &[], child, 0)?;
    assert_eq!(mark(sys), 5);
    assert_eq!(wait(sys, pid)?, status_exited(42));
    // Our memory is ours: what was executed has its own.
    sys.store(sys.page() + MARK, &6_usize);
    assert_eq!(mark(sys), 6);
    Ok(())
}

fn clone_is_told_its_signal(sys: &dyn Sys) -> Outcome {
    let pid = clone(sys, CloneFlags::empty(), [0, 0], leaves_a_mark, 3)?;
    assert_eq!(wait(sys, pid)?, status_exited(7));
    assert_eq!(mark(sys), 0);
    Ok(())
}

fn clone_tells_both_sides_who(sys: &dyn Sys) -> Outcome {
    let words = [sys.page() + MARK + 64, sys.page() + MARK + 128];
    let flags = CloneFlags::CLONE_PARENT_SETTID | CloneFlags::CLONE_CHILD_SETTID;
    let child = |sys: &dyn Sys, word| i32::from(sys.load::<u32>(word) as usize != sys.gettid().unwrap_or(0));
    let pid = clone(sys, flags, words, child, words[1])?;
    assert_eq!(sys.load::<u32>(words[0]) as usize, pid);
    // The child's word is in the child's memory.
    assert_eq!(sys.load::<u32>(words[1]), 0);
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn clone_shares_what_it_is_told_to(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        let done = sys.dup3(Fd(0), Fd(9), DupFlags::empty()).is_ok() && sys.umask(Mode(0o027)).is_ok();
        i32::from(!done)
    };
    for (flags, shares) in [(CloneFlags::empty(), false), (CloneFlags::CLONE_FILES | CloneFlags::CLONE_FS, true)] {
        let pid = clone(sys, flags, [0, 0], child, 0)?;
        assert_eq!(wait(sys, pid)?, status_exited(0));
        assert_eq!(sys.fcntl(Fd(9), FcntlCommand::F_GETFD, 0).is_ok(), shares);
        assert_eq!(sys.umask(Mode(0o022))?, if shares { 0o027 } else { 0o022 });
    }
    Ok(())
}

fn clone_lends_memory_until_it_is_given_back(sys: &dyn Sys) -> Outcome {
    let word = sys.page() + MARK + 64;
    sys.store(word, &9_u32);
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK | CloneFlags::CLONE_CHILD_CLEARTID;
    let pid = clone(sys, flags, [0, word], leaves_a_mark, 3)?;
    assert_eq!((mark(sys), sys.load::<u32>(word)), (3, 0));
    assert_eq!(wait(sys, pid)?, status_exited(7));
    Ok(())
}

fn clone_shares_what_signals_do(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, counts)?;
    let child = |sys: &dyn Sys, _| {
        let ignored = Sigaction { handler: SIG_IGN, ..Sigaction::default() };
        i32::from(act(sys, Signal::SIGUSR1, ignored).is_err())
    };
    let apart = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    for (flags, count) in [(apart, 1), (apart | CloneFlags::CLONE_SIGHAND, 1)] {
        let pid = clone(sys, flags, [0, 0], child, 0)?;
        assert_eq!(wait(sys, pid)?, status_exited(0));
        sys.kill(sys.getpid()?, Signal::SIGUSR1)?;
        assert_eq!(counted(sys)[0], count, "{flags:?}");
    }
    Ok(())
}

fn clone_makes_a_sibling(sys: &dyn Sys) -> Outcome {
    let me = sys.getpid()?;
    let child = |sys: &dyn Sys, parent| {
        let sibling = |sys: &dyn Sys, parent| if sys.getppid() == Ok(parent) { 5 } else { 6 };
        match clone(sys, CloneFlags::CLONE_PARENT, [0, 0], sibling, parent) {
            // It is no child of its maker.
            Ok(_) => i32::from(sys.wait4(Pid(-1), 0, WaitOptions::empty(), 0) != Err(Errno::ECHILD)),
            Err(_) => 1,
        }
    };
    let pid = sys.fork_with(child, me)?;
    let mut statuses = [0; 2];
    for status in &mut statuses {
        let who = sys.wait4(Pid(-1), sys.page(), WaitOptions::empty(), 0)?;
        let told: i32 = sys.load(sys.page());
        assert_eq!(told, status_exited(if who == pid { 0 } else { 5 }));
        *status = told;
    }
    assert_ne!(statuses[0], statuses[1]);
    Ok(())
}

fn clone_gives_a_descriptor(sys: &dyn Sys) -> Outcome {
    let told = sys.page() + MARK + 64;
    let pid = clone(sys, CloneFlags::CLONE_PIDFD, [told, 0], |_, _| 4, 0)?;
    let file = Fd(sys.load(told));
    assert_eq!(sys.fcntl(file, FcntlCommand::F_GETFD, 0)?, 1);
    assert_eq!(sys.waitid(WaitId::P_PIDFD, Pid(file.0), 0, WaitOptions::WEXITED, 0)?, 0);
    assert_eq!(sys.kill(pid, 0), Err(Errno::ESRCH));
    Ok(())
}

/// One that keeps its maker waiting, and so needs no stack.
fn clone_makes_a_thread(sys: &dyn Sys) -> Outcome {
    let thread = |sys: &dyn Sys, _| {
        let who = [sys.getpid().unwrap_or(0), sys.gettid().unwrap_or(0)];
        sys.store(sys.page() + MARK, &who);
        let _ = sys.exit(0);
        0
    };
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK | CloneFlags::CLONE_SIGHAND | CloneFlags::CLONE_THREAD;
    let tid = clone(sys, flags, [0, 0], thread, 0)?;
    assert_eq!(sys.load::<[usize; 2]>(sys.page() + MARK), [sys.getpid()?, tid]);
    assert_eq!(sys.wait4(tid, 0, WaitOptions::__WALL, 0), Err(Errno::ECHILD));
    Ok(())
}

/// Of disks, of tracers, of semaphores: there is nothing to be shared.
fn clone_heeds_no_more(sys: &dyn Sys) -> Outcome {
    for flags in [
        CloneFlags::CLONE_IO,
        CloneFlags::CLONE_PTRACE,
        CloneFlags::CLONE_UNTRACED,
        CloneFlags::CLONE_SYSVSEM,
        CloneFlags::CLONE_DETACHED,
    ] {
        let pid = clone(sys, flags, [0, 0], leaves_a_mark, 3)?;
        assert_eq!((wait(sys, pid)?, mark(sys)), (status_exited(7), 0), "{flags:?}");
    }
    Ok(())
}

fn a_thread_pointer_is_set(sys: &dyn Sys) -> Outcome {
    if sys.arch() != Arch::X86_64 {
        return Ok(());
    }
    // The one that is there: another would be no use to whatever library this runs on.
    sys.arch_prctl(ArchPrctlCode::ARCH_GET_FS, sys.page())?;
    let pointer: usize = sys.load(sys.page());
    let flags = (CloneFlags::CLONE_SETTLS | CloneFlags::SIGCHLD).bits() as usize;
    let child = |sys: &dyn Sys, pointer| {
        let told = sys.arch_prctl(ArchPrctlCode::ARCH_GET_FS, sys.page()).is_ok();
        i32::from(!told || sys.load::<usize>(sys.page()) != pointer)
    };
    let pid = sys.child_of(Call::clone, &[flags, 0, 0, 0, pointer], child, pointer)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn what_clone_refuses(sys: &dyn Sys) -> Outcome {
    let wrong = [
        CloneFlags::CLONE_SIGHAND,
        CloneFlags::CLONE_THREAD,
        CloneFlags::CLONE_THREAD | CloneFlags::CLONE_SIGHAND,
        CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS,
    ];
    for flags in wrong {
        assert_eq!(clone(sys, flags, [0, 0], leaves_a_mark, 0), Err(Errno::EINVAL), "{flags:?}");
    }
    Ok(())
}

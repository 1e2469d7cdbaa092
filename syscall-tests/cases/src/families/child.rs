//! Children by the older calls: fork, vfork, and clone without a stack.

use kernel_abi::flags::{CloneFlags, DupFlags, FcntlCommand};
use kernel_abi::structs::status_exited;
use kernel_abi::{Arch, Call, Calls, Errno, Fd, Mode, Result, Signal, Sys};

use super::Outcome;
use super::exec::exec;
use super::process::wait;

cases! { "child":
    fork_copies, vfork_shares_and_waits, vfork_waits_for_a_program_too, clone_is_told_its_signal,
    clone_tells_both_sides_who, clone_shares_what_it_is_told_to, what_clone_refuses,
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

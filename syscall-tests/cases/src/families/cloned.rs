//! What clone is asked for: flags that do not go together, and descriptors for children.

use kernel_abi::flags::{CloneFlags, FcntlCommand, PollEvents, Resource, SigHow, WaitId, WaitOptions};
use kernel_abi::structs::{CloneArgs, PollFd, Rlimit, Siginfo, Timespec, status_exited, status_signaled};
use kernel_abi::{Calls, Errno, Fd, Pid, Result, Signal, Sys};

use super::Outcome;
use super::process::{pauses, wait};
use super::signal::{counted, counts, handle, mask};
use super::thread::{join, start};

cases! { "cloned":
    a_child_comes_with_a_descriptor, a_descriptor_of_a_child_tells_its_end, a_descriptor_needs_a_place_to_be_told,
    without_room_for_a_descriptor_there_is_no_child, a_thread_has_no_such_descriptor, what_no_flags_go_together,
    a_stack_has_a_place_and_a_size, arguments_have_a_size, a_child_has_its_parents_mask_and_stack,
    a_word_is_cleared_only_where_others_see_it, a_child_of_no_signal_tells_nobody, a_grandchild_is_nobodys,
    threads_are_not_waited_for, a_thread_is_no_process, a_descriptor_is_closed_by_a_program, one_word_is_not_told_two_things,
}

const TOLD: usize = 0x7600;

fn with_descriptor(sys: &dyn Sys, run: kernel_abi::sys::ChildFn, pidfd: usize) -> Result {
    let flags = CloneFlags::CLONE_PIDFD.bits();
    let args = CloneArgs { flags, pidfd: pidfd as u64, exit_signal: 17, ..CloneArgs::default() };
    sys.clone_with(&args, run, 0)
}

fn a_child_comes_with_a_descriptor(sys: &dyn Sys) -> Outcome {
    let pid = with_descriptor(sys, pauses, sys.page() + TOLD)?;
    let file = Fd(sys.load(sys.page() + TOLD));
    assert_eq!(sys.fcntl(file, FcntlCommand::F_GETFD, 0)?, 1);
    sys.pidfd_send_signal(file, Signal::SIGTERM, 0, 0)?;
    let at = sys.page() + 0x7400;
    sys.waitid(WaitId::P_PIDFD, Pid(file.0), at, WaitOptions::WEXITED, 0)?;
    let info: Siginfo = sys.load(at);
    assert_eq!((info.pid() as usize, info.status()), (pid, 15));
    assert_eq!(sys.pidfd_send_signal(file, 0, 0, 0), Err(Errno::ESRCH));
    Ok(())
}

fn a_descriptor_of_a_child_tells_its_end(sys: &dyn Sys) -> Outcome {
    let pid = with_descriptor(sys, |_, _| 3, sys.page() + TOLD)?;
    let file: i32 = sys.load(sys.page() + TOLD);
    let wish = PollFd { fd: file, events: PollEvents::POLLIN.bits(), revents: 0 };
    assert_eq!(sys.ppoll(sys.store(sys.page(), &wish), 1, 0, 0, 8)?, 1);
    assert_eq!(wait(sys, pid)?, status_exited(3));
    Ok(())
}

fn a_descriptor_needs_a_place_to_be_told(sys: &dyn Sys) -> Outcome {
    assert_eq!(with_descriptor(sys, |_, _| 0, 8), Err(Errno::EFAULT));
    // Nobody was made, and no descriptor is left.
    assert_eq!(sys.wait4(Pid(-1), 0, WaitOptions::empty(), 0), Err(Errno::ECHILD));
    assert_eq!(sys.dup(0)?, 3);
    Ok(())
}

fn without_room_for_a_descriptor_there_is_no_child(sys: &dyn Sys) -> Outcome {
    sys.setrlimit(Resource::RLIMIT_NOFILE, sys.store(sys.page(), &Rlimit { rlim_cur: 3, rlim_max: 3 }))?;
    assert_eq!(with_descriptor(sys, |_, _| 0, sys.page() + TOLD), Err(Errno::EMFILE));
    assert_eq!(sys.wait4(Pid(-1), 0, WaitOptions::empty(), 0), Err(Errno::ECHILD));
    assert_eq!(sys.pidfd_open(sys.getpid()?, 0), Err(Errno::EMFILE));
    Ok(())
}

fn refused(sys: &dyn Sys, flags: CloneFlags) -> Result {
    let args = CloneArgs { flags: flags.bits(), pidfd: (sys.page() + TOLD) as u64, ..CloneArgs::default() };
    sys.clone_with(&args, |_, _| 0, 0)
}

fn a_thread_has_no_such_descriptor(sys: &dyn Sys) -> Outcome {
    // By the older call, the place of a descriptor is that of a number.
    let older = |flags: CloneFlags| match sys.clone(flags, 0, sys.page() + TOLD, 0, 0) {
        Err(Errno::ENOSYS) => sys.clone_backwards(flags, 0, sys.page() + TOLD, 0, 0),
        refused => refused,
    };
    assert_eq!(older(CloneFlags::CLONE_PIDFD | CloneFlags::CLONE_PARENT_SETTID), Err(Errno::EINVAL));
    assert_eq!(older(CloneFlags::CLONE_PIDFD | CloneFlags::CLONE_DETACHED), Err(Errno::EINVAL));
    Ok(())
}

fn what_no_flags_go_together(sys: &dyn Sys) -> Outcome {
    let (vm, hand, thread) = (CloneFlags::CLONE_VM, CloneFlags::CLONE_SIGHAND, CloneFlags::CLONE_THREAD);
    for flags in [
        thread,
        thread | hand,
        thread | vm,
        hand,
        hand | CloneFlags::CLONE_FILES,
        hand | vm | CloneFlags::CLONE_CLEAR_SIGHAND,
        CloneFlags::CLONE_DETACHED,
        CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS,
        CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWUSER,
    ] {
        assert_eq!(refused(sys, flags), Err(Errno::EINVAL), "{flags:?}");
    }
    Ok(())
}

fn a_stack_has_a_place_and_a_size(sys: &dyn Sys) -> Outcome {
    let at = sys.page();
    for args in [
        CloneArgs { stack: 0x1000, ..CloneArgs::default() },
        CloneArgs { stack_size: 0x1000, ..CloneArgs::default() },
        CloneArgs { exit_signal: 65, ..CloneArgs::default() },
        CloneArgs { exit_signal: 0x100, ..CloneArgs::default() },
        CloneArgs { flags: 17, ..CloneArgs::default() },
        CloneArgs { set_tid_size: 33, set_tid: 8, ..CloneArgs::default() },
        CloneArgs { set_tid: 8, ..CloneArgs::default() },
        CloneArgs { set_tid_size: 1, ..CloneArgs::default() },
    ] {
        assert_eq!(sys.clone3(sys.store(at, &args), 88), Err(Errno::EINVAL), "{args:?}");
    }
    Ok(())
}

fn arguments_have_a_size(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.clone3(sys.page(), 0), Err(Errno::EINVAL));
    assert_eq!(sys.clone3(sys.page(), 4097), Err(Errno::E2BIG));
    assert_eq!(sys.clone3(0, 88), Err(Errno::EFAULT));
    assert_eq!(sys.clone3(0, 63), Err(Errno::EINVAL));
    assert_eq!(sys.clone3(0, usize::MAX), Err(Errno::E2BIG));
    Ok(())
}

fn a_child_has_its_parents_mask_and_stack(sys: &dyn Sys) -> Outcome {
    use kernel_abi::SigSet;
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGHUP, Signal::SIGTERM])?;
    for flags in [CloneFlags::empty(), CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK, CloneFlags::CLONE_CLEAR_SIGHAND]
    {
        let child = |sys: &dyn Sys, _| {
            let same = mask(sys, SigHow::SIG_BLOCK, &[]) == Ok(SigSet::of(&[Signal::SIGHUP, Signal::SIGTERM]));
            i32::from(!same)
        };
        let args = CloneArgs { flags: flags.bits(), exit_signal: 17, ..CloneArgs::default() };
        let pid = sys.clone_with(&args, child, 0)?;
        assert_eq!(wait(sys, pid)?, status_exited(0), "{flags:?}");
    }
    Ok(())
}

fn a_word_is_cleared_only_where_others_see_it(sys: &dyn Sys) -> Outcome {
    let word = super::memory::map_shared(sys)?;
    sys.store(word, &7_u32);
    let clear = CloneFlags::CLONE_CHILD_CLEARTID;
    // Who has memory of its own leaves no zero, though the page is shared.
    let args = CloneArgs { flags: clear.bits(), child_tid: word as u64, exit_signal: 17, ..CloneArgs::default() };
    let pid = sys.clone_with(&args, |_, _| 0, 0)?;
    wait(sys, pid)?;
    assert_eq!(sys.load::<u32>(word), 7);
    let flags = clear | CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    let args = CloneArgs { flags: flags.bits(), ..args };
    let pid = sys.clone_with(&args, |_, _| 0, 0)?;
    wait(sys, pid)?;
    assert_eq!(sys.load::<u32>(word), 0);
    Ok(())
}

fn a_child_of_no_signal_tells_nobody(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGCHLD, counts)?;
    let pid = sys.clone_with(&CloneArgs::default(), |_, _| 3, 0)?;
    assert_eq!(sys.wait4(pid, sys.page(), WaitOptions::__WALL, 0)?, pid);
    assert_eq!((sys.load::<i32>(sys.page()), counted(sys)[0]), (status_exited(3), 0));
    Ok(())
}

fn a_grandchild_is_nobodys(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| match sys.fork_with(pauses, 0) {
        Ok(pid) => {
            sys.store(sys.page() + 0x100, &pid);
            pauses(sys, 0)
        }
        Err(_) => 1,
    };
    let at = sys.page();
    let args = CloneArgs { flags: CloneFlags::CLONE_VM.bits(), exit_signal: 17, ..CloneArgs::default() };
    let pid = sys.clone_with(&args, child, 0)?;
    while sys.load::<usize>(at + 0x100) == 0 {
        sys.sched_yield()?;
    }
    let grandchild: usize = sys.load(at + 0x100);
    assert_eq!(sys.wait4(grandchild, 0, WaitOptions::WNOHANG, 0), Err(Errno::ECHILD));
    assert_eq!(sys.setpgid(grandchild, 0), Err(Errno::ESRCH));
    sys.kill(grandchild, Signal::SIGKILL)?;
    sys.kill(pid, Signal::SIGKILL)?;
    assert_eq!(wait(sys, pid)?, status_signaled(9, false));
    Ok(())
}

fn sleeps(sys: &dyn Sys, word: usize) -> i32 {
    while sys.load::<u32>(word) == 0 {
        let rest = sys.store(word + 64, &Timespec::from_ns(500_000));
        let _ = sys.nanosleep(rest, 0);
    }
    0
}

fn threads_are_not_waited_for(sys: &dyn Sys) -> Outcome {
    let word = sys.page() + 1024;
    let tid = start(sys, 0, sleeps, word)?;
    for options in [WaitOptions::__WALL, WaitOptions::__WCLONE, WaitOptions::WNOHANG] {
        assert_eq!(sys.wait4(tid, 0, options, 0), Err(Errno::ECHILD));
    }
    sys.store(word, &1_u32);
    join(sys, 0);
    assert_eq!(sys.wait4(tid, 0, WaitOptions::__WALL, 0), Err(Errno::ECHILD));
    Ok(())
}

fn a_thread_is_no_process(sys: &dyn Sys) -> Outcome {
    let word = sys.page() + 1024;
    let tid = start(sys, 0, sleeps, word)?;
    let me = sys.getpid()?;
    // Some calls take any thread's number for its process's, some do not.
    assert_eq!(sys.getpgid(tid)?, sys.getpgid(0)?);
    assert_eq!(sys.getsid(tid)?, sys.getsid(0)?);
    assert_eq!(sys.setpgid(tid, 0), Err(Errno::EINVAL));
    assert_eq!(sys.tgkill(tid, tid, 0), Err(Errno::ESRCH));
    assert_eq!(sys.tgkill(me, tid, 0)?, 0);
    sys.sched_getscheduler(tid)?;
    sys.store(word, &1_u32);
    join(sys, 0);
    Ok(())
}

fn a_descriptor_is_closed_by_a_program(sys: &dyn Sys) -> Outcome {
    let pid = with_descriptor(sys, pauses, sys.page() + TOLD)?;
    let file: i32 = sys.load(sys.page() + TOLD);
    assert_eq!(file, 3);
    super::exec::arguments(sys, &["program", "--open", "3"]);
    let program = sys.fork_with(|sys, _| super::kept::goes(sys), 0)?;
    assert_eq!(wait(sys, program)?, status_exited(1));
    sys.kill(pid, Signal::SIGKILL)?;
    wait(sys, pid)?;
    Ok(())
}

fn one_word_is_not_told_two_things(sys: &dyn Sys) -> Outcome {
    let told = (sys.page() + TOLD) as u64;
    let flags = (CloneFlags::CLONE_PIDFD | CloneFlags::CLONE_PARENT_SETTID).bits();
    let args = CloneArgs { flags, pidfd: told, parent_tid: told, exit_signal: 17, ..CloneArgs::default() };
    assert_eq!(sys.clone_with(&args, |_, _| 0, 0), Err(Errno::EINVAL));
    let pid = sys.clone_with(&CloneArgs { parent_tid: told + 4, ..args }, |_, _| 0, 0)?;
    let [file, tid]: [i32; 2] = sys.load(told as usize);
    assert_eq!((file, tid as usize), (3, pid));
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

//! What a process keeps when it executes a program, and what it loses: execve(2).

use alloc::format;

use kernel_abi::flags::{
    CAP_CHOWN, ClockId, CloneFlags, DupFlags, FcntlCommand, ItimerKind, Personality, PrctlOption, PriorityWhich,
    Resource, SIG_IGN, SIGEV_NONE, SigHow, WaitOptions,
};
use kernel_abi::structs::{
    CloneArgs, Itimerval, Rlimit, RobustListHead, Sigaction, Sigevent, StackT, Timeval, status_exited,
};
use kernel_abi::sys::ChildFn;
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Signal, Sys};

use super::Outcome;
use super::exec::{SELF, arguments};
use super::memory::{PAGE, PRIVATE, map};
use super::process::{ended, in_child, pauses, wait};
use super::signal::{act, counts, handle, mask, raise};

cases! { "kept":
    a_process_keeps_its_number, handlers_are_lost_and_what_is_ignored_is_not, the_mask_and_what_waits_are_kept,
    an_alternate_stack_is_lost, timers_are_lost_but_for_the_alarm, memory_is_lost, a_list_of_locks_is_lost,
    folder_mask_and_niceness_are_kept, limits_are_kept, what_prctl_said_is_kept_or_not, a_personality_is_kept,
    a_name_is_the_programs, other_threads_end, any_thread_becomes_the_first, a_shared_table_is_left,
    nobody_regroups_who_has_executed, a_saved_user_follows_the_effective, capabilities_are_found_anew,
    an_argument_list_is_counted, a_child_that_waits_is_released_by_a_program,
}

/// Does as it was told at `says`.
pub(super) fn goes(sys: &dyn Sys) -> i32 {
    let _ = sys.execve(sys.path(sys.page(), SELF), sys.page() + 0x8000, 0);
    99
}

/// Runs `prepares` in a child that then executes the program, which is to say `answer` to a question about itself.
fn says(sys: &dyn Sys, question: &str, argument: usize, answer: usize, prepares: ChildFn) -> Result<()> {
    arguments(sys, &["program", "--is", question, &format!("{argument}"), &format!("{answer}")]);
    let pid = sys.fork_with(prepares, argument)?;
    assert_eq!(wait(sys, pid)?, status_exited(0), "{question} {argument} is not {answer}");
    Ok(())
}

fn just_goes(sys: &dyn Sys, _: usize) -> i32 {
    goes(sys)
}

fn a_process_keeps_its_number(sys: &dyn Sys) -> Outcome {
    says(sys, "first", 0, 1, just_goes)?;
    let child = |sys: &dyn Sys, _| {
        let pid = sys.getpid().unwrap_or(0);
        arguments(sys, &["program", "--is", "pid", "0", &format!("{pid}")]);
        goes(sys)
    };
    in_child(sys, child, 0)?;
    let group = sys.getpgid(0)?;
    says(sys, "group-leader", 0, group, just_goes)?;
    Ok(())
}

fn handlers_are_lost_and_what_is_ignored_is_not(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, counts)?;
    act(sys, Signal::SIGUSR2, Sigaction { handler: SIG_IGN, ..Sigaction::default() })?;
    act(sys, Signal::SIGCHLD, Sigaction::default())?;
    says(sys, "action", 10, 0, just_goes)?;
    says(sys, "action", 12, 1, just_goes)?;
    says(sys, "action", 17, 0, just_goes)?;
    Ok(())
}

fn the_mask_and_what_waits_are_kept(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGUSR1, counts)?;
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1])?;
    says(sys, "blocked", 10, 1, just_goes)?;
    says(sys, "blocked", 12, 0, just_goes)?;
    // Sent before, it waits for the program; its handler is gone.
    let raises = |sys: &dyn Sys, _| match raise(sys, Signal::SIGUSR1) {
        Ok(_) => goes(sys),
        Err(_) => 98,
    };
    says(sys, "pending", 10, 1, raises)?;
    // To the thread alone, too.
    let raises = |sys: &dyn Sys, _| match sys.gettid().and_then(|me| sys.tkill(me, Signal::SIGUSR1)) {
        Ok(_) => goes(sys),
        Err(_) => 98,
    };
    says(sys, "pending", 10, 1, raises)?;
    Ok(())
}

fn an_alternate_stack_is_lost(sys: &dyn Sys) -> Outcome {
    let stack = StackT { ss_sp: map(sys, 16 * PAGE, PRIVATE)?, ss_size: 16 * PAGE, ..StackT::default() };
    sys.sigaltstack(sys.store(sys.page(), &stack), 0)?;
    // A child has it, the program does not.
    in_child(
        sys,
        |sys, at| {
            let told = sys.sigaltstack(0, sys.page()).is_ok();
            i32::from(!told || sys.load::<StackT>(sys.page()).ss_sp != at)
        },
        stack.ss_sp,
    )?;
    says(sys, "stack", stack.ss_sp, 0, just_goes)?;
    Ok(())
}

fn timers_are_lost_but_for_the_alarm(sys: &dyn Sys) -> Outcome {
    let makes = |sys: &dyn Sys, _| {
        let event = Sigevent { sigev_notify: SIGEV_NONE, ..Sigevent::default() };
        let made = sys.timer_create(ClockId::CLOCK_MONOTONIC, sys.store(sys.page(), &event), sys.page() + 128);
        if made.is_err() {
            return 97;
        }
        // The first that a process makes has the first number.
        let number: i32 = sys.load(sys.page() + 128);
        arguments(sys, &["program", "--is", "timer", &format!("{number}"), "0"]);
        goes(sys)
    };
    in_child(sys, makes, 0)?;
    let arms = |sys: &dyn Sys, _| {
        let far = Itimerval { it_value: Timeval { tv_sec: 1000, tv_usec: 0 }, ..Itimerval::default() };
        match sys.setitimer(ItimerKind::ITIMER_REAL, sys.store(sys.page(), &far), 0) {
            Ok(_) => goes(sys),
            Err(_) => 98,
        }
    };
    says(sys, "alarm", 0, 1, arms)?;
    says(sys, "alarm", 0, 0, just_goes)?;
    Ok(())
}

fn memory_is_lost(sys: &dyn Sys) -> Outcome {
    // Where no program lies.
    let at = sys.mmap(0x1234_5678_9000_usize, PAGE, super::memory::RW, PRIVATE, Fd(-1), 0)?;
    says(sys, "mapped", at, 0, just_goes)?;
    Ok(())
}

fn a_list_of_locks_is_lost(sys: &dyn Sys) -> Outcome {
    let head = sys.page() + 0x5000;
    sys.store(head, &RobustListHead { list: head, ..RobustListHead::default() });
    sys.set_robust_list(head, 24)?;
    let registers = |sys: &dyn Sys, head| match sys.set_robust_list(head, 24) {
        Ok(_) => goes(sys),
        Err(_) => 98,
    };
    says(sys, "locks", head, 0, registers)?;
    Ok(())
}

fn folder_mask_and_niceness_are_kept(sys: &dyn Sys) -> Outcome {
    sys.mkdirat(Fd::CWD, sys.path(sys.page(), "folder"), Mode(0o755))?;
    sys.chdir(sys.page())?;
    says(sys, "directory", 0, 1, just_goes)?;
    sys.umask(Mode(0o027))?;
    says(sys, "umask", 0, 0o027, just_goes)?;
    let nice = sys.getpriority(PriorityWhich::PRIO_PROCESS, 0)? - 3;
    sys.setpriority(PriorityWhich::PRIO_PROCESS, 0, 20 - nice as i32)?;
    says(sys, "nice", 0, nice, just_goes)?;
    Ok(())
}

fn limits_are_kept(sys: &dyn Sys) -> Outcome {
    const LARGE: usize = 64 << 20;
    says(sys, "mapping", LARGE, 1, just_goes)?;
    sys.getrlimit(Resource::RLIMIT_AS, sys.page())?;
    let Rlimit { rlim_max, .. } = sys.load(sys.page());
    sys.setrlimit(Resource::RLIMIT_AS, sys.store(sys.page(), &Rlimit { rlim_cur: LARGE as u64, rlim_max }))?;
    says(sys, "mapping", LARGE, 0, just_goes)?;
    Ok(())
}

fn what_prctl_said_is_kept_or_not(sys: &dyn Sys) -> Outcome {
    let sets = |sys: &dyn Sys, _| {
        let said = [
            (PrctlOption::PR_SET_PDEATHSIG, 10),
            (PrctlOption::PR_SET_CHILD_SUBREAPER, 1),
            (PrctlOption::PR_SET_DUMPABLE, 0),
            (PrctlOption::PR_SET_KEEPCAPS, 1),
            (PrctlOption::PR_SET_NO_NEW_PRIVS, 1),
        ];
        if said.into_iter().all(|(option, value)| sys.prctl(option, value, 0, 0, 0).is_ok()) { goes(sys) } else { 98 }
    };
    for (question, answer) in [("death", 10), ("reaper", 1), ("dumpable", 1), ("keeps", 0), ("privileges", 1)] {
        says(sys, question, 0, answer, sets)?;
    }
    Ok(())
}

fn a_personality_is_kept(sys: &dyn Sys) -> Outcome {
    let before = sys.personality(Personality::from_bits_retain(u32::MAX))?;
    let wanted = before | Personality::ADDR_NO_RANDOMIZE.bits() as usize;
    let sets = |sys: &dyn Sys, wanted: usize| match sys.personality(Personality::from_bits_retain(wanted as u32)) {
        Ok(_) => goes(sys),
        Err(_) => 98,
    };
    says(sys, "personality", wanted, wanted, sets)?;
    Ok(())
}

fn a_name_is_the_programs(sys: &dyn Sys) -> Outcome {
    let names = |sys: &dyn Sys, _| match sys.prctl(PrctlOption::PR_SET_NAME, sys.path(sys.page(), "another"), 0, 0, 0) {
        Ok(_) => goes(sys),
        Err(_) => 98,
    };
    // The last part of the path.
    says(sys, "name", 0, "exe".len(), names)?;
    Ok(())
}

fn waits(sys: &dyn Sys, _: usize) -> i32 {
    pauses(sys, 0)
}

fn other_threads_end(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        for number in 0..3 {
            if super::thread::start(sys, number, waits, 0).is_err() {
                return 97;
            }
        }
        goes(sys)
    };
    says(sys, "first", 0, 1, child)?;
    Ok(())
}

fn a_thread_goes(sys: &dyn Sys, _: usize) -> i32 {
    goes(sys)
}

fn any_thread_becomes_the_first(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        let pid = sys.getpid().unwrap_or(0);
        arguments(sys, &["program", "--is", "pid", "0", &format!("{pid}")]);
        match super::thread::start(sys, 0, a_thread_goes, 0) {
            Ok(_) => pauses(sys, 0),
            Err(_) => 97,
        }
    };
    in_child(sys, child, 0)?;
    let child = |sys: &dyn Sys, _| match super::thread::start(sys, 0, a_thread_goes, 0) {
        Ok(_) => pauses(sys, 0),
        Err(_) => 97,
    };
    says(sys, "first", 0, 1, child)?;
    Ok(())
}

fn a_shared_table_is_left(sys: &dyn Sys) -> Outcome {
    sys.dup3(Fd(1), Fd(9), DupFlags::O_CLOEXEC)?;
    arguments(sys, &["program", "--open", "9"]);
    let flags = CloneFlags::CLONE_FILES;
    let args = CloneArgs { flags: flags.bits(), exit_signal: 17, ..CloneArgs::default() };
    let pid = sys.clone_with(&args, just_goes, 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(1));
    // It is closed there, not here.
    assert_eq!(sys.fcntl(Fd(9), FcntlCommand::F_GETFD, 0)?, 1);
    Ok(())
}

fn nobody_regroups_who_has_executed(sys: &dyn Sys) -> Outcome {
    use kernel_abi::flags::PipeFlags;
    let [reader, writer] = super::pipe::pipe(sys, PipeFlags::O_CLOEXEC)?;
    arguments(sys, &["program", "--pause"]);
    let pid = sys.fork_with(just_goes, 0)?;
    sys.close(writer)?;
    // Its end of the pipe is closed when it has executed.
    assert_eq!(sys.read(reader, sys.page(), 1)?, 0);
    assert_eq!(sys.setpgid(pid, 0), Err(Errno::EACCES));
    assert_eq!(sys.setpgid(pid, sys.getpgid(0)?), Err(Errno::EACCES));
    sys.kill(pid, Signal::SIGKILL)?;
    assert_eq!(wait(sys, pid)? & 0x7f, 9);
    Ok(())
}

fn a_saved_user_follows_the_effective(sys: &dyn Sys) -> Outcome {
    if sys.geteuid()? == 0 {
        let becomes = |sys: &dyn Sys, _| {
            let done = sys.setresuid(kernel_abi::Uid(0), kernel_abi::Uid(1000), kernel_abi::Uid(0));
            if done.is_ok() { goes(sys) } else { 98 }
        };
        says(sys, "saved", 0, 1000, becomes)?;
        says(sys, "user", 0, 1000, becomes)?;
    }
    Ok(())
}

fn capabilities_are_found_anew(sys: &dyn Sys) -> Outcome {
    let [low, high] = super::id::capabilities(sys)?;
    let chown = CAP_CHOWN as usize;
    if sys.geteuid()? == 0 && low.permitted & 1 << chown != 0 {
        fn drops(sys: &dyn Sys, bounded: bool) -> Outcome {
            let [mut low, high] = super::id::capabilities(sys)?;
            if bounded {
                sys.prctl(PrctlOption::PR_CAPBSET_DROP, CAP_CHOWN as usize, 0, 0, 0)?;
            }
            low.effective &= !(1 << CAP_CHOWN);
            low.permitted &= !(1 << CAP_CHOWN);
            super::id::set_capabilities(sys, [low, high])?;
            Ok(())
        }
        // Root has them all again, but for those it may never have.
        says(sys, "capable", chown, 1, |sys, _| ended(drops(sys, false)) + goes(sys))?;
        says(sys, "capable", chown, 0, |sys, _| ended(drops(sys, true)) + goes(sys))?;
    } else {
        says(sys, "capable", chown, 0, just_goes)?;
    }
    let _ = high;
    Ok(())
}

fn an_argument_list_is_counted(sys: &dyn Sys) -> Outcome {
    for words in [&["program", "--words"][..], &["program", "--words", "", "b", ""]] {
        arguments(sys, words);
        let pid = sys.fork_with(just_goes, 0)?;
        assert_eq!(wait(sys, pid)?, status_exited(words.len() as i32 - 2));
    }
    Ok(())
}

fn a_child_that_waits_is_released_by_a_program(sys: &dyn Sys) -> Outcome {
    arguments(sys, &["program", "--pause"]);
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    let args = CloneArgs { flags: flags.bits(), exit_signal: 17, ..CloneArgs::default() };
    let pid = sys.clone_with(&args, just_goes, 0)?;
    // We go on though it lives.
    assert_eq!(sys.wait4(pid, 0, WaitOptions::WNOHANG, 0)?, 0);
    sys.kill(pid, Signal::SIGKILL)?;
    assert_eq!(wait(sys, pid)? & 0x7f, 9);
    Ok(())
}

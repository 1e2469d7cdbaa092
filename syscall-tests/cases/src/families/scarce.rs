//! What there is too little of, and what is not there yet.

use kernel_abi::flags::{ClockId, GetrandomFlags, PidfdFlags, Resource, SI_QUEUE, SigHow, WaitId, WaitOptions};
use kernel_abi::structs::{Rlimit, Siginfo};
use kernel_abi::{Calls, Errno, Pid, Result, Signal, Sys};

use super::Outcome;
use super::file::descriptor;
use super::memory::{PAGE, PRIVATE, map};
use super::process::{pauses, wait};
use super::signal::mask;

cases! { "scarce":
    a_full_queue_has_no_room_for_a_timer, a_full_queue_refuses_what_is_sent_to_threads,
    a_full_queue_takes_standard_signals, a_descriptor_that_does_not_wait_says_again, random_bytes_end_at_a_hole,
}

fn full(sys: &dyn Sys) -> Result<()> {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::RT_MIN, Signal::SIGUSR1])?;
    sys.setrlimit(Resource::RLIMIT_SIGPENDING, sys.store(sys.page(), &Rlimit { rlim_cur: 0, rlim_max: 0 }))?;
    Ok(())
}

fn a_full_queue_has_no_room_for_a_timer(sys: &dyn Sys) -> Outcome {
    full(sys)?;
    assert_eq!(sys.timer_create(ClockId::CLOCK_MONOTONIC, 0, sys.page()), Err(Errno::EAGAIN));
    // A wrong clock is told first, and no place for its number last.
    assert_eq!(sys.timer_create(ClockId(77), 0, sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.timer_create(ClockId::CLOCK_MONOTONIC, 0, 8), Err(Errno::EAGAIN));
    Ok(())
}

fn a_full_queue_refuses_what_is_sent_to_threads(sys: &dyn Sys) -> Outcome {
    full(sys)?;
    let (me, signal) = (sys.getpid()?, Signal::RT_MIN);
    let info = sys.store(sys.page(), &Siginfo { si_code: SI_QUEUE, ..Siginfo::default() });
    assert_eq!(sys.tkill(me, signal), Err(Errno::EAGAIN));
    assert_eq!(sys.tgkill(me, me, signal), Err(Errno::EAGAIN));
    assert_eq!(sys.rt_tgsigqueueinfo(me, me, signal, info), Err(Errno::EAGAIN));
    assert_eq!(sys.rt_sigqueueinfo(me, signal, info), Err(Errno::EAGAIN));
    // Only what says who sent it is worth refusing.
    sys.kill(me, signal)?;
    Ok(())
}

fn a_full_queue_takes_standard_signals(sys: &dyn Sys) -> Outcome {
    full(sys)?;
    let (me, signal) = (sys.getpid()?, Signal::SIGUSR1);
    let info = sys.store(sys.page(), &Siginfo { si_code: SI_QUEUE, ..Siginfo::default() });
    sys.tkill(me, signal)?;
    sys.tgkill(me, me, signal)?;
    sys.rt_sigqueueinfo(me, signal, info)?;
    sys.rt_tgsigqueueinfo(me, me, signal, info)?;
    Ok(())
}

fn a_descriptor_that_does_not_wait_says_again(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    let file = descriptor(sys.pidfd_open(pid, PidfdFlags::PIDFD_NONBLOCK)?);
    let exited = WaitOptions::WEXITED;
    assert_eq!(sys.waitid(WaitId::P_PIDFD, Pid(file.0), 0, exited, 0), Err(Errno::EAGAIN));
    // Asked not to wait, it finds nothing instead.
    assert_eq!(sys.waitid(WaitId::P_PIDFD, Pid(file.0), 0, exited | WaitOptions::WNOHANG, 0)?, 0);
    sys.kill(pid, Signal::SIGKILL)?;
    wait(sys, pid)?;
    assert_eq!(sys.waitid(WaitId::P_PIDFD, Pid(file.0), 0, exited, 0), Err(Errno::ECHILD));
    Ok(())
}

fn random_bytes_end_at_a_hole(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 2 * PAGE, PRIVATE)?;
    sys.munmap(at + PAGE, PAGE)?;
    let none = GetrandomFlags::empty();
    assert_eq!(sys.getrandom(8, 16, none), Err(Errno::EFAULT));
    assert_eq!(sys.getrandom(at + PAGE - 16, 64, none)?, 16);
    assert_eq!(sys.getrandom(8, 0, none)?, 0);
    let both = GetrandomFlags::GRND_RANDOM | GetrandomFlags::GRND_INSECURE;
    assert_eq!(sys.getrandom(at, 16, both), Err(Errno::EINVAL));
    assert_eq!(sys.getrandom(at, 16, GetrandomFlags::GRND_NONBLOCK)?, 16);
    Ok(())
}

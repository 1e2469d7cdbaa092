//! Descriptors that are events: timers and signals.

use alloc::vec::Vec;

use kernel_abi::flags::{
    ClockId, EpollEvents, FlockOperation, PollEvents, SigHow, SignalfdFlags, TimerfdFlags, TimerfdSettimeFlags,
};
use kernel_abi::structs::{Itimerspec, PollFd, SignalfdSiginfo, Stat, Timespec, status_exited};
use kernel_abi::{Calls, Errno, Fd, Result, SigSet, Signal, Sys};

use super::Outcome;
use super::file::{create, descriptor, read, write};
use super::process::wait;

cases! { "event":
    a_timer_counts_its_rings, a_timer_that_is_not_due_says_again, a_timer_is_disarmed_by_zero,
    an_absolute_time_that_is_past_rings_at_once, what_a_timer_refuses, a_timer_is_polled,
    a_signal_is_read, a_signal_that_is_not_blocked_is_not_read, a_reader_waits_for_a_signal,
    a_set_of_signals_is_changed, what_a_set_of_signals_refuses, a_child_reads_its_own_signals,
    what_has_no_name_is_one_inode,
}

const MS: u64 = 1_000_000;

fn timer(sys: &dyn Sys) -> Result<Fd> {
    sys.timerfd_create(ClockId::CLOCK_MONOTONIC, TimerfdFlags::TFD_NONBLOCK).map(descriptor)
}

fn arm(sys: &dyn Sys, timer: Fd, value_ns: u64, interval_ns: u64) -> Result {
    let [it_value, it_interval] = [value_ns, interval_ns].map(Timespec::from_ns);
    let at = sys.store(sys.page(), &Itimerspec { it_interval, it_value });
    sys.timerfd_settime(timer, TimerfdSettimeFlags::empty(), at, sys.page() + 64)
}

fn poll(sys: &dyn Sys, file: Fd, timeout_ns: u64) -> Result<PollEvents> {
    let wish = PollFd { fd: file.0, events: PollEvents::POLLIN.bits(), revents: 0 };
    let (files, timeout) = (sys.page() + 0x100, sys.page() + 0x140);
    sys.store(files, &wish);
    sys.store(timeout, &Timespec::from_ns(timeout_ns));
    sys.ppoll(files, 1, timeout, 0, 0)?;
    Ok(PollEvents::from_bits_retain(sys.load::<PollFd>(files).revents))
}

fn what_has_no_name_is_one_inode(sys: &dyn Sys) -> Outcome {
    let files = [sys.eventfd2(0, 0)?, sys.eventfd2(0, 0)?, sys.epoll_create1(0)?].map(descriptor);
    let mut found = Vec::new();
    for file in [files[0], files[1], files[2], timer(sys)?] {
        sys.fstat(file, sys.page())?;
        let stat = Stat::decode(sys.arch(), &sys.bytes(sys.page(), Stat::size(sys.arch()))).expect("long enough");
        found.push((stat.dev, stat.ino));
    }
    assert!(found.iter().all(|one| *one == found[0]), "{found:?}");
    sys.flock(files[0], FlockOperation::LOCK_EX | FlockOperation::LOCK_NB)?;
    assert_eq!(sys.flock(files[1], FlockOperation::LOCK_EX | FlockOperation::LOCK_NB), Err(Errno::EAGAIN));
    Ok(())
}

fn a_timer_counts_its_rings(sys: &dyn Sys) -> Outcome {
    let timer = timer(sys)?;
    arm(sys, timer, MS, MS)?;
    let rest = sys.store(sys.page() + 0x200, &Timespec::from_ns(5 * MS));
    sys.nanosleep(rest, 0)?;
    let count = u64::from_ne_bytes(read(sys, timer, 8)?.try_into().expect("eight bytes"));
    assert!(count >= 4, "{count}");
    arm(sys, timer, 100_000 * MS, 7 * MS)?;
    // Arming forgets what rang.
    assert_eq!(read(sys, timer, 8), Err(Errno::EAGAIN));
    sys.timerfd_gettime(timer, sys.page())?;
    let now: Itimerspec = sys.load(sys.page());
    assert_eq!(now.it_interval, Timespec::from_ns(7 * MS));
    assert!((99_000 * MS..=100_000 * MS).contains(&now.it_value.to_ns().expect("a time")));
    Ok(())
}

fn a_timer_that_is_not_due_says_again(sys: &dyn Sys) -> Outcome {
    let timer = timer(sys)?;
    assert_eq!(read(sys, timer, 8), Err(Errno::EAGAIN));
    arm(sys, timer, 100_000 * MS, 0)?;
    assert_eq!(read(sys, timer, 8), Err(Errno::EAGAIN));
    assert_eq!(read(sys, timer, 7), Err(Errno::EINVAL));
    assert_eq!(write(sys, timer, &[0; 8]), Err(Errno::EINVAL));
    Ok(())
}

fn a_timer_is_disarmed_by_zero(sys: &dyn Sys) -> Outcome {
    let timer = timer(sys)?;
    arm(sys, timer, 100_000 * MS, MS)?;
    arm(sys, timer, 0, 5 * MS)?;
    let old: Itimerspec = sys.load(sys.page() + 64);
    assert!(old.it_value.tv_sec >= 99 && old.it_interval == Timespec::from_ns(MS));
    sys.timerfd_gettime(timer, sys.page())?;
    assert_eq!(sys.load::<Itimerspec>(sys.page()).it_value, Timespec::default());
    Ok(())
}

fn an_absolute_time_that_is_past_rings_at_once(sys: &dyn Sys) -> Outcome {
    for clock in [ClockId::CLOCK_MONOTONIC, ClockId::CLOCK_REALTIME] {
        let timer = descriptor(sys.timerfd_create(clock, TimerfdFlags::empty())?);
        sys.store(sys.page(), &Itimerspec { it_value: Timespec { tv_sec: 0, tv_nsec: 1 }, ..Itimerspec::default() });
        sys.timerfd_settime(timer, TimerfdSettimeFlags::TFD_TIMER_ABSTIME, sys.page(), 0)?;
        assert_eq!(read(sys, timer, 8)?, 1_u64.to_ne_bytes());
    }
    Ok(())
}

fn what_a_timer_refuses(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.timerfd_create(ClockId(77), TimerfdFlags::empty()), Err(Errno::EINVAL));
    assert_eq!(sys.timerfd_create(ClockId::CLOCK_PROCESS_CPUTIME_ID, TimerfdFlags::empty()), Err(Errno::EINVAL));
    assert_eq!(sys.timerfd_create(ClockId::CLOCK_REALTIME, TimerfdFlags::from_bits_retain(1)), Err(Errno::EINVAL));
    let (timer, file) = (timer(sys)?, create(sys, "file")?);
    assert_eq!(arm(sys, file, MS, 0), Err(Errno::EINVAL));
    assert_eq!(arm(sys, Fd(99), MS, 0), Err(Errno::EBADF));
    sys.store(sys.page(), &Itimerspec { it_value: Timespec { tv_sec: 0, tv_nsec: -1 }, ..Itimerspec::default() });
    assert_eq!(sys.timerfd_settime(timer, 0, sys.page(), 0), Err(Errno::EINVAL));
    assert_eq!(sys.timerfd_settime(timer, 0, 8, 0), Err(Errno::EFAULT));
    assert_eq!(sys.timerfd_gettime(timer, 8), Err(Errno::EFAULT));
    Ok(())
}

fn a_timer_is_polled(sys: &dyn Sys) -> Outcome {
    let timer = timer(sys)?;
    assert_eq!(poll(sys, timer, 0)?, PollEvents::empty());
    arm(sys, timer, MS, 0)?;
    assert_eq!(poll(sys, timer, 100_000 * MS)?, PollEvents::POLLIN);
    read(sys, timer, 8)?;
    assert_eq!(poll(sys, timer, 0)?, PollEvents::empty());
    Ok(())
}

fn block(sys: &dyn Sys, signals: &[Signal]) -> Result<usize> {
    let at = sys.store(sys.page() + 0x300, &SigSet::of(signals));
    sys.rt_sigprocmask(SigHow::SIG_BLOCK, at, 0, 8)?;
    Ok(at)
}

fn signals(sys: &dyn Sys, set: &[Signal]) -> Result<Fd> {
    let at = block(sys, set)?;
    sys.signalfd4(Fd(-1), at, 8, SignalfdFlags::SFD_NONBLOCK).map(descriptor)
}

fn one(sys: &dyn Sys, file: Fd) -> Result<SignalfdSiginfo> {
    let at = sys.page() + 0x400;
    assert_eq!(sys.read(file, at, 200)?, 128);
    Ok(sys.load(at))
}

fn a_signal_is_read(sys: &dyn Sys) -> Outcome {
    let file = signals(sys, &[Signal::SIGUSR1, Signal::SIGUSR2])?;
    assert_eq!(one(sys, file), Err(Errno::EAGAIN));
    let me = sys.getpid()?;
    sys.kill(me, Signal::SIGUSR2)?;
    sys.tgkill(me, sys.gettid()?, Signal::SIGUSR1)?;
    assert_eq!(poll(sys, file, 0)?, PollEvents::POLLIN);
    let at = sys.page() + 0x400;
    assert_eq!(sys.read(file, at, 1000)?, 256);
    let told: [SignalfdSiginfo; 2] = [sys.load(at), sys.load(at + 128)];
    assert_eq!(told.map(|one| one.ssi_signo), [10, 12]);
    assert_eq!(told.map(|one| one.ssi_pid as usize), [me, me]);
    assert_eq!(told.map(|one| one.ssi_code), [-6, 0]);
    assert_eq!(one(sys, file), Err(Errno::EAGAIN));
    Ok(())
}

fn a_signal_that_is_not_blocked_is_not_read(sys: &dyn Sys) -> Outcome {
    let file = signals(sys, &[Signal::SIGCHLD])?;
    let set = sys.store(sys.page() + 0x300, &SigSet::of(&[Signal::SIGCHLD]));
    sys.rt_sigprocmask(SigHow::SIG_UNBLOCK, set, 0, 8)?;
    sys.kill(sys.getpid()?, Signal::SIGCHLD)?;
    assert_eq!(one(sys, file), Err(Errno::EAGAIN));
    Ok(())
}

fn a_reader_waits_for_a_signal(sys: &dyn Sys) -> Outcome {
    let set = block(sys, &[Signal::SIGCHLD])?;
    let file = descriptor(sys.signalfd4(Fd(-1), set, 8, SignalfdFlags::empty())?);
    let pid = sys.fork_with(|_, _| 7, 0)?;
    let told = one(sys, file)?;
    assert_eq!((told.ssi_signo, told.ssi_code, told.ssi_pid as usize, told.ssi_status), (17, 1, pid, 7));
    assert_eq!(wait(sys, pid)?, status_exited(7));
    // And by a set of files.
    let epoll = descriptor(sys.epoll_create1(0)?);
    sys.poke(sys.page(), &kernel_abi::structs::EpollEvent { events: 1, data: 0 }.encode(sys.arch()));
    sys.epoll_ctl(epoll, kernel_abi::flags::EpollOp::EPOLL_CTL_ADD, file, sys.page())?;
    let pid = sys.fork_with(|_, _| 0, 0)?;
    assert_eq!(sys.epoll_pwait(epoll, sys.page(), 1, -1, 0, 0)?, 1);
    assert_eq!(sys.load::<u32>(sys.page()), EpollEvents::EPOLLIN.bits());
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn a_set_of_signals_is_changed(sys: &dyn Sys) -> Outcome {
    let file = signals(sys, &[Signal::SIGUSR1])?;
    block(sys, &[Signal::SIGUSR2])?;
    sys.kill(sys.getpid()?, Signal::SIGUSR2)?;
    assert_eq!(one(sys, file), Err(Errno::EAGAIN));
    let set = sys.store(sys.page(), &SigSet::of(&[Signal::SIGUSR2]));
    assert_eq!(sys.signalfd4(file, set, 8, 0)?, file.0 as usize);
    assert_eq!(one(sys, file)?.ssi_signo, 12);
    Ok(())
}

fn what_a_set_of_signals_refuses(sys: &dyn Sys) -> Outcome {
    let set = sys.store(sys.page(), &SigSet::of(&[Signal::SIGUSR2]));
    assert_eq!(sys.signalfd4(Fd(-1), set, 4, 0), Err(Errno::EINVAL));
    assert_eq!(sys.signalfd4(Fd(-1), 8, 8, 0), Err(Errno::EFAULT));
    assert_eq!(sys.signalfd4(Fd(-1), set, 8, 1), Err(Errno::EINVAL));
    assert_eq!(sys.signalfd4(Fd(99), set, 8, 0), Err(Errno::EBADF));
    assert_eq!(sys.signalfd4(create(sys, "file")?, set, 8, 0), Err(Errno::EINVAL));
    assert_eq!(read(sys, signals(sys, &[Signal::SIGUSR1])?, 127), Err(Errno::EINVAL));
    Ok(())
}

fn a_child_reads_its_own_signals(sys: &dyn Sys) -> Outcome {
    let file = signals(sys, &[Signal::SIGUSR1])?;
    sys.kill(sys.getpid()?, Signal::SIGUSR1)?;
    let child = |sys: &dyn Sys, file| {
        let file = Fd(file as i32);
        assert_eq!(one(sys, file), Err(Errno::EAGAIN));
        let me = sys.getpid().unwrap_or(0);
        let sent = sys.kill(me, Signal::SIGUSR1);
        i32::from(sent.is_err() || one(sys, file).is_ok_and(|told| told.ssi_pid as usize != me))
    };
    let pid = sys.fork_with(child, file.0 as usize)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert_eq!(one(sys, file)?.ssi_signo, 10);
    Ok(())
}

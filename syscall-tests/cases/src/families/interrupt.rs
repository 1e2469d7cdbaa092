//! Calls that wait, and signals that come meanwhile: EINTR, or once more with `SA_RESTART`.
//!
//! The signal is the real-time timer's, which rings again and again: one that comes too early is not the last.

use kernel_abi::flags::{
    ClockId, EventfdFlags, FutexOp, OpenFlags, PipeFlags, PollEvents, SaFlags, SigHow, WaitId, WaitOptions,
};
use kernel_abi::structs::{
    FdSet, Iovec, PollFd, STATUS_CONTINUED, SigSetArgument, Timespec, Timeval, status_exited, status_stopped,
};
use kernel_abi::{Calls, Errno, Fd, Mode, Pid, Result, SigSet, Signal, Sys};

use super::Outcome;
use super::file::{descriptor, read, write};
use super::memory::{PAGE, SHARED, map, map_shared};
use super::pipe::pipe;
use super::process::{pauses, wait};
use super::signal::{act, action, counted, mask};
use super::time::{now, tick};

cases! { "interrupt":
    reading_an_empty_pipe, writing_a_full_pipe, part_of_a_write_is_kept, waiting_for_a_child, waiting_on_a_futex,
    waiting_on_a_futex_for_a_time, polling, selecting, reading_an_eventfd, opening_a_fifo_that_nobody_writes,
    a_read_goes_on_after_a_handler_that_restarts, a_write_goes_on_after_a_handler_that_restarts,
    a_wait_goes_on_after_a_handler_that_restarts, a_futex_goes_on_after_a_handler_that_restarts,
    what_does_not_go_on, a_signal_that_does_nothing_interrupts_nothing, a_stop_interrupts_no_read,
    a_stop_lengthens_no_poll, a_stop_ends_no_futex_wait, polling_under_another_mask, selecting_under_another_mask,
    a_mask_for_a_poll_is_checked, a_signal_before_the_wait_is_not_lost,
}

/// How often the handler ran, as [`counted`] reads it, and what it is to do the third time.
const COUNT: usize = 0x6000;
const DO: usize = 0x6010;

const NOTHING: u64 = 0;
const WRITE: u64 = 1;
const READ: u64 = 2;
const KILL: u64 = 3;
const WAKE: u64 = 4;

/// Counts; the third time, ends the wait that it interrupts.
fn rings(sys: &dyn Sys, signal: usize, _: usize, _: usize) {
    let at = sys.page() + COUNT;
    let count: u64 = sys.load(at);
    sys.store(at, &[count + 1, signal as u64]);
    let [what, on]: [u64; 2] = sys.load(sys.page() + DO);
    if count != 2 {
        return;
    }
    let scratch = sys.page() + 0x9000;
    match what {
        WRITE => _ = sys.write(Fd(on as i32), scratch, 1),
        READ => _ = sys.read(Fd(on as i32), scratch, PAGE),
        KILL => _ = sys.kill(Pid(on as i32), Signal::SIGKILL),
        WAKE => {
            sys.store(on as usize, &1_u32);
            _ = sys.futex(on as usize, FutexOp::FUTEX_WAKE, 1, 0, 0, 0);
        }
        _ => {}
    }
}

/// Lets the timer ring every two milliseconds; the third ring does something.
fn ring(sys: &dyn Sys, flags: SaFlags, what: u64, on: usize) -> Result<()> {
    act(sys, Signal::SIGALRM, action(sys, rings, flags, SigSet::EMPTY))?;
    sys.store(sys.page() + DO, &[what, on as u64]);
    tick(sys, 2_000_000)?;
    Ok(())
}

/// Expects EINTR of a call that waits for ever.
pub(super) fn interrupted(sys: &dyn Sys, call: impl FnOnce() -> Result) -> Outcome {
    ring(sys, SaFlags::empty(), NOTHING, 0)?;
    assert_eq!(call(), Err(Errno::EINTR));
    assert_ne!(counted(sys)[0], 0);
    tick(sys, 0)?;
    Ok(())
}

/// Expects that a call survives two rings and is ended by the third.
fn goes_on(sys: &dyn Sys, what: u64, on: usize, call: impl FnOnce() -> Result) -> Result {
    ring(sys, SaFlags::SA_RESTART, what, on)?;
    let answer = call()?;
    tick(sys, 0)?;
    assert!(counted(sys)[0] >= 3);
    Ok(answer)
}

pub(super) fn fill(sys: &dyn Sys, writer: Fd) -> Result<usize> {
    use kernel_abi::flags::FcntlCommand;
    sys.fcntl(writer, FcntlCommand::F_SETFL, OpenFlags::O_NONBLOCK)?;
    let mut bytes = 0;
    while let Ok(wrote) = sys.write(writer, sys.page(), PAGE) {
        bytes += wrote;
    }
    sys.fcntl(writer, FcntlCommand::F_SETFL, 0)?;
    Ok(bytes)
}

fn reading_an_empty_pipe(sys: &dyn Sys) -> Outcome {
    let [reader, _] = pipe(sys, PipeFlags::empty())?;
    interrupted(sys, || sys.read(reader, sys.page(), 1))?;
    interrupted(sys, || sys.readv(reader, one(sys), 1))
}

/// A vector of one byte.
fn one(sys: &dyn Sys) -> usize {
    sys.store(sys.page() + 0x100, &Iovec { iov_base: sys.page(), iov_len: 1 })
}

fn writing_a_full_pipe(sys: &dyn Sys) -> Outcome {
    let [_, writer] = pipe(sys, PipeFlags::empty())?;
    fill(sys, writer)?;
    interrupted(sys, || sys.write(writer, sys.page(), 1))?;
    interrupted(sys, || sys.writev(writer, one(sys), 1))
}

fn part_of_a_write_is_kept(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    let room = fill(sys, writer)?;
    sys.read(reader, sys.page(), PAGE)?;
    ring(sys, SaFlags::SA_RESTART, NOTHING, 0)?;
    // There is room for a page; what was written is told, restarting or not.
    assert_eq!(sys.write(writer, sys.page(), 2 * PAGE)?, PAGE);
    tick(sys, 0)?;
    assert!(room >= PAGE);
    Ok(())
}

fn waiting_for_a_child(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    interrupted(sys, || sys.wait4(pid, 0, WaitOptions::empty(), 0))?;
    interrupted(sys, || sys.waitid(WaitId::P_ALL, 0, 0, WaitOptions::WEXITED, 0))?;
    sys.kill(pid, Signal::SIGKILL)?;
    wait(sys, pid)?;
    Ok(())
}

fn waiting_on_a_futex(sys: &dyn Sys) -> Outcome {
    let private = FutexOp::FUTEX_WAIT_PRIVATE;
    interrupted(sys, || sys.futex(sys.page() + 1024, private, 0, 0, 0, 0))?;
    let shared = map_shared(sys)?;
    interrupted(sys, || sys.futex(shared, FutexOp::FUTEX_WAIT, 0, 0, 0, 0))
}

fn waiting_on_a_futex_for_a_time(sys: &dyn Sys) -> Outcome {
    let timeout = sys.store(sys.page() + 64, &Timespec { tv_sec: 1000, tv_nsec: 0 });
    ring(sys, SaFlags::SA_RESTART, NOTHING, 0)?;
    // With a time it does not go on, whatever the handler says.
    assert_eq!(sys.futex(sys.page() + 1024, FutexOp::FUTEX_WAIT, 0, timeout, 0, 0), Err(Errno::EINTR));
    tick(sys, 0)?;
    Ok(())
}

fn poll_one(sys: &dyn Sys, file: Fd, timeout: usize, signals: usize) -> Result {
    let one = PollFd { fd: file.0, events: PollEvents::POLLIN.bits(), revents: 0 };
    sys.ppoll(sys.store(sys.page() + 256, &one), 1, timeout, signals, 8)
}

fn polling(sys: &dyn Sys) -> Outcome {
    let [reader, _] = pipe(sys, PipeFlags::empty())?;
    interrupted(sys, || poll_one(sys, reader, 0, 0))?;
    let timeout = sys.store(sys.page() + 64, &Timespec { tv_sec: 1000, tv_nsec: 0 });
    interrupted(sys, || poll_one(sys, reader, timeout, 0))?;
    // What is left of the time is told.
    let left: Timespec = sys.load(timeout);
    assert!((990..1000).contains(&left.tv_sec));
    interrupted(sys, || sys.poll(0, 0, -1))
}

fn selecting(sys: &dyn Sys) -> Outcome {
    interrupted(sys, || sys.pselect6(0, 0, 0, 0, 0, 0))?;
    let timeout = sys.store(sys.page() + 64, &Timeval { tv_sec: 1000, tv_usec: 0 });
    match sys.select(0, 0, 0, 0, sys.store(sys.page() + 96, &Timeval::default())) {
        Err(Errno::ENOSYS) => return Ok(()),
        answer => assert_eq!(answer, Ok(0)),
    }
    interrupted(sys, || sys.select(0, 0, 0, 0, timeout))?;
    let left: Timeval = sys.load(timeout);
    assert!((990..1000).contains(&left.tv_sec));
    Ok(())
}

fn reading_an_eventfd(sys: &dyn Sys) -> Outcome {
    let file = descriptor(sys.eventfd2(0, EventfdFlags::empty())?);
    interrupted(sys, || sys.read(file, sys.page(), 8))?;
    sys.store(sys.page(), &(u64::MAX - 1));
    sys.write(file, sys.page(), 8)?;
    interrupted(sys, || sys.write(file, sys.page(), 8))
}

fn opening_a_fifo_that_nobody_writes(sys: &dyn Sys) -> Outcome {
    let path = sys.path(sys.page() + 512, "fifo");
    sys.mknodat(Fd::CWD, path, Mode(0o010_600), 0)?;
    interrupted(sys, || sys.openat(Fd::CWD, path, OpenFlags::O_RDONLY, 0))?;
    interrupted(sys, || sys.openat(Fd::CWD, path, OpenFlags::O_WRONLY, 0))
}

fn a_read_goes_on_after_a_handler_that_restarts(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(goes_on(sys, WRITE, writer.0 as usize, || sys.read(reader, sys.page(), 10))?, 1);
    Ok(())
}

fn a_write_goes_on_after_a_handler_that_restarts(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    fill(sys, writer)?;
    assert_eq!(goes_on(sys, READ, reader.0 as usize, || sys.write(writer, sys.page(), PAGE))?, PAGE);
    Ok(())
}

fn a_wait_goes_on_after_a_handler_that_restarts(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    let answer = goes_on(sys, KILL, pid, || sys.wait4(pid, sys.page(), WaitOptions::empty(), 0))?;
    assert_eq!((answer, sys.load::<i32>(sys.page())), (pid, 9));
    Ok(())
}

fn a_futex_goes_on_after_a_handler_that_restarts(sys: &dyn Sys) -> Outcome {
    let word = map(sys, PAGE, SHARED)?;
    goes_on(sys, WAKE, word, || sys.futex(word, FutexOp::FUTEX_WAIT, 0, 0, 0, 0).or(Ok(0)))?;
    assert_eq!(sys.load::<u32>(word), 1);
    Ok(())
}

fn what_does_not_go_on(sys: &dyn Sys) -> Outcome {
    ring(sys, SaFlags::SA_RESTART, NOTHING, 0)?;
    let long = sys.store(sys.page() + 64, &Timespec { tv_sec: 1000, tv_nsec: 0 });
    let [reader, _] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(poll_one(sys, reader, 0, 0), Err(Errno::EINTR));
    assert_eq!(sys.pselect6(0, 0, 0, 0, 0, 0), Err(Errno::EINTR));
    assert_eq!(sys.nanosleep(long, 0), Err(Errno::EINTR));
    let far = sys.store(sys.page() + 96, &Timespec { tv_sec: 1 << 40, tv_nsec: 0 });
    let until = kernel_abi::flags::TimerFlags::TIMER_ABSTIME;
    assert_eq!(sys.clock_nanosleep(ClockId::CLOCK_MONOTONIC, until, far, 0), Err(Errno::EINTR));
    let none = sys.store(sys.page() + 128, &SigSet::EMPTY);
    assert_eq!(sys.rt_sigsuspend(none, 8), Err(Errno::EINTR));
    assert_eq!(sys.rt_sigtimedwait(none, 0, long, 8), Err(Errno::EINTR));
    tick(sys, 0)?;
    Ok(())
}

/// Sends signals that do nothing, then a byte.
fn bothers(sys: &dyn Sys, writer: usize) -> i32 {
    let Ok(parent) = sys.getppid() else { return 1 };
    let moment = sys.store(sys.page() + 64, &Timespec::from_ns(1_000_000));
    for signal in [Signal::SIGWINCH, Signal::SIGCONT, Signal::SIGURG, Signal::SIGCHLD] {
        if sys.kill(parent, signal).is_err() || sys.nanosleep(moment, 0).is_err() {
            return 2;
        }
    }
    i32::from(sys.write(writer, sys.page(), 1) != Ok(1))
}

fn a_signal_that_does_nothing_interrupts_nothing(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    let pid = sys.fork_with(bothers, writer.0 as usize)?;
    assert_eq!(poll_one(sys, reader, 0, 0)?, 1);
    assert_eq!(read(sys, reader, 10)?.len(), 1);
    assert_eq!(wait(sys, pid)?, status_exited(0));
    let pid = sys.fork_with(bothers, writer.0 as usize)?;
    assert_eq!(read(sys, reader, 10)?.len(), 1);
    assert_eq!(wait(sys, pid)?, status_exited(0));
    let pid = sys.fork_with(bothers, writer.0 as usize)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

/// Stops a child and lets it go on, three times; how it ends, which it may do before or between.
pub(super) fn stops_and_ends(sys: &dyn Sys, pid: usize, before_the_last: impl FnOnce() -> Result) -> Result<i32> {
    let status = sys.page() + 0x7ff0;
    for _ in 0..3 {
        let told = [(Signal::SIGSTOP, WaitOptions::WUNTRACED), (Signal::SIGCONT, WaitOptions::WCONTINUED)];
        for ((signal, options), expected) in told.into_iter().zip([status_stopped(19), STATUS_CONTINUED]) {
            sys.kill(pid, signal)?;
            sys.wait4(pid, status, options, 0)?;
            if sys.load::<i32>(status) != expected {
                return Ok(sys.load(status));
            }
        }
    }
    before_the_last()?;
    wait(sys, pid)
}

fn a_stop_interrupts_no_read(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    let child = |sys: &dyn Sys, reader| i32::from(sys.read(reader, sys.page(), 1) != Ok(1));
    let pid = sys.fork_with(child, reader.0 as usize)?;
    assert_eq!(stops_and_ends(sys, pid, || write(sys, writer, b"x"))?, status_exited(0));
    Ok(())
}

fn a_stop_lengthens_no_poll(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        let timeout = sys.store(sys.page() + 64, &Timespec::from_ns(20_000_000));
        i32::from(sys.ppoll(0, 0, timeout, 0, 8) != Ok(0))
    };
    let before = now(sys)?;
    let pid = sys.fork_with(child, 0)?;
    assert_eq!(stops_and_ends(sys, pid, || Ok(0))?, status_exited(0));
    assert!(now(sys)? >= before + 20_000_000);
    Ok(())
}

fn a_stop_ends_no_futex_wait(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        let timeout = sys.store(sys.page() + 64, &Timespec::from_ns(20_000_000));
        i32::from(sys.futex(sys.page() + 1024, FutexOp::FUTEX_WAIT, 0, timeout, 0, 0) != Err(Errno::ETIMEDOUT))
    };
    let pid = sys.fork_with(child, 0)?;
    assert_eq!(stops_and_ends(sys, pid, || Ok(0))?, status_exited(0));
    Ok(())
}

fn polling_under_another_mask(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGALRM])?;
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    ring(sys, SaFlags::empty(), NOTHING, 0)?;
    let none = sys.store(sys.page() + 512, &SigSet::EMPTY);
    assert_eq!(poll_one(sys, reader, 0, none), Err(Errno::EINTR));
    let count = counted(sys)[0];
    assert_ne!(count, 0);
    assert_eq!(mask(sys, SigHow::SIG_BLOCK, &[])?, SigSet::of(&[Signal::SIGALRM]));
    // What is ready is found before a signal is looked for, and the signal waits on.
    sys.rt_sigtimedwait(sys.store(sys.page() + 520, &SigSet::of(&[Signal::SIGALRM])), 0, 0, 8)?;
    tick(sys, 0)?;
    write(sys, writer, b"x")?;
    sys.kill(sys.getpid()?, Signal::SIGALRM)?;
    assert_eq!(poll_one(sys, reader, 0, none)?, 1);
    assert_eq!(counted(sys)[0], count);
    Ok(())
}

fn selecting_under_another_mask(sys: &dyn Sys) -> Outcome {
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGALRM])?;
    ring(sys, SaFlags::empty(), NOTHING, 0)?;
    let none = sys.store(sys.page() + 512, &SigSet::EMPTY);
    let argument = sys.store(sys.page() + 528, &SigSetArgument { addr: none, size: 8 });
    let [reader, _] = pipe(sys, PipeFlags::empty())?;
    let mut set = FdSet::default();
    set.bits[0] = 1 << reader.0;
    let set = sys.store(sys.page() + 1024, &set);
    assert_eq!(sys.pselect6(reader.0 + 1, set, 0, 0, 0, argument), Err(Errno::EINTR));
    assert_ne!(counted(sys)[0], 0);
    tick(sys, 0)?;
    assert_eq!(mask(sys, SigHow::SIG_BLOCK, &[])?, SigSet::of(&[Signal::SIGALRM]));
    // An argument without a mask changes none.
    let zero = sys.store(sys.page() + 64, &Timespec::default());
    sys.store(argument, &SigSetArgument { addr: 0, size: 0 });
    assert_eq!(sys.pselect6(0, 0, 0, 0, zero, argument)?, 0);
    sys.store(argument, &SigSetArgument { addr: none, size: 4 });
    assert_eq!(sys.pselect6(0, 0, 0, 0, zero, argument), Err(Errno::EINVAL));
    assert_eq!(sys.pselect6(0, 0, 0, 0, zero, 8), Err(Errno::EFAULT));
    Ok(())
}

fn a_mask_for_a_poll_is_checked(sys: &dyn Sys) -> Outcome {
    let zero = sys.store(sys.page() + 64, &Timespec::default());
    assert_eq!(sys.ppoll(0, 0, zero, sys.page(), 4), Err(Errno::EINVAL));
    assert_eq!(sys.ppoll(0, 0, zero, 8, 8), Err(Errno::EFAULT));
    assert_eq!(sys.ppoll(0, 0, zero, 0, 4)?, 0);
    Ok(())
}

fn a_signal_before_the_wait_is_not_lost(sys: &dyn Sys) -> Outcome {
    // The child waits for a signal that its parent sends whenever it likes: with the mask of the wait, never too early.
    let child = |sys: &dyn Sys, _| {
        let none = sys.store(sys.page() + 512, &SigSet::EMPTY);
        i32::from(sys.ppoll(0, 0, 0, none, 8) != Err(Errno::EINTR))
    };
    act(sys, Signal::SIGUSR1, action(sys, rings, SaFlags::empty(), SigSet::EMPTY))?;
    mask(sys, SigHow::SIG_BLOCK, &[Signal::SIGUSR1])?;
    for _ in 0..10 {
        let pid = sys.fork_with(child, 0)?;
        sys.kill(pid, Signal::SIGUSR1)?;
        assert_eq!(wait(sys, pid)?, status_exited(0));
    }
    Ok(())
}

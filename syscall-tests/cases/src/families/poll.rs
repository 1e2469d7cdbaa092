//! Waiting for descriptors, and the counter that is made to be waited for.

use alloc::vec;
use alloc::vec::Vec;

use kernel_abi::flags::{
    EventfdFlags, FcntlCommand, OpenFlags, PipeFlags, PollEvents, ProtFlags, Resource, WaitOptions,
};
use kernel_abi::structs::{FdSet, PollFd, Rlimit, Timespec, Timeval, status_exited, status_stopped};
use kernel_abi::{Calls, Errno, Fd, Result, Signal, Sys};

use super::Outcome;
use super::file::{create, descriptor, open, read, write};
use super::pipe::pipe;
use super::process::{ended, in_child, wait};
use super::time::now;

cases! { "poll":
    what_is_ready_is_told_at_once, a_pipe_is_ready_by_turns, a_hang_up_is_told_unasked, a_broken_pipe_is_an_error,
    what_is_not_open_is_told_and_counted, a_negative_descriptor_is_skipped, a_poll_times_out, a_poll_wakes_when_a_child_writes,
    what_a_poll_refuses, a_file_is_always_ready, a_select_tells_three_sets, a_select_keeps_to_its_count,
    what_a_select_refuses, a_select_times_out_and_empties_its_sets, a_select_wakes_when_a_child_closes,
    a_counter_adds_up, a_semaphore_gives_one, a_counter_has_a_top, what_a_counter_refuses, a_counter_is_polled,
    a_counter_wakes_its_reader, a_counter_has_its_flags,
    a_place_is_selected_and_not_polled, a_wait_whose_rest_cannot_be_told_is_not_repeated,
}

const IN: u16 = PollEvents::POLLIN.bits();
const OUT: u16 = PollEvents::POLLOUT.bits();
const LIST: usize = 0x1000;
const SETS: usize = 0x2000;

/// ppoll(2) with a timeout; the events found.
fn ready(sys: &dyn Sys, wishes: &[(Fd, u16)], timeout_ns: u64) -> Result<(usize, Vec<u16>)> {
    let list = sys.page() + LIST;
    for (i, &(fd, events)) in wishes.iter().enumerate() {
        sys.store(list + 8 * i, &PollFd { fd: fd.0, events, revents: 0xffff });
    }
    let timeout = sys.store(sys.page() + 64, &Timespec::from_ns(timeout_ns));
    let count = sys.ppoll(list, wishes.len(), timeout, 0, 8)?;
    let found = (0..wishes.len()).map(|i| sys.load::<PollFd>(list + 8 * i).revents).collect();
    Ok((count, found))
}

fn what_is_ready_is_told_at_once(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(ready(sys, &[(reader, IN), (writer, OUT)], 1_000_000_000_000)?, (1, vec![0, OUT]));
    write(sys, writer, b"x")?;
    assert_eq!(ready(sys, &[(reader, IN), (writer, OUT)], 0)?, (2, vec![IN, OUT]));
    assert_eq!(ready(sys, &[(reader, 0), (writer, IN)], 0)?, (0, vec![0, 0]));
    // The same descriptor twice is two entries.
    assert_eq!(ready(sys, &[(reader, IN), (reader, IN)], 0)?, (2, vec![IN, IN]));
    let normal = PollEvents::POLLRDNORM.bits();
    assert_eq!(ready(sys, &[(reader, IN | normal)], 0)?, (1, vec![IN | normal]));
    Ok(())
}

fn a_pipe_is_ready_by_turns(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    while sys.write(writer, sys.page(), 4096).is_ok() {}
    assert_eq!(ready(sys, &[(writer, OUT)], 0)?, (0, vec![0]));
    read(sys, reader, 100)?;
    // A page must be empty before there is room.
    assert_eq!(ready(sys, &[(writer, OUT)], 0)?, (0, vec![0]));
    read(sys, reader, 4096)?;
    assert_eq!(ready(sys, &[(writer, OUT)], 0)?, (1, vec![OUT]));
    Ok(())
}

fn a_hang_up_is_told_unasked(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    write(sys, writer, b"x")?;
    sys.close(writer)?;
    let hup = PollEvents::POLLHUP.bits();
    assert_eq!(ready(sys, &[(reader, IN)], 0)?, (1, vec![IN | hup]));
    assert_eq!(ready(sys, &[(reader, 0)], 0)?, (1, vec![hup]));
    read(sys, reader, 1)?;
    assert_eq!(ready(sys, &[(reader, IN)], 0)?, (1, vec![hup]));
    Ok(())
}

fn a_broken_pipe_is_an_error(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    sys.close(reader)?;
    assert_eq!(ready(sys, &[(writer, OUT)], 0)?, (1, vec![OUT | PollEvents::POLLERR.bits()]));
    assert_eq!(ready(sys, &[(writer, 0)], 0)?, (1, vec![PollEvents::POLLERR.bits()]));
    Ok(())
}

fn what_is_not_open_is_told_and_counted(sys: &dyn Sys) -> Outcome {
    let nval = PollEvents::POLLNVAL.bits();
    assert_eq!(ready(sys, &[(Fd(77), IN), (Fd(78), 0)], 1_000_000_000_000)?, (2, vec![nval, nval]));
    Ok(())
}

fn a_negative_descriptor_is_skipped(sys: &dyn Sys) -> Outcome {
    let [_, writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(ready(sys, &[(Fd(-1), IN), (writer, OUT), (Fd(i32::MIN), OUT)], 0)?, (1, vec![0, OUT, 0]));
    Ok(())
}

fn a_poll_times_out(sys: &dyn Sys) -> Outcome {
    let [reader, _] = pipe(sys, PipeFlags::empty())?;
    let before = now(sys)?;
    assert_eq!(ready(sys, &[(reader, IN)], 3_000_000)?, (0, vec![0]));
    assert!(now(sys)? >= before + 3_000_000);
    // What is left is told: nothing.
    assert_eq!(sys.load::<Timespec>(sys.page() + 64), Timespec::default());
    let before = now(sys)?;
    assert_eq!(sys.poll(0, 0, 3), Ok(0));
    assert!(now(sys)? >= before + 3_000_000);
    Ok(())
}

fn writes_later(sys: &dyn Sys, writer: usize) -> i32 {
    let moment = sys.store(sys.page() + 64, &Timespec::from_ns(2_000_000));
    let _ = sys.nanosleep(moment, 0);
    i32::from(sys.write(writer, sys.page(), 1) != Ok(1))
}

fn a_poll_wakes_when_a_child_writes(sys: &dyn Sys) -> Outcome {
    let [quiet, _] = pipe(sys, PipeFlags::empty())?;
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    let pid = sys.fork_with(writes_later, writer.0 as usize)?;
    assert_eq!(ready(sys, &[(quiet, IN), (reader, IN)], 1_000_000_000_000)?, (1, vec![0, IN]));
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn what_a_poll_refuses(sys: &dyn Sys) -> Outcome {
    let bad = sys.store(sys.page() + 64, &Timespec { tv_sec: 0, tv_nsec: 1_000_000_000 });
    assert_eq!(sys.ppoll(0, 0, bad, 0, 8), Err(Errno::EINVAL));
    assert_eq!(sys.ppoll(0, 0, 8, 0, 8), Err(Errno::EFAULT));
    let zero = sys.store(sys.page() + 64, &Timespec::default());
    assert_eq!(sys.ppoll(8, 1, zero, 0, 8), Err(Errno::EFAULT));
    // No more than there may be descriptors.
    sys.getrlimit(Resource::RLIMIT_NOFILE, sys.page())?;
    let limit = Rlimit { rlim_cur: 4, ..sys.load(sys.page()) };
    sys.setrlimit(Resource::RLIMIT_NOFILE, sys.store(sys.page(), &limit))?;
    for fd in 0..5 {
        sys.store(sys.page() + LIST + 8 * fd, &PollFd { fd: -1, events: 0, revents: 0 });
    }
    assert_eq!(sys.ppoll(sys.page() + LIST, 5, zero, 0, 8), Err(Errno::EINVAL));
    assert_eq!(sys.ppoll(sys.page() + LIST, 4, zero, 0, 8)?, 0);
    Ok(())
}

fn a_file_is_always_ready(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    assert_eq!(ready(sys, &[(file, IN | OUT)], 0)?, (1, vec![IN | OUT]));
    Ok(())
}

fn set(sys: &dyn Sys, number: usize, files: &[Fd]) -> usize {
    let mut set = FdSet::default();
    for file in files {
        set.bits[file.0 as usize / 64] |= 1 << (file.0 % 64);
    }
    sys.store(sys.page() + SETS + 256 * number, &set)
}

/// The first 64 descriptors of a set.
fn members(sys: &dyn Sys, number: usize) -> u64 {
    sys.load::<FdSet>(sys.page() + SETS + 256 * number).bits[0]
}

fn select(sys: &dyn Sys, count: i32, sets: [usize; 3], timeout_ns: u64) -> Result {
    let timeout = sys.store(sys.page() + 64, &Timespec::from_ns(timeout_ns));
    sys.pselect6(count, sets[0], sets[1], sets[2], timeout, 0)
}

fn a_select_tells_three_sets(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    let both = [reader, writer];
    let sets = [set(sys, 0, &[reader]), set(sys, 1, &[writer]), set(sys, 2, &both)];
    assert_eq!(select(sys, 5, sets, 0)?, 1);
    assert_eq!([0, 1, 2].map(|number| members(sys, number)), [0, 1 << writer.0, 0]);
    write(sys, writer, b"x")?;
    let sets = [set(sys, 0, &[reader]), set(sys, 1, &[writer]), 0];
    assert_eq!(select(sys, 5, sets, 0)?, 2);
    assert_eq!([0, 1].map(|number| members(sys, number)), [1 << reader.0, 1 << writer.0]);
    // The end of a pipe is something to read.
    read(sys, reader, 1)?;
    sys.close(writer)?;
    assert_eq!(select(sys, 5, [set(sys, 0, &[reader]), 0, 0], 0)?, 1);
    Ok(())
}

fn a_select_keeps_to_its_count(sys: &dyn Sys) -> Outcome {
    let [_, writer] = pipe(sys, PipeFlags::empty())?;
    let sets = [0, set(sys, 1, &[writer, Fd(60)]), 0];
    // What is not below the count is not looked at, open or not.
    assert_eq!(select(sys, writer.0, sets, 0)?, 0);
    assert_eq!(select(sys, writer.0 + 1, [0, set(sys, 1, &[writer, Fd(60)]), 0], 0)?, 1);
    assert_eq!(select(sys, 61, [0, set(sys, 1, &[writer, Fd(60)]), 0], 0), Err(Errno::EBADF));
    // A count may be larger than any descriptor.
    assert_eq!(select(sys, 1024, [0, set(sys, 1, &[writer]), 0], 0)?, 1);
    Ok(())
}

fn what_a_select_refuses(sys: &dyn Sys) -> Outcome {
    assert_eq!(select(sys, -1, [0; 3], 0), Err(Errno::EINVAL));
    assert_eq!(select(sys, 1, [8, 0, 0], 0), Err(Errno::EFAULT));
    assert_eq!(sys.pselect6(0, 0, 0, 0, 8, 0), Err(Errno::EFAULT));
    let bad = sys.store(sys.page() + 64, &Timespec { tv_sec: -1, tv_nsec: 0 });
    assert_eq!(sys.pselect6(0, 0, 0, 0, bad, 0), Err(Errno::EINVAL));
    let negative = sys.store(sys.page() + 64, &Timeval { tv_sec: -1, tv_usec: 0 });
    match sys.select(0, 0, 0, 0, negative) {
        Err(Errno::ENOSYS) => return Ok(()),
        refused => assert_eq!(refused, Err(Errno::EINVAL)),
    }
    // Microseconds may be more than a million.
    let zero = sys.store(sys.page() + 64, &Timeval { tv_sec: 0, tv_usec: 1_000_000 });
    let [_, writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(sys.select(5, 0, set(sys, 1, &[writer]), 0, zero)?, 1);
    assert_eq!(sys.select(0, 0, 0, 0, 8), Err(Errno::EFAULT));
    Ok(())
}

fn a_select_times_out_and_empties_its_sets(sys: &dyn Sys) -> Outcome {
    let [reader, _] = pipe(sys, PipeFlags::empty())?;
    let before = now(sys)?;
    assert_eq!(select(sys, 5, [set(sys, 0, &[reader]), 0, 0], 3_000_000)?, 0);
    assert!(now(sys)? >= before + 3_000_000);
    assert_eq!(members(sys, 0), 0);
    assert_eq!(sys.load::<Timespec>(sys.page() + 64), Timespec::default());
    Ok(())
}

fn a_select_wakes_when_a_child_closes(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    let child = |sys: &dyn Sys, _| {
        let moment = sys.store(sys.page() + 64, &Timespec::from_ns(2_000_000));
        i32::from(sys.nanosleep(moment, 0).is_err())
    };
    let pid = sys.fork_with(child, 0)?;
    sys.close(writer)?;
    assert_eq!(sys.pselect6(5, set(sys, 0, &[reader]), 0, 0, 0, 0)?, 1);
    assert_eq!(read(sys, reader, 1)?, b"");
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn counter(sys: &dyn Sys, count: u32, flags: EventfdFlags) -> Result<Fd> {
    sys.eventfd2(count, flags | EventfdFlags::EFD_NONBLOCK).map(descriptor)
}

fn add(sys: &dyn Sys, file: Fd, count: u64) -> Result {
    sys.write(file, sys.store(sys.page() + 128, &count), 8)
}

fn take(sys: &dyn Sys, file: Fd) -> Result<u64> {
    assert_eq!(sys.read(file, sys.page() + 128, 100)?, 8);
    Ok(sys.load(sys.page() + 128))
}

fn a_counter_adds_up(sys: &dyn Sys) -> Outcome {
    let file = counter(sys, 3, EventfdFlags::empty())?;
    assert_eq!(add(sys, file, 4)?, 8);
    assert_eq!(take(sys, file)?, 7);
    assert_eq!(take(sys, file), Err(Errno::EAGAIN));
    add(sys, file, 0)?;
    assert_eq!(take(sys, file), Err(Errno::EAGAIN));
    Ok(())
}

fn a_semaphore_gives_one(sys: &dyn Sys) -> Outcome {
    let file = counter(sys, 2, EventfdFlags::EFD_SEMAPHORE)?;
    assert_eq!([take(sys, file)?, take(sys, file)?], [1, 1]);
    assert_eq!(take(sys, file), Err(Errno::EAGAIN));
    Ok(())
}

fn a_counter_has_a_top(sys: &dyn Sys) -> Outcome {
    let file = counter(sys, 1, EventfdFlags::empty())?;
    assert_eq!(add(sys, file, u64::MAX), Err(Errno::EINVAL));
    assert_eq!(add(sys, file, u64::MAX - 1), Err(Errno::EAGAIN));
    add(sys, file, u64::MAX - 2)?;
    assert_eq!(ready(sys, &[(file, IN | OUT)], 0)?, (1, vec![IN]));
    assert_eq!(add(sys, file, 1), Err(Errno::EAGAIN));
    assert_eq!(take(sys, file)?, u64::MAX - 1);
    Ok(())
}

fn what_a_counter_refuses(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.eventfd2(0, EventfdFlags::from_bits_retain(2)), Err(Errno::EINVAL));
    let file = counter(sys, 1, EventfdFlags::empty())?;
    assert_eq!(sys.read(file, sys.page(), 7), Err(Errno::EINVAL));
    assert_eq!(sys.write(file, sys.page(), 7), Err(Errno::EINVAL));
    assert_eq!(sys.write(file, 8, 8), Err(Errno::EFAULT));
    assert_eq!(sys.read(file, 8, 8), Err(Errno::EFAULT));
    assert_eq!(sys.lseek(file, 0, kernel_abi::flags::Whence::SEEK_SET).unwrap_or(0), 0);
    Ok(())
}

fn a_counter_is_polled(sys: &dyn Sys) -> Outcome {
    let file = counter(sys, 0, EventfdFlags::empty())?;
    assert_eq!(ready(sys, &[(file, IN | OUT)], 0)?, (1, vec![OUT]));
    add(sys, file, 1)?;
    assert_eq!(ready(sys, &[(file, IN | OUT)], 0)?, (1, vec![IN | OUT]));
    Ok(())
}

fn a_counter_wakes_its_reader(sys: &dyn Sys) -> Outcome {
    let file = sys.eventfd2(0, EventfdFlags::empty()).map(descriptor)?;
    let child = |sys: &dyn Sys, file: usize| {
        let file = Fd(file as i32);
        i32::from(add(sys, file, 5).is_err())
    };
    let pid = sys.fork_with(child, file.0 as usize)?;
    assert_eq!(take(sys, file)?, 5);
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn a_counter_has_its_flags(sys: &dyn Sys) -> Outcome {
    let file = sys.eventfd2(0, EventfdFlags::EFD_CLOEXEC | EventfdFlags::EFD_NONBLOCK).map(descriptor)?;
    assert_eq!(sys.fcntl(file, FcntlCommand::F_GETFD, 0)?, 1);
    assert_eq!(sys.fcntl(file, FcntlCommand::F_GETFL, 0)?, (OpenFlags::O_RDWR | OpenFlags::O_NONBLOCK).bits() as usize);
    let other = descriptor(sys.eventfd(3)?);
    assert_eq!(sys.fcntl(other, FcntlCommand::F_GETFL, 0)?, OpenFlags::O_RDWR.bits() as usize);
    assert_eq!(take(sys, other)?, 3);
    // It outlives whoever made it, in a child.
    in_child(sys, |sys, file| ended(add(sys, Fd(file as i32), 2).map(|_| ()).map_err(Into::into)), file.0 as usize)?;
    assert_eq!(take(sys, file)?, 2);
    Ok(())
}

/// Stopped and continued, a wait goes on with what is left of its time, which is told in memory; or ends, where it cannot be.
fn a_wait_whose_rest_cannot_be_told_is_not_repeated(sys: &dyn Sys) -> Outcome {
    let at = super::memory::map(sys, super::memory::PAGE, super::memory::PRIVATE)?;
    sys.store(at, &Timespec::from_ns(1_000_000_000_000_000));
    sys.mprotect(at, super::memory::PAGE, ProtFlags::PROT_READ)?;
    let child = |sys: &dyn Sys, at| match sys.ppoll(0, 0, at, 0, 8) {
        Err(Errno::EINTR) => 7,
        _ => 1,
    };
    let pid = sys.fork_with(child, at)?;
    let (waits, stopped) = (sys.page() + 64, WaitOptions::WUNTRACED);
    // It may not have come to its wait the first time.
    loop {
        sys.kill(pid, Signal::SIGSTOP)?;
        sys.wait4(pid, waits, stopped, 0)?;
        if sys.load::<i32>(waits) == status_exited(7) {
            return Ok(());
        }
        assert_eq!(sys.load::<i32>(waits), status_stopped(Signal::SIGSTOP.number()));
        sys.kill(pid, Signal::SIGCONT)?;
        sys.nanosleep(sys.store(sys.page(), &Timespec::from_ns(3_000_000)), 0)?;
    }
}

fn a_place_is_selected_and_not_polled(sys: &dyn Sys) -> Outcome {
    let place = open(sys, ".", OpenFlags::O_PATH)?;
    let set = FdSet { bits: core::array::from_fn(|word| u64::from(word == 0) << place.0) };
    let [read, write, except] = [0, 1, 2].map(|nth| sys.store(sys.page() + SETS + nth * 0x200, &set));
    let timeout = sys.store(sys.page() + 64, &Timespec::from_ns(1_000_000_000_000));
    assert_eq!(sys.pselect6(place.0 + 1, read, write, except, timeout, 0)?, 3);
    assert!([read, write, except].iter().all(|at| sys.load::<u64>(*at) == 1 << place.0));
    assert_eq!(ready(sys, &[(place, IN)], 1_000_000_000_000)?, (1, vec![PollEvents::POLLNVAL.bits()]));
    Ok(())
}

//! Sets of files of which some may be ready.

use alloc::vec::Vec;

use kernel_abi::flags::{EpollEvents, EpollFlags, EpollOp, EventfdFlags, OpenFlags};
use kernel_abi::structs::{EpollEvent, Timespec, status_exited};
use kernel_abi::{Calls, Errno, Fd, Result, Sys};

use super::Outcome;
use super::file::{create, descriptor, read, write};
use super::process::wait;

cases! { "epoll":
    a_level_is_reported_until_it_is_gone, an_edge_is_reported_once, one_shot_is_reported_once_and_armed_again,
    what_a_set_refuses, a_closed_file_leaves_its_set, a_duplicate_keeps_a_file_in_its_set, a_set_in_a_set,
    a_child_ends_the_wait, more_than_asked_for_comes_later, nothing_comes_in_time,
}

const IN: u32 = EpollEvents::EPOLLIN.bits();

fn set(sys: &dyn Sys) -> Result<Fd> {
    sys.epoll_create1(EpollFlags::empty()).map(descriptor)
}

fn counter(sys: &dyn Sys) -> Result<Fd> {
    sys.eventfd2(0, EventfdFlags::EFD_NONBLOCK).map(descriptor)
}

fn control(sys: &dyn Sys, set: Fd, op: EpollOp, file: Fd, events: u32, data: u64) -> Result {
    let at = sys.page() + 0x7000;
    sys.poke(at, &EpollEvent { events, data }.encode(sys.arch()));
    sys.epoll_ctl(set, op, file, at)
}

fn add(sys: &dyn Sys, set: Fd, file: Fd, events: u32, data: u64) -> Result {
    control(sys, set, EpollOp::EPOLL_CTL_ADD, file, events, data)
}

/// Waits for at most `count_max` events; gives their data.
fn events(sys: &dyn Sys, set: Fd, count_max: usize, timeout_ms: i32) -> Result<Vec<(u32, u64)>> {
    let (at, size) = (sys.page() + 0x7100, EpollEvent::size(sys.arch()));
    let count = sys.epoll_pwait(set, at, count_max, timeout_ms, 0, 0)?;
    let one = |i| EpollEvent::decode(sys.arch(), &sys.bytes(at + i * size, size)).expect("its size");
    Ok((0..count).map(one).map(|event| (event.events, event.data)).collect())
}

fn add_one(sys: &dyn Sys, counter: Fd) -> Result {
    write(sys, counter, &1_u64.to_ne_bytes())
}

fn a_level_is_reported_until_it_is_gone(sys: &dyn Sys) -> Outcome {
    let (set, file) = (set(sys)?, counter(sys)?);
    add(sys, set, file, IN, 0x1234_5678_9abc_def0)?;
    assert_eq!(events(sys, set, 4, 0)?, []);
    add_one(sys, file)?;
    for _ in 0..2 {
        assert_eq!(events(sys, set, 4, -1)?, [(IN, 0x1234_5678_9abc_def0)]);
    }
    read(sys, file, 8)?;
    assert_eq!(events(sys, set, 4, 0)?, []);
    control(sys, set, EpollOp::EPOLL_CTL_MOD, file, EpollEvents::EPOLLOUT.bits() | IN, 5)?;
    assert_eq!(events(sys, set, 4, 0)?, [(EpollEvents::EPOLLOUT.bits(), 5)]);
    Ok(())
}

fn an_edge_is_reported_once(sys: &dyn Sys) -> Outcome {
    let (set, file) = (set(sys)?, counter(sys)?);
    add(sys, set, file, IN | EpollEvents::EPOLLET.bits(), 1)?;
    add_one(sys, file)?;
    assert_eq!(events(sys, set, 4, 0)?, [(IN, 1)]);
    assert_eq!(events(sys, set, 4, 0)?, []);
    // Still readable, and more of it.
    add_one(sys, file)?;
    assert_eq!(events(sys, set, 4, 0)?, [(IN, 1)]);
    read(sys, file, 8)?;
    add_one(sys, file)?;
    assert_eq!(events(sys, set, 4, 0)?, [(IN, 1)]);
    Ok(())
}

fn one_shot_is_reported_once_and_armed_again(sys: &dyn Sys) -> Outcome {
    let (set, file) = (set(sys)?, counter(sys)?);
    let wish = IN | EpollEvents::EPOLLONESHOT.bits();
    add(sys, set, file, wish, 1)?;
    add_one(sys, file)?;
    assert_eq!(events(sys, set, 4, 0)?, [(IN, 1)]);
    add_one(sys, file)?;
    assert_eq!(events(sys, set, 4, 0)?, []);
    control(sys, set, EpollOp::EPOLL_CTL_MOD, file, wish, 2)?;
    assert_eq!(events(sys, set, 4, 0)?, [(IN, 2)]);
    Ok(())
}

fn what_a_set_refuses(sys: &dyn Sys) -> Outcome {
    let (set, file, regular) = (set(sys)?, counter(sys)?, create(sys, "file")?);
    assert_eq!(sys.epoll_create1(EpollFlags::from_bits_retain(1)), Err(Errno::EINVAL));
    assert_eq!(add(sys, set, regular, IN, 0), Err(Errno::EPERM));
    assert_eq!(add(sys, set, set, IN, 0), Err(Errno::EINVAL));
    assert_eq!(add(sys, set, Fd(99), IN, 0), Err(Errno::EBADF));
    assert_eq!(add(sys, file, file, IN, 0), Err(Errno::EINVAL));
    assert_eq!(control(sys, set, EpollOp::EPOLL_CTL_MOD, file, IN, 0), Err(Errno::ENOENT));
    assert_eq!(control(sys, set, EpollOp::EPOLL_CTL_DEL, file, IN, 0), Err(Errno::ENOENT));
    add(sys, set, file, IN, 0)?;
    assert_eq!(add(sys, set, file, IN, 0), Err(Errno::EEXIST));
    assert_eq!(control(sys, set, EpollOp(9), file, IN, 0), Err(Errno::EINVAL));
    assert_eq!(sys.epoll_ctl(set, EpollOp::EPOLL_CTL_ADD, file, 8), Err(Errno::EFAULT));
    assert_eq!(events(sys, set, 0, 0), Err(Errno::EINVAL));
    assert_eq!(events(sys, file, 1, 0), Err(Errno::EINVAL));
    assert_eq!(read(sys, set, 8), Err(Errno::EINVAL));
    sys.epoll_ctl(set, EpollOp::EPOLL_CTL_DEL, file, 0)?;
    add(sys, set, file, IN, 0)?;
    Ok(())
}

fn a_closed_file_leaves_its_set(sys: &dyn Sys) -> Outcome {
    let (set, file) = (set(sys)?, counter(sys)?);
    add_one(sys, file)?;
    add(sys, set, file, IN, 1)?;
    sys.close(file)?;
    assert_eq!(events(sys, set, 4, 0)?, []);
    let other = counter(sys)?;
    assert_eq!(other, file);
    add(sys, set, other, IN, 2)?;
    assert_eq!(events(sys, set, 4, 0)?, []);
    Ok(())
}

fn a_duplicate_keeps_a_file_in_its_set(sys: &dyn Sys) -> Outcome {
    let (set, file) = (set(sys)?, counter(sys)?);
    add(sys, set, file, IN, 1)?;
    let duplicate = descriptor(sys.dup(file)?);
    add(sys, set, duplicate, IN, 2)?;
    sys.close(file)?;
    add_one(sys, duplicate)?;
    let mut found = events(sys, set, 4, 0)?;
    found.sort_unstable();
    assert_eq!(found, [(IN, 1), (IN, 2)]);
    Ok(())
}

fn a_set_in_a_set(sys: &dyn Sys) -> Outcome {
    let (outer, inner, file) = (set(sys)?, set(sys)?, counter(sys)?);
    add(sys, outer, inner, IN, 1)?;
    add(sys, inner, file, IN, 2)?;
    assert_eq!(add(sys, inner, outer, IN, 3), Err(Errno::ELOOP));
    assert_eq!(events(sys, outer, 4, 0)?, []);
    add_one(sys, file)?;
    assert_eq!(events(sys, outer, 4, 0)?, [(IN, 1)]);
    assert_eq!(events(sys, inner, 4, 0)?, [(IN, 2)]);
    read(sys, file, 8)?;
    assert_eq!(events(sys, outer, 4, 0)?, []);
    Ok(())
}

fn a_child_ends_the_wait(sys: &dyn Sys) -> Outcome {
    let set = set(sys)?;
    sys.pipe2(sys.page(), OpenFlags::empty())?;
    let (reader, writer) = (Fd(sys.load(sys.page())), Fd(sys.load(sys.page() + 4)));
    add(sys, set, reader, IN | EpollEvents::EPOLLET.bits(), 7)?;
    let pid =
        sys.fork_with(|sys, writer| i32::from(write(sys, Fd(writer as i32), b"x").is_err()), writer.0 as usize)?;
    sys.close(writer)?;
    let mut first = events(sys, set, 4, -1)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    if first == [(IN, 7)] {
        first = events(sys, set, 4, -1)?;
    }
    assert_eq!(first, [(IN | EpollEvents::EPOLLHUP.bits(), 7)]);
    Ok(())
}

fn more_than_asked_for_comes_later(sys: &dyn Sys) -> Outcome {
    let set = set(sys)?;
    for data in 0..3 {
        let file = counter(sys)?;
        add_one(sys, file)?;
        add(sys, set, file, IN, data)?;
    }
    let mut seen: Vec<u64> = Vec::new();
    for _ in 0..2 {
        seen.extend(events(sys, set, 2, 0)?.iter().map(|event| event.1));
    }
    // The list goes round: who was not served comes first.
    assert_eq!((seen.len(), [0, 1, 2].map(|data| seen.contains(&data))), (4, [true; 3]));
    Ok(())
}

fn nothing_comes_in_time(sys: &dyn Sys) -> Outcome {
    let set = set(sys)?;
    assert_eq!(events(sys, set, 1, 1)?, []);
    let span = sys.store(sys.page(), &Timespec::from_ns(1000));
    assert_eq!(sys.epoll_pwait2(set, sys.page() + 64, 1, span, 0, 0)?, 0);
    sys.store(sys.page(), &Timespec { tv_sec: 0, tv_nsec: -1 });
    assert_eq!(sys.epoll_pwait2(set, sys.page() + 64, 1, span, 0, 0), Err(Errno::EINVAL));
    Ok(())
}

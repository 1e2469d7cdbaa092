//! What a child has of its parent's files: offsets, flags, locks; and two who use one file.

use alloc::vec;

use kernel_abi::flags::{
    CloseRangeFlags, F_RDLCK, F_UNLCK, F_WRLCK, FcntlCommand, FdFlags, FlockOperation, OpenFlags, PipeFlags, Whence,
};
use kernel_abi::structs::{Flock, Iovec, status_exited};
use kernel_abi::{Calls, Errno, Fd, Result, Sys};

use super::Outcome;
use super::file::{create, descriptor, open, read, write};
use super::pipe::pipe;
use super::process::{in_child, wait};

cases! { "share":
    a_child_moves_its_parents_offset, a_file_opened_twice_has_two_offsets, status_flags_are_shared_with_a_child,
    a_close_is_ones_own, a_descriptor_of_a_child_is_its_own, two_who_append_lose_nothing, appending_ignores_a_place,
    appending_begins_when_it_is_asked_for, an_append_flag_of_one_call, a_listing_is_shared_with_a_child,
    a_range_is_closed_for_oneself, a_shared_lock_is_inherited, a_childs_unlock_is_everybodys,
    a_lock_ends_with_the_last_copy, a_lock_is_not_upgraded_past_others, a_record_ends_with_its_process,
    a_record_of_ones_own_is_no_obstacle, records_join_and_split, a_record_to_the_end_grows_with_the_file,
    a_record_before_the_place, whole_files_and_records_do_not_meet, a_record_through_another_descriptor_is_the_same,
    records_of_an_open_file_are_shared_with_a_child, what_a_lock_of_an_open_file_refuses, reads_of_two_share_a_pipe,
    the_end_is_where_somebody_else_put_it, a_write_of_two_vectors_is_one,
}

fn place(sys: &dyn Sys, file: Fd) -> Result {
    sys.lseek(file, 0, Whence::SEEK_CUR)
}

fn fds(first: Fd, second: Fd) -> usize {
    first.0 as usize | (second.0 as usize) << 8
}

fn both(arg: usize) -> [Fd; 2] {
    [Fd((arg & 0xff) as i32), Fd((arg >> 8) as i32)]
}

fn a_child_moves_its_parents_offset(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"0123456789")?;
    sys.lseek(file, 2, Whence::SEEK_SET)?;
    let child = |sys: &dyn Sys, file| {
        let file = Fd(file as i32);
        i32::from(read(sys, file, 3).as_deref() != Ok(b"234") || write(sys, file, b"xy") != Ok(2))
    };
    in_child(sys, child, file.0 as usize)?;
    assert_eq!(place(sys, file)?, 7);
    assert_eq!(read(sys, file, 9)?, b"789");
    sys.lseek(file, 4, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 4)?, b"4xy7");
    Ok(())
}

fn a_file_opened_twice_has_two_offsets(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"0123456789")?;
    let child = |sys: &dyn Sys, _| {
        let read = open(sys, "file", OpenFlags::O_RDONLY).and_then(|file| read(sys, file, 4));
        i32::from(read.as_deref() != Ok(b"0123"))
    };
    in_child(sys, child, 0)?;
    assert_eq!(place(sys, file)?, 10);
    Ok(())
}

fn status_flags_are_shared_with_a_child(sys: &dyn Sys) -> Outcome {
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    let child = |sys: &dyn Sys, reader| {
        let reader = Fd(reader as i32);
        let shared = sys.fcntl(reader, FcntlCommand::F_SETFL, OpenFlags::O_NONBLOCK);
        let own = sys.fcntl(reader, FcntlCommand::F_SETFD, FdFlags::FD_CLOEXEC.bits() as usize);
        i32::from(shared.is_err() || own.is_err())
    };
    in_child(sys, child, reader.0 as usize)?;
    assert_eq!(read(sys, reader, 1), Err(Errno::EAGAIN));
    assert_eq!(sys.fcntl(reader, FcntlCommand::F_GETFD, 0)?, 0);
    Ok(())
}

fn a_close_is_ones_own(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let child = |sys: &dyn Sys, file| i32::from(sys.close(Fd(file as i32)).is_err());
    in_child(sys, child, file.0 as usize)?;
    assert_eq!(write(sys, file, b"open")?, 4);
    Ok(())
}

fn a_descriptor_of_a_child_is_its_own(sys: &dyn Sys) -> Outcome {
    let first = create(sys, "file")?;
    let child = |sys: &dyn Sys, next| i32::from(create(sys, "other") != Ok(Fd(next as i32)));
    in_child(sys, child, first.0 as usize + 1)?;
    assert_eq!(sys.close(Fd(first.0 + 1)), Err(Errno::EBADF));
    Ok(())
}

fn two_who_append_lose_nothing(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let child = |sys: &dyn Sys, letter| {
        let Ok(file) = open(sys, "file", OpenFlags::O_WRONLY | OpenFlags::O_APPEND) else { return 1 };
        let line = vec![letter as u8; 100];
        i32::from((0..30).any(|_| write(sys, file, &line) != Ok(100)))
    };
    let pids = [sys.fork_with(child, usize::from(b'a'))?, sys.fork_with(child, usize::from(b'b'))?];
    for pid in pids {
        assert_eq!(wait(sys, pid)?, status_exited(0));
    }
    let all = read(sys, open(sys, "file", OpenFlags::O_RDONLY)?, 7000)?;
    assert_eq!(all.iter().filter(|byte| **byte == b'a').count(), 3000);
    assert!(all.len() == 6000 && all.chunks(100).all(|line| line.iter().all(|byte| *byte == line[0])));
    Ok(())
}

/// "BUGS: ... on Linux, if a file is opened with O_APPEND, pwrite() appends data", pwrite(2).
fn appending_ignores_a_place(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let file = open(sys, "file", OpenFlags::O_RDWR | OpenFlags::O_APPEND)?;
    write(sys, file, b"abc")?;
    sys.poke(sys.page(), b"xy");
    assert_eq!(sys.pwrite64(file, sys.page(), 2, 0)?, 2);
    let list = sys.store(sys.page() + 64, &Iovec { iov_base: sys.page(), iov_len: 1 });
    assert_eq!(sys.pwritev(file, list, 1, 0, 0)?, 1);
    // Where it wrote is not where it is.
    assert_eq!(place(sys, file)?, 3);
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 10)?, b"abcxyx");
    Ok(())
}

fn appending_begins_when_it_is_asked_for(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"abc")?;
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    sys.fcntl(file, FcntlCommand::F_SETFL, OpenFlags::O_APPEND)?;
    write(sys, file, b"d")?;
    assert_eq!(place(sys, file)?, 4);
    sys.fcntl(file, FcntlCommand::F_SETFL, 0)?;
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    write(sys, file, b"A")?;
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 10)?, b"Abcd");
    Ok(())
}

fn an_append_flag_of_one_call(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"abc")?;
    sys.poke(sys.page(), b"x");
    let list = sys.store(sys.page() + 64, &Iovec { iov_base: sys.page(), iov_len: 1 });
    let append = kernel_abi::flags::RwFlags::RWF_APPEND;
    assert_eq!(sys.pwritev2(file, list, 1, 0, 0, append)?, 1);
    assert_eq!(place(sys, file)?, 3);
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(sys.pwritev2(file, list, 1, -1_i64, 0, append)?, 1);
    assert_eq!(place(sys, file)?, 5);
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(read(sys, file, 10)?, b"abcxx");
    Ok(())
}

fn a_listing_is_shared_with_a_child(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let directory = open(sys, ".", OpenFlags::O_RDONLY)?;
    let child = |sys: &dyn Sys, directory| {
        let listed = sys.getdents64(Fd(directory as i32), sys.page() + 0x2000, 4096);
        i32::from(!matches!(listed, Ok(1..)))
    };
    in_child(sys, child, directory.0 as usize)?;
    assert_eq!(sys.getdents64(directory, sys.page() + 0x2000, 4096)?, 0);
    Ok(())
}

fn a_range_is_closed_for_oneself(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let child = |sys: &dyn Sys, file| {
        let closed = sys.close_range(file, u32::MAX, CloseRangeFlags::CLOSE_RANGE_UNSHARE);
        i32::from(closed.is_err() || sys.close(Fd(file as i32)) != Err(Errno::EBADF))
    };
    in_child(sys, child, file.0 as usize)?;
    write(sys, file, b"x")?;
    Ok(())
}

fn flock(sys: &dyn Sys, file: Fd, how: FlockOperation) -> Result {
    sys.flock(file, how | FlockOperation::LOCK_NB)
}

fn a_shared_lock_is_inherited(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "file")?, open(sys, "file", OpenFlags::O_RDWR)?);
    flock(sys, a, FlockOperation::LOCK_EX)?;
    let child = |sys: &dyn Sys, arg| {
        let [a, b] = both(arg);
        // Through the copy it is one's own; through another open file it is not.
        let own = flock(sys, a, FlockOperation::LOCK_EX);
        let other = flock(sys, b, FlockOperation::LOCK_SH);
        i32::from(own.is_err() || other != Err(Errno::EAGAIN))
    };
    in_child(sys, child, fds(a, b))?;
    assert_eq!(flock(sys, b, FlockOperation::LOCK_EX), Err(Errno::EAGAIN));
    Ok(())
}

fn a_childs_unlock_is_everybodys(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "file")?, open(sys, "file", OpenFlags::O_RDWR)?);
    flock(sys, a, FlockOperation::LOCK_EX)?;
    let child = |sys: &dyn Sys, a| i32::from(flock(sys, Fd(a as i32), FlockOperation::LOCK_UN).is_err());
    in_child(sys, child, a.0 as usize)?;
    flock(sys, b, FlockOperation::LOCK_EX)?;
    Ok(())
}

fn a_lock_ends_with_the_last_copy(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "file")?, open(sys, "file", OpenFlags::O_RDWR)?);
    let [go, start] = pipe(sys, PipeFlags::empty())?;
    flock(sys, a, FlockOperation::LOCK_EX)?;
    let child = |sys: &dyn Sys, go| i32::from(read(sys, Fd(go as i32), 1).is_err());
    let pid = sys.fork_with(child, go.0 as usize)?;
    sys.close(a)?;
    // The child has a copy.
    assert_eq!(flock(sys, b, FlockOperation::LOCK_EX), Err(Errno::EAGAIN));
    write(sys, start, b"!")?;
    wait(sys, pid)?;
    flock(sys, b, FlockOperation::LOCK_EX)?;
    Ok(())
}

fn a_lock_is_not_upgraded_past_others(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "file")?, open(sys, "file", OpenFlags::O_RDWR)?);
    flock(sys, a, FlockOperation::LOCK_SH)?;
    flock(sys, b, FlockOperation::LOCK_SH)?;
    assert_eq!(flock(sys, a, FlockOperation::LOCK_EX), Err(Errno::EAGAIN));
    // What it had went before it asked for more: "not guaranteed to be atomic", flock(2).
    flock(sys, b, FlockOperation::LOCK_EX)?;
    assert_eq!(flock(sys, a, FlockOperation::LOCK_SH), Err(Errno::EAGAIN));
    for how in [FlockOperation::empty(), FlockOperation::LOCK_SH | FlockOperation::LOCK_EX] {
        assert_eq!(flock(sys, a, how), Err(Errno::EINVAL));
    }
    Ok(())
}

fn record(sys: &dyn Sys, file: Fd, command: FcntlCommand, l_type: i16, l_start: i64, l_len: i64) -> Result {
    let at = sys.page() + 0x7000;
    sys.store(at, &Flock { l_type, l_start, l_len, ..Flock::default() });
    sys.fcntl(file, command, at)
}

fn set(sys: &dyn Sys, file: Fd, l_type: i16, start: i64, len: i64) -> Result {
    record(sys, file, FcntlCommand::F_SETLK, l_type, start, len)
}

/// The first range that a child would have to wait for, as start and length; nothing has length -1.
fn seen(sys: &dyn Sys, file: Fd, start: i64, len: i64) -> Result<(i64, i64)> {
    sys.store(sys.page() + 0x7100, &[start, len]);
    let child = |sys: &dyn Sys, file| {
        let [start, len]: [i64; 2] = sys.load(sys.page() + 0x7100);
        let Ok(_) = record(sys, Fd(file as i32), FcntlCommand::F_GETLK, F_WRLCK, start, len) else { return 255 };
        let found: Flock = sys.load(sys.page() + 0x7000);
        if found.l_type == F_UNLCK { 0 } else { (found.l_start << 4 | found.l_len) as i32 }
    };
    let pid = sys.fork_with(child, file.0 as usize)?;
    let status = i64::from(wait(sys, pid)? >> 8 & 0xff);
    Ok(if status == 0 { (0, -1) } else { (status >> 4, status & 15) })
}

fn a_record_ends_with_its_process(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let child = |sys: &dyn Sys, file| i32::from(set(sys, Fd(file as i32), F_WRLCK, 0, 0).is_err());
    in_child(sys, child, file.0 as usize)?;
    set(sys, file, F_WRLCK, 0, 0)?;
    Ok(())
}

fn a_record_of_ones_own_is_no_obstacle(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    set(sys, file, F_WRLCK, 0, 10)?;
    record(sys, file, FcntlCommand::F_GETLK, F_WRLCK, 0, 10)?;
    assert_eq!(sys.load::<Flock>(sys.page() + 0x7000).l_type, F_UNLCK);
    set(sys, file, F_RDLCK, 0, 10)?;
    set(sys, file, F_WRLCK, 5, 1)?;
    Ok(())
}

fn records_join_and_split(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    set(sys, file, F_WRLCK, 1, 3)?;
    set(sys, file, F_WRLCK, 4, 3)?;
    assert_eq!(seen(sys, file, 0, 15)?, (1, 6));
    set(sys, file, F_UNLCK, 3, 2)?;
    assert_eq!(seen(sys, file, 0, 15)?, (1, 2));
    assert_eq!(seen(sys, file, 3, 15)?, (5, 2));
    assert_eq!(seen(sys, file, 3, 2)?, (0, -1));
    set(sys, file, F_RDLCK, 1, 1)?;
    assert_eq!(seen(sys, file, 0, 15)?, (1, 1));
    set(sys, file, F_UNLCK, 0, 0)?;
    assert_eq!(seen(sys, file, 0, 0)?, (0, -1));
    Ok(())
}

fn a_record_to_the_end_grows_with_the_file(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    set(sys, file, F_WRLCK, 5, 0)?;
    sys.ftruncate(file, 1000)?;
    assert_eq!(seen(sys, file, 900, 1)?, (5, 0));
    assert_eq!(seen(sys, file, 0, 5)?, (0, -1));
    Ok(())
}

fn a_record_before_the_place(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    sys.ftruncate(file, 10)?;
    // A negative length is what lies before.
    set(sys, file, F_WRLCK, 7, -3)?;
    assert_eq!(seen(sys, file, 0, 0)?, (4, 3));
    set(sys, file, F_UNLCK, 0, 0)?;
    // From the offset, and from the end.
    sys.lseek(file, 3, Whence::SEEK_SET)?;
    let from = |l_whence, l_start| {
        let at = sys.page() + 0x7000;
        sys.store(at, &Flock { l_type: F_WRLCK, l_whence, l_start, l_len: 1, ..Flock::default() });
        sys.fcntl(file, FcntlCommand::F_SETLK, at)
    };
    from(1, 1)?;
    from(2, -1)?;
    assert_eq!(seen(sys, file, 0, 0)?, (4, 1));
    assert_eq!(seen(sys, file, 5, 0)?, (9, 1));
    assert_eq!(from(3, 0), Err(Errno::EINVAL));
    assert_eq!(from(2, -11), Err(Errno::EINVAL));
    Ok(())
}

fn whole_files_and_records_do_not_meet(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "file")?, open(sys, "file", OpenFlags::O_RDWR)?);
    flock(sys, a, FlockOperation::LOCK_EX)?;
    set(sys, b, F_WRLCK, 0, 0)?;
    let child = |sys: &dyn Sys, b| i32::from(set(sys, Fd(b as i32), F_WRLCK, 0, 0) != Err(Errno::EAGAIN));
    in_child(sys, child, b.0 as usize)?;
    Ok(())
}

fn a_record_through_another_descriptor_is_the_same(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "file")?, open(sys, "file", OpenFlags::O_RDWR)?);
    set(sys, a, F_WRLCK, 0, 4)?;
    set(sys, b, F_UNLCK, 0, 2)?;
    assert_eq!(seen(sys, a, 0, 0)?, (2, 2));
    let duplicate = descriptor(sys.dup(b)?);
    sys.close(duplicate)?;
    assert_eq!(seen(sys, a, 0, 0)?, (0, -1));
    Ok(())
}

fn records_of_an_open_file_are_shared_with_a_child(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "file")?, open(sys, "file", OpenFlags::O_RDWR)?);
    record(sys, a, FcntlCommand::F_OFD_SETLK, F_WRLCK, 0, 4)?;
    let child = |sys: &dyn Sys, arg| {
        let [a, b] = both(arg);
        let own = record(sys, a, FcntlCommand::F_OFD_SETLK, F_WRLCK, 0, 4);
        let other = record(sys, b, FcntlCommand::F_OFD_SETLK, F_WRLCK, 0, 4);
        let closed = sys.close(a);
        i32::from(own.is_err() || other != Err(Errno::EAGAIN) || closed.is_err())
    };
    in_child(sys, child, fds(a, b))?;
    assert_eq!(record(sys, b, FcntlCommand::F_OFD_SETLK, F_WRLCK, 0, 4), Err(Errno::EAGAIN));
    Ok(())
}

fn what_a_lock_of_an_open_file_refuses(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let reader = open(sys, "file", OpenFlags::O_RDONLY)?;
    let writer = open(sys, "file", OpenFlags::O_WRONLY)?;
    for command in [FcntlCommand::F_OFD_SETLK, FcntlCommand::F_OFD_SETLKW, FcntlCommand::F_SETLKW] {
        assert_eq!(record(sys, reader, command, F_WRLCK, 0, 1), Err(Errno::EBADF));
        assert_eq!(record(sys, writer, command, F_RDLCK, 0, 1), Err(Errno::EBADF));
        assert_eq!(record(sys, file, command, 9, 0, 1), Err(Errno::EINVAL));
        assert_eq!(sys.fcntl(file, command, 8), Err(Errno::EFAULT));
    }
    // Asking takes no right.
    record(sys, reader, FcntlCommand::F_OFD_GETLK, F_WRLCK, 0, 1)?;
    record(sys, reader, FcntlCommand::F_GETLK, F_WRLCK, 0, 1)?;
    assert_eq!(record(sys, reader, FcntlCommand::F_GETLK, F_UNLCK, 0, 1), Err(Errno::EINVAL));
    Ok(())
}

fn reads_of_two_share_a_pipe(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    write(sys, writer, b"ab")?;
    let child = |sys: &dyn Sys, reader| read(sys, Fd(reader as i32), 1).map_or(0, |got| i32::from(got[0]));
    let pid = sys.fork_with(child, reader.0 as usize)?;
    let mine = read(sys, reader, 1)?[0];
    let theirs = wait(sys, pid)? >> 8;
    assert_eq!(i32::from(mine) + theirs, i32::from(b'a') + i32::from(b'b'));
    Ok(())
}

fn the_end_is_where_somebody_else_put_it(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let child = |sys: &dyn Sys, _| {
        let wrote = open(sys, "file", OpenFlags::O_WRONLY).and_then(|file| write(sys, file, b"longer"));
        i32::from(wrote != Ok(6))
    };
    in_child(sys, child, 0)?;
    assert_eq!(sys.lseek(file, 0, Whence::SEEK_END)?, 6);
    assert_eq!(sys.lseek(file, -6_i64, Whence::SEEK_CUR)?, 0);
    assert_eq!(read(sys, file, 10)?, b"longer");
    Ok(())
}

fn a_write_of_two_vectors_is_one(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let child = |sys: &dyn Sys, letter| {
        let Ok(file) = open(sys, "file", OpenFlags::O_WRONLY | OpenFlags::O_APPEND) else { return 1 };
        sys.poke(sys.page(), &[letter as u8; 50]);
        let one = Iovec { iov_base: sys.page(), iov_len: 50 };
        let list = sys.store(sys.page() + 64, &one);
        sys.store(list + 16, &one);
        i32::from((0..20).any(|_| sys.writev(file, list, 2) != Ok(100)))
    };
    let pids = [sys.fork_with(child, usize::from(b'a'))?, sys.fork_with(child, usize::from(b'b'))?];
    for pid in pids {
        assert_eq!(wait(sys, pid)?, status_exited(0));
    }
    let all = read(sys, open(sys, "file", OpenFlags::O_RDONLY)?, 5000)?;
    assert!(all.len() == 4000 && all.chunks(100).all(|line| line.iter().all(|byte| *byte == line[0])));
    Ok(())
}

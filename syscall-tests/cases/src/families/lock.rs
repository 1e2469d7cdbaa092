//! Locks on files: of open files, of processes, of records.

use kernel_abi::flags::{F_RDLCK, F_UNLCK, F_WRLCK, FcntlCommand, FlockOperation, OpenFlags, PipeFlags};
use kernel_abi::structs::{Flock, status_exited};
use kernel_abi::{Calls, Errno, Fd, Result, Sys};

use super::Outcome;
use super::file::{create, descriptor, open, write};
use super::process::wait;

cases! { "lock":
    open_files_lock_out_each_other, a_duplicate_shares_the_lock, closing_gives_the_lock_back, a_lock_is_converted,
    records_of_another_process_are_in_the_way, any_close_gives_records_back, a_child_has_no_records,
    open_files_have_records_of_their_own, a_record_waits_for_its_turn, an_open_file_waits_for_its_turn,
    two_that_wait_for_each_other,
    records_take_the_right_direction, what_is_neither_read_nor_written_has_no_lock, a_pipe_has_a_size,
}

fn flock(sys: &dyn Sys, file: Fd, how: FlockOperation) -> Result {
    sys.flock(file, how | FlockOperation::LOCK_NB)
}

fn open_files_lock_out_each_other(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "file")?, open(sys, "file", OpenFlags::O_RDONLY)?);
    flock(sys, a, FlockOperation::LOCK_SH)?;
    flock(sys, b, FlockOperation::LOCK_SH)?;
    assert_eq!(flock(sys, a, FlockOperation::LOCK_EX), Err(Errno::EAGAIN));
    flock(sys, b, FlockOperation::LOCK_UN)?;
    flock(sys, a, FlockOperation::LOCK_EX)?;
    assert_eq!(flock(sys, b, FlockOperation::LOCK_SH), Err(Errno::EAGAIN));
    assert_eq!(sys.flock(a, FlockOperation::LOCK_NB), Err(Errno::EINVAL));
    assert_eq!(sys.flock(Fd(99), FlockOperation::LOCK_SH), Err(Errno::EBADF));
    Ok(())
}

fn a_duplicate_shares_the_lock(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "file")?, open(sys, "file", OpenFlags::O_RDONLY)?);
    let duplicate = descriptor(sys.dup(a)?);
    flock(sys, a, FlockOperation::LOCK_EX)?;
    flock(sys, duplicate, FlockOperation::LOCK_EX)?;
    sys.close(a)?;
    assert_eq!(flock(sys, b, FlockOperation::LOCK_EX), Err(Errno::EAGAIN));
    flock(sys, duplicate, FlockOperation::LOCK_UN)?;
    flock(sys, b, FlockOperation::LOCK_EX)?;
    Ok(())
}

fn closing_gives_the_lock_back(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "file")?, open(sys, "file", OpenFlags::O_RDONLY)?);
    flock(sys, a, FlockOperation::LOCK_EX)?;
    let child = |sys: &dyn Sys, file| {
        let file = Fd(file as i32);
        let closed = sys.close(Fd(file.0 - 1));
        i32::from(closed.is_err() || sys.flock(file, FlockOperation::LOCK_EX).is_err())
    };
    let pid = sys.fork_with(child, b.0 as usize)?;
    sys.close(a)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

/// Changing a lock gives the old one back first, flock(2).
fn a_lock_is_converted(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "file")?, open(sys, "file", OpenFlags::O_RDONLY)?);
    flock(sys, a, FlockOperation::LOCK_SH)?;
    flock(sys, b, FlockOperation::LOCK_SH)?;
    assert_eq!(flock(sys, a, FlockOperation::LOCK_EX), Err(Errno::EAGAIN));
    flock(sys, b, FlockOperation::LOCK_EX)?;
    Ok(())
}

/// The access mode 3 is for device requests only, open(2).
fn what_is_neither_read_nor_written_has_no_lock(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let neither = open(sys, "file", OpenFlags::O_ACCMODE)?;
    assert_eq!(flock(sys, neither, FlockOperation::LOCK_SH), Err(Errno::EBADF));
    assert_eq!(flock(sys, neither, FlockOperation::LOCK_EX), Err(Errno::EBADF));
    assert_eq!(flock(sys, neither, FlockOperation::LOCK_UN)?, 0);
    assert_eq!(sys.flock(neither, FlockOperation::LOCK_NB), Err(Errno::EINVAL));
    Ok(())
}

/// Asks for a record of whole bytes from the beginning.
fn record(sys: &dyn Sys, file: Fd, command: FcntlCommand, l_type: i16, l_start: i64, l_len: i64) -> Result {
    let at = sys.page() + 0x7000;
    sys.store(at, &Flock { l_type, l_start, l_len, ..Flock::default() });
    sys.fcntl(file, command, at)
}

/// What stands in the way of a lock on a range.
fn asked(sys: &dyn Sys, file: Fd, command: FcntlCommand, l_start: i64, l_len: i64) -> Result<Flock> {
    record(sys, file, command, F_WRLCK, l_start, l_len)?;
    Ok(sys.load(sys.page() + 0x7000))
}

fn records_of_another_process_are_in_the_way(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    record(sys, file, FcntlCommand::F_SETLK, F_WRLCK, 10, 10)?;
    record(sys, file, FcntlCommand::F_SETLK, F_RDLCK, 20, 0)?;
    record(sys, file, FcntlCommand::F_SETLK, F_UNLCK, 15, 1)?;
    assert_eq!(asked(sys, file, FcntlCommand::F_GETLK, 0, 0)?.l_type, F_UNLCK);
    let child = |sys: &dyn Sys, file| {
        let file = Fd(file as i32);
        let parent = sys.getppid().unwrap_or(0) as i32;
        let first = asked(sys, file, FcntlCommand::F_GETLK, 0, 0);
        let second = asked(sys, file, FcntlCommand::F_GETLK, 15, 2);
        let third = asked(sys, file, FcntlCommand::F_GETLK, 22, 1);
        let said = |l_type, l_start, l_len| Flock { l_type, l_start, l_len, l_pid: parent, ..Flock::default() };
        assert_eq!(first, Ok(said(F_WRLCK, 10, 5)));
        assert_eq!(second, Ok(said(F_WRLCK, 16, 4)));
        assert_eq!(third, Ok(said(F_RDLCK, 20, 0)));
        assert_eq!(record(sys, file, FcntlCommand::F_SETLK, F_WRLCK, 15, 1), Ok(0));
        assert_eq!(record(sys, file, FcntlCommand::F_SETLK, F_RDLCK, 30, 1), Ok(0));
        assert_eq!(record(sys, file, FcntlCommand::F_SETLK, F_WRLCK, 30, 1), Err(Errno::EAGAIN));
        0
    };
    let pid = sys.fork_with(child, file.0 as usize)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

/// Whether another process may lock byte 0 for itself.
fn is_free(sys: &dyn Sys) -> Result<bool> {
    let child = |sys: &dyn Sys, _| {
        let tried = open(sys, "file", OpenFlags::O_RDWR)
            .and_then(|file| record(sys, file, FcntlCommand::F_SETLK, F_WRLCK, 0, 1));
        i32::from(tried.is_err())
    };
    let pid = sys.fork_with(child, 0)?;
    Ok(wait(sys, pid)? == status_exited(0))
}

/// "When any file descriptor referring to the file is closed", fcntl(2).
fn any_close_gives_records_back(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let other = open(sys, "file", OpenFlags::O_RDONLY)?;
    record(sys, file, FcntlCommand::F_SETLK, F_WRLCK, 0, 1)?;
    assert!(!is_free(sys)?);
    sys.close(other)?;
    assert!(is_free(sys)?);
    Ok(())
}

fn a_child_has_no_records(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    record(sys, file, FcntlCommand::F_SETLK, F_WRLCK, 0, 1)?;
    let child = |sys: &dyn Sys, file| {
        let file = Fd(file as i32);
        assert_eq!(record(sys, file, FcntlCommand::F_SETLK, F_WRLCK, 0, 1), Err(Errno::EAGAIN));
        i32::from(sys.close(file).is_err())
    };
    let pid = sys.fork_with(child, file.0 as usize)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    // The child's close was no business of ours.
    assert!(!is_free(sys)?);
    Ok(())
}

fn open_files_have_records_of_their_own(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "file")?, open(sys, "file", OpenFlags::O_RDWR)?);
    record(sys, a, FcntlCommand::F_OFD_SETLK, F_WRLCK, 0, 10)?;
    assert_eq!(record(sys, b, FcntlCommand::F_OFD_SETLK, F_RDLCK, 9, 1), Err(Errno::EAGAIN));
    let other = asked(sys, b, FcntlCommand::F_OFD_GETLK, 0, 0)?;
    assert_eq!((other.l_type, other.l_start, other.l_len, other.l_pid), (F_WRLCK, 0, 10, -1));
    assert_eq!(record(sys, b, FcntlCommand::F_SETLK, F_RDLCK, 0, 1), Err(Errno::EAGAIN));
    sys.store(sys.page(), &Flock { l_pid: 1, ..Flock::default() });
    assert_eq!(sys.fcntl(a, FcntlCommand::F_OFD_SETLK, sys.page()), Err(Errno::EINVAL));
    sys.close(a)?;
    record(sys, b, FcntlCommand::F_OFD_SETLK, F_WRLCK, 0, 10)?;
    Ok(())
}

fn a_record_waits_for_its_turn(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    record(sys, file, FcntlCommand::F_SETLK, F_WRLCK, 0, 1)?;
    let child =
        |sys: &dyn Sys, file| i32::from(record(sys, Fd(file as i32), FcntlCommand::F_SETLKW, F_WRLCK, 0, 1).is_err());
    let pid = sys.fork_with(child, file.0 as usize)?;
    write(sys, file, b"x")?;
    record(sys, file, FcntlCommand::F_SETLK, F_UNLCK, 0, 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn an_open_file_waits_for_its_turn(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    record(sys, file, FcntlCommand::F_OFD_SETLKW, F_WRLCK, 0, 1)?;
    let child = |sys: &dyn Sys, _| {
        let locked = open(sys, "file", OpenFlags::O_RDWR)
            .and_then(|file| record(sys, file, FcntlCommand::F_OFD_SETLKW, F_WRLCK, 0, 1));
        i32::from(locked.is_err())
    };
    let pid = sys.fork_with(child, 0)?;
    sys.sched_yield()?;
    record(sys, file, FcntlCommand::F_OFD_SETLKW, F_UNLCK, 0, 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn two_that_wait_for_each_other(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    sys.pipe2(sys.page(), PipeFlags::empty())?;
    record(sys, file, FcntlCommand::F_SETLK, F_WRLCK, 0, 1)?;
    let child = |sys: &dyn Sys, file| {
        let (file, ready) = (Fd(file as i32), Fd(sys.load(sys.page() + 4)));
        let mine = record(sys, file, FcntlCommand::F_SETLK, F_WRLCK, 1, 1);
        let told = write(sys, ready, b"!");
        let theirs = record(sys, file, FcntlCommand::F_SETLKW, F_WRLCK, 0, 1);
        i32::from(mine.is_err() || told.is_err()) + 2 * i32::from(theirs == Err(Errno::EDEADLK))
    };
    let pid = sys.fork_with(child, file.0 as usize)?;
    sys.read(Fd(sys.load(sys.page())), sys.page() + 64, 1)?;
    let ours = record(sys, file, FcntlCommand::F_SETLKW, F_WRLCK, 1, 1);
    record(sys, file, FcntlCommand::F_SETLK, F_UNLCK, 0, 0)?;
    // Whoever came second was told.
    let told = i32::from(ours == Ok(0)) * 2;
    assert_eq!(wait(sys, pid)?, status_exited(told));
    assert!(matches!(ours, Ok(0) | Err(Errno::EDEADLK)));
    Ok(())
}

fn records_take_the_right_direction(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let reader = open(sys, "file", OpenFlags::O_RDONLY)?;
    assert_eq!(record(sys, reader, FcntlCommand::F_SETLK, F_WRLCK, 0, 1), Err(Errno::EBADF));
    record(sys, reader, FcntlCommand::F_SETLK, F_RDLCK, 0, 1)?;
    assert_eq!(record(sys, reader, FcntlCommand::F_SETLK, 7, 0, 1), Err(Errno::EINVAL));
    assert_eq!(record(sys, reader, FcntlCommand::F_SETLK, F_RDLCK, -1, 1), Err(Errno::EINVAL));
    assert_eq!(record(sys, reader, FcntlCommand::F_SETLK, F_RDLCK, 5, -6), Err(Errno::EINVAL));
    assert_eq!(record(sys, reader, FcntlCommand::F_SETLK, F_RDLCK, i64::MAX, 2), Err(Errno::EOVERFLOW));
    assert_eq!(sys.fcntl(reader, FcntlCommand::F_GETLK, 8), Err(Errno::EFAULT));
    Ok(())
}

fn a_pipe_has_a_size(sys: &dyn Sys) -> Outcome {
    sys.pipe2(sys.page(), PipeFlags::O_NONBLOCK)?;
    let writer = Fd(sys.load(sys.page() + 4));
    assert_eq!(sys.fcntl(writer, FcntlCommand::F_GETPIPE_SZ, 0)?, 65536);
    assert_eq!(sys.fcntl(writer, FcntlCommand::F_SETPIPE_SZ, 5000)?, 8192);
    assert_eq!(sys.write(writer, sys.page(), 16384)?, 8192);
    assert_eq!(sys.fcntl(writer, FcntlCommand::F_SETPIPE_SZ, 4096), Err(Errno::EBUSY));
    assert_eq!(sys.fcntl(Fd(0), FcntlCommand::F_GETPIPE_SZ, 0), Err(Errno::EBADF));
    Ok(())
}

//! Pipes at their limits: how much they hold, what stays whole, what they say when an end is gone.

use alloc::vec;
use alloc::vec::Vec;

use kernel_abi::flags::{FcntlCommand, IoctlCommand, OpenFlags, PipeFlags, PollEvents, S_IFIFO, SIG_IGN, Whence};
use kernel_abi::structs::{PollFd, Sigaction, status_exited};
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Signal, Sys};

use super::Outcome;
use super::file::{create, open, read, write};
use super::id::becomes_nobody;
use super::pipe::pipe;
use super::process::{in_child, wait};

cases! { "brim":
    a_pipe_holds_what_it_says, a_pipe_of_one_page_holds_one, growing_a_pipe_makes_room, shrinking_keeps_what_is_there,
    who_may_have_a_large_pipe, what_is_no_size_of_a_pipe, packets_keep_their_ends, a_packet_has_a_page_at_most,
    packets_begin_when_they_are_asked_for, writes_of_two_stay_whole, a_blocked_small_write_is_not_split,
    a_large_write_fills_what_there_is, room_is_told_a_page_at_a_time, a_reader_gone_is_told_to_a_waiting_writer,
    a_writer_gone_is_told_to_a_waiting_reader, a_child_holds_an_end_open, a_read_of_nothing_waits_for_nothing,
    a_write_of_nothing_is_nothing, bytes_that_wait_are_counted, a_pipe_sends_no_signal_to_whom_ignores_it,
    a_fifo_is_empty_when_everybody_left, a_fifo_for_both_directions_waits_for_nobody,
    a_fifo_without_writers_is_at_its_end, a_vector_into_a_full_pipe, a_file_is_sent_until_the_pipe_is_full, a_file_without_a_size_is_sent,
    a_nonblocking_reader_tells_empty_from_ended,
}

fn fill(sys: &dyn Sys, writer: Fd) -> Result {
    let mut filled = 0;
    loop {
        match sys.write(writer, sys.page(), 4096) {
            Ok(count) => filled += count,
            Err(Errno::EAGAIN) => return Ok(filled),
            Err(errno) => return Err(errno),
        }
    }
}

fn size(sys: &dyn Sys, end: Fd, bytes: usize) -> Result {
    sys.fcntl(end, FcntlCommand::F_SETPIPE_SZ, bytes)
}

fn events(sys: &dyn Sys, file: Fd, wanted: PollEvents) -> Result<PollEvents> {
    let at = sys.store(sys.page() + 0x3000, &PollFd { fd: file.0, events: wanted.bits(), revents: 0 });
    sys.store(at + 16, &[0_u64; 2]);
    sys.ppoll(at, 1, at + 16, 0, 8)?;
    Ok(PollEvents::from_bits_retain(sys.load::<PollFd>(at).revents))
}

fn a_pipe_holds_what_it_says(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    let said = sys.fcntl(reader, FcntlCommand::F_GETPIPE_SZ, 0)?;
    assert_eq!(sys.fcntl(writer, FcntlCommand::F_GETPIPE_SZ, 0)?, said);
    assert_eq!(fill(sys, writer)?, said);
    assert_eq!(sys.write(writer, sys.page(), 1), Err(Errno::EAGAIN));
    Ok(())
}

fn a_pipe_of_one_page_holds_one(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    assert_eq!(size(sys, writer, 1)?, 4096);
    assert_eq!(sys.write(writer, sys.page(), 5000)?, 4096);
    assert_eq!(sys.write(writer, sys.page(), 1), Err(Errno::EAGAIN));
    assert_eq!(read(sys, reader, 4095)?.len(), 4095);
    assert_eq!(sys.write(writer, sys.page(), 1), Err(Errno::EAGAIN));
    assert_eq!(read(sys, reader, 1)?.len(), 1);
    assert_eq!(sys.write(writer, sys.page(), 1)?, 1);
    // Small writes share a page, up to its end.
    assert_eq!(sys.write(writer, sys.page(), 4095)?, 4095);
    assert_eq!(sys.write(writer, sys.page(), 1), Err(Errno::EAGAIN));
    Ok(())
}

fn growing_a_pipe_makes_room(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    size(sys, writer, 4096)?;
    sys.write(writer, sys.page(), 4096)?;
    let child = |sys: &dyn Sys, writer| i32::from(sys.write(Fd(writer as i32), sys.page(), 4096) != Ok(4096));
    let pid = sys.fork_with(child, writer.0 as usize)?;
    assert_eq!(size(sys, reader, 8192)?, 8192);
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert_eq!(sys.read(reader, sys.page(), 0x8000)?, 8192);
    Ok(())
}

fn shrinking_keeps_what_is_there(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    write(sys, writer, b"kept")?;
    assert_eq!(size(sys, reader, 4096)?, 4096);
    assert_eq!(read(sys, reader, 10)?, b"kept");
    assert_eq!(size(sys, reader, 0)?, 4096);
    size(sys, reader, 65536)?;
    fill(sys, writer)?;
    assert_eq!(size(sys, reader, 32768), Err(Errno::EBUSY));
    assert_eq!(sys.fcntl(reader, FcntlCommand::F_GETPIPE_SZ, 0)?, 65536);
    sys.read(reader, sys.page(), 40960)?;
    assert_eq!(size(sys, reader, 32768)?, 32768);
    Ok(())
}

fn who_may_have_a_large_pipe(sys: &dyn Sys) -> Outcome {
    let [_reader, writer] = pipe(sys, PipeFlags::empty())?;
    if sys.geteuid()? == 0 {
        // Without CAP_SYS_RESOURCE, root is nobody here.
        assert!(matches!(size(sys, writer, (1 << 20) + 1), Ok(0x20_0000) | Err(Errno::EPERM)));
    }
    becomes_nobody(sys)?;
    assert_eq!(size(sys, writer, (2 << 20) + 1), Err(Errno::EPERM));
    // One may always have less.
    assert_eq!(size(sys, writer, 4096)?, 4096);
    assert_eq!(size(sys, writer, (1 << 20) + 1), Err(Errno::EPERM));
    Ok(())
}

fn what_is_no_size_of_a_pipe(sys: &dyn Sys) -> Outcome {
    let [_reader, writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(size(sys, writer, (1 << 31) + 1), Err(Errno::EINVAL));
    let file = create(sys, "file")?;
    assert_eq!(size(sys, file, 4096), Err(Errno::EBADF));
    assert_eq!(sys.fcntl(file, FcntlCommand::F_GETPIPE_SZ, 0), Err(Errno::EBADF));
    Ok(())
}

fn packets_keep_their_ends(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_DIRECT | PipeFlags::O_NONBLOCK)?;
    write(sys, writer, b"first")?;
    write(sys, writer, b"second")?;
    write(sys, writer, b"third")?;
    assert_eq!(read(sys, reader, 100)?, b"first");
    // What a read has no room for is lost.
    assert_eq!(read(sys, reader, 3)?, b"sec");
    assert_eq!(read(sys, reader, 100)?, b"third");
    assert_eq!(read(sys, reader, 100), Err(Errno::EAGAIN));
    let flags = |end| sys.fcntl(end, FcntlCommand::F_GETFL, 0).map(|flags| flags as u32 & OpenFlags::O_DIRECT.bits());
    assert_eq!((flags(reader)?, flags(writer)?), (0, OpenFlags::O_DIRECT.bits()));
    Ok(())
}

fn a_packet_has_a_page_at_most(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_DIRECT | PipeFlags::O_NONBLOCK)?;
    assert_eq!(sys.write(writer, sys.page(), 6000)?, 6000);
    assert_eq!(sys.read(reader, sys.page(), 0x8000)?, 4096);
    assert_eq!(sys.read(reader, sys.page(), 0x8000)?, 6000 - 4096);
    // However short, each takes a page.
    for _ in 0..16 {
        assert_eq!(write(sys, writer, b"x")?, 1);
    }
    assert_eq!(write(sys, writer, b"x"), Err(Errno::EAGAIN));
    Ok(())
}

fn packets_begin_when_they_are_asked_for(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    write(sys, writer, b"by")?;
    write(sys, writer, b"tes")?;
    sys.fcntl(writer, FcntlCommand::F_SETFL, OpenFlags::O_DIRECT | OpenFlags::O_NONBLOCK)?;
    write(sys, writer, b"packet")?;
    sys.fcntl(writer, FcntlCommand::F_SETFL, OpenFlags::O_NONBLOCK)?;
    write(sys, writer, b"more")?;
    // Bytes end before a packet, and a packet ends a read.
    assert_eq!(read(sys, reader, 3)?, b"byt");
    assert_eq!(read(sys, reader, 8)?, b"espacket");
    assert_eq!(read(sys, reader, 100)?, b"more");
    Ok(())
}

/// "POSIX.1 says that writes of less than PIPE_BUF bytes must be atomic", pipe(7).
fn writes_of_two_stay_whole(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    let child = |sys: &dyn Sys, arg| {
        let (writer, letter) = (Fd((arg & 0xff) as i32), (arg >> 8) as u8);
        let line = vec![letter; 3000];
        i32::from((0..20).any(|_| write(sys, writer, &line) != Ok(3000)))
    };
    let pids = [b'a', b'b'].map(|letter| sys.fork_with(child, writer.0 as usize | usize::from(letter) << 8));
    sys.close(writer)?;
    let mut all: Vec<u8> = Vec::new();
    loop {
        let some = read(sys, reader, 7000)?;
        if some.is_empty() {
            break;
        }
        all.extend(some);
    }
    assert_eq!(all.len(), 2 * 20 * 3000);
    assert!(all.chunks(3000).all(|line| line.iter().all(|byte| *byte == line[0])));
    for pid in pids {
        assert_eq!(wait(sys, pid?)?, status_exited(0));
    }
    Ok(())
}

fn a_blocked_small_write_is_not_split(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    size(sys, writer, 4096)?;
    assert_eq!(sys.write(writer, sys.page(), 4000)?, 4000);
    assert_eq!(sys.write(writer, sys.page(), 97), Err(Errno::EAGAIN));
    assert_eq!(sys.write(writer, sys.page(), 96)?, 96);
    assert_eq!(sys.read(reader, sys.page(), 4096)?, 4096);
    Ok(())
}

fn a_large_write_fills_what_there_is(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    size(sys, writer, 8192)?;
    assert_eq!(sys.write(writer, sys.page(), 100)?, 100);
    // The first page has been begun, so one is left.
    assert_eq!(sys.write(writer, sys.page(), 8192)?, 4096);
    assert_eq!(sys.write(writer, sys.page(), 8192), Err(Errno::EAGAIN));
    assert_eq!(sys.read(reader, sys.page(), 0x8000)?, 4196);
    Ok(())
}

fn room_is_told_a_page_at_a_time(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    assert_eq!(events(sys, writer, PollEvents::POLLOUT)?, PollEvents::POLLOUT);
    fill(sys, writer)?;
    assert_eq!(events(sys, writer, PollEvents::POLLOUT)?, PollEvents::empty());
    sys.read(reader, sys.page(), 4095)?;
    assert_eq!(events(sys, writer, PollEvents::POLLOUT)?, PollEvents::empty());
    sys.read(reader, sys.page(), 1)?;
    assert_eq!(events(sys, writer, PollEvents::POLLOUT)?, PollEvents::POLLOUT);
    Ok(())
}

fn ignore_broken_pipes(sys: &dyn Sys) -> Result {
    let ignore = Sigaction { handler: SIG_IGN, ..Sigaction::default() };
    sys.poke(sys.page() + 0x3000, &ignore.encode(sys.arch()));
    sys.rt_sigaction(Signal::SIGPIPE, sys.page() + 0x3000, 0, 8)
}

fn a_reader_gone_is_told_to_a_waiting_writer(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    ignore_broken_pipes(sys)?;
    size(sys, writer, 4096)?;
    let child = |sys: &dyn Sys, fds| {
        let (reader, writer) = (Fd((fds & 0xff) as i32), Fd((fds >> 8) as i32));
        let closed = sys.close(reader);
        // A page goes in, and the rest finds nobody.
        let first = sys.write(writer, sys.page(), 8192);
        let second = sys.write(writer, sys.page(), 8192);
        i32::from(closed.is_err() || first != Ok(4096) || second != Err(Errno::EPIPE))
    };
    let pid = sys.fork_with(child, reader.0 as usize | (writer.0 as usize) << 8)?;
    while events(sys, reader, PollEvents::POLLIN)?.is_empty() {
        sys.sched_yield()?;
    }
    sys.close(reader)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn a_writer_gone_is_told_to_a_waiting_reader(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    let child = |sys: &dyn Sys, fds| {
        let (reader, writer) = (Fd((fds & 0xff) as i32), Fd((fds >> 8) as i32));
        let closed = sys.close(writer);
        i32::from(closed.is_err() || sys.read(reader, sys.page(), 10) != Ok(0))
    };
    let pid = sys.fork_with(child, reader.0 as usize | (writer.0 as usize) << 8)?;
    sys.sched_yield()?;
    sys.close(writer)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn a_child_holds_an_end_open(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    let [go, start] = pipe(sys, PipeFlags::empty())?;
    let child = |sys: &dyn Sys, go| i32::from(sys.read(Fd(go as i32), sys.page(), 1).is_err());
    let pid = sys.fork_with(child, go.0 as usize)?;
    sys.close(writer)?;
    assert_eq!(read(sys, reader, 1), Err(Errno::EAGAIN));
    write(sys, start, b"!")?;
    wait(sys, pid)?;
    assert_eq!(read(sys, reader, 1)?, b"");
    Ok(())
}

fn a_read_of_nothing_waits_for_nothing(sys: &dyn Sys) -> Outcome {
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(sys.read(reader, sys.page(), 0)?, 0);
    assert_eq!(sys.readv(reader, sys.page(), 0)?, 0);
    Ok(())
}

fn a_write_of_nothing_is_nothing(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    assert_eq!(sys.write(writer, sys.page(), 0)?, 0);
    assert_eq!(read(sys, reader, 1), Err(Errno::EAGAIN));
    // Not even to nobody.
    sys.close(reader)?;
    assert_eq!(sys.write(writer, sys.page(), 0)?, 0);
    Ok(())
}

fn bytes_that_wait_are_counted(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    let count = || sys.ioctl(reader, IoctlCommand::FIONREAD, sys.page()).map(|_| sys.load::<i32>(sys.page()));
    assert_eq!(count()?, 0);
    write(sys, writer, b"twelve bytes")?;
    assert_eq!(count()?, 12);
    read(sys, reader, 5)?;
    assert_eq!(count()?, 7);
    assert_eq!(sys.ioctl(reader, IoctlCommand::TCGETS, sys.page()), Err(Errno::ENOTTY));
    Ok(())
}

fn a_pipe_sends_no_signal_to_whom_ignores_it(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        let Ok([reader, writer]) = pipe(sys, PipeFlags::empty()) else { return 1 };
        let ready = ignore_broken_pipes(sys).is_ok() && sys.close(reader).is_ok();
        let list = sys.store(sys.page() + 0x3000, &[sys.page() as u64, 1]);
        let told = [sys.write(writer, sys.page(), 1), sys.writev(writer, list, 1)];
        i32::from(!ready || told != [Err(Errno::EPIPE); 2])
    };
    in_child(sys, child, 0)?;
    Ok(())
}

fn fifo(sys: &dyn Sys) -> Result {
    sys.mknodat(Fd::CWD, sys.path(sys.page(), "fifo"), Mode(S_IFIFO | 0o600), 0)
}

fn a_fifo_is_empty_when_everybody_left(sys: &dyn Sys) -> Outcome {
    fifo(sys)?;
    let reader = open(sys, "fifo", OpenFlags::O_RDONLY | OpenFlags::O_NONBLOCK)?;
    let writer = open(sys, "fifo", OpenFlags::O_WRONLY)?;
    write(sys, writer, b"forgotten")?;
    sys.close(writer)?;
    sys.close(reader)?;
    let both = open(sys, "fifo", OpenFlags::O_RDWR | OpenFlags::O_NONBLOCK)?;
    assert_eq!(read(sys, both, 10), Err(Errno::EAGAIN));
    Ok(())
}

fn a_fifo_for_both_directions_waits_for_nobody(sys: &dyn Sys) -> Outcome {
    fifo(sys)?;
    let both = open(sys, "fifo", OpenFlags::O_RDWR)?;
    write(sys, both, b"to oneself")?;
    assert_eq!(read(sys, both, 100)?, b"to oneself");
    assert_eq!(sys.lseek(both, 0, Whence::SEEK_SET), Err(Errno::ESPIPE));
    Ok(())
}

fn a_fifo_without_writers_is_at_its_end(sys: &dyn Sys) -> Outcome {
    fifo(sys)?;
    let reader = open(sys, "fifo", OpenFlags::O_RDONLY | OpenFlags::O_NONBLOCK)?;
    assert_eq!(read(sys, reader, 1)?, b"");
    // Nobody has been there yet, so nobody has hung up.
    assert_eq!(events(sys, reader, PollEvents::POLLIN)?, PollEvents::empty());
    let writer = open(sys, "fifo", OpenFlags::O_WRONLY)?;
    assert_eq!(read(sys, reader, 1), Err(Errno::EAGAIN));
    sys.close(writer)?;
    assert_eq!(events(sys, reader, PollEvents::POLLIN)?, PollEvents::POLLHUP);
    assert_eq!(read(sys, reader, 1)?, b"");
    Ok(())
}

fn a_vector_into_a_full_pipe(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    size(sys, writer, 4096)?;
    let at = sys.page() as u64;
    let list = sys.store(sys.page() + 0x3000, &[at, 3000, at, 3000]);
    // Together they are more than PIPE_BUF.
    assert_eq!(sys.writev(writer, list, 2)?, 4096);
    assert_eq!(sys.writev(writer, list, 2), Err(Errno::EAGAIN));
    assert_eq!(sys.read(reader, sys.page(), 0x2000)?, 4096);
    let list = sys.store(sys.page() + 0x3000, &[at, 2000, at, 2000]);
    assert_eq!(sys.writev(writer, list, 2)?, 4000);
    assert_eq!(sys.writev(writer, list, 2), Err(Errno::EAGAIN));
    Ok(())
}

fn a_file_is_sent_until_the_pipe_is_full(sys: &dyn Sys) -> Outcome {
    let [_reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    size(sys, writer, 4096)?;
    let file = create(sys, "file")?;
    sys.ftruncate(file, 20000)?;
    assert_eq!(sys.sendfile(writer, file, 0, 20000)?, 4096);
    assert_eq!(sys.lseek(file, 0, Whence::SEEK_CUR)?, 4096);
    assert_eq!(sys.sendfile(writer, file, 0, 20000), Err(Errno::EAGAIN));
    assert_eq!(sys.lseek(file, 0, Whence::SEEK_CUR)?, 4096);
    Ok(())
}

fn a_file_without_a_size_is_sent(sys: &dyn Sys) -> Outcome {
    let (file, to) = (open(sys, "/proc/version", OpenFlags::O_RDONLY)?, create(sys, "file")?);
    let count = sys.sendfile(to, file, 0, 1000)?;
    assert_eq!((sys.sendfile(to, file, 0, 1000)?, sys.lseek(to, 0, Whence::SEEK_SET)?), (0, 0));
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    assert_eq!(read(sys, to, count)?, read(sys, file, 1000)?);
    // But for what is told of a process.
    let file = open(sys, "/proc/self/comm", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.sendfile(to, file, 0, 1000), Err(Errno::EINVAL));
    Ok(())
}

fn a_nonblocking_reader_tells_empty_from_ended(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    let other = sys.dup(writer)?;
    assert_eq!(read(sys, reader, 1), Err(Errno::EAGAIN));
    sys.close(writer)?;
    assert_eq!(read(sys, reader, 1), Err(Errno::EAGAIN));
    sys.close(Fd(other as i32))?;
    assert_eq!(read(sys, reader, 1)?, b"");
    assert_eq!(events(sys, reader, PollEvents::POLLIN)?, PollEvents::POLLHUP);
    Ok(())
}

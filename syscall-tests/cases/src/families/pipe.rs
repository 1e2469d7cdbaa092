//! Pipes.

use kernel_abi::flags::{EventfdFlags, FcntlCommand, OpenFlags, PipeFlags, S_IFIFO, SIG_IGN, Whence};
use kernel_abi::structs::{Sigaction, Stat, status_exited, status_signaled};
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Signal, Sys};

use super::Outcome;
use super::file::{read, write};
use super::process::wait;

cases! { "pipe":
    bytes_go_through, the_old_call_makes_a_pipe_too needs pipe, closing_the_last_writer_ends_the_pipe,
    writing_to_nobody_kills, an_empty_pipe_says_again,
    a_full_pipe_says_again, a_pipe_has_no_offset_and_two_directions, a_wild_pair_is_efault, a_child_writes,
    an_older_pipe, small_writes_are_whole, a_writer_waits_for_room, nobody_reads_and_the_signal_is_ignored,
    wild_buffers_leave_the_pipe_as_it_is, flags_belong_to_each_end,
    permissions_belong_to_both_ends, pipes_are_on_a_device_of_their_own,
}

/// A pipe: the end to read and the end to write.
pub(super) fn pipe(sys: &dyn Sys, flags: PipeFlags) -> Result<[Fd; 2]> {
    sys.pipe2(sys.page(), flags)?;
    Ok([Fd(sys.load(sys.page())), Fd(sys.load(sys.page() + 4))])
}

fn the_old_call_makes_a_pipe_too(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.pipe(8), Err(Errno::EFAULT));
    sys.pipe(sys.page())?;
    let [reader, writer]: [i32; 2] = sys.load(sys.page());
    write(sys, Fd(writer), b"old")?;
    assert_eq!(read(sys, Fd(reader), 10)?, b"old");
    Ok(())
}

fn bytes_go_through(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!((reader, writer), (Fd(3), Fd(4)));
    write(sys, writer, b"one")?;
    write(sys, writer, b"two")?;
    assert_eq!(read(sys, reader, 4)?, b"onet");
    assert_eq!(read(sys, reader, 100)?, b"wo");
    Ok(())
}

fn closing_the_last_writer_ends_the_pipe(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    write(sys, writer, b"last")?;
    sys.close(writer)?;
    assert_eq!(read(sys, reader, 100)?, b"last");
    assert_eq!(read(sys, reader, 100)?, b"");
    Ok(())
}

fn writing_to_nobody_kills(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    sys.close(reader)?;
    let child = |sys: &dyn Sys, writer| i32::from(sys.write(writer, sys.page(), 1).is_err());
    let pid = sys.fork_with(child, writer.0 as usize)?;
    assert_eq!(wait(sys, pid)?, status_signaled(Signal::SIGPIPE.number(), false));
    Ok(())
}

fn an_empty_pipe_says_again(sys: &dyn Sys) -> Outcome {
    let [reader, _] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    assert_eq!(read(sys, reader, 1), Err(Errno::EAGAIN));
    Ok(())
}

fn a_full_pipe_says_again(sys: &dyn Sys) -> Outcome {
    let [_, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    let mut bytes = 0;
    let refused = loop {
        match sys.write(writer, sys.page(), 4096) {
            Ok(wrote) => bytes += wrote,
            Err(errno) => break errno,
        }
    };
    assert_eq!((refused, bytes % 4096), (Errno::EAGAIN, 0));
    Ok(())
}

fn a_pipe_has_no_offset_and_two_directions(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(sys.lseek(reader, 0, Whence::SEEK_CUR), Err(Errno::ESPIPE));
    assert_eq!(sys.pread64(reader, sys.page(), 1, 0), Err(Errno::ESPIPE));
    assert_eq!(write(sys, reader, b"x"), Err(Errno::EBADF));
    assert_eq!(read(sys, writer, 1), Err(Errno::EBADF));
    Ok(())
}

fn a_wild_pair_is_efault(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.pipe2(8, PipeFlags::empty()), Err(Errno::EFAULT));
    assert_eq!(sys.pipe2(sys.page(), PipeFlags::from_bits_retain(1)), Err(Errno::EINVAL));
    assert_eq!(sys.close(Fd(3)), Err(Errno::EBADF));
    Ok(())
}

fn a_child_writes(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    let child = |sys: &dyn Sys, writer| {
        sys.poke(sys.page(), b"from the child");
        i32::from(sys.write(writer, sys.page(), 14) != Ok(14))
    };
    let pid = sys.fork_with(child, writer.0 as usize)?;
    sys.close(writer)?;
    assert_eq!(read(sys, reader, 100)?, b"from the child");
    assert_eq!(read(sys, reader, 100)?, b"");
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn an_older_pipe(sys: &dyn Sys) -> Outcome {
    sys.pipe(sys.page())?;
    let [reader, writer]: [i32; 2] = sys.load(sys.page());
    write(sys, Fd(writer), b"old")?;
    assert_eq!(read(sys, Fd(reader), 9)?, b"old");
    assert_eq!(sys.pipe(8), Err(Errno::EFAULT));
    let unknown = PipeFlags::from_bits_retain(1);
    assert_eq!(sys.pipe2(sys.page(), unknown), Err(Errno::EINVAL));
    Ok(())
}

fn small_writes_are_whole(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    let mut filled = 0;
    while let Ok(count) = sys.write(writer, sys.page(), 4096) {
        filled += count;
    }
    assert_eq!(filled, 65536);
    // Room for one page and not more: what is longer is written in part, for only PIPE_BUF bytes are promised whole.
    sys.read(reader, sys.page(), 4096)?;
    assert_eq!(sys.write(writer, sys.page(), 8192)?, 4096);
    // Half a page read frees no page: a small write would have to be split.
    sys.read(reader, sys.page(), 2048)?;
    assert_eq!(sys.write(writer, sys.page(), 4096), Err(Errno::EAGAIN));
    Ok(())
}

fn a_writer_waits_for_room(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    // Three times what a pipe holds.
    let child = |sys: &dyn Sys, writer| {
        let writer = super::file::descriptor(writer);
        for _ in 0..6 {
            if sys.write(writer, sys.page(), 32768) != Ok(32768) {
                return 1;
            }
        }
        0
    };
    let pid = sys.fork_with(child, writer.0 as usize)?;
    sys.close(writer)?;
    let mut total = 0;
    loop {
        match sys.read(reader, sys.page(), 20000)? {
            0 => break,
            count => total += count,
        }
    }
    assert_eq!(total, 6 * 32768);
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn nobody_reads_and_the_signal_is_ignored(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    let ignore = Sigaction { handler: SIG_IGN, ..Sigaction::default() };
    sys.poke(sys.page(), &ignore.encode(sys.arch()));
    sys.rt_sigaction(Signal::SIGPIPE, sys.page(), 0, 8)?;
    write(sys, writer, b"x")?;
    sys.close(reader)?;
    assert_eq!(write(sys, writer, b"x"), Err(Errno::EPIPE));
    Ok(())
}

fn wild_buffers_leave_the_pipe_as_it_is(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::O_NONBLOCK)?;
    assert_eq!(sys.write(writer, 8, 10), Err(Errno::EFAULT));
    assert_eq!(read(sys, reader, 10), Err(Errno::EAGAIN));
    write(sys, writer, b"kept")?;
    assert_eq!(sys.read(reader, 8, 10), Err(Errno::EFAULT));
    assert_eq!(read(sys, reader, 10)?, b"kept");
    Ok(())
}

fn flags_belong_to_each_end(sys: &dyn Sys) -> Outcome {
    let [reader, writer] = pipe(sys, PipeFlags::empty())?;
    sys.fcntl(writer, FcntlCommand::F_SETFL, OpenFlags::O_NONBLOCK)?;
    let flags = [sys.fcntl(reader, FcntlCommand::F_GETFL, 0)?, sys.fcntl(writer, FcntlCommand::F_GETFL, 0)?];
    assert_eq!(flags, [0, (OpenFlags::O_WRONLY | OpenFlags::O_NONBLOCK).bits() as usize]);
    Ok(())
}

fn permissions_belong_to_both_ends(sys: &dyn Sys) -> Outcome {
    let ends = pipe(sys, PipeFlags::empty())?;
    let mode = |end| -> Result<u32> {
        sys.fstat(end, sys.page() + 0x1000)?;
        let bytes = sys.bytes(sys.page() + 0x1000, Stat::size(sys.arch()));
        Ok(Stat::decode(sys.arch(), &bytes).expect("long enough").mode)
    };
    assert_eq!((mode(ends[0])?, mode(ends[1])?), (u32::from(S_IFIFO) | 0o600, u32::from(S_IFIFO) | 0o600));
    sys.fchmod(ends[0], Mode(0o1421))?;
    assert_eq!((mode(ends[0])?, mode(ends[1])?), (u32::from(S_IFIFO) | 0o1421, u32::from(S_IFIFO) | 0o1421));
    assert_eq!(write(sys, ends[1], b"still")?, 5);
    Ok(())
}

fn pipes_are_on_a_device_of_their_own(sys: &dyn Sys) -> Outcome {
    let device = |file| -> Result<u64> {
        sys.fstat(file, sys.page())?;
        Ok(Stat::decode(sys.arch(), &sys.bytes(sys.page(), Stat::size(sys.arch()))).expect("long enough").dev)
    };
    let [a, b] = [pipe(sys, PipeFlags::empty())?, pipe(sys, PipeFlags::empty())?];
    let event = super::file::descriptor(sys.eventfd2(0, EventfdFlags::empty())?);
    assert_eq!(device(a[0])?, device(b[1])?);
    assert_ne!(device(a[0])?, device(event)?);
    Ok(())
}

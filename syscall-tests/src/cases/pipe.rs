//! Pipes.

use kernel_abi::flags::{PipeFlags, Whence};
use kernel_abi::structs::{status_exited, status_signaled};
use kernel_abi::{Calls, Errno, Fd, Result, Signal, Sys};

use super::Outcome;
use super::file::{read, write};
use super::process::wait;

cases! { "pipe":
    bytes_go_through, the_old_call_makes_a_pipe_too, closing_the_last_writer_ends_the_pipe, writing_to_nobody_kills, an_empty_pipe_says_again,
    a_full_pipe_says_again, a_pipe_has_no_offset_and_two_directions, a_wild_pair_is_efault, a_child_writes,
}

/// A pipe: the end to read and the end to write.
pub(super) fn pipe(sys: &dyn Sys, flags: PipeFlags) -> Result<[Fd; 2]> {
    sys.pipe2(sys.page(), flags)?;
    Ok([Fd(sys.load(sys.page())), Fd(sys.load(sys.page() + 4))])
}

fn the_old_call_makes_a_pipe_too(sys: &dyn Sys) -> Outcome {
    match sys.pipe(8) {
        // RISC-V has pipe2(2) alone.
        Err(Errno::ENOSYS) => return Ok(()),
        refused => assert_eq!(refused, Err(Errno::EFAULT)),
    }
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

//! Commands of fcntl(2) about an open file itself: whom it belongs to, which signal it would send, leases, notes.

use kernel_abi::flags::{F_UNLCK, FcntlCommand, OpenFlags, PipeFlags};
use kernel_abi::{Calls, Errno, Fd, Result, Signal, Sys};

use super::Outcome;
use super::file::{create, descriptor, open};
use super::pipe::pipe;
use super::process::pauses;

cases! { "owner":
    a_file_is_nobodys_at_first, an_owner_is_a_process_or_a_group, an_owner_is_named_by_kind, what_is_no_owner,
    an_owner_that_ended_is_nobody, a_signal_is_chosen, what_belongs_to_all_duplicates, a_file_without_a_lease,
    what_a_note_is_refused, a_place_has_none_of_it, commands_of_the_past,
}

const F_OWNER_TID: i32 = 0;
const F_OWNER_PID: i32 = 1;
const F_OWNER_PGRP: i32 = 2;

fn ask(sys: &dyn Sys, file: Fd, command: FcntlCommand) -> Result {
    sys.fcntl(file, command, 0)
}

/// Kind and number.
fn owner(sys: &dyn Sys, file: Fd) -> Result<[i32; 2]> {
    let into = sys.page() + 64;
    sys.fcntl(file, FcntlCommand::F_GETOWN_EX, into)?;
    Ok(sys.load(into))
}

fn own(sys: &dyn Sys, file: Fd, kind: i32, id: i32) -> Result {
    let from = sys.store(sys.page() + 128, &[kind, id]);
    sys.fcntl(file, FcntlCommand::F_SETOWN_EX, from)
}

fn set_own(sys: &dyn Sys, file: Fd, id: i32) -> Result {
    sys.fcntl(file, FcntlCommand::F_SETOWN, id as usize)
}

fn a_file_is_nobodys_at_first(sys: &dyn Sys) -> Outcome {
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    for file in [create(sys, "file")?, reader] {
        assert_eq!(ask(sys, file, FcntlCommand::F_GETOWN)?, 0);
        // Of which kind nobody is, changed in Linux 6.12.
        assert_eq!(owner(sys, file)?[1], 0);
        assert_eq!(ask(sys, file, FcntlCommand::F_GETSIG)?, 0);
    }
    Ok(())
}

fn an_owner_is_a_process_or_a_group(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let me = sys.getpid()? as i32;
    set_own(sys, file, me)?;
    assert_eq!((ask(sys, file, FcntlCommand::F_GETOWN)?, owner(sys, file)?), (me as usize, [F_OWNER_PID, me]));
    // A group is a negative number, which the C library's wrapper alone can tell from an errno.
    let group = sys.getpgid(0)? as i32;
    set_own(sys, file, -group)?;
    assert_eq!(owner(sys, file)?, [F_OWNER_PGRP, group]);
    set_own(sys, file, 0)?;
    assert_eq!(ask(sys, file, FcntlCommand::F_GETOWN)?, 0);
    Ok(())
}

fn an_owner_is_named_by_kind(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let (me, thread, group) = (sys.getpid()? as i32, sys.gettid()? as i32, sys.getpgid(0)? as i32);
    for named in [[F_OWNER_PID, me], [F_OWNER_TID, thread], [F_OWNER_PGRP, group]] {
        own(sys, file, named[0], named[1])?;
        assert_eq!(owner(sys, file)?, named);
    }
    own(sys, file, F_OWNER_PID, 0)?;
    assert_eq!(owner(sys, file)?, [F_OWNER_PID, 0]);
    Ok(())
}

fn what_is_no_owner(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    assert_eq!(set_own(sys, file, 0x3fff_ffff), Err(Errno::ESRCH));
    assert_eq!(set_own(sys, file, -0x3fff_ffff), Err(Errno::ESRCH));
    assert_eq!(set_own(sys, file, i32::MIN), Err(Errno::EINVAL));
    assert_eq!(own(sys, file, F_OWNER_PID, 0x3fff_ffff), Err(Errno::ESRCH));
    assert_eq!(own(sys, file, F_OWNER_PGRP, 0x3fff_ffff), Err(Errno::ESRCH));
    assert_eq!(own(sys, file, 3, 0), Err(Errno::EINVAL));
    assert_eq!(own(sys, file, -1, 0), Err(Errno::EINVAL));
    assert_eq!(sys.fcntl(file, FcntlCommand::F_SETOWN_EX, 8), Err(Errno::EFAULT));
    assert_eq!(sys.fcntl(file, FcntlCommand::F_GETOWN_EX, 8), Err(Errno::EFAULT));
    assert_eq!(ask(sys, file, FcntlCommand::F_GETOWN)?, 0);
    Ok(())
}

fn an_owner_that_ended_is_nobody(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let pid = sys.fork_with(pauses, 0)?;
    set_own(sys, file, pid as i32)?;
    assert_eq!(ask(sys, file, FcntlCommand::F_GETOWN)?, pid);
    sys.kill(pid, Signal::SIGKILL)?;
    super::process::wait(sys, pid)?;
    assert_eq!(ask(sys, file, FcntlCommand::F_GETOWN)?, 0);
    assert_eq!(owner(sys, file)?, [F_OWNER_PID, 0]);
    Ok(())
}

fn a_signal_is_chosen(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let choose = |signal| sys.fcntl(file, FcntlCommand::F_SETSIG, signal);
    for signal in [Signal::SIGUSR1.number() as usize, 64, 0] {
        choose(signal)?;
        assert_eq!(ask(sys, file, FcntlCommand::F_GETSIG)?, signal);
    }
    for signal in [65, usize::MAX] {
        assert_eq!(choose(signal), Err(Errno::EINVAL));
    }
    Ok(())
}

fn what_belongs_to_all_duplicates(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let (duplicate, other) = (descriptor(sys.dup(file)?), open(sys, "file", OpenFlags::O_RDONLY)?);
    set_own(sys, file, sys.getpid()? as i32)?;
    sys.fcntl(file, FcntlCommand::F_SETSIG, Signal::SIGUSR2.number() as usize)?;
    assert_eq!(ask(sys, duplicate, FcntlCommand::F_GETOWN)?, sys.getpid()?);
    assert_eq!(ask(sys, duplicate, FcntlCommand::F_GETSIG)?, Signal::SIGUSR2.number() as usize);
    assert_eq!(ask(sys, other, FcntlCommand::F_GETOWN)?, 0);
    assert_eq!(ask(sys, other, FcntlCommand::F_GETSIG)?, 0);
    Ok(())
}

fn a_file_without_a_lease(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    assert_eq!(ask(sys, file, FcntlCommand::F_GETLEASE)?, F_UNLCK as usize);
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!(sys.fcntl(reader, FcntlCommand::F_SETLEASE, 0), Err(Errno::EINVAL));
    assert_eq!(sys.fcntl(file, FcntlCommand::F_SETLEASE, 7), Err(Errno::EINVAL));
    // There is none to give back.
    assert_eq!(sys.fcntl(file, FcntlCommand::F_SETLEASE, F_UNLCK as usize), Err(Errno::EAGAIN));
    // What is no lease is told before whose it would be.
    let null = open(sys, "/dev/null", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.fcntl(null, FcntlCommand::F_SETLEASE, 4096), Err(Errno::EINVAL));
    Ok(())
}

fn what_a_note_is_refused(sys: &dyn Sys) -> Outcome {
    const DN_MODIFY: usize = 2;
    const DN_MULTISHOT: usize = 0x8000_0000;
    let (file, dir) = (create(sys, "file")?, open(sys, ".", OpenFlags::O_RDONLY)?);
    assert_eq!(sys.fcntl(file, FcntlCommand::F_NOTIFY, DN_MODIFY), Err(Errno::ENOTDIR));
    assert_eq!(sys.fcntl(file, FcntlCommand::F_NOTIFY, DN_MODIFY | DN_MULTISHOT), Err(Errno::ENOTDIR));
    // No note is taken back from where none is.
    for file in [file, dir] {
        assert_eq!(sys.fcntl(file, FcntlCommand::F_NOTIFY, 0)?, 0);
        assert_eq!(sys.fcntl(file, FcntlCommand::F_NOTIFY, DN_MULTISHOT)?, 0);
    }
    Ok(())
}

fn commands_of_the_past(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let hint = sys.store(sys.page() + 64, &0_u64);
    for command in [FcntlCommand::F_GET_FILE_RW_HINT, FcntlCommand::F_SET_FILE_RW_HINT, FcntlCommand(12)] {
        assert_eq!(sys.fcntl(file, command, hint), Err(Errno::EINVAL), "{command:?}");
    }
    Ok(())
}

fn a_place_has_none_of_it(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let place = open(sys, "file", OpenFlags::O_PATH)?;
    for file in [place, Fd(99)] {
        for command in [
            FcntlCommand::F_GETOWN,
            FcntlCommand::F_SETOWN,
            FcntlCommand::F_GETSIG,
            FcntlCommand::F_SETSIG,
            FcntlCommand::F_GETLEASE,
            FcntlCommand::F_NOTIFY,
        ] {
            assert_eq!(ask(sys, file, command), Err(Errno::EBADF), "{command:?}");
        }
    }
    Ok(())
}

//! Descriptors: how they are numbered, doubled, flagged and given back.

use kernel_abi::flags::{CloseRangeFlags, DupFlags, FcntlCommand, OpenFlags, Resource};
use kernel_abi::structs::Rlimit;
use kernel_abi::{Calls, Errno, Fd, Sys};

use super::Outcome;
use super::file::{create, descriptor, open};

cases! { "descriptor":
    the_lowest_free_number_is_given, a_chosen_number_replaces_what_was_there, a_descriptor_onto_itself,
    close_on_exec_belongs_to_the_descriptor, status_flags_belong_to_the_description,
    a_duplicate_from_a_number_on, an_unknown_command_is_refused, a_range_is_closed, the_limit_is_emfile,
}

fn the_lowest_free_number_is_given(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "file")?, create(sys, "file")?);
    assert_eq!((a, b), (Fd(3), Fd(4)));
    sys.close(a)?;
    assert_eq!(sys.dup(b)?, 3);
    assert_eq!(sys.dup(Fd(77)), Err(Errno::EBADF));
    Ok(())
}

fn a_chosen_number_replaces_what_was_there(sys: &dyn Sys) -> Outcome {
    let (a, b) = (create(sys, "a")?, create(sys, "b")?);
    assert_eq!(sys.dup3(a, b, DupFlags::O_CLOEXEC)?, 4);
    assert_eq!(sys.fcntl(b, FcntlCommand::F_GETFD, 0)?, 1);
    super::file::write(sys, b, b"x")?;
    assert_eq!(sys.lseek(a, 0, kernel_abi::flags::Whence::SEEK_CUR)?, 1);
    assert_eq!(sys.dup3(a, Fd(50), DupFlags::empty())?, 50);
    assert_eq!(sys.dup3(a, Fd(-1), DupFlags::empty()), Err(Errno::EBADF));
    assert_eq!(sys.dup3(Fd(77), b, DupFlags::empty()), Err(Errno::EBADF));
    Ok(())
}

fn a_descriptor_onto_itself(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    assert_eq!(sys.dup3(file, file, DupFlags::empty()), Err(Errno::EINVAL));
    assert_eq!(sys.dup2(file, file), Ok(3));
    Ok(())
}

fn close_on_exec_belongs_to_the_descriptor(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let file = open(sys, "file", OpenFlags::O_RDONLY | OpenFlags::O_CLOEXEC)?;
    assert_eq!(sys.fcntl(file, FcntlCommand::F_GETFD, 0)?, 1);
    let duplicate = descriptor(sys.dup(file)?);
    assert_eq!(sys.fcntl(duplicate, FcntlCommand::F_GETFD, 0)?, 0);
    sys.fcntl(duplicate, FcntlCommand::F_SETFD, 1)?;
    sys.fcntl(file, FcntlCommand::F_SETFD, 0)?;
    assert_eq!(sys.fcntl(duplicate, FcntlCommand::F_GETFD, 0)?, 1);
    assert_eq!(sys.fcntl(file, FcntlCommand::F_GETFD, 0)?, 0);
    Ok(())
}

fn status_flags_belong_to_the_description(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let duplicate = descriptor(sys.dup(file)?);
    let wanted = (OpenFlags::O_APPEND | OpenFlags::O_NONBLOCK).bits() as usize;
    sys.fcntl(file, FcntlCommand::F_SETFL, wanted)?;
    let flags = sys.fcntl(duplicate, FcntlCommand::F_GETFL, 0)?;
    assert_eq!(flags & 0xfff, wanted | OpenFlags::O_RDWR.bits() as usize);
    Ok(())
}

fn a_duplicate_from_a_number_on(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    assert_eq!(sys.fcntl(file, FcntlCommand::F_DUPFD, 10)?, 10);
    assert_eq!(sys.fcntl(file, FcntlCommand::F_DUPFD_CLOEXEC, 10)?, 11);
    assert_eq!(sys.fcntl(Fd(11), FcntlCommand::F_GETFD, 0)?, 1);
    assert_eq!(sys.fcntl(file, FcntlCommand::F_DUPFD, usize::MAX), Err(Errno::EINVAL));
    // Half of the argument counts.
    assert_eq!(sys.fcntl(file, FcntlCommand::F_DUPFD, 20_usize | 1 << 32)?, 20);
    Ok(())
}

fn an_unknown_command_is_refused(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    assert_eq!(sys.fcntl(file, FcntlCommand(9999), 0), Err(Errno::EINVAL));
    assert_eq!(sys.fcntl(Fd(99), FcntlCommand(9999), 0), Err(Errno::EBADF));
    Ok(())
}

fn a_range_is_closed(sys: &dyn Sys) -> Outcome {
    for _ in 0..4 {
        create(sys, "file")?;
    }
    sys.close_range(4, 5, CloseRangeFlags::empty())?;
    let open = |number| sys.fcntl(Fd(number), FcntlCommand::F_GETFD, 0).is_ok();
    assert_eq!([3, 4, 5, 6].map(open), [true, false, false, true]);
    assert_eq!(sys.close_range(5, 4, CloseRangeFlags::empty()), Err(Errno::EINVAL));
    sys.close_range(3, u32::MAX, CloseRangeFlags::CLOSE_RANGE_CLOEXEC)?;
    assert_eq!(sys.fcntl(Fd(6), FcntlCommand::F_GETFD, 0)?, 1);
    Ok(())
}

fn the_limit_is_emfile(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    let limit = sys.store(sys.page(), &Rlimit { rlim_cur: 5, rlim_max: 5 });
    sys.setrlimit(Resource::RLIMIT_NOFILE, limit)?;
    assert_eq!(sys.dup(file)?, 4);
    assert_eq!(sys.dup(file), Err(Errno::EMFILE));
    assert_eq!(sys.dup3(file, Fd(5), DupFlags::empty()), Err(Errno::EBADF));
    assert_eq!(sys.fcntl(file, FcntlCommand::F_DUPFD, 5), Err(Errno::EINVAL));
    Ok(())
}

//! What generated programs found out about Linux, and Orrery did not know: see `cargo xtask diff`.

use kernel_abi::flags::{
    FcntlCommand, IoctlCommand, MapFlags, MsyncFlags, OpenFlags, PidfdFlags, ProtFlags, WaitId, WaitOptions,
};
use kernel_abi::structs::{Flock, Siginfo, Timeval, status_signaled};
use kernel_abi::{Calls, Errno, Fd, Pid, Signal, Sys};

use super::Outcome;
use super::file::{create, descriptor, open, write};
use super::memory::map_shared;
use super::process::{pauses, wait};
use super::thread::start;

cases! { "found":
    packets_are_for_pipes, the_bytes_of_a_file_by_ioctl, what_has_no_offset_is_locked_from_its_beginning,
    a_timeout_wraps needs select, a_fatal_signal_is_the_last_that_its_sender_does, a_siginfo_is_written_field_by_field,
    a_thread_is_itself_to_no_other, a_scope_is_known_before_the_descriptor, a_length_that_wraps_is_none,
    a_stack_is_not_shared, nobody_has_a_negative_number,
}

fn packets_are_for_pipes(sys: &dyn Sys) -> Outcome {
    let event = descriptor(sys.eventfd2(0, kernel_abi::flags::EventfdFlags::empty())?);
    assert_eq!(sys.fcntl(event, FcntlCommand::F_SETFL, OpenFlags::O_DIRECT), Err(Errno::EINVAL));
    assert_eq!(sys.fcntl(event, FcntlCommand::F_SETFL, OpenFlags::O_NONBLOCK)?, 0);
    Ok(())
}

fn the_bytes_of_a_file_by_ioctl(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    write(sys, file, b"some")?;
    let at = sys.page();
    sys.store(at, &-1_i64);
    sys.ioctl(file, IoctlCommand::FIOQSIZE, at)?;
    // Blocks that are not written yet need not count.
    assert!([0, 4096].contains(&sys.load::<i64>(at)));
    assert_eq!(sys.ioctl(file, IoctlCommand::FIOQSIZE, 8), Err(Errno::EFAULT));
    let null = open(sys, "/dev/null", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.ioctl(null, IoctlCommand::FIOQSIZE, at), Err(Errno::ENOTTY));
    Ok(())
}

fn what_has_no_offset_is_locked_from_its_beginning(sys: &dyn Sys) -> Outcome {
    let event = descriptor(sys.eventfd2(0, kernel_abi::flags::EventfdFlags::empty())?);
    let at = sys.page();
    sys.store(at, &Flock { l_type: 1, l_whence: 1, ..Flock::default() });
    assert_eq!(sys.fcntl(event, FcntlCommand::F_SETLK, at)?, 0);
    sys.store(at, &Flock { l_type: 1, l_whence: 1, l_start: -1, ..Flock::default() });
    assert_eq!(sys.fcntl(event, FcntlCommand::F_SETLK, at), Err(Errno::EINVAL));
    Ok(())
}

fn a_timeout_wraps(sys: &dyn Sys) -> Outcome {
    let at = sys.page();
    sys.store(at, &Timeval { tv_sec: i64::MAX, tv_usec: 1_000_000 });
    assert_eq!(sys.select(0, 0, 0, 0, at), Err(Errno::EINVAL));
    Ok(())
}

fn kills_its_process(sys: &dyn Sys, word: usize) -> i32 {
    let _ = sys.getpid().and_then(|me| sys.kill(me, Signal::SIGTERM));
    sys.store(word, &1_u32);
    0
}

fn a_fatal_signal_is_the_last_that_its_sender_does(sys: &dyn Sys) -> Outcome {
    let word = map_shared(sys)?;
    let child = |sys: &dyn Sys, word| match start(sys, 0, kills_its_process, word) {
        Ok(_) => pauses(sys, 0),
        Err(_) => 1,
    };
    let pid = sys.fork_with(child, word)?;
    assert_eq!(wait(sys, pid)?, status_signaled(15, false));
    assert_eq!(sys.load::<u32>(word), 0);
    Ok(())
}

fn a_siginfo_is_written_field_by_field(sys: &dyn Sys) -> Outcome {
    let at = sys.page();
    sys.store(at, &[0x5a_u8; 128]);
    // Nobody's child.
    assert_eq!(sys.waitid(WaitId::P_PID, Pid(1), at, WaitOptions::WEXITED, 0), Err(Errno::ECHILD));
    let bytes = sys.bytes(at, 128);
    assert_eq!((&bytes[..12], &bytes[12..16]), (&[0; 12][..], &[0x5a; 4][..]));
    assert_eq!((&bytes[16..28], &bytes[28..]), (&[0; 12][..], &[0x5a; 100][..]));
    Ok(())
}

fn a_thread_is_itself_to_no_other(sys: &dyn Sys) -> Outcome {
    let (me, at) = (sys.getpid()?, sys.page());
    let (me, other) = (Pid(me as i32), Pid(0x3fff_fff0));
    sys.store(at, &Siginfo::default());
    assert_eq!(sys.rt_tgsigqueueinfo(me, other, 10, at), Err(Errno::EPERM));
    assert_eq!(sys.rt_tgsigqueueinfo(other, me, 10, at), Err(Errno::ESRCH));
    assert_eq!(sys.rt_tgsigqueueinfo(me, me, 0, at)?, 0);
    Ok(())
}

fn a_scope_is_known_before_the_descriptor(sys: &dyn Sys) -> Outcome {
    let at = sys.page();
    assert_eq!(sys.pidfd_send_signal(Fd(-1), 0, 0, 2), Err(Errno::EBADF));
    assert_eq!(sys.pidfd_send_signal(Fd(-1), 0, 0, 3), Err(Errno::EINVAL));
    assert_eq!(sys.pidfd_send_signal(Fd(-1), 0, 0, 8), Err(Errno::EINVAL));
    let me = descriptor(sys.pidfd_open(Pid(sys.getpid()? as i32), PidfdFlags::empty())?);
    assert_eq!(sys.pidfd_send_signal(me, 0, 0, 2)?, 0);
    sys.store(at, &Siginfo { si_signo: 12, ..Siginfo::default() });
    assert_eq!(sys.pidfd_send_signal(me, 10, at, 0), Err(Errno::EINVAL));
    Ok(())
}

fn a_length_that_wraps_is_none(sys: &dyn Sys) -> Outcome {
    let at = map_shared(sys)?;
    assert_eq!(sys.msync(at, usize::MAX, MsyncFlags::empty())?, 0);
    // Nothing can be anywhere.
    assert_eq!(sys.msync(0xffff_8000_0000_1000_usize, 0, MsyncFlags::empty())?, 0);
    if sys.mlock(at, 4096).is_ok() {
        assert_eq!(sys.msync(at, usize::MAX, MsyncFlags::MS_INVALIDATE)?, 0);
        assert_eq!(sys.msync(at, 4096, MsyncFlags::MS_INVALIDATE), Err(Errno::EBUSY));
    }
    assert_eq!(sys.msync(at + 1, usize::MAX, MsyncFlags::empty()), Err(Errno::EINVAL));
    let none = MapFlags::MAP_ANONYMOUS;
    assert_eq!(sys.mmap(0, usize::MAX, ProtFlags::empty(), none, Fd(-1), 0), Err(Errno::ENOMEM));
    assert_eq!(sys.mmap(0, 4096, ProtFlags::empty(), none, Fd(-1), 0), Err(Errno::EINVAL));
    let (file, far) = (create(sys, "f")?, usize::MAX - 4095);
    let map = |len, flags, at| sys.mmap(0, len, ProtFlags::empty(), flags, file, at);
    assert_eq!(map(far, MapFlags::empty(), 0), Err(Errno::ENOMEM));
    assert_eq!(map(4096, MapFlags::empty(), far), Err(Errno::EOVERFLOW));
    assert_eq!(map(4096, MapFlags::empty(), 0), Err(Errno::EINVAL));
    assert_eq!(map(4096, MapFlags::MAP_PRIVATE | MapFlags::MAP_HUGETLB, 0), Err(Errno::EINVAL));
    let large = none | MapFlags::MAP_PRIVATE | MapFlags::MAP_HUGETLB;
    assert_eq!(sys.mmap(0, 4096, ProtFlags::empty(), large, Fd(-1), 4096), Err(Errno::EINVAL));
    // What never was refused is not when flags are looked at.
    for old in [0x80, 1 << 26, 1 << 30] {
        map(4096, MapFlags::MAP_SHARED_VALIDATE | MapFlags::from_bits_retain(old), 0)?;
    }
    let unknown = MapFlags::MAP_SHARED_VALIDATE | MapFlags::from_bits_retain(1 << 31);
    assert_eq!(map(4096, unknown, 0), Err(Errno::EOPNOTSUPP));
    Ok(())
}

fn a_stack_is_not_shared(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let grows = MapFlags::MAP_GROWSDOWN;
    let map = |flags, file| sys.mmap(0, 4096, ProtFlags::PROT_READ, flags, file, 0);
    assert_eq!(map(grows | MapFlags::MAP_SHARED, file), Err(Errno::EINVAL));
    assert_eq!(map(grows | MapFlags::MAP_PRIVATE, file), Err(Errno::EINVAL));
    assert_eq!(map(grows | MapFlags::MAP_SHARED | MapFlags::MAP_ANONYMOUS, Fd(-1)), Err(Errno::EINVAL));
    map(grows | MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS, Fd(-1))?;
    Ok(())
}

fn nobody_has_a_negative_number(sys: &dyn Sys) -> Outcome {
    sys.store(sys.page(), &1_u64);
    assert_eq!(sys.sched_setaffinity(Pid(-5), 8, sys.page()), Err(Errno::ESRCH));
    Ok(())
}

//! Which of two refusals is told, and what has happened by then: what generated programs found about Linux.

use alloc::format;

use kernel_abi::flags::{
    AtFlags, ClockId, EpollEvents, EpollFlags, EpollOp, EventfdFlags, FcntlCommand, FutexOp, IoctlCommand, Madvice,
    MapFlags, OpenFlags, PipeFlags, PrctlOption, ProtFlags, Resource, RwFlags, SIGEV_NONE, SignalfdFlags, TimerfdFlags,
    Whence, XattrFlags,
};
use kernel_abi::structs::{EpollEvent, Iovec, Sigevent, Siginfo, Stat, status_exited};
use kernel_abi::{Calls, Errno, Fd, Gid, Mode, Pid, Result, SigSet, Signal, Sys, Uid};

use super::Outcome;
use super::file::{create, descriptor, open, write};
use super::limit::{becomes_nobody, lower};
use super::mapping::reads;
use super::memory::{PAGE, PRIVATE, RW, SHARED, map};
use super::pipe::pipe;
use super::process::{ended, in_child, wait};
use super::signal::{counted, counts, handle};
use super::thread::{TIDS, start};

cases! { "refused":
    a_place_is_looked_for_before_what_is_to_be_there, flags_are_validated_for_files, what_grows_is_looked_for_first,
    what_comes_before_a_hole_is_told, memory_becomes_data_within_the_limit, no_path_is_none_before_there_is_no_descriptor,
    what_is_not_read_does_not_look_where_to, what_has_no_offset_is_there_always,
    nothing_is_polled_where_a_program_may_be, what_is_nowhere_has_no_attributes, a_pipe_is_not_given_away, notes_by_a_pipe_need_a_kernel_that_has_them,
    a_timer_that_is_refused_has_used_a_number, a_process_answers_to_its_threads_numbers,
    what_is_said_of_a_signal_has_an_end, what_may_not_be_read_is_not_fetched,
    nothing_is_copied_from_behind_the_end, nothing_is_copied_to_behind_the_limit, what_is_no_place_for_bytes_is_sent_none, who_tells_nobody_is_not_asked_to, what_an_operation_is_comes_before_its_word, a_question_without_arguments_has_none,
    what_is_not_there_is_read_into_any_length, what_is_no_flag_is_not_kept, no_path_is_empty_only_to_who_looks,
    who_alone_is_woken_waits_for_little, nothing_that_is_sent_changes_nobody,
    a_place_too_far_away_comes_before_flags, a_process_without_time_ends_with_a_tick,
}

/// Memory that no program has.
const BEYOND: usize = 0xffff_8000_0000_1000;

fn a_place_is_looked_for_before_what_is_to_be_there(sys: &dyn Sys) -> Outcome {
    let (none, fixed) = (MapFlags::MAP_ANONYMOUS, MapFlags::MAP_ANONYMOUS | MapFlags::MAP_FIXED);
    let place = |at, flags| sys.mmap(at, PAGE, ProtFlags::empty(), flags, Fd(-1), 0);
    // Neither shared nor private is no kind of mapping.
    assert_eq!(place(0, none), Err(Errno::EINVAL));
    assert_eq!(place(BEYOND, fixed), Err(Errno::ENOMEM));
    assert_eq!(place(BEYOND + 1, fixed), Err(Errno::ENOMEM));
    assert_eq!(place(PAGE + 1, fixed | MapFlags::MAP_PRIVATE), Err(Errno::EINVAL));
    let there = map(sys, PAGE, PRIVATE)?;
    assert_eq!(place(there, none | MapFlags::MAP_FIXED_NOREPLACE), Err(Errno::EEXIST));
    assert_eq!(place(there, fixed), Err(Errno::EINVAL));
    assert_eq!(reads(sys, there)?, status_exited(0));
    let child = |sys: &dyn Sys, _| {
        ended((|| {
            becomes_nobody(sys)?;
            let place = |at, flags| sys.mmap(at, PAGE, ProtFlags::empty(), flags, Fd(-1), 0);
            let locked = MapFlags::MAP_ANONYMOUS | MapFlags::MAP_LOCKED;
            lower(sys, Resource::RLIMIT_MEMLOCK, 0)?;
            assert_eq!(place(0, locked), Err(Errno::EPERM));
            assert_eq!(place(BEYOND, locked | MapFlags::MAP_FIXED), Err(Errno::ENOMEM));
            lower(sys, Resource::RLIMIT_MEMLOCK, 1)?;
            assert_eq!(place(0, locked), Err(Errno::EAGAIN));
            assert_eq!(place(0, MapFlags::MAP_ANONYMOUS | MapFlags::MAP_FIXED), Err(Errno::EPERM));
            Ok(())
        })())
    };
    in_child(sys, child, 0)?;
    Ok(())
}

fn flags_are_validated_for_files(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let validated = MapFlags::from_bits_retain(3);
    let place = |flags, file| sys.mmap(0, PAGE, ProtFlags::PROT_READ, validated | flags, file, 0);
    let at = place(MapFlags::empty(), file)?;
    sys.munmap(at, PAGE)?;
    assert_eq!(place(MapFlags::from_bits_retain(1 << 62), file), Err(Errno::EOPNOTSUPP));
    let there = validated | MapFlags::MAP_FIXED_NOREPLACE;
    assert_eq!(sys.mmap(at, PAGE, ProtFlags::PROT_READ, there, file, 0), Err(Errno::EOPNOTSUPP));
    assert_eq!(place(MapFlags::MAP_ANONYMOUS, Fd(-1)), Err(Errno::EINVAL));
    Ok(())
}

fn what_grows_is_looked_for_first(sys: &dyn Sys) -> Outcome {
    let at = map(sys, 4 * PAGE, PRIVATE)?;
    sys.munmap(at + PAGE, 2 * PAGE)?;
    let protect = |at, pages, how| sys.mprotect(at, pages * PAGE, ProtFlags::PROT_READ | how);
    for how in [ProtFlags::PROT_GROWSDOWN, ProtFlags::PROT_GROWSUP] {
        assert_eq!(protect(at, 1, how), Err(Errno::EINVAL));
        assert_eq!(protect(at + PAGE, 1, how), Err(Errno::ENOMEM));
    }
    // What begins in the range is what grows down, or does not.
    assert_eq!(protect(at + PAGE, 3, ProtFlags::PROT_GROWSDOWN), Err(Errno::EINVAL));
    assert_eq!(protect(at + PAGE, 3, ProtFlags::PROT_GROWSUP), Err(Errno::ENOMEM));
    Ok(())
}

fn what_comes_before_a_hole_is_told(sys: &dyn Sys) -> Outcome {
    let (at, told) = (map(sys, 3 * PAGE, PRIVATE)?, sys.page());
    sys.munmap(at + PAGE, PAGE)?;
    sys.poke(at, b"there");
    sys.poke(told, &[0x5a; 3]);
    assert_eq!(sys.mincore(at, 3 * PAGE, told), Err(Errno::ENOMEM));
    assert_eq!(sys.bytes(told, 3), [1, 0x5a, 0x5a]);
    assert_eq!(sys.mincore(at, 0, BEYOND), Err(Errno::EFAULT));
    assert_eq!(sys.mincore(BEYOND, PAGE, BEYOND), Err(Errno::ENOMEM));
    Ok(())
}

fn memory_becomes_data_within_the_limit(sys: &dyn Sys) -> Outcome {
    let at = sys.mmap(0, 2 * PAGE, ProtFlags::PROT_READ, PRIVATE, Fd(-1), 0)?;
    sys.mprotect(at, PAGE, RW)?;
    lower(sys, Resource::RLIMIT_DATA, 1)?;
    assert_eq!(sys.mprotect(at, 2 * PAGE, RW), Err(Errno::ENOMEM));
    // What is data already may be more than it should, and what is shared is none.
    sys.mprotect(at, PAGE, RW)?;
    let shared = sys.mmap(0, PAGE, ProtFlags::PROT_READ, SHARED, Fd(-1), 0)?;
    sys.mprotect(shared, PAGE, RW)?;
    Ok(())
}

fn no_path_is_none_before_there_is_no_descriptor(sys: &dyn Sys) -> Outcome {
    lower(sys, Resource::RLIMIT_NOFILE, 0)?;
    assert_eq!(open(sys, "", OpenFlags::O_RDONLY), Err(Errno::ENOENT));
    assert_eq!(sys.openat(Fd(-1), 8, OpenFlags::O_RDONLY, Mode(0)), Err(Errno::EFAULT));
    assert_eq!(open(sys, "nothing", OpenFlags::O_RDONLY), Err(Errno::EMFILE));
    Ok(())
}

fn what_is_not_read_does_not_look_where_to(sys: &dyn Sys) -> Outcome {
    let at = sys.store(sys.page(), &Iovec { iov_base: BEYOND, iov_len: 8 });
    let set = descriptor(sys.epoll_create1(EpollFlags::empty())?);
    assert_eq!(sys.read(set, BEYOND, 8), Err(Errno::EINVAL));
    assert_eq!(sys.write(set, BEYOND, 8), Err(Errno::EINVAL));
    for (buffers, count) in [(at, 1), (at, 0), (BEYOND, 1)] {
        assert_eq!(sys.readv(set, buffers, count), Err(Errno::EINVAL));
        assert_eq!(sys.writev(set, buffers, count), Err(Errno::EINVAL));
    }
    assert_eq!(sys.preadv(set, at, 1, 0, 0), Err(Errno::ESPIPE));
    let timer = descriptor(sys.timerfd_create(ClockId::CLOCK_MONOTONIC, TimerfdFlags::TFD_NONBLOCK)?);
    assert_eq!(sys.read(timer, BEYOND, 8), Err(Errno::EFAULT));
    assert_eq!(sys.write(timer, BEYOND, 8), Err(Errno::EINVAL));
    assert_eq!(sys.writev(timer, at, 0), Err(Errno::EINVAL));
    Ok(())
}

fn nothing_is_polled_where_a_program_may_be(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.ppoll(8, 0, sys.store(sys.page(), &[0_u64; 2]), 0, 8)?, 0);
    let at = sys.store(sys.page(), &[0_u64, 1000]);
    assert_eq!(sys.ppoll(BEYOND, 0, at, 0, 8), Err(Errno::EFAULT));
    // It waited all the same.
    assert_eq!(sys.load::<[u64; 2]>(at), [0, 0]);
    Ok(())
}

fn what_has_no_offset_is_there_always(sys: &dyn Sys) -> Outcome {
    let none = sys.store(sys.page(), &SigSet::EMPTY);
    let vain = [
        sys.epoll_create1(EpollFlags::empty())?,
        sys.timerfd_create(ClockId::CLOCK_MONOTONIC, TimerfdFlags::empty())?,
        sys.signalfd4(Fd(-1), none, 8, SignalfdFlags::empty())?,
    ];
    for file in vain.map(descriptor) {
        for whence in [Whence::SEEK_SET, Whence::SEEK_CUR, Whence::SEEK_END, Whence::SEEK_HOLE] {
            assert_eq!(sys.lseek(file, 5, whence)?, 0);
        }
        assert_eq!(sys.lseek(file, 0, Whence(5)), Err(Errno::EINVAL));
    }
    Ok(())
}

fn attributes(sys: &dyn Sys, file: Fd, name: &str) -> [Result; 3] {
    let (name, value) = (sys.path(sys.page(), name), sys.page() + 0x1000);
    [
        sys.fgetxattr(file, name, value, 1),
        sys.fsetxattr(file, name, value, 1, XattrFlags::empty()),
        sys.fremovexattr(file, name),
    ]
}

fn what_is_nowhere_has_no_attributes(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        ended((|| {
            becomes_nobody(sys)?;
            let set = descriptor(sys.epoll_create1(EpollFlags::empty())?);
            let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
            let [unseen, refused] = [Err(Errno::ENODATA), Err(Errno::EPERM)];
            for file in [set, reader] {
                assert_eq!(attributes(sys, file, "user.a"), [unseen, refused, refused]);
                assert_eq!(attributes(sys, file, "trusted.a"), [unseen, refused, refused]);
                assert_eq!(attributes(sys, file, "system.a"), [Err(Errno::EOPNOTSUPP); 3]);
            }
            // Whose it is counts before that there is no such kind of attribute.
            assert_eq!(attributes(sys, set, "other.a"), [Err(Errno::EACCES); 3]);
            assert_eq!(attributes(sys, reader, "other.a"), [Err(Errno::EOPNOTSUPP); 3]);
            Ok(())
        })())
    };
    in_child(sys, child, 0)?;
    Ok(())
}

fn a_pipe_is_not_given_away(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        ended((|| {
            becomes_nobody(sys)?;
            let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
            let (me, group) = (Uid(sys.getuid()? as u32), Gid(sys.getgid()? as u32));
            sys.fchown(reader, me, group)?;
            sys.fchown(reader, Uid::UNCHANGED, Gid::UNCHANGED)?;
            assert_eq!(sys.fchown(reader, Uid(me.0 + 1), Gid::UNCHANGED), Err(Errno::EPERM));
            assert_eq!(sys.fchown(reader, Uid::UNCHANGED, Gid(group.0 + 1)), Err(Errno::EPERM));
            Ok(())
        })())
    };
    in_child(sys, child, 0)?;
    Ok(())
}

fn notes_by_a_pipe_need_a_kernel_that_has_them(sys: &dyn Sys) -> Outcome {
    // O_NOTIFICATION_PIPE. A kernel may have been built with them.
    let made = sys.pipe2(sys.page(), PipeFlags::from_bits_retain(0x80));
    assert!([Ok(0), Err(Errno::ENOPKG)].contains(&made), "{made:?}");
    Ok(())
}

fn a_timer_that_is_refused_has_used_a_number(sys: &dyn Sys) -> Outcome {
    let (event, id) = (sys.page(), sys.page() + 0x100);
    let make = |sigev_notify| {
        sys.store(event, &Sigevent { sigev_notify, ..Sigevent::default() });
        sys.timer_create(ClockId::CLOCK_MONOTONIC, event, id)
    };
    make(SIGEV_NONE)?;
    let first: i32 = sys.load(id);
    assert_eq!(make(77), Err(Errno::EINVAL));
    assert_eq!(sys.load::<i32>(id), first);
    make(SIGEV_NONE)?;
    assert_eq!(sys.load::<i32>(id), first + 2);
    let child = |sys: &dyn Sys, _| {
        ended((|| {
            lower(sys, Resource::RLIMIT_SIGPENDING, 0)?;
            let event = sys.store(sys.page(), &Sigevent { sigev_notify: 77, ..Sigevent::default() });
            assert_eq!(sys.timer_create(ClockId::CLOCK_MONOTONIC, event, event), Err(Errno::EAGAIN));
            assert_eq!(sys.timer_create(ClockId(99), event, event), Err(Errno::EINVAL));
            Ok(())
        })())
    };
    in_child(sys, child, 0)?;
    Ok(())
}

fn waits_for_a_word(sys: &dyn Sys, word: usize) -> i32 {
    while sys.load::<u32>(word) == 0 {
        let _ = sys.sched_yield();
    }
    0
}

fn a_process_answers_to_its_threads_numbers(sys: &dyn Sys) -> Outcome {
    let (word, info) = (map(sys, PAGE, PRIVATE)?, sys.page() + 0x6000);
    handle(sys, Signal::SIGUSR1, counts)?;
    let tid = Pid(start(sys, 0, waits_for_a_word, word)? as i32);
    // SI_QUEUE, which anybody may say of himself.
    sys.store(info, &Siginfo { si_code: -1, ..Siginfo::default() });
    sys.rt_sigqueueinfo(tid, 0, info)?;
    sys.rt_sigqueueinfo(tid, Signal::SIGUSR1.number(), info)?;
    sys.store(word, &1_u32);
    while sys.load::<u32>(sys.page() + TIDS) != 0 {
        sys.sched_yield()?;
    }
    assert_eq!(counted(sys)[0], 1);
    Ok(())
}

fn what_is_said_of_a_signal_has_an_end(sys: &dyn Sys) -> Outcome {
    let (me, at) = (Pid(sys.getpid()? as i32), sys.page());
    let say = |si_code, last: u8| {
        sys.store(at, &Siginfo { si_code, ..Siginfo::default() });
        sys.store(at + 127, &last);
        sys.rt_sigqueueinfo(me, 0, at)
    };
    // Of codes that mean something, and others.
    for code in [-1, -7, -60, 0, 6, 0x80] {
        assert_eq!(say(code, 1)?, 0);
    }
    for code in [-8, 7, i32::MIN] {
        assert_eq!((say(code, 0)?, say(code, 1)), (0, Err(Errno::E2BIG)));
    }
    assert_eq!(sys.rt_tgsigqueueinfo(Pid(0), me, 0, at), Err(Errno::E2BIG));
    Ok(())
}

fn what_may_not_be_read_is_not_fetched(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let at = sys.mmap(0, PAGE, ProtFlags::PROT_EXEC, MapFlags::MAP_SHARED, file, 0);
    // Not where nothing in the folder is executed.
    let Ok(at) = at else { return Ok(()) };
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_POPULATE_READ), Err(Errno::EINVAL));
    sys.mprotect(at, PAGE, ProtFlags::PROT_READ)?;
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_POPULATE_READ), Err(Errno::EFAULT));
    assert_eq!(sys.madvise(at, PAGE, Madvice::MADV_POPULATE_WRITE), Err(Errno::EINVAL));
    Ok(())
}

fn nothing_is_copied_from_behind_the_end(sys: &dyn Sys) -> Outcome {
    let (from, to) = (create(sys, "from")?, create(sys, "to")?);
    write(sys, from, b"01234")?;
    let copy = |source: i64, file, target: i64, len| {
        let places = [sys.store(sys.page(), &source), sys.store(sys.page() + 8, &target)];
        sys.copy_file_range(from, places[0], file, places[1], len, 0)
    };
    assert_eq!(copy(i64::MAX, to, 0, 1)?, 0);
    assert_eq!(copy(i64::MAX, from, 0, 1)?, 0);
    assert_eq!(copy(-1, to, 0, 1), Err(Errno::EOVERFLOW));
    assert_eq!(copy(-1, to, 0, 0), Err(Errno::EINVAL));
    // Ranges are as long as what there is, and overlap or do not.
    assert_eq!(copy(0, from, 0, 0)?, 0);
    assert_eq!(copy(10, from, 10, 5)?, 0);
    assert_eq!(copy(0, from, 2, 5), Err(Errno::EINVAL));
    assert_eq!(copy(4, from, 5, 9)?, 1);
    assert_eq!(copy(0, to, i64::MAX, 0), Err(Errno::EFBIG));
    Ok(())
}

fn nothing_is_copied_to_behind_the_limit(sys: &dyn Sys) -> Outcome {
    handle(sys, Signal::SIGXFSZ, counts)?;
    let (from, to) = (create(sys, "from")?, create(sys, "to")?);
    write(sys, from, b"01234")?;
    lower(sys, Resource::RLIMIT_FSIZE, 100)?;
    let copy = |target: i64, len| {
        let places = [sys.store(sys.page(), &0_i64), sys.store(sys.page() + 8, &target)];
        sys.copy_file_range(from, places[0], to, places[1], len, 0)
    };
    assert_eq!(copy(98, 5)?, 2);
    assert_eq!(counted(sys)[0], 0);
    assert_eq!(copy(100, 5), Err(Errno::EFBIG));
    // Not even nothing is.
    assert_eq!(copy(100, 0), Err(Errno::EFBIG));
    assert_eq!(counted(sys)[0], 2);
    Ok(())
}

fn what_is_no_place_for_bytes_is_sent_none(sys: &dyn Sys) -> Outcome {
    let (file, at) = (create(sys, "f")?, sys.page());
    write(sys, file, b"01234567")?;
    let send = |to, from, len| sys.sendfile(to, from, sys.store(at, &0_i64), len);
    let event = descriptor(sys.eventfd2(0, EventfdFlags::EFD_NONBLOCK)?);
    assert_eq!(send(event, file, 8), Err(Errno::EINVAL));
    assert_eq!(send(event, file, 0)?, 0);
    assert_eq!(sys.read(event, at, 8), Err(Errno::EAGAIN));
    let [null, zero, full] = ["null", "zero", "full"].map(|name| open(sys, &format!("/dev/{name}"), OpenFlags::O_RDWR));
    let (null, zero, full) = (null?, zero?, full?);
    assert_eq!((send(null, file, 8)?, send(zero, file, 8)?), (8, 8));
    assert_eq!(send(full, file, 8), Err(Errno::EINVAL));
    assert_eq!(send(file, null, 1), Err(Errno::EINVAL));
    assert_eq!(send(file, null, 0)?, 0);
    // Zeros have no place.
    assert_eq!((send(file, zero, 3)?, sys.load::<i64>(at)), (3, 0));
    // From where it is to where it is.
    sys.lseek(file, 4, Whence::SEEK_SET)?;
    assert_eq!(sys.sendfile(file, file, 0, 9)?, 7);
    assert_eq!((sys.lseek(file, 0, Whence::SEEK_CUR)?, sys.lseek(file, 0, Whence::SEEK_END)?), (11, 11));
    // Who has nothing to send is not told of limits.
    sys.lseek(file, 1_i64 << 40, Whence::SEEK_SET)?;
    lower(sys, Resource::RLIMIT_FSIZE, 100)?;
    assert_eq!(sys.sendfile(file, file, 0, 1)?, 0);
    let set = descriptor(sys.epoll_create1(EpollFlags::empty())?);
    assert_eq!(sys.sendfile(file, set, 0, 0)?, 0);
    assert_eq!(sys.sendfile(file, set, 0, 1), Err(Errno::EINVAL));
    let folder = open(sys, ".", OpenFlags::O_RDONLY)?;
    assert_eq!((send(file, folder, 0)?, send(file, folder, 1)), (0, Err(Errno::EINVAL)));
    Ok(())
}

fn who_tells_nobody_is_not_asked_to(sys: &dyn Sys) -> Outcome {
    let at = sys.page();
    let ask = |file, on: i32| sys.ioctl(file, IoctlCommand::FIOASYNC, sys.store(at, &on));
    let event = descriptor(sys.eventfd2(0, EventfdFlags::EFD_NONBLOCK)?);
    for file in [create(sys, "f")?, open(sys, "/dev/null", OpenFlags::O_RDONLY)?, event] {
        assert_eq!(ask(file, 0)?, 0);
        assert_eq!(ask(file, 1), Err(Errno::ENOTTY));
        sys.fcntl(file, FcntlCommand::F_SETFL, OpenFlags::FASYNC)?;
        let flags = sys.fcntl(file, FcntlCommand::F_GETFL, 0)?;
        assert!(!OpenFlags::from_bits_retain(flags as u32).contains(OpenFlags::FASYNC));
    }
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    assert_eq!((ask(reader, 1)?, ask(reader, 0)?), (0, 0));
    Ok(())
}

fn what_an_operation_is_comes_before_its_word(sys: &dyn Sys) -> Outcome {
    let (word, nowhere) = (map(sys, PAGE, PRIVATE)?, 8);
    let operate = |second, operation| sys.futex(word, FutexOp::FUTEX_WAKE_OP_PRIVATE, 0, 0, second, operation);
    // No change, and no question.
    assert_eq!(operate(nowhere, 7 << 28), Err(Errno::ENOSYS));
    assert_eq!(operate(nowhere, 15 << 24), Err(Errno::EFAULT));
    assert_eq!(operate(word, 15 << 24), Err(Errno::ENOSYS));
    Ok(())
}

fn a_question_without_arguments_has_none(sys: &dyn Sys) -> Outcome {
    let ask = |rest: [usize; 4]| sys.prctl(PrctlOption::PR_GET_NO_NEW_PRIVS, rest[0], rest[1], rest[2], rest[3]);
    ask([0; 4])?;
    for at in 0..4 {
        assert_eq!(ask(core::array::from_fn(|other| usize::from(other == at))), Err(Errno::EINVAL));
    }
    Ok(())
}

fn what_is_not_there_is_read_into_any_length(sys: &dyn Sys) -> Outcome {
    let (file, at) = (create(sys, "f")?, map(sys, PAGE, PRIVATE)?);
    // The end comes before that of the buffer's memory.
    assert_eq!(sys.read(file, at, 0x7fff_f000)?, 0);
    assert_eq!(sys.pread64(file, at, 0x8000_0000_usize, 0)?, 0);
    Ok(())
}

fn what_is_no_flag_is_not_kept(sys: &dyn Sys) -> Outcome {
    let flags = OpenFlags::O_RDWR | OpenFlags::O_CREAT | OpenFlags::from_bits_retain(0x1080_0000);
    let file = descriptor(sys.openat(Fd::CWD, sys.path(sys.page(), "f"), flags, Mode(0o600))?);
    let kept = OpenFlags::from_bits_retain(sys.fcntl(file, FcntlCommand::F_GETFL, 0)? as u32);
    assert_eq!(kept.difference(OpenFlags::O_LARGEFILE), OpenFlags::O_RDWR);
    Ok(())
}

fn no_path_is_empty_only_to_who_looks(sys: &dyn Sys) -> Outcome {
    let (file, empty) = (create(sys, "f")?, AtFlags::AT_EMPTY_PATH);
    let owner = |file, path| sys.fchownat(file, path, Uid::UNCHANGED, Gid::UNCHANGED, empty);
    assert_eq!((owner(file, 0), owner(Fd(-1), 0)), (Err(Errno::EFAULT), Err(Errno::EFAULT)));
    assert_eq!(owner(file, sys.path(sys.page(), ""))?, 0);
    assert_eq!(sys.utimensat(Fd::CWD, 0, 0, empty), Err(Errno::EFAULT));
    assert_eq!(
        (sys.utimensat(file, 0, 0, AtFlags::empty())?, sys.utimensat(file, 0, 0, empty)),
        (0, Err(Errno::EINVAL))
    );
    Ok(())
}

fn who_alone_is_woken_waits_for_little(sys: &dyn Sys) -> Outcome {
    let set = descriptor(sys.epoll_create1(EpollFlags::empty())?);
    let event = descriptor(sys.eventfd2(0, EventfdFlags::EFD_NONBLOCK)?);
    let add = |events: EpollEvents| {
        let asked = EpollEvent { events: (events | EpollEvents::EPOLLEXCLUSIVE).bits(), data: 0 };
        sys.poke(sys.page(), &asked.encode(sys.arch()));
        sys.epoll_ctl(set, EpollOp::EPOLL_CTL_ADD, event, sys.page())
    };
    for more in [EpollEvents::EPOLLONESHOT, EpollEvents::EPOLLRDHUP, EpollEvents::EPOLLPRI] {
        assert_eq!(add(EpollEvents::EPOLLIN | more), Err(Errno::EINVAL));
    }
    add(EpollEvents::EPOLLIN | EpollEvents::EPOLLOUT | EpollEvents::EPOLLET)?;
    Ok(())
}

fn mode(sys: &dyn Sys, file: Fd) -> Result<u32> {
    let (nothing, into) = (sys.path(sys.page(), ""), sys.page() + 0x2000);
    sys.newfstatat(file, nothing, into, AtFlags::AT_EMPTY_PATH)?;
    let found = Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough");
    Ok(found.mode & 0o7777)
}

fn nothing_that_is_sent_changes_nobody(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        ended((|| {
            becomes_nobody(sys)?;
            let flags = OpenFlags::O_RDWR | OpenFlags::O_CREAT;
            let file = descriptor(sys.openat(Fd::CWD, sys.path(sys.page(), "f"), flags, Mode(0o777))?);
            sys.fchmod(file, Mode(0o6777))?;
            let place = sys.store(sys.page(), &0_i64);
            assert_eq!(sys.sendfile(file, file, place, 9)?, 0);
            assert_eq!(mode(sys, file)?, 0o6777);
            write(sys, file, b"x")?;
            assert_eq!(mode(sys, file)?, 0o777);
            Ok(())
        })())
    };
    sys.fchmodat(Fd::CWD, sys.path(sys.page(), "."), Mode(0o777))?;
    in_child(sys, child, 0)?;
    Ok(())
}

fn a_place_too_far_away_comes_before_flags(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "f")?;
    let at = sys.store(sys.page(), &Iovec { iov_base: sys.page() + 64, iov_len: 8 });
    let unknown = RwFlags::from_bits_retain(1 << 30);
    assert_eq!(sys.preadv2(file, at, 1, 0, 0, unknown), Err(Errno::EOPNOTSUPP));
    assert_eq!(sys.preadv2(file, at, 1, i64::MAX, 0, unknown), Err(Errno::EINVAL));
    assert_eq!(sys.pwritev2(file, at, 1, i64::MAX, 0, unknown), Err(Errno::EINVAL));
    Ok(())
}

fn a_process_without_time_ends_with_a_tick(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| match lower(sys, Resource::RLIMIT_CPU, 0) {
        Ok(_) => 7,
        Err(_) => 1,
    };
    // The clock may tick in between, but not always.
    for _ in 0..50 {
        let pid = sys.fork_with(child, 0)?;
        if wait(sys, pid)? == status_exited(7) {
            return Ok(());
        }
    }
    panic!("a tick came every time");
}

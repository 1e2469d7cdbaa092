//! Limits and what they limit; what was used; how threads are scheduled.

use alloc::format;
use alloc::string::String;

use kernel_abi::flags::{
    CAP_SYS_RESOURCE, MapFlags, OpenFlags, RLIM_INFINITY, Resource, RusageWho, SIG_IGN, SchedPolicy,
};
use kernel_abi::structs::{Rlimit, Rusage, SchedParam, Sigaction, Sysinfo, Timespec, status_signaled};
use kernel_abi::{Calls, Errno, Fd, Gid, Pid, Result, Signal, Sys, Uid};

use super::Outcome;
use super::file::{create, open, write};
use super::memory::{PAGE, PRIVATE, map};
use super::process::{ended, in_child, pauses, wait};
use super::signal::{act, counted, counts, handle};

cases! { "limit":
    a_limit_is_what_it_was_set_to, what_a_limit_refuses, a_hard_limit_is_only_lowered, another_process_is_limited,
    who_may_limit_whom, a_child_has_the_limits, processes_are_limited, files_do_not_grow_past_the_limit,
    memory_is_limited, the_heap_is_limited, descriptors_are_limited, what_was_used_is_told,
    a_thread_gives_way, how_threads_are_scheduled, what_priorities_there_are, which_cpus_there_are,
    the_machine_has_memory, limits_are_told_as_text, no_core_is_told_where_none_may_be, every_limit_is_set_by_either_call,
}

fn get(sys: &dyn Sys, resource: Resource) -> Result<Rlimit> {
    sys.getrlimit(resource, sys.page())?;
    Ok(sys.load(sys.page()))
}

fn set(sys: &dyn Sys, resource: Resource, rlim_cur: u64, rlim_max: u64) -> Result {
    sys.setrlimit(resource, sys.store(sys.page(), &Rlimit { rlim_cur, rlim_max }))
}

/// Lowers what is in force.
pub(super) fn lower(sys: &dyn Sys, resource: Resource, limit: u64) -> Result {
    let Rlimit { rlim_max, .. } = get(sys, resource)?;
    set(sys, resource, limit, rlim_max)
}

/// Becomes a user without privilege, if it is not one.
pub(super) fn becomes_nobody(sys: &dyn Sys) -> Result<()> {
    if sys.geteuid()? == 0 {
        sys.setresgid(Gid(65534), Gid(65534), Gid(65534))?;
        sys.setresuid(Uid(65534), Uid(65534), Uid(65534))?;
    }
    Ok(())
}

fn a_limit_is_what_it_was_set_to(sys: &dyn Sys) -> Outcome {
    for number in 0..16 {
        let resource = Resource(number);
        let limit = get(sys, resource)?;
        assert!(limit.rlim_cur <= limit.rlim_max, "{resource:?}");
        set(sys, resource, limit.rlim_cur, limit.rlim_max)?;
    }
    let Rlimit { rlim_max, .. } = get(sys, Resource::RLIMIT_CORE)?;
    set(sys, Resource::RLIMIT_CORE, 0, rlim_max)?;
    assert_eq!(get(sys, Resource::RLIMIT_CORE)?, Rlimit { rlim_cur: 0, rlim_max });
    Ok(())
}

fn what_a_limit_refuses(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.getrlimit(Resource(16), sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.getrlimit(Resource(16), 8), Err(Errno::EINVAL));
    assert_eq!(sys.getrlimit(Resource::RLIMIT_NOFILE, 8), Err(Errno::EFAULT));
    assert_eq!(sys.setrlimit(Resource(16), 8), Err(Errno::EFAULT));
    assert_eq!(set(sys, Resource(16), 0, 0), Err(Errno::EINVAL));
    assert_eq!(set(sys, Resource::RLIMIT_NOFILE, 11, 10), Err(Errno::EINVAL));
    // More descriptors than a table can have, whoever asks.
    assert_eq!(set(sys, Resource::RLIMIT_NOFILE, 10, RLIM_INFINITY), Err(Errno::EPERM));
    assert_eq!(sys.prlimit64(0, Resource(16), 0, 0), Err(Errno::EINVAL));
    assert_eq!(sys.prlimit64(0, Resource::RLIMIT_CORE, 8, 0), Err(Errno::EFAULT));
    assert_eq!(sys.prlimit64(0, Resource::RLIMIT_CORE, 0, 8), Err(Errno::EFAULT));
    assert_eq!(sys.prlimit64(Pid(0x3fff_ffff), Resource::RLIMIT_CORE, 0, 0), Err(Errno::ESRCH));
    assert_eq!(sys.prlimit64(Pid(-1), Resource::RLIMIT_CORE, 0, 0), Err(Errno::ESRCH));
    Ok(())
}

fn a_hard_limit_is_only_lowered(sys: &dyn Sys) -> Outcome {
    set(sys, Resource::RLIMIT_CORE, 100, 1000)?;
    set(sys, Resource::RLIMIT_CORE, 1000, 1000)?;
    // Raising it takes a capability, which root may lack.
    let capable = super::id::capabilities(sys)?[0].effective & 1 << CAP_SYS_RESOURCE != 0;
    let raised = set(sys, Resource::RLIMIT_CORE, 1000, 2000);
    assert_eq!(raised, if capable { Ok(0) } else { Err(Errno::EPERM) });
    becomes_nobody(sys)?;
    assert_eq!(set(sys, Resource::RLIMIT_CORE, 1000, 3000), Err(Errno::EPERM));
    set(sys, Resource::RLIMIT_CORE, 0, 50)?;
    assert_eq!(set(sys, Resource::RLIMIT_CORE, 0, 51), Err(Errno::EPERM));
    assert_eq!(get(sys, Resource::RLIMIT_CORE)?, Rlimit { rlim_cur: 0, rlim_max: 50 });
    Ok(())
}

fn another_process_is_limited(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    let (new, old) = (sys.page(), sys.page() + 16);
    sys.store(new, &Rlimit { rlim_cur: 5, rlim_max: 6 });
    sys.prlimit64(pid, Resource::RLIMIT_CORE, new, old)?;
    assert_eq!(sys.load::<Rlimit>(old), { get(sys, Resource::RLIMIT_CORE)? });
    sys.prlimit64(pid, Resource::RLIMIT_CORE, 0, old)?;
    assert_eq!(sys.load::<Rlimit>(old), Rlimit { rlim_cur: 5, rlim_max: 6 });
    sys.kill(pid, Signal::SIGKILL)?;
    wait(sys, pid)?;
    Ok(())
}

fn no_core_is_told_where_none_may_be(sys: &dyn Sys) -> Outcome {
    let pid = sys.fork_with(pauses, 0)?;
    let none = sys.store(sys.page(), &Rlimit { rlim_cur: 0, rlim_max: 0 });
    sys.prlimit64(pid, Resource::RLIMIT_CORE, none, 0)?;
    sys.kill(pid, Signal::SIGQUIT)?;
    assert_eq!(wait(sys, pid)?, status_signaled(3, false));
    Ok(())
}

fn who_may_limit_whom(sys: &dyn Sys) -> Outcome {
    let was_root = sys.geteuid()? == 0;
    let parent = sys.getpid()?;
    if was_root {
        fn child(sys: &dyn Sys, parent: usize) -> Outcome {
            becomes_nobody(sys)?;
            assert_eq!(sys.prlimit64(parent, Resource::RLIMIT_CORE, 0, sys.page()), Err(Errno::EPERM));
            assert_eq!(sys.prlimit64(0, Resource::RLIMIT_CORE, 0, sys.page())?, 0);
            Ok(())
        }
        in_child(sys, |sys, parent| ended(child(sys, parent)), parent)?;
    } else {
        assert_eq!(sys.prlimit64(Pid(1), Resource::RLIMIT_CORE, 0, sys.page()), Err(Errno::EPERM));
    }
    Ok(())
}

fn a_child_has_the_limits(sys: &dyn Sys) -> Outcome {
    set(sys, Resource::RLIMIT_CORE, 3, 4)?;
    let child =
        |sys: &dyn Sys, _| i32::from(get(sys, Resource::RLIMIT_CORE) != Ok(Rlimit { rlim_cur: 3, rlim_max: 4 }));
    in_child(sys, child, 0)?;
    Ok(())
}

fn processes_are_limited(sys: &dyn Sys) -> Outcome {
    fn child(sys: &dyn Sys) -> Outcome {
        becomes_nobody(sys)?;
        lower(sys, Resource::RLIMIT_NPROC, 1)?;
        assert_eq!(sys.fork_with(|_, _| 0, 0), Err(Errno::EAGAIN));
        Ok(())
    }
    in_child(sys, |sys, _| ended(child(sys)), 0)?;
    // Root is not limited.
    if sys.geteuid()? == 0 {
        lower(sys, Resource::RLIMIT_NPROC, 1)?;
        in_child(sys, |_, _| 0, 0)?;
    }
    Ok(())
}

fn files_do_not_grow_past_the_limit(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    lower(sys, Resource::RLIMIT_FSIZE, 10)?;
    handle(sys, Signal::SIGXFSZ, counts)?;
    // As much as fits.
    assert_eq!(write(sys, file, b"0123456")?, 7);
    assert_eq!(write(sys, file, b"789abc")?, 3);
    assert_eq!(counted(sys), [0, 0]);
    assert_eq!(write(sys, file, b"x"), Err(Errno::EFBIG));
    assert_eq!(counted(sys), [1, 25]);
    assert_eq!(sys.pwrite64(file, sys.page(), 1, 100), Err(Errno::EFBIG));
    assert_eq!(sys.ftruncate(file, 11), Err(Errno::EFBIG));
    assert_eq!(counted(sys), [3, 25]);
    sys.ftruncate(file, 10)?;
    sys.pwrite64(file, sys.page(), 1, 9)?;
    act(sys, Signal::SIGXFSZ, Sigaction { handler: SIG_IGN, ..Sigaction::default() })?;
    assert_eq!(write(sys, file, b"x"), Err(Errno::EFBIG));
    Ok(())
}

fn memory_is_limited(sys: &dyn Sys) -> Outcome {
    const LARGE: usize = 64 << 20;
    let at = map(sys, LARGE, PRIVATE)?;
    sys.munmap(at, LARGE)?;
    lower(sys, Resource::RLIMIT_AS, LARGE as u64)?;
    assert_eq!(map(sys, LARGE, PRIVATE), Err(Errno::ENOMEM));
    assert_eq!(map(sys, LARGE, MapFlags::MAP_SHARED | MapFlags::MAP_ANONYMOUS), Err(Errno::ENOMEM));
    lower(sys, Resource::RLIMIT_AS, RLIM_INFINITY)?;
    map(sys, LARGE, PRIVATE)?;
    Ok(())
}

fn the_heap_is_limited(sys: &dyn Sys) -> Outcome {
    let start = sys.brk(0)?;
    // A limit of none at all means something else.
    lower(sys, Resource::RLIMIT_DATA, 1)?;
    assert_eq!(sys.brk(start + 16 * PAGE)?, start);
    assert_eq!(map(sys, PAGE, PRIVATE), Err(Errno::ENOMEM));
    // Shared memory is no data, and what cannot be written is none.
    map(sys, PAGE, MapFlags::MAP_SHARED | MapFlags::MAP_ANONYMOUS)?;
    sys.mmap(0, PAGE, kernel_abi::flags::ProtFlags::PROT_READ, PRIVATE, Fd(-1), 0)?;
    lower(sys, Resource::RLIMIT_DATA, RLIM_INFINITY)?;
    assert_eq!(sys.brk(start + 16 * PAGE)?, start + 16 * PAGE);
    Ok(())
}

fn descriptors_are_limited(sys: &dyn Sys) -> Outcome {
    use kernel_abi::flags::{AtFlags, DupFlags, FcntlCommand, OpenFlags, PipeFlags};
    let file = create(sys, "file")?;
    lower(sys, Resource::RLIMIT_NOFILE, 5)?;
    assert_eq!(sys.dup3(file, Fd(5), DupFlags::empty()), Err(Errno::EBADF));
    assert_eq!(sys.fcntl(file, FcntlCommand::F_DUPFD, 5), Err(Errno::EINVAL));
    assert_eq!(sys.pipe2(sys.page(), PipeFlags::empty()), Err(Errno::EMFILE));
    // What was half made is gone.
    assert_eq!(sys.dup(file)?, 4);
    assert_eq!(sys.dup(file), Err(Errno::EMFILE));
    assert_eq!(sys.eventfd2(0, kernel_abi::flags::EventfdFlags::empty()), Err(Errno::EMFILE));
    // Before anything is looked for, or made.
    let new = sys.path(sys.page(), "new");
    assert_eq!(sys.openat(Fd::CWD, new, OpenFlags::O_RDONLY, 0), Err(Errno::EMFILE));
    assert_eq!(sys.openat(Fd::CWD, new, OpenFlags::O_CREAT | OpenFlags::O_WRONLY, 0o644), Err(Errno::EMFILE));
    assert_eq!(sys.unlinkat(Fd::CWD, new, AtFlags::empty()), Err(Errno::ENOENT));
    // What is open beyond a limit stays open.
    lower(sys, Resource::RLIMIT_NOFILE, 0)?;
    write(sys, file, b"x")?;
    Ok(())
}

fn what_was_used_is_told(sys: &dyn Sys) -> Outcome {
    for who in [RusageWho::RUSAGE_SELF, RusageWho::RUSAGE_THREAD, RusageWho::RUSAGE_CHILDREN] {
        sys.poke(sys.page(), &[0xaa; size_of::<Rusage>()]);
        sys.getrusage(who, sys.page())?;
        let used: Rusage = sys.load(sys.page());
        assert!(used.ru_utime.tv_sec >= 0 && used.ru_stime.tv_sec >= 0 && used.ru_nsignals == 0);
        assert_eq!(used.ru_maxrss > 0, who != RusageWho::RUSAGE_CHILDREN);
    }
    assert_eq!(sys.getrusage(RusageWho(7), sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.getrusage(RusageWho::RUSAGE_SELF, 8), Err(Errno::EFAULT));
    Ok(())
}

fn a_thread_gives_way(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.sched_yield()?, 0);
    Ok(())
}

const NOBODY: Pid = Pid(0x3fff_ffff);

fn how_threads_are_scheduled(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.sched_getscheduler(0)?, SchedPolicy::SCHED_NORMAL.0 as usize);
    assert_eq!(sys.sched_getscheduler(sys.getpid()?)?, SchedPolicy::SCHED_NORMAL.0 as usize);
    assert_eq!(sys.sched_getscheduler(Pid(-1)), Err(Errno::EINVAL));
    assert_eq!(sys.sched_getscheduler(NOBODY), Err(Errno::ESRCH));
    sys.store(sys.page(), &SchedParam { sched_priority: 7 });
    sys.sched_getparam(0, sys.page())?;
    assert_eq!(sys.load::<SchedParam>(sys.page()), SchedParam::default());
    assert_eq!(sys.sched_getparam(0, 0), Err(Errno::EINVAL));
    assert_eq!(sys.sched_getparam(Pid(-1), sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.sched_getparam(NOBODY, sys.page()), Err(Errno::ESRCH));
    assert_eq!(sys.sched_getparam(0, 8), Err(Errno::EFAULT));
    sys.sched_setparam(0, sys.page())?;
    sys.store(sys.page(), &SchedParam { sched_priority: 7 });
    assert_eq!(sys.sched_setparam(0, sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.sched_setparam(0, 0), Err(Errno::EINVAL));
    assert_eq!(sys.sched_setparam(NOBODY, sys.page()), Err(Errno::ESRCH));
    assert_eq!(sys.sched_setparam(0, 8), Err(Errno::EFAULT));
    sys.sched_rr_get_interval(0, sys.page())?;
    let slice: Timespec = sys.load(sys.page());
    assert!(slice.tv_sec == 0 && (0..1_000_000_000).contains(&slice.tv_nsec));
    assert_eq!(sys.sched_rr_get_interval(NOBODY, sys.page()), Err(Errno::ESRCH));
    assert_eq!(sys.sched_rr_get_interval(Pid(-1), sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.sched_rr_get_interval(0, 8), Err(Errno::EFAULT));
    Ok(())
}

fn what_priorities_there_are(sys: &dyn Sys) -> Outcome {
    let range = |policy| {
        let (least, most) = (sys.sched_get_priority_min(policy)?, sys.sched_get_priority_max(policy)?);
        Ok::<_, Errno>((least, most))
    };
    for policy in [SchedPolicy::SCHED_FIFO, SchedPolicy::SCHED_RR] {
        assert_eq!(range(policy)?, (1, 99));
    }
    for policy in [SchedPolicy::SCHED_NORMAL, SchedPolicy::SCHED_BATCH, SchedPolicy::SCHED_IDLE] {
        assert_eq!(range(policy)?, (0, 0));
    }
    assert_eq!(range(SchedPolicy(77)), Err(Errno::EINVAL));
    assert_eq!(sys.sched_get_priority_max(SchedPolicy(77)), Err(Errno::EINVAL));
    Ok(())
}

fn which_cpus_there_are(sys: &dyn Sys) -> Outcome {
    let len = sys.sched_getaffinity(0, 1024, sys.page())?;
    assert!(len > 0 && len.is_multiple_of(8));
    let mask = sys.bytes(sys.page(), len);
    assert!(mask.iter().any(|&byte| byte != 0));
    // What is longer than needed is left alone.
    sys.poke(sys.page(), &[0xaa; 1024]);
    sys.sched_getaffinity(sys.getpid()?, 1024, sys.page())?;
    assert_eq!(sys.bytes(sys.page() + len, 1), [0xaa]);
    assert_eq!(sys.sched_getaffinity(0, 7, sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.sched_getaffinity(0, 0, sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.sched_getaffinity(0, 1020, sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.sched_getaffinity(NOBODY, 1024, sys.page()), Err(Errno::ESRCH));
    assert_eq!(sys.sched_getaffinity(-5, 1024, sys.page()), Err(Errno::ESRCH));
    assert_eq!(sys.sched_getaffinity(-5, 7, sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.sched_getaffinity(0, 1_u32 << 31, sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.sched_getaffinity(0, 1024, 8), Err(Errno::EFAULT));
    Ok(())
}

fn the_machine_has_memory(sys: &dyn Sys) -> Outcome {
    sys.sysinfo(sys.page())?;
    let info: Sysinfo = sys.load(sys.page());
    assert!(info.totalram > 0 && info.freeram <= info.totalram && info.mem_unit > 0);
    assert!(info.uptime >= 0 && info.procs > 0);
    assert_eq!(sys.sysinfo(8), Err(Errno::EFAULT));
    Ok(())
}

fn every_limit_is_set_by_either_call(sys: &dyn Sys) -> Outcome {
    for number in 0..16 {
        let resource = Resource(number);
        let now = get(sys, resource)?;
        // No higher, so that anybody may: what is in force as hard as it was soft.
        let hard = Rlimit { rlim_max: now.rlim_cur, ..now };
        let (new, old) = (sys.store(sys.page() + 32, &hard), sys.page() + 64);
        assert_eq!(sys.prlimit64(Pid(0), resource, new, old), Ok(0), "{resource:?}");
        assert_eq!(sys.load::<Rlimit>(old), now, "{resource:?}");
        assert_eq!(sys.prlimit64(Pid(0), resource, 0, old), Ok(0), "{resource:?}");
        assert_eq!((sys.load::<Rlimit>(old), get(sys, resource)?), (hard, hard), "{resource:?}");
    }
    Ok(())
}

fn limits_are_told_as_text(sys: &dyn Sys) -> Outcome {
    const NAMES: [(&str, &str); 16] = [
        ("Max cpu time", "seconds"),
        ("Max file size", "bytes"),
        ("Max data size", "bytes"),
        ("Max stack size", "bytes"),
        ("Max core file size", "bytes"),
        ("Max resident set", "bytes"),
        ("Max processes", "processes"),
        ("Max open files", "files"),
        ("Max locked memory", "bytes"),
        ("Max address space", "bytes"),
        ("Max file locks", "locks"),
        ("Max pending signals", "signals"),
        ("Max msgqueue size", "bytes"),
        ("Max nice priority", ""),
        ("Max realtime priority", ""),
        ("Max realtime timeout", "us"),
    ];
    set(sys, Resource::RLIMIT_NOFILE, 20, 30)?;
    set(sys, Resource::RLIMIT_CORE, 0, 4096)?;
    let told = |limit| if limit == RLIM_INFINITY { String::from("unlimited") } else { format!("{limit}") };
    let mut text = format!("{:25} {:20} {:20} {:10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (index, (name, unit)) in (0..).zip(NAMES) {
        let Rlimit { rlim_cur, rlim_max } = get(sys, Resource(index))?;
        let width = if unit.is_empty() { 0 } else { 10 };
        text += &format!("{name:25} {:20} {:20} {unit:width$}\n", told(rlim_cur), told(rlim_max));
    }
    let file = open(sys, "/proc/self/limits", OpenFlags::O_RDONLY)?;
    let shown = sys.read(file, sys.page(), 4096)?;
    assert_eq!(String::from_utf8_lossy(&sys.bytes(sys.page(), shown)), text);
    Ok(())
}

//! Where programs run on the host: a process in name spaces of its own, whose root is an empty file system in memory, as a
//! user without capabilities, with limits, behind a filter for system calls.
//!
//! The process that asked for it stays outside and waits. Inside, process 1 holds the channel to whoever sends programs;
//! each batch is run by a child of its, which answers in memory that both see. So a program reaches no descriptor but its
//! own, and whatever it does to its process, process 1 starts the next one.

use std::fs;
use std::io;

use kernel_abi::flags::{
    MapFlags, MountFlags, OpenFlags, PipeFlags, PrctlOption, ProtFlags, SigHow, UmountFlags, WaitOptions,
};
use kernel_abi::structs::Timespec;
use kernel_abi::{Calls as _, Errno, Fd, Mode, Pid, Result, SigSet, Signal, Sys};
use ostd::hosted::native;

use super::run::Processes;
use super::wire::{Answer, Batch};
use super::{asleep, fence, ground, run};
use crate::native::Native;

/// Name spaces: of mounts, hosts' names, System V objects, users, processes and networks.
const NAME_SPACES: u64 = NEW_MOUNTS | 0x400_0000 | 0x800_0000 | NEW_USERS | 0x2000_0000 | 0x4000_0000;
const NEW_USERS: u64 = 0x1000_0000;
/// `S_IFCHR`.
const CHARACTER: u16 = 0o020000;
const NEW_MOUNTS: u64 = 0x2_0000;
const PIVOT_ROOT: usize = 155;
const UNSHARE: usize = 272;
/// Bytes that all that programs leave may take.
const FILES_MAX: &str = "size=64m,nr_inodes=16k,mode=755";
/// Devices that programs find, and their minor numbers; all have major number 1.
const DEVICES: [(&str, u32); 4] = [("null", 3), ("zero", 5), ("full", 7), ("random", 8)];
const DEVICES_MAJOR: u32 = 1;
/// Bytes in which a batch is answered.
const ANSWERS_LEN: usize = 16 << 20;
/// Where a worker says how many answers there are, and how many bytes they take; the answers follow.
const HEAD_LEN: usize = 16;
/// Processors that a machine may have.
const CPUS_MAX: usize = 1024;
/// How much longer than its programs' patience a worker may be silent.
const SLACK_MS: u32 = 5000;
/// Exit status of what could not even begin.
const STATUS_BROKEN: i32 = 3;

/// Becomes the process outside: returns when nobody sends programs any more, or says what this machine does not have.
pub fn main() -> std::result::Result<(), String> {
    let sys = Native::subject();
    let is_root = sys.geteuid() == Ok(0);
    let [mapped, tell] = pipe(&sys).map_err(|errno| format!("no pipe: {errno:?}"))?;
    if is_root {
        own_devices(&sys).map_err(|errno| format!("no devices of its own: {errno:?}"))?;
    }
    let inside = clone(NAME_SPACES, move || {
        let _ = sys.close(tell);
        let begun = sys.read(mapped, sys.page(), 1) == Ok(1);
        let _ = sys.close(mapped);
        if !begun {
            return STATUS_BROKEN;
        }
        match become_first(&sys, is_root) {
            Ok(()) => 0,
            Err(problem) => {
                // Whoever listens may have gone.
                let _ = Answer::Broken(problem).write(&mut io::stdout().lock());
                STATUS_BROKEN
            }
        }
    })
    .map_err(|errno| format!("no name spaces for an ordinary user here: {errno:?}"))?;
    let _ = sys.close(mapped);
    map_users(inside, if is_root { ALL_USERS } else { "0 OWN 1\n" }, is_root)
        .map_err(|problem| format!("no user name space: {problem}"))?;
    let _ = sys.write(tell, sys.page(), 1);
    let _ = sys.close(tell);
    let status = wait(&sys, inside).map_err(|errno| format!("lost: {errno:?}"))?;
    if status == 0 { Ok(()) } else { Err(format!("the sandbox ended with {status:#x}")) }
}

/// Covers the host's devices, as this process and the sandbox see them, with others of the same numbers: programs may
/// touch them, lock them, and be asked who owns them. An ordinary user cannot make any.
fn own_devices(sys: &Native) -> Result<()> {
    let page = sys.page();
    let (dev, kind) = (sys.path(page + 0x1000, "/dev"), sys.path(page + 0x2000, "tmpfs"));
    kernel_abi::errno::from_return(sys.call(UNSHARE, [NEW_MOUNTS as usize, 0, 0, 0, 0, 0]))?;
    let private = MountFlags::MS_REC | MountFlags::MS_PRIVATE;
    sys.mount(sys.path(page, "none"), sys.path(page + 0x3000, "/"), 0, private, 0)?;
    sys.mount(sys.path(page, "devices"), dev, kind, MountFlags::MS_NOSUID, sys.path(page + 0x3000, "mode=755"))?;
    for (name, minor) in DEVICES {
        let path = sys.path(page, &format!("/dev/{name}"));
        match sys.mknodat(Fd::CWD, path, Mode(CHARACTER | 0o666), DEVICES_MAJOR << 8 | minor) {
            Ok(_) => sys.fchmodat(Fd::CWD, path, Mode(0o666))?,
            // In a container root may not make devices either.
            Err(Errno::EPERM) => return sys.umount2(dev, UmountFlags::MNT_DETACH).map(drop),
            Err(errno) => return Err(errno),
        };
    }
    Ok(())
}

/// Everybody is who they are. What runs programs has no capability, and sees nothing of the host.
const ALL_USERS: &str = "0 0 4294967295\n";

/// Says who the users of a process's new name space are.
fn map_users(pid: usize, map: &str, groups_may_change: bool) -> io::Result<()> {
    let place = |name: &str| format!("/proc/{pid}/{name}");
    let own = |of: std::result::Result<usize, Errno>| map.replace("OWN", &of.unwrap_or_default().to_string());
    if !groups_may_change {
        fs::write(place("setgroups"), "deny")?;
    }
    fs::write(place("uid_map"), own(Native::subject().geteuid()))?;
    fs::write(place("gid_map"), own(Native::subject().getegid()))
}

/// Process 1: makes the root, then has batch after batch run.
fn become_first(sys: &Native, is_root: bool) -> std::result::Result<(), String> {
    let because = |what: &'static str| move |errno: Errno| format!("{what}: {errno:?}");
    sys.prctl(PrctlOption::PR_SET_PDEATHSIG, Signal::SIGKILL.number() as usize, 0, 0, 0)
        .map_err(because("no death with the parent"))?;
    furnish(sys)?;
    let (rw, shared) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED | MapFlags::MAP_ANONYMOUS);
    let answers = sys.mmap(0, ANSWERS_LEN, rw, shared, Fd(-1), 0).map_err(because("no shared memory"))?;
    sys.store(sys.page(), &SigSet::of(&[Signal::SIGCHLD]));
    sys.rt_sigprocmask(SigHow::SIG_BLOCK, sys.page(), 0, 8).map_err(because("no mask"))?;
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    // A batch may arrive in parts.
    while let Some(batch) = Batch::read(&mut from).map_err(|problem| format!("no batch: {problem}"))? {
        serve(sys, batch, answers, is_root, &mut to).map_err(|problem| format!("no answer: {problem}"))?;
    }
    Ok(())
}

/// The root file system: what Orrery's looks like too.
fn furnish(sys: &Native) -> std::result::Result<(), String> {
    let page = sys.page();
    let at = |offset: usize, text: &str| sys.path(page + offset, text);
    let mount = |source: &str, target: &str, kind: &str, flags: MountFlags, data: &str| {
        let data = if data.is_empty() { 0 } else { at(0x3000, data) };
        sys.mount(at(0, source), at(0x1000, target), at(0x2000, kind), flags, data)
            .map_err(|errno| format!("no mount of {kind} {source} at {target}: {errno:?}"))
    };
    let no_devices = MountFlags::MS_NOSUID;
    mount("none", "/", "", MountFlags::MS_REC | MountFlags::MS_PRIVATE, "")?;
    // Anything that is a directory will do.
    mount("orrery", "/tmp", "tmpfs", no_devices, FILES_MAX)?;
    for (name, mode) in [("dev", 0o755), ("proc", 0o755), ("sys", 0o755), ("tmp", 0o1777), ("home", 0o755)] {
        let path = at(0, &format!("/tmp/{name}"));
        sys.mkdirat(Fd::CWD, path, Mode(mode))
            .and_then(|_| sys.fchmodat(Fd::CWD, path, Mode(mode)))
            .map_err(|errno| format!("no /{name}: {errno:?}"))?;
    }
    mount("devices", "/tmp/dev", "tmpfs", no_devices, "mode=755")?;
    for (name, _) in DEVICES {
        let target = format!("/tmp/dev/{name}");
        let file = sys
            .openat(Fd::CWD, at(0, &target), OpenFlags::O_CREAT | OpenFlags::O_WRONLY, 0o666)
            .map_err(|errno| format!("no {target}: {errno:?}"))?;
        let _ = sys.close(file);
        mount(&format!("/dev/{name}"), &target, "", MountFlags::MS_BIND, "")?;
    }
    // A program has to come from somewhere.
    let _ = fs::write("/tmp/init", "")
        .and_then(|()| fs::set_permissions("/tmp/init", std::os::unix::fs::PermissionsExt::from_mode(0o755)));
    // Not where a host hides parts of its own /proc. Programs then find none.
    let _ = mount("proc", "/tmp/proc", "proc", no_devices, "");
    let moved = || -> Result {
        sys.chdir(at(0, "/tmp"))?;
        kernel_abi::errno::from_return(sys.call(PIVOT_ROOT, [at(0, "."), page, 0, 0, 0, 0]))?;
        sys.umount2(at(0, "."), UmountFlags::MNT_DETACH)?;
        sys.chdir(at(0, "/"))
    };
    moved().map(drop).map_err(|errno| format!("no root of its own: {errno:?}"))
}

/// Has a batch run, by as many processes as that takes, and passes every answer on.
fn serve(sys: &Native, batch: Batch, answers: usize, is_root: bool, to: &mut impl io::Write) -> io::Result<()> {
    let Batch { patience_ms, mut processes, .. } = batch;
    let mut done = 0;
    while done < batch.programs.len() {
        sys.poke(answers, &[0; HEAD_LEN]);
        let rest: Vec<Vec<u8>> = batch.programs[done..].to_vec();
        let worker =
            start(sys, is_root, move || match work(&sys_of_worker(), &rest, processes, patience_ms, answers) {
                Ok(()) => 0,
                Err(problem) => {
                    commit(&sys_of_worker(), answers, &Answer::Broken(problem));
                    STATUS_BROKEN
                }
            });
        let worker = worker.map_err(|errno| io::Error::other(format!("no worker: {errno:?}")))?;
        let ended = watch(sys, worker, answers, patience_ms + SLACK_MS);
        let [count, used]: [u64; 2] = sys.load(answers);
        let bytes = sys.bytes(answers + HEAD_LEN, (used as usize).min(ANSWERS_LEN - HEAD_LEN));
        to.write_all(&bytes)?;
        done += count as usize;
        if done < batch.programs.len() && processes == Processes::Shared {
            // Whose doing it was, nobody can say.
            processes = Processes::OneEach;
        } else if done < batch.programs.len() {
            match ended {
                Some(status) => {
                    Answer::Died(status as u32).write(to)?;
                    done += 1;
                }
                None => {
                    Answer::Hung.write(to)?;
                    done += 1;
                }
            }
        }
    }
    to.flush()
}

fn sys_of_worker() -> Native {
    Native::subject()
}

/// A child that is to become a program's process. An ordinary user's name space has one user; the child gets another one,
/// where that user has the number that programs expect.
fn start(sys: &Native, is_root: bool, work: impl FnOnce() -> i32 + 'static) -> Result<usize> {
    if is_root {
        return clone(0, work);
    }
    let [mapped, tell] = pipe(sys)?;
    let sys = *sys;
    let worker = clone(NEW_USERS, move || {
        let _ = sys.close(tell);
        if sys.read(mapped, sys.page(), 1) == Ok(1) { work() } else { STATUS_BROKEN }
    })?;
    let _ = sys.close(mapped);
    let map = format!("{} 0 1\n", ground::USER);
    if map_users(worker, &map, false).is_ok() {
        let _ = sys.write(tell, sys.page(), 1);
    }
    let _ = sys.close(tell);
    Ok(worker)
}

/// A worker: runs programs until they are done.
fn work(
    sys: &Native,
    programs: &[Vec<u8>],
    processes: Processes,
    patience_ms: u32,
    answers: usize,
) -> std::result::Result<(), String> {
    // Who waits and who is waited for take turns; on two processors they would wake each other from afar.
    stay(sys).map_err(|errno| format!("no processor to stay on: {errno:?}"))?;
    // Without /proc there is only the filter to see to it.
    let _ = fs::write("/proc/sys/user/max_user_namespaces", "0");
    let filter = fence::filter()?;
    let begin =
        || seccompiler::apply_filter(&filter).map_err(|problem| format!("no filter for system calls: {problem}"));
    let patience_ns = u64::from(patience_ms) * 1_000_000;
    run::all(sys, programs, processes, patience_ns, Some(&asleep::all), begin, |answer| commit(sys, answers, &answer))
}

/// Has this process, and its children, stay on the processor that it runs on.
fn stay(sys: &Native) -> Result {
    let page = sys.page();
    sys.getcpu(page, 0, 0)?;
    let cpu: u32 = sys.load(page);
    let mut set = [0_u64; CPUS_MAX / 64];
    if let Some(word) = set.get_mut(cpu as usize / 64) {
        *word = 1 << (cpu % 64);
    }
    sys.store(page, &set);
    sys.sched_setaffinity(Pid(0), size_of_val(&set) as u32, page)
}

/// Puts an answer behind those that are there.
fn commit(sys: &Native, answers: usize, answer: &Answer) {
    let [count, used]: [u64; 2] = sys.load(answers);
    let bytes = answer.to_bytes();
    let end = used as usize + bytes.len();
    if end <= ANSWERS_LEN - HEAD_LEN {
        sys.poke(answers + HEAD_LEN + used as usize, &bytes);
        sys.store(answers, &[count + 1, end as u64]);
    }
}

/// Waits for a worker, as long as it gets on. `None` if it had to be killed. Nobody else is left then.
fn watch(sys: &Native, worker: usize, answers: usize, patience_ms: u32) -> Option<i32> {
    let page = sys.page();
    let mut seen = 0;
    let ended = loop {
        match sys.wait4(Pid(worker as i32), page, WaitOptions::__WALL | WaitOptions::WNOHANG, 0) {
            Ok(0) => {}
            Ok(_) => break Some(sys.load::<i32>(page)),
            Err(_) => break None,
        }
        sys.store(page, &SigSet::of(&[Signal::SIGCHLD]));
        let (tv_sec, tv_nsec) = (i64::from(patience_ms / 1000), i64::from(patience_ms % 1000) * 1_000_000);
        sys.store(page + 64, &Timespec { tv_sec, tv_nsec });
        if sys.rt_sigtimedwait(page, 0, page + 64, 8) == Err(Errno::EAGAIN) {
            let [count, _]: [u64; 2] = sys.load(answers);
            if count == seen {
                break None;
            }
            seen = count;
        }
    };
    // A worker that hangs, and whom others left behind.
    while sys.kill(Pid(-1), Signal::SIGKILL).is_ok() {
        if sys.wait4(Pid(-1), 0, WaitOptions::__WALL, 0).is_err() {
            break;
        }
    }
    ended
}

fn clone(name_spaces: u64, child: impl FnOnce() -> i32 + 'static) -> Result<usize> {
    let exit_signal = Signal::SIGCHLD.number() as u64;
    kernel_abi::errno::from_return(native::clone3([name_spaces, 0, 0, 0, exit_signal, 0, 0, 0, 0, 0, 0], child))
}

fn pipe(sys: &Native) -> Result<[Fd; 2]> {
    sys.pipe2(sys.page(), PipeFlags::O_CLOEXEC)?;
    let [read, write]: [i32; 2] = sys.load(sys.page());
    Ok([Fd(read), Fd(write)])
}

fn wait(sys: &Native, pid: usize) -> Result<i32> {
    sys.wait4(Pid(pid as i32), sys.page(), WaitOptions::__WALL, 0)?;
    Ok(sys.load(sys.page()))
}

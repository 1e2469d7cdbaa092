//! Files of `/proc/PID`.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use kernel_abi::flags::{RLIM_INFINITY, Resource, Whence};
use kernel_abi::structs::Rlimit;
use ostd::PAGE_SIZE;

use super::World;
use super::node::Whose;
use crate::error::{Errno, Result};
use crate::mm::Prot;
use crate::process::{Process, Scheduled, State, Thread, ticks};
use crate::vfs::OpenFile;

/// Text.
pub(super) const FILES: &[&str] = &[
    "auxv",
    "cgroup",
    "cmdline",
    "comm",
    "environ",
    "limits",
    "loginuid",
    "maps",
    "mounts",
    "mountinfo",
    "oom_score",
    "oom_score_adj",
    "personality",
    "sessionid",
    "stat",
    "statm",
    "status",
    "wchan",
];
/// Links.
pub(super) const LINKS: &[&str] = &["cwd", "exe", "root"];

/// Bytes of arguments or environment that are shown.
const STRINGS_MAX: usize = 1 << 20;

pub(super) fn text(world: &World, process: &Arc<Process>, whose: Whose, name: &str) -> Result<Vec<u8>> {
    let is_meant = |thread: &Arc<Thread>| whose.tid.is_none_or(|tid| tid == thread.tid());
    let thread = process.threads().into_iter().find(is_meant);
    if whose.tid.is_some() && thread.is_none() {
        return Err(Errno::ESRCH);
    }
    let info = process.info();
    let text = match name {
        "cmdline" => return Ok(thread.map_or(Vec::new(), |thread| strings(&thread, info.args))),
        "environ" => return Ok(thread.map_or(Vec::new(), |thread| strings(&thread, info.env))),
        "auxv" => return Ok(thread.map_or(Vec::new(), |thread| strings(&thread, info.auxv))),
        "comm" => return Ok([&command(thread.as_ref())[..], b"\n"].concat()),
        // One hierarchy with nothing below its top, nobody ever logged in, everybody is killed alike.
        "cgroup" => String::from("0::/\n"),
        "loginuid" | "sessionid" => format!("{}", u32::MAX),
        "oom_score" | "oom_score_adj" => String::from("0\n"),
        "personality" => String::from("00000000\n"),
        "wchan" => String::from("0"),
        "status" => status(world, process, thread.as_ref())?,
        "stat" => stat(world, process, thread.as_ref())?,
        "statm" => {
            let usage = thread.map(|thread| thread.space().usage());
            usage.map_or(String::from("0 0 0 0 0 0 0\n"), |usage| {
                let data = usage.data_pages + usage.stack_pages;
                let (size, resident) = (usage.virtual_pages, usage.resident_pages);
                format!("{size} {resident} {} {} 0 {data} 0\n", usage.shared_pages, usage.text_pages)
            })
        }
        "maps" => return Ok(thread.map_or(Vec::new(), |thread| maps(&thread))),
        "mounts" => {
            return mounts(world, |mount, at| {
                format!("{} {at} {} {} 0 0\n", lossy(&mount.source), mount.fs.name(), access(mount))
            });
        }
        "mountinfo" => {
            return mounts(world, |mount, at| {
                let (id, parent) = (mount.id, mount.at.as_ref().map_or(mount.id, |place| place.mount.id));
                format!(
                    "{id} {parent} 0:{id} / {at} {} - {} {} rw\n",
                    access(mount),
                    mount.fs.name(),
                    lossy(&mount.source)
                )
            });
        }
        "limits" => limits(process),
        _ => return Err(Errno::ENOENT),
    };
    Ok(text.into_bytes())
}

/// How a mount may be used.
fn access(mount: &crate::vfs::Mount) -> &'static str {
    if mount.permit_write().is_ok() { "rw" } else { "ro" }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A thread's name; of a process that has none, the kernel's.
fn command(thread: Option<&Arc<Thread>>) -> Vec<u8> {
    thread.map_or_else(|| b"orrery".to_vec(), |thread| thread.name())
}

/// What `fdinfo` tells.
pub(super) fn descriptor(file: &OpenFile) -> Result<Vec<u8>> {
    let (mount, ino) = match file.path() {
        Some(path) => (path.mount.id, path.inode.identity().1),
        None => (0, file.file().attributes()?.ino),
    };
    // A stream has no place.
    let place = file.seek(0, Whence::SEEK_CUR).unwrap_or(0);
    let flags = file.flags().bits();
    Ok(format!("pos:\t{place}\nflags:\t0{flags:o}\nmnt_id:\t{mount}\nino:\t{ino}\n").into_bytes())
}

fn strings(thread: &Thread, (start, end): (usize, usize)) -> Vec<u8> {
    let mut bytes = vec![0; end.saturating_sub(start).min(STRINGS_MAX)];
    let read = thread.space().read_some(start, &mut bytes).unwrap_or(0);
    bytes.truncate(read);
    bytes
}

/// Linux's letter and word for what a process is doing.
fn doing(world: &World, process: &Process) -> Result<(char, &'static str)> {
    let place = world.processes()?.place(process.pid());
    Ok(match place {
        Some((_, _, _, State::Zombie(_))) => ('Z', "zombie"),
        _ if process.stopped_by().is_some() => ('T', "stopped"),
        _ => {
            let own = world.asker().is_ok_and(|asker| asker.process().pid() == process.pid());
            if own { ('R', "running") } else { ('S', "sleeping") }
        }
    })
}

fn status(world: &World, process: &Arc<Process>, thread: Option<&Arc<Thread>>) -> Result<String> {
    let (parent, ..) = world.processes()?.place(process.pid()).ok_or(Errno::ESRCH)?;
    let (letter, word) = doing(world, process)?;
    let credentials = process.credentials();
    let (user, group) = (&credentials.user, &credentials.group);
    let umask = thread.map_or(0o022, |thread| thread.fs().umask());
    let groups: String = credentials.groups.iter().map(|group| format!("{group} ")).collect();
    let mut text = format!(
        "Name:\t{}\nUmask:\t{umask:04o}\nState:\t{letter} ({word})\nTgid:\t{pid}\nNgid:\t0\nPid:\t{tid}\nPPid:\t{parent}\n\
         TracerPid:\t0\nUid:\t{}\t{}\t{}\t{}\nGid:\t{}\t{}\t{}\t{}\nFDSize:\t64\nGroups:\t{groups}\n",
        lossy(&command(thread)),
        user.real,
        user.effective,
        user.saved,
        user.fs,
        group.real,
        group.effective,
        group.saved,
        group.fs,
        pid = process.pid(),
        tid = thread.map_or(process.pid(), |thread| thread.tid()),
    );
    if let Some(thread) = thread {
        let usage = thread.space().usage();
        let kib = |pages: usize| pages * (PAGE_SIZE / 1024);
        text += &format!(
            "VmSize:\t{:8} kB\nVmLck:\t{:8} kB\nVmRSS:\t{:8} kB\nVmData:\t{:8} kB\nVmStk:\t{:8} kB\nVmExe:\t{:8} kB\n",
            kib(usage.virtual_pages),
            kib(usage.locked_pages),
            kib(usage.resident_pages),
            kib(usage.data_pages),
            kib(usage.stack_pages),
            kib(usage.text_pages)
        );
    }
    let caps = &credentials.caps;
    text += &format!(
        "Threads:\t{}\nCapInh:\t{:016x}\nCapPrm:\t{:016x}\nCapEff:\t{:016x}\nCapBnd:\t{:016x}\nCapAmb:\t{:016x}\n\
         NoNewPrivs:\t{}\nSeccomp:\t{}\n",
        process.threads().len(),
        caps.inheritable,
        caps.permitted,
        caps.effective,
        caps.bounding,
        caps.ambient,
        u8::from(credentials.no_new_privs),
        u8::from(thread.is_some_and(|thread| thread.is_strict()))
    );
    Ok(text)
}

fn stat(world: &World, process: &Arc<Process>, thread: Option<&Arc<Thread>>) -> Result<String> {
    let (parent, group, session, _) = world.processes()?.place(process.pid()).ok_or(Errno::ESRCH)?;
    let (letter, _) = doing(world, process)?;
    let terminal = process.terminal();
    let (device, foreground) = terminal.map_or((0, -1), |terminal| (terminal.device(), terminal.foreground()));
    let usage = thread.map(|thread| thread.space().usage()).unwrap_or_default();
    let dead = || process.scheduled().first().map(Scheduled::scheduling).unwrap_or_default();
    let nice = thread.map_or_else(dead, |thread| thread.scheduling()).nice;
    let (own, children) = (process.spent(), process.spent_by_children());
    let (faults, child_faults) = (own.faults, children.faults);
    let (user, system) = (ticks(own.user_ns), ticks(own.system_ns));
    let (child_user, child_system) = (ticks(children.user_ns), ticks(children.system_ns));
    let started = ticks(process.started_ns());
    Ok(format!(
        "{} ({}) {letter} {parent} {group} {session} {device} {foreground} 0 {faults} {child_faults} 0 0 {user} {system} \
         {child_user} {child_system} {} {nice} {} 0 {started} {} {} \
         18446744073709551615 0 0 {} 0 0 0 0 0 0 0 0 0 17 {} 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
        thread.map_or(process.pid(), |thread| thread.tid()),
        lossy(&command(thread)),
        20 + nice,
        process.threads().len(),
        usage.virtual_pages * PAGE_SIZE,
        usage.resident_pages,
        process.info().stack,
        0,
    ))
}

fn maps(thread: &Thread) -> Vec<u8> {
    let mut text = Vec::new();
    thread.space().areas(&mut |area| {
        let may = |prot: Prot, letter: char| if area.prot.contains(prot) { letter } else { '-' };
        let (dev, ino) = area.identity.unwrap_or((0, 0));
        let line = format!(
            "{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {ino} ",
            area.start,
            area.end,
            may(Prot::READ, 'r'),
            may(Prot::WRITE, 'w'),
            may(Prot::EXECUTE, 'x'),
            if area.shared { 's' } else { 'p' },
            area.offset,
            dev >> 8 & 0xfff,
            dev & 0xff,
        );
        text.extend_from_slice(line.as_bytes());
        if !area.name.is_empty() {
            // Linux pads the line to column 73.
            text.extend(core::iter::repeat_n(b' ', 73_usize.saturating_sub(line.len())));
            text.extend_from_slice(&area.name);
        }
        text.push(b'\n');
    });
    text
}

fn mounts(world: &World, line: impl Fn(&crate::vfs::Mount, &str) -> String) -> Result<Vec<u8>> {
    let asker = world.asker()?;
    let mounts = world.mounts()?;
    let text: String = mounts
        .list()
        .iter()
        .map(|mount| {
            let at = mount.at.as_ref().map_or_else(|| b"/".to_vec(), |place| asker.fs().path_of(place).0);
            line(mount, &lossy(&at))
        })
        .collect();
    Ok(text.into_bytes())
}

fn limits(process: &Process) -> String {
    const ROWS: &[(&str, Resource, &str)] = &[
        ("Max cpu time", Resource::RLIMIT_CPU, "seconds"),
        ("Max file size", Resource::RLIMIT_FSIZE, "bytes"),
        ("Max data size", Resource::RLIMIT_DATA, "bytes"),
        ("Max stack size", Resource::RLIMIT_STACK, "bytes"),
        ("Max core file size", Resource::RLIMIT_CORE, "bytes"),
        ("Max resident set", Resource::RLIMIT_RSS, "bytes"),
        ("Max processes", Resource::RLIMIT_NPROC, "processes"),
        ("Max open files", Resource::RLIMIT_NOFILE, "files"),
        ("Max locked memory", Resource::RLIMIT_MEMLOCK, "bytes"),
        ("Max address space", Resource::RLIMIT_AS, "bytes"),
        ("Max file locks", Resource::RLIMIT_LOCKS, "locks"),
        ("Max pending signals", Resource::RLIMIT_SIGPENDING, "signals"),
        ("Max msgqueue size", Resource::RLIMIT_MSGQUEUE, "bytes"),
        ("Max nice priority", Resource::RLIMIT_NICE, ""),
        ("Max realtime priority", Resource::RLIMIT_RTPRIO, ""),
        ("Max realtime timeout", Resource::RLIMIT_RTTIME, "us"),
    ];
    let limits = process.limits();
    let shown = |limit| if limit == RLIM_INFINITY { String::from("unlimited") } else { format!("{limit}") };
    let mut text = format!("{:25} {:20} {:20} {:10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (name, resource, unit) in ROWS {
        let Rlimit { rlim_cur, rlim_max } = limits.of(*resource).unwrap_or_default();
        // What has no unit has no blanks in its place.
        let width = if unit.is_empty() { 0 } else { 10 };
        text += &format!("{name:25} {:20} {:20} {unit:width$}\n", shown(rlim_cur), shown(rlim_max));
    }
    text
}

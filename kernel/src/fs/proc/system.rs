//! Files of `/proc` that are about the whole system.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ostd::PAGE_SIZE;

use super::World;
use super::node::What;
use crate::error::{Errno, Result};
use crate::process::PROCESSES_MAX;

/// Paths below `/proc`.
const FILES: &[&str] = &[
    "cmdline",
    "cpuinfo",
    "filesystems",
    "loadavg",
    "meminfo",
    "mounts",
    "stat",
    "swaps",
    "uptime",
    "version",
    "vmstat",
    "sys/kernel/domainname",
    "sys/kernel/hostname",
    "sys/kernel/osrelease",
    "sys/kernel/ostype",
    "sys/kernel/pid_max",
    "sys/kernel/ngroups_max",
    "sys/kernel/cap_last_cap",
    "sys/kernel/randomize_va_space",
    "sys/kernel/threads-max",
    "sys/kernel/version",
    "sys/kernel/random/boot_id",
    "sys/kernel/random/entropy_avail",
    "sys/kernel/random/uuid",
    "sys/vm/max_map_count",
    "sys/vm/overcommit_memory",
    "sys/vm/swappiness",
    "sys/fs/file-max",
    "sys/fs/file-nr",
    "sys/fs/nr_open",
    "sys/fs/pipe-max-size",
];
const FOLDERS: &[&str] = &["sys", "sys/kernel", "sys/kernel/random", "sys/vm", "sys/fs"];

const NS_PER_SEC: u64 = 1_000_000_000;

/// Names directly below a folder (`""` is `/proc` itself), and what they are.
pub(super) fn below(folder: &str) -> impl Iterator<Item = (&'static str, What)> {
    let folder = String::from(folder);
    let name = move |path: &'static str| {
        let rest = if folder.is_empty() { path } else { path.strip_prefix(folder.as_str())?.strip_prefix('/')? };
        (!rest.contains('/')).then_some(rest)
    };
    let other = name.clone();
    let files = FILES.iter().filter_map(move |path| Some((name(path)?, What::System(path))));
    let folders = FOLDERS.iter().filter_map(move |path| Some((other(path)?, What::Folder(path))));
    files.chain(folders)
}

pub(super) fn text(world: &World, path: &str) -> Result<Vec<u8>> {
    let text = match path {
        "version" => format!("Linux version {} (orrery) #1 SMP\n", world.release),
        "sys/kernel/osrelease" => format!("{}\n", world.release),
        "sys/kernel/ostype" => String::from("Linux\n"),
        "sys/kernel/hostname" => return Ok([&world.processes()?.names().host()[..], b"\n"].concat()),
        "sys/kernel/domainname" => return Ok([&world.processes()?.names().domain()[..], b"\n"].concat()),
        "sys/kernel/pid_max" => format!("{PROCESSES_MAX}\n"),
        "sys/kernel/ngroups_max" => format!("{}\n", crate::credentials::GROUPS_MAX),
        "sys/kernel/cap_last_cap" => format!("{}\n", crate::abi::flags::CAP_LAST_CAP),
        "sys/kernel/threads-max" => format!("{PROCESSES_MAX}\n"),
        "sys/kernel/version" => String::from("#1 SMP\n"),
        // Where things are mapped is not random here.
        "sys/kernel/randomize_va_space" | "sys/vm/swappiness" => String::from("0\n"),
        "sys/kernel/random/boot_id" => uuid(world.boot_id),
        "sys/kernel/random/uuid" => {
            let mut bytes = [0; 16];
            world.machine.entropy(&mut bytes);
            uuid(bytes)
        }
        // As on Linux since 5.18, which always has enough.
        "sys/kernel/random/entropy_avail" => String::from("256\n"),
        "sys/vm/max_map_count" => format!("{}\n", crate::mm::AREAS_MAX),
        "sys/fs/file-max" => format!("{}\n", world.mounts()?.open_files().max()),
        "sys/fs/file-nr" => {
            let mounts = world.mounts()?;
            format!("{}\t0\t{}\n", mounts.open_files().used(), mounts.open_files().max())
        }
        "sys/fs/nr_open" => format!("{}\n", crate::vfs::DESCRIPTORS_MAX),
        "cmdline" => String::from("\n"),
        "swaps" => String::from("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
        "vmstat" => format!("nr_free_pages {}\n", world.machine.frames().free()),
        "sys/vm/overcommit_memory" => String::from("1\n"),
        "sys/fs/pipe-max-size" => String::from("1048576\n"),
        "filesystems" => String::from("nodev\tproc\nnodev\ttmpfs\nnodev\toverlay\n"),
        "uptime" => {
            let now = world.machine.monotonic_ns();
            format!("{}.{:02} 0.00\n", now / NS_PER_SEC, now % NS_PER_SEC / 10_000_000)
        }
        "loadavg" => {
            let processes = world.processes()?;
            let threads = processes.thread_count();
            format!("0.00 0.00 0.00 1/{threads} {}\n", processes.all().iter().map(|one| one.pid()).max().unwrap_or(1))
        }
        "meminfo" => meminfo(world),
        "cpuinfo" => (0..world.machine.cpu_count())
            .map(|cpu| format!("processor\t: {cpu}\nvendor_id\t: Orrery\nmodel name\t: Orrery virtual CPU\n\n"))
            .collect(),
        "stat" => stat(world)?,
        _ => return Err(Errno::ENOENT),
    };
    Ok(text.into_bytes())
}

/// Sixteen bytes as RFC 9562 writes a random one.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |part: &[u8]| part.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let [a, b, c, d, e] = [0..4, 4..6, 6..8, 8..10, 10..16].map(|part| hex(&bytes[part]));
    format!("{a}-{b}-{c}-{d}-{e}\n")
}

fn meminfo(world: &World) -> String {
    let frames = world.machine.frames();
    let kib = |count: usize| count * (PAGE_SIZE / 1024);
    let (total, free) = (kib(frames.total()), kib(frames.free()));
    format!(
        "MemTotal:       {total:8} kB\nMemFree:        {free:8} kB\nMemAvailable:   {free:8} kB\n\
         Buffers:        {0:8} kB\nCached:         {0:8} kB\nSwapTotal:      {0:8} kB\nSwapFree:       {0:8} kB\n",
        0
    )
}

fn stat(world: &World) -> Result<String> {
    let processes = world.processes()?;
    let mut text = String::from("cpu  0 0 0 0 0 0 0 0 0 0\n");
    for cpu in 0..world.machine.cpu_count() {
        text += &format!("cpu{cpu} 0 0 0 0 0 0 0 0 0 0\n");
    }
    let booted = world.machine.boot_realtime_ns() / NS_PER_SEC;
    text +=
        &format!("ctxt 0\nbtime {booted}\nprocesses {}\nprocs_running 1\nprocs_blocked 0\n", processes.fork_count());
    Ok(text)
}

//! Wild, forbidden and hole-crossing pointers in every argument of every call that takes one, by the table.

use kernel_abi::arg::Direction;
use kernel_abi::flags::OpenFlags;
use kernel_abi::row::Call;
use kernel_abi::{Arch, Calls as _, Errno, Fd, Gid, Kind, Mode, Result, Row, Sys as _, Uid};
use libtest_mimic::{Failed, Trial};

use crate::scratch::Scratch;

use super::guest::Guest;
use super::{Probe, same_lines, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("pointers_of_each_row_of_the_table", || with_scratch("pointer-rows")),
        trial("pointers_behind_commands_and_inside_structures", || with_scratch("pointer-others")),
        trial("buffers_that_end_in_a_hole_are_used_as_far_as_they_go", || with_scratch("pointer-partly")),
    ]
}

pub(crate) const PROBES: &[Probe] = &[("pointer-rows", rows), ("pointer-others", others), ("pointer-partly", partly)];

fn with_scratch(probe: &str) -> std::result::Result<(), Failed> {
    let scratch = Scratch::new()?;
    // The probe gives up its privileges: it must be able to write there all the same.
    std::fs::set_permissions(&scratch.0, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    same_lines(probe, &[scratch.path()])
}

/// Calls that take pointers and are tried elsewhere (programs, threads), keep them (robust lists), or ask about what is
/// the machine's own (groups, attributes).
const ELSEWHERE: &[&str] = &[
    "clone",
    "clone3",
    "execve",
    "execveat",
    "set_tid_address",
    "set_robust_list",
    "getgroups",
    "setgroups",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "getxattr",
    "lgetxattr",
    "fgetxattr",
    "listxattr",
    "llistxattr",
    "flistxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
];

/// Addresses that no call should like.
struct Bad {
    name: &'static str,
    addr: usize,
}

/// What valid arguments are made of.
struct World {
    guest: Guest,
    bad: Vec<Bad>,
    files: [usize; 2],
    directory: usize,
    readable: usize,
    set: usize,
    timer: usize,
}

const NOBODY: u32 = 65534;
/// Where in the probe's pages valid arguments are.
const PATH: usize = 0x100;
const NEW_PATH: usize = 0x140;
const LINK: usize = 0x180;
const NAME: usize = 0x1c0;
const IOVECS: usize = 0x200;
const BUFFER: usize = 0x1000;
const STRUCT: usize = 0x4000;
const BUFFER_LEN: usize = 64;

impl World {
    /// In a directory of its own, as nobody, with files open.
    fn new(place: &str) -> Result<Self> {
        let guest = Guest::new();
        guest.confine();
        std::env::set_current_dir(place).expect("the scratch directory");
        // Only the superuser has something to give up.
        let _ = guest.setgroups(0, 0);
        let _ = guest.setresgid(Gid(NOBODY), Gid(NOBODY), Gid(NOBODY));
        let _ = guest.setresuid(Uid(NOBODY), Uid(NOBODY), Uid(NOBODY));
        let page = guest.page();
        let path = |at: usize, name: &str| guest.path(page + at, name);
        let open = |name: &str| {
            let flags = OpenFlags::O_RDWR | OpenFlags::O_CREAT;
            let file = guest.open(path(PATH, name), flags, Mode(0o666))?;
            guest.write(fd(file), page + BUFFER, 8192)?;
            guest.lseek(fd(file), 0_i64, 0_u32)?;
            Ok(file)
        };
        let files = [open("first")?, open("second")?];
        path(NEW_PATH, "new");
        path(NAME, "name");
        let _ = guest.symlink(path(PATH, "first"), path(LINK, "link"));
        let directory = guest.open(path(PATH, "."), OpenFlags::O_DIRECTORY, Mode(0))?;
        path(PATH, "first");
        guest.pipe2(page + STRUCT, 0)?;
        let [readable, writable]: [i32; 2] = guest.load(page + STRUCT);
        guest.write(Fd(writable), page + BUFFER, 100)?;
        let set = guest.epoll_create1(0)?;
        let event = guest.store(page + STRUCT, &[1_u32, 7, 0]);
        guest.epoll_ctl(fd(set), 1_u32, Fd(readable), event)?;
        let timer = guest.timerfd_create(1_u32, 0)?;
        guest.store(page + STRUCT, &[0_u64; 64]);
        guest.store(page + IOVECS, &[page + BUFFER, 32, page + BUFFER + 32, 32]);
        let map = |prot: usize| kernel_abi::errno::from_return(guest.call(9, [0, 0x2000, prot, 0x22, usize::MAX, 0]));
        let (read_only, nothing) = (map(1)?, map(0)?);
        let hole = guest.hole();
        let bad = [
            ("null", 0),
            ("the first page", 8),
            ("a hole", hole),
            ("half in a hole", hole - 4),
            ("a byte before a hole", hole - 1),
            ("read-only", read_only),
            ("nothing allowed", nothing),
            ("the end of user space", 0x7fff_ffff_efff),
            ("behind user space", 0x7fff_ffff_f000),
            ("no address", 0x8000_0000_0000),
            ("the kernel's half", 0xffff_8880_0000_1000),
            ("the last page", usize::MAX - 0xfff),
            ("the last byte", usize::MAX),
        ];
        let bad = bad.into_iter().map(|(name, addr)| Bad { name, addr }).collect();
        let readable = readable as usize;
        Ok(Self { guest, bad, files, directory, readable, set, timer })
    }

    /// Valid arguments of a row, and at which of the registers pointers are.
    fn arguments(&self, row: &Row) -> (Vec<usize>, Vec<(usize, &'static str, Kind)>) {
        let (mut registers, mut pointers, mut files) = (Vec::new(), Vec::new(), self.files.iter());
        let page = self.guest.page();
        for &(name, kind) in row.args {
            let at = registers.len();
            let mut pointer = |value: usize| {
                pointers.push((at, name, kind));
                value
            };
            let value = match kind {
                Kind::Fd if name.ends_with("dir") => self.directory,
                Kind::Fd if name == "set" => self.set,
                Kind::Fd if row.name.starts_with("timerfd") => self.timer,
                Kind::Fd if row.name.starts_with("signalfd") => usize::MAX,
                Kind::Fd => files.next().copied().unwrap_or(self.readable),
                Kind::Path if name == "new" || makes_a_name(row.name) => pointer(page + NEW_PATH),
                Kind::Path if row.name.starts_with("readlink") => pointer(page + LINK),
                Kind::Path => pointer(page + PATH),
                Kind::Name => pointer(page + NAME),
                Kind::In | Kind::Out => pointer(page + BUFFER),
                Kind::Iovecs(_) => pointer(page + IOVECS),
                Kind::Struct("sigset_t", _) if row.name == "rt_sigsuspend" => pointer(page + STRUCT),
                Kind::Struct(..) => pointer(page + STRUCT + at * 0x200),
                Kind::Strings => pointer(0),
                Kind::Pointer => page,
                Kind::Signal => 10,
                Kind::Id => usize::MAX,
                Kind::Mode => 0o644,
                Kind::Enum(_) if name == "resource" => 7,
                Kind::Enum(_) if name == "op" => 1,
                Kind::Int { .. } if name == "size" && row.name == "openat2" => 24,
                Kind::Int { .. } if name.ends_with("size") => 8,
                Kind::Int { .. } if name == "len" => BUFFER_LEN,
                Kind::Int { .. } if name.starts_with("count") => 2,
                Kind::Flags(_) | Kind::Enum(_) | Kind::Pid | Kind::Int { .. } => 0,
            };
            registers.push(value);
            match kind {
                Kind::In | Kind::Out => registers.push(BUFFER_LEN),
                Kind::Iovecs(_) => registers.push(2),
                _ => {}
            }
        }
        (registers, pointers)
    }
}

fn makes_a_name(row: &str) -> bool {
    ["mkdir", "mknod", "creat", "rmdir"].iter().any(|name| row.starts_with(name))
}

fn fd(answer: usize) -> Fd {
    Fd(i32::try_from(answer).unwrap_or(-1))
}

/// What a call came to; numbers that are each kernel's own are only fine.
fn show(result: Result, counts: bool) -> String {
    match result {
        Ok(count) if counts => format!("{count}"),
        Ok(_) => "fine".into(),
        Err(errno) => format!("{errno:?}"),
    }
}

/// Whether what is asked for is never to end, or never to come back.
fn never_ends(row: &Row, name: &str, bad: &str) -> bool {
    let forever = matches!(name, "timeout") && bad == "null";
    forever || (row.name == "rt_sigsuspend" && bad == "read-only")
}

/// The guest's side: a child for each row that tries every pointer of it.
fn rows(arguments: &[String]) {
    let [place] = arguments else { panic!("probe pointer-rows PLACE") };
    let guest = Guest::new();
    for (call, row) in Call::ALL.iter().zip(kernel_abi::ROWS) {
        let has_pointer = row.args.iter().any(|(_, kind)| is_pointer(*kind));
        if call.number(Arch::X86_64).is_none() || !row.implemented || !has_pointer || ELSEWHERE.contains(&row.name) {
            continue;
        }
        let (call, place) = (*call, place.clone());
        let ending = guest.outcome(move || {
            one_row(call, &place);
            0
        });
        println!("{}: {ending}", row.name);
    }
}

fn is_pointer(kind: Kind) -> bool {
    use Kind::{In, Iovecs, Name, Out, Path, Struct};
    matches!(kind, Path | Name | In | Out | Iovecs(_) | Struct(..))
}

fn one_row(call: Call, place: &str) {
    let world = World::new(place).expect("a world to try it in");
    let row = call.row();
    let _ = world.guest.alarm(5_u32);
    let (registers, pointers) = world.arguments(row);
    for (at, name, kind) in pointers {
        for bad in world.bad.iter().filter(|bad| !never_ends(row, name, bad.name)) {
            let mut registers = registers.clone();
            registers[at] = bad.addr;
            let counts = matches!(kind, Kind::In | Kind::Out | Kind::Iovecs(_));
            let result = world.guest.make(call, &registers);
            println!("{} with {name} {}: {}", row.name, bad.name, show(result, counts));
        }
        if matches!(kind, Kind::In | Kind::Out | Kind::Struct(_, Direction::Out)) {
            let mut registers = registers.clone();
            registers[at] = usize::MAX - 7;
            let result = world.guest.make(call, &registers);
            println!("{} with {name} around the end: {}", row.name, show(result, true));
        }
    }
}

/// The guest's side: pointers that the table does not tell of.
fn others(arguments: &[String]) {
    let [place] = arguments else { panic!("probe pointer-others PLACE") };
    let world = World::new(place).expect("a world to try it in");
    let (guest, page) = (world.guest, world.guest.page());
    let file = fd(world.files[0]);
    for Bad { name, addr } in &world.bad {
        let addr = *addr;
        let say = |what: &str, result: Result| println!("{what} {name}: {}", show(result, true));
        let forever = 0;
        say("FIONREAD", guest.ioctl(Fd(world.readable as i32), 0x541b_u32, addr));
        say("TCGETS", guest.ioctl(Fd(world.readable as i32), 0x5401_u32, addr));
        say("F_GETLK", guest.fcntl(file, 5_u32, addr));
        say("F_SETLK", guest.fcntl(file, 6_u32, addr));
        say("PR_SET_NAME", guest.prctl(15_u32, addr, 0, 0, 0));
        say("PR_GET_NAME", guest.prctl(16_u32, addr, 0, 0, 0));
        say("ARCH_GET_FS", guest.arch_prctl(0x1003_u32, addr));
        say("FUTEX_WAKE", guest.futex(addr & !3, 1_u32, 1, 0, 0, 0));
        // Where the halves of memory meet is the machine's own.
        let is_border = name.contains("user space");
        if !is_border {
            say("FUTEX_WAKE private", guest.futex(addr & !3, 129_u32, 1, 0, 0, 0));
        }
        say("FUTEX_WAIT", guest.futex(addr & !3, 0_u32, 1, forever, 0, 0));
        say("FUTEX_WAIT until", guest.futex(page + STRUCT, 0_u32, 1, addr | 1, 0, 0));
        say("FUTEX_REQUEUE", guest.futex(page + STRUCT, 3_u32, 1, 1, addr & !3, 0));
        say("brk", guest.brk(0).map(|_| 0));
        say("munmap", if addr > 1 << 46 && !is_border { guest.munmap(addr & !0xfff, 0x1000) } else { Ok(0) });
        say("mprotect", guest.mprotect(if addr == 0 { 0 } else { addr & !0xfff }, 0x1000, 1_u32));
        say("madvise", guest.madvise(addr & !0xfff, 0x1000, 0_u32));
        say("msync", guest.msync(addr & !0xfff, 0x1000, 4_u32));
        // Behind valid structures: an iovec, the mask of pselect6.
        for call in [Call::readv, Call::writev] {
            guest.store(page + IOVECS, &[page + BUFFER, 16, addr, 64]);
            let _ = guest.lseek(file, 0_i64, 0_u32);
            say(call.row().name, guest.make(call, &[world.files[0], page + IOVECS, 2]));
            guest.store(page + IOVECS, &[addr, 64, page + BUFFER, 16]);
            let _ = guest.lseek(file, 0_i64, 0_u32);
            say(call.row().name, guest.make(call, &[world.files[0], page + IOVECS, 2]));
            guest.store(page + IOVECS, &[if is_border { 0 } else { addr }, 0, page + BUFFER, 16]);
            say(call.row().name, guest.make(call, &[world.files[0], page + IOVECS, 2]));
            guest.store(page + IOVECS, &[page + BUFFER, addr, page + BUFFER, 16]);
            if addr == 0 || addr > 1 << 62 {
                say(call.row().name, guest.make(call, &[world.files[0], page + IOVECS, 2]));
            }
        }
        if addr != 0 {
            guest.store(page + STRUCT, &[0_usize; 8]);
            guest.store(page + STRUCT + 0x100, &[addr, 8]);
            let at = page + STRUCT;
            say("pselect6", guest.pselect6(0, 0, 0, 0, at, at + 0x100));
        }
        // A child that ends, waited for with a place that cannot be written.
        let pid = guest.fork(|| 3).unwrap_or(-1);
        say("wait4", guest.wait4(kernel_abi::Pid(pid), addr, kernel_abi::flags::WaitOptions::empty(), 0).map(|_| 0));
    }
    say_limits(&world);
}

/// Counts and lengths where pointers are fine.
fn say_limits(world: &World) {
    let (guest, page) = (world.guest, world.guest.page());
    guest.store(page + IOVECS, &[page + BUFFER, 1, page + BUFFER, 1]);
    for count in [0, 1, 2, 1024, 1025, usize::MAX, 1 << 31] {
        let result = guest.make(Call::readv, &[world.files[0], page + IOVECS, count]);
        println!("readv of {count}: {}", show(result, count < 3));
        let result = guest.make(Call::poll, &[page + STRUCT, count, 0]);
        println!("poll of {count}: {}", show(result, false));
    }
    for len in [0, 1, usize::MAX, isize::MAX as usize] {
        for call in [Call::read, Call::write, Call::pread64, Call::getrandom] {
            let registers = if call == Call::getrandom { [page, len, 0, 0] } else { [world.files[1], page, len, 0] };
            // The probe's own memory is 64 KiB, behind it is a hole.
            println!("{} of {len}: {}", call.row().name, show(guest.make(call, &registers), true));
        }
    }
}

/// The guest's side: buffers whose end is missing.
fn partly(arguments: &[String]) {
    let [place] = arguments else { panic!("probe pointer-partly PLACE") };
    let world = World::new(place).expect("a world to try it in");
    let (guest, page, hole) = (world.guest, world.guest.page(), world.guest.hole());
    let file = fd(world.files[0]);
    for there in [0, 1, 100, 4095, 4096, 5000] {
        let at = hole - there;
        let say = |what: &str, result: Result| println!("{what} with {there} bytes: {}", show(result, true));
        let rewind = || guest.lseek(file, 0_i64, 0_u32);
        let _ = rewind();
        say("read", guest.read(file, at, 8000));
        say("the offset then", guest.lseek(file, 0_i64, 1_u32));
        let _ = rewind();
        say("write", guest.write(file, at, 8000));
        say("the offset then", guest.lseek(file, 0_i64, 1_u32));
        say("pread", guest.pread64(file, at, 8000, 10_i64));
        say("pwrite", guest.pwrite64(file, at, 8000, 10_i64));
        let zero = guest.openat(Fd::CWD, guest.path(page + NAME, "/dev/zero"), OpenFlags::O_RDWR, 0).map(fd);
        let zero = zero.unwrap_or(Fd(-1));
        say("read of zeros", guest.read(zero, at, 8000));
        say("write to nobody", guest.write(zero, at, 8000));
        let _ = guest.close(zero);
        let _ = guest.pipe2(page + STRUCT, 0);
        let [reader, writer]: [i32; 2] = guest.load(page + STRUCT);
        say("write to a pipe", guest.write(Fd(writer), at, 8000));
        let _ = guest.write(Fd(writer), page + BUFFER, 6000);
        say("read from a pipe", guest.read(Fd(reader), at, 6000));
        // Something is left in any case.
        let _ = guest.write(Fd(writer), page + BUFFER, 100);
        say("what is left in it", guest.read(Fd(reader), page, 60_000));
        let _ = (guest.close(Fd(reader)), guest.close(Fd(writer)));
        say("random bytes", guest.getrandom(at, 8000, 0));
        let _ = guest.lseek(fd(world.directory), 0_i64, 0_u32);
        say(
            "getcwd",
            guest.getcwd(at, 8000).map_err(|errno| if there < 100 { errno } else { Errno::EFAULT }).map(|_| 0),
        );
        say("readlink", guest.readlink(guest.path(page + LINK, "link"), at, 100));
        guest.store(page + IOVECS, &[page + BUFFER, 50, at, 8000]);
        let _ = rewind();
        say("readv", guest.readv(file, page + IOVECS, 2));
        let _ = rewind();
        say("writev", guest.writev(file, page + IOVECS, 2));
        guest.store(page + IOVECS, &[at, 8000, page + BUFFER, 50]);
        // From the start of a page of the file: how far a copy over two of them gets is the file system's.
        let _ = rewind();
        say("readv the other way", guest.readv(file, page + IOVECS, 2));
        let _ = rewind();
        say("writev the other way", guest.writev(file, page + IOVECS, 2));
        // A path that runs into the hole, and one that ends just before it.
        if there > 0 {
            guest.poke(at, &vec![b'a'; there]);
            say("a path without an end", guest.access(at, 0_u32));
            guest.poke(hole - 1, &[0]);
            say("a path with its end", guest.access(at, 0_u32));
        }
    }
}

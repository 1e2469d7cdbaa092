//! Programs that take everything there is: each is refused, or killed, as on the host, and the others go on.

use kernel_abi::flags::{OpenFlags, Resource};
use kernel_abi::row::Call;
use kernel_abi::{Calls as _, Errno, Fd, Gid, Mode, Pid, Result, Sys as _, Uid};
use libtest_mimic::{Failed, Trial};

use crate::scratch::Scratch;

use super::code::Code;
use super::guest::Guest;
use super::{Probe, inside, native, orrery, place, run, same_lines, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("memory_ends_at_a_programs_own_limits", || same_lines("memory", &[])),
        trial("descriptors_end_at_their_limit", || with_scratch("descriptors")),
        trial("paths_end_at_their_limits", || with_scratch("paths")),
        trial("processes_end_at_their_limit_and_begin_again", || same_lines("processes", &[])),
        trial("a_stack_ends", a_stack_ends),
        trial("who_takes_all_memory_is_killed_and_nobody_else", who_takes_all_memory),
        trial("who_has_the_kernel_fill_all_memory_is_killed_too", who_has_all_memory_filled),
        trial("page_tables_are_memory_too", page_tables),
        trial("open_files_end_for_the_superuser_too", open_files_end),
        trial("files_in_memory_end_however_small", files_in_memory_end),
        trial("files_and_pipes_leave_some_memory", files_and_pipes),
        trial("a_fork_bomb_ends", a_fork_bomb_ends),
        trial("a_directory_holds_a_hundred_thousand_files", many_files),
        trial("a_busy_program_hears_who_stops_it", a_busy_program_hears),
    ]
}

pub(crate) const PROBES: &[Probe] = &[
    ("memory", memory),
    ("descriptors", descriptors),
    ("paths", paths),
    ("processes", processes),
    ("eat", eat),
    ("have-filled", have_filled),
    ("sparse", sparse),
    ("open", open),
    ("inodes", inodes),
    ("fill", fill),
    ("bomb", bomb),
    ("files", files),
];

fn with_scratch(probe: &str) -> std::result::Result<(), Failed> {
    let scratch = Scratch::new()?;
    same_lines(probe, &[scratch.path()])
}

fn name(result: Result) -> String {
    result.map_or_else(|errno| format!("{errno:?}"), |_| "fine".into())
}

const PAGE: usize = 4096;

/// The guest's side: mmap(2), brk(2), mremap(2) and the limits on them.
fn memory(_: &[String]) {
    let guest = Guest::new();
    guest.confine();
    let map = |len: usize, flags: usize| guest.make(Call::mmap, &[0, len, 3, flags, usize::MAX, 0]);
    const PRIVATE: usize = 0x22;
    const NORESERVE: usize = 0x4022;
    for len in [0, 1, 1 << 46, 1 << 47, 1 << 48, usize::MAX, usize::MAX - PAGE + 1] {
        println!("map {len:#x}: {}", name(map(len, PRIVATE)));
    }
    println!("map a terabyte: {}", name(map(1 << 40, PRIVATE)));
    println!("map a terabyte that nobody promises: {}", name(map(1 << 40, NORESERVE)));
    println!("brk far up: {}", guest.brk(0_usize) == guest.brk(1_usize << 46));
    let limited = |resource: Resource, limit: u64, what: &'static str| {
        let ending = guest.outcome(move || {
            let _ = guest.limit(resource, limit);
            println!("{what}: map: {}", name(guest.make(Call::mmap, &[0, 64 << 20, 3, PRIVATE, usize::MAX, 0])));
            println!(
                "{what}: map to read: {}",
                name(guest.make(Call::mmap, &[0, 64 << 20, 1, PRIVATE, usize::MAX, 0]))
            );
            let end = guest.brk(0_usize).unwrap_or(0);
            println!("{what}: brk: {}", guest.brk(end + (64 << 20)) == Ok(end + (64 << 20)));
            0
        });
        println!("{what}: {ending}");
    };
    limited(Resource::RLIMIT_AS, 1 << 20, "a megabyte in all");
    limited(Resource::RLIMIT_DATA, 1 << 20, "a megabyte of data");
    // Mappings that do not continue each other, up to the most there may be.
    let refused = loop {
        let one = guest.make(Call::mmap, &[0, PAGE, 1, PRIVATE, usize::MAX, 0]);
        let other = guest.make(Call::mmap, &[0, PAGE, 3, PRIVATE, usize::MAX, 0]);
        if let Err(errno) = one.and(other) {
            break errno;
        }
    };
    println!("the last mapping: {refused:?}");
    println!("cutting one in two: {}", name(guest.munmap(guest.page() + PAGE, PAGE)));
}

/// The guest's side: open files up to the limit.
fn descriptors(arguments: &[String]) {
    let [place] = arguments else { panic!("probe descriptors PLACE") };
    let guest = Guest::new();
    guest.confine();
    std::env::set_current_dir(place).expect("the scratch directory");
    let _ = guest.limit(Resource::RLIMIT_NOFILE, 64);
    let page = guest.page();
    let path = guest.path(page, "file");
    let open = || guest.open(path, OpenFlags::O_RDWR | OpenFlags::O_CREAT, Mode(0o644));
    let refused = loop {
        if let Err(errno) = open() {
            break errno;
        }
    };
    println!("open: {refused:?}");
    println!("dup: {}", name(guest.dup(Fd(1))));
    println!("dup2 beyond: {}", name(guest.dup2(Fd(1), Fd(64))));
    println!("dup2 within: {}", name(guest.dup2(Fd(1), Fd(63))));
    println!("fcntl beyond: {}", name(guest.fcntl(Fd(1), 0_u32, 64_usize)));
    println!("fcntl within: {}", name(guest.fcntl(Fd(1), 0_u32, 63_usize)));
    println!("pipe: {}", name(guest.pipe(page + 64)));
    println!("eventfd: {}", name(guest.eventfd2(0_u32, 0)));
    println!("epoll: {}", name(guest.epoll_create1(0)));
    println!("memfd: {}", name(guest.memfd_create(path, 0)));
    let _ = guest.close(Fd(63));
    println!("pipe with one left: {}", name(guest.pipe(page + 64)));
    println!("open with one left: {}", name(open()));
    println!("a limit that is too high: {}", name(guest.limit(Resource::RLIMIT_NOFILE, 1 << 31)));
}

/// The guest's side: names, paths, links and depths around each limit.
fn paths(arguments: &[String]) {
    let [place] = arguments else { panic!("probe paths PLACE") };
    let guest = Guest::new();
    guest.confine();
    // What the host's own run leaves there must not be in the way of the other.
    let own = format!("{place}/{}", std::process::id());
    std::fs::create_dir(&own).and_then(|()| std::env::set_current_dir(own)).expect("a directory");
    let page = guest.page();
    let make = |name: &str| guest.mkdir(guest.path(page, name), Mode(0o755));
    for len in [254, 255, 256, 4095, 4096] {
        println!("a name of {len}: {}", name(make(&"n".repeat(len))));
    }
    for len in [4094, 4095, 4096, 5000] {
        let path = "./".repeat(len / 2 - 1) + if len % 2 == 0 { "xy" } else { "x" };
        println!("a path of {}: {}", path.len(), name(make(&path)));
    }
    for len in [4095, 4096] {
        println!(
            "a link to {len}: {}",
            name(guest.symlink(guest.path(page, &"l".repeat(len)), guest.path(page + 8192, "long")))
        );
    }
    let link = |from: &str, to: &str| guest.symlink(guest.path(page, to), guest.path(page + 8192, from));
    let _ = make("goal");
    let _ = link("chain0", "goal");
    for number in 1..50 {
        let _ = link(&format!("chain{number}"), &format!("chain{}", number - 1));
    }
    let _ = link("itself", "itself");
    let open = |name: &str| guest.open(guest.path(page, name), OpenFlags::O_DIRECTORY, Mode(0));
    for chain in ["chain38", "chain39", "chain40", "chain41", "chain49", "itself", "itself/x", "chain20/../chain20"] {
        println!("open {chain}: {}", name(open(chain)));
    }
    let step = "d".repeat(200);
    let mut depth = 0;
    let refused = loop {
        if let Err(errno) = make(&step).and_then(|_| guest.chdir(page)) {
            break format!("{errno:?}");
        }
        depth += 1;
        if depth == 40 {
            break "none".into();
        }
    };
    println!("{depth} directories deep: {refused}");
    println!("getcwd there: {}", name(guest.getcwd(page, 60_000)));
    println!("a file there: {}", name(guest.mknod(guest.path(page, "file"), Mode(0), 0_u32)));
    println!("how many: {}", std::fs::read_dir(".").map_or(0, Iterator::count));
}

/// The guest's side: children up to the limit, gone and back.
fn processes(_: &[String]) {
    let guest = Guest::new();
    guest.confine();
    // Somebody with few processes; the superuser has no limit.
    let _ = (
        guest.setresgid(Gid(61_234), Gid(61_234), Gid(61_234)),
        guest.setresuid(Uid(61_234), Uid(61_234), Uid(61_234)),
    );
    let _ = guest.limit(Resource::RLIMIT_NPROC, 40);
    for round in 0..2 {
        let mut children = Vec::new();
        let refused = loop {
            match guest.fork(|| {
                loop {
                    std::thread::park()
                }
            }) {
                Ok(pid) => children.push(pid),
                Err(errno) => break errno,
            }
            if children.len() > 100 {
                break Errno::E2BIG;
            }
        };
        println!("round {round}: {refused:?}");
        println!("a thread: {}", std::thread::Builder::new().spawn(|| {}).is_err());
        for pid in &children {
            let _ = guest.kill(Pid(*pid), 9_i32);
        }
        for pid in children {
            guest.wait(pid);
        }
        println!("and again: {}", guest.outcome(|| 5));
    }
}

fn a_stack_ends() -> std::result::Result<(), Failed> {
    let scratch = Scratch::new()?;
    let program = scratch.0.join("program");
    // push rax; back to it
    place(&program, &super::escape::image(&Code::new().raw(&[0x50, 0xeb, 0xfd]), &program))?;
    for limit in ["64", "1024"] {
        let shell = format!("ulimit -c 0; ulimit -s {limit}; {}; echo $?", program.display());
        let here = run(std::process::Command::new("/bin/sh").args(["-c", &shell]))?;
        let there = run(orrery(&[]).args(["/bin/sh", "-c", &shell]))?;
        assert_eq!((here.out.as_str(), there.out.as_str()), ("139\n", "139\n"));
    }
    Ok(())
}

/// This program as a probe, for a shell.
fn words(probe: &str) -> std::result::Result<String, Failed> {
    let command = native(probe, &[])?;
    Ok(format!("{} probe {probe}", command.get_program().to_str().ok_or("a plain name")?))
}

/// The guest's side: touches memory until it is killed.
fn eat(_: &[String]) {
    let guest = Guest::new();
    loop {
        let at = guest.make(Call::mmap, &[0, 1 << 20, 3, 0x22, usize::MAX, 0]).expect("each megabyte is promised");
        for page in 0..256 {
            guest.poke(at + page * PAGE, &[1]);
        }
    }
}

fn who_takes_all_memory() -> std::result::Result<(), Failed> {
    killed_for_memory("eat", "32M")
}

/// A probe that takes all memory is killed each time, and another program never is.
fn killed_for_memory(probe: &str, memory: &str) -> std::result::Result<(), Failed> {
    let probe = words(probe)?;
    let shell = format!("sleep 100 & {probe}; echo $?; {probe}; echo $?; kill $!; wait $!; echo $?");
    let ran = run(orrery(&["--memory", memory]).args(["/bin/sh", "-c", &shell]))?;
    assert_eq!((ran.status, ran.out.as_str()), (0, "137\n137\n143\n"), "{}", ran.err);
    assert_eq!(ran.err.matches("no memory is left").count(), 2, "{}", ran.err);
    Ok(())
}

/// The guest's side: has read(2) touch memory until it is killed.
fn have_filled(_: &[String]) {
    let guest = Guest::new();
    let zero = guest.open(guest.path(guest.page(), "/dev/zero"), OpenFlags::O_RDONLY, Mode(0)).expect("a device");
    let zero = Fd(i32::try_from(zero).unwrap_or(-1));
    loop {
        let at = guest.make(Call::mmap, &[0, 1 << 20, 3, 0x22, usize::MAX, 0]).expect("each megabyte is promised");
        assert_eq!(guest.read(zero, at, 1 << 20), Ok(1 << 20));
    }
}

fn who_has_all_memory_filled() -> std::result::Result<(), Failed> {
    killed_for_memory("have-filled", "32M")
}

/// The guest's side: touches pages that need two tables each until it is killed.
fn sparse(_: &[String]) {
    let guest = Guest::new();
    let at = guest.make(Call::mmap, &[0, 1 << 45, 3, 0x4022, usize::MAX, 0]).expect("nobody promises it");
    for gibibyte in 0..1 << 15 {
        guest.poke(at + (gibibyte << 30), &[1]);
    }
}

fn page_tables() -> std::result::Result<(), Failed> {
    killed_for_memory("sparse", "16M")
}

/// The guest's side: open files until the machine has no more.
fn open(_: &[String]) {
    let guest = Guest::new();
    let _ = guest.limit(Resource::RLIMIT_NOFILE, 1 << 20);
    let page = guest.page();
    let null = || guest.open(guest.path(page, "/dev/null"), OpenFlags::O_RDWR, Mode(0));
    let mut last = 0;
    let refused = loop {
        match guest.eventfd2(0_u32, 0) {
            Ok(fd) => last = fd,
            Err(errno) => break errno,
        }
    };
    println!("one more: {refused:?}");
    println!("a file: {}", name(null()));
    println!("a pipe: {}", name(guest.pipe(page + 64)));
    println!("memory: {}", name(guest.memfd_create(guest.path(page, "memory"), 0)));
    println!("another number for one: {}", name(guest.dup(Fd(1))));
    let _ = guest.close(Fd(i32::try_from(last).unwrap_or(-1)));
    let counts = std::fs::read_to_string("/proc/sys/fs/file-nr").expect("one can be opened");
    let counts: Vec<&str> = counts.split_whitespace().collect();
    println!("all are open: {}", counts[0] == counts[2]);
    println!("a file again: {}", name(null()));
    let _ = guest.close_range(3_u32, u32::MAX, 0);
    println!("and again: {}", name(null()));
}

fn open_files_end() -> std::result::Result<(), Failed> {
    let ran = run(&mut inside(&["--memory", "20M"], "open", &[])?)?;
    let expected = "one more: ENFILE\na file: ENFILE\na pipe: ENFILE\nmemory: ENFILE\nanother number for one: fine\n\
                    all are open: true\na file again: fine\nand again: fine\n";
    assert_eq!((ran.status, ran.out.as_str()), (0, expected), "{}", ran.err);
    Ok(())
}

/// The guest's side: empty files, then names of one, until no more are left.
fn inodes(_: &[String]) {
    let guest = Guest::new();
    let page = guest.page();
    std::env::set_current_dir("/tmp").expect("a directory");
    let make = |name: &str| guest.mknod(guest.path(page, name), Mode(0o644), 0_u32);
    let link = |name: &str| guest.link(guest.path(page, "first"), guest.path(page + 8192, name));
    let until = |made: &dyn Fn(&str) -> Result| {
        (0..).find_map(|number| made(&format!("file{number}")).err()).map(|errno| format!("{errno:?}"))
    };
    println!("the first: {}", name(make("first")));
    for round in 0..2 {
        println!("round {round}: files: {:?}", until(&make));
        println!("round {round}: a directory: {}", name(guest.mkdir(guest.path(page, "directory"), Mode(0o755))));
        println!("round {round}: a link: {}", name(link("link")));
        let unnamed = guest.memfd_create(guest.path(page, "memory"), 0);
        println!("round {round}: memory: {}", name(unnamed));
        for number in 0.. {
            if guest.unlink(guest.path(page, &format!("file{number}"))).is_err() {
                break;
            }
        }
        println!("round {round}: links: {:?}", until(&link));
        for number in 0.. {
            if guest.unlink(guest.path(page, &format!("file{number}"))).is_err() {
                break;
            }
        }
    }
}

fn files_in_memory_end() -> std::result::Result<(), Failed> {
    let ran = run(&mut inside(&["--memory", "20M"], "inodes", &[])?)?;
    let round = |round: i32| {
        [
            "files: Some(\"ENOSPC\")",
            "a directory: ENOSPC",
            "a link: ENOSPC",
            "memory: ENOSPC",
            "links: Some(\"ENOSPC\")",
        ]
        .map(|line| format!("round {round}: {line}\n"))
        .concat()
    };
    assert_eq!((ran.status, ran.out), (0, format!("the first: fine\n{}{}", round(0), round(1))), "{}", ran.err);
    Ok(())
}

/// The guest's side: fills a file, and pipes, until there is no more room; twice.
fn fill(_: &[String]) {
    let guest = Guest::new();
    let page = guest.page();
    for round in 0..2 {
        let flags = OpenFlags::O_RDWR | OpenFlags::O_CREAT;
        let file = guest.open(guest.path(page, "/tmp/fill"), flags, Mode(0o644)).expect("a new file");
        let file = Fd(i32::try_from(file).unwrap_or(-1));
        let refused = loop {
            if let Err(errno) = guest.write(file, page, 65_536) {
                break errno;
            }
        };
        println!("round {round}: a file: {refused:?}");
        let _ = guest.close(file);
        let _ = guest.unlink(guest.path(page, "/tmp/fill"));
        let mut ends = Vec::new();
        let refused = loop {
            if let Err(errno) = guest.pipe2(page, OpenFlags::O_NONBLOCK.bits()) {
                break errno;
            }
            let both: [i32; 2] = guest.load(page);
            ends.extend(both);
            match guest.write(Fd(both[1]), page, 65_536) {
                Ok(_) | Err(Errno::EAGAIN) => {}
                Err(errno) => break errno,
            }
        };
        println!("round {round}: pipes: {refused:?}");
        for end in ends {
            let _ = guest.close(Fd(end));
        }
    }
}

fn files_and_pipes() -> std::result::Result<(), Failed> {
    let ran = run(&mut inside(&["--memory", "32M"], "fill", &[])?)?;
    let expected: String =
        (0..2).map(|round| format!("round {round}: a file: ENOSPC\nround {round}: pipes: ENOMEM\n")).collect();
    assert_eq!((ran.status, ran.out), (0, expected), "{}", ran.err);
    Ok(())
}

/// The guest's side: a group of processes that does nothing but become more, killed as a group when nothing is left.
fn bomb(_: &[String]) {
    let guest = Guest::new();
    let nap = guest.store(guest.page(), &[0_i64, 100_000_000]);
    let bomb = move || {
        let _ = guest.setpgid(0, 0);
        loop {
            // Whoever is refused tries again in a moment: hundreds that spin are only slow.
            if guest.make(Call::fork, &[]).is_err() {
                let _ = guest.nanosleep(nap, 0);
            }
        }
    };
    let group = guest.fork(bomb).expect("the first of them");
    for _ in 0..3 {
        let _ = guest.nanosleep(nap, 0);
    }
    println!("killed: {}", name(guest.kill(Pid(-group), 9_i32)));
    guest.wait(group);
    // The others are the kernel's to bury, and memory comes back.
    for _ in 0..100 {
        if guest.kill(Pid(-group), 0_i32) == Err(Errno::ESRCH) {
            break;
        }
        let _ = guest.nanosleep(nap, 0);
    }
    for _ in 0..20 {
        assert_eq!(guest.outcome(|| 5).to_string(), "exit 5");
    }
    println!("recovered");
}

fn a_fork_bomb_ends() -> std::result::Result<(), Failed> {
    let ran = run(&mut inside(&["--memory", "20M"], "bomb", &[])?)?;
    assert_eq!((ran.status, ran.out.as_str()), (0, "killed: fine\nrecovered\n"), "{}", ran.err);
    Ok(())
}

/// The guest's side: files without contents, listed and removed.
fn files(_: &[String]) {
    let guest = Guest::new();
    let page = guest.page();
    std::fs::create_dir("/tmp/files").and_then(|()| std::env::set_current_dir("/tmp/files")).expect("a directory");
    for number in 0..100_000 {
        guest.mknod(guest.path(page, &format!("file{number}")), Mode(0o644), 0_u32).expect("one more");
    }
    println!("{} files", std::fs::read_dir(".").map_or(0, Iterator::count));
    println!("once more: {}", name(guest.mknod(guest.path(page, "file99999"), Mode(0o644), 0_u32)));
    println!("removed: {}", name(guest.unlink(page)));
    println!("the directory: {}", name(guest.rmdir(guest.path(page, "/tmp/files"))));
}

fn many_files() -> std::result::Result<(), Failed> {
    let ran = run(&mut inside(&[], "files", &[])?)?;
    let expected = "100000 files\nonce more: EEXIST\nremoved: fine\nthe directory: ENOTEMPTY\n";
    assert_eq!((ran.status, ran.out.as_str()), (0, expected), "{}", ran.err);
    Ok(())
}

/// Programs that never wait: in a loop, in calls, in faults.
fn a_busy_program_hears() -> std::result::Result<(), Failed> {
    let scratch = Scratch::new()?;
    let program = scratch.0.join("program");
    let path = program.to_str().ok_or("a plain name")?;
    let calls = Code::new().call(110, &[]);
    let back = |code: Code, len: usize| code.raw(&[0xeb, (256 - len - 2) as u8]);
    let len = calls.bytes().len();
    for code in [back(Code::new(), 0), back(calls, len)] {
        place(&program, &super::escape::image(&code, &program))?;
        for options in [&[][..], &["--seed", "1"]] {
            let words: Vec<&str> = options.iter().copied().chain([path]).collect();
            let shell = format!("timeout 0.3 {} {}; echo $?", env!("CARGO_BIN_EXE_orrery"), words.join(" "));
            let ran = run(std::process::Command::new("/bin/sh").args(["-c", &shell]))?;
            assert_eq!(ran.out, "124\n", "{options:?} {}", ran.err);
        }
    }
    Ok(())
}

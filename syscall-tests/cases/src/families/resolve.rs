//! What holds on the way to a file: the rules that openat2(2) is given.

use alloc::format;

use kernel_abi::flags::{OpenFlags, ResolveFlags};
use kernel_abi::structs::{OpenHow, Stat};
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Sys};

use super::Outcome;
use super::file::{create, descriptor, open, write};
use super::interrupt::interrupted;

cases! { "resolve":
    nothing_above_the_start, what_is_made_stays_below_the_start, a_start_is_a_root, a_root_is_a_directory,
    no_link_on_the_way, a_link_itself_is_no_way, no_link_of_proc, no_other_mount, a_link_to_the_top_is_another_mount,
    what_would_have_to_wait, rules_that_nobody_knows, what_goes_with_a_place, a_directory_that_moved_has_left,
    a_file_without_a_name_follows_the_rules, a_fifo_is_waited_for,
}

const BENEATH: ResolveFlags = ResolveFlags::RESOLVE_BENEATH;
const IN_ROOT: ResolveFlags = ResolveFlags::RESOLVE_IN_ROOT;
const NO_SYMLINKS: ResolveFlags = ResolveFlags::RESOLVE_NO_SYMLINKS;
const NO_MAGIC: ResolveFlags = ResolveFlags::RESOLVE_NO_MAGICLINKS;
const NO_XDEV: ResolveFlags = ResolveFlags::RESOLVE_NO_XDEV;
const CACHED: ResolveFlags = ResolveFlags::RESOLVE_CACHED;
const FOR_READING: OpenFlags = OpenFlags::O_RDONLY;

fn path(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page(), name)
}

fn opened(sys: &dyn Sys, start: Fd, name: &str, flags: OpenFlags, resolve: ResolveFlags) -> Result<Fd> {
    let mode = if flags.creates() { 0o600 } else { 0 };
    let how = OpenHow { flags: u64::from(flags.bits()), mode, resolve: resolve.bits() };
    let how = sys.store(sys.page() + 0x2000, &how);
    sys.openat2(start, path(sys, name), how, size_of::<OpenHow>()).map(descriptor)
}

/// Why a file is not opened for reading; `None` if it is.
fn refusal(sys: &dyn Sys, start: Fd, name: &str, resolve: ResolveFlags) -> Option<Errno> {
    opened(sys, start, name, FOR_READING, resolve).err()
}

fn inode(sys: &dyn Sys, file: Fd) -> Result<u64> {
    let into = sys.page() + 0x3000;
    sys.fstat(file, into)?;
    Ok(Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough").ino)
}

/// Files and links in and around a directory, which is opened.
fn ground(sys: &dyn Sys) -> Result<Fd> {
    create(sys, "outside")?;
    for name in ["dir", "dir/inner"] {
        sys.mkdirat(Fd::CWD, path(sys, name), Mode(0o755))?;
    }
    let file = create(sys, "dir/inner/file")?;
    write(sys, file, b"inside")?;
    for (target, name) in
        [("inner/file", "dir/in"), ("inner", "dir/way"), ("../outside", "dir/up"), ("/inner/file", "dir/top")]
    {
        sys.symlinkat(path(sys, target), Fd::CWD, sys.path(sys.page() + 0x1000, name))?;
    }
    open(sys, "dir", FOR_READING | OpenFlags::O_DIRECTORY)
}

fn nothing_above_the_start(sys: &dyn Sys) -> Outcome {
    let dir = ground(sys)?;
    for name in ["inner/file", "inner/../inner/file", "in", "way/file", ".", "inner/..", "./inner/./file"] {
        assert_eq!(refusal(sys, dir, name, BENEATH), None, "{name}");
    }
    for name in ["../outside", "..", "inner/../..", "inner/../../dir", "/", "/missing", "up", "top", "way/../.."] {
        assert_eq!(refusal(sys, dir, name, BENEATH), Some(Errno::EXDEV), "{name}");
    }
    for name in ["missing", "inner/missing", "../missing"] {
        let errno = if name.starts_with("..") { Errno::EXDEV } else { Errno::ENOENT };
        assert_eq!(refusal(sys, dir, name, BENEATH), Some(errno), "{name}");
    }
    assert_eq!(refusal(sys, dir, "inner/file/under", BENEATH), Some(Errno::ENOTDIR));
    // Without the rule all of it is open.
    assert_eq!(refusal(sys, dir, "up", ResolveFlags::empty()), None);
    // What a link of /proc leads to is nowhere in particular.
    let fds = open(sys, "/proc/self/fd", FOR_READING)?;
    assert_eq!(refusal(sys, fds, &format!("{}", dir.0), BENEATH), Some(Errno::EXDEV));
    assert_eq!(refusal(sys, fds, &format!("{}", dir.0), IN_ROOT), Some(Errno::EXDEV));
    // The working directory is a start as well.
    assert_eq!(refusal(sys, Fd::CWD, "dir/up", BENEATH), None);
    assert_eq!(refusal(sys, Fd::CWD, "dir/../../", BENEATH), Some(Errno::EXDEV));
    Ok(())
}

fn what_is_made_stays_below_the_start(sys: &dyn Sys) -> Outcome {
    let dir = ground(sys)?;
    let make = OpenFlags::O_RDWR | OpenFlags::O_CREAT;
    opened(sys, dir, "new", make, BENEATH)?;
    opened(sys, dir, "inner/../other", make | OpenFlags::O_EXCL, BENEATH)?;
    opened(sys, dir, "in", make, BENEATH)?;
    for name in ["../new", "up", "top", "..", "/new"] {
        assert_eq!(opened(sys, dir, name, make, BENEATH), Err(Errno::EXDEV), "{name}");
    }
    assert_eq!(opened(sys, dir, "inner/..", make, BENEATH), Err(Errno::EISDIR));
    assert_eq!(opened(sys, dir, "in", make, NO_SYMLINKS), Err(Errno::ELOOP));
    assert_eq!(open(sys, "new", FOR_READING), Err(Errno::ENOENT));
    // In a root of its own a name is made, wherever it pretends to be.
    opened(sys, dir, "/../../made", make, IN_ROOT)?;
    open(sys, "dir/made", FOR_READING)?;
    Ok(())
}

fn a_start_is_a_root(sys: &dyn Sys) -> Outcome {
    let dir = ground(sys)?;
    for name in
        ["inner/file", "/inner/file", "../../inner/file", "/../inner/file", "in", "top", "/way/file", "way/../in"]
    {
        assert_eq!(refusal(sys, dir, name, IN_ROOT), None, "{name}");
    }
    for name in ["../outside", "up", "/dir/inner/file", "/proc"] {
        assert_eq!(refusal(sys, dir, name, IN_ROOT), Some(Errno::ENOENT), "{name}");
    }
    for name in ["/", "..", "/..", "inner/../..", "way/../../.."] {
        let top = opened(sys, dir, name, FOR_READING, IN_ROOT)?;
        assert_eq!(inode(sys, top)?, inode(sys, dir)?, "{name}");
    }
    assert_eq!(refusal(sys, Fd::CWD, "/dir/in", IN_ROOT), None);
    Ok(())
}

fn a_root_is_a_directory(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    // An absolute path begins there too.
    for name in ["/", "name", "/name"] {
        assert_eq!(refusal(sys, Fd(99), name, IN_ROOT), Some(Errno::EBADF), "{name}");
        assert_eq!(refusal(sys, file, name, IN_ROOT), Some(Errno::ENOTDIR), "{name}");
    }
    assert_eq!(refusal(sys, Fd(99), "/", NO_SYMLINKS), None);
    assert_eq!(refusal(sys, Fd(99), "/", BENEATH), Some(Errno::EXDEV));
    assert_eq!(refusal(sys, Fd(99), "", IN_ROOT), Some(Errno::ENOENT));
    Ok(())
}

fn no_link_on_the_way(sys: &dyn Sys) -> Outcome {
    let dir = ground(sys)?;
    assert_eq!(refusal(sys, dir, "inner/file", NO_SYMLINKS), None);
    assert_eq!(refusal(sys, dir, "../outside", NO_SYMLINKS), None);
    for name in ["in", "way/file", "up", "way", "way/", "way/missing"] {
        assert_eq!(refusal(sys, dir, name, NO_SYMLINKS), Some(Errno::ELOOP), "{name}");
    }
    assert_eq!(refusal(sys, Fd::CWD, "/proc/self/status", NO_SYMLINKS), Some(Errno::ELOOP));
    Ok(())
}

fn a_link_itself_is_no_way(sys: &dyn Sys) -> Outcome {
    let dir = ground(sys)?;
    let place = OpenFlags::O_PATH | OpenFlags::O_NOFOLLOW;
    opened(sys, dir, "in", place, NO_SYMLINKS)?;
    opened(sys, dir, "top", place, BENEATH)?;
    opened(sys, Fd::CWD, "/proc/self/exe", place, NO_MAGIC)?;
    assert_eq!(opened(sys, dir, "in", OpenFlags::O_NOFOLLOW, NO_SYMLINKS), Err(Errno::ELOOP));
    Ok(())
}

fn no_link_of_proc(sys: &dyn Sys) -> Outcome {
    let dir = ground(sys)?;
    let by_descriptor = format!("/proc/self/fd/{}", dir.0);
    for name in ["/proc/self/exe", "/proc/self/cwd/outside", by_descriptor.as_str()] {
        assert_eq!(refusal(sys, dir, name, ResolveFlags::empty()), None, "{name}");
        assert_eq!(refusal(sys, dir, name, NO_MAGIC), Some(Errno::ELOOP), "{name}");
    }
    // Other links are links.
    for name in ["/proc/self/status", "in", "way/file", "up"] {
        assert_eq!(refusal(sys, dir, name, NO_MAGIC), None, "{name}");
    }
    Ok(())
}

fn no_other_mount(sys: &dyn Sys) -> Outcome {
    let dir = ground(sys)?;
    for name in ["inner/file", "in", "../outside", "up"] {
        assert_eq!(refusal(sys, dir, name, NO_XDEV), None, "{name}");
    }
    let proc = open(sys, "/proc", FOR_READING)?;
    assert_eq!(refusal(sys, proc, "self/status", NO_XDEV), None);
    for name in ["..", "../proc", "self/cwd", "self/root"] {
        assert_eq!(refusal(sys, proc, name, NO_XDEV), Some(Errno::EXDEV), "{name}");
    }
    // An absolute path begins elsewhere, and then leads into a mount.
    assert_eq!(refusal(sys, proc, "/", NO_XDEV), None);
    assert_eq!(refusal(sys, dir, "/proc", NO_XDEV), Some(Errno::EXDEV));
    assert_eq!(refusal(sys, dir, "/proc/self/status", NO_XDEV), Some(Errno::EXDEV));
    Ok(())
}

fn a_link_to_the_top_is_another_mount(sys: &dyn Sys) -> Outcome {
    // /dev is a mount, or is not; either way a link there to the root's is judged as `..` is.
    let answer = refusal(sys, open(sys, "/proc/self", FOR_READING)?, "root/", NO_XDEV);
    assert_eq!(answer, Some(Errno::EXDEV));
    sys.symlinkat(path(sys, "/"), Fd::CWD, sys.path(sys.page() + 0x1000, "top"))?;
    let here = open(sys, ".", FOR_READING)?;
    let (followed, plain) = (refusal(sys, here, "top", NO_XDEV), refusal(sys, here, "/", NO_XDEV));
    assert_eq!(plain, None);
    assert!(matches!(followed, None | Some(Errno::EXDEV)), "{followed:?}");
    Ok(())
}

fn what_would_have_to_wait(sys: &dyn Sys) -> Outcome {
    let dir = ground(sys)?;
    for flags in [
        OpenFlags::O_RDWR | OpenFlags::O_CREAT,
        OpenFlags::O_RDWR | OpenFlags::O_TRUNC,
        OpenFlags::O_RDWR | OpenFlags::O_TMPFILE,
    ] {
        assert_eq!(opened(sys, dir, "inner", flags, CACHED), Err(Errno::EAGAIN), "{flags:?}");
    }
    assert_eq!(opened(sys, dir, "inner", OpenFlags::O_DIRECTORY | OpenFlags::O_CREAT, CACHED), Err(Errno::EINVAL));
    // What a kernel has in memory is its own business; a file that is open is, unless that changes meanwhile.
    for name in ["inner/file", "in"] {
        let answer = refusal(sys, dir, name, CACHED);
        assert!(matches!(answer, None | Some(Errno::EAGAIN)), "{name}: {answer:?}");
    }
    let missing = refusal(sys, dir, "missing", CACHED);
    assert!(matches!(missing, Some(Errno::ENOENT | Errno::EAGAIN)), "{missing:?}");
    Ok(())
}

fn rules_that_nobody_knows(sys: &dyn Sys) -> Outcome {
    let unknown = [ResolveFlags::from_bits_retain(0x40), ResolveFlags::from_bits_retain(1 << 40), BENEATH | IN_ROOT];
    for rules in unknown {
        assert_eq!(refusal(sys, Fd::CWD, ".", rules), Some(Errno::EINVAL), "{rules:?}");
        // Before anybody looks at the path.
        assert_eq!(refusal(sys, Fd(99), "missing", rules), Some(Errno::EINVAL), "{rules:?}");
    }
    let all = BENEATH | NO_SYMLINKS | NO_MAGIC | NO_XDEV;
    create(sys, "file")?;
    assert_eq!(refusal(sys, Fd::CWD, "file", all), None);
    Ok(())
}

fn what_goes_with_a_place(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let place = |flags| opened(sys, Fd::CWD, "file", OpenFlags::O_PATH | flags, ResolveFlags::empty());
    place(OpenFlags::O_CLOEXEC | OpenFlags::O_NOFOLLOW)?;
    for flags in [OpenFlags::O_RDWR, OpenFlags::O_TRUNC, OpenFlags::O_APPEND, OpenFlags::O_NONBLOCK] {
        assert_eq!(place(flags), Err(Errno::EINVAL), "{flags:?}");
        // The older call does not see them.
        open(sys, "file", OpenFlags::O_PATH | flags)?;
    }
    Ok(())
}

/// A start may itself be moved; then what is above it is another directory, and still above.
fn a_directory_that_moved_has_left(sys: &dyn Sys) -> Outcome {
    let dir = ground(sys)?;
    sys.mkdirat(Fd::CWD, path(sys, "away"), Mode(0o755))?;
    let inner = opened(sys, dir, "inner", FOR_READING, BENEATH)?;
    sys.renameat(dir, path(sys, "inner"), Fd::CWD, sys.path(sys.page() + 0x1000, "away/inner"))?;
    assert_eq!(refusal(sys, inner, "file", BENEATH), None);
    assert_eq!(refusal(sys, inner, "..", BENEATH), Some(Errno::EXDEV));
    assert_eq!(refusal(sys, inner, "../inner/file", IN_ROOT), Some(Errno::ENOENT));
    assert_eq!(refusal(sys, dir, "inner/file", BENEATH), Some(Errno::ENOENT));
    Ok(())
}

fn a_file_without_a_name_follows_the_rules(sys: &dyn Sys) -> Outcome {
    let dir = ground(sys)?;
    let nameless = |name, rules| opened(sys, dir, name, OpenFlags::O_TMPFILE | OpenFlags::O_RDWR, rules);
    match nameless("inner", BENEATH) {
        Err(Errno::EOPNOTSUPP) => return Ok(()),
        answer => answer?,
    };
    nameless("/", IN_ROOT)?;
    nameless("way", NO_XDEV)?;
    assert_eq!(nameless("..", BENEATH), Err(Errno::EXDEV));
    assert_eq!(nameless("way", NO_SYMLINKS), Err(Errno::ELOOP));
    // Who may not write there is told that.
    let errno = if sys.geteuid()? == 0 { Errno::EOPNOTSUPP } else { Errno::EACCES };
    assert_eq!(nameless("/proc", NO_SYMLINKS), Err(errno));
    Ok(())
}

fn a_fifo_is_waited_for(sys: &dyn Sys) -> Outcome {
    sys.mknodat(Fd::CWD, path(sys, "fifo"), Mode(0o010_600), 0)?;
    for flags in [OpenFlags::O_RDONLY, OpenFlags::O_WRONLY] {
        interrupted(sys, || opened(sys, Fd::CWD, "fifo", flags, BENEATH).map(|file| file.0 as usize))?;
        interrupted(sys, || sys.open(path(sys, "fifo"), flags, 0))?;
    }
    Ok(())
}

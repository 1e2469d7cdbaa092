//! Mounts. Who may not mount sees only that.

use kernel_abi::flags::{MountFlags, OpenFlags, UmountFlags};
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Sys};

use super::Outcome;
use super::file::{create, open, read, write};

cases! { "mount":
    a_tree_in_memory_covers_a_directory, a_place_is_seen_elsewhere, nothing_is_written_where_it_is_forbidden,
    what_mounting_refuses,
}

fn directory(sys: &dyn Sys, name: &str) -> Result {
    sys.mkdirat(Fd::CWD, sys.path(sys.page(), name), Mode(0o755))
}

fn mount(sys: &dyn Sys, source: &str, target: &str, kind: &str, flags: MountFlags) -> Result {
    let source = sys.path(sys.page() + 0x100, source);
    let target = sys.path(sys.page() + 0x200, target);
    sys.mount(source, target, sys.path(sys.page() + 0x300, kind), flags, 0)
}

/// Mounts a tree in memory; whether this user may.
fn memory(sys: &dyn Sys, target: &str, flags: MountFlags) -> Result<bool> {
    directory(sys, target)?;
    match mount(sys, "none", target, "tmpfs", flags) {
        Err(Errno::EPERM) => Ok(false),
        answer => answer.map(|_| true),
    }
}

fn unmount(sys: &dyn Sys, target: &str) -> Result {
    sys.umount2(sys.path(sys.page(), target), UmountFlags::empty())
}

fn a_tree_in_memory_covers_a_directory(sys: &dyn Sys) -> Outcome {
    if !memory(sys, "dir", MountFlags::empty())? {
        return Ok(());
    }
    let file = create(sys, "dir/file")?;
    let busy = unmount(sys, "dir");
    sys.close(file)?;
    let gone = unmount(sys, "dir");
    let again = unmount(sys, "dir");
    assert_eq!((busy, gone, again), (Err(Errno::EBUSY), Ok(0), Err(Errno::EINVAL)));
    assert_eq!(open(sys, "dir/file", OpenFlags::O_RDONLY), Err(Errno::ENOENT));
    Ok(())
}

fn a_place_is_seen_elsewhere(sys: &dyn Sys) -> Outcome {
    directory(sys, "from")?;
    directory(sys, "to")?;
    let file = create(sys, "from/file")?;
    write(sys, file, b"seen")?;
    match mount(sys, "from", "to", "", MountFlags::MS_BIND) {
        Err(Errno::EPERM) => return Ok(()),
        answer => answer?,
    };
    let seen = open(sys, "to/file", OpenFlags::O_RDONLY).and_then(|file| {
        let seen = read(sys, file, 10);
        sys.close(file)?;
        seen
    });
    let gone = unmount(sys, "to");
    assert_eq!((seen, gone), (Ok(b"seen".to_vec()), Ok(0)));
    Ok(())
}

fn nothing_is_written_where_it_is_forbidden(sys: &dyn Sys) -> Outcome {
    if !memory(sys, "dir", MountFlags::MS_RDONLY)? {
        return Ok(());
    }
    let made = create(sys, "dir/file");
    let gone = unmount(sys, "dir");
    assert_eq!((made, gone), (Err(Errno::EROFS), Ok(0)));
    Ok(())
}

fn what_mounting_refuses(sys: &dyn Sys) -> Outcome {
    directory(sys, "dir")?;
    let or_nobody = |answer: Result, errno| assert!(answer == Err(errno) || answer == Err(Errno::EPERM), "{answer:?}");
    or_nobody(mount(sys, "none", "dir", "nonesuch", MountFlags::empty()), Errno::ENODEV);
    assert_eq!(mount(sys, "none", "missing", "tmpfs", MountFlags::empty()), Err(Errno::ENOENT));
    assert_eq!(sys.mount(8, sys.path(sys.page(), "dir"), 8, 0, 0), Err(Errno::EFAULT));
    or_nobody(unmount(sys, "dir"), Errno::EINVAL);
    assert_eq!(sys.umount2(sys.path(sys.page(), "dir"), UmountFlags::from_bits_retain(0x100)), Err(Errno::EINVAL));
    Ok(())
}

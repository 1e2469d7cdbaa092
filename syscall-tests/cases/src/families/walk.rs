//! Every call that takes a path, against every path that leads nowhere.

use alloc::string::String;

use kernel_abi::flags::{
    AccessAtFlags, AccessMode, AtFlags, MountFlags, OpenFlags, RenameFlags, S_IFIFO, StatxMask, UmountFlags,
};
use kernel_abi::structs::OpenHow;
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Sys};

use super::Outcome;
use super::file::create;
use super::id::becomes_nobody;

/// A call, and how to make it with a path that is stored already.
type Step = (&'static str, fn(&dyn Sys, usize) -> Result);

const HERE: Fd = Fd::CWD;
const SAME: u32 = u32::MAX;

/// The name of a file that exists, for the other path of a call.
fn file(sys: &dyn Sys) -> usize {
    sys.path(sys.page() + 0x3000, "file")
}

/// A name that is free, for the other path of a call.
fn free(sys: &dyn Sys) -> usize {
    sys.path(sys.page() + 0x3000, "free")
}

/// The name of an attribute.
fn attribute(sys: &dyn Sys) -> usize {
    sys.path(sys.page() + 0x3100, "user.one")
}

/// A buffer.
fn into(sys: &dyn Sys) -> usize {
    sys.page() + 0x4000
}

pub(super) const OPENING: &[Step] = &[
    ("open", |sys, path| sys.open(path, OpenFlags::O_RDONLY, 0)),
    ("open to create", |sys, path| sys.open(path, OpenFlags::O_RDWR | OpenFlags::O_CREAT, Mode(0o600))),
    ("openat", |sys, path| sys.openat(HERE, path, OpenFlags::O_RDONLY, 0)),
    ("openat of a place", |sys, path| sys.openat(HERE, path, OpenFlags::O_PATH, 0)),
    ("openat2", |sys, path| sys.openat2(HERE, path, sys.store(into(sys), &OpenHow::default()), size_of::<OpenHow>())),
    ("creat", |sys, path| sys.creat(path, Mode(0o600))),
];

const LOOKING: &[Step] = &[
    ("access", |sys, path| sys.access(path, AccessMode::F_OK)),
    ("faccessat", |sys, path| sys.faccessat(HERE, path, AccessMode::F_OK)),
    ("faccessat2", |sys, path| sys.faccessat2(HERE, path, AccessMode::F_OK, AccessAtFlags::empty())),
    ("readlink", |sys, path| sys.readlink(path, into(sys), 100)),
    ("readlinkat", |sys, path| sys.readlinkat(HERE, path, into(sys), 100)),
    ("stat", |sys, path| sys.stat(path, into(sys))),
    ("lstat", |sys, path| sys.lstat(path, into(sys))),
    ("newfstatat", |sys, path| sys.newfstatat(HERE, path, into(sys), AtFlags::empty())),
    ("statx", |sys, path| sys.statx(HERE, path, AtFlags::empty(), StatxMask::empty(), into(sys))),
    ("statfs", |sys, path| sys.statfs(path, into(sys))),
    ("chdir", |sys, path| sys.chdir(path)),
    // Who may not, is told so behind the walk.
    ("chroot", |sys, path| sys.chroot(path)),
    ("getxattr", |sys, path| sys.getxattr(path, attribute(sys), into(sys), 100)),
    ("lgetxattr", |sys, path| sys.lgetxattr(path, attribute(sys), into(sys), 100)),
    ("listxattr", |sys, path| sys.listxattr(path, into(sys), 100)),
    ("llistxattr", |sys, path| sys.llistxattr(path, into(sys), 100)),
];

pub(super) const CHANGING: &[Step] = &[
    ("chmod", |sys, path| sys.chmod(path, Mode(0o600))),
    ("fchmodat", |sys, path| sys.fchmodat(HERE, path, Mode(0o600))),
    ("fchmodat2", |sys, path| sys.fchmodat2(HERE, path, Mode(0o600), AtFlags::empty())),
    ("chown", |sys, path| sys.chown(path, SAME, SAME)),
    ("lchown", |sys, path| sys.lchown(path, SAME, SAME)),
    ("fchownat", |sys, path| sys.fchownat(HERE, path, SAME, SAME, AtFlags::empty())),
    ("utime", |sys, path| sys.utime(path, 0)),
    ("utimes", |sys, path| sys.utimes(path, 0)),
    ("futimesat", |sys, path| sys.futimesat(HERE, path, 0)),
    ("utimensat", |sys, path| sys.utimensat(HERE, path, 0, AtFlags::empty())),
    ("truncate", |sys, path| sys.truncate(path, 0)),
    ("setxattr", |sys, path| sys.setxattr(path, attribute(sys), into(sys), 1, 0)),
    ("lsetxattr", |sys, path| sys.lsetxattr(path, attribute(sys), into(sys), 1, 0)),
    ("removexattr", |sys, path| sys.removexattr(path, attribute(sys))),
    ("lremovexattr", |sys, path| sys.lremovexattr(path, attribute(sys))),
];

pub(super) const MAKING: &[Step] = &[
    ("mkdir", |sys, path| sys.mkdir(path, Mode(0o755))),
    ("mkdirat", |sys, path| sys.mkdirat(HERE, path, Mode(0o755))),
    ("mknod", |sys, path| sys.mknod(path, Mode(S_IFIFO | 0o600), 0)),
    ("mknodat", |sys, path| sys.mknodat(HERE, path, Mode(S_IFIFO | 0o600), 0)),
    ("symlink", |sys, path| sys.symlink(file(sys), path)),
    ("symlinkat", |sys, path| sys.symlinkat(file(sys), HERE, path)),
    ("link to", |sys, path| sys.link(file(sys), path)),
    ("linkat to", |sys, path| sys.linkat(HERE, file(sys), HERE, path, AtFlags::empty())),
    ("rename to", |sys, path| sys.rename(file(sys), path)),
    ("renameat to", |sys, path| sys.renameat(HERE, file(sys), HERE, path)),
    ("renameat2 to", |sys, path| sys.renameat2(HERE, file(sys), HERE, path, RenameFlags::empty())),
];

pub(super) const REMOVING: &[Step] = &[
    ("unlink", |sys, path| sys.unlink(path)),
    ("unlinkat", |sys, path| sys.unlinkat(HERE, path, AtFlags::empty())),
    ("rename", |sys, path| sys.rename(path, free(sys))),
    ("renameat", |sys, path| sys.renameat(HERE, path, HERE, free(sys))),
    ("renameat2", |sys, path| sys.renameat2(HERE, path, HERE, free(sys), RenameFlags::RENAME_NOREPLACE)),
];

const REMOVING_DIRECTORIES: &[Step] = &[
    ("rmdir", |sys, path| sys.rmdir(path)),
    ("unlinkat of a directory", |sys, path| sys.unlinkat(HERE, path, AtFlags::AT_REMOVEDIR)),
];

const LINKING: &[Step] = &[
    ("link", |sys, path| sys.link(path, free(sys))),
    ("linkat", |sys, path| sys.linkat(HERE, path, HERE, free(sys), AtFlags::AT_SYMLINK_FOLLOW)),
];

/// Who may not mount is told so behind the walk.
const MOUNTING: &[Step] = &[
    ("mount", |sys, path| sys.mount(0, path, 0, MountFlags::MS_PRIVATE, 0)),
    ("umount2", |sys, path| sys.umount2(path, UmountFlags::empty())),
];

/// Makes each call with a path; all are to refuse it alike.
pub(super) fn refused(sys: &dyn Sys, steps: &[&[Step]], path: &str, errno: Errno) {
    for (name, step) in steps.iter().copied().flatten() {
        let path = sys.path(sys.page(), path);
        assert_eq!(step(sys, path), Err(errno), "{name}");
    }
}

fn in_a_loop(sys: &dyn Sys, steps: &[&[Step]]) -> Outcome {
    create(sys, "file")?;
    sys.symlinkat(sys.path(sys.page(), "loop"), HERE, sys.page())?;
    refused(sys, steps, "loop/name", Errno::ELOOP);
    Ok(())
}

fn under_nothing(sys: &dyn Sys, steps: &[&[Step]]) -> Outcome {
    create(sys, "file")?;
    refused(sys, steps, "missing/name", Errno::ENOENT);
    Ok(())
}

fn by_nothing(sys: &dyn Sys, steps: &[&[Step]]) -> Outcome {
    create(sys, "file")?;
    refused(sys, steps, "", Errno::ENOENT);
    Ok(())
}

fn under_a_file(sys: &dyn Sys, steps: &[&[Step]]) -> Outcome {
    create(sys, "file")?;
    refused(sys, steps, "file/name", Errno::ENOTDIR);
    Ok(())
}

fn in_a_closed_directory(sys: &dyn Sys, steps: &[&[Step]]) -> Outcome {
    create(sys, "file")?;
    sys.mkdirat(HERE, sys.path(sys.page(), "closed"), Mode(0o755))?;
    create(sys, "closed/name")?;
    sys.fchmodat(HERE, sys.path(sys.page(), "closed"), Mode(0o600))?;
    becomes_nobody(sys)?;
    refused(sys, steps, "closed/name", Errno::EACCES);
    Ok(())
}

fn by_a_long_name(sys: &dyn Sys, steps: &[&[Step]]) -> Outcome {
    create(sys, "file")?;
    let name: String = "n".repeat(256);
    refused(sys, steps, &name, Errno::ENAMETOOLONG);
    refused(sys, steps, &(name + "/name"), Errno::ENAMETOOLONG);
    Ok(())
}

fn by_a_long_path(sys: &dyn Sys, steps: &[&[Step]]) -> Outcome {
    create(sys, "file")?;
    refused(sys, steps, &("./".repeat(2046) + "name"), Errno::ENAMETOOLONG);
    Ok(())
}

fn from_nowhere(sys: &dyn Sys, steps: &[&[Step]]) -> Outcome {
    create(sys, "file")?;
    for (name, step) in steps.iter().copied().flatten() {
        for wild in [8, usize::MAX - 8, 1 << 63] {
            assert_eq!(step(sys, wild), Err(Errno::EFAULT), "{name}");
        }
    }
    Ok(())
}

/// Names a case for what some calls come to on a path.
macro_rules! walks {
    ($($name:ident = $place:ident [$($steps:ident)+];)*) => {
        cases! { "walk":
            $($name,)*
            the_last_link_is_followed_into_a_loop, who_does_not_follow_has_the_link_itself,
        }
        $(fn $name(sys: &dyn Sys) -> Outcome {
            $place(sys, &[$($steps),+])
        })*
    };
}

walks! {
    opening_in_a_loop_of_links = in_a_loop [OPENING];
    looking_in_a_loop_of_links = in_a_loop [LOOKING];
    changing_in_a_loop_of_links = in_a_loop [CHANGING];
    making_in_a_loop_of_links = in_a_loop [MAKING];
    removing_in_a_loop_of_links = in_a_loop [REMOVING REMOVING_DIRECTORIES LINKING];
    mounting_in_a_loop_of_links = in_a_loop [MOUNTING];
    opening_under_what_is_missing = under_nothing [OPENING];
    looking_under_what_is_missing = under_nothing [LOOKING];
    changing_under_what_is_missing = under_nothing [CHANGING];
    making_under_what_is_missing = under_nothing [MAKING];
    removing_under_what_is_missing = under_nothing [REMOVING REMOVING_DIRECTORIES LINKING];
    mounting_under_what_is_missing = under_nothing [MOUNTING];
    an_empty_path_is_no_file = by_nothing [OPENING LOOKING CHANGING];
    an_empty_path_is_no_name = by_nothing [MAKING REMOVING REMOVING_DIRECTORIES LINKING MOUNTING];
    opening_under_a_file = under_a_file [OPENING];
    looking_under_a_file = under_a_file [LOOKING];
    changing_under_a_file = under_a_file [CHANGING];
    making_under_a_file = under_a_file [MAKING];
    removing_under_a_file = under_a_file [REMOVING REMOVING_DIRECTORIES LINKING];
    mounting_under_a_file = under_a_file [MOUNTING];
    opening_where_nobody_may_search = in_a_closed_directory [OPENING];
    looking_where_nobody_may_search = in_a_closed_directory [LOOKING];
    changing_where_nobody_may_search = in_a_closed_directory [CHANGING];
    making_where_nobody_may_search = in_a_closed_directory [MAKING];
    removing_where_nobody_may_search = in_a_closed_directory [REMOVING REMOVING_DIRECTORIES LINKING];
    mounting_where_nobody_may_search = in_a_closed_directory [MOUNTING];
    opening_by_a_name_too_long = by_a_long_name [OPENING];
    looking_by_a_name_too_long = by_a_long_name [LOOKING];
    changing_by_a_name_too_long = by_a_long_name [CHANGING];
    making_by_a_name_too_long = by_a_long_name [MAKING];
    removing_by_a_name_too_long = by_a_long_name [REMOVING REMOVING_DIRECTORIES LINKING];
    mounting_by_a_name_too_long = by_a_long_name [MOUNTING];
    a_path_too_long_is_not_walked = by_a_long_path [OPENING LOOKING CHANGING];
    a_path_too_long_is_no_name = by_a_long_path [MAKING REMOVING REMOVING_DIRECTORIES LINKING MOUNTING];
    opening_a_path_from_nowhere = from_nowhere [OPENING];
    looking_by_a_path_from_nowhere = from_nowhere [LOOKING];
    changing_by_a_path_from_nowhere = from_nowhere [CHANGING];
    making_by_a_path_from_nowhere = from_nowhere [MAKING];
    removing_by_a_path_from_nowhere = from_nowhere [REMOVING REMOVING_DIRECTORIES LINKING];
    mounting_by_a_path_from_nowhere = from_nowhere [MOUNTING];
}

/// The calls whose names begin so, or with an f, do not follow the last link.
fn keeps_the_link(name: &str) -> bool {
    name.starts_with('l') || ["readlink", "readlinkat", "openat of a place"].contains(&name)
}

fn the_last_link_is_followed_into_a_loop(sys: &dyn Sys) -> Outcome {
    sys.symlinkat(sys.path(sys.page(), "loop"), HERE, sys.page())?;
    for steps in [OPENING, LOOKING, CHANGING, MOUNTING] {
        for step in steps.iter().filter(|(name, _)| !keeps_the_link(name)) {
            refused(sys, &[&[*step]], "loop", Errno::ELOOP);
        }
    }
    refused(sys, &[&LINKING[1..]], "loop", Errno::ELOOP);
    let exclusive = OpenFlags::O_RDONLY | OpenFlags::O_NOFOLLOW;
    assert_eq!(sys.openat(HERE, sys.path(sys.page(), "loop"), exclusive, 0), Err(Errno::ELOOP));
    Ok(())
}

fn who_does_not_follow_has_the_link_itself(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    let link = || sys.path(sys.page(), "loop");
    sys.symlinkat(link(), HERE, sys.page())?;
    sys.lstat(link(), into(sys))?;
    sys.lchown(link(), SAME, SAME)?;
    assert_eq!(sys.readlink(link(), into(sys), 3)?, 3);
    sys.newfstatat(HERE, link(), into(sys), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    sys.utimensat(HERE, link(), 0, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    assert_eq!(sys.fchmodat2(HERE, link(), Mode(0o600), AtFlags::AT_SYMLINK_NOFOLLOW), Err(Errno::EOPNOTSUPP));
    sys.link(link(), free(sys))?;
    sys.unlink(free(sys))?;
    refused(sys, &[MAKING[..8].iter().as_slice()], "loop", Errno::EEXIST);
    refused(sys, &[REMOVING_DIRECTORIES], "loop", Errno::ENOTDIR);
    sys.rename(link(), free(sys))?;
    sys.unlink(free(sys))?;
    Ok(())
}

//! Names: making, moving, removing and describing them.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use kernel_abi::flags::{
    AccessMode, AtFlags, DT_DIR, DT_REG, OpenFlags, RenameFlags, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG,
};
use kernel_abi::structs::{Dirent64, FromBytes, Stat};
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Sys};

use super::Outcome;
use super::file::{create, open, read, write};

cases! { "path":
    a_directory_is_made_and_removed, a_full_directory_is_not_removed, a_name_that_exists_is_not_made,
    what_may_not_be_unlinked, renaming_replaces, renaming_what_is_missing, renaming_directories,
    renaming_into_itself_is_refused, exchange_and_noreplace, a_second_name_is_the_same_file,
    a_directory_has_no_second_name, a_symbolic_link_is_followed, a_loop_of_links_ends, a_link_is_read,
    a_file_is_described, a_missing_file_is_not_described, access_asks_for_existence, modes_are_masked_and_changed,
    the_working_directory_has_a_path, a_working_directory_must_be_one, a_directory_lists_its_names,
    a_buffer_too_small_for_an_entry, a_fifo_is_made, dots_are_walked,
}

fn first(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page(), name)
}

fn second(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page() + 4096, name)
}

fn mkdir(sys: &dyn Sys, name: &str) -> Result {
    sys.mkdirat(Fd::CWD, first(sys, name), Mode(0o755))
}

fn unlink(sys: &dyn Sys, name: &str) -> Result {
    sys.unlinkat(Fd::CWD, first(sys, name), 0)
}

fn rmdir(sys: &dyn Sys, name: &str) -> Result {
    sys.unlinkat(Fd::CWD, first(sys, name), AtFlags::AT_REMOVEDIR)
}

fn rename(sys: &dyn Sys, old: &str, new: &str, flags: RenameFlags) -> Result {
    sys.renameat2(Fd::CWD, first(sys, old), Fd::CWD, second(sys, new), flags)
}

fn link(sys: &dyn Sys, old: &str, new: &str) -> Result {
    sys.linkat(Fd::CWD, first(sys, old), Fd::CWD, second(sys, new), 0)
}

fn symlink(sys: &dyn Sys, target: &str, name: &str) -> Result {
    sys.symlinkat(first(sys, target), Fd::CWD, second(sys, name))
}

fn stat(sys: &dyn Sys, name: &str, flags: AtFlags) -> Result<Stat> {
    let into = sys.page() + 0x2000;
    sys.newfstatat(Fd::CWD, first(sys, name), into, flags)?;
    Ok(Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough"))
}

const NONE: AtFlags = AtFlags::empty();
const PLAIN: RenameFlags = RenameFlags::empty();

fn a_directory_is_made_and_removed(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "d")?;
    let about = stat(sys, "d", NONE)?;
    assert_eq!(about.mode as u16 & S_IFMT, S_IFDIR);
    create(sys, "d/file")?;
    unlink(sys, "d/file")?;
    rmdir(sys, "d")?;
    assert_eq!(rmdir(sys, "d"), Err(Errno::ENOENT));
    Ok(())
}

fn a_full_directory_is_not_removed(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "d")?;
    mkdir(sys, "d/inner")?;
    assert_eq!(rmdir(sys, "d"), Err(Errno::ENOTEMPTY));
    assert_eq!(rmdir(sys, "d/."), Err(Errno::EINVAL));
    assert_eq!(rmdir(sys, "d/inner/.."), Err(Errno::ENOTEMPTY));
    create(sys, "file")?;
    assert_eq!(rmdir(sys, "file"), Err(Errno::ENOTDIR));
    Ok(())
}

fn a_name_that_exists_is_not_made(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "d")?;
    assert_eq!(mkdir(sys, "d"), Err(Errno::EEXIST));
    assert_eq!(mkdir(sys, "missing/d"), Err(Errno::ENOENT));
    assert_eq!(mkdir(sys, ""), Err(Errno::ENOENT));
    assert_eq!(mkdir(sys, "/"), Err(Errno::EEXIST));
    assert_eq!(symlink(sys, "x", "d"), Err(Errno::EEXIST));
    create(sys, "file")?;
    assert_eq!(mkdir(sys, "file/d"), Err(Errno::ENOTDIR));
    Ok(())
}

fn what_may_not_be_unlinked(sys: &dyn Sys) -> Outcome {
    assert_eq!(unlink(sys, "missing"), Err(Errno::ENOENT));
    mkdir(sys, "d")?;
    assert_eq!(unlink(sys, "d"), Err(Errno::EISDIR));
    create(sys, "file")?;
    assert_eq!(unlink(sys, "file/"), Err(Errno::ENOTDIR));
    assert_eq!(sys.unlinkat(Fd::CWD, first(sys, "file"), 0x4000_0000), Err(Errno::EINVAL));
    unlink(sys, "file")?;
    Ok(())
}

fn renaming_replaces(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "new")?;
    write(sys, file, b"contents")?;
    create(sys, "old")?;
    rename(sys, "new", "old", PLAIN)?;
    assert_eq!(stat(sys, "new", NONE), Err(Errno::ENOENT));
    assert_eq!(stat(sys, "old", NONE)?.size, 8);
    rename(sys, "old", "old", PLAIN)?;
    Ok(())
}

fn renaming_what_is_missing(sys: &dyn Sys) -> Outcome {
    assert_eq!(rename(sys, "missing", "other", PLAIN), Err(Errno::ENOENT));
    create(sys, "file")?;
    assert_eq!(rename(sys, "file", "missing/file", PLAIN), Err(Errno::ENOENT));
    assert_eq!(rename(sys, "file", "", PLAIN), Err(Errno::ENOENT));
    Ok(())
}

fn renaming_directories(sys: &dyn Sys) -> Outcome {
    for name in ["a", "b", "full", "full/x"] {
        mkdir(sys, name)?;
    }
    create(sys, "file")?;
    assert_eq!(rename(sys, "a", "full", PLAIN), Err(Errno::ENOTEMPTY));
    assert_eq!(rename(sys, "a", "file", PLAIN), Err(Errno::ENOTDIR));
    assert_eq!(rename(sys, "file", "a", PLAIN), Err(Errno::EISDIR));
    rename(sys, "full", "a", PLAIN)?;
    assert_eq!(stat(sys, "a/x", NONE)?.mode as u16 & S_IFMT, S_IFDIR);
    rename(sys, "a/x", "b/y", PLAIN)?;
    assert_eq!(stat(sys, "b/y/../y", NONE)?.mode as u16 & S_IFMT, S_IFDIR);
    Ok(())
}

fn renaming_into_itself_is_refused(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "d")?;
    mkdir(sys, "d/e")?;
    assert_eq!(rename(sys, "d", "d/e/f", PLAIN), Err(Errno::EINVAL));
    assert_eq!(rename(sys, ".", "other", PLAIN), Err(Errno::EBUSY));
    Ok(())
}

fn exchange_and_noreplace(sys: &dyn Sys) -> Outcome {
    create(sys, "file")?;
    mkdir(sys, "d")?;
    assert_eq!(rename(sys, "file", "d", RenameFlags::RENAME_NOREPLACE), Err(Errno::EEXIST));
    let both = RenameFlags::RENAME_NOREPLACE | RenameFlags::RENAME_EXCHANGE;
    assert_eq!(rename(sys, "file", "d", both), Err(Errno::EINVAL));
    rename(sys, "file", "d", RenameFlags::RENAME_EXCHANGE)?;
    assert_eq!(stat(sys, "file", NONE)?.mode as u16 & S_IFMT, S_IFDIR);
    assert_eq!(stat(sys, "d", NONE)?.mode as u16 & S_IFMT, S_IFREG);
    assert_eq!(rename(sys, "d", "none", RenameFlags::RENAME_EXCHANGE), Err(Errno::ENOENT));
    Ok(())
}

fn a_second_name_is_the_same_file(sys: &dyn Sys) -> Outcome {
    create(sys, "one")?;
    link(sys, "one", "two")?;
    let (one, two) = (stat(sys, "one", NONE)?, stat(sys, "two", NONE)?);
    assert_eq!((one.ino, one.nlink), (two.ino, 2));
    unlink(sys, "one")?;
    assert_eq!(stat(sys, "two", NONE)?.nlink, 1);
    assert_eq!(link(sys, "one", "three"), Err(Errno::ENOENT));
    create(sys, "three")?;
    assert_eq!(link(sys, "two", "three"), Err(Errno::EEXIST));
    Ok(())
}

fn a_directory_has_no_second_name(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "d")?;
    assert_eq!(link(sys, "d", "e"), Err(Errno::EPERM));
    Ok(())
}

fn a_symbolic_link_is_followed(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"through")?;
    symlink(sys, "file", "link")?;
    assert_eq!(read(sys, open(sys, "link", OpenFlags::O_RDONLY)?, 100)?, b"through");
    assert_eq!(open(sys, "link", OpenFlags::O_RDONLY | OpenFlags::O_NOFOLLOW), Err(Errno::ELOOP));
    let about = stat(sys, "link", AtFlags::AT_SYMLINK_NOFOLLOW)?;
    assert_eq!((about.mode as u16 & S_IFMT, about.size), (S_IFLNK, 4));
    assert_eq!(stat(sys, "link", NONE)?.mode as u16 & S_IFMT, S_IFREG);
    symlink(sys, "made", "dangling")?;
    assert_eq!(open(sys, "dangling", OpenFlags::O_RDONLY), Err(Errno::ENOENT));
    open(sys, "dangling", OpenFlags::O_WRONLY | OpenFlags::O_CREAT)?;
    assert_eq!(stat(sys, "made", NONE)?.mode as u16 & S_IFMT, S_IFREG);
    Ok(())
}

fn a_loop_of_links_ends(sys: &dyn Sys) -> Outcome {
    symlink(sys, "b", "a")?;
    symlink(sys, "a", "b")?;
    assert_eq!(open(sys, "a", OpenFlags::O_RDONLY), Err(Errno::ELOOP));
    assert_eq!(stat(sys, "a/x", NONE), Err(Errno::ELOOP));
    Ok(())
}

fn a_link_is_read(sys: &dyn Sys) -> Outcome {
    symlink(sys, "some/target", "link")?;
    let into = sys.page() + 0x2000;
    assert_eq!(sys.readlinkat(Fd::CWD, first(sys, "link"), into, 100)?, 11);
    assert_eq!(sys.bytes(into, 12), b"some/target\0");
    assert_eq!(sys.readlinkat(Fd::CWD, first(sys, "link"), into, 4)?, 4);
    assert_eq!(sys.readlinkat(Fd::CWD, first(sys, "link"), into, 0), Err(Errno::EINVAL));
    create(sys, "file")?;
    assert_eq!(sys.readlinkat(Fd::CWD, first(sys, "file"), into, 100), Err(Errno::EINVAL));
    assert_eq!(symlink(sys, "", "empty"), Err(Errno::ENOENT));
    Ok(())
}

fn a_file_is_described(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    write(sys, file, b"12345")?;
    let about = stat(sys, "file", NONE)?;
    assert_eq!((about.mode as u16, about.size, about.nlink), (S_IFREG | 0o644, 5, 1));
    assert_eq!(about.uid as usize, sys.geteuid()?);
    let into = sys.page() + 0x3000;
    sys.fstat(file, into)?;
    let open = Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough");
    assert_eq!((open.ino, open.dev, open.size), (about.ino, about.dev, about.size));
    sys.newfstatat(file, first(sys, ""), into, AtFlags::AT_EMPTY_PATH)?;
    assert_eq!(sys.fstat(file, 8), Err(Errno::EFAULT));
    assert_eq!(sys.fstat(Fd(99), 8), Err(Errno::EBADF));
    Ok(())
}

fn a_missing_file_is_not_described(sys: &dyn Sys) -> Outcome {
    assert_eq!(stat(sys, "missing", NONE), Err(Errno::ENOENT));
    assert_eq!(stat(sys, "", NONE), Err(Errno::ENOENT));
    create(sys, "file")?;
    assert_eq!(stat(sys, "file/", NONE), Err(Errno::ENOTDIR));
    assert_eq!(sys.newfstatat(Fd(99), first(sys, "x"), sys.page(), 0), Err(Errno::EBADF));
    assert_eq!(sys.newfstatat(Fd::CWD, first(sys, "x"), sys.page(), 0x4000_0000), Err(Errno::EINVAL));
    Ok(())
}

fn access_asks_for_existence(sys: &dyn Sys) -> Outcome {
    let access = |name, mode| sys.faccessat(Fd::CWD, first(sys, name), mode);
    create(sys, "file")?;
    access("file", AccessMode::F_OK)?;
    access("file", AccessMode::R_OK | AccessMode::W_OK)?;
    // Not even root may execute what nobody may.
    assert_eq!(access("file", AccessMode::X_OK), Err(Errno::EACCES));
    assert_eq!(access("missing", AccessMode::F_OK), Err(Errno::ENOENT));
    assert_eq!(access("file", AccessMode::from_bits_retain(8)), Err(Errno::EINVAL));
    Ok(())
}

fn modes_are_masked_and_changed(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.umask(Mode(0o077))?, 0o022);
    mkdir(sys, "d")?;
    assert_eq!(stat(sys, "d", NONE)?.mode & 0o777, 0o700);
    assert_eq!(sys.umask(Mode(0o7022))?, 0o077);
    assert_eq!(sys.umask(Mode(0))?, 0o022);
    let file = create(sys, "file")?;
    sys.fchmod(file, Mode(0o601))?;
    assert_eq!(stat(sys, "file", NONE)?.mode & 0o7777, 0o601);
    sys.fchmodat(Fd::CWD, first(sys, "file"), Mode(0o4750))?;
    assert_eq!(stat(sys, "file", NONE)?.mode & 0o7777, 0o4750);
    Ok(())
}

fn the_working_directory_has_a_path(sys: &dyn Sys) -> Outcome {
    let into = sys.page() + 0x2000;
    mkdir(sys, "inner")?;
    let outer = sys.getcwd(into, 4096)?;
    sys.chdir(first(sys, "inner"))?;
    let len = sys.getcwd(into, 4096)?;
    assert_eq!(len, outer + if outer == 2 { 5 } else { 6 });
    assert!(sys.bytes(into, len).ends_with(b"/inner\0"));
    assert_eq!(sys.getcwd(into, len - 1), Err(Errno::ERANGE));
    assert_eq!(sys.getcwd(8, 4096), Err(Errno::EFAULT));
    create(sys, "here")?;
    sys.chdir(first(sys, ".."))?;
    assert_eq!(stat(sys, "inner/here", NONE)?.mode as u16 & S_IFMT, S_IFREG);
    Ok(())
}

fn a_working_directory_must_be_one(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    assert_eq!(sys.chdir(first(sys, "file")), Err(Errno::ENOTDIR));
    assert_eq!(sys.chdir(first(sys, "missing")), Err(Errno::ENOENT));
    assert_eq!(sys.fchdir(file), Err(Errno::ENOTDIR));
    assert_eq!(sys.fchdir(Fd(99)), Err(Errno::EBADF));
    sys.fchdir(open(sys, ".", OpenFlags::O_RDONLY)?)?;
    Ok(())
}

fn a_directory_lists_its_names(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "directory")?;
    create(sys, "file")?;
    let directory = open(sys, ".", OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY)?;
    let into = sys.page() + 0x2000;
    let mut names = Vec::new();
    loop {
        let len = sys.getdents64(directory, into, 100)?;
        if len == 0 {
            break;
        }
        let bytes = sys.bytes(into, len);
        let mut rest = bytes.as_slice();
        while let Ok((head, behind)) = Dirent64::read_from_prefix(rest) {
            let name = behind.split(|&byte| byte == 0).next().unwrap_or_default();
            names.push((String::from_utf8_lossy(name).into_owned(), head.d_type));
            rest = &rest[usize::from(head.d_reclen)..];
        }
    }
    names.sort();
    let expected = [(".", DT_DIR), ("..", DT_DIR), ("directory", DT_DIR), ("file", DT_REG)];
    assert_eq!(names, expected.map(|(name, kind)| (name.to_owned(), kind)));
    Ok(())
}

fn a_buffer_too_small_for_an_entry(sys: &dyn Sys) -> Outcome {
    let directory = open(sys, ".", OpenFlags::O_RDONLY)?;
    assert_eq!(sys.getdents64(directory, sys.page(), 10), Err(Errno::EINVAL));
    assert_eq!(sys.getdents64(create(sys, "file")?, sys.page(), 100), Err(Errno::ENOTDIR));
    assert_eq!(sys.getdents64(Fd(99), sys.page(), 100), Err(Errno::EBADF));
    Ok(())
}

fn a_fifo_is_made(sys: &dyn Sys) -> Outcome {
    sys.mknodat(Fd::CWD, first(sys, "fifo"), Mode(S_IFIFO | 0o600), 0)?;
    assert_eq!(stat(sys, "fifo", NONE)?.mode as u16, S_IFIFO | 0o600);
    let nonblock = OpenFlags::O_NONBLOCK;
    assert_eq!(open(sys, "fifo", OpenFlags::O_WRONLY | nonblock), Err(Errno::ENXIO));
    let reader = open(sys, "fifo", OpenFlags::O_RDONLY | nonblock)?;
    assert_eq!(read(sys, reader, 1)?, b"");
    let writer = open(sys, "fifo", OpenFlags::O_WRONLY | nonblock)?;
    write(sys, writer, b"through")?;
    assert_eq!(read(sys, reader, 100)?, b"through");
    Ok(())
}

fn dots_are_walked(sys: &dyn Sys) -> Outcome {
    mkdir(sys, "d")?;
    create(sys, "d/file")?;
    for name in ["./d/../d//file", "d/./file"] {
        assert_eq!(stat(sys, name, NONE)?.mode as u16 & S_IFMT, S_IFREG);
    }
    assert_eq!(stat(sys, "missing/../d", NONE), Err(Errno::ENOENT));
    assert_eq!(stat(sys, "/..", NONE)?.ino, stat(sys, "/", NONE)?.ino);
    Ok(())
}

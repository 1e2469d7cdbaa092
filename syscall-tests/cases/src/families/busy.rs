//! Files that are run or written, never both; files that are open while their names change.

use kernel_abi::flags::{AtFlags, MapFlags, OpenFlags, ProtFlags, RenameFlags, Whence};
use kernel_abi::structs::{OpenHow, Stat, status_exited};
use kernel_abi::{Calls, Errno, Fd, Mode, Result, Sys};

use super::Outcome;
use super::file::{create, descriptor, open, read, write};
use super::process::{in_child, wait};

cases! { "busy":
    a_program_that_runs_is_not_written, a_program_that_is_written_is_not_run, a_script_that_is_written_is_not_run,
    a_file_that_was_replaced_stays_open, a_file_that_was_swapped_stays_open, an_open_directory_moves_with_its_files,
    a_name_goes_while_it_is_mapped, a_second_name_keeps_the_file, what_is_unlinked_may_be_made_anew,
    an_unlinked_file_is_found_by_its_descriptor, a_working_directory_may_move, a_working_directory_may_go,
    a_child_keeps_what_its_parent_unlinked, truncation_shows_through_every_descriptor,
    who_swaps_needs_both_names,
}

fn path(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page(), name)
}

fn other(sys: &dyn Sys, name: &str) -> usize {
    sys.path(sys.page() + 0x1000, name)
}

fn rename(sys: &dyn Sys, old: &str, new: &str, how: RenameFlags) -> Result {
    sys.renameat2(Fd::CWD, path(sys, old), Fd::CWD, other(sys, new), how)
}

fn about(sys: &dyn Sys, file: Fd) -> Result<Stat> {
    let into = sys.page() + 0x2000;
    sys.fstat(file, into)?;
    Ok(Stat::decode(sys.arch(), &sys.bytes(into, Stat::size(sys.arch()))).expect("long enough"))
}

fn made(sys: &dyn Sys, name: &str, contents: &[u8]) -> Result<Fd> {
    let file = create(sys, name)?;
    write(sys, file, contents)?;
    Ok(file)
}

fn all(sys: &dyn Sys, file: Fd) -> Result<alloc::vec::Vec<u8>> {
    sys.lseek(file, 0, Whence::SEEK_SET)?;
    read(sys, file, 100)
}

fn a_program_that_runs_is_not_written(sys: &dyn Sys) -> Outcome {
    let program = "/proc/self/exe";
    let size = about(sys, open(sys, program, OpenFlags::O_RDONLY)?)?.size;
    let flags = u64::from(OpenFlags::O_RDWR.bits());
    let how = sys.store(sys.page() + 0x1000, &OpenHow { flags, ..OpenHow::default() });
    let tried = [
        open(sys, program, OpenFlags::O_WRONLY).map(|_| 0),
        open(sys, program, OpenFlags::O_RDWR).map(|_| 0),
        sys.truncate(path(sys, program), size),
        sys.open(path(sys, program), OpenFlags::O_WRONLY, 0),
        sys.openat2(Fd::CWD, path(sys, program), how, size_of::<OpenHow>()),
        sys.creat(path(sys, program), Mode(0o644)),
    ];
    // Who may not write it anyway is told that.
    assert!(tried == [Err(Errno::ETXTBSY); 6] || tried == [Err(Errno::EACCES); 6], "{tried:?}");
    Ok(())
}

fn execute(sys: &dyn Sys, name: &str) -> Result {
    let list = sys.store(sys.page() + 0x3000, &[path(sys, name) as u64, 0]);
    let refusal = sys.execve(path(sys, name), list, list + 8);
    assert_eq!(sys.execveat(Fd::CWD, path(sys, name), list, list + 8, AtFlags::empty()), refusal, "{name}");
    refusal
}

fn a_program_that_is_written_is_not_run(sys: &dyn Sys) -> Outcome {
    let file = made(sys, "program", b"no program at all")?;
    sys.fchmod(file, Mode(0o755))?;
    assert_eq!(execute(sys, "program"), Err(Errno::ETXTBSY));
    // It does not matter who writes.
    let duplicate = descriptor(sys.dup(file)?);
    sys.close(file)?;
    assert_eq!(execute(sys, "program"), Err(Errno::ETXTBSY));
    sys.close(duplicate)?;
    assert_eq!(execute(sys, "program"), Err(Errno::ENOEXEC));
    open(sys, "program", OpenFlags::O_RDONLY)?;
    assert_eq!(execute(sys, "program"), Err(Errno::ENOEXEC));
    open(sys, "program", OpenFlags::O_WRONLY)?;
    Ok(())
}

fn a_script_that_is_written_is_not_run(sys: &dyn Sys) -> Outcome {
    let file = made(sys, "script", b"#!/missing/interpreter\n")?;
    sys.fchmod(file, Mode(0o755))?;
    assert_eq!(execute(sys, "script"), Err(Errno::ETXTBSY));
    sys.close(file)?;
    assert_eq!(execute(sys, "script"), Err(Errno::ENOENT));
    Ok(())
}

fn a_file_that_was_replaced_stays_open(sys: &dyn Sys) -> Outcome {
    let (old, new) = (made(sys, "old", b"old")?, made(sys, "new", b"new")?);
    let before = about(sys, old)?.ino;
    rename(sys, "new", "old", RenameFlags::empty())?;
    assert_eq!(all(sys, old)?, b"old");
    assert_eq!((about(sys, old)?.nlink, about(sys, new)?.nlink), (0, 1));
    write(sys, old, b" and still")?;
    assert_eq!(all(sys, old)?, b"old and still");
    let found = open(sys, "old", OpenFlags::O_RDONLY)?;
    assert_eq!(all(sys, found)?, b"new");
    assert!(about(sys, found)?.ino != before);
    assert_eq!(open(sys, "new", OpenFlags::O_RDONLY), Err(Errno::ENOENT));
    Ok(())
}

fn a_file_that_was_swapped_stays_open(sys: &dyn Sys) -> Outcome {
    let (a, b) = (made(sys, "a", b"first")?, made(sys, "b", b"second")?);
    rename(sys, "a", "b", RenameFlags::RENAME_EXCHANGE)?;
    assert_eq!((all(sys, a)?, all(sys, b)?), (b"first".to_vec(), b"second".to_vec()));
    assert_eq!(all(sys, open(sys, "a", OpenFlags::O_RDONLY)?)?, b"second");
    // A file and a directory change places too.
    sys.mkdirat(Fd::CWD, path(sys, "dir"), Mode(0o755))?;
    made(sys, "dir/inside", b"inside")?;
    rename(sys, "a", "dir", RenameFlags::RENAME_EXCHANGE)?;
    assert_eq!(all(sys, open(sys, "a/inside", OpenFlags::O_RDONLY)?)?, b"inside");
    assert_eq!(all(sys, open(sys, "dir", OpenFlags::O_RDONLY)?)?, b"second");
    Ok(())
}

fn an_open_directory_moves_with_its_files(sys: &dyn Sys) -> Outcome {
    sys.mkdirat(Fd::CWD, path(sys, "dir"), Mode(0o755))?;
    let dir = open(sys, "dir", OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY)?;
    sys.mkdirat(Fd::CWD, path(sys, "away"), Mode(0o755))?;
    rename(sys, "dir", "away/moved", RenameFlags::empty())?;
    sys.openat(dir, path(sys, "file"), OpenFlags::O_CREAT | OpenFlags::O_RDWR, Mode(0o644))?;
    open(sys, "away/moved/file", OpenFlags::O_RDONLY)?;
    // Its `..` is where it is now.
    sys.openat(dir, path(sys, "../moved"), OpenFlags::O_RDONLY, 0)?;
    assert_eq!(sys.openat(dir, path(sys, "../away"), OpenFlags::O_RDONLY, 0), Err(Errno::ENOENT));
    Ok(())
}

fn a_name_goes_while_it_is_mapped(sys: &dyn Sys) -> Outcome {
    let file = made(sys, "file", b"mapped")?;
    let at = sys.mmap(0, 4096, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, file, 0)?;
    sys.close(file)?;
    sys.unlinkat(Fd::CWD, path(sys, "file"), 0)?;
    made(sys, "file", b"others")?;
    assert_eq!(sys.bytes(at, 6), b"mapped");
    Ok(())
}

fn a_second_name_keeps_the_file(sys: &dyn Sys) -> Outcome {
    let file = made(sys, "a", b"kept")?;
    sys.linkat(Fd::CWD, path(sys, "a"), Fd::CWD, other(sys, "b"), 0)?;
    sys.unlinkat(Fd::CWD, path(sys, "a"), 0)?;
    write(sys, file, b"!")?;
    sys.close(file)?;
    let file = open(sys, "b", OpenFlags::O_RDONLY)?;
    assert_eq!((all(sys, file)?, about(sys, file)?.nlink), (b"kept!".to_vec(), 1));
    Ok(())
}

fn what_is_unlinked_may_be_made_anew(sys: &dyn Sys) -> Outcome {
    let first = made(sys, "file", b"first")?;
    sys.unlinkat(Fd::CWD, path(sys, "file"), 0)?;
    let second = made(sys, "file", b"second")?;
    assert!(about(sys, first)?.ino != about(sys, second)?.ino);
    assert_eq!((all(sys, first)?, all(sys, second)?), (b"first".to_vec(), b"second".to_vec()));
    Ok(())
}

fn an_unlinked_file_is_found_by_its_descriptor(sys: &dyn Sys) -> Outcome {
    let file = made(sys, "file", b"found")?;
    sys.unlinkat(Fd::CWD, path(sys, "file"), 0)?;
    let name = alloc::format!("/proc/self/fd/{}", file.0);
    assert_eq!(all(sys, open(sys, &name, OpenFlags::O_RDONLY)?)?, b"found");
    let len = sys.readlinkat(Fd::CWD, path(sys, &name), other(sys, ""), 4096)?;
    assert!(sys.bytes(sys.page() + 0x1000, len).ends_with(b"/file (deleted)"));
    // Without a name it gets no other.
    let follow = AtFlags::AT_SYMLINK_FOLLOW;
    assert_eq!(sys.linkat(Fd::CWD, path(sys, &name), Fd::CWD, other(sys, "new"), follow), Err(Errno::ENOENT));
    Ok(())
}

fn a_working_directory_may_move(sys: &dyn Sys) -> Outcome {
    sys.mkdirat(Fd::CWD, path(sys, "a"), Mode(0o755))?;
    sys.mkdirat(Fd::CWD, path(sys, "b"), Mode(0o755))?;
    sys.chdir(path(sys, "a"))?;
    rename(sys, "../a", "../b/c", RenameFlags::empty())?;
    let len = sys.getcwd(path(sys, ""), 4096)?;
    assert!(sys.bytes(sys.page(), len).ends_with(b"/b/c\0"));
    create(sys, "here")?;
    open(sys, "../c/here", OpenFlags::O_RDONLY)?;
    Ok(())
}

fn a_working_directory_may_go(sys: &dyn Sys) -> Outcome {
    sys.mkdirat(Fd::CWD, path(sys, "a"), Mode(0o755))?;
    sys.chdir(path(sys, "a"))?;
    sys.unlinkat(Fd::CWD, path(sys, "../a"), AtFlags::AT_REMOVEDIR)?;
    assert_eq!(sys.getcwd(path(sys, ""), 4096), Err(Errno::ENOENT));
    assert_eq!(create(sys, "file"), Err(Errno::ENOENT));
    open(sys, ".", OpenFlags::O_RDONLY)?;
    sys.chdir(path(sys, ".."))?;
    assert_eq!(open(sys, "a", OpenFlags::O_RDONLY), Err(Errno::ENOENT));
    Ok(())
}

fn a_child_keeps_what_its_parent_unlinked(sys: &dyn Sys) -> Outcome {
    let file = made(sys, "file", b"kept")?;
    sys.pipe2(sys.page(), 0)?;
    let [reader, writer]: [i32; 2] = sys.load(sys.page());
    let child = |sys: &dyn Sys, fds| {
        let (file, reader) = (Fd((fds & 0xff) as i32), Fd((fds >> 8) as i32));
        let told = read(sys, reader, 1);
        i32::from(told.is_err() || all(sys, file).as_deref() != Ok(b"kept"))
    };
    let pid = sys.fork_with(child, file.0 as usize | (reader as usize) << 8)?;
    sys.unlinkat(Fd::CWD, path(sys, "file"), 0)?;
    sys.close(file)?;
    write(sys, Fd(writer), b"!")?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn truncation_shows_through_every_descriptor(sys: &dyn Sys) -> Outcome {
    let file = made(sys, "file", b"contents")?;
    let child = |sys: &dyn Sys, _| i32::from(open(sys, "file", OpenFlags::O_WRONLY | OpenFlags::O_TRUNC).is_err());
    in_child(sys, child, 0)?;
    assert_eq!((all(sys, file)?, about(sys, file)?.size), (b"".to_vec(), 0));
    // The offset stays behind the end, and a write leaves a hole before it.
    sys.lseek(file, 4, Whence::SEEK_SET)?;
    write(sys, file, b"x")?;
    assert_eq!(all(sys, file)?, b"\0\0\0\0x");
    Ok(())
}

/// A slash belongs to the name that it is at: what was there is a directory, whatever comes there.
fn who_swaps_needs_both_names(sys: &dyn Sys) -> Outcome {
    create(sys, "a")?;
    sys.mkdirat(Fd::CWD, path(sys, "dir"), Mode(0o755))?;
    let swap = |old, new| rename(sys, old, new, RenameFlags::RENAME_EXCHANGE);
    assert_eq!(swap("a/", "none"), Err(Errno::ENOENT));
    assert_eq!(swap("a", "none/"), Err(Errno::ENOENT));
    assert_eq!(swap("dir", "dir/none"), Err(Errno::ENOENT));
    assert_eq!(swap("a/", "dir"), Err(Errno::ENOTDIR));
    assert_eq!(swap("dir", "a/"), Err(Errno::ENOTDIR));
    swap("a", "dir/")?;
    swap("a/", "dir")?;
    Ok(())
}

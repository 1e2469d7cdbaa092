//! What is executed: how a program is found, what is none, scripts, and who becomes whom.

use alloc::vec::Vec;

use kernel_abi::flags::{AtFlags, OpenFlags, PipeFlags, PrctlOption, Resource};
use kernel_abi::structs::{Rlimit, status_exited};
use kernel_abi::{Arch, Calls, Errno, Fd, Gid, Mode, Result, Signal, Sys, Uid};

use super::Outcome;
use super::exec::{SELF, arguments};
use super::file::{create, descriptor, open, write};
use super::limit::becomes_nobody;
use super::pipe::pipe;
use super::process::{in_child, pauses, wait};

cases! { "image":
    the_way_to_a_program_is_walked, a_missing_program_is_told_before_wild_words, a_program_is_found_in_a_directory,
    a_link_to_a_program_may_be_refused, what_execveat_refuses, nobody_executes_what_is_not_for_them,
    a_script_names_its_interpreter, a_script_may_interpret_a_script, scripts_go_only_so_deep,
    what_is_no_interpreter, an_elf_interpreter_is_a_program, what_is_no_program, a_copy_is_a_program_too,
    who_sets_a_user_lends_it, privileges_are_not_lent_to_who_gave_them_up, too_many_processes_execute_nothing,
}

/// Both calls refuse the same.
fn execve(sys: &dyn Sys, name: &str) -> Result {
    let path = sys.path(sys.page(), name);
    let refusal = sys.execve(path, 0, 0);
    assert_eq!(sys.execveat(Fd::CWD, path, 0, 0, AtFlags::empty()), refusal, "{name}");
    refusal
}

/// A file that may be executed.
fn executable(sys: &dyn Sys, name: &str, bytes: &[u8]) -> Result<()> {
    let file = create(sys, name)?;
    write(sys, file, bytes)?;
    sys.fchmod(file, Mode(0o755))?;
    sys.close(file)?;
    Ok(())
}

/// Executes `name` in a child with the words stored by [`arguments`]; the status word.
fn executed(sys: &dyn Sys, name: &str) -> Result<i32> {
    let at = sys.path(sys.page() + 0x7000, name);
    let child = |sys: &dyn Sys, at| {
        let refused = sys.execve(at, sys.page() + 0x8000, 0);
        100 + refused.map_or_else(|errno| errno.number(), |_| 0)
    };
    let pid = sys.fork_with(child, at)?;
    wait(sys, pid)
}

fn the_way_to_a_program_is_walked(sys: &dyn Sys) -> Outcome {
    executable(sys, "file", b"no program")?;
    assert_eq!(execve(sys, "file/under"), Err(Errno::ENOTDIR));
    assert_eq!(execve(sys, "file/"), Err(Errno::ENOTDIR));
    assert_eq!(execve(sys, ""), Err(Errno::ENOENT));
    assert_eq!(execve(sys, "missing/file"), Err(Errno::ENOENT));
    let long = [b'n'; 256];
    assert_eq!(execve(sys, core::str::from_utf8(&long).expect("ASCII")), Err(Errno::ENAMETOOLONG));
    let long = [b'/'; 4096];
    assert_eq!(execve(sys, core::str::from_utf8(&long).expect("ASCII")), Err(Errno::ENAMETOOLONG));
    sys.symlinkat(sys.path(sys.page(), "nowhere"), Fd::CWD, sys.path(sys.page() + 64, "link"))?;
    assert_eq!(execve(sys, "link"), Err(Errno::ENOENT));
    sys.symlinkat(sys.path(sys.page(), "loop"), Fd::CWD, sys.path(sys.page() + 64, "loop"))?;
    assert_eq!(execve(sys, "loop"), Err(Errno::ELOOP));
    assert_eq!(execve(sys, "/"), Err(Errno::EACCES));
    Ok(())
}

fn a_missing_program_is_told_before_wild_words(sys: &dyn Sys) -> Outcome {
    let missing = sys.path(sys.page(), "missing");
    assert_eq!(sys.execve(missing, 8, 8), Err(Errno::ENOENT));
    create(sys, "file")?;
    assert_eq!(sys.execve(sys.path(sys.page(), "file"), 8, 8), Err(Errno::EACCES));
    // Wild words are told before what is no program.
    executable(sys, "text", b"no program")?;
    assert_eq!(sys.execve(sys.path(sys.page(), "text"), 8, 0), Err(Errno::EFAULT));
    assert_eq!(sys.execve(sys.path(sys.page(), "text"), 0, 8), Err(Errno::EFAULT));
    assert_eq!(execve(sys, "text"), Err(Errno::ENOEXEC));
    Ok(())
}

fn directory(sys: &dyn Sys, name: &str) -> Result<Fd> {
    open(sys, name, OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY)
}

fn a_program_is_found_in_a_directory(sys: &dyn Sys) -> Outcome {
    let proc = directory(sys, "/proc/self")?;
    arguments(sys, &["program", "--exit", "5"]);
    let child = |sys: &dyn Sys, proc| {
        let name = sys.path(sys.page(), "exe");
        let _ = sys.execveat(descriptor(proc), name, sys.page() + 0x8000, 0, AtFlags::empty());
        1
    };
    let pid = sys.fork_with(child, proc.0 as usize)?;
    // That directory was the parent's, and so is what it executes.
    assert_eq!(wait(sys, pid)?, status_exited(5));
    let none = AtFlags::empty();
    let file = create(sys, "file")?;
    assert_eq!(sys.execveat(file, sys.path(sys.page(), "name"), 0, 0, none), Err(Errno::ENOTDIR));
    assert_eq!(sys.execveat(Fd(77), sys.path(sys.page(), "name"), 0, 0, none), Err(Errno::EBADF));
    // Nobody asks for a directory where none is needed.
    assert_eq!(sys.execveat(Fd(77), sys.path(sys.page(), "/missing"), 0, 0, none), Err(Errno::ENOENT));
    Ok(())
}

fn a_link_to_a_program_may_be_refused(sys: &dyn Sys) -> Outcome {
    executable(sys, "text", b"no program")?;
    sys.symlinkat(sys.path(sys.page(), "text"), Fd::CWD, sys.path(sys.page() + 64, "link"))?;
    let link = sys.path(sys.page(), "link");
    let nofollow = AtFlags::AT_SYMLINK_NOFOLLOW;
    assert_eq!(sys.execveat(Fd::CWD, link, 0, 0, nofollow), Err(Errno::ELOOP));
    assert_eq!(sys.execveat(Fd::CWD, link, 0, 0, AtFlags::empty()), Err(Errno::ENOEXEC));
    let text = sys.path(sys.page(), "text");
    assert_eq!(sys.execveat(Fd::CWD, text, 0, 0, nofollow), Err(Errno::ENOEXEC));
    Ok(())
}

fn what_execveat_refuses(sys: &dyn Sys) -> Outcome {
    let name = sys.path(sys.page(), "missing");
    assert_eq!(sys.execveat(Fd::CWD, name, 0, 0, AtFlags::AT_REMOVEDIR), Err(Errno::EINVAL));
    assert_eq!(sys.execveat(Fd(77), name, 0, 0, AtFlags::from_bits_retain(1)), Err(Errno::EINVAL));
    assert_eq!(sys.execveat(Fd::CWD, 8, 0, 0, AtFlags::empty()), Err(Errno::EFAULT));
    let empty = sys.path(sys.page(), "");
    let by_descriptor = AtFlags::AT_EMPTY_PATH;
    assert_eq!(sys.execveat(directory(sys, ".")?, empty, 0, 0, by_descriptor), Err(Errno::EACCES));
    let file = create(sys, "file")?;
    assert_eq!(sys.execveat(file, empty, 0, 0, by_descriptor), Err(Errno::EACCES));
    assert_eq!(sys.execveat(Fd::CWD, empty, 0, 0, by_descriptor), Err(Errno::EACCES));
    // What has no name is no directory, and no program.
    let [reader, _writer] = pipe(sys, PipeFlags::empty())?;
    let refused = sys.execveat(reader, sys.path(sys.page(), ""), 0, 0, AtFlags::AT_EMPTY_PATH);
    assert_eq!(refused, Err(Errno::EACCES));
    assert_eq!(sys.execveat(reader, sys.path(sys.page(), "name"), 0, 0, AtFlags::empty()), Err(Errno::ENOTDIR));
    Ok(())
}

fn nobody_executes_what_is_not_for_them(sys: &dyn Sys) -> Outcome {
    executable(sys, "text", b"no program")?;
    let mode = |mode| sys.fchmodat(Fd::CWD, sys.path(sys.page(), "text"), Mode(mode));
    // Not even root, where nobody may.
    mode(0o666)?;
    assert_eq!(execve(sys, "text"), Err(Errno::EACCES));
    mode(0o700)?;
    assert_eq!(execve(sys, "text"), Err(Errno::ENOEXEC));
    sys.mkdirat(Fd::CWD, sys.path(sys.page(), "closed"), Mode(0o700))?;
    executable(sys, "closed/text", b"no program")?;
    sys.fchmodat(Fd::CWD, sys.path(sys.page(), "."), Mode(0o755))?;
    let was_root = sys.geteuid()? == 0;
    becomes_nobody(sys)?;
    let expected = if was_root { Errno::EACCES } else { Errno::ENOEXEC };
    assert_eq!(execve(sys, "text"), Err(expected));
    assert_eq!(execve(sys, "closed/text"), Err(expected));
    Ok(())
}

fn a_script_names_its_interpreter(sys: &dyn Sys) -> Outcome {
    executable(sys, "script", b"#!/proc/self/exe --words\nthe rest is not looked at")?;
    arguments(sys, &["its name is replaced", "one", "two"]);
    // The script's name and what followed its own.
    assert_eq!(executed(sys, "./script")?, status_exited(3));
    // One argument is all that a line gives, blanks and all.
    executable(sys, "script", b"#! \t/proc/self/exe  --exit 7 \n")?;
    assert_eq!(executed(sys, "./script")? & 0x7f, 0);
    assert_ne!(executed(sys, "./script")?, status_exited(7));
    Ok(())
}

fn a_script_may_interpret_a_script(sys: &dyn Sys) -> Outcome {
    executable(sys, "inner", b"#!/proc/self/exe --words\n")?;
    executable(sys, "outer", b"#!inner argument\n")?;
    arguments(sys, &["name", "one"]);
    // inner, argument, outer, one.
    assert_eq!(executed(sys, "outer")?, status_exited(4));
    Ok(())
}

fn scripts_go_only_so_deep(sys: &dyn Sys) -> Outcome {
    executable(sys, "0", b"#!/proc/self/exe --words\n")?;
    for (name, text) in
        [("1", b"#!0\n"), ("2", b"#!1\n"), ("3", b"#!2\n"), ("4", b"#!3\n"), ("5", b"#!4\n"), ("6", b"#!5\n")]
    {
        executable(sys, name, text)?;
    }
    arguments(sys, &["name"]);
    assert_eq!(executed(sys, "4")?, status_exited(5));
    assert_eq!(execve(sys, "5"), Err(Errno::ELOOP));
    assert_eq!(execve(sys, "6"), Err(Errno::ELOOP));
    executable(sys, "self", b"#!self\n")?;
    assert_eq!(execve(sys, "self"), Err(Errno::ELOOP));
    Ok(())
}

fn what_is_no_interpreter(sys: &dyn Sys) -> Outcome {
    for (line, refusal) in [
        (&b"#!\n"[..], Errno::ENOEXEC),
        (b"#!  \t \n", Errno::ENOEXEC),
        // Without a name and a line's end it is the working directory.
        (b"#!", Errno::EACCES),
        (b"#!/no/such/interpreter\n", Errno::ENOENT),
        (b"#!.\n", Errno::EACCES),
        (b"#!script/under\n", Errno::ENOTDIR),
        (b"#!text\n", Errno::ENOEXEC),
        (b"#!plain\n", Errno::EACCES),
    ] {
        executable(sys, "text", b"no program")?;
        create(sys, "plain")?;
        executable(sys, "script", line)?;
        assert_eq!(execve(sys, "script"), Err(refusal), "{line:?}");
    }
    Ok(())
}

/// A program of headers alone, which names an interpreter.
fn elf(arch: Arch, interpreter: &[u8]) -> Vec<u8> {
    let machine: u16 = match arch {
        Arch::X86_64 => 62,
        Arch::Riscv64 => 243,
    };
    let mut bytes = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    bytes.extend(2_u16.to_le_bytes());
    bytes.extend(machine.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(0x40_0000_u64.to_le_bytes());
    bytes.extend(64_u64.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 64, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    // PT_INTERP, to be read.
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(4_u32.to_le_bytes());
    let len = interpreter.len() as u64;
    for word in [120, 0, 0, len, len, 1_u64] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(interpreter);
    bytes
}

fn an_elf_interpreter_is_a_program(sys: &dyn Sys) -> Outcome {
    // Longer than headers are, or it could not be read.
    executable(sys, "text", &[b'x'; 4096])?;
    create(sys, "plain")?;
    for (interpreter, refusal) in [
        (&b"text\0"[..], Errno::ELIBBAD),
        (b"missing\0", Errno::ENOENT),
        (b"plain\0", Errno::EACCES),
        (b"/\0", Errno::EACCES),
        (b"text/under\0", Errno::ENOTDIR),
        (b"no end", Errno::ENOEXEC),
        (b"\0", Errno::ENOEXEC),
    ] {
        executable(sys, "program", &elf(sys.arch(), interpreter))?;
        assert_eq!(execve(sys, "program"), Err(refusal), "{interpreter:?}");
    }
    Ok(())
}

fn what_is_no_program(sys: &dyn Sys) -> Outcome {
    let whole = elf(sys.arch(), b"missing\0");
    let mut changed = Vec::new();
    // Another machine, no program but an object, no headers, headers of another length.
    for (at, value) in [(18, 3), (16, 1), (56, 0), (54, 32)] {
        let mut bytes = whole.clone();
        bytes[at] = value;
        changed.push(bytes);
    }
    changed.push(whole[..20].to_vec());
    changed.push(Vec::new());
    changed.push(Vec::from(*b"\x7fELF"));
    for (number, bytes) in changed.iter().enumerate() {
        executable(sys, "program", bytes)?;
        assert_eq!(execve(sys, "program"), Err(Errno::ENOEXEC), "{number}");
    }
    executable(sys, "program", &whole)?;
    assert_eq!(execve(sys, "program"), Err(Errno::ENOENT));
    Ok(())
}

/// Copies the program to a file of its own.
fn copies(sys: &dyn Sys, name: &str) -> Result<()> {
    let from = descriptor(sys.openat(Fd::CWD, sys.path(sys.page(), SELF), OpenFlags::O_RDONLY, 0)?);
    let to = create(sys, name)?;
    while sys.sendfile(to, from, 0, 1 << 24)? > 0 {}
    sys.fchmod(to, Mode(0o755))?;
    sys.close(to)?;
    sys.close(from)?;
    Ok(())
}

fn a_copy_is_a_program_too(sys: &dyn Sys) -> Outcome {
    copies(sys, "copy")?;
    arguments(sys, &["program", "--exit", "9"]);
    assert_eq!(executed(sys, "./copy")?, status_exited(9));
    arguments(sys, &["program", "--is", "name", "0", "4"]);
    assert_eq!(executed(sys, "./copy")?, status_exited(0));
    Ok(())
}

/// A copy of the program that lends user and group 1234, executable in a directory that nobody reaches.
fn lends(sys: &dyn Sys) -> Result<()> {
    copies(sys, "copy")?;
    let copy = sys.path(sys.page(), "copy");
    sys.fchownat(Fd::CWD, copy, Uid(1234), Gid(1234), AtFlags::empty())?;
    sys.fchmodat(Fd::CWD, copy, Mode(0o6755))?;
    sys.fchmodat(Fd::CWD, sys.path(sys.page(), "."), Mode(0o755))?;
    Ok(())
}

fn who_sets_a_user_lends_it(sys: &dyn Sys) -> Outcome {
    if sys.geteuid()? == 0 {
        lends(sys)?;
        // Not a script's: who it is for is its interpreter.
        for (question, answer) in
            [("user", "1234"), ("group", "1234"), ("saved", "1234"), ("dumpable", "0"), ("capable", "0")]
        {
            arguments(sys, &["program", "--is", question, "0", answer]);
            assert_eq!(executed(sys, "./copy")?, status_exited(0), "{question}");
        }
        // Set-group without execution for the group is something else.
        sys.fchmodat(Fd::CWD, sys.path(sys.page(), "copy"), Mode(0o2745))?;
        arguments(sys, &["program", "--is", "group", "0", "0"]);
        assert_eq!(executed(sys, "./copy")?, status_exited(0));
    }
    Ok(())
}

fn privileges_are_not_lent_to_who_gave_them_up(sys: &dyn Sys) -> Outcome {
    if sys.geteuid()? == 0 {
        lends(sys)?;
        sys.prctl(PrctlOption::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)?;
        for question in ["user", "group", "saved"] {
            arguments(sys, &["program", "--is", question, "0", "0"]);
            assert_eq!(executed(sys, "./copy")?, status_exited(0), "{question}");
        }
    }
    Ok(())
}

fn too_many_processes_execute_nothing(sys: &dyn Sys) -> Outcome {
    if sys.geteuid()? != 0 {
        return Ok(());
    }
    const SOMEBODY: Uid = Uid(54_321);
    sys.fchmodat(Fd::CWD, sys.path(sys.page(), "."), Mode(0o755))?;
    let one = |sys: &dyn Sys, _| match sys.setresuid(SOMEBODY, SOMEBODY, SOMEBODY) {
        Ok(_) => pauses(sys, 0),
        Err(_) => 1,
    };
    let pid = sys.fork_with(one, 0)?;
    // Until it has become somebody.
    super::group::until_user(sys, pid, SOMEBODY)?;
    let other = |sys: &dyn Sys, _| {
        sys.store(sys.page(), &Rlimit { rlim_cur: 0, rlim_max: 0 });
        let limited = sys.setrlimit(Resource::RLIMIT_NPROC, sys.page()).is_ok();
        // Becoming somebody is never refused any more, executing is.
        let became = sys.setresuid(SOMEBODY, SOMEBODY, SOMEBODY).is_ok();
        let program = sys.path(sys.page(), SELF);
        let refused = [sys.execve(program, 0, 0), sys.execveat(Fd::CWD, program, 0, 0, AtFlags::empty())];
        i32::from(!(limited && became && refused == [Err(Errno::EAGAIN); 2]))
    };
    in_child(sys, other, 0)?;
    sys.kill(pid, Signal::SIGKILL)?;
    wait(sys, pid)?;
    Ok(())
}

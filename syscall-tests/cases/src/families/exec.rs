//! Another program in a process's place: the program of a case can be told to be another one, see [`executed`].

use kernel_abi::flags::{AtFlags, DupFlags, FcntlCommand, OpenFlags};
use kernel_abi::structs::status_exited;
use kernel_abi::{Calls, Errno, Fd, Result, Sys};

use super::Outcome;
use super::file::descriptor;
use super::process::wait;

cases! { "exec":
    another_program_takes_over, a_descriptor_names_the_program, descriptors_survive_unless_told_not_to,
    too_many_arguments_are_e2big, a_wild_argument_is_efault,
}

pub(super) const SELF: &str = "/proc/self/exe";

/// What the program of a case does when it is executed with these arguments: its exit status.
///
/// - `--exit CODE`: that code.
/// - `--open FD`: 0 if that descriptor is open, else 1.
/// - `--is QUESTION ARGUMENT ANSWER`: 0 if the process says so of itself, see [`asked`](super::asked), else 1.
/// - `--pause`: none, it waits.
/// - `--words ...`: how many more there are.
pub fn executed(sys: &dyn Sys, arguments: &[&str]) -> Option<i32> {
    match arguments {
        ["--exit", code] => code.parse().ok(),
        ["--open", fd] => fd.parse().ok().map(|fd| i32::from(sys.fcntl(Fd(fd), FcntlCommand::F_GETFD, 0).is_err())),
        ["--is", question, argument, expected] => {
            let (argument, expected) = (argument.parse().ok()?, expected.parse().ok()?);
            Some(i32::from(super::asked::answer(sys, question, argument) != Ok(expected)))
        }
        ["--pause"] => Some(super::process::pauses(sys, 0)),
        ["--words", words @ ..] => i32::try_from(words.len()).ok(),
        _ => None,
    }
}

/// Stores an argument list in the upper half of the page: gives its address.
pub(super) fn arguments(sys: &dyn Sys, words: &[&str]) -> usize {
    let (list, mut text) = (sys.page() + 0x8000, sys.page() + 0x8100);
    for (index, word) in words.iter().enumerate() {
        sys.store(list + index * 8, &(sys.path(text, word) as u64));
        text += word.len() + 1;
    }
    sys.store(list + words.len() * 8, &0_u64);
    list
}

/// Executes the program of the case as one that ends with `code`.
pub(super) fn exec(sys: &dyn Sys, code: &str) -> Result {
    let list = arguments(sys, &["program", "--exit", code]);
    sys.execve(sys.path(sys.page(), SELF), list, 0)
}

fn another_program_takes_over(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| {
        let _ = exec(sys, "42");
        1
    };
    let pid = sys.fork_with(child, 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(42));
    Ok(())
}

fn a_descriptor_names_the_program(sys: &dyn Sys) -> Outcome {
    let program = descriptor(sys.openat(Fd::CWD, sys.path(sys.page(), SELF), OpenFlags::O_PATH, 0)?);
    let child = |sys: &dyn Sys, fd| {
        let list = arguments(sys, &["program", "--exit", "7"]);
        let _ = sys.execveat(descriptor(fd), sys.path(sys.page(), ""), list, 0, AtFlags::AT_EMPTY_PATH);
        1
    };
    let pid = sys.fork_with(child, program.0 as usize)?;
    assert_eq!(wait(sys, pid)?, status_exited(7));
    let empty = sys.path(sys.page(), "");
    assert_eq!(sys.execveat(program, empty, 0, 0, AtFlags::empty()), Err(Errno::ENOENT));
    assert_eq!(sys.execveat(Fd(77), empty, 0, 0, AtFlags::AT_EMPTY_PATH), Err(Errno::EBADF));
    Ok(())
}

fn descriptors_survive_unless_told_not_to(sys: &dyn Sys) -> Outcome {
    // Standard output is as it was; it becomes descriptor 8, and what is closed becomes 9.
    sys.dup3(Fd(1), Fd(8), DupFlags::empty())?;
    sys.dup3(Fd(1), Fd(9), DupFlags::O_CLOEXEC)?;
    for (fd, status) in [("8", 0), ("9", 1)] {
        arguments(sys, &["program", "--open", fd]);
        let child = |sys: &dyn Sys, _| {
            let _ = sys.execve(sys.path(sys.page(), SELF), sys.page() + 0x8000, 0);
            2
        };
        let pid = sys.fork_with(child, 0)?;
        assert_eq!(wait(sys, pid)?, status_exited(status));
    }
    Ok(())
}

fn too_many_arguments_are_e2big(sys: &dyn Sys) -> Outcome {
    // One word longer than MAX_ARG_STRLEN, 32 pages, does not fit whatever the limits are.
    let long = super::memory::map(sys, 40 * 4096, super::memory::PRIVATE)?;
    sys.poke(long, &[b'x'; 33 * 4096]);
    let list = sys.store(sys.page() + 0x7000, &[long as u64, 0]);
    let program = sys.path(sys.page(), SELF);
    assert_eq!(sys.execve(program, list, 0), Err(Errno::E2BIG));
    assert_eq!(sys.execve(program, arguments(sys, &["program"]), list), Err(Errno::E2BIG));
    assert_eq!(sys.execveat(Fd::CWD, program, list, 0, AtFlags::empty()), Err(Errno::E2BIG));
    Ok(())
}

fn a_wild_argument_is_efault(sys: &dyn Sys) -> Outcome {
    let program = sys.path(sys.page(), SELF);
    assert_eq!(sys.execve(program, 8, 0), Err(Errno::EFAULT));
    let list = sys.store(sys.page() + 0x7000, &[8_u64, 0]);
    assert_eq!(sys.execve(program, list, 0), Err(Errno::EFAULT));
    assert_eq!(sys.execve(program, 0, list), Err(Errno::EFAULT));
    Ok(())
}

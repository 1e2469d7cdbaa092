//! Tame programs: those after which whoever ran them can put their process back as it was.
//!
//! What a tame program changes is descriptors, files below its directory, the working directory, the mask of permissions,
//! and its own memory. It waits for its children at once, names no process, has no signals but those that files send while
//! they are open, and has nothing happen later: no timer, no wait that time ends. It may be killed by what it does, and may
//! wait for ever.

use kernel_abi::Call;
use kernel_abi::flags::FcntlCommand;

use crate::choice::PATHS;
use crate::family::rows;
use crate::model::{How, Join, Place, Program, Step, Value, makes};

/// The rows of tame programs. `sync` is everybody's; `chroot` is refused to those who may not do it, and there is no way
/// back for the others, whose process then ends.
const ROWS: &[Call] = rows![
    access chdir chmod chown chroot close close_range copy_file_range creat dup dup2 dup3 eventfd eventfd2 faccessat
    faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr
    flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getegid
    geteuid getgid getuid getxattr ioctl lchown lgetxattr link linkat listxattr llistxattr lremovexattr lseek
    lsetxattr lstat memfd_create mkdir mkdirat mknod mknodat newfstatat open openat openat2 pipe pipe2 pread64 preadv
    preadv2 pwrite64 pwritev pwritev2 read readlink readlinkat readv removexattr rename renameat renameat2 rmdir
    sendfile setxattr stat statfs statx symlink symlinkat sync_file_range truncate umask uname unlink unlinkat utime
    utimensat utimes write writev
];

static IS_TAME: [bool; Call::ALL.len()] = {
    let mut is_tame = [false; Call::ALL.len()];
    let mut at = 0;
    while at < ROWS.len() {
        is_tame[ROWS[at] as usize] = true;
        at += 1;
    }
    is_tame
};

impl Program {
    /// Whether its process is as it was when its descriptors are closed, its memory is filled anew, and it is back in its
    /// directory.
    pub fn is_tame(&self) -> bool {
        fn tame(steps: &[Step]) -> bool {
            steps.iter().all(|step| match step {
                Step::Call { call, args } => IS_TAME[*call as usize] && !names_process(*call, args),
                Step::Spawn { join, steps, .. } => *join == Join::AtOnce && tame(steps),
            })
        }
        tame(&self.steps)
    }

    /// Whether whoever runs it can lend its memory to all its processes, and put back afterwards what they changed there:
    /// they change no mappings, have no handlers, and use no memory of another process.
    pub(crate) fn can_be_lent(&self) -> bool {
        fn lent(steps: &[Step]) -> bool {
            steps.iter().all(|step| match step {
                Step::Call { call, .. } => IS_TAME[*call as usize],
                Step::Spawn { steps, .. } => lent(steps),
            })
        }
        lent(&self.steps) && (!self.has_processes() || !self.uses_ground())
    }

    /// Whether a child of it is a process.
    fn has_processes(&self) -> bool {
        fn processes(steps: &[Step]) -> bool {
            steps.iter().any(|step| match step {
                Step::Call { .. } => false,
                Step::Spawn { how, steps, .. } => *how == How::Process || processes(steps),
            })
        }
        processes(&self.steps)
    }

    /// Whether a path of it may lead above its directory.
    pub(crate) fn looks_up(&self) -> bool {
        fn up(steps: &[Step]) -> bool {
            steps.iter().any(|step| match step {
                Step::Call { args, .. } => args.iter().any(leads_up),
                Step::Spawn { steps, .. } => up(steps),
            })
        }
        up(&self.steps)
    }

    /// Whether permissions of a directory that is there may change.
    pub(crate) fn changes_modes(&self) -> bool {
        use Call::{chmod, fchmod, fchmodat, fchmodat2, fsetxattr, lsetxattr, setxattr};
        // An access control list says it, too.
        makes(&self.steps, &[chmod, fchmod, fchmodat, fchmodat2, setxattr, lsetxattr, fsetxattr])
    }

    /// Whether it may use the memory that calls on memory work on.
    pub(crate) fn uses_ground(&self) -> bool {
        fn ground(steps: &[Step]) -> bool {
            steps.iter().any(|step| match step {
                Step::Call { args, .. } => args
                    .iter()
                    .any(|arg| matches!(arg, Value::Memory { place: Place::Page(_) | Place::Mapping(_), .. })),
                Step::Spawn { steps, .. } => ground(steps),
            })
        }
        ground(&self.steps)
    }
}

/// Whether a call names a process by its number: which there are is not for a program to know.
fn names_process(call: Call, args: &[Value]) -> bool {
    let commands = [FcntlCommand::F_SETOWN, FcntlCommand::F_SETOWN_EX].map(|command| Value::Plain(command.0.into()));
    call == Call::fcntl && args.get(1).is_some_and(|command| commands.contains(command))
}

/// Which paths lead up.
static LEADS_UP: [bool; PATHS.len()] = {
    let mut leads_up = [false; PATHS.len()];
    let mut index = 0;
    while index < PATHS.len() {
        let (path, mut at) = (PATHS[index], 1);
        while at < path.len() {
            leads_up[index] |= path[at - 1] == b'.' && path[at] == b'.';
            at += 1;
        }
        index += 1;
    }
    leads_up
};

/// Whether an argument says so, if it is text: as a name it may be another one, which leads nowhere.
fn leads_up(value: &Value) -> bool {
    matches!(value, Value::Text(index) if LEADS_UP[usize::from(*index) % PATHS.len()])
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use kernel_abi::Call;

    use crate::family::Family;
    use crate::model::{Join, Program, Step};

    #[test]
    fn programs_on_files_and_paths_are_tame_and_those_with_timers_are_not() {
        for seed in 0..200 {
            let program = Program::random(Family::File, 10, seed).sequential();
            let names_process = program.steps.iter().any(|step| format!("{step:?}").contains("fcntl"));
            assert!(program.is_tame() || names_process, "{seed}");
            assert!(Program::random(Family::Path, 10, seed).sequential().is_tame(), "{seed}");
            let program = Program::random(Family::Time, 10, seed);
            assert!(!program.is_tame() || !program.arms_timers(), "{seed}");
        }
    }

    #[test]
    fn a_child_that_goes_on_by_itself_is_not_tame() {
        let close = Step::Call { call: Call::close, args: alloc::vec![crate::Value::Plain(3)] };
        let child = |join| Step::Spawn { how: crate::How::Process, join, steps: alloc::vec![close.clone()] };
        let program = |join| Program { family: Family::File, steps: alloc::vec![child(join)] };
        assert!(program(Join::AtOnce).is_tame());
        assert!(!program(Join::Never).is_tame());
    }
}

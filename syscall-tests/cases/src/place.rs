//! A directory of a case's own, and who and what is in it when the case is over.

use alloc::format;
use alloc::string::String;

use kernel_abi::flags::{AtFlags, OpenFlags};
use kernel_abi::structs::Dirent64;
use kernel_abi::{Calls as _, Errno, Fd, Mode, Pid, Result, Signal, Sys};
use zerocopy::FromBytes as _;

/// Where in the page names are put, and what calls answer: apart from what a worker keeps in front of it.
const NAME: usize = 0x2000;
const ANSWER: usize = 0x3000;
const ANSWER_LEN: usize = 0x1000;
/// Directories within directories that are looked into.
const DEPTH_MAX: usize = 40;
/// Looks at who is left: somebody may be forking meanwhile.
const SWEEPS_MAX: usize = 100;

/// The directory, and one in it where the case runs.
pub struct Place {
    path: String,
}

impl Place {
    /// A new one.
    pub fn new(sys: &dyn Sys) -> Result<Self> {
        let me = sys.getpid()?;
        made(sys, "/tmp")?;
        for number in 0.. {
            let path = format!("/tmp/orrery-case-{me}-{number}");
            match sys.mkdirat(Fd::CWD, sys.path(sys.page() + NAME, &path), Mode(0o755)) {
                Ok(_) => {
                    let place = Self { path };
                    made(sys, &place.within("directory"))?;
                    return Ok(place);
                }
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        unreachable!("numbers do not end")
    }

    fn within(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Stores the path of something in it at `at`.
    pub fn name(&self, sys: &dyn Sys, at: usize, name: &str) -> usize {
        sys.path(at, &self.within(name))
    }

    /// A new file in it, to be written and read.
    pub fn create(&self, sys: &dyn Sys, name: &str) -> Result<Fd> {
        let flags = OpenFlags::O_RDWR | OpenFlags::O_CREAT | OpenFlags::O_EXCL | OpenFlags::O_CLOEXEC;
        let path = self.name(sys, sys.page() + NAME, name);
        sys.openat(Fd::CWD, path, flags, 0o600).map(descriptor)
    }

    /// Ends who still works in it, and removes it with everything in it. What cannot be removed stays: it is litter in a
    /// temporary directory, not a failure of the case.
    pub fn remove(&self, sys: &dyn Sys) {
        for _ in 0..SWEEPS_MAX {
            let Ok(found) = self.sweep(sys) else { break };
            if !found {
                break;
            }
        }
        let _ = empty(sys, Fd::CWD, &self.path, 0);
        let _ = sys.unlinkat(Fd::CWD, sys.path(sys.page() + NAME, &self.path), AtFlags::AT_REMOVEDIR);
    }

    /// Kills who works below the directory, wherever init has put them; whether there was anybody.
    fn sweep(&self, sys: &dyn Sys) -> Result<bool> {
        let processes = open(sys, Fd::CWD, "/proc")?;
        let mut found = false;
        for_each_name(sys, processes, |name| {
            let Ok(pid) = name.parse::<i32>() else { return };
            let link = sys.path(sys.page() + NAME, &format!("{pid}/cwd"));
            // It may be gone by now.
            let Ok(len) = sys.readlinkat(processes, link, sys.page() + ANSWER, ANSWER_LEN) else { return };
            if sys.bytes(sys.page() + ANSWER, len).starts_with(self.path.as_bytes()) {
                found |= sys.kill(Pid(pid), Signal::SIGKILL).is_ok();
            }
        })?;
        sys.close(processes)?;
        Ok(found)
    }
}

/// Removes what is in a directory.
fn empty(sys: &dyn Sys, above: Fd, path: &str, depth: usize) -> Result<()> {
    let directory = open(sys, above, path)?;
    for_each_name(sys, directory, |name| {
        let unlink = |flags| sys.unlinkat(directory, sys.path(sys.page() + NAME, name), flags);
        if unlink(AtFlags::empty()) == Err(Errno::EISDIR) && depth < DEPTH_MAX {
            let _ = empty(sys, directory, name, depth + 1);
            let _ = unlink(AtFlags::AT_REMOVEDIR);
        }
    })?;
    sys.close(directory).map(drop)
}

fn open(sys: &dyn Sys, above: Fd, path: &str) -> Result<Fd> {
    let flags = OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY | OpenFlags::O_NOFOLLOW | OpenFlags::O_CLOEXEC;
    sys.openat(above, sys.path(sys.page() + NAME, path), flags, 0).map(descriptor)
}

/// Looks at each name in a directory but `.` and `..`. What is allocated is given back in turn: see the guest's heap.
fn for_each_name(sys: &dyn Sys, directory: Fd, mut look: impl FnMut(&str)) -> Result<()> {
    loop {
        let len = sys.getdents64(directory, sys.page() + ANSWER, ANSWER_LEN)?;
        if len == 0 {
            return Ok(());
        }
        let bytes = sys.bytes(sys.page() + ANSWER, len);
        let mut rest = &bytes[..];
        while let Ok((head, name)) = Dirent64::read_from_prefix(rest) {
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let name = core::str::from_utf8(name).unwrap_or_default();
            if !matches!(name, "" | "." | "..") {
                look(name);
            }
            rest = rest.get(usize::from(head.d_reclen)..).unwrap_or_default();
        }
    }
}

/// Makes a directory unless it is there.
fn made(sys: &dyn Sys, path: &str) -> Result<()> {
    match sys.mkdirat(Fd::CWD, sys.path(sys.page() + NAME, path), Mode(0o755)) {
        Ok(_) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Writes all of it, or as much as goes.
pub fn write(sys: &dyn Sys, file: Fd, bytes: &[u8]) {
    let at = sys.page() + ANSWER;
    for piece in bytes.chunks(ANSWER_LEN) {
        sys.poke(at, piece);
        let mut done = 0;
        while done < piece.len() {
            match sys.write(file, at + done, piece.len() - done) {
                Ok(len @ 1..) => done += len,
                _ => return,
            }
        }
    }
}

fn descriptor(answer: usize) -> Fd {
    Fd(i32::try_from(answer).unwrap_or(-1))
}

//! A new address space out of a program file, its interpreter, its arguments and its environment.

use alloc::sync::{Arc, Weak};
use alloc::vec;
use alloc::vec::Vec;

use ostd::PAGE_SIZE;
use ostd::user::{ARCH, Arch, Registers as _, Regs};

use super::elf::{self, Header, Kind, Layout};
use super::map::{Object, Role};
use super::script;
use super::stack::{self, Budget, Stack};
use crate::abi::flags::{
    AT_BASE, AT_CLKTCK, AT_EGID, AT_ENTRY, AT_EUID, AT_FLAGS, AT_GID, AT_PAGESZ, AT_PHDR, AT_PHENT, AT_PHNUM,
    AT_SECURE, AT_UID,
};
use crate::credentials::Credentials;
use crate::error::{Errno, Result};
use crate::mm::{AddressSpace, Label, MapRequest, MemoryLimits, Place, Prot};
use crate::process::deliver::trampoline;
use crate::process::{ExecInfo, Processes};
use crate::signal::frame::riscv64::TRAMPOLINE;
use crate::vfs::{Access, FileKind, Follow, FsContext, Identity, Occupied, OpenFile, OpenRequest, Path, SliceSink};

/// What a stack has from the start, below its strings.
const STACK_LEN: usize = 128 << 10;
/// Above the stack: a page that stays free.
const STACK_GAP: usize = PAGE_SIZE;
/// The longest name of an interpreter, its NUL counted.
const PATH_MAX: usize = 4096;
/// Reads in one go.
const CHUNK: usize = 64 << 10;

const MACHINE: u16 = match ARCH {
    Arch::X86_64 => elf::EM_X86_64,
    Arch::Riscv64 => elf::EM_RISCV,
};

/// A program ready to start.
pub struct Image {
    /// Its memory.
    pub space: Arc<AddressSpace>,
    /// What /proc tells of it.
    pub info: ExecInfo,
    /// The last component of its path, its first thread's name.
    pub name: Vec<u8>,
    /// What it may do.
    pub credentials: Credentials,
    entry: usize,
    sp: usize,
}

impl Image {
    /// The registers it starts with.
    pub fn regs(&self) -> Regs {
        let mut regs = Regs::default();
        regs.set_ip(self.entry);
        regs.set_sp(self.sp);
        regs
    }
}

/// Opens a file to be executed.
fn open(
    fs: &FsContext,
    at: Option<&Path>,
    path: &[u8],
    follow: Follow,
    who: &Identity,
) -> Result<(Arc<OpenFile>, Option<Occupied>)> {
    let request = OpenRequest::default();
    // An interpreter without a name is the working directory, to Linux: no regular file.
    if path.is_empty() {
        return Err(Errno::EACCES);
    }
    // Being allowed to execute is enough; to read is not asked for.
    let reader = Identity { may_override: true, ..who.clone() };
    let place = fs.resolve(at, path, follow, who)?;
    if place.inode.kind() == FileKind::Symlink {
        return Err(Errno::ELOOP);
    }
    if place.inode.kind() != FileKind::Regular || !place.mount.has_programs() {
        return Err(Errno::EACCES);
    }
    place.inode.permissions()?.permit(who, Access::EXECUTE)?;
    let file = fs.open_place(&place, request.flags, &reader)?;
    Ok((file, Occupied::running(&place.inode)?))
}

fn read_at(file: &OpenFile, at: u64, into: &mut [u8]) -> Result<usize> {
    let at = i64::try_from(at).ok().filter(|at| at.checked_add_unsigned(into.len() as u64).is_some());
    let at = at.ok_or(Errno::EINVAL)?;
    let mut done = 0;
    while done < into.len() {
        let offset = at + done as i64;
        let end = into.len().min(done + CHUNK);
        let count = file.pread(&mut SliceSink::new(&mut into[done..end]), offset)?;
        if count == 0 {
            break;
        }
        done += count;
    }
    Ok(done)
}

/// What starts: a file and the arguments that scripts made of the caller's.
struct Chosen {
    file: Arc<OpenFile>,
    occupied: Option<Occupied>,
    beginning: [u8; script::BEGINNING_LEN],
    argv: Vec<Vec<u8>>,
}

/// Follows `#!` lines from the file `first`, called `name`, to a file that is no script.
fn choose(
    fs: &FsContext,
    (mut file, mut occupied): (Arc<OpenFile>, Option<Occupied>),
    name: &[u8],
    who: &Identity,
    mut argv: Vec<Vec<u8>>,
    budget: &mut Budget,
) -> Result<Chosen> {
    let mut name = name.to_vec();
    for _ in 0..=script::DEPTH_MAX {
        let mut beginning = [0; script::BEGINNING_LEN];
        read_at(&file, 0, &mut beginning)?;
        let Some((interpreter, argument)) = script::parse(&beginning)? else {
            return Ok(Chosen { file, occupied, beginning, argv });
        };
        // The script's own name takes the place of its first argument.
        let mut new: Vec<Vec<u8>> = vec![interpreter.to_vec()];
        new.extend(argument.map(<[u8]>::to_vec));
        new.push(name);
        budget.give(&argv[0]);
        new.iter().try_for_each(|string| budget.take(string))?;
        new.extend(argv.into_iter().skip(1));
        argv = new;
        name = interpreter.to_vec();
        (file, occupied) = open(fs, None, &name, Follow::Yes, who)?;
    }
    Err(Errno::ELOOP)
}

/// Why a program does not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The caller hears why, and goes on.
    Refused(Errno),
    /// Its headers were believed, and lied: by Linux's order the caller's memory is gone when that is found out, and
    /// SIGSEGV is what is left to say.
    Fatal(Errno),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Refused(errno)
    }
}

impl Failure {
    /// The reason, for a caller that was no program.
    pub fn errno(self) -> Errno {
        match self {
            Self::Refused(errno) | Self::Fatal(errno) => errno,
        }
    }
}

/// A file to be executed, and what it was called.
pub struct Executable {
    file: (Arc<OpenFile>, Option<Occupied>),
    path: Vec<u8>,
}

impl Executable {
    /// Opens the file at `path`; what cannot be executed is refused, whatever its contents.
    pub fn open(
        fs: &FsContext,
        credentials: &Credentials,
        at: Option<&Path>,
        path: &[u8],
        follow: Follow,
    ) -> Result<Self> {
        let file = open(fs, at, path, follow, &crate::process::identity_of(credentials))?;
        Ok(Self { file, path: path.to_vec() })
    }
}

/// What a program is given.
pub struct Words {
    /// Its arguments.
    pub argv: Vec<Vec<u8>>,
    /// Its environment.
    pub envp: Vec<Vec<u8>>,
    /// What they leave of the room for them.
    pub budget: Budget,
}

impl Words {
    /// Words that were not counted while they were read.
    pub fn new(argv: Vec<Vec<u8>>, envp: Vec<Vec<u8>>, path: &[u8], stack_limit: usize) -> Result<Self> {
        let mut budget = Budget::new(stack_limit, argv.len().max(1) + envp.len())?;
        budget.take(path)?;
        envp.iter().chain(&argv).try_for_each(|string| budget.take(string))?;
        Ok(Self { argv, envp, budget })
    }
}

/// Makes a program out of a file, as execve(2) does.
pub fn load(
    processes: &Arc<Processes>,
    fs: &FsContext,
    credentials: &Credentials,
    executable: Executable,
    words: Words,
    limits: MemoryLimits,
) -> core::result::Result<Image, Failure> {
    let who = crate::process::identity_of(credentials);
    let (Words { mut argv, envp, mut budget }, Executable { file, path }) = (words, executable);
    if argv.is_empty() {
        // Linux has given programs at least an empty name since 5.18.
        argv.push(Vec::new());
        budget.take(b"")?;
    }
    let Chosen { file, occupied, beginning, argv } = choose(fs, file, &path, &who, argv, &mut budget)?;
    let program = read_object(file, &beginning)?;
    if program.header.kind == Kind::Other {
        return Err(Errno::ENOEXEC.into());
    }
    let interpreter = match program.layout.interpreter {
        None => None,
        Some((offset, len)) => Some(read_interpreter(fs, &who, &program.file, offset, len)?),
    };
    let space = AddressSpace::new(processes.machine())?;
    let relief: Weak<Processes> = Arc::downgrade(processes);
    space.set_relief(relief);
    space.set_limits(limits);
    if let Some(occupied) = occupied {
        space.keep(Arc::new(occupied));
    }
    let words = Strings { argv: &argv, envp: &envp, path: &path };
    let credentials = credentials.for_exec(lent(&program.file)?);
    let mapped = map(&space, &credentials, &program, interpreter.as_ref(), &words).map_err(Failure::Fatal)?;
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(&path).to_vec();
    let (start, stack) = mapped;
    let info = ExecInfo {
        file: program.file.path().cloned(),
        args: stack.args,
        env: stack.env,
        auxv: stack.auxv,
        stack: stack.at,
    };
    Ok(Image { space, info, name, credentials, entry: start, sp: stack.at })
}

/// The user and the group that a program file lends by its set-id bits.
fn lent(program: &OpenFile) -> Result<[Option<u32>; 2]> {
    const SET_USER: u32 = 0o4000;
    const SET_GROUP: u32 = 0o2000;
    const GROUP_EXECUTES: u32 = 0o010;
    if !program.path().is_some_and(|path| path.mount.lends_users()) {
        return Ok([None; 2]);
    }
    let attributes = program.attributes()?;
    let has = |bits| attributes.mode & bits == bits;
    // Without execution for the group the bit once meant mandatory locks.
    Ok([has(SET_USER).then_some(attributes.uid), has(SET_GROUP | GROUP_EXECUTES).then_some(attributes.gid)])
}

/// What goes onto the stack.
struct Strings<'a> {
    argv: &'a [Vec<u8>],
    envp: &'a [Vec<u8>],
    path: &'a [u8],
}

/// Fills the new address space: stack, program, interpreter. Gives the first instruction and the stack.
fn map(
    space: &AddressSpace,
    credentials: &Credentials,
    program: &Object,
    interpreter: Option<&Object>,
    words: &Strings<'_>,
) -> Result<(usize, Stack)> {
    let mut auxv = [
        (AT_PAGESZ, PAGE_SIZE),
        (AT_CLKTCK, 100),
        (AT_PHENT, elf::PROGRAM_HEADER_LEN),
        (AT_PHNUM, program.header.headers),
        (AT_FLAGS, 0),
        (AT_UID, credentials.user.real as usize),
        (AT_EUID, credentials.user.effective as usize),
        (AT_GID, credentials.group.real as usize),
        (AT_EGID, credentials.group.effective as usize),
        (AT_SECURE, usize::from(!credentials.acts_for_itself())),
        (AT_PHDR, 0),
        (AT_BASE, 0),
        (AT_ENTRY, 0),
    ];
    let top = space.end() - STACK_GAP;
    // The stack is there first: what a program wants mapped in its place must not silently replace it.
    let len = stack::len(words.argv, words.envp, words.path, auxv.len());
    let mut prot = Prot::READ | Prot::WRITE;
    prot.set(Prot::EXECUTE, program.layout.executable_stack);
    let floor = (top - len - STACK_LEN) / PAGE_SIZE * PAGE_SIZE;
    let wish = MapRequest {
        grows_down: true,
        label: Label::Stack,
        ..MapRequest::anonymous(Place::Fixed(floor), top - floor, prot)
    };
    space.map(&wish)?;
    if ARCH == Arch::Riscv64 {
        let at = trampoline(space.end());
        let page = MapRequest::anonymous(Place::Fixed(at), PAGE_SIZE, Prot::READ | Prot::WRITE);
        space.map(&page)?;
        space.write(at, &TRAMPOLINE)?;
        space.protect(at, PAGE_SIZE, Prot::READ | Prot::EXECUTE)?;
    }
    let role = if interpreter.is_some() { Role::Interpreted } else { Role::Program };
    let mapped = program.map(space, role)?;
    space.set_brk_start(mapped.end);
    let entry = mapped.bias.wrapping_add(program.header.entry);
    let mut start = entry;
    let [.., headers_at, base, entry_at] = &mut auxv;
    if let Some(interpreter) = interpreter {
        base.1 = interpreter.map(space, Role::Interpreter)?.bias;
        start = base.1.wrapping_add(interpreter.header.entry);
    }
    if start >= space.end() {
        return Err(Errno::EINVAL);
    }
    headers_at.1 = mapped.bias.wrapping_add(program.layout.headers_in_memory(&program.header));
    entry_at.1 = entry;
    let mut random = [0; 16];
    space.machine().entropy(&mut random);
    let stack = stack::build(top, words.argv, words.envp, words.path, &random, &auxv);
    space.write(stack.at, &stack.bytes)?;
    Ok((start, stack))
}

/// Reads the headers of a file that begins with `beginning`.
fn read_object(file: Arc<OpenFile>, beginning: &[u8]) -> Result<Object> {
    let header = Header::parse(beginning, MACHINE)?;
    let mut headers = vec![0; header.headers_len()];
    if read_at(&file, header.headers_at, &mut headers).ok() != Some(headers.len()) {
        return Err(Errno::ENOEXEC);
    }
    Ok(Object { file, header, layout: Layout::parse(&headers) })
}

/// Opens the interpreter whose name is at `offset` of `program`, and reads its headers.
fn read_interpreter(fs: &FsContext, who: &Identity, program: &OpenFile, offset: u64, len: usize) -> Result<Object> {
    // A name of at least one byte and its NUL, at most a path.
    if !(2..=PATH_MAX).contains(&len) {
        return Err(Errno::ENOEXEC);
    }
    let mut name = vec![0; len];
    if read_at(program, offset, &mut name)? < len {
        return Err(Errno::EIO);
    }
    if name.last() != Some(&0) {
        return Err(Errno::ENOEXEC);
    }
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(len);
    // It is held only while it is read.
    let (file, _) = open(fs, None, &name[..end], Follow::Yes, who)?;
    let mut beginning = [0; elf::HEADER_LEN];
    if read_at(&file, 0, &mut beginning)? < beginning.len() {
        return Err(Errno::EIO);
    }
    read_object(file, &beginning).map_err(|_| Errno::ELIBBAD)
}

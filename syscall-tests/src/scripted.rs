//! Orrery as a subject, with cases as scripted programs: each in a fresh kernel inside this process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use kernel::kernel::{Boot, Ending, Kernel, Report, Root};
use kernel::process::First;
use kernel_abi::flags::{CloneFlags, MapFlags, ProtFlags};
use kernel_abi::structs::CloneArgs;
use kernel_abi::sys::{ChildFn, Handler, HandlerFn, Lent, PAGE_LEN};
use kernel_abi::{Arch, Call, Calls as _, Errno, Fd, Result, Sys, errno};
use ostd::Machine;
use ostd::device::Devices;
use ostd::hosted::scripted::{Guest, Token, image};
use ostd::hosted::{Engine, HostedConfig};
use zerocopy::IntoBytes as _;

use crate::machine::{self, Seat};
use crate::rows::Answers;
use cases::{self, Case, Failure};

/// Where the program is in its root.
const PROGRAM: &str = "/init";
/// Its working directory.
const DIRECTORY: &str = "/tmp";
/// Arguments that a program looks at.
const ARGUMENTS_MAX: usize = 16;
/// Bytes of a thread's stack; its functions run on the engine's own.
const STACK_BYTES: usize = 64 << 10;
/// Where stacks are, one after the other, if nothing else is there: far from where a program's other memory is, so that
/// none is in a hole that it made and looks at again. The host's own subject does likewise.
const STACKS_AT: usize = 0x20_0000_0000;
const STACKS_MAX: usize = 1 << 20;
/// How far below its stack pointer a program keeps what it gives to `clone3`.
const SCRATCH_BELOW: usize = 1024;

/// What the functions of one program share that is not in its memory: none of it changes what they do.
#[derive(Default)]
struct Program {
    page: OnceLock<usize>,
    /// Tokens by what they run; an engine has room for a thousand.
    tokens: Mutex<BTreeMap<(Role, usize, usize), Token>>,
    failure: Mutex<Option<Failure>>,
    lent: Mutex<Option<Lent>>,
    /// The execve that was made last: one that works does not return.
    executing: Mutex<Option<(Call, [usize; 6])>>,
    answers: Answers,
    /// Stacks that threads were given.
    stacks: AtomicUsize,
    /// What is left of the calls that may be made.
    calls_left: AtomicUsize,
}

/// What a function is called as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Process,
    Thread,
    Handler,
}

/// A running function of a program, and the kernel under it.
struct Scripted<'a> {
    guest: RefCell<&'a mut Guest>,
    program: Arc<Program>,
}

/// What a program does.
pub type Work = Arc<dyn Fn(&dyn Sys) -> cases::Outcome + Send + Sync>;

/// Runs a case in a kernel of its own. The text says what went wrong; the answers are what its calls came to.
pub fn run(case: &'static Case, seed: u64) -> std::result::Result<Answers, String> {
    run_work(Arc::new(case.run), seed)
}

/// Runs any function as [`run`] runs a case.
pub fn run_work(work: Work, seed: u64) -> std::result::Result<Answers, String> {
    machine::within(machine::TIME_MAX, move |seat| run_here(work, seed, seat))
}

/// As [`run_work`], with one CPU, and nothing is kept of what the calls came to.
pub fn run_unnoted(work: Work, seed: u64) -> std::result::Result<(), String> {
    let config = HostedConfig { cpus: 1, ..machine::config(seed) };
    let run = move |seat: &Seat| run_on(&config, &work, seat, &Answers::default());
    machine::within(machine::TIME_MAX, run)
}

/// As [`run_work`], on this thread and without a limit of time.
pub fn run_here(work: Work, seed: u64, seat: &Seat) -> std::result::Result<Answers, String> {
    let answers = Answers::noted();
    run_on(&machine::config(seed), &work, seat, &answers).map(|()| answers)
}

/// As [`run_here`], on a machine of any kind.
pub fn run_on(config: &HostedConfig, work: &Work, seat: &Seat, answers: &Answers) -> std::result::Result<(), String> {
    let machine = seat.take(&HostedConfig { engine: Engine::Scripted, ..config.clone() })?;
    let ran = run_through(work, machine, Root::Empty, usize::MAX, answers);
    match (machine::judge(ran.outcome), ran.failure) {
        (Ok(()), None) => Ok(()),
        (_, Some(failure)) => Err(format!("{failure}\n{}", ran.output)),
        (Err(problem), None) => Err(format!("{problem}\n{}", ran.output)),
    }
}

/// A machine for a case.
pub fn config(seed: u64) -> HostedConfig {
    HostedConfig { engine: Engine::Scripted, ..machine::config(seed) }
}

/// What became of a case.
pub struct Ran {
    /// How its program and its kernel ended; a kernel that does not boot has not started the program.
    pub outcome: machine::Outcome,
    /// What the case found wrong.
    pub failure: Option<Failure>,
    /// What the kernel printed.
    pub output: String,
}

/// Runs a function in a kernel on `machine`. A process of it that makes a call after `calls_max` of them ends instead: it
/// waits for something that will not happen, and does not sleep over it.
pub fn run_through(work: &Work, machine: Machine, root: Root, calls_max: usize, answers: &Answers) -> Ran {
    let program =
        Arc::new(Program { calls_left: AtomicUsize::new(calls_max), answers: answers.clone(), ..Program::default() });
    let entry = {
        let (program, work) = (Arc::clone(&program), Arc::clone(work));
        machine.backend().scripted().register(move |guest, _| begin(&work, guest, &program))
    };
    let (stdio, output) = machine::stdio();
    let booted = Kernel::boot(
        machine,
        Boot { root, stdio, first: First::Program, devices: Devices::default(), strace: machine::strace() },
    );
    let outcome = match booted {
        Err(errno) => (Ok(Ending::NotStarted(errno)), Ok(Report { poisoned: false, lived_ns: 0 })),
        Ok(kernel) => match kernel.install(PROGRAM.as_bytes(), 0o755, &image(entry)) {
            Ok(()) => machine::run_through(kernel, &[PROGRAM], DIRECTORY),
            Err(errno) => (Ok(Ending::NotStarted(errno)), kernel.shutdown()),
        },
    };
    let failure = program.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ran { outcome, failure, output: output.output_text() }
}

/// The program's start: the case, or what a case executes.
fn begin(work: &Work, guest: &mut Guest, program: &Arc<Program>) {
    let arguments = arguments(guest);
    let subject = Scripted { guest: RefCell::new(guest), program: Arc::clone(program) };
    let words: Vec<&str> = arguments.iter().skip(1).filter_map(|word| std::str::from_utf8(word).ok()).collect();
    if let Some(status) = cases::executed(&subject, &words) {
        // Only an execve that worked leads here.
        let executing = program.executing.lock().unwrap_or_else(PoisonError::into_inner).take();
        executing.into_iter().for_each(|(call, args)| program.answers.note_last(call, args));
        return subject.end(Call::exit_group, status as usize);
    }
    if program.page.get().is_some() {
        // Executed in a way that says nothing of what to do.
        return subject.end(Call::exit_group, 2);
    }
    let (rw, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS);
    let outcome = subject.mmap(0, PAGE_LEN, rw, flags, Fd(-1), 0).map_err(Failure::from).and_then(|page| {
        let _ = program.page.set(page);
        work(&subject)
    });
    let status = usize::from(outcome.is_err());
    if let Err(failure) = outcome {
        *program.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }
    subject.end(Call::exit_group, status);
}

/// A program's arguments, from where a kernel puts them: the count, and as many pointers.
fn arguments(guest: &mut Guest) -> Vec<Vec<u8>> {
    let sp = guest.stack_pointer();
    let word = |guest: &mut Guest, at: usize| {
        let mut bytes = [0; 8];
        guest.load(at, &mut bytes);
        usize::from_ne_bytes(bytes)
    };
    let count = word(guest, sp).min(ARGUMENTS_MAX);
    let text = |index: usize| {
        let mut at = word(guest, sp + 8 + index * 8);
        let mut text = Vec::new();
        loop {
            let mut byte = [0];
            guest.load(at, &mut byte);
            if byte == [0] {
                return text;
            }
            text.push(byte[0]);
            at += 1;
        }
    };
    (0..count).map(text).collect()
}

impl Scripted<'_> {
    /// The token of a function, registered the first time.
    fn token(
        &self,
        key: (Role, usize, usize),
        function: impl Fn(&mut Guest, [usize; 3]) + Send + Sync + 'static,
    ) -> Token {
        let mut tokens = self.program.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens.entry(key).or_insert_with(|| self.guest.borrow().engine().register(function))
    }
}

impl Scripted<'_> {
    /// Counts a call, or the end of a handler: a timer that goes on for ever may be all that happens.
    fn may_go_on(&self) -> bool {
        self.program.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// The token of a child's or a thread's function.
    fn child(&self, role: Role, run: ChildFn, arg: usize) -> Token {
        let program = Arc::clone(&self.program);
        self.token((role, run as usize, arg), move |guest, _| {
            let subject = Scripted { guest: RefCell::new(guest), program: Arc::clone(&program) };
            let status = run(&subject, arg) as usize;
            subject.end(if role == Role::Thread { Call::exit } else { Call::exit_group }, status);
        })
    }

    /// Has the running function end its thread or process by returning.
    fn end(&self, call: Call, status: usize) {
        let call = if self.may_go_on() { call } else { Call::exit_group };
        let args = [status, 0, 0, 0, 0, 0];
        self.program.answers.note_last(call, args);
        self.guest.borrow_mut().end_with(call.number(Arch::X86_64).unwrap_or_default(), args);
    }
}

impl Sys for Scripted<'_> {
    fn arch(&self) -> Arch {
        Arch::X86_64
    }

    fn call(&self, number: usize, args: [usize; 6]) -> usize {
        match Call::lookup(Arch::X86_64, number) {
            Some(call @ (Call::exit | Call::exit_group)) => self.program.answers.note_last(call, args),
            Some(call @ (Call::execve | Call::execveat)) => {
                *self.program.executing.lock().unwrap_or_else(PoisonError::into_inner) = Some((call, args));
            }
            _ => {}
        }
        let number = if self.may_go_on() { number } else { Call::exit_group.number(Arch::X86_64).unwrap_or(number) };
        let answer = self.guest.borrow_mut().syscall(number, args).cast_unsigned();
        self.program.answers.note(number, args, answer);
        answer
    }

    fn poke(&self, addr: usize, bytes: &[u8]) {
        self.guest.borrow_mut().store(addr, bytes);
    }

    fn fill(&self, addr: usize, byte: u8, len: usize) {
        self.guest.borrow_mut().fill(addr, byte, len);
    }

    fn peek(&self, addr: usize, into: &mut [u8]) {
        self.guest.borrow_mut().load(addr, into);
    }

    fn page(&self) -> usize {
        self.program.page.get().copied().unwrap_or_default()
    }

    fn handler(&self, run: HandlerFn) -> Handler {
        let program = Arc::clone(&self.program);
        let token = self.token((Role::Handler, run as usize, 0), move |guest, [signal, info, context]| {
            let subject = Scripted { guest: RefCell::new(guest), program: Arc::clone(&program) };
            run(&subject, signal, info, context);
            if !subject.may_go_on() {
                let _ = subject.exit_group(2);
            }
            program.answers.note_last(Call::rt_sigreturn, [0; 6]);
        });
        // The engine makes the call that a restorer is for.
        Handler { entry: token.address().as_usize(), restorer: token.address().as_usize() }
    }

    fn lend(&self, what: Lent) {
        *self.program.lent.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    fn lent(&self) -> Option<Lent> {
        self.program.lent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn clone_with(&self, args: &CloneArgs, run: ChildFn, arg: usize) -> Result {
        let mut args = *args;
        let flags = CloneFlags::from_bits_retain(args.flags);
        if flags.contains(CloneFlags::CLONE_VM) && args.stack == 0 {
            let (rw, flags) =
                (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS);
            let hint = STACKS_AT + self.program.stacks.fetch_add(1, Ordering::Relaxed) % STACKS_MAX * STACK_BYTES;
            args.stack = self.mmap(hint, STACK_BYTES, rw, flags, Fd(-1), 0)? as u64;
            args.stack_size = STACK_BYTES as u64;
        }
        let is_thread = flags.contains(CloneFlags::CLONE_THREAD);
        let token = self.child(if is_thread { Role::Thread } else { Role::Process }, run, arg);
        let mut guest = self.guest.borrow_mut();
        let at = guest.stack_pointer().wrapping_sub(SCRATCH_BELOW) & !15;
        guest.store(at, args.as_bytes());
        let number = Call::clone3.number(Arch::X86_64).ok_or(Errno::ENOSYS)?;
        let regs = [at, size_of::<CloneArgs>(), 0, 0, 0, 0];
        let answer = guest.syscall_with_child(number, regs, token).cast_unsigned();
        self.program.answers.note(number, regs, answer);
        errno::from_return(answer)
    }

    fn child_of(&self, call: Call, args: &[usize], run: ChildFn, arg: usize) -> Result {
        let token = self.child(Role::Process, run, arg);
        let number = call.number(Arch::X86_64).ok_or(Errno::ENOSYS)?;
        let mut regs = [0; 6];
        regs[..args.len()].copy_from_slice(args);
        let answer = self.guest.borrow_mut().syscall_with_child(number, regs, token).cast_unsigned();
        self.program.answers.note(number, regs, answer);
        errno::from_return(answer)
    }
}

//! Guests that want out. Each attempt is a program that makes a directory, kills a process or writes to a descriptor by
//! a way of its own. On the host it works, or the attempt shows nothing; under Orrery the witness sees nothing of it.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};

use crate::scratch::Scratch;

use super::code::{Code, Reg};
use super::{orrery, place, run, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("escape_by_an_instruction_makes_nothing_on_the_host", by_instruction),
        trial("escape_by_the_stubs_own_code_makes_nothing_on_the_host", by_the_stub),
        trial("escape_by_odd_registers_makes_nothing_on_the_host", by_registers),
        trial("escape_by_signals_and_descriptors_reaches_nobody", by_signal_and_descriptor),
        trial("the_hosts_vsyscall_page_is_not_there", vsyscall),
        trial("privileged_instructions_end_as_on_the_host", privileged),
    ]
}

/// Where things are in these programs: all below 4 GiB, for code of 32 bits.
const BASE: usize = 0x40_0000;
const ENTRY: usize = BASE + 0x100;
const PATH: usize = BASE + 0x4000;
const COMMANDS: usize = BASE + 0x5000;
const FRAME: usize = BASE + 0x6000;
const NARROW: usize = BASE + 0x7000;
const STUB_COPY: usize = BASE + 0x8000;
const STACK: usize = BASE + 0xf000;

/// The pages that every stub keeps for itself, and the code there: makes the calls that `rbx..r12` points at.
const STUB_PAGE: usize = 0x7fff_ffff_d000;
const STUB_CODE: &[u8] = &[
    0x4c, 0x39, 0xe3, 0x73, 0x2b, 0x48, 0x8b, 0x03, 0x48, 0x8b, 0x7b, 0x08, 0x48, 0x8b, 0x73, 0x10, 0x48, 0x8b, 0x53,
    0x18, 0x4c, 0x8b, 0x53, 0x20, 0x4c, 0x8b, 0x43, 0x28, 0x4c, 0x8b, 0x4b, 0x30, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0,
    0xff, 0xff, 0x73, 0x06, 0x48, 0x83, 0xc3, 0x40, 0xeb, 0xd0, 0xcc,
];

const MODE: usize = 0o755;
const MKDIR: usize = 83;
const MKDIR_32: usize = 39;
const MMAP: usize = 9;
const MPROTECT: usize = 10;
const MUNMAP: usize = 11;
const SIGRETURN: usize = 15;
const ARCH_PRCTL: usize = 158;
const WRITABLE_CODE: usize = 7;
const PRIVATE_ANONYMOUS_FIXED: usize = 0x32;

/// A program of this code that knows the witness's path.
pub(crate) fn image(code: &Code, witness: &Path) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0");
    file.extend([ENTRY as u64, 64, 0].iter().flat_map(|word| word.to_le_bytes()));
    file.extend([0_u32.to_le_bytes(), [64, 0, 56, 0], [1, 0, 0, 0], [0; 4]].concat());
    file.extend([1_u32.to_le_bytes(), 7_u32.to_le_bytes()].concat());
    file.extend([0, BASE as u64, 0, 0x9000, 0x1_0000, 0x1000].iter().flat_map(|word: &u64| word.to_le_bytes()));
    let mut put = |at: usize, bytes: &[u8]| {
        let at = at - BASE;
        file.resize(file.len().max(at + bytes.len()), 0);
        file[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(ENTRY, code.bytes());
    put(PATH, witness.as_os_str().as_encoded_bytes());
    let command = [MKDIR, PATH, MODE, 0, 0, 0, 0, 0];
    put(COMMANDS, &command.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>());
    put(NARROW, Code::narrow(&[(0, MKDIR_32), (3, PATH), (1, MODE)]).bytes());
    put(STUB_COPY, STUB_CODE);
    file.resize(0x9000, 0);
    file
}

/// Whether an attempt is sure to work on the host, or depends on its processor and configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Natively {
    Works,
    Perhaps,
}

/// Runs the attempt on the host, where the witness sees the directory, and under Orrery, where it does not.
fn attempt(name: &str, natively: Natively, code: &Code) -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let (program, witness) = (scratch.0.join("program"), scratch.0.join("witness"));
    place(&program, &image(code, &witness))?;
    let here = run(Command::new(&program).current_dir("/"))?;
    let seen = std::fs::remove_dir(&witness).is_ok();
    if natively == Natively::Works && !seen {
        return Err(format!("{name}: shows nothing on the host: {here:?}").into());
    }
    let there = run(orrery(&[]).arg(&program))?;
    if witness.exists() {
        return Err(format!("{name}: ESCAPED: {there:?}").into());
    }
    // What was tried is what came about: only instructions that we answer otherwise end otherwise.
    if there.status != here.status && here.status == 139 {
        return Err(format!("{name}: killed on the host, {there:?} under Orrery").into());
    }
    if there.status == 125 || !there.err.is_empty() {
        return Err(format!("{name}: Orrery itself failed: {there:?}").into());
    }
    Ok(())
}

fn mkdir() -> Code {
    Code::new().call(MKDIR, &[PATH, MODE])
}

/// `code` before the plain call.
fn then_mkdir(code: Code) -> Code {
    code.call(MKDIR, &[PATH, MODE]).exit()
}

fn registers(code: Code, values: &[(Reg, usize)]) -> Code {
    values.iter().fold(code, |code, (reg, value)| code.set(*reg, *value))
}

const WIDE: &[(Reg, usize)] = &[(Reg::Rax, MKDIR), (Reg::Rdi, PATH), (Reg::Rsi, MODE)];
const NARROW_ARGUMENTS: &[(Reg, usize)] = &[(Reg::Rax, MKDIR_32), (Reg::Rbx, PATH), (Reg::Rcx, MODE)];

fn by_instruction() -> Result<(), Failed> {
    use Natively::{Perhaps, Works};
    attempt("syscall", Works, &mkdir().exit())?;
    for prefix in [0xf2, 0xf3, 0x66, 0x2e, 0x48, 0x4f] {
        let code = registers(Code::new(), WIDE).raw(&[prefix, 0x0f, 0x05]).exit();
        attempt(&format!("syscall behind {prefix:#x}"), Perhaps, &code)?;
    }
    let narrow = || registers(Code::new().set(Reg::Rsp, STACK).set(Reg::Rbp, STACK - 64), NARROW_ARGUMENTS);
    attempt("int 0x80", Perhaps, &narrow().raw(&[0xcd, 0x80]).exit())?;
    attempt("sysenter", Perhaps, &narrow().raw(&[0x0f, 0x34]).exit())?;
    // push 0x23; push the code of 32 bits; a far return
    let far = Code::new().set(Reg::Rsp, STACK).set(Reg::Rax, NARROW).raw(&[0x6a, 0x23, 0x50, 0x48, 0xcb]);
    attempt("int 0x80 in 32-bit mode", Perhaps, &far)?;
    let x32 = Code::new().call(0x4000_0000 | MKDIR, &[PATH, MODE]).exit();
    attempt("a call of x32", Perhaps, &x32)?;
    // The instruction itself on two pages, neither of them there before.
    let page = 0x7000_0000;
    let straddling = Code::new()
        .call(MMAP, &[page, 0x2000, WRITABLE_CODE, PRIVATE_ANONYMOUS_FIXED, usize::MAX, 0])
        .set(Reg::Rbx, page + 0xfff)
        .raw(&[0x66, 0xc7, 0x03, 0x0f, 0x05]) // mov word [rbx], syscall
        .raw(&[0xc6, 0x43, 0x02, 0xcc]); // mov byte [rbx + 2], int3
    attempt("syscall on two pages", Works, &registers(straddling, WIDE).raw(&[0xff, 0xe3]))?;
    // The last two bytes that a program may have.
    for end in [0x7fff_ffff_f000, 0x7fff_ffff_0000] {
        let edge = Code::new()
            .call(MMAP, &[end - 0x1000, 0x1000, WRITABLE_CODE, PRIVATE_ANONYMOUS_FIXED, usize::MAX, 0])
            .set(Reg::Rbx, end - 2)
            .raw(&[0x48, 0x85, 0xc0, 0x78, 0x05]) // test rax, rax; js over the store
            .raw(&[0x66, 0xc7, 0x03, 0x0f, 0x05]); // mov word [rbx], syscall
        attempt(&format!("syscall below {end:#x}"), Works, &registers(edge, WIDE).raw(&[0xff, 0xe3]))?;
    }
    Ok(())
}

/// Puts the stub's code where a stub has it, if that can be done, and goes there at `offset`.
fn jump_to_the_stub(offset: usize) -> Code {
    let code = Code::new()
        .call(MMAP, &[STUB_PAGE, 0x1000, WRITABLE_CODE, PRIVATE_ANONYMOUS_FIXED, usize::MAX, 0])
        .raw(&[0x48, 0x85, 0xc0, 0x78, 32]) // test rax, rax; js over the copy
        .set(Reg::Rdi, STUB_PAGE)
        .set(Reg::Rsi, STUB_COPY)
        .set(Reg::Rcx, STUB_CODE.len())
        .raw(&[0xf3, 0xa4]); // rep movsb
    registers(code, WIDE)
        .set(Reg::Rbx, COMMANDS)
        .set(Reg::R12, COMMANDS + 64)
        .set(Reg::Rdx, STUB_PAGE + offset)
        .raw(&[0xff, 0xe2]) // jmp rdx
}

fn by_the_stub() -> Result<(), Failed> {
    use Natively::{Perhaps, Works};
    attempt("the stub's code", Works, &jump_to_the_stub(0))?;
    attempt("the stub's syscall", Works, &jump_to_the_stub(32))?;
    for offset in [3, 5, 8, 28, 34, 47, 48] {
        attempt(&format!("the stub's code at {offset}"), Perhaps, &jump_to_the_stub(offset))?;
    }
    let all = 0x1_0000_0000_usize;
    for (name, call, start, end) in [
        ("munmap the stub", MUNMAP, STUB_PAGE, STUB_PAGE + 0x2000),
        ("munmap everything", MUNMAP, all, 0x7fff_ffff_f000),
        ("munmap what guests have", MUNMAP, all, 0x7fff_ffff_0000),
        ("protect the stub", MPROTECT, STUB_PAGE, STUB_PAGE + 0x2000),
        ("map over the stub", MMAP, STUB_PAGE - 0xd000, STUB_PAGE + 0x2000),
        ("map over its command page", MMAP, STUB_PAGE + 0x1000, STUB_PAGE + 0x2000),
    ] {
        let arguments = [start, end - start, WRITABLE_CODE, PRIVATE_ANONYMOUS_FIXED, usize::MAX, 0];
        attempt(name, Works, &then_mkdir(Code::new().call(call, &arguments)))?;
    }
    Ok(())
}

/// rt_sigreturn to these registers.
fn sigreturn(rip: usize, segments: u64, flags: u64) -> Code {
    let mut words = [0_u64; 40];
    (words[5 + 8], words[5 + 9], words[5 + 11]) = (PATH as u64, MODE as u64, PATH as u64);
    (words[5 + 13], words[5 + 14]) = (MKDIR as u64, MODE as u64);
    (words[5 + 15], words[5 + 16], words[5 + 17], words[5 + 18]) = (STACK as u64, rip as u64, flags, segments);
    let stores = words.iter().enumerate().fold(Code::new(), |code, (at, word)| {
        code.set(Reg::Rax, *word as usize).set(Reg::Rbx, FRAME + at * 8).raw(&[0x48, 0x89, 0x03])
    });
    stores.set(Reg::Rsp, FRAME).call(SIGRETURN, &[])
}

fn by_registers() -> Result<(), Failed> {
    use Natively::{Perhaps, Works};
    for segment in [0_u8, 3, 0x23, 0x2b, 0x33, 0x63, 0x7b, 0xff] {
        // mov ax, selector; mov ds, es, fs, gs: any of them may be refused
        for register in [0xd8, 0xc0, 0xe0, 0xe8] {
            let code = Code::new().raw(&[0x66, 0xb8, segment, 0, 0x8e, register]);
            attempt(&format!("a segment register of {segment:#x}"), Perhaps, &then_mkdir(code))?;
        }
        if segment > 3 {
            break;
        }
    }
    for base in [STUB_PAGE, 0x7fff_ffff_f000, 0x8000_0000_0000, usize::MAX] {
        for code in [0x1001, 0x1002] {
            let code = Code::new().call(ARCH_PRCTL, &[code, base]);
            attempt(&format!("a segment base of {base:#x}"), Works, &then_mkdir(code))?;
        }
    }
    // pushf; or dword [rsp], flags; popf
    for flags in [0x100_u32, 0x4000, 0x4_0000, 0x20_0000, 0x4_4d00] {
        let code =
            Code::new().set(Reg::Rsp, STACK).raw(&[0x9c, 0x81, 0x0c, 0x24]).raw(&flags.to_le_bytes()).raw(&[0x9d]);
        attempt(&format!("flags {flags:#x}"), Perhaps, &then_mkdir(code))?;
    }
    let step =
        registers(Code::new().set(Reg::Rsp, STACK), WIDE).raw(&[0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x0f, 0x05]);
    attempt("a single step over syscall", Perhaps, &step)?;
    let end = ENTRY + sigreturn(0, 0, 0).bytes().len();
    // Segments: cs, gs, fs, ss from the lowest half on.
    let wide = 0x2b_0000_0000_0033;
    attempt("sigreturn to syscall", Works, &sigreturn(end, wide, 0x202).raw(&[0x0f, 0x05]).exit())?;
    for (name, rip, segments, flags) in [
        ("sigreturn to 32-bit mode", NARROW, 0x2b_0000_0000_0023, 0x202),
        ("sigreturn with all flags", end, wide, u64::MAX),
        ("sigreturn without a stack segment", end, 0x33, 0x202),
        ("sigreturn to segments of nobody", end, 0xffff_ffff_ffff_ffff, 0x202),
        ("sigreturn to the kernel's segments", end, 0x18_0000_0000_0010, 0x202),
        ("sigreturn into the stub", STUB_PAGE + 32, wide, 0x202),
        ("sigreturn to the kernel's half", 0xffff_ffff_8100_0000, wide, 0x202),
        ("sigreturn to no address", 0x8000_0000_0000, wide, 0x202),
    ] {
        attempt(name, Perhaps, &sigreturn(rip, segments, flags).raw(&[0x0f, 0x05]).exit())?;
    }
    Ok(())
}

fn by_signal_and_descriptor() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let program = scratch.0.join("program");
    let path = program.to_str().ok_or("a plain name")?;
    let victim = || Command::new("sleep").arg("100").stdin(Stdio::null()).spawn();
    for is_inside in [false, true] {
        // kill(2) of a process, of its group, of everybody in a group that is not ours.
        let mut witness = victim()?;
        let pid = witness.id() as usize;
        place(&program, &image(&Code::new().call(62, &[pid, 9]).call(200, &[pid, 9]).exit(), &scratch.0))?;
        let mut command = if is_inside { orrery(&[]) } else { Command::new(&program) };
        run(if is_inside { command.arg(&program) } else { &mut command })?;
        let killed = if is_inside { witness.try_wait()?.is_some() } else { witness.wait()?.signal() == Some(9) };
        // Ends it, if it lives.
        let _ = witness.kill();
        witness.wait()?;
        assert_eq!(killed, !is_inside, "a process of the host is killed");
    }
    // Descriptors 3 to 9: on the host one of them is a pipe of ours, which the program inherits as its standard error.
    let writes = (2..10).fold(Code::new(), |code, fd| code.call(1, &[fd, PATH, 3])).exit();
    place(&program, &image(&writes, &scratch.0))?;
    for is_inside in [false, true] {
        let (mut reader, writer) = std::io::pipe()?;
        // As a shell does `8>&2`: a descriptor beyond the three that Orrery passes on.
        let shell = if is_inside {
            format!("exec {} {path} 8>&2 2>/dev/null", env!("CARGO_BIN_EXE_orrery"))
        } else {
            format!("exec {path} 8>&2 2>/dev/null")
        };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &shell]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer);
        let mut child = command.spawn()?;
        drop(command);
        child.wait()?;
        let mut seen = Vec::new();
        reader.read_to_end(&mut seen)?;
        assert_eq!(seen.is_empty(), is_inside, "bytes come out of a descriptor: {seen:?}");
    }
    Ok(())
}

fn vsyscall() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let program = scratch.0.join("program");
    for entry in [0, 0x400, 0x800] {
        let code = Code::new().set(Reg::Rsp, STACK).set(Reg::Rdi, 0).set(Reg::Rsi, 0);
        let code = code.set(Reg::Rax, 0xffff_ffff_ff60_0000 + entry).raw(&[0xff, 0xd0]).exit();
        place(&program, &image(&code, &scratch.0))?;
        let here = run(&mut Command::new(&program))?.status;
        // A host may have been told to have none.
        assert!([7, 139].contains(&here), "{here}");
        assert_eq!(run(orrery(&[]).arg(&program))?.status, 139);
    }
    Ok(())
}

fn privileged() -> Result<(), Failed> {
    const INSTRUCTIONS: &[&[u8]] = &[
        &[0xf4],                   // hlt
        &[0xfa],                   // cli
        &[0xfb],                   // sti
        &[0xe4, 0x80],             // in al, 0x80
        &[0xe6, 0x80],             // out 0x80, al
        &[0xec],                   // in al, dx
        &[0x6c],                   // insb
        &[0x6e],                   // outsb
        &[0x0f, 0x30],             // wrmsr
        &[0x0f, 0x32],             // rdmsr
        &[0x0f, 0x33],             // rdpmc
        &[0x0f, 0x20, 0xc0],       // mov rax, cr0
        &[0x0f, 0x22, 0xd8],       // mov cr3, rax
        &[0x0f, 0x21, 0xc0],       // mov rax, dr0
        &[0x0f, 0x23, 0xf8],       // mov dr7, rax
        &[0x0f, 0x06],             // clts
        &[0x0f, 0x08],             // invd
        &[0x0f, 0x09],             // wbinvd
        &[0x0f, 0x01, 0x3c, 0x24], // invlpg [rsp]
        &[0x0f, 0x01, 0x14, 0x24], // lgdt [rsp]
        &[0x0f, 0x01, 0x1c, 0x24], // lidt [rsp]
        &[0x0f, 0x00, 0xd0],       // lldt ax
        &[0x0f, 0x00, 0xd8],       // ltr ax
        &[0x0f, 0x01, 0xf0],       // lmsw ax
        &[0x0f, 0x01, 0xf8],       // swapgs
        &[0x48, 0x0f, 0x07],       // sysret
        &[0x0f, 0x35],             // sysexit
        &[0x0f, 0x0b],             // ud2
        &[0xcc],                   // int3
        &[0xcd, 0x03],             // int 3
        &[0xcd, 0x00],             // int 0
        &[0xcd, 0x0e],             // int 14
        &[0xcd, 0x81],             // int 0x81
        &[0xcd, 0xff],             // int 255
        &[0xf1],                   // int1
        &[0xce],                   // into, of 32 bits only
        &[0x06],                   // push es, of 32 bits only
        &[0x48, 0xcf],             // iretq to nowhere
        &[0x48, 0xcb],             // retfq to nowhere
        &[0x8e, 0xd0],             // mov ss, ax
        &[0x8e, 0xc8],             // mov cs, ax
        &[0xf0, 0x90],             // lock nop
        &[0x0f, 0xff],             // ud0
        &[0x31, 0xc9, 0xf7, 0xf1], // div by zero
    ];
    let scratch = Scratch::new()?;
    let program = scratch.0.join("program");
    let mut different = Vec::new();
    for instruction in INSTRUCTIONS {
        let code = Code::new().set(Reg::Rsp, STACK).set(Reg::Rax, 0).set(Reg::Rdx, 0x80).raw(instruction).exit();
        place(&program, &image(&code, &scratch.0))?;
        let (here, there) = (run(&mut Command::new(&program))?.status, run(orrery(&[]).arg(&program))?.status);
        if here != there {
            different.push(format!("{instruction:x?}: {here} on the host, {there} under Orrery"));
        }
    }
    if different.is_empty() { Ok(()) } else { Err(different.join("\n").into()) }
}

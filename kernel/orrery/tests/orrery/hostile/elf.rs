//! Program files with one thing wrong: each field of each header, each length, and the interpreter's own.

use std::ops::Range;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

use kernel_abi::{Calls as _, Uid};
use libtest_mimic::{Failed, Trial};

use crate::scratch::Scratch;

use super::guest::Guest;
use super::{Probe, same_lines, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("elf_a_sound_program_runs", sound),
        trial("elf_each_field_of_a_static_program", || mutants("static")),
        trial("elf_each_field_of_a_movable_program", || mutants("movable")),
        trial("elf_each_field_of_a_program_with_an_interpreter", || mutants("interpreted")),
        trial("elf_each_field_of_an_interpreter", || mutants("interpreter")),
        trial("elf_each_length_of_a_truncated_program", || mutants("truncated")),
    ]
}

pub(crate) const PROBES: &[Probe] = &[("elf", probe)];

fn sound() -> Result<(), Failed> {
    mutants("sound")
}

fn mutants(family: &str) -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    same_lines("elf", &[family, scratch.path()])
}

/// What the program exits with when it found its data where it should be; else one more.
const FINE: u8 = 200;
/// A user without privileges.
const NOBODY: Uid = Uid(65534);
const HEADER_LEN: usize = 64;
const PROGRAM_HEADER_LEN: usize = 56;
const CODE_AT: usize = 0x400;
const CODE_PAGE: usize = 0x1000;
const DATA_LEN: usize = 0x40;
/// Uninitialized: the rest of the data's page and two more.
const MEMORY_LEN: usize = 0x2040;
const CODE_BASE: u64 = 0x40_0000;
const DATA_BASE: u64 = 0x40_2000;
const PATTERN: u32 = 0x5eed_da7a;

/// How a program is to be made.
#[derive(Clone, Copy)]
struct Plan<'a> {
    movable: bool,
    interpreter: Option<&'a str>,
    status: u8,
}

const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;
const PT_GNU_STACK: u32 = 0x6474_e551;

/// A program of two segments that looks at its data and at its zeroed memory, writes there, and exits.
fn program(plan: &Plan<'_>) -> Vec<u8> {
    let base = if plan.movable { 0 } else { CODE_BASE };
    let data = base + (DATA_BASE - CODE_BASE);
    let name = plan.interpreter.map(|name| [name.as_bytes(), &[0]].concat()).unwrap_or_default();
    let name_at = CODE_PAGE - 0x200;
    let mut headers: Vec<(u32, u32, [u64; 6])> = Vec::new();
    if !name.is_empty() {
        let len = name.len() as u64;
        headers.push((PT_INTERP, 4, [name_at as u64, base + name_at as u64, 0, len, len, 1]));
    }
    let (code_len, page) = (CODE_PAGE as u64, 0x1000);
    headers.push((PT_LOAD, 5, [0, base, 0, code_len, code_len, page]));
    headers.push((PT_LOAD, 6, [code_len, data, 0, DATA_LEN as u64, MEMORY_LEN as u64, page]));
    headers.push((PT_GNU_STACK, 6, [0, 0, 0, 0, 0, 16]));
    headers.push((PT_NOTE, 4, [CODE_AT as u64, base + CODE_AT as u64, 0, 16, 16, 4]));

    let mut file = Vec::new();
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.extend(if plan.movable { [3, 0, 62, 0] } else { [2, 0, 62, 0] });
    file.extend(1_u32.to_le_bytes());
    file.extend([base + CODE_AT as u64, HEADER_LEN as u64, 0].iter().flat_map(|word| word.to_le_bytes()));
    file.extend(0_u32.to_le_bytes());
    let halves = [HEADER_LEN as u16, PROGRAM_HEADER_LEN as u16, headers.len() as u16, 0, 0, 0];
    file.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
    for (kind, flags, words) in &headers {
        file.extend([kind.to_le_bytes(), flags.to_le_bytes()].concat());
        file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
    file.resize(CODE_AT, 0xcc);
    file.extend(code(base + CODE_AT as u64, data, plan.status));
    file.resize(name_at, 0xcc);
    file.extend(name);
    file.resize(CODE_PAGE, 0xcc);
    file.extend(PATTERN.to_le_bytes());
    file.resize(CODE_PAGE + DATA_LEN, 0x11);
    file
}

/// The instructions at `at`.
fn code(at: u64, data: u64, status: u8) -> Vec<u8> {
    let mut code: Vec<u8> = Vec::new();
    let mut ends = Vec::new();
    // Addresses count from the end of the instruction, `more` bytes behind the displacement.
    let operand = |code: &mut Vec<u8>, target: u64, more: u64| {
        let here = at + code.len() as u64 + 4 + more;
        code.extend((target.wrapping_sub(here) as u32).to_le_bytes());
    };
    let mut look = |code: &mut Vec<u8>, target: u64, value: u32| {
        code.extend([0x81, 0x3d]); // cmp dword [rip + target], value
        operand(code, target, 4);
        code.extend(value.to_le_bytes());
        code.extend([0x75, 0]); // jne to the bad end
        ends.push(code.len());
    };
    look(&mut code, data, PATTERN);
    look(&mut code, data + DATA_LEN as u64, 0);
    look(&mut code, data + MEMORY_LEN as u64 - 8, 0);
    code.extend([0xc6, 0x05]); // mov byte [rip + the last], 1
    operand(&mut code, data + MEMORY_LEN as u64 - 1, 1);
    code.extend([1, 0xbf, status, 0, 0, 0, 0xeb, 5]); // mov edi, status; jmp over the bad end
    let bad = code.len();
    code.extend([0xbf, status + 1, 0, 0, 0]); // mov edi, status + 1
    code.extend([0xb8, 231, 0, 0, 0, 0x0f, 0x05]); // mov eax, exit_group; syscall
    for end in ends {
        code[end - 1] = (bad - end) as u8;
    }
    code
}

/// A field of a header.
struct Field {
    name: String,
    place: Range<usize>,
}

const FILE_FIELDS: &[(&str, Range<usize>)] = &[
    ("e_type", 16..18),
    ("e_machine", 18..20),
    ("e_version", 20..24),
    ("e_entry", 24..32),
    ("e_phoff", 32..40),
    ("e_shoff", 40..48),
    ("e_flags", 48..52),
    ("e_ehsize", 52..54),
    ("e_phentsize", 54..56),
    ("e_phnum", 56..58),
    ("e_shentsize", 58..60),
    ("e_shnum", 60..62),
    ("e_shstrndx", 62..64),
];

const PROGRAM_FIELDS: &[(&str, Range<usize>)] = &[
    ("p_type", 0..4),
    ("p_flags", 4..8),
    ("p_offset", 8..16),
    ("p_vaddr", 16..24),
    ("p_paddr", 24..32),
    ("p_filesz", 32..40),
    ("p_memsz", 40..48),
    ("p_align", 48..56),
];

/// All fields of a file's headers.
fn fields(file: &[u8]) -> Vec<Field> {
    let identity = (0..16).map(|at| Field { name: format!("e_ident[{at}]"), place: at..at + 1 });
    let plain = FILE_FIELDS.iter().map(|(name, place)| Field { name: (*name).into(), place: place.clone() });
    let count = usize::from(file[56]);
    let programs = (0..count).flat_map(|number| {
        let start = HEADER_LEN + number * PROGRAM_HEADER_LEN;
        PROGRAM_FIELDS.iter().map(move |(name, place)| Field {
            name: format!("{name}[{number}]"),
            place: start + place.start..start + place.end,
        })
    });
    identity.chain(plain).chain(programs).collect()
}

fn read(file: &[u8], place: &Range<usize>) -> u64 {
    file[place.clone()].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn write(file: &mut [u8], place: &Range<usize>, value: u64) {
    let len = place.len();
    file[place.clone()].copy_from_slice(&value.to_le_bytes()[..len]);
}

/// What a field is set to: its neighbours, its bits flipped, and the edges that arithmetic has.
fn values(old: u64, bytes: usize) -> Vec<u64> {
    let bits = bytes as u32 * 8;
    let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let mut all =
        vec![0, 1, 2, 3, 4, 5, 6, 7, old + 1, old.wrapping_sub(1), old << 1, !old, mask, mask >> 1, (mask >> 1) + 1];
    all.extend((0..bits).step_by(if bits > 16 { 11 } else { 3 }).map(|bit| old ^ 1 << bit));
    if bits == 64 {
        all.extend([0xfff, 0x1000, 0x1001, 0x7fff_ffff_f000, 0x8000_0000_0000, u64::MAX - 0xfff, u64::MAX - 0x1000]);
        all.extend([old.wrapping_add(0x1000), old.wrapping_sub(0x1000), old + 0x800]);
    }
    all.iter_mut().for_each(|value| *value &= mask);
    all.retain(|value| *value != old);
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether the outcome is the machine's own: how low it lets programs map, what it puts into the holes of a program,
/// where it threw dice for the stack, and how much memory it has.
fn is_unfair(name: &str, value: u64) -> bool {
    let low = 0x1000..0x1_0000;
    let around_stack = 0x7f00_0000_0000..0x8000_0000_0000;
    let perhaps_too_much = 1 << 29..1 << 46;
    (name.starts_with("p_vaddr") && (low.contains(&value) || around_stack.contains(&value)))
        || (name.starts_with("p_memsz") && perhaps_too_much.contains(&value))
}

/// The guest's side: makes the files of a family, one after another, executes each and tells how it ended.
fn probe(arguments: &[String]) {
    let [family, place] = arguments else { panic!("probe elf FAMILY PLACE") };
    let guest = Guest::new();
    guest.confine();
    let interpreter = format!("{place}/interpreter");
    let plan = Plan { movable: false, interpreter: None, status: FINE };
    let movable = Plan { movable: true, ..plan };
    let interpreted = Plan { interpreter: Some(&interpreter), ..plan };
    install(&interpreter, &program(&Plan { status: FINE + 10, ..movable }));
    let subject = format!("{place}/program");
    let attempt = |what: &dyn std::fmt::Display, file: &[u8]| {
        // An interpreter is tried by a sound program that wants it.
        let path = if family == "interpreter" { &interpreter } else { &subject };
        install(path, file);
        println!("{what}: {}", execute(&guest, &subject));
    };
    let each = |file: &[u8]| {
        for field in fields(file) {
            for value in values(read(file, &field.place), field.place.len()) {
                if !is_unfair(&field.name, value) {
                    let mut mutant = file.to_vec();
                    write(&mut mutant, &field.place, value);
                    attempt(&format!("{} = {value:#x}", field.name), &mutant);
                }
            }
        }
    };
    match family.as_str() {
        "static" => each(&program(&plan)),
        "movable" => each(&program(&movable)),
        "interpreted" => each(&program(&interpreted)),
        "interpreter" => {
            install(&subject, &program(&interpreted));
            each(&program(&Plan { status: FINE + 10, ..movable }));
        }
        "truncated" => {
            for plan in [plan, interpreted] {
                let file = program(&plan);
                for len in (0..HEADER_LEN + 6 * PROGRAM_HEADER_LEN).chain((0x180..file.len()).step_by(0x35)) {
                    attempt(&format!("the first {len} bytes"), &file[..len]);
                }
            }
        }
        "sound" => {
            for (name, plan) in [("static", plan), ("movable", movable), ("interpreted", interpreted)] {
                attempt(&name, &program(&plan));
            }
        }
        _ => panic!("no such family"),
    }
}

/// Executes a program with some bytes of its headers changed, for a moment.
pub(crate) fn mutate(guest: &Guest, path: &str, edits: &[(usize, u8)]) {
    let interpreter = edits.len().is_multiple_of(2).then_some(path);
    let mut file = program(&Plan { movable: edits[0].1 & 1 == 0, interpreter, status: FINE });
    for (at, byte) in edits {
        file[*at] = *byte;
    }
    install(path, &file);
    let (sys, path) = (*guest, guest.path(kernel_abi::Sys::page(guest), path));
    let child = guest.vfork(move || {
        let _ = sys.alarm(1_u32);
        sys.execve(path, 0, 0).map_or_else(|errno| errno.number(), |_| 255)
    });
    let _ = child.map(|pid| guest.wait(pid));
}

/// Puts a program file at `path`.
pub(crate) fn install(path: &str, file: &[u8]) {
    use std::io::Write as _;
    let _ = std::fs::remove_file(path);
    let mut options = std::fs::OpenOptions::new();
    let mut open = options.write(true).create(true).truncate(true).mode(0o755).open(path).expect("a new file");
    open.write_all(file).expect("room for it");
    let _ = open.set_permissions(std::fs::Permissions::from_mode(0o755));
}

/// Executes it in a child, with no arguments and no environment; the child's status is the errno if that fails.
fn execute(guest: &Guest, path: &str) -> String {
    let (sys, path) = (*guest, guest.path(kernel_abi::Sys::page(guest), path));
    let child = guest.vfork(move || {
        // Who may map the first page is not the question here. Nobody but the superuser has anything to give up.
        let _ = sys.setresuid(NOBODY, NOBODY, NOBODY);
        match sys.execve(path, 0, 0) {
            Ok(_) => 255,
            Err(errno) => errno.number(),
        }
    });
    child.map_or_else(|errno| format!("{errno:?}"), |pid| guest.wait(pid).to_string())
}

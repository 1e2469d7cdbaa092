//! Every structure of kernel-abi against Linux's own, on both architectures.
//!
//! `linux/layouts.c` asks Linux's headers through a C compiler for each architecture; `linux/measure` keeps the answers
//! in `linux/*.layouts`. A line is a name, an offset and a size. Our side is read off `src/structs`, where `plain!` holds
//! sizes and offsets against the types themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{offset_of, size_of};
use std::path::Path;

use kernel_abi::signal::Signal;
use kernel_abi::structs::{ChildChange, Dirent64, IntoBytes as _, Siginfo};

/// Offset and size of a structure (at 0) or of a field, by name: `Iovec`, `Iovec.iov_len`.
type Layouts = BTreeMap<String, (usize, usize)>;

const MEASURED: [(&str, &str, &str); 2] = [
    ("x86_64", include_str!("linux/x86_64.layouts"), "X86"),
    ("riscv64", include_str!("linux/riscv64.layouts"), "Riscv"),
];

/// Names of fields that are no fields of Linux's.
const RESERVE: [&str; 7] = ["pad", "spare", "unused", "reserved", "padding", "f_spare", "__reserved"];

fn measured(text: &str) -> Layouts {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next()?.to_string();
        Some((name, (words.next()?.parse().ok()?, words.next()?.parse().ok()?)))
    };
    text.lines().map(|text| line(text).unwrap_or_else(|| panic!("`{text}` is no measurement"))).collect()
}

fn sources() -> impl Iterator<Item = (String, String)> {
    let mut files: Vec<_> = walk(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(&path).expect("a source is readable")))
}

fn walk(folder: &Path) -> Box<dyn Iterator<Item = String>> {
    let entries = folder.read_dir().expect("the sources are there").map(|entry| entry.expect("readable").path());
    Box::new(entries.flat_map(|path| {
        if path.is_dir() { walk(&path) } else { Box::new(std::iter::once(path.display().to_string())) }
    }))
}

/// What the `plain!` blocks of a source say: `Name as "linux", size {` and `offset field: type,`.
fn plain(text: &str, into: &mut Layouts) {
    /// Where each field begins, and its name.
    type Fields = Vec<(usize, String)>;
    let mut open: Option<(String, usize, Fields)> = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (&mut open, words.as_slice()) {
            (None, [name, "as", _, size, "{"]) => {
                open = Some((name.to_string(), size.parse().expect("a size"), Vec::new()));
            }
            (Some((_, _, fields)), [offset, field, ..]) if field.ends_with(':') => {
                fields.push((offset.parse().expect("an offset"), field.trim_end_matches(':').to_string()));
            }
            (Some(_), ["}"]) => {
                let (name, size, fields) = open.take().expect("just seen");
                // Nothing lies between fields: padding is a field.
                let ends = fields.iter().skip(1).map(|(offset, _)| *offset).chain([size]);
                for ((offset, field), end) in fields.iter().zip(ends) {
                    into.insert(format!("{name}.{field}"), (*offset, end - offset));
                }
                into.insert(name, (0, size));
            }
            _ => {}
        }
    }
}

/// All of ours.
fn ours() -> Layouts {
    let mut ours = Layouts::new();
    sources().for_each(|(_, text)| plain(&text, &mut ours));
    ours.insert("Dirent64".into(), (0, size_of::<Dirent64>()));
    ours.insert("Dirent64.d_ino".into(), (offset_of!(Dirent64, d_ino), 8));
    ours.insert("Dirent64.d_off".into(), (offset_of!(Dirent64, d_off), 8));
    ours.insert("Dirent64.d_reclen".into(), (offset_of!(Dirent64, d_reclen), 2));
    ours.insert("Dirent64.d_type".into(), (offset_of!(Dirent64, d_type), 1));
    ours
}

/// Whether programs of the architecture whose types end in `suffix` meet the structure `name`.
fn is_met(name: &str, suffix: &str) -> bool {
    match name.split('.').next().unwrap_or(name) {
        "FpxSwBytes" => suffix == "X86",
        structure => MEASURED.iter().all(|(_, _, other)| *other == suffix || !structure.ends_with(other)),
    }
}

fn is_reserve(name: &str) -> bool {
    let field = name.split('.').nth(1).unwrap_or_default();
    RESERVE.contains(&field.trim_end_matches(|last: char| last.is_ascii_digit()))
}

#[test]
fn sizes_and_offsets_are_those_of_linuxs_headers() {
    let ours = ours();
    for (arch, text, suffix) in MEASURED {
        let linux = measured(text);
        let mut wrong = Vec::new();
        for (name, layout) in ours.iter().filter(|(name, _)| is_met(name, suffix) && !is_reserve(name)) {
            match linux.get(name) {
                Some(theirs) if theirs == layout => {}
                Some(theirs) => wrong.push(format!("{name} lies at {layout:?}, Linux's at {theirs:?}")),
                None => wrong.push(format!("{name} has not been measured: a line in layouts.c, then `measure`")),
            }
        }
        assert!(wrong.is_empty(), "{arch}:\n{}", wrong.join("\n"));
        assert!(linux.keys().all(|name| name.starts_with("Siginfo.si_") || ours.contains_key(name)), "{arch}");
    }
}

#[test]
fn every_structure_with_a_layout_is_among_them() {
    let (ours, mut lacking) = (ours(), BTreeSet::new());
    for (path, text) in sources() {
        let mut is_laid_out = false;
        for line in text.lines() {
            is_laid_out |= line.trim_start().starts_with("#[repr(C");
            let Some((_, rest)) = line.split_once("pub struct ") else { continue };
            let name = rest.split(|end: char| !end.is_alphanumeric()).next().unwrap_or_default();
            // `plain!` itself has `$name` there.
            if std::mem::take(&mut is_laid_out) && !name.is_empty() && !ours.contains_key(name) {
                lacking.insert(format!("{path}: {name}"));
            }
        }
    }
    assert!(lacking.is_empty(), "no layout is known of {lacking:?}");
    assert!(ours.keys().filter(|name| !name.contains('.')).count() >= 40, "the structures are found");
}

#[test]
fn a_siginfos_union_is_filled_where_linux_reads_it() {
    let child = Siginfo::child(1, 2, ChildChange::Exited(3), 4, 5);
    let timer = Siginfo::timer(Signal::SIGALRM, 6, 7, 8);
    let ready = Siginfo::poll(Signal::SIGIO, 1, 9, 10);
    let fault = Siginfo::fault(Signal::SIGSEGV, 1, 11);
    for (arch, text, _) in MEASURED {
        let linux = measured(text);
        let read = |info: &Siginfo, field: &str| {
            let (at, size) = linux[&format!("Siginfo.{field}")];
            info.as_bytes()[at..at + size].iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte))
        };
        let of_child = ["si_pid", "si_uid", "si_status", "si_utime", "si_stime"].map(|field| read(&child, field));
        assert_eq!(of_child, [1, 2, 3, 4, 5], "{arch}");
        assert_eq!(["si_tid", "si_overrun", "si_value"].map(|field| read(&timer, field)), [6, 7, 8], "{arch}");
        assert_eq!(["si_band", "si_fd"].map(|field| read(&ready, field)), [9, 10], "{arch}");
        assert_eq!(read(&fault, "si_addr"), 11, "{arch}");
    }
}

//! The places in the kernel's source that can fail on request: what a sweep should reach.
//!
//! They are found by reading the source: calls of ostd's functions that allocate, and of the address space's that copy.
//! Functions that pass their caller on (`#[track_caller]`) and tests are no places. The reading is held against what
//! machines report: a place that was reached and is not found here means that this list of names lacks one.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use ostd::faults::{FaultKind, Place};

/// Methods of the address space that copy, by names that nothing else has.
const COPIES: [&str; 11] = [
    "read_value",
    "write_value",
    "read_versioned",
    "read_string",
    "read_some",
    "write_some",
    "read_into_frame",
    "write_from_frame",
    "fill_some",
    "load32",
    "cmpxchg32",
];
/// And by names that files have too: the receiver decides.
const SHARED_COPIES: [&str; 2] = ["read", "write"];
/// Methods that allocate.
const ALLOCATIONS: [&str; 3] = ["frame", "alloc_dirty", "alloc_run"];
/// Functions that do.
const MAKERS: [&str; 2] = ["VmSpace::new(", "Task::spawn("];

/// Files of tests, and those that see memory behind a trait, which tells no callers.
const UNTOLD: [&str; 3] = ["tests.rs", "vfs/file.rs", "vfs/transfer.rs"];

/// Where that trait is implemented, by the address space: `self` is one there.
const IMPLEMENTER: &str = "vfs/user_io.rs";

/// Every place in the kernel that allocates or copies.
pub fn all() -> io::Result<BTreeSet<(FaultKind, Place)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sites = BTreeSet::new();
    visit(&root, &root.join("kernel/src"), &mut sites)?;
    Ok(sites)
}

fn visit(root: &Path, folder: &Path, sites: &mut BTreeSet<(FaultKind, Place)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            visit(root, &path, sites)?;
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !UNTOLD.iter().any(|end| path.ends_with(end))
        {
            let name = path.strip_prefix(root).map_err(io::Error::other)?.to_string_lossy().into_owned();
            sites.extend(sites_of(&name, &fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

fn sites_of(file: &str, text: &str) -> Vec<(FaultKind, Place)> {
    let mut sites = Vec::new();
    let mut passed_on: Option<String> = None;
    let mut before = "";
    for (line, number) in text.lines().zip(1..) {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        let code = line.split("//").next().unwrap_or_default();
        let indent = &line[..line.len() - line.trim_start().len()];
        if code.trim() == "#[track_caller]" {
            passed_on = Some(format!("{indent}}}"));
        } else if passed_on.as_deref() == Some(line) {
            passed_on = None;
        } else if passed_on.is_none() {
            let found = calls(code, before.trim_end(), file.ends_with(IMPLEMENTER));
            let place =
                |at: usize| Place { file: file.into(), line: number, column: u32::try_from(at + 1).unwrap_or(0) };
            sites.extend(found.into_iter().map(|(kind, at)| (kind, place(at))));
        }
        before = line;
    }
    sites
}

/// The calls in a line of code, and where each begins.
fn calls(code: &str, before: &str, is_self_space: bool) -> Vec<(FaultKind, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices('.') {
        let method = &code[at + 1..];
        let Some(end) = method.find(|c: char| !c.is_alphanumeric() && c != '_') else { continue };
        let (name, rest) = method.split_at(end);
        if !rest.starts_with('(') && !rest.starts_with("::<") {
            continue;
        }
        let receiver = if code[..at].trim().is_empty() { before } else { &code[..at] };
        let is_space = ["space", "space()", "vm", "vm()"].iter().any(|end| receiver.ends_with(end))
            || (is_self_space && receiver.ends_with("self"));
        let is_cursor = receiver.ends_with("cursor") || (receiver.contains(".cursor(") && receiver.ends_with(')'));
        let is_memory = (ALLOCATIONS.contains(&name) && !receiver.ends_with("user"))
            || (name == "alloc" && receiver.ends_with("frames()"))
            || (name == "map" && is_cursor);
        // `ioctl` sees memory behind a trait: its copies count where that is implemented.
        if receiver.ends_with("cx") {
            continue;
        }
        if COPIES.contains(&name) || (SHARED_COPIES.contains(&name) && is_space) {
            found.push((FaultKind::Copy, at + 1));
        } else if is_memory {
            found.push((FaultKind::Memory, at + 1));
        }
    }
    for maker in MAKERS {
        found.extend(code.match_indices(maker).map(|(at, _)| (FaultKind::Memory, at)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{FaultKind, sites_of};

    #[test]
    fn calls_are_found_where_a_caller_is_told() {
        let text = "fn a() {\n    cx.space().write_value(at, &1)?;\n    file.read(into);\n    space.read(at, into)\n}\n\
                    #[track_caller]\nfn b() {\n    self.space.write(at, from)\n}\nfn c() {\n    Task::spawn(m)\n}\n\
                    #[cfg(test)]\nfn d() {\n    m.frame();\n}\n";
        let found: Vec<_> = sites_of("k.rs", text).into_iter().map(|(kind, at)| (kind, at.line, at.column)).collect();
        assert_eq!(found, [(FaultKind::Copy, 2, 16), (FaultKind::Copy, 4, 11), (FaultKind::Memory, 11, 5)]);
    }
}

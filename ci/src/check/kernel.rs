//! The kernel's own rules: safe, one source for every machine, never unwrapping, named `Kernel` by few.

use super::Violation;
use crate::source::{Source, past_closing, words};
use crate::tree::Tree;

/// The root of the program around the kernel.
const MAIN: &str = "kernel/orrery/src/main.rs";

/// The kernel, and the root of the program around it.
fn kernel_files(tree: &Tree) -> impl Iterator<Item = &Source> {
    tree.rust.iter().filter(|file| file.path.starts_with("kernel/src/") || file.path == MAIN)
}

/// Both crate roots forbid unsafe code, and no `cfg` but `cfg(test)` stands outside `main.rs`.
pub(crate) fn is_safe_and_unconditional(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in kernel_files(tree) {
        let is_main = file.path == MAIN;
        if (is_main || file.path == "kernel/src/lib.rs") && !file.code.contains("#![forbid(unsafe_code)]") {
            found.push(Violation::on(&file.path, 1, "the crate root does not say #![forbid(unsafe_code)]"));
        }
        for (at, predicate) in conditions(file) {
            if !is_main && !matches!(predicate.as_str(), "test" | "not(test)") {
                found.push(Violation::at(
                    file,
                    at,
                    format!("cfg({predicate}): the kernel is one source for every machine"),
                ));
            }
        }
    }
    found
}

/// Every `cfg(…)`, `cfg!(…)` and `cfg_attr(…, …)` of a file: its place and its predicate without blanks.
pub(crate) fn conditions(file: &Source) -> Vec<(usize, String)> {
    let words = words(&file.code);
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if word.text != "cfg" && word.text != "cfg_attr" {
            continue;
        }
        let is_macro = words.get(index + 1).is_some_and(|next| next.text == "!");
        let Some(open) = words.get(index + 1 + usize::from(is_macro)).filter(|next| next.text == "(") else { continue };
        // The text, not the code: `feature = "hosted"` is told apart by its literal.
        let inside = &file.text[open.at + 1..past_closing(&file.code, open.at) - 1];
        let predicate = if word.text == "cfg_attr" { first_argument(inside) } else { inside };
        found.push((word.at, predicate.split_whitespace().collect()));
    }
    found
}

fn first_argument(arguments: &str) -> &str {
    let mut depth = 0;
    for (at, byte) in arguments.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b',' if depth == 0 => return &arguments[..at],
            _ => {}
        }
    }
    arguments
}

/// No `.unwrap()` in what is shipped: `expect` says why it cannot fail.
pub(crate) fn never_unwraps(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in kernel_files(tree) {
        for pair in words(&file.shipped).windows(2) {
            if pair[0].text == "." && pair[1].text == "unwrap" {
                found.push(Violation::at(file, pair[1].at, "unwrap in the kernel: user code never makes us panic"));
            }
        }
    }
    found
}

/// Files that may say `Kernel`: the root that owns everything, and what hands its rooms out.
const NAMERS: &[&str] = &["kernel/src/lib.rs", MAIN, "kernel/src/kernel.rs", "kernel/src/syscall.rs"];

/// Rooms get their root type by argument, never by way of `Kernel`.
pub(crate) fn is_named_by_few(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in kernel_files(tree) {
        let may = NAMERS.contains(&file.path.as_str())
            || file.path.starts_with("kernel/src/syscall/")
            || file.path.starts_with("kernel/src/kernel/");
        if let Some(word) = words(&file.shipped).into_iter().find(|word| !may && word.text == "Kernel") {
            found.push(Violation::at(file, word.at, "only `syscall` and `kernel.rs` name `Kernel`"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{is_named_by_few, is_safe_and_unconditional, never_unwraps};
    use crate::check::tests::broken;

    #[test]
    fn a_root_that_allows_unsafe_is_found() {
        assert_eq!(broken(is_safe_and_unconditional, "kernel/src/lib.rs", "#![no_std]"), [1]);
        assert_eq!(broken(is_safe_and_unconditional, "kernel/src/lib.rs", "#![no_std]\n#![forbid(unsafe_code)]"), []);
    }

    #[test]
    fn a_condition_other_than_test_is_found() {
        let rule = is_safe_and_unconditional;
        assert_eq!(
            broken(rule, "kernel/src/mm.rs", "#[cfg(test)]\nmod tests {}\n#[cfg(target_os = \"none\")]\nfn f() {}"),
            [3]
        );
        assert_eq!(broken(rule, "kernel/src/mm.rs", "fn f() -> bool { cfg!(debug_assertions) }"), [1]);
        assert_eq!(broken(rule, "kernel/src/mm.rs", "#[cfg_attr(not(test), expect(dead_code))]\nfn f() {}"), []);
        assert_eq!(broken(rule, "kernel/src/mm.rs", "#[cfg_attr(feature = \"x\", test)]\nfn f() {}"), [1]);
    }

    #[test]
    fn an_unwrap_is_found_but_not_in_tests() {
        let text = "fn f() { a.unwrap_or(1); }\nfn g() { a\n    .unwrap(); }\n#[cfg(test)]\nmod tests { fn h() { a.unwrap(); } }";
        assert_eq!(broken(never_unwraps, "kernel/src/mm.rs", text), [3]);
    }

    #[test]
    fn naming_the_kernel_from_a_room_is_found() {
        assert_eq!(broken(is_named_by_few, "kernel/src/vfs/mod.rs", "\nuse crate::kernel::Kernel;"), [2]);
        assert_eq!(broken(is_named_by_few, "kernel/src/syscall/file.rs", "use crate::Kernel;"), []);
        assert_eq!(broken(is_named_by_few, "kernel/src/vfs.rs", "struct KernelPipe; // Kernel"), []);
    }
}

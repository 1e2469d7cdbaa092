//! Unsafe code: in the trusted crates, in files that say so at the top.

use super::Violation;
use crate::source::{Source, words};
use crate::tree::Tree;

/// Folders that may hold unsafe code.
pub(crate) const TRUSTED: &[&str] = &["ostd/", "ostd-hosted/", "ostd-baremetal/"];

/// The word `unsafe` stands only in trusted folders, and only under an `#![expect(unsafe_code, reason = …)]`.
pub(crate) fn only_in_the_trusted_crates(tree: &Tree) -> Vec<Violation> {
    tree.rust.iter().filter_map(broken_by).collect()
}

fn broken_by(file: &Source) -> Option<Violation> {
    let word = words(&file.code).into_iter().find(|word| word.text == "unsafe")?;
    if !TRUSTED.iter().any(|folder| file.path.starts_with(folder)) {
        return Some(Violation::at(file, word.at, "unsafe code outside ostd and the backends"));
    }
    let expected = file
        .text
        .lines()
        .map(str::trim_start)
        .take_while(|line| line.is_empty() || line.starts_with("//") || line.starts_with("#!"))
        .any(|line| line.starts_with("#![expect(unsafe_code") && line.contains("reason"));
    let what = "unsafe code in a file that does not begin with #![expect(unsafe_code, reason = …)]";
    (!expected).then(|| Violation::at(file, word.at, what))
}

#[cfg(test)]
mod tests {
    use super::only_in_the_trusted_crates as rule;
    use crate::check::tests::broken;

    #[test]
    fn unsafe_above_the_line_is_found() {
        assert_eq!(broken(rule, "kernel/src/mm.rs", "fn f() {\n    unsafe { g() }\n}"), [2]);
        assert_eq!(broken(rule, "syscall-tests/src/lib.rs", "unsafe impl Send for X {}"), [1]);
    }

    #[test]
    fn unsafe_below_the_line_must_be_announced() {
        let code = "fn f() { unsafe { g() } }";
        let announced = format!("//! Frames.\n#![expect(unsafe_code, reason = \"counts\")]\n\n{code}");
        assert_eq!(broken(rule, "ostd/src/frame.rs", code), [1]);
        assert_eq!(broken(rule, "ostd/src/frame.rs", &announced), []);
        let late = format!("use x::y;\n#![expect(unsafe_code, reason = \"counts\")]\n{code}");
        assert_eq!(broken(rule, "ostd/src/frame.rs", &late), [3]);
    }

    #[test]
    fn prose_and_lint_names_are_not_unsafe_code() {
        assert_eq!(
            broken(rule, "kernel/src/lib.rs", "#![forbid(unsafe_code)] // unsafe\nconst A: &str = \"unsafe\";"),
            []
        );
    }
}

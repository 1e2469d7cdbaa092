//! House rules that are not about code's meaning: no ignored tests, files a reader can hold, a known top level, and
//! nothing that ties the tree to one machine.

use super::Violation;
use crate::source::words;
use crate::tree::Tree;

/// A test that cannot run says so itself, with what to install; an attribute would hide it from everybody.
pub(crate) fn no_test_is_ignored(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in &tree.rust {
        for triple in words(&file.code).windows(3) {
            if [triple[0].text, triple[1].text, triple[2].text] == ["#", "[", "ignore"] {
                found.push(Violation::at(file, triple[0].at, "#[ignore] hides a test"));
            }
        }
    }
    found
}

/// Lines past which a file is refused.
const LINES_MAX: usize = 800;
/// Lines past which a file is named.
const LINES_LONG: usize = 500;

/// No Rust file is longer than a sitting.
pub(crate) fn files_fit_a_reader(tree: &Tree) -> Vec<Violation> {
    longer_than(tree, LINES_MAX).map(|(path, lines)| Violation::on(path, lines, "too long: split it by noun")).collect()
}

/// Files on their way to being refused.
pub(crate) fn long_files(tree: &Tree) -> Vec<String> {
    longer_than(tree, LINES_LONG).map(|(path, lines)| format!("{path}: {lines} lines")).collect()
}

fn longer_than(tree: &Tree, lines_max: usize) -> impl Iterator<Item = (&str, usize)> {
    let measured = tree.rust.iter().map(|file| (file.path.as_str(), file.text.lines().count()));
    measured.filter(move |(_, lines)| *lines > lines_max)
}

/// What may lie in the workspace's folder: the crates, three pages, the licence, and what tools insist on.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "rustfmt.toml",
    "LICENSE",
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "ostd",
    "ostd-hosted",
    "ostd-baremetal",
    "kernel",
    "syscall-tests",
    "bench",
    "ci",
];

/// Another top-level entry needs a reason in ARCHITECTURE.md.
pub(crate) fn the_top_level_is_known(tree: &Tree) -> Vec<Violation> {
    let unknown = tree.top_level.iter().filter(|name| !TOP_LEVEL.contains(&name.as_str()));
    unknown.map(|name| Violation::on(name, 1, "not on the list of top-level entries")).collect()
}

/// Hosts of registries and absolute paths of one machine, in two parts each so that this file does not name them.
const FOREIGN: &[(&str, &str)] = &[
    ("crates", ".io"),
    ("pypi", ".org"),
    ("npmjs", ".com"),
    ("npmjs", ".org"),
    ("deb.debian", ".org"),
    ("security.debian", ".org"),
    ("proxy.golang", ".org"),
    ("static.rust-lang", ".org"),
    ("/work", "/"),
];

/// The tree builds anywhere: it names packages, never where they come from or where it was written.
pub(crate) fn nothing_names_a_registry_or_a_machine(tree: &Tree) -> Vec<Violation> {
    let sources = tree.rust.iter().map(|file| (&file.path, &file.text));
    let others = tree.text.iter().map(|(path, text)| (path, text));
    let mut found = Vec::new();
    // The lock file is cargo's, and cargo writes its registry's name.
    for (path, text) in sources.chain(others).filter(|(path, _)| !path.ends_with("Cargo.lock")) {
        for (index, line) in text.lines().enumerate() {
            for needle in FOREIGN.iter().map(|(left, right)| [*left, *right].concat()) {
                if line.contains(&needle) {
                    found.push(Violation::on(path, index + 1, format!("names `{needle}`")));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{
        files_fit_a_reader, long_files, no_test_is_ignored, nothing_names_a_registry_or_a_machine,
        the_top_level_is_known,
    };
    use crate::check::tests::broken;
    use crate::tree::Tree;

    #[test]
    fn an_ignored_test_is_found() {
        assert_eq!(broken(no_test_is_ignored, "bench/src/lib.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}"), [2]);
        assert_eq!(broken(no_test_is_ignored, "bench/src/lib.rs", "// #[ignore]\nlet ignore = 1;"), []);
    }

    #[test]
    fn a_long_file_is_named_and_a_longer_one_refused() {
        let (long, longer) = ("//\n".repeat(501), "//\n".repeat(801));
        assert_eq!(long_files(&Tree::of(&[("ci/src/a.rs", &long)])).len(), 1);
        assert_eq!(broken(files_fit_a_reader, "ci/src/a.rs", &long), []);
        assert_eq!(broken(files_fit_a_reader, "ci/src/a.rs", &longer), [801]);
    }

    #[test]
    fn a_new_top_level_entry_is_found() {
        assert_eq!(broken(the_top_level_is_known, "scripts/run.sh", "ls"), [1]);
        assert_eq!(broken(the_top_level_is_known, "README.md", "Orrery"), []);
    }

    #[test]
    fn a_registry_host_and_a_machine_path_are_found() {
        let rule = nothing_names_a_registry_or_a_machine;
        assert_eq!(broken(rule, "README.md", &["\nsee crates", ".io"].concat()), [2]);
        assert_eq!(broken(rule, ".ci/run", &["cd /work", "/main"].concat()), [1]);
        assert_eq!(broken(rule, "README.md", "see ./work or framework/x"), []);
    }
}

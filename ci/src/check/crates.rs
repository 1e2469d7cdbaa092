//! Arrows between crates, from the manifests; and between cases and everything else.

use toml::{Table, Value};

use super::Violation;
use crate::source::words;
use crate::tree::Tree;

/// Each crate of ours: its folder, its name, and the crates of ours it may depend on.
pub(crate) const CRATES: &[(&str, &str, &[&str])] = &[
    ("ostd/hal", "ostd-hal", &[]),
    ("ostd-hosted", "ostd-hosted", &["ostd-hal"]),
    ("ostd-baremetal", "ostd-baremetal", &["ostd-hal"]),
    ("ostd-baremetal/guest", "ostd-guest", &["kernel-abi"]),
    ("ostd", "ostd", &["ostd-hal", "ostd-hosted", "ostd-baremetal"]),
    ("kernel/abi", "kernel-abi", &[]),
    ("kernel", "kernel", &["ostd", "kernel-abi"]),
    ("kernel/orrery", "orrery", &["kernel", "kernel-abi", "ostd"]),
    ("syscall-tests/cases", "cases", &["kernel-abi", "ostd-guest"]),
    ("syscall-tests/programs", "programs", &["kernel-abi"]),
    ("syscall-tests", "syscall-tests", &["cases", "programs", "kernel-abi", "kernel", "ostd"]),
    ("syscall-tests/fuzz", "fuzz", &["syscall-tests"]),
    ("syscall-tests/metal", "metal-tests", &["kernel", "ostd"]),
    ("bench", "bench", &["syscall-tests", "programs", "kernel-abi", "kernel", "ostd"]),
    ("ci", "xtask", &[]),
];

/// The kinds of dependency a manifest lists, at its top or under a target.
const KINDS: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// Every dependency of a crate of ours on another is an arrow of the map; a backend hangs on its feature and target.
pub(crate) fn point_one_way(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in &tree.text {
        let Some(folder) = path.strip_suffix("/Cargo.toml") else { continue };
        let Some((_, name, allowed)) = CRATES.iter().find(|(home, ..)| *home == folder) else {
            found.push(Violation::on(
                path,
                1,
                "a crate that is not on the map: ARCHITECTURE.md first, then the list in ci",
            ));
            continue;
        };
        let manifest: Table = match text.parse() {
            Ok(manifest) => manifest,
            Err(error) => {
                found.push(Violation::on(path, 1, format!("not a manifest: {}", error.message())));
                continue;
            }
        };
        for arrow in arrows(&manifest) {
            let line = line_of(text, &arrow.to);
            if !allowed.contains(&arrow.to.as_str()) {
                found.push(Violation::on(path, line, format!("`{name}` may not depend on `{}`", arrow.to)));
            } else if let Some(what) = arrow.is_unconditional_backend() {
                found.push(Violation::on(path, line, what));
            }
        }
    }
    found
}

struct Arrow {
    to: String,
    target: String,
    optional: bool,
}

impl Arrow {
    /// Features stay additive only while each backend is optional and tied to the targets it can work on.
    fn is_unconditional_backend(&self) -> Option<String> {
        let target = match self.to.as_str() {
            "ostd-hosted" => "cfg(not(target_os=\"none\"))",
            "ostd-baremetal" => "cfg(target_os=\"none\")",
            _ => return None,
        };
        (self.target != target || !self.optional)
            .then(|| format!("`{}` is optional and stands under [target.'{target}'.dependencies]", self.to))
    }
}

fn arrows(manifest: &Table) -> Vec<Arrow> {
    let mut tables = vec![(String::new(), manifest)];
    for (target, table) in manifest.get("target").and_then(Value::as_table).into_iter().flatten() {
        tables.extend(table.as_table().map(|table| (target.split_whitespace().collect(), table)));
    }
    let mut found = Vec::new();
    for (target, table) in tables {
        let lists = KINDS.iter().filter_map(|kind| table.get(*kind)?.as_table());
        for (name, value) in lists.flatten() {
            if CRATES.iter().any(|(_, ours, _)| ours == name) {
                let optional = value.get("optional").and_then(Value::as_bool).unwrap_or(false);
                found.push(Arrow { to: name.clone(), target: target.clone(), optional });
            }
        }
    }
    found
}

fn line_of(text: &str, name: &str) -> usize {
    let named = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '.', '=']));
    text.lines().position(named).map_or(1, |index| index + 1)
}

/// A case links into a bare guest program, so it may not drag a kernel or the standard library along.
pub(crate) fn cases_know_only_the_abi(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust.iter().filter(|file| file.path.starts_with("syscall-tests/cases/src/")) {
        for pair in words(&file.shipped).windows(2) {
            if matches!(pair[0].text, "kernel" | "ostd" | "std") && pair[1].text == "::" {
                let what = format!("a case uses `{}`: cases see kernel-abi only", pair[0].text);
                found.push(Violation::at(file, pair[0].at, what));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{cases_know_only_the_abi, point_one_way};
    use crate::check::tests::broken;

    #[test]
    fn an_arrow_that_is_not_on_the_map_is_found() {
        let rule = point_one_way;
        assert_eq!(
            broken(rule, "kernel/Cargo.toml", "[dependencies]\nostd.workspace = true\nostd-hal.workspace = true\n"),
            [3]
        );
        assert_eq!(broken(rule, "ci/Cargo.toml", "[dev-dependencies]\nkernel-abi = { workspace = true }\n"), [2]);
        assert_eq!(
            broken(rule, "kernel/abi/Cargo.toml", "[target.'cfg(unix)'.dependencies]\nostd.workspace = true\n"),
            [2]
        );
        assert_eq!(
            broken(rule, "kernel/Cargo.toml", "[dependencies]\nostd.workspace = true\nkernel-abi.workspace = true\n"),
            []
        );
    }

    #[test]
    fn a_backend_that_is_always_there_is_found() {
        let rule = point_one_way;
        let hosted = "[target.'cfg(not(target_os = \"none\"))'.dependencies]\nostd-hosted = { workspace = true, optional = true }\n";
        assert_eq!(broken(rule, "ostd/Cargo.toml", hosted), []);
        assert_eq!(
            broken(rule, "ostd/Cargo.toml", "[dependencies]\nostd-hosted = { workspace = true, optional = true }\n"),
            [2]
        );
        assert_eq!(broken(rule, "ostd/Cargo.toml", &hosted.replace(", optional = true", "")), [2]);
    }

    #[test]
    fn a_crate_that_is_not_on_the_map_is_found() {
        assert_eq!(broken(point_one_way, "helpers/Cargo.toml", "[package]\n"), [1]);
    }

    #[test]
    fn a_case_that_knows_the_kernel_is_found() {
        let rule = cases_know_only_the_abi;
        assert_eq!(
            broken(rule, "syscall-tests/cases/src/families/pipe.rs", "use kernel_abi::Errno;\nuse kernel::Kernel;"),
            [2]
        );
        assert_eq!(broken(rule, "syscall-tests/src/runner.rs", "use kernel::Kernel;"), []);
    }
}

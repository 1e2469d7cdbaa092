//! Where the source asks what machine it is built for: once in ostd, in the backends, and in the images' `main.rs`.

use super::Violation;
use super::kernel::conditions;
use crate::tree::Tree;

/// Files and folders that may ask.
const MAY_ASK: &[&str] = &[
    "ostd/src/lib.rs",
    "ostd-hosted/",
    "ostd-baremetal/",
    "kernel/orrery/src/main.rs",
    "syscall-tests/metal/src/main.rs",
    "syscall-tests/cases/src/main.rs",
];

/// `cfg(target_…)` and a backend's feature stand only where the backend is chosen.
pub(crate) fn is_chosen_in_one_place(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust.iter().filter(|file| !MAY_ASK.iter().any(|place| file.path.starts_with(place))) {
        for (at, predicate) in conditions(file) {
            let asks = predicate.contains("target_")
                || predicate.contains("feature=\"hosted\"")
                || predicate.contains("feature=\"baremetal\"");
            if asks {
                let what =
                    format!("cfg({predicate}) outside ostd's binding site, the backends and the images' main.rs");
                found.push(Violation::at(file, at, what));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::is_chosen_in_one_place as rule;
    use crate::check::tests::broken;

    #[test]
    fn asking_for_the_machine_elsewhere_is_found() {
        let asks = "\n#[cfg(all(test, target_arch = \"x86_64\"))]\nfn f() {}";
        assert_eq!(broken(rule, "ostd/src/frame.rs", asks), [2]);
        assert_eq!(broken(rule, "kernel/abi/src/lib.rs", "#[cfg(feature = \"hosted\")]\nmod a;"), [1]);
        assert_eq!(broken(rule, "ostd-hosted/src/lib.rs", asks), []);
        assert_eq!(broken(rule, "ostd/src/frame.rs", "#[cfg(loom)]\nmod model;"), []);
    }
}

//! The architecture, checked on the source: what ARCHITECTURE.md says is absent is absent.
//!
//! Each rule is a function from the tree to what breaks it, in a file with the tests that plant a violation. A rule
//! that refuses good code is changed here and in ARCHITECTURE.md in one commit.

use std::fmt;
use std::process::ExitCode;

use crate::source::Source;
use crate::tree::Tree;

mod backend;
mod crates;
mod house;
mod kernel;
mod rooms;
mod statics;
mod unsafety;

pub(crate) use kernel::conditions;

pub(crate) use crates::CRATES;

/// Something the tree must not contain.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    path: String,
    line: usize,
    what: String,
}

impl Violation {
    /// In a Rust file, at a byte offset.
    fn at(file: &Source, at: usize, what: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line: file.line_of(at), what: what.into() }
    }

    /// In a file as a whole, or on a line of it.
    fn on(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_string(), line, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A rule: everything in the tree that breaks it.
type Rule = fn(&Tree) -> Vec<Violation>;

const RULES: &[Rule] = &[
    unsafety::only_in_the_trusted_crates,
    kernel::is_safe_and_unconditional,
    kernel::never_unwraps,
    kernel::is_named_by_few,
    statics::hold_no_state,
    rooms::use_only_what_is_left_of_them,
    crates::point_one_way,
    crates::cases_know_only_the_abi,
    backend::is_chosen_in_one_place,
    house::no_test_is_ignored,
    house::files_fit_a_reader,
    house::the_top_level_is_known,
    house::nothing_names_a_registry_or_a_machine,
];

/// Everything that breaks a rule, in the order of files.
pub(crate) fn violations(tree: &Tree) -> Vec<Violation> {
    let mut found: Vec<_> = RULES.iter().flat_map(|rule| rule(tree)).collect();
    found.sort();
    found.dedup();
    found
}

/// Prints what is wrong and what is on its way there.
pub(crate) fn report(tree: &Tree) -> ExitCode {
    for warning in house::long_files(tree) {
        println!("long: {warning}");
    }
    let found = violations(tree);
    for violation in &found {
        println!("{violation}");
    }
    println!("architecture: {} rules, {} files, {} violations", RULES.len(), tree.rust.len(), found.len());
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::{Rule, Violation, violations};
    use crate::tree::Tree;

    /// What `rule` says of a tree of one file, as `line: text`.
    pub(super) fn broken(rule: Rule, path: &str, text: &str) -> Vec<usize> {
        rule(&Tree::of(&[(path, text)])).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn this_tree_keeps_its_architecture() {
        let tree = Tree::of_this_workspace().expect("the workspace can be read");
        assert!(tree.rust.len() > 10, "the walk found the crates");
        let found: Vec<String> = violations(&tree).iter().map(Violation::to_string).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

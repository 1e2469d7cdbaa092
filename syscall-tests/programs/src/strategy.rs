//! Programs for proptest: at random by its seed, and made smaller step by step, argument by argument.

use proptest::prelude::Rng as _;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::family::Family;
use crate::model::Program;
use crate::shrink::Shrinking;

/// Programs of a family with so many steps.
pub fn strategy(family: Family, calls: usize) -> impl Strategy<Value = Program> {
    Programs { family, calls }
}

#[derive(Clone, Copy, Debug)]
struct Programs {
    family: Family,
    calls: usize,
}

impl Strategy for Programs {
    type Tree = Tree;
    type Value = Program;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = runner.rng().next_u64();
        Ok(Tree(Shrinking::new(Program::random(self.family, self.calls, seed))))
    }
}

/// A program, and what is smaller.
#[derive(Clone, Debug)]
struct Tree(Shrinking);

impl ValueTree for Tree {
    type Value = Program;

    fn current(&self) -> Program {
        self.0.current().clone()
    }

    fn simplify(&mut self) -> bool {
        self.0.accept()
    }

    fn complicate(&mut self) -> bool {
        self.0.reject()
    }
}

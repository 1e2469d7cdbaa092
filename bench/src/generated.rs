//! Generated programs: many in one kernel, and each in a fresh one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ostd::MachineConfig;
use ostd::hosted::HostedConfig;
use programs::{Family, Program, strategy};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use syscall_tests::generated;

use crate::Figure;

/// Calls of a program.
const CALLS: usize = 10;
/// What they are about.
const FAMILY: Family = Family::File;

pub(crate) fn figures(checks: bool) -> [Figure; 2] {
    [
        Figure {
            name: "scripted: ten-call program, many in one kernel",
            checks: Some(checks),
            count: 1000,
            measure: Box::new(move |count| in_one_kernel(checks, count)),
        },
        Figure {
            name: "scripted: ten-call program, proptest, fresh kernel",
            checks: Some(checks),
            count: 300,
            measure: Box::new(move |count| through_proptest(checks, count)),
        },
    ]
}

fn rules(checks: bool) -> MachineConfig {
    MachineConfig { checks, ..MachineConfig::default() }
}

/// Each in a process and a directory of its own, with its transcript taken.
fn in_one_kernel(checks: bool, count: u64) -> Duration {
    let programs: Vec<Program> = (0..count).map(|seed| Program::random(FAMILY, CALLS, seed)).collect();
    let programs = Arc::new(programs);
    let start = Instant::now();
    let transcripts = generated::together_on(programs, &HostedConfig::default(), rules(checks));
    let took = start.elapsed();
    assert_eq!(transcripts.expect("they end well").len() as u64, count);
    took
}

fn through_proptest(checks: bool, count: u64) -> Duration {
    let cases = u32::try_from(count).unwrap_or(u32::MAX);
    let mut runner = TestRunner::new_with_rng(
        Config { cases, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let start = Instant::now();
    let ran = runner.run(&strategy(FAMILY, CALLS), |program| {
        let ended = generated::alone_on(&program, &HostedConfig::default(), rules(checks));
        ended.map(drop).map_err(TestCaseError::fail)
    });
    ran.expect("they end well");
    start.elapsed()
}

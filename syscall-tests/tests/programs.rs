//! Generated programs on Orrery, by proptest: whatever a program does, the kernel neither panics nor hangs nor keeps
//! anything. `PROPTEST_CASES` widens the search, `ORRERY_SEED` is the first kernel's seed.

use ostd::faults::FaultPlan;
use programs::{Family, Program, strategy};
use proptest::prelude::{Strategy as _, any};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use syscall_tests::{generated, inputs, machine};

/// Programs of a family, unless `PROPTEST_CASES` says how many.
const PROGRAMS: u32 = 150;
/// Calls of a program.
const CALLS: usize = 12;

fn programs_of(family: Family) {
    // What fails is told in a line that replays it; no file has to be kept.
    let mut config = Config { failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = PROGRAMS;
    }
    let mut runner = TestRunner::new(config);
    let ran = runner.run(&strategy(family, CALLS), |program| {
        generated::alone(&program, machine::seed()).map(drop).map_err(TestCaseError::fail)
    });
    if let Err(problem) = ran {
        panic!("{problem}");
    }
}

macro_rules! families {
    ($($name:ident $family:ident;)*) => {$(
        #[test]
        fn $name() {
            programs_of(Family::$family);
        }
    )*};
}

families! {
    programs_on_files_end_well File;
    programs_on_paths_end_well Path;
    programs_of_processes_end_well Process;
    programs_of_signals_end_well Signal;
    programs_on_memory_end_well Memory;
    programs_on_time_end_well Time;
    programs_that_poll_end_well Poll;
    programs_of_all_calls_end_well All;
}

/// Programs on a machine whose memory, copies and sleeps fail, drawn with the machine's plan.
#[test]
fn programs_on_a_failing_machine_leave_the_kernel_whole() {
    let mut config = Config { failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = PROGRAMS;
    }
    let drawn = (any::<[u8; 6]>().prop_map(inputs::plan_of), strategy(Family::All, CALLS));
    let ran = TestRunner::new(config)
        .run(&drawn, |(plan, program)| generated::under(&program, &plan, machine::seed()).map_err(TestCaseError::fail));
    if let Err(problem) = ran {
        panic!("{problem}");
    }
}

#[test]
fn the_same_seed_gives_the_same_transcript() {
    for seed in 0..20 {
        let program = Program::random(Family::All, 20, seed);
        let run = || generated::alone(&program, seed).expect("it ends well").masked();
        assert_eq!(run(), run(), "{program}");
    }
}

#[test]
fn many_programs_share_a_kernel() {
    let programs: Vec<Program> = (0..200).map(|seed| Program::random(Family::File, 10, seed)).collect();
    let transcripts = generated::together(&programs, machine::seed()).expect("they end well");
    assert_eq!(transcripts.len(), programs.len());
}

#[test]
fn replay() {
    let Ok(text) = std::env::var("ORRERY_PROGRAM") else { return };
    let programs = generated::from_hex(&text).expect("ORRERY_PROGRAM is hexadecimal");
    programs.iter().for_each(|program| println!("{program}"));
    let plan = machine::faults().expect("ORRERY_FAULTS is a plan");
    if plan != FaultPlan::default() {
        for program in &programs {
            generated::under(program, &plan, machine::seed()).unwrap_or_else(|problem| panic!("{problem}"));
        }
        return;
    }
    let transcripts = generated::together(&programs, machine::seed()).unwrap_or_else(|problem| panic!("{problem}"));
    transcripts.iter().for_each(|transcript| println!("{transcript}"));
}

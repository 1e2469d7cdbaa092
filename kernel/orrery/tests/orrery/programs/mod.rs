//! Real programs, unmodified: what each prints and how it ends under Orrery is what it does on the host.
//!
//! A program that this machine lacks makes its tests show as ignored, with what to install; `ORRERY_REQUIRE_ALL=1`
//! makes that a failure.

mod languages;
mod roots;
mod shells;
mod subject;
mod tools;
mod traces;

use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::needing::needing;
use crate::scratch::Scratch;

use subject::{Ran, orrery, run, same_as_host};

pub(crate) fn trials() -> Vec<Trial> {
    let rows = [shells::ROWS, tools::ROWS, languages::ROWS].into_iter().flatten();
    let trial = |row: &'static subject::Row| {
        needing(row.1, row.2, &format!("programs::{}", row.0), move || same_as_host(row.3))
    };
    let mut trials: Vec<Trial> = rows.map(trial).collect();
    trials.push(needing("/usr/bin/gcc", "gcc libc6-dev", "programs::a_c_program", a_c_program));
    trials.push(Trial::test("programs::nothing_the_guest_writes_reaches_the_host", writes_stay_inside));
    trials.push(Trial::test("programs::a_program_that_is_not_there_is_127_and_one_that_is_no_program_126", refusals));
    trials.push(Trial::test("programs::wrong_options_are_one_line_and_125", wrong_options));
    trials.extend(roots::trials());
    trials.extend(traces::trials());
    trials
}

fn a_c_program() -> Result<(), Failed> {
    const SOURCE: &str = "#include <stdio.h>\n#include <pthread.h>\nstatic void *f(void *p) { *(int *)p = 6; return p; }\n\
        int main(int c, char **v) { pthread_t t; int n = 0; pthread_create(&t, 0, f, &n); pthread_join(t, 0);\n\
        printf(\"%s %d %.3f\\n\", v[1], n * 7, 1 / 3.0); return c; }\n";
    let scratch = Scratch::new()?;
    let (source, program) = (scratch.0.join("a.c"), scratch.0.join("a.out"));
    std::fs::write(&source, SOURCE)?;
    let built = Command::new("gcc").arg("-pthread").arg("-o").arg(&program).arg(&source).status()?;
    assert!(built.success());
    let mut guest = orrery();
    guest.arg(&program).arg("hello");
    assert_eq!(run(guest)?, Ran { status: 2, out: "hello 42 0.333\n".into(), err: String::new() });
    Ok(())
}

fn writes_stay_inside() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    std::fs::write(scratch.0.join("old"), "before")?;
    let mut guest = orrery();
    guest.args(["/bin/sh", "-c", "echo after >old; echo x >new; cat old new"]).current_dir(&scratch.0);
    assert_eq!(run(guest)?.out, "after\nx\n");
    assert_eq!(std::fs::read_to_string(scratch.0.join("old"))?, "before");
    assert!(!scratch.0.join("new").exists());
    Ok(())
}

fn refusals() -> Result<(), Failed> {
    for (program, status) in [("/no/such/program", 127), ("no-such-program", 127), ("/etc/passwd", 126)] {
        let mut guest = orrery();
        guest.arg(program);
        let ran = run(guest)?;
        assert_eq!((ran.status, ran.err.lines().count()), (status, 1), "{ran:?}");
    }
    Ok(())
}

fn wrong_options() -> Result<(), Failed> {
    for words in [&["--env", "novalue", "true"][..], &["--root", "/no/such/folder", "true"]] {
        let mut guest = orrery();
        guest.args(words);
        let ran = run(guest)?;
        assert_eq!((ran.status, ran.err.lines().count()), (125, 1), "{ran:?}");
    }
    Ok(())
}

//! Real programs, unmodified: what each prints and how it ends under Orrery is what it does on the host.
//!
//! A program that this machine lacks makes its tests show as ignored, with what to install; `ORRERY_REQUIRE_ALL=1`
//! makes that a failure.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

/// What a test runs: its name, the program it needs, the Debian package that has it, and a script for `sh`.
struct Row(&'static str, &'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    Row("dash_pipelines", "/bin/dash", "dash", "for i in 1 2 3; do echo $i; done | sort -r | wc -l"),
    Row("dash_here_documents", "/bin/dash", "dash", "cat <<END\nfirst\n  second\nEND"),
    Row(
        "dash_traps_background_jobs_and_wait",
        "/bin/dash",
        "dash",
        "trap 'echo bye' EXIT; (sleep 0.1; echo behind) & wait; echo $?; exit 3",
    ),
    Row("dash_globbing", "/bin/dash", "dash", "cd /etc; echo host* pass*"),
    Row("dash_is_killed_by_itself", "/bin/dash", "dash", "kill -9 $$"),
    Row(
        "bash_arrays_and_conditions",
        "/bin/bash",
        "bash",
        "bash -c 'a=(1 2 3); echo ${a[@]} | tr \" \" \"\\n\" | tac; [[ abc =~ b ]] && echo $((6*7))'",
    ),
    Row(
        "busybox_applets",
        "/bin/busybox",
        "busybox-static",
        "busybox sh -c 'echo one two | busybox awk \"{print \\$2}\"; busybox ls /etc | busybox head -3; busybox expr 3 + 4'",
    ),
    Row("ls_long", "/bin/ls", "coreutils", "ls -l /bin/ls /etc/passwd"),
    Row("cat_sort_wc", "/bin/cat", "coreutils", "cat /etc/passwd | sort | wc"),
    Row("sha256sum", "/usr/bin/sha256sum", "coreutils", "sha256sum /bin/ls /bin/cat"),
    Row(
        "cp_mv_ln_rm_stat_touch",
        "/bin/cp",
        "coreutils",
        "mkdir d; cd d; echo 1 >a; cp a b; mv b c; ln -s c d; ln a e; stat -c '%s %F %h' a c d; touch f; ls; cat d; cd ..; cp -r d r; rm -r d; ls r; rm -r r; ls",
    ),
    Row("date_of_the_epoch", "/bin/date", "coreutils", "date -u -d @0"),
    Row("timeout_ends_a_sleep", "/usr/bin/timeout", "coreutils", "timeout 0.2 sleep 5; echo $?"),
    Row("env", "/usr/bin/env", "coreutils", "env -i A=1 B=2 env"),
    Row(
        "dd_seq_head_tail",
        "/bin/dd",
        "coreutils",
        "dd if=/dev/zero bs=1k count=3 status=none | wc -c; seq 100 | head -3; seq 100 | tail -2",
    ),
    Row("a_closed_pipe_ends_the_writer", "/usr/bin/yes", "coreutils", "yes | head -1"),
    Row("find", "/usr/bin/find", "findutils", "find /etc/apt -name '*.list' | sort"),
    Row("xargs", "/usr/bin/xargs", "findutils", "echo a b c | xargs -n1 echo"),
    Row("grep", "/bin/grep", "grep", "grep -c root /etc/passwd; grep nobody-has-this /etc/passwd; echo $?"),
    Row("sed", "/bin/sed", "sed", "sed -n 's/root/x/p' /etc/passwd; echo abc >f; sed -i s/b/B/ f; cat f; rm f"),
    Row("awk", "/usr/bin/gawk", "gawk", "gawk -F: '{n += $3} END {print n, NR}' /etc/passwd"),
    Row(
        "diff",
        "/usr/bin/diff",
        "diffutils",
        "diff /etc/passwd /etc/group | head -5; cmp /etc/passwd /etc/passwd; echo $?",
    ),
    Row("tar", "/bin/tar", "tar", "cd /etc; tar cf - passwd group | tar tf -"),
    Row("gzip", "/bin/gzip", "gzip", "gzip -c /etc/passwd | gunzip | cmp - /etc/passwd; echo $?"),
    Row(
        "python_files",
        "/usr/bin/python3",
        "python3",
        "/usr/bin/python3 -c 'import os; open(\"f\",\"w\").write(\"x\"*9999); print(os.stat(\"f\").st_size, open(\"f\").read()[:3]); os.remove(\"f\"); print(os.path.exists(\"f\"))'",
    ),
    Row(
        "python_threads",
        "/usr/bin/python3",
        "python3",
        "/usr/bin/python3 -c 'import threading as t; r=[]; a=[t.Thread(target=r.append, args=(i,)) for i in range(8)]; [x.start() for x in a]; [x.join() for x in a]; print(sorted(r))'",
    ),
    Row(
        "sixty_four_processes",
        "/bin/dash",
        "dash",
        "i=0; while [ $i -lt 64 ]; do (sleep 0.1; echo x) & i=$((i+1)); done; wait; echo done",
    ),
    Row(
        "a_sparse_file_of_one_gibibyte",
        "/usr/bin/truncate",
        "coreutils",
        "truncate -s 1G f; stat -c %s f; tail -c 2 f | od -c; rm f",
    ),
    Row(
        "a_pipe_carries_sixty_four_mebibytes",
        "/bin/dd",
        "coreutils",
        "dd if=/dev/zero bs=64k count=1024 status=none | wc -c",
    ),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> =
        ROWS.iter().map(|row| needing(row.1, row.2, row.0, move || same_as_host(row.3))).collect();
    trials.push(needing("/usr/bin/gcc", "gcc libc6-dev", "a_c_program", a_c_program));
    trials.push(Trial::test("nothing_the_guest_writes_reaches_the_host", writes_stay_inside));
    trials.push(Trial::test("a_program_that_is_not_there_is_127_and_one_that_is_no_program_126", refusals));
    trials.push(Trial::test("wrong_options_are_one_line_and_125", wrong_options));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test that is ignored, or fails, where a program is missing.
fn needing(
    program: &'static str,
    package: &'static str,
    name: &str,
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    if Path::new(program).exists() {
        return Trial::test(name, test);
    }
    let missing = format!("{program} is missing: apt-get install {package}");
    if std::env::var_os("ORRERY_REQUIRE_ALL").is_some() {
        return Trial::test(name, move || Err(missing.into()));
    }
    Trial::test(format!("{name} ({missing})"), test).with_ignored_flag(true)
}

/// Output and how it ended, as a shell shows it.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    status: i32,
    out: String,
    err: String,
}

fn run(mut command: Command) -> Result<Ran, Failed> {
    use std::os::unix::process::ExitStatusExt as _;
    let output = command.stdin(Stdio::null()).env("LC_ALL", "C").env("TZ", "UTC").output()?;
    let status = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ran { status: status.unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) })
}

fn orrery() -> Command {
    Command::new(env!("CARGO_BIN_EXE_orrery"))
}

/// An empty directory of the test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failed> {
        // Tests run side by side: the first free number is taken by whoever makes the directory.
        for number in 0.. {
            let path = std::env::temp_dir().join(format!("orrery-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(problem) if problem.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(problem) => return Err(problem.into()),
            }
        }
        unreachable!("numbers do not end")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A test that failed may have left it half-removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn same_as_host(script: &str) -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let mut native = Command::new("/bin/sh");
    native.args(["-c", script]).current_dir(&scratch.0);
    let mut guest = orrery();
    guest.args(["/bin/sh", "-c", script]).current_dir(&scratch.0);
    let (guest, native) = (run(guest)?, run(native)?);
    if guest == native { Ok(()) } else { Err(format!("under Orrery: {guest:#?}\non the host: {native:#?}").into()) }
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

//! What `orrery` is to the shell that starts it: its descriptors, its status, its words, and what it leaves behind.
//!
//! Most tests run a script of the host's bash twice: `$run` is `orrery` the first time and nothing the second, and both
//! must print the same and end the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

use crate::needing::needing;
use crate::scratch::Scratch;

/// Scripts that print and end the same with and without Orrery.
const SAME: &[(&str, &str)] = &[
    ("a_writer_ends_with_its_reader", "$run yes | head -1; echo ${PIPESTATUS[0]}; $run seq 100000 | head -2"),
    ("pipes_pass_bytes_both_ways", "echo one two | $run tr a-z A-Z | cat; $run cat < <(echo three) | $run wc -c"),
    (
        "who_comes_after_goes_on_where_the_guest_left_its_input",
        "seq 4 >f; ($run head -1; cat) <f; ($run sh -c 'read a; echo $a'; cat) <f",
    ),
    ("input_begins_where_the_caller_was", "seq 4 >f; (read a; $run cat; echo $a) <f"),
    ("output_goes_where_the_callers_goes", "(echo a; $run echo b; echo c) >f; cat f"),
    ("output_is_appended", "echo old >f; $run sh -c 'echo new; echo err >&2; echo last' >>f 2>&1; cat f"),
    ("two_descriptors_of_one_file_take_turns", "$run sh -c 'echo 1; echo 2 >&2; echo 3' >f 2>&1; cat f"),
    ("standard_error_goes_its_own_way", "$run sh -c 'echo out; echo err >&2' 2>f | tr o O; cat f"),
    ("a_closed_input_is_closed", "$run cat <&-; echo $?; $run cat <&- 2>/dev/null; echo $?"),
    ("a_closed_output_is_closed", "$run env echo hi >&- 2>/dev/null; echo $?; $run sh -c 'echo x >&2; echo $?' 2>&-"),
    ("everything_may_be_closed", "$run sh -c 'exit 3' <&- >&- 2>&-; echo $?"),
    ("a_full_device_is_full", "$run env echo hi >/dev/full 2>/dev/null; echo $?"),
    ("the_null_device_is_empty", "$run wc -c </dev/null; $run echo nothing >/dev/null"),
    (
        "kinds_are_told_apart",
        "seq 3 >f; $run stat -L -c %F /dev/stdin <f; echo | $run stat -L -c %F /dev/stdin; $run stat -L -c %F /dev/stdin </dev/null",
    ),
    (
        "a_file_can_be_sought_and_cut",
        "seq 9 >f; $run python3 -c 'import os; os.lseek(1, 4, 0); os.write(1, b\"X\"); os.ftruncate(1, 8)' 1<>f; cat f",
    ),
    (
        "flags_of_descriptors_stay",
        "exec 3< <(sleep 0.3); grep flags /proc/self/fdinfo/3 >a; $run true <&3; grep flags /proc/self/fdinfo/3 >b; cmp a b && echo same",
    ),
    (
        "an_end_by_a_signal_is_told_as_a_shell_tells_it",
        "ulimit -c 0; for s in HUP INT QUIT ILL ABRT FPE KILL SEGV PIPE TERM USR1 SYS; do $run sh -c \"kill -$s \\$\\$\"; echo $s $?; done 2>/dev/null",
    ),
    ("an_exit_code_passes", "for c in 0 1 42 124 255; do $run sh -c \"exit $c\"; echo $?; done"),
    (
        "signals_from_outside_are_caught_by_the_program",
        "for s in TERM HUP USR1; do : >f; $run sh -c \"trap 'echo caught $s; exit 9' $s; echo ready; while :; do sleep 0.05; done\" >f & \
         until grep -q ready f; do sleep 0.05; done; kill -$s $!; wait $!; echo $?; cat f; done",
    ),
    (
        "signals_from_outside_end_the_program",
        "for s in TERM HUP USR2; do : >f; $run sh -c 'echo ready; exec sleep 1000' >f & \
         until grep -q ready f; do sleep 0.05; done; kill -$s $!; wait $!; echo $?; done 2>/dev/null",
    ),
    (
        "a_spinning_program_hears_signals",
        ": >f; $run sh -c 'echo ready; while :; do :; done' >f & until grep -q ready f; do sleep 0.05; done; kill $!; wait $!; echo $?",
    ),
    ("an_ignored_signal_stays_ignored", "(trap '' TERM; $run sh -c 'kill $$; echo alive')"),
];

/// Scripts run on several CPUs, or with a seed.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "jobs",
        "i=0; while [ $i -lt 12 ]; do (sleep 0.1; echo x) & i=$((i+1)); done; wait; seq 3000 | sort -rn | tail -1",
    ),
    ("a_spinner_beside_a_sleeper", "(while :; do :; done) & sleep 0.1; echo woken; kill $!"),
    (
        "threads",
        "python3 -c 'import threading as t; r=[]; a=[t.Thread(target=r.append, args=(i,)) for i in range(8)]; [x.start() for x in a]; [x.join() for x in a]; print(sorted(r))'",
    ),
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = SAME.iter().map(|row| trial(row.1, row.0, || same(row.1))).collect();
    for (name, script) in PROGRAMS {
        trials.push(trial(script, &format!("four_cpus_run_{name}"), || on_cpus(script)));
        trials.push(trial(script, &format!("a_seed_repeats_{name}"), || repeats(&["--seed", "7"], script)));
        trials.push(trial(script, &format!("a_seed_and_four_cpus_repeat_{name}"), || {
            repeats(&["--seed", "7", "--cpus", "4"], script)
        }));
    }
    trials.push(Trial::test("streams::a_seed_decides_random_bytes_and_times", seeds_differ));
    trials.push(Trial::test("streams::each_failure_of_orrery_is_one_line", one_line));
    trials.push(Trial::test("streams::help_goes_to_standard_output", help));
    trials.push(needing(PYTHON, "python3", "streams::a_missing_call_warns_once_and_only_who_asks", warns));
    trials.push(Trial::test("streams::strace_prints_calls_as_strace_does", strace));
    trials.push(Trial::test("streams::a_killed_orrery_leaves_nothing", killed));
    trials
}

const PYTHON: &str = "/usr/bin/python3";

/// A test of a script. Python is the one program in them that not every Debian has.
fn trial(script: &str, name: &str, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    let name = format!("streams::{name}");
    if script.contains("python3") { needing(PYTHON, "python3", &name, test) } else { Trial::test(name, test) }
}

/// The end of each run, however it goes wrong: nothing here takes a second where nothing else runs.
const PATIENCE_S: &str = "60";

fn orrery(words: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", PATIENCE_S, env!("CARGO_BIN_EXE_orrery")]).args(words);
    command.stdin(Stdio::null()).env("LC_ALL", "C");
    command
}

fn same(script: &str) -> Result<(), Failed> {
    let run = |run: &str| -> Result<(String, Option<i32>), Failed> {
        let scratch = Scratch::new()?;
        let mut bash = Command::new("timeout");
        bash.args(["-s", "KILL", PATIENCE_S, "bash", "-c", script]).current_dir(&scratch.0).env("run", run);
        let output = bash.stdin(Stdio::null()).env("LC_ALL", "C").output()?;
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((String::from_utf8_lossy(&output.stdout).into_owned() + &err, output.status.code()))
    };
    let (guest, native) = (run(env!("CARGO_BIN_EXE_orrery"))?, run("")?);
    if guest == native { Ok(()) } else { Err(format!("under Orrery: {guest:#?}\non the host: {native:#?}").into()) }
}

fn text(output: &Output) -> String {
    format!(
        "{:?}\n{}{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn on_cpus(script: &str) -> Result<(), Failed> {
    let native = Command::new("sh").args(["-c", script]).stdin(Stdio::null()).env("LC_ALL", "C").output()?;
    let guest = orrery(&["--cpus", "4", "sh", "-c", script]).output()?;
    assert_eq!(text(&guest), text(&native));
    Ok(())
}

/// The calls, in the order they were made, say more than the output.
fn repeats(options: &[&str], script: &str) -> Result<(), Failed> {
    let words =
        [options, &["--strace=clone,clone3,vfork,wait4,exit_group,getrandom,write", "sh", "-c", script]].concat();
    let (first, second) = (orrery(&words).output()?, orrery(&words).output()?);
    assert_eq!(text(&first), text(&second));
    assert_eq!(first.status.code(), Some(0));
    Ok(())
}

fn seeds_differ() -> Result<(), Failed> {
    let draw = |seed: &str| -> Result<String, Failed> {
        Ok(text(&orrery(&["--seed", seed, "sh", "-c", "head -c8 /dev/urandom | od -An -tx1; date +%s.%N"]).output()?))
    };
    assert_eq!(draw("1")?, draw("1")?);
    assert_ne!(draw("1")?, draw("2")?);
    Ok(())
}

fn one_line() -> Result<(), Failed> {
    for (words, status, says) in [
        (&[][..], 125, "no program is named"),
        (&["run"], 125, "no program is named"),
        (&["--no-such-option", "true"], 125, "'--no-such-option'"),
        (&["--engine", "scripted", "true"], 125, "--engine scripted"),
        (&["--cpus", "0", "true"], 125, "'--cpus <CPUS>'"),
        (&["--memory", "1M", "true"], 125, "at least 16M"),
        (&["--memory", "9999999G", "true"], 125, "cannot make a machine"),
        (&["--seed", "x", "true"], 125, "'--seed <SEED>'"),
        (&["--log", "loud", "true"], 125, "'--log <LEVEL>'"),
        (&["--root", "/no/such/folder", "true"], 125, "No such file or directory"),
        (&["--env", "novalue", "true"], 125, "--env novalue"),
        (&["no-such-program"], 127, "no-such-program: not found"),
        (&["/no/such/program"], 127, "/no/such/program: not found"),
        (&[""], 127, ": not found"),
        (&["/etc/passwd"], 126, "/etc/passwd: Permission denied"),
        (&["/etc"], 126, "/etc: Permission denied"),
    ] {
        let output = orrery(words).output()?;
        let err = String::from_utf8_lossy(&output.stderr);
        let is_one_line = err.starts_with("orrery: ") && err.ends_with('\n') && err.lines().count() == 1;
        assert!(
            output.status.code() == Some(status) && is_one_line && err.contains(says),
            "{words:?}: {}",
            text(&output)
        );
        assert!(!err.contains("os error") && output.stdout.is_empty(), "{}", text(&output));
    }
    Ok(())
}

fn help() -> Result<(), Failed> {
    let output = orrery(&["--help"]).output()?;
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output));
    for word in ["Usage: orrery [run] [OPTIONS] PROGRAM", "--root", "--cpus", "--seed", "--strace", "125", "Ctrl-]"] {
        assert!(out.contains(word), "{word} is missing in\n{out}");
    }
    Ok(())
}

/// `swapon` is no call that a kernel without block devices will have soon.
fn warns() -> Result<(), Failed> {
    let script = "import ctypes; c = ctypes.CDLL(None); [c.syscall(167, 0, 0) for _ in range(3)]";
    let quiet = orrery(&["python3", "-c", script]).output()?;
    assert_eq!(text(&quiet), "Some(0)\n");
    let asked = orrery(&["--log", "warn", "python3", "-c", script]).output()?;
    let lines = String::from_utf8_lossy(&asked.stderr).lines().filter(|line| line.contains("swapon")).count();
    assert_eq!(lines, 1, "{}", text(&asked));
    Ok(())
}

fn strace() -> Result<(), Failed> {
    let output = orrery(&["--strace=openat,read,write,execve,exit_group,close", "cat", "/etc/hostname"]).output()?;
    let err = String::from_utf8_lossy(&output.stderr);
    let hostname = fs::read_to_string("/etc/hostname")?;
    let shown = format!("{:?}", hostname);
    for line in [
        "openat(AT_FDCWD, \"/etc/hostname\", O_RDONLY) = 3".to_owned(),
        format!("read(3, {shown}, 131072) = {}", hostname.len()),
        format!("write(1, {shown}, {}) = {}", hostname.len(), hostname.len()),
        "read(3, \"\", 131072) = 0".to_owned(),
        "exit_group(0) = ?".to_owned(),
    ] {
        assert!(err.lines().any(|had| had.ends_with(&line)), "{line:?} is missing in\n{err}");
    }
    Ok(())
}

fn killed() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let shared = || -> Result<BTreeSet<PathBuf>, Failed> {
        let names = fs::read_dir("/dev/shm")?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        Ok(names.filter(|path| path.to_string_lossy().contains("orrery")).collect())
    };
    let before = shared()?;
    let out = scratch.0.join("out");
    let temporary = scratch.0.join("tmp");
    fs::create_dir(&temporary)?;
    let script = "sleep 1000 & sleep 1000 & (while :; do :; done) & echo x >/tmp/guest; sleep 0.2; echo ready; wait";
    let mut child = Command::new(env!("CARGO_BIN_EXE_orrery"))
        .args(["sh", "-c", script])
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out)?)
        .env("TMPDIR", &temporary)
        .spawn()?;
    let begun = Instant::now();
    while fs::read_to_string(&out)? != "ready\n" && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let alive = family(child.id())?;
    child.kill()?;
    child.wait()?;
    assert!(alive.len() >= 3, "the witness sees Orrery and processes of its programs: {alive:?}");
    let begun = Instant::now();
    while let left = alive.iter().filter(|one| one.is_there()).collect::<Vec<_>>()
        && !left.is_empty()
    {
        assert!(begun.elapsed() < Duration::from_secs(60), "still there: {left:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(shared()?, before);
    assert_eq!(fs::read_dir(&temporary)?.count(), 0);
    assert!(!Path::new("/tmp/guest").exists());
    Ok(())
}

/// A process of the host. Numbers are used again; the moment of the start tells.
#[derive(Debug)]
struct Witnessed {
    pid: u32,
    parent: u32,
    started: u64,
}

impl Witnessed {
    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Behind the name: state, parent, and the start as the twentieth word.
        let words: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self { pid, parent: words.get(1)?.parse().ok()?, started: words.get(19)?.parse().ok()? })
    }

    fn is_there(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.started == self.started)
    }
}

/// A process and its children.
fn family(of: u32) -> Result<Vec<Witnessed>, Failed> {
    let names = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(names.filter_map(Witnessed::of).filter(|one| one.pid == of || one.parent == of).collect())
}

//! Orrery on a terminal: shells, job control, programs that want raw keys, and a terminal that is given back as it was.
//!
//! Each test sits at a pseudo terminal of the host.

mod pty;

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::Signal;

use crate::needing::needing;

use pty::Sitting;

/// A test: its name, the program it needs, the Debian package that has it.
struct Row(&'static str, &'static str, &'static str, fn() -> Result<(), Failed>);

const DASH: &str = "/bin/dash";
const BASH: &str = "/bin/bash";

/// A job that says when the shell is no longer at work itself, so that keys are the job's.
const JOB: &str = "(echo be'gun'; exec sleep 1000)";

const ROWS: &[Row] = &[
    Row("a_line_is_edited_shown_and_run_and_ctrl_d_ends_dash", DASH, "dash", dash_talks),
    Row("ctrl_c_ends_a_sleep_and_a_cat_and_dash_goes_on", DASH, "dash", dash_is_interrupted),
    Row("ctrl_d_ends_bash_with_the_last_status", BASH, "bash", bash_talks),
    Row("ctrl_c_ends_a_sleep_and_a_cat_and_bash_goes_on", BASH, "bash", bash_is_interrupted),
    Row("bash_stops_continues_and_foregrounds_jobs", BASH, "bash", bash_jobs),
    Row("dash_stops_continues_and_foregrounds_jobs", DASH, "dash", dash_jobs),
    Row("a_reader_in_the_background_is_stopped", BASH, "bash", background_reader),
    Row("a_writer_in_the_background_is_stopped_if_so_wished", BASH, "bash", background_writer),
    Row("the_guest_has_the_hosts_window", BASH, "bash", window),
    Row("ps_and_tty_name_the_terminal", "/usr/bin/ps", "procps", names),
    Row("three_escapes_end_a_stuck_machine", DASH, "dash", escape),
    Row("raw_modes_give_keys_as_they_are", DASH, "dash", raw_keys),
    Row("busybox_vi_edits_a_file", "/bin/busybox", "busybox-static", vi),
    Row("less_pages", "/usr/bin/less", "less", less),
    Row("python_reads_evaluates_and_prints", "/usr/bin/python3", "python3", python),
    Row("a_pager_of_the_host_has_the_keys", "/usr/bin/less", "less", pager_outside),
    Row("a_pager_of_the_guest_has_the_keys", "/usr/bin/less", "less", pager_inside),
    Row("what_a_guest_does_not_read_is_the_callers", BASH, "bash", typed_ahead),
    Row("ctrl_c_ends_all_of_a_pipeline_that_reads_nothing", BASH, "bash", pipeline_is_interrupted),
    Row("a_hang_up_ends_shells_and_jobs", BASH, "bash", hang_up),
    Row("log_and_strace_begin_lines_at_the_left", DASH, "dash", left),
    Row("every_end_gives_the_terminal_back", DASH, "dash", every_end),
    Row("a_signal_to_orrery_is_the_programs", DASH, "dash", forwarded),
];

pub(crate) fn trials() -> Vec<Trial> {
    ROWS.iter().map(|row| needing(row.1, row.2, &format!("terminal::{}", row.0), row.3)).collect()
}

fn bash() -> Result<Sitting, Failed> {
    Sitting::with(&["bash", "--norc", "--noprofile", "--noediting"])
}

fn dash_talks() -> Result<(), Failed> {
    let mut sitting = Sitting::with(&["dash"])?;
    sitting.sees("$ ")?.types("ecx\x7fho 'one  two'; ech\x17echo $((6*7))\r")?;
    sitting.sees("\r\none  two\r\n42\r\n")?.enters("exot\x15exit 3")?;
    assert_eq!(sitting.ends()?.status, 3);
    let mut sitting = Sitting::with(&["dash"])?;
    sitting.enters("(exit 7)")?.sees("$ ")?.types("\x04")?;
    let end = sitting.ends()?;
    assert_eq!(end.status, 7, "{}", end.seen);
    Ok(())
}

fn bash_talks() -> Result<(), Failed> {
    // With line editing of its own: raw keys, and pselect(2) before each.
    let mut sitting = Sitting::with(&["bash", "--norc", "--noprofile"])?;
    sitting.sees("$ ")?.types("echo ac\x1b[Db\r")?.sees("abc\r\n")?;
    sitting.enters("false")?.sees("$ ")?.types("\x04")?;
    let end = sitting.ends()?;
    assert_eq!(end.status, 1, "{}", end.seen);
    Ok(())
}

fn interrupted(sitting: &mut Sitting) -> Result<(), Failed> {
    sitting.enters(JOB)?.sees("begun")?.types("\x03")?.sees("^C")?;
    sitting.enters("echo sl$?")?.sees("sl130")?.enters("cat")?.types("one\r")?.sees("one\r\none\r\n")?.types("\x03")?;
    sitting.enters("echo ca$?")?.sees("ca130")?.sees("$ ")?.types("typed away\x03")?.enters("exit 5")?;
    assert_eq!(sitting.ends()?.status, 5);
    Ok(())
}

fn dash_is_interrupted() -> Result<(), Failed> {
    interrupted(&mut Sitting::with(&["dash"])?)
}

fn bash_is_interrupted() -> Result<(), Failed> {
    interrupted(&mut bash()?)
}

fn bash_jobs() -> Result<(), Failed> {
    let mut sitting = bash()?;
    sitting.enters(JOB)?.sees("begun")?.types("\x1a")?.sees("Stopped")?;
    sitting.enters("jobs")?.sees("[1]+  Stopped")?.enters("bg")?.sees("[1]+ ( echo")?;
    sitting.enters("jobs")?.sees("Running")?.enters("cat")?.types("x\r")?.sees("x\r\nx\r\n")?.types("\x1a")?;
    sitting.sees("[2]+  Stopped")?.enters("fg")?.sees("cat\r\n")?.types("y\r")?.sees("y\r\ny\r\n")?.types("\x04")?;
    sitting.enters("fg %1")?.sees("sleep 1000 )\r\n")?.types("\x03")?.enters("echo st$?")?.sees("st130")?;
    sitting.enters("jobs; exit 4")?;
    let end = sitting.ends()?;
    assert_eq!(end.status, 4, "{}", end.seen);
    Ok(())
}

fn dash_jobs() -> Result<(), Failed> {
    let mut sitting = Sitting::with(&["dash"])?;
    sitting.enters(JOB)?.sees("begun")?.types("\x1a")?.enters("jobs")?.sees("Stopped")?;
    sitting.enters("fg")?.sees("sleep 1000")?.types("\x03")?.enters("echo st$?")?.sees("st130")?;
    sitting.enters("exit")?;
    sitting.ends()?;
    Ok(())
}

fn background_reader() -> Result<(), Failed> {
    let mut sitting = bash()?;
    sitting.enters("cat &")?.sees("[1]")?.enters("sleep 0.2; jobs")?.sees("Stopped")?;
    sitting.enters("fg")?.sees("cat\r\n")?.types("mine\r")?.sees("mine\r\nmine\r\n")?.types("\x04")?;
    // With the signal ignored, reading fails.
    sitting.enters("(trap '' TTIN; cat; echo re$?) & wait")?.sees("Input/output error")?.sees("re1")?.enters("exit")?;
    sitting.ends()?;
    Ok(())
}

fn background_writer() -> Result<(), Failed> {
    let mut sitting = bash()?;
    sitting.enters("stty tostop; (echo from'behind') &")?.enters("sleep 0.2; jobs")?.sees("Stopped")?;
    sitting.enters("stty -tostop; fg")?.sees("frombehind")?.enters("exit")?;
    sitting.ends()?;
    Ok(())
}

fn window() -> Result<(), Failed> {
    let mut sitting = bash()?;
    sitting.enters("stty size")?.sees("24 80\r\n")?.enters("exit")?;
    sitting.ends()?;
    let script = "trap 'echo now $(stty size); exit 6' WINCH; echo ready; while :; do sleep 0.05; done";
    let mut sitting = Sitting::with(&["dash", "-c", script])?;
    sitting.sees("ready")?.resizes(40, 132)?.sees("now 40 132\r\n")?;
    assert_eq!(sitting.ends()?.status, 6);
    Ok(())
}

fn names() -> Result<(), Failed> {
    let mut sitting = Sitting::with(&["dash", "-c", "tty; ps -o tty=,pid=,pgid=,sid=,tpgid= -p $$; echo x >/dev/tty"])?;
    let end = sitting.ends()?;
    let lines: Vec<Vec<&str>> = end.seen.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines, [vec!["/dev/console"], vec!["console", "2", "2", "2", "2"], vec!["x"]]);
    Ok(())
}

fn escape() -> Result<(), Failed> {
    let mut sitting = Sitting::with(&["dash", "-c", "trap '' INT HUP TERM; echo on; while :; do :; done"])?;
    sitting.sees("on\r\n")?.types("\x03\x1d\x1d")?.types("\x1d")?;
    let end = sitting.ends()?;
    assert_eq!(end.status, 125, "{}", end.seen);
    assert!(end.seen.ends_with("orrery: stopped by Ctrl-]\r\n"), "{:?}", end.seen);
    Ok(())
}

fn raw_keys() -> Result<(), Failed> {
    let script = "stty raw -echo; echo go; dd bs=1 count=3 2>/dev/null | od -An -tx1; stty cooked echo; echo again; read line; echo $line";
    let mut sitting = Sitting::with(&["dash", "-c", script])?;
    sitting.sees("go")?.types("\x03\r\x1a")?.sees(" 03 0d 1a")?.sees("again")?.types("a\x7fb\r")?;
    let end = sitting.ends()?;
    assert!(end.seen.ends_with("\r\nb\r\n"), "{:?}", end.seen);
    Ok(())
}

fn vi() -> Result<(), Failed> {
    let mut sitting = Sitting::with(&["sh", "-c", "cd $(mktemp -d); busybox vi new; cat new"])?;
    sitting.sees("new")?.types("ione\rtwo\x1b")?.sees("- new [Modified]")?.types(":wq\r")?;
    let end = sitting.ends()?;
    assert!(end.status == 0 && end.seen.ends_with("one\r\ntwo\r\n"), "{:?}", end.seen);
    Ok(())
}

fn less() -> Result<(), Failed> {
    let mut sitting = Sitting::with(&["sh", "-c", "seq 1000 | less; echo le$?"])?;
    sitting
        .sees("\r\n23\r\n")?
        .types(" ")?
        .sees("\r\n46\r\n")?
        .types("G")?
        .sees("\r\n1000\r\n")?
        .types("q")?
        .sees("le0")?;
    assert_eq!(sitting.ends()?.status, 0);
    Ok(())
}

fn python() -> Result<(), Failed> {
    let mut sitting = Sitting::with(&["/usr/bin/python3", "-q"])?;
    sitting.sees(">>> ")?.types("print(6 * 7)\r")?.sees("42\r\n")?.sees(">>> ")?.types("while True: pass\r\r")?;
    sitting
        .sees("... ")?
        .types("\x03")?
        .sees("KeyboardInterrupt")?
        .sees(">>> ")?
        .types("print(6 * 9)\r")?
        .sees("54\r\n")?
        .sees(">>> ")?
        .types("\x04")?;
    assert_eq!(sitting.ends()?.status, 0);
    Ok(())
}

fn pages(sitting: &mut Sitting) -> Result<(), Failed> {
    sitting.sees("\r\n23\r\n")?.types(" ")?.sees("\r\n46\r\n")?.types("q")?.sees("ended 0 0")?;
    assert_eq!(sitting.ends()?.status, 0);
    Ok(())
}

fn pager_outside() -> Result<(), Failed> {
    pages(&mut Sitting::shell("$orrery seq 100 | less; echo ended ${PIPESTATUS[@]}")?)
}

fn pager_inside() -> Result<(), Failed> {
    pages(&mut Sitting::shell("seq 100 | $orrery less; echo ended ${PIPESTATUS[@]}")?)
}

fn typed_ahead() -> Result<(), Failed> {
    let mut sitting = Sitting::shell("$orrery sh -c 'echo ready; sleep 0.3' </dev/null; read x; echo had $x")?;
    sitting.sees("ready")?.types("mine\r")?.sees("had mine")?;
    assert_eq!(sitting.ends()?.status, 0);
    Ok(())
}

fn pipeline_is_interrupted() -> Result<(), Failed> {
    let script = "$orrery bash -c '(echo ready; exec sleep 1000) | cat; echo no' </dev/null";
    let mut sitting = Sitting::shell(script)?;
    sitting.sees("ready")?.types("\x03")?;
    let end = sitting.ends()?;
    assert_eq!((end.status, end.seen.as_str()), (130, "ready\r\n^C"));
    Ok(())
}

fn hang_up() -> Result<(), Failed> {
    for script in [
        "trap 'exit 5' HUP; echo ready; while :; do sleep 0.05; done",
        // Nobody tells a job but the terminal.
        "set -m; (trap 'exit 5' HUP; echo ready; while :; do sleep 0.05; done); exit $?",
        // An input that ends is no surprise either.
        "trap '' HUP; echo ready; cat; exit 5",
    ] {
        let mut sitting = Sitting::with(&["bash", "-c", script])?;
        sitting.sees("ready")?;
        let status = sitting.leaves()?;
        assert!(status == 5 || script.starts_with("set -m") && status == 129, "{script}: {status}");
    }
    Ok(())
}

fn left() -> Result<(), Failed> {
    let mut sitting = Sitting::with(&["--strace=exit_group,getppid", "dash", "-c", "exit 3"])?;
    let end = sitting.ends()?;
    assert_eq!(end.seen, "[2] getppid() = 1\r\n[2] exit_group(3) = ?\r\n");
    Ok(())
}

/// What `ends` looks at is the terminal.
fn every_end() -> Result<(), Failed> {
    for (words, status) in [
        (&["true"][..], 0),
        (&["sh", "-c", "stty raw -echo; kill -SEGV $$"], 139),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["/etc/passwd"], 126),
        (&["/no/such/program"], 127),
        (&["--root", "/no/such/folder", "true"], 125),
    ] {
        let end = Sitting::with(words)?.ends()?;
        assert_eq!(end.status, status, "{words:?}: {}", end.seen);
    }
    Ok(())
}

fn forwarded() -> Result<(), Failed> {
    for (signal, name) in [(Signal::SIGTERM, "TERM"), (Signal::SIGHUP, "HUP"), (Signal::SIGINT, "INT")] {
        let script = format!("trap 'echo caught; exit 9' {name}; echo ready; while :; do sleep 0.1; done");
        let mut sitting = Sitting::with(&["dash", "-c", &script])?;
        sitting.sees("ready")?.signals(signal)?.sees("caught")?;
        assert_eq!(sitting.ends()?.status, 9);
        let mut sitting = Sitting::with(&["dash", "-c", "echo ready; exec sleep 1000"])?;
        sitting.sees("ready")?.signals(signal)?;
        let end = sitting.ends()?;
        assert_eq!((end.status, end.seen.as_str()), (128 + signal as i32, "ready\r\n"), "{name}");
    }
    Ok(())
}

//! Whether processes of the host sleep, all of them at one moment: then none wakes another, and only time, or somebody
//! else, could.

use std::fs;

/// States that a task leaves only when woken, continued, or waited for. One that is dead (`X`) is none of them: it may
/// have to tell its process's parent still.
const ASLEEP: [&str; 4] = ["S", "T", "t", "Z"];

/// Whether every task of these processes sleeps. What cannot be told is no.
///
/// Tasks are looked at one after the other, so twice: one that has not run in between slept all the while.
pub fn all(pids: &[i32]) -> bool {
    let Some(before) = look(pids) else { return false };
    look(pids) == Some(before)
}

/// All tasks, and how often each was run so far; `None` if one does not sleep.
fn look(pids: &[i32]) -> Option<Vec<(String, String)>> {
    let mut tasks = Vec::new();
    for pid in pids {
        // A process that has been waited for is not there.
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for entry in entries {
            let path = entry.ok()?.path();
            let stat = fs::read_to_string(path.join("stat")).ok()?;
            let state = stat.rsplit_once(") ")?.1.split(' ').next()?;
            if !ASLEEP.contains(&state) {
                return None;
            }
            // Who looks for news before it sleeps is said to sleep already, and may have found some: only off the queue of
            // those that could run is there a place where it waits (proc(5), `wchan`).
            if state != "Z" && fs::read_to_string(path.join("wchan")).ok()? == "0" {
                return None;
            }
            let runs = fs::read_to_string(path.join("schedstat")).ok()?;
            tasks.push((path.to_string_lossy().into_owned(), runs));
        }
    }
    // Who was to be looked at and is not there may be about to begin.
    (!tasks.is_empty()).then_some(tasks)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    #[test]
    fn who_waits_for_input_sleeps_and_who_runs_does_not() {
        let mut sleeper =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("there is cat");
        let begun = Instant::now();
        while !super::all(&[sleeper.id() as i32]) && begun.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        assert!(super::all(&[sleeper.id() as i32]));
        assert!(!super::all(&[sleeper.id() as i32, std::process::id() as i32]), "this very thread runs");
        assert!(!super::all(&[]));
        let _ = sleeper.kill();
        let _ = sleeper.wait();
    }
}

//! The family tree: who is whose child, in which group and session, and what parents have not heard yet. Pure.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::wait::{Found, Who};
use crate::abi::Signal;
use crate::abi::flags::WaitOptions;
use crate::abi::structs::{STATUS_CONTINUED, status_stopped};
use crate::error::{Errno, Result};

/// The highest number plus one.
const PID_MAX: i32 = 1 << 22;

/// What a parent has not heard yet of a child that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// A signal stopped it.
    Stopped(Signal),
    /// It goes on.
    Continued,
}

/// How far a process has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has threads.
    Alive,
    /// It has ended with this status word, and waits to be waited for.
    Zombie(i32),
}

/// Everybody's place. `P` is what else is known of a process.
pub struct Tree<P> {
    nodes: BTreeMap<i32, Node<P>>,
    next: i32,
}

struct Node<P> {
    data: P,
    parent: i32,
    children: BTreeSet<i32>,
    group: i32,
    session: i32,
    state: State,
    report: Option<Report>,
    exit_signal: i32,
}

impl<P: Clone> Tree<P> {
    /// A tree of one, its own group and session. Its parent is a number that nobody has.
    pub fn new(pid: i32, data: P) -> Self {
        let node = Node {
            data,
            parent: pid - 1,
            children: BTreeSet::new(),
            group: pid,
            session: pid,
            state: State::Alive,
            report: None,
            exit_signal: 0,
        };
        Self { nodes: BTreeMap::from([(pid, node)]), next: pid + 1 }
    }

    /// A number that is nobody's, nor a group's, nor (says `taken`) a thread's.
    pub fn next_pid(&mut self, taken: impl Fn(i32) -> bool) -> i32 {
        loop {
            let pid = self.next;
            self.next = if pid + 1 >= PID_MAX { 300 } else { pid + 1 };
            let used = |node: &Node<P>| node.group == pid || node.session == pid;
            if !self.nodes.contains_key(&pid) && !taken(pid) && !self.nodes.values().any(used) {
                return pid;
            }
        }
    }

    /// Adds a child.
    pub fn add(&mut self, pid: i32, parent: i32, exit_signal: i32, data: P) {
        let Some(above) = self.nodes.get_mut(&parent) else { return };
        above.children.insert(pid);
        let (group, session) = (above.group, above.session);
        let node = Node {
            data,
            parent,
            children: BTreeSet::new(),
            group,
            session,
            state: State::Alive,
            report: None,
            exit_signal,
        };
        self.nodes.insert(pid, node);
    }

    /// How many processes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none: never.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// What is known of a process.
    pub fn get(&self, pid: i32) -> Option<P> {
        self.nodes.get(&pid).map(|node| node.data.clone())
    }

    /// All numbers.
    pub fn pids(&self) -> Vec<i32> {
        self.nodes.keys().copied().collect()
    }

    /// Everybody of whom `which` (number, group, session) holds.
    pub fn select(&self, which: impl Fn(i32, i32, i32) -> bool) -> Vec<P> {
        let chosen = self.nodes.iter().filter(|(pid, node)| which(**pid, node.group, node.session));
        chosen.map(|(_, node)| node.data.clone()).collect()
    }

    /// Parent, group, session and state.
    pub fn place(&self, pid: i32) -> Option<(i32, i32, i32, State)> {
        self.nodes.get(&pid).map(|node| (node.parent, node.group, node.session, node.state))
    }

    /// Its children.
    pub fn children(&self, pid: i32) -> Vec<i32> {
        self.nodes.get(&pid).map(|node| node.children.iter().copied().collect()).unwrap_or_default()
    }

    /// Begins a session, setsid(2).
    pub fn set_session(&mut self, pid: i32) -> Result<()> {
        if self.nodes.values().any(|node| node.group == pid) {
            return Err(Errno::EPERM);
        }
        let node = self.nodes.get_mut(&pid).ok_or(Errno::ESRCH)?;
        (node.group, node.session) = (pid, pid);
        Ok(())
    }

    /// Moves `pid` to `group` on behalf of `caller`, setpgid(2); `has_executed` says it of a child.
    pub fn set_group(&mut self, caller: i32, pid: i32, group: i32, has_executed: impl Fn(&P) -> bool) -> Result<()> {
        let session = self.nodes.get(&caller).ok_or(Errno::ESRCH)?.session;
        let node = self.nodes.get(&pid).ok_or(Errno::ESRCH)?;
        if pid != caller {
            if node.parent != caller {
                return Err(Errno::ESRCH);
            }
            if node.session != session {
                return Err(Errno::EPERM);
            }
            if has_executed(&node.data) {
                return Err(Errno::EACCES);
            }
        }
        if node.session == pid {
            return Err(Errno::EPERM);
        }
        if group != pid && !self.nodes.values().any(|other| other.group == group && other.session == session) {
            return Err(Errno::EPERM);
        }
        if let Some(node) = self.nodes.get_mut(&pid) {
            node.group = group;
        }
        Ok(())
    }

    /// Whether nobody outside `group` but in its session is the parent of a member: then stops from the terminal do
    /// nothing, for nobody would end them.
    pub fn is_orphaned(&self, group: i32) -> bool {
        let cares = |node: &Node<P>| {
            self.nodes.get(&node.parent).is_some_and(|parent| parent.group != group && parent.session == node.session)
        };
        !self.nodes.values().any(|node| node.group == group && node.state == State::Alive && cares(node))
    }

    /// Notes something for the parent; returns parent and the signal it wants at the end.
    pub fn report(&mut self, pid: i32, report: Report) -> Option<P> {
        let node = self.nodes.get_mut(&pid)?;
        node.report = Some(report);
        let parent = node.parent;
        self.get(parent)
    }

    /// The nearest living ancestor of which `takes` holds.
    pub fn heir(&self, pid: i32, takes: impl Fn(&P) -> bool) -> Option<i32> {
        let mut at = self.nodes.get(&pid)?.parent;
        while let Some(node) = self.nodes.get(&at) {
            if node.state == State::Alive && takes(&node.data) {
                return Some(at);
            }
            at = node.parent;
        }
        None
    }

    /// Ends a process: its children become `heir`'s. Returns its parent with the signal it wants, and which children
    /// were zombies already.
    pub fn end(&mut self, pid: i32, status: i32, heir: i32) -> Option<(P, i32, Vec<i32>)> {
        let node = self.nodes.get_mut(&pid)?;
        (node.state, node.report) = (State::Zombie(status), None);
        let (parent, exit_signal) = (node.parent, node.exit_signal);
        let children = core::mem::take(&mut node.children);
        let mut zombies = Vec::new();
        for &child in &children {
            if let Some(child_node) = self.nodes.get_mut(&child) {
                child_node.parent = heir;
                child_node.exit_signal = Signal::SIGCHLD.number();
                if child_node.state != State::Alive {
                    zombies.push(child);
                }
            }
        }
        if let Some(heir) = self.nodes.get_mut(&heir) {
            heir.children.extend(children);
        }
        self.get(parent).map(|parent| (parent, exit_signal, zombies))
    }

    /// Who will hear of a process's end, and by which signal.
    pub fn parent(&self, pid: i32) -> Option<(P, i32)> {
        let node = self.nodes.get(&pid)?;
        self.get(node.parent).map(|parent| (parent, node.exit_signal))
    }

    /// Forgets a zombie.
    pub fn reap(&mut self, pid: i32) -> Option<P> {
        let node = self.nodes.remove(&pid)?;
        if let Some(parent) = self.nodes.get_mut(&node.parent) {
            parent.children.remove(&pid);
        }
        Some(node.data)
    }

    /// Something that `parent` may hear of, and takes unless `WNOWAIT`; ECHILD when nothing can ever come.
    pub fn find(&mut self, parent: i32, who: Who, options: WaitOptions) -> Result<Option<(Found, Option<P>)>> {
        let above = self.nodes.get(&parent).ok_or(Errno::ECHILD)?;
        let mut any = false;
        let mut found = None;
        for &pid in &above.children {
            let Some(node) = self.nodes.get(&pid) else { continue };
            let is_clone = node.exit_signal != Signal::SIGCHLD.number();
            let kind = options.contains(WaitOptions::__WALL) || is_clone == options.contains(WaitOptions::__WCLONE);
            if !kind || !who.includes(pid, node.group) {
                continue;
            }
            any = true;
            let status = match (node.state, node.report) {
                (State::Zombie(status), _) if options.contains(WaitOptions::WEXITED) => Some(status),
                (State::Alive, Some(Report::Stopped(signal))) if options.contains(WaitOptions::WUNTRACED) => {
                    Some(status_stopped(signal.number()))
                }
                (State::Alive, Some(Report::Continued)) if options.contains(WaitOptions::WCONTINUED) => {
                    Some(STATUS_CONTINUED)
                }
                _ => None,
            };
            if let Some(status) = status {
                found = Some(Found { pid, status });
                break;
            }
        }
        let Some(found) = found else { return if any { Ok(None) } else { Err(Errno::ECHILD) } };
        let mut data = self.get(found.pid);
        if !options.contains(WaitOptions::WNOWAIT) {
            let zombie = self.place(found.pid).is_some_and(|place| place.3 != State::Alive);
            if zombie {
                data = self.reap(found.pid);
            } else if let Some(node) = self.nodes.get_mut(&found.pid) {
                node.report = None;
            }
        }
        Ok(Some((found, data)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, Tree};
    use crate::abi::Signal;
    use crate::abi::flags::WaitOptions;
    use crate::error::Errno;
    use crate::process::wait::{Found, Who};

    fn family() -> Tree<()> {
        let mut tree = Tree::new(1, ());
        tree.add(2, 1, 17, ());
        tree.set_session(2).expect("nobody's group");
        tree.add(3, 2, 17, ());
        tree.add(4, 3, 17, ());
        tree
    }

    #[test]
    fn a_parent_hears_of_stops_and_ends_once() {
        let mut tree = family();
        let options = WaitOptions::WEXITED | WaitOptions::WUNTRACED;
        assert_eq!(tree.find(2, Who::Any, options), Ok(None));
        tree.report(3, Report::Stopped(Signal::SIGSTOP));
        let found = tree.find(2, Who::Any, options);
        assert_eq!(found, Ok(Some((Found { pid: 3, status: 0x137f }, Some(())))));
        assert_eq!(tree.find(2, Who::Any, options), Ok(None));
        tree.end(3, 0x100, 1);
        assert_eq!(tree.find(2, Who::Pid(9), options), Err(Errno::ECHILD));
        assert_eq!(
            tree.find(2, Who::Group(2), options).map(|found| found.map(|found| found.0.status)),
            Ok(Some(0x100))
        );
        assert_eq!(tree.find(2, Who::Any, options), Err(Errno::ECHILD));
        assert_eq!(tree.place(4).map(|place| place.0), Some(1));
    }

    #[test]
    fn groups_stay_within_their_session() {
        let mut tree = family();
        let never = |_: &()| false;
        assert_eq!(tree.set_group(2, 3, 3, never), Ok(()));
        assert_eq!(tree.set_group(2, 4, 4, never), Err(Errno::ESRCH));
        assert_eq!(tree.set_group(3, 4, 9, never), Err(Errno::EPERM));
        assert_eq!(tree.set_group(2, 2, 2, never), Err(Errno::EPERM));
        assert_eq!(tree.set_group(3, 4, 4, |_| true), Err(Errno::EACCES));
        assert!(!tree.is_orphaned(3) && !tree.is_orphaned(2));
        tree.end(4, 0, 1);
        assert!(tree.is_orphaned(2));
    }

    #[test]
    fn numbers_are_not_used_twice() {
        let mut tree = family();
        tree.next = 2;
        assert_eq!(tree.next_pid(|pid| pid == 5), 6);
    }
}

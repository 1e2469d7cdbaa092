//! A terminal from both ends.

use std::sync::Arc;

use ostd::hosted::stdio::Captured;
use ostd::hosted::watch::Watch;
use ostd::hosted::{Hosted, HostedConfig};
use ostd::sched::Fifo;
use ostd::sync::{Sleep, SpinLock};
use ostd::task::Task;
use ostd::{Machine, MachineConfig};

use super::input::Reader;
use super::{Console, Foreground, Job};
use crate::abi::signal::Signal;

const ANYBODY: Reader<'_> = Reader { hang_ups: 0, permit: &|| Ok(()) };

struct Heard(SpinLock<Vec<(i32, Signal)>>);

impl Foreground for Heard {
    fn signal(&self, group: i32, signal: Signal) {
        self.0.lock().push((group, signal));
    }

    fn hang_up(&self, session: i32) {
        self.0.lock().push((session, Signal::SIGHUP));
    }
}

#[test]
fn who_sits_outside_talks_with_a_program_and_interrupts_it() {
    let watch = Watch::new();
    let config = HostedConfig { watch: Some(Arc::clone(&watch)), ..HostedConfig::default() };
    let machine = Machine::new(Hosted::new(&config).expect("memory"), MachineConfig::default());
    machine.set_scheduler(Arc::new(Fifo::default()));
    let far = Captured::terminal().reply(b"name? ", b"yoy\x7fu\r").reply(b"hello", b"\x03");
    let channel = far.channel(&watch, 1);
    let console = Console::new(&machine, channel).expect("a stack");
    let heard = Arc::new(Heard(SpinLock::default()));
    console.set_foreground(heard.clone());
    console.set_job(Job { session: 1, group: 7 });
    let (handle, tty) = (machine.clone(), console.clone());
    Task::spawn(&machine, "program", Box::new(()), move || {
        let sleep = Some(Sleep::interruptible());
        assert_eq!(tty.write(b"name? ", sleep), Ok(6));
        let mut line = [0; 80];
        assert_eq!(tty.read(&mut line, sleep, &ANYBODY), Ok(4));
        assert_eq!(&line[..4], b"you\n");
        assert_eq!(tty.write(b"hello\n", sleep), Ok(6));
        while heard.0.lock().is_empty() {
            Task::yield_now();
        }
        assert_eq!(*heard.0.lock(), [(7, Signal::SIGINT)]);
        tty.close();
        // The typist ends first.
        for _ in 0..4 {
            Task::yield_now();
        }
        handle.stop();
    })
    .expect("a stack");
    machine.run().expect("it stops");
    assert_eq!(far.output_text(), "name? yoy\u{8} \u{8}u\r\nhello\r\n^C");
    machine.detach();
    drop(console);
    assert_eq!(machine.task_count(), 0);
}

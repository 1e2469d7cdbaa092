//! The loops that give a machine's CPUs their turns: as a schedule says, one after another, or a thread each; and what
//! they do when all are idle.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ostd_hal::hal::{Client, RunError};
use ostd_hal::{CpuId, Step};

use super::{GAVE_WAY, LEFT, SWITCHED, TURNS_PER_GLANCE};
use crate::config::Mode;
use crate::engine::AnyEngine;
use crate::hosted::Hosted;
use crate::schedule::TurnEnd;

/// The longest a CPU thread sleeps before it looks again by itself.
const NAP_MAX: Duration = Duration::from_millis(50);

impl Hosted {
    pub(crate) fn run_cpus(&self, client: &dyn Client) -> Result<(), RunError> {
        // A stub process obeys only the thread that traces it.
        let one_thread = matches!(self.engine, AnyEngine::Ptrace(_)) || self.runner.cpu_count() == 1;
        match self.mode {
            Mode::Parallel if !one_thread => self.run_threads(client),
            Mode::Parallel => self.run_turns(client),
            Mode::Deterministic { .. } => self.run_schedule(client),
        }
    }

    /// Turns as the schedule says.
    fn run_schedule(&self, client: &dyn Client) -> Result<(), RunError> {
        let runner = &self.runner;
        let _pin = self.engine.pin();
        let mut turns = 0_u32;
        let (mut last, mut end) = (0, TurnEnd::Switched);
        runner.schedule().look_again();
        while !client.stopping() {
            let (next, safe_points) = {
                let mut schedule = runner.schedule();
                let safe_points = schedule.safe_points();
                (schedule.next(last, end, self.clock.now_ns(), &runner.pending(&self.clock)), safe_points)
            };
            let Some(cpu) = next else {
                self.idle_all()?;
                runner.schedule().look_again();
                end = TurnEnd::Switched;
                continue;
            };
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(TURNS_PER_GLANCE) {
                runner.glance();
            }
            last = cpu;
            if runner.rests(cpu) {
                end = TurnEnd::GaveWay;
                continue;
            }
            runner.ended.store(GAVE_WAY, Ordering::Relaxed);
            end = match client.step(CpuId(cpu)) {
                Step::Idle => TurnEnd::Idle,
                Step::Busy => {
                    if let Some(trace) = &runner.trace {
                        trace.turn(cpu, safe_points);
                    }
                    match runner.ended.load(Ordering::Relaxed) {
                        SWITCHED => TurnEnd::Switched,
                        LEFT => TurnEnd::Left,
                        _ => TurnEnd::GaveWay,
                    }
                }
            };
            if runner.trace.as_ref().is_some_and(|trace| trace.take_pause()) {
                return Err(RunError::Paused);
            }
        }
        Ok(())
    }

    /// Turns one after another, by a real clock.
    fn run_turns(&self, client: &dyn Client) -> Result<(), RunError> {
        let runner = &self.runner;
        let cpus = runner.cpu_count();
        let _pin = self.engine.pin();
        let mut turns = 0_u32;
        let mut cpu = 0;
        let mut idle_in_a_row = 0;
        while !client.stopping() {
            match client.step(CpuId(cpu)) {
                Step::Busy => idle_in_a_row = 0,
                Step::Idle => idle_in_a_row += 1,
            }
            cpu = (cpu + 1) % cpus;
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(TURNS_PER_GLANCE) {
                runner.glance();
            }
            if idle_in_a_row >= cpus && !client.stopping() {
                idle_in_a_row = 0;
                self.idle_all()?;
            }
        }
        Ok(())
    }

    /// Every CPU is idle: wait for the next deadline or something outside, or find that nothing can come.
    fn idle_all(&self) -> Result<(), RunError> {
        let runner = &self.runner;
        let now = self.clock.now_ns();
        if runner.interrupt_is_pending(now) {
            return Ok(());
        }
        let deadline = runner.first_deadline();
        if self.clock.is_virtual() {
            runner.look_outside(Some(Duration::ZERO));
            if runner.interrupt_is_pending(now) {
                return Ok(());
            }
            if deadline != u64::MAX {
                self.clock.jump(deadline);
                return Ok(());
            }
        }
        if deadline == u64::MAX && !runner.has_sources() {
            return Err(RunError::Deadlock);
        }
        let wait = (deadline != u64::MAX).then(|| Duration::from_nanos(deadline - now));
        runner.look_outside(wait);
        Ok(())
    }

    fn run_threads(&self, client: &dyn Client) -> Result<(), RunError> {
        let idle = AtomicUsize::new(0);
        let deadlock = AtomicBool::new(false);
        let sync_client: &(dyn Client + Sync) = client;
        std::thread::scope(|scope| {
            for id in 1..self.runner.cpu_count() {
                let (idle, deadlock) = (&idle, &deadlock);
                scope.spawn(move || self.run_thread(CpuId(id), sync_client, idle, deadlock));
            }
            self.run_thread(CpuId(0), client, &idle, &deadlock);
        });
        if deadlock.load(Ordering::Acquire) { Err(RunError::Deadlock) } else { Ok(()) }
    }

    fn run_thread(&self, cpu: CpuId, client: &dyn Client, idle: &AtomicUsize, deadlock: &AtomicBool) {
        let runner = &self.runner;
        let state = &runner.cpus[cpu.0];
        while !client.stopping() && !deadlock.load(Ordering::Acquire) {
            if client.step(cpu) == Step::Busy {
                if cpu.0 == 0 && runner.watch.is_some() {
                    runner.look_outside(Some(Duration::ZERO));
                }
                continue;
            }
            state.idle.store(true, Ordering::SeqCst);
            let all_idle = idle.fetch_add(1, Ordering::SeqCst) + 1 == runner.cpu_count();
            let now = self.clock.now_ns();
            let stuck = all_idle
                && !runner.interrupt_is_pending(now)
                && runner.first_deadline() == u64::MAX
                && !runner.has_sources();
            if stuck && client.step(cpu) == Step::Idle && !client.stopping() {
                // Every CPU had nothing to do, nobody has rung since, and nobody can.
                deadlock.store(true, Ordering::Release);
                runner.ring();
            } else {
                self.nap(cpu, now);
            }
            idle.fetch_sub(1, Ordering::SeqCst);
            state.idle.store(false, Ordering::SeqCst);
        }
    }

    fn nap(&self, cpu: CpuId, now: u64) {
        let runner = &self.runner;
        let state = &runner.cpus[cpu.0];
        let deadline = state.deadline.0.load(Ordering::Relaxed);
        let timeout = Duration::from_nanos(deadline.saturating_sub(now)).min(NAP_MAX);
        if cpu.0 == 0 && runner.watch.is_some() {
            runner.look_outside(Some(timeout));
            return;
        }
        let bed = runner.bed.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.ipi.load(Ordering::Acquire) && !runner.lines_pending.load(Ordering::Acquire) {
            drop(runner.wake.wait_timeout(bed, timeout));
        }
    }

    /// Whether somebody outside demanded that the machine stop now, kernel or no kernel.
    pub fn stop_requested(&self) -> bool {
        self.runner.stop_requested()
    }
}

//! Locks and wait queues.

mod raw;

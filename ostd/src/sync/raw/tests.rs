//! What one thread can show without a model. (Not in the files themselves: the model includes those.)

use super::{RawMutex, RawRwLock, Wake};

crate::tests::list! {
    a_mutex_wakes_only_when_somebody_had_to_wait
    a_writer_who_waits_keeps_new_readers_out_until_it_has_had_its_turn
    writers_come_before_the_readers_who_wait
}

#[cfg_attr(test, test)]
fn a_mutex_wakes_only_when_somebody_had_to_wait() {
    let lock = RawMutex::new();
    assert!(lock.try_lock() && !lock.try_lock());
    lock.unlock(|| panic!("nobody waits"));

    assert!(lock.try_lock());
    let woken = core::cell::Cell::new(0);
    lock.lock(|should_sleep| {
        assert!(should_sleep());
        lock.unlock(|| woken.set(woken.get() + 1));
        assert!(!should_sleep());
    });
    assert_eq!(woken.get(), 1);
}

#[cfg(test)]
#[test]
#[should_panic(expected = "a mutex that nobody holds was unlocked")]
fn a_mutex_is_given_back_once() {
    RawMutex::new().unlock(|| ());
}

#[cfg_attr(test, test)]
fn a_writer_who_waits_keeps_new_readers_out_until_it_has_had_its_turn() {
    let lock = RawRwLock::new();
    assert!(lock.try_read() && lock.try_read());
    let mut sleeps = 0;
    lock.write(|should_sleep| {
        sleeps += 1;
        assert!(should_sleep() && !lock.try_read());
        let whom = core::cell::Cell::new(None);
        lock.unlock_read(|wake| whom.set(Some(wake)));
        assert_eq!(whom.get(), (sleeps == 2).then_some(Wake::OneWriter), "only the last reader wakes the writer");
    });
    assert_eq!(sleeps, 2);
    assert!(!lock.try_read() && !lock.try_write());
    lock.unlock_write(|_| panic!("nobody waits"));
    assert!(lock.try_read());
}

#[cfg_attr(test, test)]
fn writers_come_before_the_readers_who_wait() {
    let lock = RawRwLock::new();
    assert!(lock.try_write());
    lock.read(|_| {
        // The reader waits; so does a writer, by now.
        lock.write(|should_sleep| {
            assert!(should_sleep());
            lock.unlock_write(|whom| assert_eq!(whom, Wake::OneWriter));
        });
        lock.unlock_write(|whom| assert_eq!(whom, Wake::AllReaders));
    });
    assert!(lock.try_read() && !lock.try_write());
}

#[cfg(test)]
#[test]
#[should_panic(expected = "a lock that nobody reads was read-unlocked")]
fn a_read_lock_is_given_back_once() {
    let lock = RawRwLock::new();
    assert!(lock.try_read());
    lock.unlock_read(|_| ());
    lock.unlock_read(|_| ());
}

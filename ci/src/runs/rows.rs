//! The list: what must run on both architectures, by the machine that it needs.

use super::Row;
use super::batch::Batch;
use super::shells;

const PLAIN: Batch = Batch { name: "", rows: &[], memory: "256M", packages: &[], devices: false, everywhere: false };

pub(super) const BATCHES: &[Batch] = &[
    Batch { name: "shells", rows: shells::ROWS, everywhere: true, ..PLAIN },
    Batch { name: "loads", rows: LOADS, everywhere: true, ..PLAIN },
    Batch { name: "hostile", rows: HOSTILE, everywhere: true, ..PLAIN },
    Batch { name: "memory", rows: MEMORY, memory: "128M", ..PLAIN },
    Batch { name: "devices", rows: DEVICES, devices: true, ..PLAIN },
    Batch { name: "packages", rows: PACKAGES, memory: "512M", packages: &["python3", "sqlite3"], ..PLAIN },
];

const LOADS: &[Row] = &[
    Row {
        name: "a_thousand_forks_and_execs",
        script: "i=0; while [ $i -lt 1000 ]; do /bin/true || exit 1; i=$((i + 1)); done; echo $i",
        output: "1000\n",
        status: 0,
    },
    Row {
        name: "a_pipe_carries_256_mib",
        script: "dd if=/dev/zero bs=65536 count=4096 2>/dev/null | wc -c",
        output: "268435456\n",
        status: 0,
    },
    Row {
        name: "a_pipe_keeps_the_order_of_bytes",
        script: "seq 500000 | cat | dd bs=777 2>/dev/null | md5sum; seq 500000 | md5sum",
        output: "8074c9154fdd43e5714656af6141413a  -\n8074c9154fdd43e5714656af6141413a  -\n",
        status: 0,
    },
    Row {
        name: "a_store_to_nowhere_is_139",
        script: "sh -c '$FOLDER/store; echo $?; $FOLDER/illegal; echo $?' 2>/dev/null; exec $FOLDER/store",
        output: "139\n132\nSegmentation fault\n",
        status: 139,
    },
    Row {
        name: "loops_do_not_keep_others_from_running",
        script: "exec 2>/dev/null; for i in 1 2 3 4 5; do $FOLDER/loop & all=\"$all $!\"; done
for i in 1 2 3; do sleep 0.1; echo $i; done
kill $all; for one in $all; do wait $one; echo $?; done",
        output: "1\n2\n3\n143\n143\n143\n143\n143\n",
        status: 0,
    },
    Row {
        name: "fifty_processes_side_by_side",
        script: "i=0; while [ $i -lt 50 ]; do (sleep 0.1; echo $i >$i) & i=$((i + 1)); done; wait; cat * | sort -n | md5sum; ls | wc -l",
        output: "6f83971724560d26025626b82390cb60  -\n50\n",
        status: 0,
    },
    Row {
        name: "threads_add_under_a_lock",
        script: "$FOLDER/threads; $FOLDER/threads",
        output: "80000\n80000\n",
        status: 0,
    },
    Row {
        name: "both_sides_of_a_fifo_meet",
        script: "mkfifo p; i=0; while [ $i -lt 100 ]; do (echo $i >p) & cat p >>all; wait; i=$((i + 1)); done; wc -l all",
        output: "100 all\n",
        status: 0,
    },
    Row {
        name: "files_grow_shrink_and_go",
        script: "dd if=/dev/zero of=f bs=1M count=32 2>/dev/null; stat -c %s f; truncate -s 5 f; wc -c f; rm f; ls",
        output: "33554432\n5 f\n",
        status: 0,
    },
];

const HOSTILE: &[Row] = &[Row {
    name: "nothing_a_program_does_harms_the_kernel",
    script: "$FOLDER/hostile >out; echo $?; grep -v attempts out; sed -n 's/, 0 unexpected$//p' out | { read -r who many what && [ $many -ge 1500 ] && echo $what; }; echo x | cat",
    output: "0\nattempts\nx\n",
    status: 0,
}];

const MEMORY: &[Row] = &[
    Row {
        name: "a_guest_that_eats_all_memory_is_killed",
        script: "awk 'BEGIN { while (1) a[n++] = n }'; echo $?; echo still here",
        output: "Killed\n137\nstill here\n",
        status: 0,
    },
    Row {
        name: "memory_is_there_again_afterwards",
        script: "for i in 1 2 3; do awk 'BEGIN { while (n < 100000) a[n++] = n; print n }'; done",
        output: "100000\n100000\n100000\n",
        status: 0,
    },
    Row {
        name: "names_that_fill_the_heap_are_an_error",
        script: "P=$(printf '%0240d' 0); mkdir q; cd q; i=1
while seq $i $((i + 199)) | sed \"s/^/$P/\" | xargs mkdir 2>/dev/null; do i=$((i + 200)); done; [ $i -gt 2000 ] && echo many
cd ..; rm -r q; ls; echo x >f; cat f",
        output: "many\nx\n",
        status: 0,
    },
    Row {
        name: "a_table_of_descriptors_that_does_not_fit_is_an_error",
        script: "bash -c 'ulimit -n 1048576; eval \"exec 1000000>&1\"; echo $?; echo still here' 2>/dev/null",
        output: "1\nstill here\n",
        status: 0,
    },
    Row {
        name: "a_file_that_fills_memory_is_an_error",
        script: "dd if=/dev/zero of=f bs=1M 2>/dev/null; echo $?; rm f; echo x >f; cat f",
        output: "1\nx\n",
        status: 0,
    },
];

const DEVICES: &[Row] = &[
    Row {
        name: "a_disk_is_read_and_written",
        script: "head -n 1 /dev/vda; wc -c </dev/vda; seq 100000 | dd of=/dev/vda bs=4k seek=16 conv=notrunc 2>/dev/null
dd if=/dev/vda bs=4k skip=16 2>/dev/null | head -c 588895 | md5sum; seq 100000 | md5sum
echo to the host | dd of=/dev/vda bs=512 seek=8 conv=notrunc 2>/dev/null; sync; dd if=/dev/vda bs=1 skip=4096 count=12 2>/dev/null",
        output: "from the host\n8388608\ndea9193b768319cbb4ff1a137ac03113  -\ndea9193b768319cbb4ff1a137ac03113  -\nto the host\n",
        status: 0,
    },
    Row {
        name: "random_numbers_come_from_the_device",
        script: "head -c 64 /dev/hwrng | wc -c; for i in 1 2 3; do head -c 16 /dev/urandom | md5sum; done | sort -u | wc -l",
        output: "64\n3\n",
        status: 0,
    },
];

const PACKAGES: &[Row] = &[
    Row {
        name: "python_reads_and_writes_files",
        script: r#"python3 -c 'import os, json
open("f", "w").write("x" * 9999); print(os.stat("f").st_size, open("f").read()[:3]); os.rename("f", "g"); os.symlink("g", "l")
print(sorted(os.listdir()), os.readlink("l"), json.dumps({"a": [1, 2]}))'"#,
        output: "9999 xxx\n['g', 'l'] g {\"a\": [1, 2]}\n",
        status: 0,
    },
    Row {
        name: "python_runs_threads",
        script: r#"python3 -c 'import threading as t, queue
r = []; a = [t.Thread(target=r.append, args=(i,)) for i in range(8)]; [x.start() for x in a]; [x.join() for x in a]; print(sorted(r))
q = queue.Queue(2); c = t.Thread(target=lambda: print(sum(q.get() for _ in range(100)))); c.start(); [q.put(i) for i in range(100)]; c.join()
b = t.Barrier(4); a = [t.Thread(target=b.wait) for _ in range(4)]; [x.start() for x in a]; [x.join() for x in a]
e = t.Event(); print(e.wait(0.02)); t.Timer(0.02, e.set).start(); print(e.wait(50))'"#,
        output: "[0, 1, 2, 3, 4, 5, 6, 7]\n4950\nFalse\nTrue\n",
        status: 0,
    },
    Row {
        name: "python_starts_programs",
        script: r#"python3 -c 'import subprocess as s
print(s.run(["cat"], input=b"through", stdout=s.PIPE).stdout, s.call(["sh", "-c", "exit 3"]), s.getoutput("echo hi"))
p = s.Popen(["sleep", "900"]); p.terminate(); print(p.wait())'"#,
        output: "b'through' 3 hi\n-15\n",
        status: 0,
    },
    Row {
        name: "sqlite_in_both_journal_modes",
        script: "sqlite3 d.db 'create table t(a); insert into t values(1),(2); select sum(a) from t; pragma journal_mode=wal; insert into t values(3); select count(*) from t;'; sqlite3 d.db .dump; sqlite3 d.db 'pragma integrity_check'; seq 2000 | sqlite3 d.db '.import /dev/stdin t' 'select sum(a) from t'",
        output: "3
wal
3
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE t(a);
INSERT INTO t VALUES(1);
INSERT INTO t VALUES(2);
INSERT INTO t VALUES(3);
COMMIT;
ok
2001006
",
        status: 0,
    },
];

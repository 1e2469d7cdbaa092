//! Scripts that print the same under Orrery and on the host.

/// What a test runs: its name, the program it needs, the Debian package that has it, and a script for `sh`.
pub(crate) struct Row(
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) &'static str,
);

pub(crate) const ROWS: &[Row] = &[
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

//! Shells: what scripts rely on.

use super::subject::Row;

const BASH: (&str, &str) = ("/bin/bash", "bash");

pub(crate) const ROWS: &[Row] = &[
    Row("dash_pipelines", "/bin/dash", "dash", "for i in 1 2 3; do echo $i; done | sort -r | wc -l"),
    Row(
        "dash_here_documents",
        "/bin/dash",
        "dash",
        r#"cat <<END
first
  second
END"#,
    ),
    Row(
        "dash_traps_background_jobs_and_wait",
        "/bin/dash",
        "dash",
        "trap 'echo bye' EXIT; (sleep 0.1; echo behind) & wait; echo $?; exit 3",
    ),
    Row("dash_globbing", "/bin/dash", "dash", "cd /etc; echo host* pass*"),
    Row("dash_is_killed_by_itself", "/bin/dash", "dash", "kill -9 $$"),
    Row(
        "dash_signals_reach_traps_and_interrupt_waits",
        "/bin/dash",
        "dash",
        r#"trap 'echo term' TERM; trap '' HUP; kill -HUP $$; (sleep 0.1; kill -TERM $$
sleep 0.2) & wait $!; echo $?; wait; echo $?"#,
    ),
    Row(
        "dash_is_told_of_its_cpu_time_once_a_second",
        "/bin/dash",
        "dash",
        r#"(ulimit -t 1; while :; do :; done); echo $?
trap 'ulimit -St; exit 7' XCPU; ulimit -St 1; while :; do :; done"#,
    ),
    Row(
        "bash_arrays_and_conditions",
        BASH.0,
        BASH.1,
        r#"bash -c 'a=(1 2 3); echo ${a[@]} | tr " " "\n" | tac; [[ abc =~ b ]] && echo $((6*7)); declare -A m=([x]=1 [y]=2); echo ${#m[@]} ${m[y]} ${a[@]:1}'"#,
    ),
    Row(
        "bash_process_substitution",
        BASH.0,
        BASH.1,
        "bash -c 'diff <(echo a; echo b) <(echo a; echo c); echo $?; exec 3> >(tac); seq 5 >&3; exec 3>&-; wait $!'",
    ),
    Row(
        "bash_coprocesses",
        BASH.0,
        BASH.1,
        "bash -c 'coproc cat; echo hi >&${COPROC[1]}; read -r x <&${COPROC[0]}; echo got $x; p=$COPROC_PID; kill $p; wait $p; echo $?'",
    ),
    Row(
        "bash_here_strings_and_descriptors",
        BASH.0,
        BASH.1,
        r#"bash -c 'read -r a b <<<"one two"; echo $b $a; exec 3<>f; echo hi >&3; exec 3>&-; mapfile -t l <f; echo ${l[0]}; { echo out; echo err >&2; } 2>&1 | cat'"#,
    ),
    Row(
        "bash_job_control",
        BASH.0,
        BASH.1,
        "bash -c 'set -m; sleep 0.1 & jobs | wc -l; wait; sleep 5 & kill %1; wait %1; echo $?; sleep 5 & kill -STOP %%; sleep 0.1; jobs -s | wc -l; kill -KILL %%; sleep 0.2; wait $!; echo $?' 2>/dev/null",
    ),
    Row(
        "bash_waits_for_the_next_job",
        BASH.0,
        BASH.1,
        "bash -c '(sleep 0.1; exit 3) & (sleep 0.6; exit 4) & wait -n; echo $?; wait -n; echo $?; wait -n; echo $?'",
    ),
    Row(
        "bash_traps",
        BASH.0,
        BASH.1,
        r#"bash -c 'trap "echo usr1" USR1; kill -USR1 $$; trap "echo exit" EXIT; trap "echo err" ERR; trap "echo chld" CHLD; false; (exit 2); exit 7'"#,
    ),
    Row(
        "bash_pipefail",
        BASH.0,
        BASH.1,
        "bash -c 'set -o pipefail; false | true; echo $?; exit 3 | cat; echo ${PIPESTATUS[@]}; set -e; false | cat; echo never'",
    ),
    Row(
        "bash_reads_with_a_timeout",
        BASH.0,
        BASH.1,
        r#"bash -c 'sleep 1 | read -t 0.1 x; echo ${PIPESTATUS[1]}; printf "a b\nc" | while read -r x y || [ -n "$x" ]; do echo "$y-$x"; done'"#,
    ),
    Row(
        "busybox_shell",
        "/bin/busybox",
        "busybox-static",
        r#"busybox sh -c 'echo $((3 * 4)); for a in b c; do echo $a; done | busybox tac; trap "echo bye" EXIT; (exit 3) || echo $?; (sleep 0.1; echo late) & wait; cat <<END
here $0
END
'"#,
    ),
    Row(
        "busybox_text_applets",
        "/bin/busybox",
        "busybox-static",
        r#"b=busybox; $b seq 30 | $b awk '{ s += $1 } END { print s, NR }'
$b sed -n 's/root/X/p' /etc/passwd; $b grep -c : /etc/passwd
$b sort -t: -k3n /etc/passwd | $b head -3; $b cut -d: -f1 /etc/passwd | $b tail -2
$b tr a-z A-Z </etc/hostname; $b diff /etc/passwd /etc/group | $b head -4
$b uniq -c /etc/group | $b wc; $b od -c /etc/hostname; $b nl /etc/passwd | $b tail -1
$b md5sum /bin/ls; $b sha256sum /bin/ls; $b base64 /etc/hostname; $b rev /etc/hostname
$b printf '%05d\n' 42; $b expr 3 + 4"#,
    ),
    Row(
        "busybox_file_applets",
        "/bin/busybox",
        "busybox-static",
        r#"b=busybox; $b mkdir -p a/b; echo x >a/b/f; $b cp -r a c; $b mv c/b c/d; $b ln -s d/f c/l
$b cat c/l; $b find . | $b sort; $b chmod 640 a/b/f; $b stat -c '%a %s %F' a/b/f
$b touch -d @5 t; $b stat -c %Y t; $b readlink c/l; $b rm -r a c; $b ls
$b dd if=/dev/zero of=z bs=1k count=9 2>/dev/null; $b du -a | $b wc -l
$b cmp z z && echo same; $b truncate -s 3 z; $b wc -c z"#,
    ),
    Row(
        "busybox_archives",
        "/bin/busybox",
        "busybox-static",
        r#"b=busybox; $b cp -r /etc/apt apt; $b tar czf x.tgz apt
$b tar tzf x.tgz | $b sort | $b head -3; $b mkdir out; $b tar xzf x.tgz -C out
$b diff -r apt out/apt && echo same
$b gzip -c /etc/passwd | $b gunzip | $b cmp - /etc/passwd && echo same
$b find apt | $b cpio -o -H newc 2>/dev/null | $b cpio -t 2>/dev/null | $b wc -l
$b bzip2 -c /etc/passwd | $b bunzip2 | $b md5sum"#,
    ),
    Row(
        "busybox_process_applets",
        "/bin/busybox",
        "busybox-static",
        r#"b=busybox; echo a b c | $b xargs -n1 $b echo; $b timeout 0.1 $b sleep 5; echo $?
$b env -i A=1 $b env; $b id -u >/dev/null; $b which sh; $b nice $b true; $b sleep 0; $b date -u -d @0
$b uname -s; $b yes | $b head -1; $b ps >/dev/null; $b kill -l 9; $b nohup $b true
$b test 1 -lt 2 && echo less; printf 'ihello\033:wq\n' | $b vi f >/dev/null 2>&1; $b cat f"#,
    ),
];

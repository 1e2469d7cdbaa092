//! Shells: what scripts rely on, in busybox's shell with busybox's tools, and in bash.

use super::Row;

const fn row(name: &'static str, script: &'static str, output: &'static str) -> Row {
    Row { name, script, output, status: 0 }
}

const fn ending(status: u8, row: Row) -> Row {
    Row { status, ..row }
}

pub(super) const ROWS: &[Row] = &[
    row(
        "sh_pipelines",
        "for i in 1 2 3; do echo $i; done | sort -r | wc -l
seq 30 | awk '{ s += $1 } END { print s, NR }'; yes | head -1; seq 5 | tac | paste -s -d, -; false | true; echo $?",
        "3\n465 30\ny\n5,4,3,2,1\n0\n",
    ),
    row(
        "sh_here_documents",
        "x=1; cat <<END
first $x
  second $((x + 1))
END
cat <<'END' | tr a-z A-Z
raw $x
END
while read -r a b; do echo $b-$a; done <<END
1 2
3 4
END",
        "first 1\n  second 2\nRAW $X\n2-1\n4-3\n",
    ),
    ending(
        3,
        row(
            "sh_traps_background_jobs_and_wait",
            "trap 'echo bye' EXIT; (sleep 0.1; echo behind) & wait; echo $?; exit 3",
            "behind\n0\nbye\n",
        ),
    ),
    row(
        "sh_signals_reach_traps_and_interrupt_waits",
        "exec 2>/dev/null; trap 'echo term' TERM; trap '' HUP; kill -HUP $$; (sleep 0.3; kill -TERM $$; sleep 0.3) & wait $!
echo $?; wait; echo $?; trap - TERM; sleep 900 & kill $!; wait $!; echo $?",
        "term\n143\n0\n143\n",
    ),
    ending(137, row("sh_is_killed_by_itself", "echo before; kill -9 $$; echo after", "before\nKilled\n")),
    row(
        "sh_globbing",
        "touch a1 a2 b1 .h; mkdir d; touch d/x; echo a* [ab]1 ?2 * n* .h* */x; set -f; echo *; case abc in a*c) echo in;; esac",
        "a1 a2 a1 b1 a2 a1 a2 b1 d n* .h d/x\n*\nin\n",
    ),
    row(
        "sh_functions_and_expansions",
        r#"f() { local x=$1; echo "$x $# ${2:-none}"; return 4; }; f a; echo $?; x=path/to/file.txt
echo ${x##*/} ${x%.*} ${#x} ${unset:=set} $unset "$(echo "nested $(echo deep)")"; IFS=:; set -- a:b c; echo $1 "$*""#,
        "a 1 none\n4\nfile.txt path/to/file 16 set set nested deep\na b a:b:c\n",
    ),
    row(
        "sh_descriptors",
        "exec 3>f; echo three >&3; exec 3>&-; cat f; { echo out; echo err >&2; } 2>&1 | sort; exec 4<>f; read x <&4; echo $x; (cat <nothing) 2>/dev/null; echo $?",
        "three\nerr\nout\nthree\n1\n",
    ),
    row(
        "busybox_text_tools",
        "printf 'b:2\\na:10\\na:9\\n' >f; sort f; sort -t: -k2n f; cut -d: -f1 f | uniq -c; sed -n 's/a/X/p' f; grep -c a f; tr a-z A-Z <f
od -c f | head -1; sort f | diff f - | head -2; md5sum f; sha256sum f | cut -c1-16; base64 f; rev f; printf '%05d\\n' 42; expr 3 + 4",
        "a:10
a:9
b:2
b:2
a:9
a:10
      1 b
      2 a
X:10
X:9
2
B:2
A:10
A:9
0000000   b   :   2  \\n   a   :   1   0  \\n   a   :   9  \\n
--- f
+++ -
af45d551238f0e8c4caee51046e3fc9e  f
b30ef88dca477978
YjoyCmE6MTAKYTo5Cg==
2:b
01:a
9:a
00042
7
",
    ),
    row(
        "busybox_file_tools",
        "umask 022; mkdir -p a/b; echo x >a/b/f; cp -r a c; mv c/b c/d; ln -s d/f c/l; cat c/l; find . | sort; chmod 640 a/b/f; stat -c '%a %s %F' a/b/f
touch -d @5 t; stat -c %Y t; readlink c/l; ln t hard; stat -c %h t; rm -r a c; ls; mkfifo p; (echo through >p) & cat p; wait",
        "x\n.\n./a\n./a/b\n./a/b/f\n./c\n./c/d\n./c/d/f\n./c/l\n640 2 regular file\n5\nd/f\n2\nhard\nt\nthrough\n",
    ),
    row(
        "busybox_archives",
        "mkdir -p t/u; seq 1000 >t/u/n; echo x >t/x; tar czf x.tgz t; tar tzf x.tgz | sort; mkdir out; tar xzf x.tgz -C out; diff -r t out/t && echo same
gzip -c t/u/n | gunzip | cmp - t/u/n && echo same; find t | sort | cpio -o -H newc 2>/dev/null | cpio -t 2>/dev/null; bzip2 -c t/u/n | bunzip2 | md5sum",
        "t/
t/u/
t/u/n
t/x
same
same
t
t/u
t/u/n
t/x
53d025127ae99ab79e8502aae2d9bea6  -
",
    ),
    row(
        "busybox_process_tools",
        "echo a b c | xargs -n1 echo; timeout 0.2 sleep 900 2>/dev/null; echo timed out; env -i A=1 env; id -u; date -u -d @0 +%Y; uname -s; test 1 -lt 2 && echo less && ps | grep -c '[x]args'; [ $(nproc) -ge 1 ] && echo processors",
        "a\nb\nc\ntimed out\nA=1\n0\n1970\nLinux\nless\n0\nprocessors\n",
    ),
    row(
        "bash_arrays_and_conditions",
        r#"bash -c 'a=(1 2 3); echo ${a[@]} | tr " " "\n" | tac; [[ abc =~ b ]] && echo $((6*7)); declare -A m=([x]=1 [y]=2); echo ${#m[@]} ${m[y]} ${a[@]:1}'"#,
        "3\n2\n1\n42\n2 2 2 3\n",
    ),
    row(
        "bash_process_substitution",
        "bash -c 'diff <(echo a; echo b) <(echo a; echo c) >d; echo $?; grep -c . d; tac < <(seq 5)'",
        "1\n6\n5\n4\n3\n2\n1\n",
    ),
    row(
        "bash_coprocesses",
        "bash -c 'coproc cat; echo hi >&${COPROC[1]}; read -r x <&${COPROC[0]}; echo got $x; p=$COPROC_PID; kill $p; wait $p; echo $?'",
        "got hi\n143\n",
    ),
    row(
        "bash_here_strings_and_descriptors",
        r#"bash -c 'read -r a b <<<"one two"; echo $b $a; exec 3<>f; echo hi >&3; exec 3>&-; mapfile -t l <f; echo ${l[0]}; { echo out; echo err >&2; } 2>&1 | cat'"#,
        "two one\nhi\nout\nerr\n",
    ),
    row(
        "bash_job_control",
        "bash -c 'set -m; sleep 0.3 & jobs | wc -l; wait; sleep 900 & kill %1; wait %1; echo $?; sleep 900 & kill -STOP %%; until jobs -s | grep -q sleep; do sleep 0.1; done; jobs -s | wc -l; kill -KILL %%; while jobs -s | grep -q sleep; do sleep 0.1; done; wait $!; echo $?' 2>/dev/null",
        "1\n143\n1\n137\n",
    ),
    // Of a child that ends in the moment in which it begins to wait, bash never hears, on Linux either: they take their time.
    row(
        "bash_waits_for_the_next_job",
        "mkfifo go; bash -c '(sleep 0.2; exit 3) & (read x <go; sleep 0.2; exit 4) & wait -n; echo $?; echo >go; wait -n; echo $?; wait -n; echo $?'",
        "3\n4\n127\n",
    ),
    ending(
        7,
        row(
            "bash_traps",
            r#"bash -c 'trap "echo usr1" USR1; kill -USR1 $$; trap "echo exit" EXIT; trap "echo err" ERR; trap "echo chld" CHLD; false; (exit 2); exit 7'"#,
            "usr1\nerr\nchld\nerr\nexit\n",
        ),
    ),
    row(
        "bash_pipefail",
        "bash -c 'set -o pipefail; false | true; echo $?; exit 3 | cat; echo ${PIPESTATUS[@]}; set -e; false | cat; echo never'; echo $?",
        "1\n3 0\n1\n",
    ),
    row(
        "bash_reads_with_a_timeout",
        r#"bash -c 'sleep 1 | read -t 0.1 x; echo ${PIPESTATUS[1]}; printf "a b\nc" | while read -r x y || [ -n "$x" ]; do echo "$y-$x"; done'"#,
        "142\nb-a\n-c\n",
    ),
];

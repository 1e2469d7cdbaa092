//! The usual tools: coreutils, findutils, and what stands beside them.

use super::subject::Row;

pub(crate) const ROWS: &[Row] = &[
    Row(
        "ls_long",
        "/bin/ls",
        "coreutils",
        // Not /tmp, where everybody makes and removes something meanwhile; this one is as open.
        "ls -l /bin/ls /etc/passwd; ls -la /etc | head -30; ls -ld /var/tmp /etc /usr/bin",
    ),
    Row(
        "ls_recursive",
        "/bin/ls",
        "coreutils",
        "ls -lR /etc/apt /usr/share/perl | sha256sum; ls -s /usr/bin | sha256sum",
    ),
    Row(
        "cat_sort_wc",
        "/bin/cat",
        "coreutils",
        r#"cat /etc/passwd | sort | wc; cat /etc/passwd - </etc/group | tail -3
seq 50000 | sort -rn | head -2; sort -t: -k3n /etc/passwd | tail -2"#,
    ),
    Row(
        "sha256sum",
        "/usr/bin/sha256sum",
        "coreutils",
        "sha256sum /bin/ls /bin/cat; sha256sum /bin/ls >s; sha256sum -c s",
    ),
    Row(
        "cp_recursive",
        "/bin/cp",
        "coreutils",
        r#"cp -a /etc/apt x; diff -r /etc/apt x && echo same; cp -r x y
cp --sparse=always /etc/passwd z; cmp z /etc/passwd; ls"#,
    ),
    Row(
        "mv_ln_rm_stat",
        "/bin/mv",
        "coreutils",
        r#"mkdir d; cd d; echo 1 >a; cp a b; mv b c; ln -s c s; ln a e; stat -c '%s %F %h %a' a c s; ls
cat s; cd ..; mv d r; rm -r r; ls; mkdir -p a/b c; mv a c/; ls -R; mv -n c/a c/a 2>&1
rm -rf c; ls"#,
    ),
    Row(
        "stat_of_many_kinds",
        "/usr/bin/stat",
        "coreutils",
        r#"stat -c '%n %F %a %u %g %h %s %b %B' /etc/passwd /etc /bin/sh /usr/bin
stat -L -c '%F %s' /bin/sh; stat /none; echo $?; stat -f -c %T /proc"#,
    ),
    Row(
        "touch_and_date",
        "/bin/touch",
        "coreutils",
        r#"touch -d '2001-02-03 04:05:06.789' f; stat -c '%y %x' f; touch -r f g; touch -a -d @5 g
stat -c '%X %Y' g; date -u -d @0; date -r f +%s.%N; date -d '2000-02-28 + 2 days' +%F
touch /none/f; echo $?"#,
    ),
    Row(
        "sleep_and_timeout",
        "/usr/bin/timeout",
        "coreutils",
        r#"sleep 0.05; echo $?; timeout 0.2 sleep 5; echo $?; timeout -s KILL 0.1 sleep 5; echo $?
timeout 5 sh -c 'exit 3'; echo $?; echo x | timeout 5 cat"#,
    ),
    Row(
        "env_nproc_and_identity",
        "/usr/bin/env",
        "coreutils",
        r#"env -i A=1 B=2 env; env -u HOME sh -c 'echo ${HOME-unset}'; [ $(nproc) -ge 1 ] && echo some
id -u >/dev/null; test -n "$(uname -r)" && echo named; env -C / pwd; env none; echo $?"#,
    ),
    Row(
        "dd_seq_head_tail",
        "/bin/dd",
        "coreutils",
        r#"dd if=/dev/zero bs=1k count=3 status=none | wc -c; seq 100 | head -3; seq 100 | tail -2
seq 3 >f; dd if=/etc/passwd of=f bs=10 skip=1 seek=3 count=2 conv=notrunc status=none
od -c f | head -4; head -c -5 f | wc -c; tail -n +3 /etc/passwd | head -1
seq -w 8 2 12 | tr '\n' ' '"#,
    ),
    Row(
        "a_closed_pipe_ends_the_writer",
        "/usr/bin/yes",
        "coreutils",
        "yes | head -1; seq 1000000 | head -2; (yes; echo $? >&2) 2>&1 | head -1",
    ),
    Row(
        "text_tools",
        "/usr/bin/cut",
        "coreutils",
        r#"cut -d: -f1,3 /etc/passwd; paste -d, /etc/passwd /etc/group | head -2
join -t: /etc/passwd /etc/passwd | sha1sum; nl /etc/passwd | tail -1
fold -w 10 /etc/passwd | md5sum; comm /etc/passwd /etc/group | cksum
tac /etc/passwd | b2sum; base64 /etc/passwd | base64 -d | cmp - /etc/passwd
tr a-z A-Z </etc/hostname; expand /etc/services | sum; split -l 5 /etc/passwd p; ls
factor 1234567890; shuf -n1 -e one; printf '%x %s\n' 255 ok
tee a b </etc/hostname >/dev/null; cmp a b; basename /a/b.c .c; dirname /a/b; realpath /bin/../etc
readlink -f /bin/sh; expr 6 \* 7; numfmt --to=iec 123456"#,
    ),
    Row(
        "times_and_links_change_when_they_should",
        "/usr/bin/stat",
        "coreutils",
        r#"mkdir d; echo x >d/f; new() { [ $(stat -c %$1 $2) -gt 2000 ] && echo $1 $2 new || echo $1 $2 old; }
old() { touch -d @1000 d d/f; new Y d; new Y d/f; }
old; echo more >>d/f; new Y d; new Y d/f; old; >d/g; new Y d; rm d/g; old; chmod 600 d/f; new Y d/f; new Z d/f
old; ln d/f d/h; new Y d; new Y d/f; stat -c %h d/f d; mkdir d/e d/e/e; stat -c %h d/f; old; mv d/h d/e/h; new Y d
rm d/e/h; stat -c %h d/f; old; cat d/f >/dev/null; new Y d/f; truncate -s 0 d/f; new Y d/f; cp -p d/f i; [ $(stat -c %Y i) = $(stat -c %Y d/f) ] && echo kept"#,
    ),
    Row(
        "owners_modes_and_special_files",
        "/bin/chmod",
        "coreutils",
        r#"umask 022; touch f; chmod 4755 f; stat -c %a f; chmod u-s,g+w f; stat -c %A f
mkdir -m 1777 d; stat -c %A d; rmdir d; mkfifo p; (echo through >p &) ; cat p
truncate -s 5 t; od -c t; install -m 640 t u; stat -c %a u; unlink u
rmdir $(mktemp -d XXXXXX); du -b t; df . | wc -l; sync; tty; ls"#,
    ),
    Row(
        "find",
        "/usr/bin/find",
        "findutils",
        r#"find /etc/apt -name '*.list' | sort; find /etc/apt -type d -printf '%p %m %s\n' | sort
find . -empty; mkdir a; touch a/b; find a -newer /etc/passwd | sort
find a -name b -exec echo {} + -delete; find a; find /usr/share/doc -type f | wc -l"#,
    ),
    Row(
        "xargs",
        "/usr/bin/xargs",
        "findutils",
        r#"echo a b c | xargs -n1 echo; seq 20 | xargs -P 8 -I{} sh -c 'echo {}' | sort -n | tail -2
printf 'a b\0c\0' | xargs -0 -n1 echo; echo x | xargs false; echo $?
find /usr/include -maxdepth 1 -name '*.h' -print0 | xargs -0 -P4 -n9 cat | wc -c"#,
    ),
    Row(
        "grep",
        "/bin/grep",
        "grep",
        r#"grep -c root /etc/passwd; grep nobody-has-this /etc/passwd; echo $?
grep -rl deb /etc/apt | sort; grep -E '^(root|bin):' /etc/passwd; echo aXb | grep -o X
grep -n x /none; echo $?"#,
    ),
    Row(
        "sed",
        "/bin/sed",
        "sed",
        r#"sed -n 's/root/x/p' /etc/passwd; echo abc >f; sed -i s/b/B/ f; cat f; ls
sed -n '2,3p;5q' /etc/passwd; sed 's/a/b/w out' f; cat out"#,
    ),
    Row(
        "awk",
        "/usr/bin/gawk",
        "gawk",
        r#"gawk -F: '{n += $3} END {print n, NR}' /etc/passwd
gawk 'BEGIN { while (("echo a b" | getline x) > 0) print x; print "z\ny" | "sort"; close("sort"); system("exit 3"); printf "%.3f\n", exp(1) }'
mawk 'BEGIN { print length("abc") }'"#,
    ),
    Row(
        "diff",
        "/usr/bin/diff",
        "diffutils",
        r#"diff /etc/passwd /etc/group | head -5; cmp /etc/passwd /etc/passwd; echo $?
diff -u /etc/hostname /etc/passwd | tail -2; diff3 /etc/hostname /etc/hostname /etc/hostname
sdiff -s /etc/passwd /etc/passwd; echo $?"#,
    ),
    Row(
        "tar",
        "/bin/tar",
        "tar",
        r#"cd /etc; tar cf - passwd group | tar tf -; cd - >/dev/null; cp -r /etc/apt d; mkfifo d/p
ln -s p d/l; ln d/l d/h; tar czf x.tgz d; mv d e; tar xpzf x.tgz; diff <x.tgz x.tgz
find d -printf '%p %y %m %n\n' | sort"#,
    ),
    Row(
        "gzip",
        "/bin/gzip",
        "gzip",
        r#"gzip -c /etc/passwd | gunzip | cmp - /etc/passwd; echo $?; cp /bin/ls .; gzip -k ls
gzip -l ls.gz | wc -l; gzip -t ls.gz; zcat ls.gz | cmp - ls; zgrep -c ELF ls.gz"#,
    ),
    Row(
        "xz",
        "/usr/bin/xz",
        "xz-utils",
        r#"seq 100000 | xz -T2 | xz -d | md5sum; cp -r /etc/apt d; tar cJf x.tar.xz d
tar tJf x.tar.xz | sort; xz -l x.tar.xz | wc -l; xz -t x.tar.xz; echo $?; echo bad | xz -d
echo $?"#,
    ),
    Row(
        "procfs_tells_of_threads_and_descriptors",
        "/usr/bin/ps",
        "procps",
        r#"cat /proc/thread-self/comm; ls /proc/self/task | wc -l; head -1 /proc/self/fdinfo/0; readlink /proc/self/fd/0
exec 5</etc/passwd; read x <&5; cat /proc/$$/fdinfo/5 | head -1; ls /proc/$$/fd | grep -x 5
tr '\0' ' ' </proc/self/cmdline; readlink /proc/self/exe /proc/$$/cwd | head -1; wc -c </proc/sys/kernel/random/uuid
sleep 5 & ps -o comm=,s= -p $!; ps -L -p $! -o comm= ; kill $!; cat /proc/$$/task/$$/comm"#,
    ),
    Row(
        "what_the_caller_may_not_read_the_guest_may_not_either",
        "/bin/cat",
        "coreutils",
        r#"cat /etc/shadow >/dev/null; echo $?; head -c 1 /etc/gshadow >/dev/null; echo $?; cp /etc/shadow x 2>&1
ls x 2>&1 | wc -l; ls /root >/dev/null; echo $?; find /root -maxdepth 1 -name .bashrc; ls -l /etc/shadow"#,
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
        r#"truncate -s 1G f; stat -c %s f; tail -c 2 f | od -c
printf x | dd of=f bs=1 seek=500000000 conv=notrunc status=none
dd if=f bs=1 skip=500000000 count=2 status=none | od -c; cp --sparse=always f g
stat -c %s g; [ $(du -k g | cut -f1) -lt 1024 ] && echo sparse; rm f g"#,
    ),
    Row(
        "a_pipe_carries_one_gibibyte",
        "/bin/dd",
        "coreutils",
        "dd if=/dev/zero bs=64k count=16384 status=none | wc -c",
    ),
    Row("bc_calculates", "/usr/bin/bc", "bc", "echo '2^200; scale=30; 4*a(1)' | bc -l"),
    Row(
        "jq_filters",
        "/usr/bin/jq",
        "jq",
        r#"jq -n '[range(5)|.*2]|add'; echo '{"a":[1,2,{"b":null}]}' | jq -c '.a[2]'; echo '{' | jq .
echo $?"#,
    ),
    Row(
        "vim_edits",
        "/usr/bin/vim",
        "vim",
        r#"vim -es -u NONE -c 'normal ihello' -c 'wq! f' -c q; cat f
printf 'a\nb\n' | vim -es -u NONE - +'%s/a/c/' +'%p' +'q!'; ls"#,
    ),
    Row(
        "zsh_globs_arrays_and_coprocesses",
        "/usr/bin/zsh",
        "zsh",
        "zsh -fc 'unsetopt bgnice; a=(1 2 3); echo ${a[2]} ${(j:,:)a}; touch x y; echo *(N); for i in {1..3}; do echo $i; done | tail -1; coproc cat; print -p hi; read -p x; echo $x; diff =(echo a) <(echo a) && echo same'",
    ),
];

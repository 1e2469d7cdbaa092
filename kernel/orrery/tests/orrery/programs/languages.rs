//! Interpreters, compilers and what is built with them.

use super::subject::Row;

const PYTHON: (&str, &str) = ("/usr/bin/python3", "python3");
const GCC: (&str, &str) = ("/usr/bin/gcc", "gcc libc6-dev");

pub(crate) const ROWS: &[Row] = &[
    Row(
        "python_files",
        PYTHON.0,
        PYTHON.1,
        r#"/usr/bin/python3 -c 'import os; open("f","w").write("x"*9999); print(os.stat("f").st_size, open("f").read()[:3]); os.rename("f","g"); os.symlink("g","l"); print(sorted(os.listdir()), os.readlink("l"), os.path.samefile("g","l")); os.remove("g"); print(os.path.exists("l"), [e.name for e in os.scandir(".")])'"#,
    ),
    Row(
        "python_threads",
        PYTHON.0,
        PYTHON.1,
        r#"/usr/bin/python3 -c '
import threading as t, queue
r=[]; a=[t.Thread(target=r.append, args=(i,)) for i in range(8)]; [x.start() for x in a]; [x.join() for x in a]; print(sorted(r))
q=queue.Queue(2); c=t.Thread(target=lambda: print(sum(q.get() for _ in range(100)))); c.start(); [q.put(i) for i in range(100)]; c.join()
b=t.Barrier(4); s=t.Semaphore(2); a=[t.Thread(target=lambda: (b.wait(), s.acquire(), s.release())) for _ in range(4)]; [x.start() for x in a]; [x.join() for x in a]
e=t.Event(); print(e.wait(0.02)); t.Timer(0.02, e.set).start(); print(e.wait(5))'"#,
    ),
    Row(
        "python_subprocess",
        PYTHON.0,
        PYTHON.1,
        r#"/usr/bin/python3 -c '
import subprocess as s
print(s.run(["cat"], input=b"through", stdout=s.PIPE).stdout, s.call(["sh","-c","exit 3"]), s.getoutput("echo hi"))
p=s.Popen(["sleep","9"]); p.terminate(); print(p.wait())
try: s.run(["sleep","9"], timeout=0.1)
except s.TimeoutExpired: print("late")
try: s.run(["/none"])
except FileNotFoundError as e: print(e)
a=s.Popen(["seq","9999"],stdout=s.PIPE); b=s.Popen(["wc","-l"],stdin=a.stdout,stdout=s.PIPE); print(b.communicate()[0])'"#,
    ),
    Row(
        "python_multiprocessing",
        PYTHON.0,
        PYTHON.1,
        r#"cat >m.py <<END
import multiprocessing as m, time
def f(x): return x * x
def g(q, e): e.wait(); q.put(42)
if __name__ == '__main__':
    for kind in 'fork', 'spawn':
        c = m.get_context(kind)
        with c.Pool(2) as p: print(p.map(f, range(5)))
    q, e = m.Queue(), m.Event(); p = m.Process(target=g, args=(q, e)); p.start(); e.set(); print(q.get()); p.join(); print(p.exitcode)
    v = m.Value('i', 0); a = [m.Process(target=lambda: exec('with v.get_lock(): v.value += 1', {'v': v})) for _ in range(4)]; [x.start() for x in a]; [x.join() for x in a]; print(v.value)
END
/usr/bin/python3 m.py"#,
    ),
    Row(
        "python_select",
        PYTHON.0,
        PYTHON.1,
        r#"/usr/bin/python3 -c '
import select,os
r,w=os.pipe(); print(select.select([r],[],[],0.02)); os.write(w,b"x"); print(select.select([r],[w],[],1)==([r],[w],[]))
p=select.poll(); p.register(r); print(p.poll(10)); os.close(w); os.read(r,9); print(p.poll(10)[0][1] & select.POLLHUP)
e=select.epoll(); e.register(r); print(len(e.poll(0.02)))'"#,
    ),
    Row(
        "python_mmap",
        PYTHON.0,
        PYTHON.1,
        r#"/usr/bin/python3 -c '
import mmap,os
f=open("f","w+b"); f.truncate(8192); m=mmap.mmap(f.fileno(),8192); m[0:5]=b"hello"; m.flush(); print(open("f","rb").read(5)); m.resize(16384); print(len(m), os.stat("f").st_size); m.close()
a=mmap.mmap(-1,4096); p=os.fork()
if p==0: a[0]=7; os._exit(0)
os.waitpid(p,0); print(a[0]); os.pwrite(f.fileno(),b"J",0); print(mmap.mmap(f.fileno(),0,access=mmap.ACCESS_READ)[:5])'"#,
    ),
    Row(
        "python_signals",
        PYTHON.0,
        PYTHON.1,
        r#"/usr/bin/python3 -c '
import signal as s,os,time
s.signal(s.SIGALRM,lambda *a: os.write(1,b"alarm\n")); s.setitimer(s.ITIMER_REAL,0.05); s.pause()
s.signal(s.SIGUSR1,lambda *a: print("usr")); os.kill(os.getpid(),s.SIGUSR1); print(s.sigpending())
s.pthread_sigmask(s.SIG_BLOCK,[s.SIGUSR2]); os.kill(os.getpid(),s.SIGUSR2); print(s.sigpending()); print(int(s.sigwait([s.SIGUSR2])))
p=os.fork()
if p==0: s.signal(s.SIGTERM,s.SIG_DFL); time.sleep(9)
os.kill(p,s.SIGSTOP); print(os.WIFSTOPPED(os.waitpid(p,os.WUNTRACED)[1])); os.kill(p,s.SIGCONT); os.kill(p,s.SIGTERM); print(os.WTERMSIG(os.waitpid(p,0)[1]))
s.siginterrupt(s.SIGALRM,False); s.setitimer(s.ITIMER_REAL,0.02,0.02); time.sleep(0.1); s.setitimer(s.ITIMER_REAL,0)' | sort -u"#,
    ),
    Row(
        "python_tempfile",
        PYTHON.0,
        PYTHON.1,
        r#"/usr/bin/python3 -c '
import tempfile as t,os
f=t.NamedTemporaryFile(); f.write(b"x"); f.flush(); print(os.path.getsize(f.name)); n=f.name; f.close(); print(os.path.exists(n))
with t.TemporaryDirectory() as d: open(d+"/a","w").close(); print(os.listdir(d))
print(os.path.exists(d)); g=t.TemporaryFile(); g.write(b"abc"); g.seek(0); print(g.read())'"#,
    ),
    Row(
        "python_json_and_sqlite",
        PYTHON.0,
        PYTHON.1,
        r#"/usr/bin/python3 -c '
import json,sqlite3
c=sqlite3.connect("d.db"); c.execute("create table t(a,b)"); c.executemany("insert into t values(?,?)",[(i,i*i) for i in range(100)]); c.commit(); print(json.dumps({"s": c.execute("select sum(b),max(a) from t").fetchall()})); c.close()
c=sqlite3.connect("d.db"); print(c.execute("pragma journal_mode=wal").fetchone()); c.execute("insert into t values(1,1)"); c.commit(); d=sqlite3.connect("d.db"); print(d.execute("select count(*) from t").fetchone())'; ls"#,
    ),
    Row(
        "python_holes_and_locks",
        PYTHON.0,
        PYTHON.1,
        r#"/usr/bin/python3 -c '
import os,fcntl
f=os.open("f",os.O_RDWR|os.O_CREAT); os.ftruncate(f,1<<20); os.pwrite(f,b"x",500000); print(os.lseek(f,0,os.SEEK_DATA), os.lseek(f,0,os.SEEK_HOLE), os.lseek(f,499712,os.SEEK_HOLE))
fcntl.flock(f,fcntl.LOCK_EX); g=os.open("f",os.O_RDWR)
try: fcntl.flock(g,fcntl.LOCK_EX|fcntl.LOCK_NB)
except BlockingIOError as e: print(e)
fcntl.lockf(f,fcntl.LOCK_EX|fcntl.LOCK_NB,10); print(fcntl.fcntl(f,fcntl.F_GETFL)&3)'"#,
    ),
    Row(
        "perl_files_processes_and_signals",
        "/usr/bin/perl",
        "perl",
        r#"perl -e 'print join(",", sort { $a <=> $b } (30,1,2)), "\n"; open F, ">f"; print F "hi\n"; close F; print `cat f`; my $p = fork; if (!$p) { exit 5 } waitpid $p, 0; print $? >> 8, "\n"; $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 5 }; print $@; print -s "/bin/ls", "\n"; pipe R, W; print W "x\n"; close W; print <R>; utime 1, 2, "f"; print((stat "f")[9], "\n"); opendir D, "/etc/apt"; print join(" ", sort readdir D), "\n"; exec "echo", "done"'; perl -MPOSIX -MDigest::MD5=md5_hex -MFile::Find -e 'print strftime("%Y", gmtime 0), md5_hex("x"), "\n"; find(sub { $n++ }, "/etc/apt"); print "$n\n"; die'"#,
    ),
    Row(
        "gcc_runs_and_what_it_built_runs",
        GCC.0,
        GCC.1,
        r#"cat >a.c <<'END'
#include <stdio.h>
#include <pthread.h>
#include <math.h>
static void *f(void *p) { *(double *)p = sqrt(1764); return p; }
int main(int c, char **v) { pthread_t t; double n = 0; pthread_create(&t, 0, f, &n); pthread_join(t, 0); printf("%s %g\n", v[1], n); return c; }
END
gcc -O2 -pthread a.c -o a -lm && ./a dynamic; echo $?; gcc -static -pthread a.c -o b -lm && ./b static; echo $?; gcc -c none.c; echo $?; ls"#,
    ),
    Row(
        "make_builds_in_parallel",
        "/usr/bin/make",
        "make",
        r#"printf 'all: a\n\t@./a\na: a.o b.o\n\tgcc -o $@ $^\n%%.o: %%.c\n\tgcc -c $<\n' >Makefile; echo 'int b(void); int main() { return b(); }' >a.c; printf '#include <stdio.h>\nint b(void) { return puts("made") < 0; }\n' >b.c; make -j4 | sort; make -q; echo $?; touch b.c; make -s"#,
    ),
    Row(
        "git_commits_branches_and_clones",
        "/usr/bin/git",
        "git",
        "export HOME=$PWD GIT_AUTHOR_DATE='2000-01-01T00:00:00Z' GIT_COMMITTER_DATE='2000-01-01T00:00:00Z' PATH=/usr/bin:/bin; git init -q r 2>/dev/null; cd r; git config user.email a@b; git config user.name n; echo x >f; git add f; git commit -qm one; git log --format='%H %s'; echo y >>f; git diff; git status -s; git checkout -qb b; git commit -qam two; git log --oneline --graph; git gc -q; git fsck; git clone -q . ../c; ls ../c; cat ../c/f; git ls-files -s",
    ),
    Row(
        "sqlite_in_both_journal_modes",
        "/usr/bin/sqlite3",
        "sqlite3",
        "sqlite3 d.db 'create table t(a); insert into t values(1),(2); select sum(a) from t; pragma journal_mode=wal; insert into t values(3); select count(*) from t;'; sqlite3 d.db .dump; ls; sqlite3 d.db 'pragma integrity_check'; seq 2000 | sqlite3 d.db '.import /dev/stdin t' 'select sum(a) from t'",
    ),
    Row(
        "lua_reads_writes_and_pipes",
        "/usr/bin/lua5.4",
        "lua5.4",
        r#"lua5.4 -e 'print(3//2, string.rep("x",3)); local f=io.open("f","w"); f:write("y"); f:close(); for l in io.lines("f") do print(l) end; print(io.popen("echo hi"):read("a")); print(os.getenv("TZ"), os.time{year=2000,month=1,day=1,hour=0}); os.exit(4)'"#,
    ),
];

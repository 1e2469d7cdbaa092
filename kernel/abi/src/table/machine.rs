//! Rows: time, users, limits, the machine.

/// These rows behind those before, to the macro that wants them all.
#[doc(hidden)]
#[macro_export]
macro_rules! rows_of_machine {
    ([$($callback:tt)+] [$($before:tt)*]) => {
        $($callback)+! {
            $($before)*
            // ---- Time.
            /// Seconds since 1970.
            time                   [ 201    -] = time::time(into: UserMut<i64>);
            /// Microseconds since 1970.
            gettimeofday           [  96  169] = time::gettimeofday(into: UserMut<Timeval>, zone: UserMut<Timezone>);
            /// Set the clock.
            settimeofday           [ 164  170] = time::settimeofday(from: UserPtr<Timeval>, zone: UserPtr<Timezone>);
            /// What a clock shows.
            clock_gettime          [ 228  113] = time::clock_gettime(clock: ClockId, into: UserMut<Timespec>);
            /// Set a clock.
            clock_settime          [ 227  112] = time::clock_settime(clock: ClockId, from: UserPtr<Timespec>);
            /// How fine a clock is.
            clock_getres           [ 229  114] = time::clock_getres(clock: ClockId, into: UserMut<Timespec>);
            /// Sleep by a clock.
            clock_nanosleep        [ 230  115] = time::clock_nanosleep(clock: ClockId, flags: TimerFlags, request: UserPtr<Timespec>, remain: UserMut<Timespec>);
            /// Sleep.
            nanosleep              [  35  101] = time::nanosleep(request: UserPtr<Timespec>, remain: UserMut<Timespec>);
            /// Ask for SIGALRM later.
            alarm                  [  37    -] = time::alarm(seconds: u32);
            /// When an interval timer is due.
            getitimer              [  36  102] = time::getitimer(which: ItimerKind, into: UserMut<Itimerval>);
            /// Arm an interval timer.
            setitimer              [  38  103] = time::setitimer(which: ItimerKind, new: UserPtr<Itimerval>, old: UserMut<Itimerval>);
            /// Make a timer.
            timer_create           [ 222  107] = timer::timer_create(clock: ClockId, event: UserPtr<Sigevent>, id: UserMut<i32>);
            /// Arm a timer.
            timer_settime          [ 223  110] = timer::timer_settime(timer: i32, flags: TimerFlags, new: UserPtr<Itimerspec>, old: UserMut<Itimerspec>);
            /// When a timer is due.
            timer_gettime          [ 224  108] = timer::timer_gettime(timer: i32, into: UserMut<Itimerspec>);
            /// How often a timer was due while its signal waited.
            timer_getoverrun       [ 225  109] = timer::timer_getoverrun(timer: i32);
            /// Delete a timer.
            timer_delete           [ 226  111] = timer::timer_delete(timer: i32);
            /// The CPU time of this process and its children, in clock ticks.
            times                  [ 100  153] = time::times(into: UserMut<Tms>);

            // ---- Users and groups.
            /// The real user.
            getuid                 [ 102  174] = id::getuid();
            /// The effective user.
            geteuid                [ 107  175] = id::geteuid();
            /// The real group.
            getgid                 [ 104  176] = id::getgid();
            /// The effective group.
            getegid                [ 108  177] = id::getegid();
            /// Become a user.
            setuid                 [ 105  146] = id::setuid(user: Uid);
            /// Become a group.
            setgid                 [ 106  144] = id::setgid(group: Gid);
            /// Set real and effective user.
            setreuid               [ 113  145] = id::setreuid(real: Uid, effective: Uid);
            /// Set real and effective group.
            setregid               [ 114  143] = id::setregid(real: Gid, effective: Gid);
            /// All three users.
            getresuid              [ 118  148] = id::getresuid(real: UserMut<Uid>, effective: UserMut<Uid>, saved: UserMut<Uid>);
            /// Set all three users.
            setresuid              [ 117  147] = id::setresuid(real: Uid, effective: Uid, saved: Uid);
            /// All three groups.
            getresgid              [ 120  150] = id::getresgid(real: UserMut<Gid>, effective: UserMut<Gid>, saved: UserMut<Gid>);
            /// Set all three groups.
            setresgid              [ 119  149] = id::setresgid(real: Gid, effective: Gid, saved: Gid);
            /// Set the user for file access.
            setfsuid               [ 122  151] = id::setfsuid(user: Uid);
            /// Set the group for file access.
            setfsgid               [ 123  152] = id::setfsgid(group: Gid);
            /// The supplementary groups.
            getgroups              [ 115  158] = id::getgroups(count: i32, into: UserMut<Gid>);
            /// Set the supplementary groups.
            setgroups              [ 116  159] = id::setgroups(count: i32, from: UserPtr<Gid>);
            /// The capabilities of a process.
            capget                 [ 125   90] = id::capget(header: UserInOut<CapHeader>, data: UserMut<CapData>);
            /// Set this thread's capabilities.
            capset                 [ 126   91] = id::capset(header: UserInOut<CapHeader>, data: UserPtr<CapData>);

            // ---- Limits and scheduling.
            /// What a resource is limited to.
            getrlimit              [  97  163] = limit::getrlimit(resource: Resource, into: UserMut<Rlimit>);
            /// Limit a resource.
            setrlimit              [ 160  164] = limit::setrlimit(resource: Resource, from: UserPtr<Rlimit>);
            /// Ask or change a process's limit.
            prlimit64              [ 302  261] = limit::prlimit64(who: Pid, resource: Resource, new: UserPtr<Rlimit>, old: UserMut<Rlimit>);
            /// What was used so far.
            getrusage              [  98  165] = limit::getrusage(who: RusageWho, into: UserMut<Rusage>) without "switches, blocks, major faults; ru_maxrss is what is in memory now";
            /// How nice a process is.
            getpriority            [ 140  141] = priority::getpriority(which: PriorityWhich, who: Pid);
            /// Set how nice a process is.
            setpriority            [ 141  140] = priority::setpriority(which: PriorityWhich, who: Pid, nice: i32) without "effect on who runs";
            /// Let others run.
            sched_yield            [  24  124] = sched::sched_yield();
            /// Which CPUs a thread may run on.
            sched_getaffinity      [ 204  123] = sched::sched_getaffinity(who: Pid, len: u32, into: UserMut<u64>);
            /// Set which CPUs a thread may run on.
            sched_setaffinity      [ 203  122] = sched::sched_setaffinity(who: Pid, len: u32, from: UserPtr<u64>) without "effect on where a thread runs";
            /// How a thread is scheduled.
            sched_getscheduler     [ 145  120] = sched::sched_getscheduler(who: Pid);
            /// Set how a thread is scheduled.
            sched_setscheduler     [ 144  119] = sched::sched_setscheduler(who: Pid, policy: SchedPolicy, param: UserPtr<SchedParam>) without "effect on who runs";
            /// A thread's static priority.
            sched_getparam         [ 143  121] = sched::sched_getparam(who: Pid, into: UserMut<SchedParam>);
            /// Set a thread's static priority.
            sched_setparam         [ 142  118] = sched::sched_setparam(who: Pid, from: UserPtr<SchedParam>) without "effect on who runs";
            /// The highest static priority of a policy.
            sched_get_priority_max [ 146  125] = sched::sched_get_priority_max(policy: SchedPolicy);
            /// The lowest static priority of a policy.
            sched_get_priority_min [ 147  126] = sched::sched_get_priority_min(policy: SchedPolicy);
            /// The time slice of a thread.
            sched_rr_get_interval  [ 148  127] = sched::sched_rr_get_interval(who: Pid, into: UserMut<Timespec>);
            /// A thread's priority for disk access.
            ioprio_get             [ 252   31] = priority::ioprio_get(which: i32, who: Pid);
            /// Set a thread's priority for disk access.
            ioprio_set             [ 251   30] = priority::ioprio_set(which: i32, who: Pid, priority: i32) without "effect: there is no disk";
            /// Where this thread runs.
            getcpu                 [ 309  168] = sched::getcpu(cpu: UserMut<u32>, node: UserMut<u32>, unused: UserAddr);

            // ---- About the machine.
            /// The names of system and host.
            uname                  [  63  160] = info::uname(into: UserMut<Utsname>);
            /// Memory, load and uptime.
            sysinfo                [  99  179] = info::sysinfo(into: UserMut<Sysinfo>);
            /// Random bytes.
            getrandom              [ 318  278] = info::getrandom(into: UserOut, flags: GetrandomFlags);
            /// Set the host's name.
            sethostname            [ 170  161] = info::sethostname(name: UserInInt);
            /// Set the NIS domain's name.
            setdomainname          [ 171  162] = info::setdomainname(name: UserInInt);
            /// Read or clear the kernel's log.
            syslog                 [ 103  116] = later info::syslog(action: SyslogAction, into: UserOutInt);
            /// Stop or restart the machine.
            reboot                 [ 169  142] = later info::reboot(magic: Hex, magic2: Hex, command: RebootCommand, argument: UserAddr);
            /// Make written code visible to instruction fetch.
            riscv_flush_icache     [   -  259] = later info::riscv_flush_icache(start: UserAddr, end: UserAddr, flags: usize);
        }
    };
}

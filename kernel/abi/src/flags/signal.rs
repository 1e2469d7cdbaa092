//! Signals: what an action, a mask and a siginfo say. The numbers themselves are [`crate::Signal`].

flags! {
    /// `sa_flags` of sigaction(2).
    SaFlags: u64 from general {
        SA_NOCLDSTOP = 1;
        SA_NOCLDWAIT = 2;
        SA_SIGINFO = 4;
        SA_UNSUPPORTED = 0x400;
        SA_EXPOSE_TAGBITS = 0x800;
        SA_RESTORER = 0x400_0000;
        SA_ONSTACK = 0x800_0000;
        SA_RESTART = 0x1000_0000;
        SA_NODEFER = 0x4000_0000;
        SA_RESETHAND = 0x8000_0000;
    }

    /// `ss_flags` of sigaltstack(2).
    StackFlags: u32 from general {
        SS_AUTODISARM = 0x8000_0000;
        SS_ONSTACK = 1;
        SS_DISABLE = 2;
    }
}

values! {
    /// How rt_sigprocmask(2) changes the mask.
    SigHow: i32 from general {
        SIG_BLOCK = 0;
        SIG_UNBLOCK = 1;
        SIG_SETMASK = 2;
    }
}

consts! {
    usize from general {
    } + {
        SIG_DFL = 0;
        SIG_IGN = 1;
        MINSIGSTKSZ = 2048;
        SIGSTKSZ = 8192;
    }

    i32 from general {
        SI_USER = 0;
        SI_KERNEL = 128;
        SI_QUEUE = -1;
        SI_TIMER = -2;
        SI_MESGQ = -3;
        SI_ASYNCIO = -4;
        SI_SIGIO = -5;
        SI_TKILL = -6;
        CLD_EXITED = 1;
        CLD_KILLED = 2;
        CLD_DUMPED = 3;
        CLD_TRAPPED = 4;
        CLD_STOPPED = 5;
        CLD_CONTINUED = 6;
        ILL_ILLOPC = 1;
        ILL_ILLOPN = 2;
        ILL_ILLADR = 3;
        ILL_ILLTRP = 4;
        ILL_PRVOPC = 5;
        ILL_PRVREG = 6;
        ILL_COPROC = 7;
        ILL_BADSTK = 8;
        FPE_INTDIV = 1;
        FPE_INTOVF = 2;
        FPE_FLTDIV = 3;
        FPE_FLTOVF = 4;
        FPE_FLTUND = 5;
        FPE_FLTRES = 6;
        FPE_FLTINV = 7;
        FPE_FLTSUB = 8;
        SEGV_MAPERR = 1;
        SEGV_ACCERR = 2;
        SEGV_PKUERR = 4;
        BUS_ADRALN = 1;
        BUS_ADRERR = 2;
        BUS_OBJERR = 3;
        TRAP_BRKPT = 1;
        TRAP_TRACE = 2;
        SYS_SECCOMP = 1;
        POLL_IN = 1;
        POLL_OUT = 2;
        POLL_MSG = 3;
        POLL_ERR = 4;
        POLL_PRI = 5;
        POLL_HUP = 6;
        SIGEV_SIGNAL = 0;
        SIGEV_NONE = 1;
        SIGEV_THREAD = 2;
        SIGEV_THREAD_ID = 4;
    }
}

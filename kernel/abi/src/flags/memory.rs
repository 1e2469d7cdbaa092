//! Memory: mappings, advice and policies.

flags! {
    /// What a mapping allows: mmap(2), mprotect(2).
    ProtFlags: u64 from general {
        PROT_READ = 1;
        PROT_WRITE = 2;
        PROT_EXEC = 4;
        PROT_SEM = 8;
        PROT_GROWSDOWN = 0x100_0000;
        PROT_GROWSUP = 0x200_0000;
        PROT_NONE = 0;
    }

    /// What kind of mapping mmap(2) makes. `MAP_32BIT` is x86-64's only.
    MapFlags: u64 from general {
        MAP_SHARED_VALIDATE = 3;
        MAP_SHARED = 1;
        MAP_PRIVATE = 2;
        MAP_DROPPABLE = 8;
        MAP_FIXED = 0x10;
        MAP_ANONYMOUS = 0x20;
        MAP_GROWSDOWN = 0x100;
        MAP_DENYWRITE = 0x800;
        MAP_EXECUTABLE = 0x1000;
        MAP_LOCKED = 0x2000;
        MAP_NORESERVE = 0x4000;
        MAP_POPULATE = 0x8000;
        MAP_NONBLOCK = 0x1_0000;
        MAP_STACK = 0x2_0000;
        MAP_HUGETLB = 0x4_0000;
        MAP_SYNC = 0x8_0000;
        MAP_FIXED_NOREPLACE = 0x10_0000;
        MAP_32BIT = 0x40;
    }

    /// mremap(2).
    MremapFlags: u64 from general {
        MREMAP_MAYMOVE = 1;
        MREMAP_FIXED = 2;
        MREMAP_DONTUNMAP = 4;
    }

    /// msync(2).
    MsyncFlags: u32 from general {
        MS_ASYNC = 1;
        MS_INVALIDATE = 2;
        MS_SYNC = 4;
    }

    /// mlock2(2).
    MlockFlags: u32 from general {
        MLOCK_ONFAULT = 1;
    }

    /// mlockall(2).
    MlockallFlags: u32 from general {
        MCL_CURRENT = 1;
        MCL_FUTURE = 2;
        MCL_ONFAULT = 4;
    }

    /// memfd_create(2).
    MemfdFlags: u32 from general {
        MFD_CLOEXEC = 1;
        MFD_ALLOW_SEALING = 2;
        MFD_HUGETLB = 4;
        MFD_NOEXEC_SEAL = 8;
        MFD_EXEC = 0x10;
    }

    /// get_mempolicy(2).
    MempolicyFlags: u64 from mempolicy {
        MPOL_F_NODE = 1;
        MPOL_F_ADDR = 2;
        MPOL_F_MEMS_ALLOWED = 4;
    }
}

values! {
    /// madvise(2).
    Madvice: i32 from general {
        MADV_NORMAL = 0;
        MADV_RANDOM = 1;
        MADV_SEQUENTIAL = 2;
        MADV_WILLNEED = 3;
        MADV_DONTNEED = 4;
        MADV_FREE = 8;
        MADV_REMOVE = 9;
        MADV_DONTFORK = 10;
        MADV_DOFORK = 11;
        MADV_HWPOISON = 100;
        MADV_SOFT_OFFLINE = 101;
        MADV_MERGEABLE = 12;
        MADV_UNMERGEABLE = 13;
        MADV_HUGEPAGE = 14;
        MADV_NOHUGEPAGE = 15;
        MADV_DONTDUMP = 16;
        MADV_DODUMP = 17;
        MADV_WIPEONFORK = 18;
        MADV_KEEPONFORK = 19;
        MADV_COLD = 20;
        MADV_PAGEOUT = 21;
        MADV_POPULATE_READ = 22;
        MADV_POPULATE_WRITE = 23;
        MADV_DONTNEED_LOCKED = 24;
        MADV_COLLAPSE = 25;
    }

    /// set_mempolicy(2).
    MempolicyMode: i32 from mempolicy {
    } + {
        MPOL_DEFAULT = 0;
        MPOL_PREFERRED = 1;
        MPOL_BIND = 2;
        MPOL_INTERLEAVE = 3;
        MPOL_LOCAL = 4;
    }

    /// membarrier(2).
    MembarrierCommand: i32 from general {
    } + {
        MEMBARRIER_CMD_QUERY = 0;
        MEMBARRIER_CMD_GLOBAL = 1;
        MEMBARRIER_CMD_GLOBAL_EXPEDITED = 2;
        MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED = 4;
        MEMBARRIER_CMD_PRIVATE_EXPEDITED = 8;
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED = 16;
        MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE = 32;
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 64;
        MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ = 128;
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ = 256;
        MEMBARRIER_CMD_GET_REGISTRATIONS = 512;
    }
}

//! Memory that is not needed any more.

/// Gives the free pages of the heap back to the kernel (malloc_trim(3)). C libraries other than glibc do it by
/// themselves.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

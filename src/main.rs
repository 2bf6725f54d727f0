//! Arguments in, exit code out.

use std::process::ExitCode;

/// A tenth of the processor's time went into glibc's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    serri_relay::cli::main()
}

//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    serri_relay::cli::main()
}

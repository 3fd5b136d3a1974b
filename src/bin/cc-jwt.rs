//! Issue, inspect and verify tokens.

fn main() -> std::process::ExitCode {
    cc_auth::cli::main(&cc_auth::cli::cc_jwt::TOOL)
}

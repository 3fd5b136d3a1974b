//! Log in and save a session for scripts.

fn main() -> std::process::ExitCode {
    cc_auth::cli::main(&cc_auth::cli::cc_login::TOOL)
}

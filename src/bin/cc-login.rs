//! Find out who somebody is, and keep the result as a session.

fn main() -> std::process::ExitCode {
    cc_auth::cli::main(&cc_auth::cli::cc_login::TOOL)
}

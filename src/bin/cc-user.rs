//! Manage the users of a ClusterCockpit server.

fn main() -> std::process::ExitCode {
    cc_auth::cli::main(&cc_auth::cli::cc_user::TOOL)
}

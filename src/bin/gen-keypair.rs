//! Generates keys for signing and verifying tokens of a ClusterCockpit server.

fn main() -> std::process::ExitCode {
    cc_auth::cli::main(&cc_auth::cli::gen_keypair::TOOL)
}

//! Converts a public key to and from the format of a ClusterCockpit server.

fn main() -> std::process::ExitCode {
    cc_auth::cli::main(&cc_auth::cli::convert_pem_pubkey::TOOL)
}

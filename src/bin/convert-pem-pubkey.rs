//! Convert a public key to and from the form a ClusterCockpit server reads.

fn main() -> std::process::ExitCode {
    cc_auth::cli::main(&cc_auth::cli::convert_pem_pubkey::TOOL)
}

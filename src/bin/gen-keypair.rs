//! Make the keys a ClusterCockpit server signs and checks tokens with.

fn main() -> std::process::ExitCode {
    cc_auth::cli::main(&cc_auth::cli::gen_keypair::TOOL)
}

//! `dlmc-torch`: trains, samples and measures with libtorch.

fn main() -> std::process::ExitCode {
    dlmc::cli_torch::main()
}

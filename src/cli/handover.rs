//! Hands a command over to `dlmc-torch`, which stands beside `dlmc`: this process becomes it, so
//! signals and exit codes are its own.

use super::{USAGE, fail};
use std::process::ExitCode;

pub fn exec() -> ExitCode {
    let Some(beside) = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("dlmc-torch"))) else {
        return fail("cannot find out where this executable is", USAGE);
    };
    if !beside.is_file() {
        return fail(
            &format!(
                "this command needs libtorch, and `{}` is not there\n  = help: run `make build` in the checkout, or \
                 `cargo build --release --features torch`",
                beside.display()
            ),
            USAGE,
        );
    }
    let mut command = std::process::Command::new(&beside);
    command.args(std::env::args_os().skip(1));
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        let error = command.exec();
        fail(&format!("cannot start `{}`: {error}", beside.display()), USAGE)
    }
    #[cfg(not(unix))]
    {
        match command.status() {
            Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(3)).unwrap_or(3)),
            Err(error) => fail(&format!("cannot start `{}`: {error}", beside.display()), USAGE),
        }
    }
}

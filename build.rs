//! Compiles our C++ against libtorch and sees that only `dlmc-torch` is linked to it. Without the
//! feature `torch` there is nothing to do.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "torch")]
    torch::main();
}

#[cfg(feature = "torch")]
mod torch {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    const SOURCES: &[&str] = &[
        "src/lower/attention.cpp",
        "src/lower/attention.h",
        "src/lower/attention_door.cpp",
        "src/lower/door.h",
        "src/lower/kernels.cpp",
        "src/lower/losses.cpp",
        "src/lower/pool.cpp",
        "src/lower/rows.cpp",
        "src/lower/rows.h",
    ];

    /// Rows of numbers are compiled once for each of these; the machine's best is picked at run time.
    const X86_LEVELS: &[(&str, &[&str])] = &[
        ("baseline", &[]),
        ("avx2", &["-march=x86-64-v3"]),
        ("avx512", &["-march=x86-64-v4", "-mprefer-vector-width=512"]),
    ];
    const OTHER_LEVELS: &[(&str, &[&str])] = &[("baseline", &[])];

    /// Attention is compiled for these alone, and called where the machine has them.
    const ATTENTION_FLAGS: &[&str] = &["-march=x86-64-v4", "-mavx512bf16", "-mprefer-vector-width=512"];

    /// The libtorch that torch-sys builds against.
    struct Libtorch {
        includes: Vec<PathBuf>,
        lib: PathBuf,
        cxx11_abi: String,
    }

    pub fn main() {
        for source in SOURCES {
            println!("cargo:rerun-if-changed={source}");
        }
        println!("cargo:rerun-if-changed=Cargo.toml"); // a benchmark may have come
        let libtorch = find();
        compile(&libtorch);
        link(&libtorch.lib);
    }

    fn variable(name: &str) -> Option<String> {
        println!("cargo:rerun-if-env-changed={name}");
        std::env::var(name).ok()
    }

    /// The same answers, to the same variables, as torch-sys finds.
    fn find() -> Libtorch {
        if variable("LIBTORCH_USE_PYTORCH").is_some() {
            return ask_python();
        }
        let root = variable("LIBTORCH").map(PathBuf::from).unwrap_or_else(|| PathBuf::from("/usr"));
        let under = |name: &str| variable(name).map(PathBuf::from).unwrap_or_else(|| root.clone());
        let include = under("LIBTORCH_INCLUDE").join("include");
        Libtorch {
            includes: vec![include.clone(), include.join("torch/csrc/api/include")],
            lib: under("LIBTORCH_LIB").join("lib"),
            cxx11_abi: variable("LIBTORCH_CXX11_ABI").unwrap_or_else(|| "1".into()),
        }
    }

    fn ask_python() -> Libtorch {
        let python = if variable("VIRTUAL_ENV").is_some() { "python" } else { "python3" };
        let script = "import torch\nfrom torch.utils import cpp_extension as c\n\
                      print('abi', int(torch._C._GLIBCXX_USE_CXX11_ABI))\n\
                      [print('include', p) for p in c.include_paths()]\n\
                      [print('lib', p) for p in c.library_paths()]";
        let output = match Command::new(python).args(["-c", script]).output() {
            Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
            Ok(output) => fail(&format!("`{python}` has no torch: {}", String::from_utf8_lossy(&output.stderr))),
            Err(error) => fail(&format!("LIBTORCH_USE_PYTORCH is set, but `{python}` does not run: {error}")),
        };
        let all = |word: &str| -> Vec<PathBuf> {
            output.lines().filter_map(|l| l.strip_prefix(word)?.strip_prefix(' ')).map(PathBuf::from).collect()
        };
        let Some(lib) = all("lib").into_iter().next() else { fail("python names no folder of libtorch") };
        let abi = output.lines().find_map(|l| l.strip_prefix("abi ")).unwrap_or("1").to_string();
        Libtorch { includes: all("include"), lib, cxx11_abi: abi }
    }

    fn cpp() -> cc::Build {
        let mut build = cc::Build::new();
        build.cpp(true).std("c++17").pic(true).opt_level(3).flag("-fno-math-errno").flag("-fno-trapping-math");
        build
    }

    fn compile(libtorch: &Libtorch) {
        let x86 = variable("CARGO_CFG_TARGET_ARCH").is_some_and(|arch| arch == "x86_64");
        let levels = if x86 { X86_LEVELS } else { OTHER_LEVELS };
        for (name, flags) in levels {
            let mut build = cpp();
            build.file("src/lower/rows.cpp").define("DLMC_LEVEL", *name).warnings(true);
            // Jump threading turns the clamps of `exponential` into speculated constants that are
            // subnormal, at a hundred cycles each.
            build.flag_if_supported("-fno-thread-jumps");
            flags.iter().for_each(|flag| _ = build.flag(flag));
            build.compile(&format!("dlmc_rows_{name}"));
        }
        if x86 {
            let mut build = cpp();
            build.file("src/lower/attention.cpp").warnings(true);
            // Of what the compiler's own header of vectors leaves undefined.
            build.flag_if_supported("-Wno-maybe-uninitialized").flag_if_supported("-Wno-uninitialized");
            ATTENTION_FLAGS.iter().for_each(|flag| _ = build.flag(flag));
            build.compile("dlmc_attention");
        }
        let mut build = cpp();
        for file in ["kernels.cpp", "losses.cpp", "attention_door.cpp", "pool.cpp"] {
            build.file(Path::new("src/lower").join(file));
        }
        build.warnings(false).flag("-fopenmp");
        build.define("_GLIBCXX_USE_CXX11_ABI", libtorch.cxx11_abi.as_str());
        if x86 {
            build.define("DLMC_X86", None);
        }
        // The system flag keeps libtorch's own warnings out of our build.
        libtorch.includes.iter().for_each(|dir| _ = build.flag(format!("-isystem{}", dir.display())));
        build.compile("dlmc_kernels");
    }

    /// `dlmc` gets no argument and so stays free of libtorch; its linker drops what it does not use.
    fn link(lib: &Path) {
        let lib = std::fs::canonicalize(lib).unwrap_or_else(|_| lib.to_path_buf());
        let rpath = format!("-Wl,-rpath,{}", lib.display());
        // First the libtorch of this build; where the repository was moved, the one in its `.venv`.
        println!("cargo:rustc-link-arg-bin=dlmc-torch={rpath}");
        println!("cargo:rustc-link-arg-bin=dlmc-torch=-Wl,-rpath,$ORIGIN/../../.venv/libtorch/lib");
        println!("cargo:rustc-link-arg-tests={rpath}");
        // Cargo refuses arguments for targets that a package does not have.
        let mut benches = std::fs::read_dir("benches").into_iter().flatten().flatten();
        if benches.any(|entry| entry.path().extension().is_some_and(|e| e == "rs")) {
            println!("cargo:rustc-link-arg-benches={rpath}");
        }
        // Nothing calls into libtorch_cuda by name: it registers itself when it is loaded.
        if lib.join("libtorch_cuda.so").exists() {
            println!("cargo:rustc-link-arg-bin=dlmc-torch=-Wl,--no-as-needed");
            println!("cargo:rustc-link-arg-bin=dlmc-torch=-L{}", lib.display());
            println!("cargo:rustc-link-arg-bin=dlmc-torch=-ltorch_cuda");
        }
    }

    fn fail(message: &str) -> ! {
        println!("cargo:warning={message}");
        std::process::exit(1)
    }
}

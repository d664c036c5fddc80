//! The program; what it does is told in the library.

fn main() {
    std::process::exit(fusion::run(std::env::args_os()).into());
}

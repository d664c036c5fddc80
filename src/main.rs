//! `wave`: arguments, configuration, runtime, application, exit code.

mod tools;

use std::process::ExitCode;
use wave_registry::app::App;
use wave_registry::cli::{self, Command, Configured, FAILURE, USAGE, Verb};
use wave_registry::config::{Config, Loaded};
use wave_registry::{net, telemetry};

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(error) => {
            // Where even the message cannot be printed, the exit code still tells.
            let _ = error.print();
            return cli::exit_code(&error).into();
        }
    };
    match command.verb {
        Verb::Serve(configured) => serve(&configured, command.log_level),
        Verb::Check(configured) => check(&configured),
        Verb::Pack(verb) => tools::pack(&verb).unwrap_or_else(|error| failure(&error)),
        Verb::Token(verb) => tools::token(&verb).unwrap_or_else(|error| failure(&error)),
        Verb::Inspect(verb) => tools::inspect(&verb).unwrap_or_else(|error| failure(&error)),
    }
}

fn serve(configured: &Configured, log_level: Option<String>) -> ExitCode {
    let Loaded { mut config, notes, .. } = match load(configured) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    config.log.level = log_level.unwrap_or(config.log.level);
    let telemetry = match telemetry::install(&config.log) {
        Ok(telemetry) => telemetry,
        Err(error) => return failure(&error),
    };
    for note in notes {
        tracing::warn!(key = note.path, "{}", note.message);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error),
    };
    let code = runtime.block_on(run(config, &telemetry));
    telemetry.log.flush(FLUSH);
    code
}

async fn run(config: Config, telemetry: &telemetry::Telemetry) -> ExitCode {
    let signals = match net::signals() {
        Ok(signals) => signals,
        Err(error) => return failure(&error),
    };
    let app = match App::bind(config, telemetry.metrics.clone(), telemetry.level.clone()).await {
        Ok(app) => app,
        Err(error) => return failure(&error),
    };
    let addresses = app.addresses();
    println!("listening plain {}", addresses.plain);
    if let Some(tls) = addresses.tls {
        println!("listening tls {tls}");
    }
    println!("listening admin {}", addresses.admin);
    println!("ready");
    match app.run(signals).await {
        net::Ended::Complete => ExitCode::SUCCESS,
        ended => failure(&format!("stopped before all pulls were finished: {ended:?}")),
    }
}

fn check(configured: &Configured) -> ExitCode {
    match load(configured) {
        Ok(loaded) => {
            print!("{}", loaded.report());
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

fn load(configured: &Configured) -> Result<Loaded, ExitCode> {
    let variables = std::env::vars_os();
    let variables =
        variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Config::load(&configured.source(), variables).map_err(|problems| {
        eprintln!("{problems}");
        ExitCode::from(USAGE)
    })
}

fn failure(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("wave: {error}");
    ExitCode::from(FAILURE)
}

/// How long the last log lines may take.
const FLUSH: std::time::Duration = std::time::Duration::from_secs(1);

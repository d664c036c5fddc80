//! `wave`: arguments, configuration, runtime, application, exit code.

mod tools;

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;
use tokio::runtime::Runtime;
use wave_registry::app::{self, App, StartError};
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
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error),
    };
    let code = runtime.block_on(run(config, &telemetry));
    // A thread that hangs in a file system or a resolver must not keep a process that was told to end.
    runtime.shutdown_timeout(LAST);
    telemetry.log.flush(LAST);
    code
}

async fn run(config: Config, telemetry: &telemetry::Telemetry) -> ExitCode {
    let signals = match net::signals() {
        Ok(signals) => signals,
        Err(error) => return failure(&error),
    };
    let app = match App::bind(config, telemetry.metrics.clone(), telemetry.level.clone()).await {
        Ok(app) => app,
        Err(error) => return not_started(&error),
    };
    let addresses = app.addresses();
    say(format_args!("listening plain {}\n", addresses.plain));
    if let Some(tls) = addresses.tls {
        say(format_args!("listening tls {tls}\n"));
    }
    say(format_args!("listening admin {}\nready\n", addresses.admin));
    match app.run(signals).await {
        net::Ended::Complete => ExitCode::SUCCESS,
        ended => failure(&format!("stopped before all pulls were finished: {ended:?}")),
    }
}

fn check(configured: &Configured) -> ExitCode {
    let loaded = match load(configured) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error),
    };
    match runtime.block_on(app::check(&loaded.config)) {
        Ok(()) => {
            say(loaded.report());
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            wrong.iter().for_each(|error| complain(format_args!("{error}\n")));
            USAGE.into()
        }
    }
}

fn load(configured: &Configured) -> Result<Loaded, ExitCode> {
    let variables = std::env::vars_os();
    let variables =
        variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Config::load(&configured.source(), variables).map_err(|problems| {
        complain(format_args!("{problems}\n"));
        ExitCode::from(USAGE)
    })
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// What the configuration names is as much part of it as what it says.
fn not_started(error: &StartError) -> ExitCode {
    match error {
        StartError::Configuration(message) => {
            complain(format_args!("{message}\n"));
            USAGE.into()
        }
        StartError::Failure(_) => failure(error),
    }
}

fn failure(error: &dyn Display) -> ExitCode {
    complain(format_args!("wave: {error}\n"));
    ExitCode::from(FAILURE)
}

/// Prints a text. Nobody has to listen: a reader that has gone is no failure of ours.
fn say(text: impl Display) {
    let _ = write!(std::io::stdout().lock(), "{text}");
}

/// The same on standard error.
fn complain(text: impl Display) {
    let _ = write!(std::io::stderr().lock(), "{text}");
}

/// How long what still runs, and the last log lines, may take at the end.
const LAST: std::time::Duration = std::time::Duration::from_secs(1);

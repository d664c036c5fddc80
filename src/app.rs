//! From a valid configuration to a running proxy, and down again in order.

use crate::admission::Permits;
use crate::admin::{self, AdminState};
use crate::auth::{Accounts, RequireLayer};
use crate::cache::{Derivations, Tags};
use crate::config::Config;
use crate::control::Control;
use crate::grant::{Grants, Recipe, ResolveLayer};
use crate::inject::{self, Injector};
use crate::net;
use crate::pull::Serve;
use crate::pull::serve::Parts;
use crate::rate::RateLayer;
use crate::rewrite::RewriteLayer;
use crate::route::Pong;
use crate::stack;
use crate::state::State;
use crate::telemetry::{self, RecordLayer};
use crate::upstream::Registries;
use std::net::SocketAddr;
use std::sync::Arc;

//! `serri-relay schema`: JSON Schemas, so that editors complete and check while somebody types.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{Ended, Setting, say};
use crate::config::assemble::NOT_SHARED;
use crate::config::campaigns::CampaignsFile;
use crate::config::relay::RelayFile;
use crate::config::route::RouteFile;
use crate::config::schema::{part_schema_of, schema_of};
use crate::config::source::SourceFile;

/// The arguments of `schema`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which kind of file.
    kind: Kind,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `config/relay.yaml`
    Relay,
    /// `config/routes/NAME.yaml`
    Route,
    /// `config/shared/NAME.yaml`
    Shared,
    /// `config/routes/CLIENT/client.yaml`
    Client,
    /// `config/campaigns.yaml`
    Campaigns,
    /// `config/sources/NAME.yaml`
    Source,
}

/// Runs it.
pub fn run(arguments: &Arguments, _: &Setting) -> Ended {
    say(&text(arguments.kind)?);
    Ok(ExitCode::SUCCESS)
}

/// A kind's schema as text.
pub fn text(kind: Kind) -> serde_json::Result<String> {
    let schema = match kind {
        Kind::Relay => {
            let mut schema = schema_of::<RelayFile>();
            // every key has a default
            drop_required(&mut schema);
            schema
        }
        Kind::Route => schema_of::<RouteFile>(),
        Kind::Shared => part_schema_of::<RouteFile>(&NOT_SHARED.map(|(key, _)| key)),
        Kind::Client => part_schema_of::<RouteFile>(&[]),
        Kind::Campaigns => schema_of::<CampaignsFile>(),
        Kind::Source => schema_of::<SourceFile>(),
    };
    serde_json::to_string_pretty(&schema)
}

fn drop_required(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("required");
            map.values_mut().for_each(drop_required);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_required),
        _ => {}
    }
}

//! What a route expects as proof, for whoever looks why a call was refused. It names schemes and headers, never a secret.

use aws_lc_rs::digest;

use super::signature::{Algorithm, Recipe};
use super::{Authentication, Scheme};
use crate::config::auth::Encoding;

impl Authentication {
    /// What proves a call, in words.
    pub fn expected(&self) -> String {
        self.ways.iter().map(Scheme::expected).collect::<Vec<_>>().join(", or ")
    }
}

impl Scheme {
    fn expected(&self) -> String {
        match self {
            Self::Open => "nothing".to_owned(),
            Self::Bearer(_) => "`Authorization: Bearer` with the route's secret".to_owned(),
            Self::Basic { user, .. } => format!("`Authorization: Basic` with user `{user}` and the route's secret"),
            Self::Header { name, .. } => format!("header `{name}` with the route's secret"),
            Self::Query { name, .. } => format!("query parameter `{name}` with the route's secret"),
            Self::Field { path, .. } => format!("field `{}` of the body with the route's secret", path.join(".")),
            Self::Path { route, .. } => {
                format!("the route's secret at the end of the address: /webhooks/{route}/SECRET")
            }
            Self::Jwt { header, .. } => {
                format!("a JSON Web Token (HS256) in header `{header}`, signed with the route's secret")
            }
            Self::Signature(recipe) => recipe.expected(),
        }
    }
}

impl Recipe {
    fn expected(&self) -> String {
        let headers = self.headers.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
        let algorithm = match &self.algorithm {
            Algorithm::Hmac(keys) => {
                let name = keys.first().map_or("HMAC", |key| {
                    let used = key.algorithm().digest_algorithm();
                    if used == &digest::SHA1_FOR_LEGACY_USE_ONLY {
                        "HMAC-SHA1"
                    } else if used == &digest::SHA512 {
                        "HMAC-SHA512"
                    } else if used == &digest::SHA384 {
                        "HMAC-SHA384"
                    } else {
                        "HMAC-SHA256"
                    }
                });
                format!("an {name} by the route's secret")
            }
            Algorithm::Hash(..) => "a hash that includes the route's secret".to_owned(),
            Algorithm::Ed25519(_) => "an Ed25519 signature of the route's key".to_owned(),
        };
        let encoding = match self.encoding {
            Encoding::Hex => "hexadecimal",
            Encoding::Base64 => "base64",
        };
        format!("header {headers} with {algorithm}, {encoding}")
    }
}

//! A profile of the shared files: keys, or a role that is taken with other credentials.

use std::path::PathBuf;
use std::time::SystemTime;

use super::chain::{Chain, of_environment};
use super::ini::{Profiles, Section};
use super::sts::{self, Role};
use super::{Credentials, container, fetch, instance};
use crate::config::aws::Sources;

/// Roles taken by one another; the second is rare.
const MAX_ROLES: usize = 5;

/// What a profile comes down to: who begins, and the roles that are taken from there, the last one first.
#[derive(Debug)]
struct Plan {
    base: Base,
    roles: Vec<Role>,
}

#[derive(Debug)]
enum Base {
    Keys(Credentials),
    WebIdentity { file: PathBuf, role: Role },
    Environment,
    Container,
    Instance,
}

/// The credentials of the profile that is named or the default one; none if neither is there.
pub(super) async fn load(chain: &Chain, clock: SystemTime) -> Result<Option<Credentials>, String> {
    let profiles = read(&chain.sources).await?;
    let Some(plan) = plan(&profiles, chain.sources.profile.as_deref())? else { return Ok(None) };
    let mut credentials = match plan.base {
        Base::Keys(credentials) => credentials,
        Base::WebIdentity { file, role } => {
            sts::web_identity(chain, &file, &role.arn, role.session.as_deref()).await?
        }
        Base::Environment => {
            let keys = chain.sources.keys.as_ref();
            of_environment(
                keys.ok_or("the profile takes its role with the environment's keys, and there are none")?,
            )
        }
        Base::Container => container::load(chain).await?,
        Base::Instance => instance::load(chain).await??,
    };
    for role in plan.roles.iter().rev() {
        credentials = sts::assume(chain, role, &credentials, clock).await?;
    }
    Ok(Some(credentials))
}

async fn read(sources: &Sources) -> Result<Profiles, String> {
    let mut profiles = Profiles::default();
    let files = [
        ("AWS_CONFIG_FILE", &sources.config_file, true),
        ("AWS_SHARED_CREDENTIALS_FILE", &sources.credentials_file, false),
    ];
    for (variable, path, is_config) in files {
        let Some(path) = path else { continue };
        // Most images have neither.
        if path.exists() {
            profiles.add(&fetch::file(variable, path).await?, is_config);
        }
    }
    Ok(profiles)
}

fn plan(profiles: &Profiles, wanted: Option<&str>) -> Result<Option<Plan>, String> {
    let mut name = wanted.unwrap_or("default").to_owned();
    let mut roles = Vec::new();
    loop {
        let Some(profile) = profiles.get(&name) else {
            if wanted.is_none() && roles.is_empty() {
                return Ok(None);
            }
            return Err(format!("there is no profile {name} in ~/.aws/config and ~/.aws/credentials"));
        };
        let keys = keys(profile);
        let Some(arn) = profile.get("role_arn") else {
            return match keys {
                Some(keys) => Ok(Some(Plan { base: Base::Keys(keys), roles })),
                // A default profile may hold nothing but a region.
                None if wanted.is_none() && roles.is_empty() && !is_foreign(profile) => Ok(None),
                None => Err(unusable(&name, profile)),
            };
        };
        let role = role(arn, profile);
        if let Some(file) = profile.get("web_identity_token_file") {
            return Ok(Some(Plan { base: Base::WebIdentity { file: file.into(), role }, roles }));
        }
        roles.push(role);
        if roles.len() > MAX_ROLES {
            return Err(format!("the profile {name} takes its role from itself: correct source_profile"));
        }
        match (profile.get("source_profile"), profile.get("credential_source").map(String::as_str)) {
            (Some(source), None) if *source == name => {
                let keys =
                    keys.ok_or_else(|| format!("the profile {name} is its own source and has no keys"))?;
                return Ok(Some(Plan { base: Base::Keys(keys), roles }));
            }
            (Some(source), None) => source.clone_into(&mut name),
            (None, Some("Environment")) => return Ok(Some(Plan { base: Base::Environment, roles })),
            (None, Some("EcsContainer")) => return Ok(Some(Plan { base: Base::Container, roles })),
            (None, Some("Ec2InstanceMetadata")) => return Ok(Some(Plan { base: Base::Instance, roles })),
            _ => {
                return Err(format!(
                    "the profile {name} needs either source_profile or credential_source (Environment, EcsContainer, Ec2InstanceMetadata) beside role_arn"
                ));
            }
        }
    }
}

fn keys(profile: &Section) -> Option<Credentials> {
    let access = profile.get("aws_access_key_id")?;
    let secret = profile.get("aws_secret_access_key")?;
    Some(Credentials::fixed(access, secret, profile.get("aws_session_token").map(String::as_str)))
}

fn role(arn: &str, profile: &Section) -> Role {
    let text = |key: &str| profile.get(key).cloned();
    Role {
        arn: arn.to_owned(),
        session: text("role_session_name"),
        external_id: text("external_id"),
        duration: text("duration_seconds"),
    }
}

/// A profile whose credentials come from something that is not in this container.
fn is_foreign(profile: &Section) -> bool {
    ["credential_process", "sso_session", "sso_start_url"].iter().any(|key| profile.contains_key(*key))
}

fn unusable(name: &str, profile: &Section) -> String {
    if is_foreign(profile) {
        return format!(
            "the profile {name} signs in by a program or a browser, which is not possible here: export the keys \
             with `aws configure export-credentials --format env`"
        );
    }
    format!("the profile {name} has neither keys nor a role")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, wanted: Option<&str>) -> Result<Option<Plan>, String> {
        let mut profiles = Profiles::default();
        profiles.add(text, false);
        plan(&profiles, wanted)
    }

    #[test]
    fn keys_and_chains_of_roles() {
        let text = "[a]\nrole_arn=A\nsource_profile=b\nexternal_id=E\n[b]\nrole_arn=B\nsource_profile=c\n[c]\naws_access_key_id=K\naws_secret_access_key=S\n";
        let plan = of(text, Some("a")).expect("valid").expect("named");
        assert!(matches!(&plan.base, Base::Keys(keys) if keys.access() == "K"));
        let roles: Vec<&str> = plan.roles.iter().map(|role| role.arn.as_str()).collect();
        assert_eq!(roles, ["A", "B"]);
        assert_eq!(plan.roles[0].external_id.as_deref(), Some("E"));
    }

    #[test]
    fn where_the_base_comes_from() {
        let with = |line: &str| {
            of(&format!("[default]\nrole_arn=A\n{line}"), None).expect(line).expect("named").base
        };
        assert!(matches!(with("credential_source=Environment"), Base::Environment));
        assert!(matches!(with("credential_source=EcsContainer"), Base::Container));
        assert!(matches!(with("credential_source=Ec2InstanceMetadata"), Base::Instance));
        assert!(matches!(with("web_identity_token_file=/t"), Base::WebIdentity { .. }));
        let own = "source_profile=default\naws_access_key_id=K\naws_secret_access_key=S";
        assert!(matches!(with(own), Base::Keys(_)));
    }

    #[test]
    fn a_default_profile_may_be_missing_but_not_one_that_is_named() {
        assert!(of("", None).expect("nothing is named").is_none());
        assert!(of("[default]\nregion=x", None).expect("no credentials").is_none());
        for (text, wanted, reason) in [
            ("", Some("a"), "no profile a"),
            ("[a]\nrole_arn=A\nsource_profile=a", Some("a"), "no keys"),
            (
                "[a]\nrole_arn=A\nsource_profile=b\n[b]\nrole_arn=B\nsource_profile=a",
                Some("a"),
                "source_profile",
            ),
            ("[a]\nrole_arn=A", Some("a"), "credential_source"),
            ("[a]\nsso_session=s", Some("a"), "export-credentials"),
            ("[default]\ncredential_process=p", None, "export-credentials"),
            ("[a]\nregion=x", Some("a"), "neither"),
        ] {
            let message = of(text, wanted).expect_err(text);
            assert!(message.contains(reason), "{message}");
        }
    }
}

//! The files `~/.aws/config` and `~/.aws/credentials`.

use std::collections::HashMap;

/// The settings of one profile.
pub(super) type Section = HashMap<String, String>;

/// The profiles of both files, by name.
#[derive(Debug, Default)]
pub(super) struct Profiles(HashMap<String, Section>);

impl Profiles {
    /// Adds the content of a file. In the file of settings, profiles other than the default one are called
    /// `[profile name]`, and sections of other kinds are left out. What is added later wins.
    pub(super) fn add(&mut self, text: &str, is_config: bool) {
        let mut profile: Option<String> = None;
        for line in text.lines() {
            // Settings of settings (such as `s3 =`) are indented.
            if line.starts_with([' ', '\t']) || line.starts_with(['#', ';']) {
                continue;
            }
            let line = line.trim();
            if let Some(header) = line.strip_prefix('[') {
                let header = header.split(']').next().unwrap_or_default();
                profile = name(header, is_config);
                if let Some(profile) = &profile {
                    self.0.entry(profile.clone()).or_default();
                }
            } else if let (Some(profile), Some((key, value))) = (&profile, line.split_once('=')) {
                let value = value.split(" #").next().unwrap_or_default().trim();
                if let Some(section) = self.0.get_mut(profile) {
                    section.insert(key.trim().to_ascii_lowercase(), value.to_owned());
                }
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Section> {
        self.0.get(name)
    }
}

/// The profile a section's header names.
fn name(header: &str, is_config: bool) -> Option<String> {
    let words: Vec<&str> = header.split_ascii_whitespace().collect();
    let name = match words[..] {
        ["profile", ..] if is_config => words[1..].join(" "),
        ["default"] => "default".to_owned(),
        [] => return None,
        _ if is_config => return None,
        _ => words.join(" "),
    };
    Some(name.trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_make_one_set_of_profiles() {
        let mut profiles = Profiles::default();
        profiles.add(
            "[default]\nregion = eu-west-1\ns3 =\n  aws_access_key_id = nested\n[profile lab]\nrole_arn=arn # of the lab\nsource_profile = default\n[sso-session x]\naws_access_key_id = no\n",
            true,
        );
        profiles
            .add("; keys\n[default]\naws_access_key_id = A\nAWS_SECRET_ACCESS_KEY = a=b#c\n[x]\nk=v", false);
        let default = profiles.get("default").expect("named");
        assert_eq!(default["aws_access_key_id"], "A");
        assert_eq!(default["aws_secret_access_key"], "a=b#c");
        assert_eq!(profiles.get("lab").expect("named")["role_arn"], "arn");
        assert!(profiles.get("x").expect("named").contains_key("k"));
        assert!(profiles.get("sso-session x").is_none());
    }
}
